"""One galaxy as observed, whatever the instrument: the single noun all readers make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cubesift.data.wavelength import MANGA_GRID, WavelengthGrid

# DRP3PIXMASK, SDSS mask-bit tables; other instruments' flags are put into the same bits.
NOCOV, LOWCOV, DEADFIBER, FORESTAR, DONOTUSE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 10

CRITICAL = 1 << 30  # of DRP3QUAL: the whole cube is not to be used

# Noise of neighbouring spaxels: rho(d) = exp(-d**2 / 2 sigma**2), d in spaxels (Law+2016, MaNGA DRP).
MANGA_NOISE_SIGMA = 1.92

# Noise of a channel with the next, and with the next but one: from the two real spectra that are faint enough
# to tell, 0.19 and 0.28, -0.20 and -0.13; farther apart they have 0.03 at most (docs/log.md).
MANGA_CHANNEL_CORRELATION = (0.23, -0.17)

NO_DUST = "no Galactic E(B-V) in the header: taken as 0"  # a note, until the catalogue knows it


@dataclass
class Cube:
    """A cube at the door: vacuum wavelengths, 1e-17 erg/s/cm2/angstrom/spaxel, native byte order.

    NaN, no coverage and DONOTUSE have become `ivar == 0` (and flux 0 where it was NaN).
    """

    plateifu: str  # the observation's name
    mangaid: str  # the galaxy's name: repeats share it
    flux: np.ndarray  # (wave, y, x) float32, 1e-17 erg/s/cm2/angstrom/spaxel
    ivar: np.ndarray  # (wave, y, x) float32, inverse variance of flux; 0 = do not use
    bits: np.ndarray  # (wave, y, x) uint16, DRP3PIXMASK
    grid: WavelengthGrid = MANGA_GRID
    redshift: float = float("nan")  # nan = not known
    ra: float = float("nan")  # degrees, of the galaxy
    dec: float = float("nan")
    spaxel: float = 0.5  # side of a spaxel, arcsec
    psf_fwhm: float = 2.5  # arcsec, r band; nan = not known
    ebv: float = 0.0  # Galactic E(B-V), mag, still in the flux; 0 where it was taken out
    noise_sigma: float = MANGA_NOISE_SIGMA  # spaxels; 0 = spaxels are independent
    channel_correlation: tuple[float, ...] = ()  # of a channel's noise with the next, the next but one, ...
    instrument: str = "MaNGA"
    quality: int = 0  # DRP3QUAL
    source: str = ""  # the file it was read from
    notes: tuple[str, ...] = ()  # what was assumed at the door, in words

    @property
    def shape(self) -> tuple[int, int, int]:
        """(wave, y, x)."""
        wave, y, x = self.flux.shape
        return wave, y, x

    @property
    def known_redshift(self) -> bool:
        """Whether a usable redshift came with the cube."""
        return bool(np.isfinite(self.redshift) and self.redshift > -0.01)
