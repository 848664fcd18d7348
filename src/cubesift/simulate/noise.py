"""What the instrument does to the light: a hexagon of fibres, noise that neighbours share, errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np

from cubesift.data.cube import DONOTUSE, LOWCOV, MANGA_NOISE_SIGMA, NOCOV
from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.spectra import table

DIAMETER = {19: 12.5, 37: 17.5, 61: 22.5, 91: 27.5, 127: 32.5}  # arcsec, of a bundle (Drory+2015)
SIDES = {19: (34,), 37: (42,), 61: (52, 54), 91: (62, 64), 127: (72, 74, 76)}  # spaxels of the cube
RIM = 1.6  # spaxels outside the good hexagon that a fibre still reaches
SKY_LINE = 5578.9  # angstrom, vacuum
RAYS = 0.3  # cosmic rays taken out of a spaxel's spectrum
RESIDUAL_BEGINS = 8500.0  # angstrom; sky subtraction is near Poisson below (Law+2016)


def distance_inside(ifusize: int, side: int) -> np.ndarray:
    """Spaxels from the edge of the bundle's hexagon, positive inside, (y, x).

    Corners lie left and right, as in the maps of 7815-3702.
    """
    radius = DIAMETER[ifusize]  # half the diameter, in spaxels of 0.5 arcsec
    y, x = np.abs(np.indices((side, side)) - side / 2)
    root = np.sqrt(3)
    return np.asarray(np.minimum(root / 2 * radius - y, (root * (radius - x) - y) / 2))


def coverage_bits(inside: np.ndarray) -> np.ndarray:
    """(y, x) uint16 of the footprint: NOCOV outside, LOWCOV at the rim, both not to be used."""
    bits = np.zeros(inside.shape, np.uint16)
    bits[inside < 0] = LOWCOV | DONOTUSE
    bits[inside < -RIM] = NOCOV | DONOTUSE
    return bits


def quality_bits(rng: np.random.Generator, inside: np.ndarray) -> np.ndarray:
    """The bits of a cube in which nothing went wrong, (wave, y, x) uint16.

    Besides the footprint LOWCOV and DONOTUSE in the last five channels, as in the real spectra, and where
    cosmic rays were taken out: in the eight there are two such places, of one channel and of six.
    """
    bits = np.repeat(coverage_bits(inside)[None], MANGA_GRID.size, axis=0)
    bits[-5:, inside >= 0] |= LOWCOV | DONOTUSE
    rows, columns = np.nonzero(inside >= 1)
    for _ in range(rng.poisson(RAYS * len(rows) / 9)):
        start, pick = int(rng.integers(MANGA_GRID.size)), int(rng.integers(len(rows)))
        y, x = int(rows[pick]), int(columns[pick])
        # Three spaxels across are a guess: the fibre's light is in some more, with less weight.
        bits[start : start + int(rng.integers(1, 7)), y - 1 : y + 2, x - 1 : x + 2] |= LOWCOV | DONOTUSE
    return bits


def coverage_variance(inside: np.ndarray) -> np.ndarray:
    """Variance relative to the middle, (y, x): the dithers' pattern, and fewer fibres towards the edge.

    The rise is 7815-3702's: 1.3 times half a spaxel inside the edge, 1.2 one further, 2.2 at the rim.
    """
    rise = 1 + 0.5 * np.exp(-np.maximum(inside, -RIM) / 1.2)
    return np.asarray(rise * dithered(len(inside)))


@cache
def dithered(side: int) -> np.ndarray:
    """Pattern of fibres and dithers in the variance, (y, x), mean 1, rms 0.08 (7815-3702: 0.11).

    Fibres 2.5 arcsec apart, three dithers 1.44 arcsec apart, and Shepard's weights, a Gaussian of 0.7 arcsec
    cut at 1.6: variance = Σ w**2 / (Σ w)**2 (Law+2016, section 9).
    """
    place = (np.arange(side) - side / 2) * 0.5  # arcsec
    count = int(side / 4) + 3
    row, along = np.mgrid[-count : count + 1, -2 * count : 2 * count + 1]
    top, bottom = np.zeros((2, side, side))
    for angle in np.deg2rad([60, 180, 300]):
        x = 2.5 * (along + row / 2).ravel() + 1.44 / np.sqrt(3) * np.cos(angle)
        y = 2.5 * np.sqrt(3) / 2 * row.ravel() + 1.44 / np.sqrt(3) * np.sin(angle)
        near = np.maximum(np.abs(x), np.abs(y)) < side / 4 + 2
        for right, up in zip(x[near], y[near], strict=True):
            apart = (place[:, None] - up) ** 2 + (place - right) ** 2
            weight = np.where(apart < 1.6**2, np.exp(-0.5 * apart / 0.7**2), 0)
            top += weight**2
            bottom += weight
    variance = top / bottom**2
    return np.asarray(variance / variance.mean())


def correlation(side: int, sigma: float = MANGA_NOISE_SIGMA) -> np.ndarray:
    """rho(d) = exp(-d**2 / 2 sigma**2) between the spaxels of one row, (side, side)."""
    place = np.arange(side)
    return np.asarray(np.exp(-0.5 * ((place[:, None] - place) / sigma) ** 2))


@cache
def correlating(side: int) -> np.ndarray:
    """A, (side, modes) float32, with A Aᵀ = `correlation`: the Gaussian separates, so noise = A white Aᵀ.

    The same as filtering white noise with a Gaussian of sigma 1.36 = 1.92 / sqrt(2) and rescaling, but
    exact to the edge, and modes that carry no power are not drawn.
    """
    power, modes = np.linalg.eigh(correlation(side))
    kept = power > 1e-5 * power.max()
    mixing = modes[:, kept] * np.sqrt(power[kept])
    return np.asarray(mixing / np.sqrt((mixing**2).sum(axis=1, keepdims=True)), dtype=np.float32)


def shared_noise(rng: np.random.Generator, count: int, side: int) -> np.ndarray:
    """`count` planes of unit variance whose spaxels are correlated as MaNGA's, (count, y, x) float32."""
    return next(noise_planes(rng, [count], side, ()))


