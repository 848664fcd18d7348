"""What may be planted in a cube, and what becomes of the light with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cubesift.simulate.light import SPAXEL, Canvas, Part, Sight, pieces
from cubesift.simulate.scene import Scene

Light = Callable[[Canvas], Part]  # light of the sky, laid out on whichever canvas it is seen
Altered = Callable[[list[Part], Canvas], list[Part]]  # what becomes of the galaxy's own light
Spoilt = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of flux (wave, spaxels) and their flat indices


@dataclass(frozen=True)
class Plant:
    """One strange thing. `light`, `altered` and `galaxy` are in the sky, `spoilt` is not."""

    kind: str
    y: float  # spaxels
    x: float
    wavelength: float = float("nan")  # observed, angstrom, vacuum; nan = many
    strength: float = float("nan")  # in the unit of its kind: see `STRENGTHS`
    light: Light | None = None  # is added
    altered: Altered | None = None  # the galaxy's own light becomes this
    galaxy: Mapping[str, Any] = field(default_factory=dict)  # fields of the galaxy that are otherwise
    spoilt: Spoilt | None = None  # what the instrument or the pipeline makes of it
    bits: int = 0  # of DRP3PIXMASK ...
    reach: float = 0.0  # ... within so many spaxels
    spread: float = 6.0  # spaxels around it that truth looks at; inf = the whole cube
    redshift: float | None = None  # what the catalogue says instead of the truth

    @property
    def lasts(self) -> bool:
        """Whether any of it is there for another observation to see."""
        return bool(self.light or self.altered or self.galaxy or self.redshift is not None)


def point(scene: Scene, spectrum: np.ndarray, y: float, x: float) -> Light:
    """Light of one point source of this spectrum, (wave,), at a place of the scene in spaxels."""
    rows = spectrum[None].astype(np.float32)
    down, right = scene.arcsec(y, x)
    return lambda canvas: Part(rows, canvas.point(*on_canvas(canvas, down, right)))


def on_canvas(canvas: Canvas, down: float, right: float) -> tuple[float, float]:
    """Arcsec from the galaxy's centre as a place on a canvas, (y, x) in spaxels."""
    return (
        canvas.middle + (canvas.offset[0] + down) / SPAXEL,
        canvas.middle + (canvas.offset[1] + right) / SPAXEL,
    )


def patch(scene: Scene, y: float, x: float, sigma: float) -> np.ndarray:
    """A soft patch of spaxels, 1 in its middle, (y, x); `sigma` in spaxels."""
    rows, columns = np.indices(scene.inside.shape)
    return np.asarray(np.exp(-0.5 * ((rows - y) ** 2 + (columns - x) ** 2) / sigma**2), np.float32)


def transported(plant: Plant, home: Scene, scene: Scene) -> Plant:
    """The same thing of the sky in another observation; what the instrument did stays behind."""
    down, right = home.arcsec(plant.y, plant.x)
    y, x = on_canvas(scene.canvas, down, right)
    return replace(plant, y=y, x=x, spoilt=None)


def sight_with(scene: Scene, plants: Sequence[Plant]) -> Sight:
    """The scene with all that grows in the sky."""
    sight = scene.sight
    changes = {name: value for plant in plants for name, value in plant.galaxy.items()}
    alterations = [plant.altered for plant in plants if plant.altered is not None]
    if changes or alterations:
        parts = scene.parts(**changes)
        for alter in alterations:
            parts = alter(parts, scene.canvas)
        sight = scene.sight_of(parts)
    lights = [plant.light(scene.canvas) for plant in plants if plant.light is not None]
    return sight.joined(Sight(lights, scene.canvas, scene.seen.seeing)) if lights else sight


def recorded(scene: Scene, plants: Sequence[Plant], spaxels: np.ndarray) -> np.ndarray:
    """Noise-free flux of some spaxels (flat indices) as the instrument has it, (wave, spaxels) float32."""
    sight = sight_with(scene, plants)
    flux = np.concatenate([sight.flux(piece, spaxels) for piece in pieces()])
    for plant in plants:
        if plant.spoilt is not None:
            flux = plant.spoilt(flux, spaxels).astype(np.float32, copy=False)
    return flux
