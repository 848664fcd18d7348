"""The light of a galaxy's middle as one spectrum."""

from __future__ import annotations

import numpy as np

from cubesift.data.cube import FORESTAR

RADIUS = 4.0  # arcsec: wide enough that a turning galaxy's two sides are in it alike
INNER = 6.0  # arcsec from the middle of the bundle, within which the galaxy's is sought
WHOLE = 0.9  # of the channels of the best spaxel, else a spaxel is left out; of the light, else a channel


def middle_spectrum(
    flux: np.ndarray, ivar: np.ndarray, bits: np.ndarray, spaxel: float
) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the spaxels within 4 arcsec of the brightest, stars left out: flux and ivar, (wave,) each.

    The ivar is that of spaxels with independent noise; `redshift.noise_factor` finds what it lacks. Where
    spaxels lack a channel, the others stand for their share of the light too, up to a tenth of it.

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
    there, weight = good[chosen], np.maximum(light[chosen], 0)
    share = weight @ there / max(weight.sum(), 1e-30)
    enough = (share > WHOLE) & there.any(axis=0)
    share = np.where(enough, share, 1)
    variance = np.where(there, 1 / np.where(there, ivar[chosen], 1), 0).sum(axis=0) / share**2
    summed = np.where(there, flux[chosen], 0).sum(axis=0) / share
    return np.where(enough, summed, 0), np.where(enough, 1 / np.where(enough, variance, 1), 0)
