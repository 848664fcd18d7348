"""Wavelengths: the log grid all cubes share, and the way from air to vacuum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPEED_OF_LIGHT = 299_792.458  # km/s
STEP = 1e-4  # dex; one channel is 69.03 km/s wide


@dataclass(frozen=True)
class WavelengthGrid:
    """Channels equally spaced in log10 of the vacuum wavelength.

    Every grid sits on MaNGA's lattice (3621.59598486 * 10**(1e-4 i) angstrom, MaNGA data model):
    two grids differ by whole channels, so going to the rest frame is a shift.
    """

    first: int  # channel of MaNGA's lattice at which this grid starts; negative is bluer
    size: int  # number of channels
    width: int = 1  # lattice channels per channel of this grid (rebinned: 4)

    @property
    def wave(self) -> np.ndarray:
        """Centres of the channels, (size,) float64, angstrom in vacuum."""
        centres = self.first + self.width * np.arange(self.size) + (self.width - 1) / 2
        return np.asarray(MANGA_START * 10 ** (STEP * centres))

    def channel(self, wavelength: float | np.ndarray) -> np.ndarray:
        """Fractional channel of a vacuum wavelength in angstrom; may lie off the grid."""
        lattice = np.log10(np.asarray(wavelength) / MANGA_START) / STEP
        return np.asarray((lattice - self.first - (self.width - 1) / 2) / self.width)

    def between(self, low: float, high: float) -> slice:
        """The channels whose centres lie in [low, high] angstrom."""
        start, stop = np.searchsorted(self.wave, [low, high + 1e-9])
        return slice(int(start), int(stop))

    def cut(self, size: int) -> WavelengthGrid:
        """The first `size` channels."""
        return WavelengthGrid(self.first, min(size, self.size), self.width)

    def rebinned(self, width: int) -> WavelengthGrid:
        """Channels `width` times as wide; a remainder at the red end is left out."""
        return WavelengthGrid(self.first, self.size // width, self.width * width)


MANGA_START = 3621.59598486  # angstrom, CRVAL3 of every LOGCUBE
MANGA_GRID = WavelengthGrid(first=0, size=4563)


def rest_grid(grid: WavelengthGrid, max_redshift: float) -> WavelengthGrid:
    """The union of the rest frames of `grid` for redshifts from 0 to `max_redshift`."""
    bluer = int(np.ceil(np.log10(1 + max_redshift) / STEP))
    return WavelengthGrid(grid.first - bluer, grid.size + bluer, grid.width)


def redshift_channels(redshift: float) -> tuple[int, float]:
    """log10(1 + z) in channels: the nearest whole number, and the fraction left, in [-0.5, 0.5]."""
    channels = np.log10(1 + redshift) / STEP
    whole = int(np.rint(channels))
    return whole, float(channels - whole)


def vacuum_from_air(wavelength: np.ndarray) -> np.ndarray:
    """Vacuum wavelengths (angstrom) of air wavelengths, Ciddor (1996) as in PyDL and Morton (2000)."""
    air = np.asarray(wavelength, dtype=np.float64)
    vacuum = air.copy()
    # The index is a function of the vacuum wavelength: two rounds reach 1e-9 angstrom.
    for _ in range(2):
        vacuum = air * refraction_of_air(vacuum)
    return vacuum


def air_from_vacuum(wavelength: np.ndarray) -> np.ndarray:
    """Air wavelengths (angstrom) of vacuum wavelengths, Ciddor (1996)."""
    vacuum = np.asarray(wavelength, dtype=np.float64)
    return np.asarray(vacuum / refraction_of_air(vacuum))


def refraction_of_air(vacuum: np.ndarray) -> np.ndarray:
    """Refractive index of standard air (15 C, 450 ppm CO2), Ciddor (1996), eq. 1 of his paper."""
    sigma2 = (1e4 / vacuum) ** 2  # wavenumber squared, 1/micron**2
    return np.asarray(1 + 0.05792105 / (238.0185 - sigma2) + 0.00167917 / (57.362 - sigma2))
