"""Oddities of one's own: every function of a Python file plants one, and its kind has the function's name.

Such a file, for `cubesift simulate RUN --oddities beacon.py`:

    import numpy as np

    from cubesift.simulate.gas import glowing
    from cubesift.simulate.plants import Plant, point


    def beacon(scene, rng):
        # Three narrow lines, evenly spaced, that no galaxy has.
        y, x = scene.elsewhere(rng)  # spaxels, inside the bundle and off the nucleus
        first = rng.uniform(5000, 8000)  # angstrom
        fluxes = {str(first + 100 * step): 10.0 for step in range(3)}  # 1e-17 erg/s/cm2
        spectrum = glowing(fluxes, sigma=50.0, velocities=np.zeros(1), redshift=0.0)[0]
        return Plant("beacon", y, x, wavelength=first, light=point(scene, spectrum, y, x))
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType

import numpy as np

from cubesift.data.wavelength import MANGA_GRID
from cubesift.errors import CubesiftError
from cubesift.simulate.plants import Plant, recorded
from cubesift.simulate.scene import Scene
from cubesift.simulate.settings import content

Planting = Callable[[Scene, np.random.Generator], Plant]


@lru_cache(maxsize=4)
def own_kinds(file: str) -> dict[str, Planting]:
    """The functions of a file by their names, in its order; names with an underscore in front are its own.

    Each is called with a `Scene` and a random generator and returns a `Plant`. What the plant adds to the
    sky is in every observation of the galaxy, what it spoils in the first alone.

    Args:
        file: a path; every process that simulates reads it, so it must be there for all.

    Raises:
        CubesiftError: no such file, it does not run, or it holds no function.
    """
    source = content(file)
    module = ModuleType("oddities")
    try:
        exec(compile(source, file, "exec"), vars(module))
    except Exception as error:
        raise CubesiftError(f"{_where(file, error)}: the oddities' file does not run") from error
    found = {
        name: _checked(file, thing)
        for name, thing in vars(module).items()
        if inspect.isfunction(thing) and thing.__module__ == module.__name__ and not name.startswith("_")
    }
    if not found:
        raise CubesiftError(
            f"{file}: no function in it. Expected `def name(scene, rng)` that returns a Plant."
        )
    return found


def _checked(file: str, function: Planting) -> Planting:
    """The function, whose faults are told in one line."""
    name = getattr(function, "__name__", "it")

    def planted(scene: Scene, rng: np.random.Generator) -> Plant:
        try:
            plant = function(scene, rng)
            fault = _fault(plant, scene)
        except CubesiftError:
            raise
        except Exception as error:
            raise CubesiftError(f"{_where(file, error)}: {name} could not be planted") from error
        if fault:
            raise CubesiftError(f"{file}: {name} {fault}")
        return plant

    return planted


def _fault(plant: object, scene: Scene) -> str:
    """Why truth could not tell of what a function returned; "" = it can. The plant is tried in one spaxel."""
    if not isinstance(plant, Plant):
        return f"returned {type(plant).__name__}, expected a Plant."
    if not scene.holds(plant.y, plant.x):
        return (
            f"is planted at y, x = {plant.y:.1f}, {plant.x:.1f}, expected a place in the bundle. "
            "`scene.elsewhere(rng)` is one."
        )
    here = scene.reached(scene.box(plant.y, plant.x, 0))
    flux = recorded(scene, [plant], here)
    if flux.shape != (MANGA_GRID.size, len(here)) or not np.isfinite(flux).all():
        expected = (MANGA_GRID.size, len(here))
        return f"makes flux of shape {flux.shape} or nan of it, expected finite numbers of shape {expected}."
    return ""


def _where(file: str, error: Exception) -> str:
    """The file, the last line of it that was run, and what went wrong."""
    line = getattr(error, "lineno", None)
    for frame in traceback.extract_tb(error.__traceback__):
        line = frame.lineno if frame.filename == file else line
    place = f"{file}, line {line}" if line else file
    return f"{place}: {type(error).__name__}: {error}"
