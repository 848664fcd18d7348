"""What may be planted in a cube, where, and how strong it is: the words every oddity is told in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.galaxies import Galaxy
from cubesift.simulate.light import SPAXEL, Canvas, Part, Sight, pieces
from cubesift.simulate.noise import RIM, correlation


@dataclass(frozen=True)
class Scene:
    """What a plant may look at before it grows."""

    galaxy: Galaxy
    canvas: Canvas
    sight: Sight  # of the galaxy alone
    inside: np.ndarray  # (y, x), spaxels from the edge of the hexagon

    @property
    def centre(self) -> tuple[float, float]:
        """Of the galaxy, (y, x) in spaxels."""
        middle = self.canvas.middle
        return middle + self.canvas.offset[0] / SPAXEL, middle + self.canvas.offset[1] / SPAXEL

    @property
    def sigma(self) -> float:
        """Of the seeing in r, spaxels."""
        return float(self.sight.seeing.at(6231.0)) / 2.3548 / SPAXEL

    @property
    def peak(self) -> float:
        """Share of a point source's light in its brightest spaxel."""
        return 1 / (2 * np.pi * self.sigma**2)

    def spectrum(self, y: float, x: float) -> np.ndarray:
        """The galaxy's own light at a spaxel, (wave,)."""
        index = int(np.rint(y)) * self.canvas.side + int(np.rint(x))
        return np.asarray(self.sight.spectra.T @ self.sight.maps(6231.0)[:, index])

    def elsewhere(
        self, rng: np.random.Generator, edge: float = 3.0, away: float = 4.0
    ) -> tuple[float, float]:
        """A place at least `edge` spaxels inside the hexagon and `away` from the nucleus, (y, x)."""
        y, x = np.indices(self.inside.shape)
        far = np.hypot(y - self.centre[0], x - self.centre[1])
        rows, columns = np.nonzero((self.inside > edge) & (far > away))
        pick = int(rng.integers(len(rows)))
        return float(rows[pick] + rng.uniform(-0.5, 0.5)), float(columns[pick] + rng.uniform(-0.5, 0.5))


@dataclass(frozen=True)
class Plant:
    """One strange thing: light that is added, or data that are spoilt, or a wrong entry in the catalogue."""

    kind: str
    y: float  # spaxels
    x: float
    wavelength: float = float("nan")  # observed, angstrom, vacuum; nan = all of them
    light: Part | None = None
    gain: np.ndarray | None = None  # (wave,): the flux is multiplied by it ...
    where: np.ndarray | None = None  # (y, x): ... in this share
    bits: int = 0
    bits_where: np.ndarray | None = None  # (y, x) bool
    redshift: float | None = None  # what the catalogue says instead of the truth


def near(scene: Scene, y: float, x: float, radius: float) -> np.ndarray:
    """Spaxels within `radius` spaxels of a place, (y, x) bool."""
    rows, columns = np.indices(scene.inside.shape)
    return np.asarray(np.hypot(rows - y, columns - x) <= radius)


def point(scene: Scene, spectrum: np.ndarray, y: float, x: float) -> Part:
    """Light of one point source with this spectrum, (wave,)."""
    return Part(spectrum[None].astype(np.float32), scene.canvas.point(y, x))


def recorded(sight: Sight, plants: Sequence[Plant], inside: np.ndarray) -> np.ndarray:
    """Noise-free flux of the whole cube, (wave, y, x) float32, as the instrument has it; 0 out of reach."""
    reached = np.flatnonzero(inside >= -RIM)
    flux = np.zeros((MANGA_GRID.size, inside.size), np.float32)
    for piece in pieces():
        light = sight.flux(piece, reached)
        for plant in plants:
            if plant.gain is not None and plant.where is not None:
                change = (plant.gain[piece, None] - 1) * plant.where.flat[reached]
                light = light * (1 + change).astype(np.float32)
        flux[piece, reached] = light
    return flux.reshape(MANGA_GRID.size, *inside.shape)


def added(plant: Plant, scene: Scene, truth: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
    """What the plant changed in a box of spaxels, (wave, box y, box x), noise-free."""
    if plant.light is not None:
        sight = Sight([plant.light], scene.canvas, scene.sight.seeing)
        maps = sight.maps(6231.0).reshape(-1, *scene.inside.shape)[:, *box]
        return np.asarray(np.tensordot(sight.spectra.T, maps, axes=1))
    if plant.gain is not None and plant.where is not None:
        factor = 1 + (plant.gain[:, None, None] - 1) * plant.where[box]
        return np.asarray(truth[:, *box] * (1 - 1 / factor))
    return np.zeros((1, 1, 1))


def matched_signal_to_noise(signal: np.ndarray, variance: np.ndarray) -> float:
    """S/N of the sum weighted by signal / variance, with the noise that neighbours share.

    (Σ w t)² / Σ w_i σ_i rho_ij w_j σ_j with w = t / σ², per channel, added over channels.

    Args:
        signal: (wave, y, x), noise-free.
        variance: (wave, y, x); inf = do not use.
    """
    weight = signal / variance
    scaled = weight * np.sqrt(np.where(np.isfinite(variance), variance, 0))
    rows, columns = correlation(signal.shape[1]), correlation(signal.shape[2])
    found = np.sum(weight * signal, axis=(1, 2)) ** 2
    noise = np.einsum("wyx,yv,wvu,ux->w", scaled, rows, scaled, columns, optimize=True)
    usable = noise > 0
    return float(np.sqrt(np.sum(found[usable] / noise[usable])))
