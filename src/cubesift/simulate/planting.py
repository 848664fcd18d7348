"""Which oddities go into which galaxy, and what the truth says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cubesift.data.cube import Cube
from cubesift.errors import CubesiftError
from cubesift.simulate import anomalies, artefacts
from cubesift.simulate.observation import Observation
from cubesift.simulate.plants import Plant, Scene, added, matched_signal_to_noise
from cubesift.simulate.repeats import new_galaxies
from cubesift.simulate.settings import Simulation

PLANTS: dict[str, Callable[[Scene, np.random.Generator], Plant]] = {
    "foreground_star": anomalies.foreground_star,
    "unflagged_star": anomalies.unflagged_star,
    "power_law": anomalies.power_law,
    "broad_lines": anomalies.broad_lines,
    "background_line": anomalies.background_line,
    "second_galaxy": anomalies.second_galaxy,
    "dead_fibre": artefacts.dead_fibre,
    "flux_step": artefacts.flux_step,
    "wrong_redshift": artefacts.wrong_redshift,
}
ODD = tuple(kind for kind in PLANTS if kind != "foreground_star")  # flagged stars are part of the sky


def plants_in(settings: Simulation, seen: Observation, scene: Scene) -> list[Plant]:
    """All that grows in one observation: the catalogue's foreground stars, and its oddities."""
    rng = np.random.default_rng([settings.seed, seen.index, 4])
    kinds = ["foreground_star"] * seen.galaxy.stars + kinds_in(settings, seen.index, seen.source)
    return [PLANTS[kind](scene, rng) for kind in kinds]


def kinds_in(settings: Simulation, index: int, source: int) -> list[str]:
    """Oddities that go into observation `index` of galaxy `source`."""
    if source != index:
        return []
    if not isinstance(settings.oddities, dict):
        rng = np.random.default_rng([settings.seed, source, 2])
        return [str(rng.choice(ODD))] if rng.random() < settings.oddities else []
    unknown = sorted(set(settings.oddities) - set(PLANTS))
    if unknown:
        raise CubesiftError(f"no oddity is called {', '.join(unknown)}; there are {', '.join(PLANTS)}")
    wanted = [kind for kind in PLANTS for _ in range(int(settings.oddities.get(kind, 0)))]
    hosts = new_galaxies(settings)
    order = np.random.default_rng([settings.seed, 3]).permutation(hosts)
    return [kind for number, kind in enumerate(wanted) if order[number % hosts] == index]


def told(plant: Plant, cube: Cube, scene: Scene, clean: np.ndarray, seen: Observation) -> dict[str, Any]:
    """One row of truth."""
    side = cube.shape[1]
    y, x = (int(np.clip(np.rint(place), 0, side - 1)) for place in (plant.y, plant.x))
    box = (slice(max(y - 6, 0), y + 7), slice(max(x - 6, 0), x + 7))
    change = added(plant, scene, clean, box)
    amplitude, snr = float("nan"), float("nan")
    if change.size > 1:
        ivar = cube.ivar[:, *box]
        variance = np.where(ivar > 0, seen.error_factor**2 / np.where(ivar > 0, ivar, 1), np.inf)
        snr = matched_signal_to_noise(change, variance)
        amplitude = float(change.flat[np.argmax(np.abs(change))])
    elif plant.redshift is not None:
        amplitude = plant.redshift - scene.galaxy.redshift
    return {
        "plateifu": cube.plateifu,
        "mangaid": cube.mangaid,
        "kind": plant.kind,
        "y": plant.y,
        "x": plant.x,
        "wavelength": plant.wavelength,
        "amplitude": amplitude,
        "snr": snr,
    }
