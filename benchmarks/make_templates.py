"""Remake the simulator's compact table of the instrument: `make_templates.py DATA`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.ndimage import median_filter

HERE = Path(__file__).parents[1] / "src" / "cubesift" / "simulate" / "templates"
SPEED_OF_LIGHT = 299_792.458


def make_instrument(data: Path) -> None:
    """Variance of the sky and of the light, and the line spread, from eight real spaxels.

    In the real spectra variance = sky(wave) + source(wave) * flux to a few per cent from S/N 1.5 to 150.
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
    np.savez_compressed(
        HERE / "instrument.npz",
        sky=fill(sky).astype(np.float32),
        source=source.astype(np.float32),
        sigma=median_filter(sigma, 51, mode="nearest").astype(np.float32),  # km/s
    )


def fill(values: np.ndarray) -> np.ndarray:
    """Replace nan by the interpolation of its neighbours."""
    channel = np.arange(len(values))
    good = np.isfinite(values) & (values > 0)
    return np.asarray(np.interp(channel, channel[good], values[good]))


if __name__ == "__main__":
    make_instrument(Path(sys.argv[1]))
