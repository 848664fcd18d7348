"""How wide a line that has no width is, on its way through each spectrograph."""

from __future__ import annotations

import numpy as np

from cubesift.data.wavelength import SPEED_OF_LIGHT
from cubesift.errors import CubesiftError

# MaNGA: mean of the eight real spectra's SRES; angstrom in vacuum, and sigma in km/s there.
_MANGA = {
    3622: 87.2, 3800: 84.3, 4000: 78.6, 4300: 73.8, 4600: 71.4, 5000: 69.1, 5400: 67.2, 5800: 64.9,
    6000: 66.5, 6300: 71.2, 6600: 68.9, 7000: 65.6, 7500: 61.8, 8000: 58.6, 8500: 54.5, 9000: 52.0,
    9500: 52.4, 10000: 56.7, 10350: 62.8,
}  # fmt: skip
_SAMI_FWHM = (2.66, 1.59)  # angstrom, blue and red arm (Scott+2018, table 1)
_SAMI_RED = 6000.0  # angstrom, between the arms


def line_spread(instrument: str, wave: np.ndarray | float) -> np.ndarray:
    """Sigma of a narrow line, km/s, at observed wavelengths in angstrom: what is typical of the instrument.

    MaNGA from the SRES of eight real spectra; SAMI as Scott+2018; MUSE as Bacon+2017, eq. 8.

    Raises:
        CubesiftError: nothing is known of the instrument.
    """
    at = np.asarray(wave, dtype=np.float64)
    if instrument == "MaNGA":
        return np.interp(at, list(_MANGA), list(_MANGA.values()))
    if instrument == "SAMI":
        fwhm = np.where(at < _SAMI_RED, *_SAMI_FWHM)
    elif instrument == "MUSE":
        fwhm = 5.866e-8 * at**2 - 9.187e-4 * at + 6.040
    else:
        raise CubesiftError(
            f"{instrument}: the width of its lines is not known, only those of MaNGA, SAMI and MUSE"
        )
    return np.asarray(fwhm / 2.3548 / at * SPEED_OF_LIGHT)
