"""Spectra of quasars: real ones from a file, or a composite of our own."""

from __future__ import annotations

import io
from functools import lru_cache
from zipfile import BadZipFile

import numpy as np
from scipy.ndimage import gaussian_filter1d

from cubesift.data.wavelength import MANGA_GRID
from cubesift.errors import CubesiftError
from cubesift.simulate.settings import content

WAVE = MANGA_GRID.wave
# Rest wavelength, equivalent width and sigma, angstrom, of the strongest lines of the SDSS composite
# (Vanden Berk+2001, table 2), rounded. Iron is left out.
LINES = (
    (1216.3, 93.0, 19.5),
    (1398.3, 8.1, 14.3),
    (1546.2, 23.8, 14.3),
    (1905.9, 21.2, 23.6),
    (2800.3, 32.3, 35.0),
    (4102.7, 5.1, 18.6),
    (4346.4, 12.6, 20.3),
    (4853.1, 46.2, 40.4),
    (4960.3, 3.5, 3.9),
    (5008.2, 13.2, 6.0),
    (6564.9, 194.5, 47.4),
)
BROAD = (1216.3, 1546.2, 1905.9, 2800.3, 4853.1, 6564.9)  # the lines that a person would name


def quasar_spectrum(rng: np.random.Generator, file: str | None, redshift: float) -> tuple[np.ndarray, float]:
    """A spectrum on MANGA_GRID, any scale, and where its strongest broad line is observed (nan: nowhere).

    Args:
        rng: draws it.
        file: .npz of real spectra, see `real_quasars`; None = the composite at z = 0.4 to 3.5.
        redshift: of the galaxy in front.
    """
    if file is None:
        z = float(rng.uniform(0.4, 3.5))
        spectrum = composite(z, rng)
    else:
        spectra, redshifts = real_quasars(file)
        behind = np.flatnonzero(redshifts > redshift + 0.05)
        if not len(behind):
            raise CubesiftError(
                f"{file}: no quasar beyond z = {redshift + 0.05:.2f}; give some further away."
            )
        row = int(rng.choice(behind))
        z, spectrum = float(redshifts[row]), spectra[row]
    seen = [line * (1 + z) for line in BROAD if 3700 < line * (1 + z) < 10_000]
    levels = [spectrum[int(MANGA_GRID.channel(line))] for line in seen]
    return spectrum, seen[int(np.argmax(levels))] if seen else float("nan")


def composite(redshift: float, rng: np.random.Generator) -> np.ndarray:
    """Our own composite, (wave,): two power laws and broad lines as in Vanden Berk+2001, and a forest.

    The forest is sixty random absorbers a unit of log wavelength 0.1 blueward of Lyman alpha.
    """
    rest = WAVE / (1 + redshift)
    # Indices of frequency -0.44 and -2.45 on either side of 5000 angstrom, here of wavelength.
    continuum = np.where(rest < 5000, (rest / 5000) ** -1.56, (rest / 5000) ** 0.45)
    spectrum = continuum.copy()
    for line, width, sigma in LINES:
        profile = np.exp(-0.5 * ((rest - line) / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)
        spectrum += width * profile * np.interp(line, rest, continuum)
    forest = rest < 1215.67
    if forest.any():
        for place in rng.uniform(rest[0], 1215.67, int(600 * np.log10(1215.67 / rest[0])) + 1):
            away = (rest - place) / place * 299_792 / rng.uniform(60, 200)
            spectrum *= 1 - rng.uniform(0.2, 0.9) * np.exp(-0.5 * away**2)
    return spectrum


@lru_cache(maxsize=2)
def real_quasars(file: str) -> tuple[np.ndarray, np.ndarray]:
    """Spectra on MANGA_GRID, (quasar, wave), and redshifts of a .npz with `flux`, `ivar`, `z` and `cls`.

    Those of class QSO with a median S/N above 5; gaps are bridged, and noise is smoothed by a Gaussian of
    four channels lest it be planted with them.

    Raises:
        CubesiftError: no such file, or not such a file.
    """
    try:
        with np.load(io.BytesIO(content(file))) as given:
            flux, ivar, z, kinds = (given[name] for name in ("flux", "ivar", "z", "cls"))
    except (ValueError, BadZipFile, KeyError) as error:
        raise CubesiftError(
            f"{file}: not a file of quasars ({error}). Expected a .npz with flux, ivar, z and cls."
        ) from None
    if flux.ndim != 2 or flux.shape[1] != MANGA_GRID.size:
        raise CubesiftError(
            f"{file}: flux {flux.shape}, expected (spectra, {MANGA_GRID.size}) on MaNGA's grid"
        )
    noisy = np.median(flux * np.sqrt(ivar), axis=1) < 5
    spectra = []
    for row in np.flatnonzero((kinds == "QSO") & ~noisy):
        good = ivar[row] > 0
        whole = np.interp(WAVE, WAVE[good], flux[row][good])
        spectra.append(np.maximum(gaussian_filter1d(whole, 4), 0))
    return np.array(spectra), z[(kinds == "QSO") & ~noisy]