def noise_planes(
    rng: np.random.Generator, counts: Iterable[int], side: int, channels: tuple[float, ...]
) -> Iterator[np.ndarray]:
    """Pieces of so many planes of noise of unit variance, (count, y, x) float32 each.

    Spaxels are correlated as MaNGA's, planes as `channels` says, also over the ends of a piece.
    """
    mixing = correlating(side)
    shape = (mixing.shape[1], mixing.shape[1])
    before = rng.standard_normal((len(channels), *shape), dtype=np.float32)
    for count in counts:
        white = np.concatenate([before, rng.standard_normal((count, *shape), dtype=np.float32)])
        before = white[count:]
        yield np.asarray(np.matmul(mixing, running(white, channels)) @ mixing.T)


def running(white: np.ndarray, channels: tuple[float, ...]) -> np.ndarray:
    """n sums of neighbours, out of n + len(channels) independent numbers or planes of variance 1."""
    share = moving_average(channels)
    count = len(white) - len(channels)
    return np.asarray(sum(one * white[lag : lag + count] for lag, one in enumerate(share)), dtype=np.float32)


@cache
def moving_average(correlations: tuple[float, ...]) -> tuple[np.float32, ...]:
    """The weights of a running sum of white noise that has these correlations and variance 1.

    The power spectrum factored through its cepstrum (Oppenheim & Schafer, Discrete-Time Signal Processing).
    """
    power = np.zeros(1024)
    power[[0, *range(1, len(correlations) + 1)]] = 1, *correlations
    power[len(power) - np.arange(1, len(correlations) + 1)] = correlations
    cepstrum = np.fft.irfft(np.log(np.fft.rfft(power).real), len(power))
    cepstrum[0] /= 2
    cepstrum[len(power) // 2 :] = 0
    weights = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), len(power))
    return tuple(np.float32(weight) for weight in weights[: len(correlations) + 1])


def sky_variance() -> np.ndarray:
    """Variance of an empty spaxel, (wave,), (1e-17 erg/s/cm2/angstrom/spaxel)**2, from real spectra."""
    return table("instrument")["sky"]


def source_variance() -> np.ndarray:
    """Variance that one unit of flux adds, (wave,): real spectra from S/N 1.5 to 150 agree on it."""
    return table("instrument")["source"]


def residual_share(strength: float) -> np.ndarray:
    """Share of the noise (in sigma) that is left-over sky, one over the bundle, (wave,), 0 to `strength`.

    Above 8500 angstrom it follows the sky's bright lines.
    """
    sky = np.sqrt(sky_variance())
    level = np.array([np.median(sky[max(i - 75, 0) : i + 75]) for i in range(0, len(sky), 50)])
    smooth = np.interp(np.arange(len(sky)), np.arange(0, len(sky), 50), level)
    lines = np.clip(sky / smooth - 0.9, 0, 1)
    return np.asarray(np.where(MANGA_GRID.wave > RESIDUAL_BEGINS, strength * lines, 0), dtype=np.float32)


def sky_line(rng: np.random.Generator) -> np.ndarray:
    """What is left of the sky line at 5578.9 angstrom, (wave,), in sigmas of the empty sky beside it.

    The line was subtracted a little out of place and with a wrong width: first and second derivative of a
    Gaussian, as large as in the eight real spectra (rms 20 and 92; formal errors rise only 8 times).
    """
    # Taking out the Earth's motion, up to 30 km/s, has moved the line.
    away = (MANGA_GRID.wave - SKY_LINE - rng.uniform(-0.5, 0.5)) / 1.4
    bell = np.exp(-0.5 * away**2)
    out_of_place, too_wide = rng.normal(0, [20.0, 92.0])
    return np.asarray(out_of_place * np.exp(0.5) * away * bell + too_wide * (away**2 - 1) * bell)


def beside_sky_line() -> float:
    """Sigma of an empty spaxel beside the sky line, 1e-17 erg/s/cm2/angstrom/spaxel."""
    return float(np.sqrt(np.median(sky_variance()[MANGA_GRID.between(SKY_LINE - 39, SKY_LINE + 31)])))
