"""An observation before anything strange grows in it: what a plant may look at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cubesift.data.dust import transmission
from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.exposure import formal_variance
from cubesift.simulate.galaxies import Galaxy
from cubesift.simulate.layers import parts_of
from cubesift.simulate.light import SPAXEL, Canvas, Part, Sight
from cubesift.simulate.noise import RIM, coverage_variance, distance_inside
from cubesift.simulate.observation import Observation, draw_observation
from cubesift.simulate.settings import Simulation

Box = tuple[slice, slice]  # of spaxels, y and x


@dataclass(frozen=True)
class Scene:
    """One observation of an ordinary galaxy, without noise."""

    settings: Simulation
    seen: Observation
    canvas: Canvas
    sight: Sight  # of the galaxy alone
    inside: np.ndarray  # (y, x), spaxels from the edge of the hexagon
    dust: np.ndarray  # (wave,), share of the light that our own Galaxy lets through
    strengths: tuple[float, float] = (1.0, 1.0)  # the range that the plant's strength is drawn from

    @property
    def galaxy(self) -> Galaxy:
        """Who is observed."""
        return self.seen.galaxy

    @property
    def centre(self) -> tuple[float, float]:
        """Of the galaxy, (y, x) in spaxels."""
        middle = self.canvas.middle
        return middle + self.canvas.offset[0] / SPAXEL, middle + self.canvas.offset[1] / SPAXEL

    @property
    def sigma(self) -> float:
        """Of the seeing in r, spaxels."""
        return float(self.sight.seeing.at(6231.0)) / 2.3548 / SPAXEL

    def share(self, y: float, x: float) -> float:
        """Share of the light of a point source at (y, x) that falls on its brightest spaxel, in r."""
        off = (y - np.rint(y)) ** 2 + (x - np.rint(x)) ** 2
        return float(np.exp(-0.5 * off / self.sigma**2) / (2 * np.pi * self.sigma**2))

    def strength(self, rng: np.random.Generator) -> float:
        """A strength drawn evenly from its range."""
        return float(rng.uniform(*self.strengths))

    def spectrum(self, y: float, x: float) -> np.ndarray:
        """The galaxy's own light at a spaxel, (wave,)."""
        index = int(np.rint(y)) * self.canvas.side + int(np.rint(x))
        return np.asarray(self.sight.spectra.T @ self.sight.maps(6231.0)[:, index])

    def continuum(self, y: float, x: float, wave: float) -> float:
        """Median of the galaxy's own light within 150 angstrom of a wavelength, at a spaxel."""
        return float(np.median(self.spectrum(y, x)[MANGA_GRID.between(wave - 150, wave + 150)]))

    def nucleus(self) -> float:
        """Mean of the galaxy's own light in r at its centre, 1e-17 erg/s/cm2/angstrom/spaxel."""
        return float(self.spectrum(*self.centre)[MANGA_GRID.between(5600, 6900)].mean())

    def elsewhere(
        self, rng: np.random.Generator, edge: float = 3.0, away: float = 4.0, within: float = np.inf
    ) -> tuple[float, float]:
        """A place inside the hexagon, (y, x) in spaxels; the nearest to what is wanted if there is none.

        Args:
            rng: draws it.
            edge: spaxels from the hexagon's edge, at least.
            away: spaxels from the nucleus, at least.
            within: spaxels from the nucleus, at most.
        """
        y, x = np.indices(self.inside.shape)
        far = np.hypot(y - self.centre[0], x - self.centre[1])
        amiss = np.abs(np.clip(far, away, max(within, away + 1)) - far)  # 0 where all is as wanted
        amiss[self.inside <= min(edge, self.inside.max() - 1)] = np.inf
        rows, columns = np.nonzero(amiss == amiss.min())
        pick = int(rng.integers(len(rows)))
        return float(rows[pick] + rng.uniform(-0.5, 0.5)), float(columns[pick] + rng.uniform(-0.5, 0.5))

    def arcsec(self, y: float, x: float) -> tuple[float, float]:
        """A place of spaxels as arcsec from the galaxy's centre, (y, x)."""
        return (y - self.centre[0]) * SPAXEL, (x - self.centre[1]) * SPAXEL

    def box(self, y: float, x: float, spread: float) -> Box:
        """The spaxels up to `spread` rows and columns from a place; all of them if it is inf."""
        side = self.canvas.side
        if not np.isfinite(spread):
            return slice(0, side), slice(0, side)

        def around(place: float) -> slice:
            middle = int(np.clip(np.rint(place), 0, side - 1))
            return slice(max(middle - int(spread), 0), min(middle + int(spread) + 1, side))

        return around(y), around(x)

    def near(self, y: float, x: float, radius: float) -> np.ndarray:
        """Spaxels within `radius` spaxels of a place, (y, x) bool."""
        rows, columns = np.indices(self.inside.shape)
        return np.asarray(np.hypot(rows - y, columns - x) <= radius)

    def holds(self, y: float, x: float) -> bool:
        """Whether a place lies in the bundle's hexagon."""
        return bool((self.near(y, x, 0.71) & (self.inside >= 0)).any())

    def reached(self, box: Box | None = None) -> np.ndarray:
        """Flat indices of the spaxels (of a box) that a fibre reaches."""
        wanted = np.zeros(self.inside.shape, bool)
        wanted[box or (slice(None), slice(None))] = True
        return np.flatnonzero(wanted & (self.inside >= -RIM))

    def variance(self, light: np.ndarray, spaxels: np.ndarray) -> np.ndarray:
        """Variance of the true noise on noise-free light, (wave, spaxels), spaxels as flat indices."""
        cover = coverage_variance(self.inside).astype(np.float32).flat[spaxels]
        return np.asarray(self.seen.error_factor**2 * formal_variance(self.seen, light, cover))

    def sight_of(self, parts: list[Part]) -> Sight:
        """The galaxy's parts seen through our own Galaxy's dust and the seeing."""
        return _seen(parts, self.dust, self.canvas, self.seen)

    def parts(self, **changes: Any) -> list[Part]:
        """The galaxy's light on this canvas, with some of its fields changed, before dust and seeing."""
        return parts_of(replace(self.galaxy, **changes), self.canvas)


def scene_of(settings: Simulation, index: int) -> Scene:
    """Observation number `index`, before anything strange grows in it."""
    seen = draw_observation(settings, index)
    canvas = Canvas(seen.side, seen.offset)
    dust = transmission(MANGA_GRID.wave, seen.galaxy.ebv).astype(np.float32)
    sight = _seen(parts_of(seen.galaxy, canvas), dust, canvas, seen)
    return Scene(settings, seen, canvas, sight, distance_inside(seen.ifusize, seen.side), dust)


def _seen(parts: list[Part], dust: np.ndarray, canvas: Canvas, seen: Observation) -> Sight:
    return Sight([Part(part.spectra * dust, part.maps) for part in parts], canvas, seen.seeing)
