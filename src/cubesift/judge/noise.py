"""What noise looks like, by distance, wavelength and channel: the same measures for real and simulated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft2, rfft2

from cubesift.data.revealed import Revealed

REACH = 8  # spaxels, the largest distance of the noise's correlation
CORRELATED = (4400.0, 5400.0)  # angstrom; the real matrix is of 4636 angstrom
SHARED = (8500.0, 10300.0)  # angstrom, where the sky's lines are bright
REFERENCE = (6000.0, 7000.0)  # angstrom, where S/N and the error's shape are normed
SHAPE_EDGES = np.geomspace(3650, 10300, 31)  # angstrom, of the bins of the error's shape
SKY_LINE = (5565.0, 5591.0)  # angstrom: its residual is not noise
# Rest wavelengths without emission lines, angstrom.
LINE_FREE = ((4150, 4300), (4420, 4640), (5060, 5180), (5320, 5780), (6050, 6250), (6800, 7050))
EACH = 12  # spaxels of a cube that are like one real spectrum
LIKE = 0.2  # two S/N are alike within so much of each other


@dataclass(frozen=True)
class Spectra:
    """Measures of some spectra, each (spectrum,) but for the shape."""

    snr: np.ndarray  # per channel at `REFERENCE`
    shape: np.ndarray  # (spectrum, bin): formal error by wavelength, 1 at `REFERENCE`
    scatter: np.ndarray  # of a channel about the mean of its two neighbours, over the formal error
    scatter_apart: np.ndarray  # the same of channels three apart
    negative: np.ndarray  # share of usable channels with flux below 0


def spectra_of(flux: np.ndarray, ivar: np.ndarray, wave: np.ndarray, redshift: float) -> Spectra:
    """Measure spectra, (spectrum, wave); ivar 0 = do not use, `wave` in angstrom."""
    good = (ivar > 0) & ~((wave > SKY_LINE[0]) & (wave < SKY_LINE[1]))
    with np.errstate(divide="ignore"):
        sigma = np.where(good, 1 / np.sqrt(ivar), np.nan)
    flux = np.where(good, flux, np.nan)
    middle = (wave > REFERENCE[0]) & (wave < REFERENCE[1])
    bins = np.digitize(wave, SHAPE_EDGES) - 1
    level = np.nanmedian(sigma[:, middle], axis=1)
    shape = [np.nanmedian(sigma[:, bins == i], axis=1) / level for i in range(len(SHAPE_EDGES) - 1)]
    rest = wave / (1 + redshift)
    free = np.any([(rest > low) & (rest < high) for low, high in LINE_FREE], axis=0)
    return Spectra(
        snr=np.nanmedian((flux / sigma)[:, middle], axis=1),
        shape=np.stack(shape, axis=1),
        scatter=_scatter(flux, sigma, free, 1),
        scatter_apart=_scatter(flux, sigma, free, 3),
        negative=np.nansum(flux < 0, axis=1) / np.maximum(good.sum(axis=1), 1),
    )


def _scatter(flux: np.ndarray, sigma: np.ndarray, use: np.ndarray, apart: int) -> np.ndarray:
    """Robust scatter of f_i - (f_i-k + f_i+k) / 2 over its formal error, (spectrum,).

    1 = formal errors are right and channels independent; a smooth spectrum drops out.
    """
    left, centre, right = (slice(0, -2 * apart), slice(apart, -apart), slice(2 * apart, None))
    differs = flux[:, centre] - 0.5 * (flux[:, left] + flux[:, right])
    expected = np.sqrt(sigma[:, centre] ** 2 + 0.25 * (sigma[:, left] ** 2 + sigma[:, right] ** 2))
    values = (differs / expected)[:, use[centre]]
    return np.asarray(1.4826 * np.nanmedian(np.abs(values), axis=1))


@dataclass(frozen=True)
class Noise:
    """The noise of one simulated cube, known because the light without it is."""

    correlation: np.ndarray  # of spaxels at each of `distances()`
    shared: float  # correlation of spaxels far apart, redward of 8500 angstrom
    chi2: float  # mean square of the noise over factor times formal error
    negative: float  # share of usable voxels with flux below 0
    like: list[Spectra]  # spaxels with the S/N of each real spectrum


def together(spectra: list[Spectra]) -> Spectra:
    """The measures of all of them."""
    names = ("snr", "shape", "scatter", "scatter_apart", "negative")
    return Spectra(*(np.concatenate([getattr(one, name) for one in spectra]) for name in names))


def distances() -> tuple[np.ndarray, np.ndarray]:
    """Distances between spaxels up to `REACH`, sorted, and which each step (dy, dx) has; -1 = none."""
    steps = np.arange(-REACH, REACH + 1)
    square = steps[:, None] ** 2 + steps**2
    unique, which = np.unique(square, return_inverse=True)
    which = which.reshape(square.shape)
    return np.sqrt(unique[unique <= REACH**2]), np.where(square <= REACH**2, which, -1)


def noise_of(revealed: Revealed, error_factor: float, targets: np.ndarray) -> Noise:
    """Measure one cube.

    Args:
        revealed: the cube and its noise-free flux.
        error_factor: true noise over formal error, as the truth records it.
        targets: S/N of the real spectra, (n,).
    """
    cube, wave = revealed.cube, revealed.cube.grid.wave
    good = cube.ivar > 0
    good[(wave > SKY_LINE[0]) & (wave < SKY_LINE[1])] = False
    noise = np.where(good, (cube.flux - revealed.clean) * np.sqrt(cube.ivar), 0)
    chi2 = float(np.sum(np.square(noise), dtype=float) / good.sum() / error_factor**2)
    blue, red = ((wave > low) & (wave < high) for low, high in (CORRELATED, SHARED))
    near, _ = _correlation(noise[blue], good[blue])
    usable = good.mean(axis=0) > 0.8
    middle = (wave > REFERENCE[0]) & (wave < REFERENCE[1])
    rows, columns = np.nonzero(usable)
    snr = np.median(cube.flux[middle][:, usable] * np.sqrt(cube.ivar[middle][:, usable]), axis=0)
    like = []
    for target in targets:
        away = np.abs(np.log(np.maximum(snr, 1e-3) / target))
        chosen = np.argsort(away, kind="stable")[:EACH]
        chosen = chosen[away[chosen] < np.log(1 + LIKE)]
        at = (slice(None), rows[chosen], columns[chosen])
        flux, ivar = cube.flux[at].T.astype(float), (cube.ivar[at] * good[at]).T.astype(float)
        like.append(spectra_of(flux, ivar, wave, cube.redshift))
    return Noise(
        correlation=near,
        shared=_correlation(noise[red], good[red])[1],
        chi2=chi2,
        negative=float(np.mean(cube.flux[good] < 0)),
        like=like,
    )


def _correlation(noise: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, float]:
    """Correlation at each of `distances()`, and the mean of all pairs 12 or more spaxels apart.

    By the Fourier transform: Σ over channels and pairs of n_i n_j, over their number and the variance.
    """
    _, height, width = noise.shape
    size = (2 * height, 2 * width)
    products, pairs = np.zeros(size), np.zeros(size)
    for plane, usable in zip(noise[::4].astype(float), good[::4].astype(float), strict=True):
        products += irfft2(np.abs(rfft2(plane, size)) ** 2, size)
        pairs += irfft2(np.abs(rfft2(usable, size)) ** 2, size)
    variance = products[0, 0] / pairs[0, 0]
    dy, dx = (np.minimum(np.arange(n), n - np.arange(n)) for n in size)
    far = np.hypot(dy[:, None], dx) >= 12
    shared = products[far].sum() / pairs[far].sum() / variance
    values, which = distances()
    around = np.ix_(np.arange(-REACH, REACH + 1), np.arange(-REACH, REACH + 1))
    inside = which >= 0
    sums, counts = (
        np.bincount(which[inside], grid[around][inside], minlength=len(values)) for grid in (products, pairs)
    )
    return sums / counts / variance, float(shared)
