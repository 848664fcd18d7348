"""A cube's light as a sum of few spectra times maps: seen through the seeing, then cut into spaxels."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from cubesift.data.fitswrite import CENTRES
from cubesift.data.wavelength import MANGA_GRID

SPAXEL = 0.5  # arcsec
FINE = 3  # cells along a spaxel
ROOM = 8  # spaxels around the cube from which seeing still scatters light in
BANDS = {band.lower(): centre for band, centre in CENTRES.items()}  # SDSS, angstrom
STEPS = 32  # pieces of the wavelength axis with one seeing each; it changes by 0.1 % from one to the next
GAS_STEP, STAR_STEP = 17.26, 34.51  # km/s between bins of velocity: a quarter and half of a channel


@dataclass(frozen=True)
class Part:
    """Light that is Σ_k spectra[k] * maps[k]."""

    spectra: np.ndarray  # (k, wave) float32, 1e-17 erg/s/cm2/angstrom
    maps: np.ndarray  # (k, fine y, fine x) float32, share of each spectrum that comes from a cell


@dataclass(frozen=True)
class Canvas:
    """The fine cells on which light is laid out, around a galaxy that may stand off the cube's centre."""

    side: int  # of the cube, spaxels
    offset: tuple[float, float] = (0.0, 0.0)  # arcsec, y and x of the galaxy from the cube's centre
    fine: int = FINE  # cells along a spaxel

    @property
    def cell(self) -> float:
        """Side of a cell, arcsec."""
        return SPAXEL / self.fine

    @property
    def middle(self) -> float:
        """Spaxel coordinate of the cube's centre: the reference pixel of the data model."""
        return self.side / 2

    @cached_property
    def places(self) -> np.ndarray:
        """Centres of the cells along one axis, in spaxels of the cube (0 = centre of its first)."""
        count = (self.side + 2 * ROOM) * self.fine
        return np.asarray((np.arange(count) + 0.5) / self.fine - 0.5 - ROOM)

    @cached_property
    def y(self) -> np.ndarray:
        """Arcsec north of the galaxy, (fine y, fine x)."""
        along = (self.places - self.middle) * SPAXEL - self.offset[0]
        return np.broadcast_to(along[:, None], (len(along), len(along)))

    @cached_property
    def x(self) -> np.ndarray:
        """Arcsec west of the galaxy, (fine y, fine x)."""
        along = (self.places - self.middle) * SPAXEL - self.offset[1]
        return np.broadcast_to(along[None, :], (len(along), len(along)))

    def point(self, y: float, x: float) -> np.ndarray:
        """A map of one point source at spaxel coordinates (y, x), (1, fine y, fine x) float32."""
        count = len(self.places)
        sky = np.zeros((1, count, count), np.float32)
        row, column = (float(np.interp(at, self.places, np.arange(count))) for at in (y, x))
        i, j = min(int(row), count - 2), min(int(column), count - 2)
        down, right = row - i, column - j
        sky[0, i : i + 2, j : j + 2] = np.outer([1 - down, down], [1 - right, right])
        return sky

    def by_velocity(
        self, light: np.ndarray, velocity: np.ndarray, step: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Split a map into bins of line-of-sight velocity; a cell shares its light between its two bins.

        This adds step**2 / 6 to the square of the dispersion, on average: see `unshared`.

        Returns:
            Velocities of the bins, (k,) km/s, and maps, (k, fine y, fine x) float32, that add up to `light`.
        """
        bins = velocity / step
        low = np.floor(bins).astype(int)
        first = int(low.min())
        count = int(low.max()) - first + 2
        maps = np.zeros((count, light.size), dtype=np.float32)
        cells = np.arange(light.size)
        upper = (bins - low).ravel()
        maps[(low - first).ravel(), cells] = light.ravel() * (1 - upper)
        maps[(low - first + 1).ravel(), cells] += light.ravel() * upper
        return step * (first + np.arange(count)), maps.reshape(count, *light.shape)


def unshared(sigma: float, step: float) -> float:
    """The dispersion to give a bin's spectrum, km/s, so that light shared between two bins has `sigma`."""
    return float(np.sqrt(max(sigma**2 - step**2 / 6, 0)))


@dataclass(frozen=True)
class Seeing:
    """A Gaussian that narrows slowly with wavelength (Law+2016: the reconstructed PSF is near Gaussian)."""

    fwhm: float  # arcsec in r

    def at(self, wave: np.ndarray | float) -> np.ndarray:
        """FWHM in arcsec: it falls from g to r and hardly beyond, as in the header of 7815-3702."""
        knots = np.log([3600.0, *BANDS.values()])  # to the blue the slope from r to g goes on
        trend = np.interp(np.log(wave), knots, [1.0396, 1.0193, 1.0, 0.9962, 0.9959])
        return np.asarray(self.fwhm * trend)

    def matrix(self, canvas: Canvas, wave: float) -> np.ndarray:
        """From cells to spaxels along one axis, (side, fine) float32; what reaches the cube is conserved."""
        sigma = float(self.at(wave)) / 2.3548 / SPAXEL
        away = (np.arange(canvas.side)[:, None] - canvas.places) / sigma
        near = np.where(np.abs(away) < 6, np.exp(-0.5 * away**2), 0)  # tiny numbers are slow to multiply
        return np.asarray(near / (np.sqrt(2 * np.pi) * sigma), dtype=np.float32)


class Sight:
    """All parts seen through one seeing: gives the flux of any piece of the wavelength axis."""

    def __init__(self, parts: list[Part], canvas: Canvas, seeing: Seeing):
        self.side = canvas.side
        self.seeing = seeing
        self.spectra = np.concatenate([part.spectra for part in parts])
        self.ends = (float(MANGA_GRID.wave[0]), float(MANGA_GRID.wave[-1]))
        self._maps = []
        for wave in self.ends:
            project = seeing.matrix(canvas, wave)
            seen = [project @ part.maps @ project.T for part in parts]
            self._maps.append(np.concatenate(seen).reshape(len(self.spectra), -1))

    def maps(self, wave: float, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Maps of (some) spectra at one wavelength, (k, spaxels): between those of the ends by variance."""
        blue, red = (float(self.seeing.at(end)) ** 2 for end in self.ends)
        share = (float(self.seeing.at(wave)) ** 2 - blue) / (red - blue)
        first, last = (maps[which] for maps in self._maps)
        return np.asarray(first + np.float32(share) * (last - first))

    def joined(self, other: Sight) -> Sight:
        """Both lights together, through the same seeing."""
        both = copy(self)
        both.spectra = np.concatenate([self.spectra, other.spectra])
        both._maps = [np.concatenate(pair) for pair in zip(self._maps, other._maps, strict=True)]
        return both

    def flux(self, channels: slice, spaxels: np.ndarray) -> np.ndarray:
        """Noise-free flux of some spaxels (flat indices), (channels, spaxels) float32."""
        middle = float(MANGA_GRID.wave[channels].mean())
        lit = np.flatnonzero(self.spectra[:, channels].any(axis=1))  # most gas has no line in most pieces
        return np.asarray(self.spectra[lit, channels].T @ self.maps(middle, lit)[:, spaxels])


def pieces() -> list[slice]:
    """The wavelength axis in `STEPS` pieces."""
    edges = np.linspace(0, MANGA_GRID.size, STEPS + 1).astype(int)
    return [slice(int(low), int(high)) for low, high in pairwise(edges)]
