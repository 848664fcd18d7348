"""The light of a galaxy's middle as one spectrum."""

from __future__ import annotations

import numpy as np

from cubesift.data.cube import FORESTAR

RADIUS = 4.0  # arcsec: wide enough that a turning galaxy's two sides are in it alike
INNER = 6.0  # arcsec from the middle of the bundle, within which the galaxy's is sought
WHOLE = 0.9  # of the channels that the best spaxel has: a spaxel with fewer is left out


def middle_spectrum(
    flux: np.ndarray, ivar: np.ndarray, bits: np.ndarray, spaxel: float
) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the spaxels within 4 arcsec of the brightest, stars left out: flux and ivar, (wave,) each.

    The ivar is that of spaxels with independent noise; `redshift.noise_factor` finds what it lacks. A channel
    that any of the spaxels lacks is missing.

    Args:
        flux: (y, x, wave).
        ivar: (y, x, wave), 0 = missing.
        bits: (y, x, wave), DRP3PIXMASK.
        spaxel: side of one, arcsec.
    """
    good = ivar > 0
    seen = good.sum(axis=-1)
    usable = (seen > WHOLE * seen.max()) & (seen > 0) & ~((bits & FORESTAR) > 0).any(axis=-1)
    if not usable.any():
        return np.zeros(flux.shape[-1]), np.zeros(flux.shape[-1])
    light = np.where(good, flux, 0).sum(axis=-1) / np.maximum(seen, 1)
    y, x = np.indices(light.shape)
    from_middle = np.hypot(y - (len(y) - 1) / 2, x - (len(x[0]) - 1) / 2) * spaxel
    inner = usable & (from_middle < INNER)
    brightest = np.argmax(np.where(inner if inner.any() else usable, light, -np.inf))
    peak = np.unravel_index(brightest, light.shape)
    chosen = usable & (np.hypot(y - peak[0], x - peak[1]) * spaxel <= RADIUS)
    whole = good[chosen].all(axis=0)
    variance = (1 / np.where(whole, ivar[chosen], 1)).sum(axis=0)
    return np.where(whole, flux[chosen].sum(axis=0), 0), np.where(whole, 1 / variance, 0)
