"""Remake the simulator's compact table of the instrument: `make_templates.py DATA`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.ndimage import median_filter

from cubesift.data.wavelength import MANGA_GRID, SPEED_OF_LIGHT
from cubesift.simulate.noise import distance_inside

HERE = Path(__file__).parents[1] / "src" / "cubesift" / "simulate" / "templates"
# Transmission of SDSS g at wavelengths in angstrom (Doi+2010, rounded), by which the analysis pipeline
# averages signal and variance.
G_BAND = (
    (3800, 4000, 4200, 4400, 4800, 5200, 5300, 5400, 5500),
    (0.0, 0.12, 0.30, 0.36, 0.40, 0.42, 0.38, 0.13, 0.0),
)


def make_instrument(data: Path) -> None:
    """Variance of the sky and of the light, and the line spread: shapes of eight spaxels, level of a cube.

    In the real spectra variance = sky(wave) + source(wave) * flux to a few per cent from S/N 1.5 to 150
    (one lies at the rim, where fibres are few, and has 1.8 times as much in every channel). Averaged over
    the g band, both are scaled to those of 7815-3702: all its spaxels but the outermost.
    """
    with fits.open(data / "manga" / "MaNGA_test_spectra.fits.gz") as hdus:
        flux, ivar, sres = (hdus[name].data.astype(float) for name in ("FLUX", "IVAR", "SRES"))
    variance = np.where(ivar > 0, 1 / np.where(ivar > 0, ivar, 1), np.nan)
    dim, bright = [6, 7], [0, 1, 3, 4]
    smooth = np.array([median_filter(row, 151, mode="nearest") for row in flux])
    sky = np.nanmean(variance[dim], axis=0)
    for _ in range(3):  # the dim spectra hold a little light, too
        source = np.nanmedian((variance[bright] - sky) / np.maximum(smooth[bright], 1e-3), axis=0)
        source = np.maximum(fill(source), 1e-5)
        source = median_filter(source, 101, mode="nearest")
        sky = np.nanmean(variance[dim] - source * smooth[dim], axis=0)
    sigma = np.median(SPEED_OF_LIGHT / 2.3548 / sres[[0, 1, 2, 3, 4, 7]], axis=0)
    band = MANGA_GRID.wave * np.interp(MANGA_GRID.wave, *G_BAND, left=0, right=0)
    of_sky, of_source = level_of_7815_3702(data)
    sky, source = fill(sky), source * of_source / np.average(source, weights=band)
    sky *= of_sky / np.average(sky, weights=band)
    np.savez_compressed(
        HERE / "instrument.npz",
        sky=sky.astype(np.float32),
        source=source.astype(np.float32),
        sigma=median_filter(sigma, 51, mode="nearest").astype(np.float32),  # km/s
    )


def level_of_7815_3702(data: Path) -> tuple[float, float]:
    """Variance of the sky, and variance per flux, of a real cube's spaxels in the g band."""
    with fits.open(data / "manga" / "manga-7815-3702-SNRG.fits.gz") as hdus:
        table = hdus["SPECTRUM"].data
    flux, variance = np.zeros((2, 42, 42))
    for plane, name in ((flux, "SIGNAL"), (variance, "VARIANCE")):
        plane[table["DRP_INDEX"][:, 1], table["DRP_INDEX"][:, 0]] = table[name]
    used = (distance_inside(37, 42) > 2) & (variance > 0)
    # Least squares with equal weight to every spaxel's relative error.
    terms = np.stack([np.ones(used.sum()), flux[used]], axis=1) / variance[used, None]
    sky, source = np.linalg.lstsq(terms, np.ones(used.sum()))[0]
    return float(sky), float(source)


def fill(values: np.ndarray) -> np.ndarray:
    """Replace nan by the interpolation of its neighbours."""
    channel = np.arange(len(values))
    good = np.isfinite(values) & (values > 0)
    return np.asarray(np.interp(channel, channel[good], values[good]))


if __name__ == "__main__":
    make_instrument(Path(sys.argv[1]))
