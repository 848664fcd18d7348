"""How large the noise really is: what neighbouring channels say of it, never what a model leaves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

KNOTS = (3800.0, 4800.0, 6000.0, 7600.0, 9600.0)  # angstrom, observed
FAINT = 0.5  # of a galaxy's spectra: those with the least light for their noise
LAGS = (1, 2, 3)  # channels; noise farther apart than two is independent
FEW = 100  # channels, fewer of which say nothing


@dataclass(frozen=True)
class NoiseModel:
    """True noise over formal error of an instrument, in seven numbers.

    A galaxy has an eighth of its own, since every observation's errors are wrong by another factor.
    """

    shape: tuple[float, ...] = (1.0,) * len(KNOTS)  # at `KNOTS`, its median 1
    correlation: tuple[float, float] = (0.0, 0.0)  # of a channel with the next, and the next but one

    def factor(self, flux: np.ndarray, ivar: np.ndarray, wave: np.ndarray) -> np.ndarray:
        """(wave,) of one galaxy, by the scatter of its own neighbouring channels.

        Channels next to each other, since between them a spectrum hardly changes, however bright it is.

        Args:
            flux: (spectrum, wave).
            ivar: (spectrum, wave), 0 = missing.
            wave: (wave,) angstrom, observed.
        """
        shape = self.at(wave)
        seen = scatter(*fainter(flux, ivar / shape**2), lag=1)
        rho = (*self.correlation, 0.0)
        of_white = 1 - (4 * rho[0] - rho[1]) / 3
        return np.asarray(shape * np.sqrt(seen / of_white) if np.isfinite(seen) else shape)

    def corrected(self, flux: np.ndarray, ivar: np.ndarray, wave: np.ndarray) -> np.ndarray:
        """(spectrum, wave): the ivar of the noise there is, of all spectra of one galaxy, see `factor`."""
        return np.asarray(ivar / self.factor(flux, ivar, wave).astype(ivar.dtype) ** 2)

    def at(self, wave: np.ndarray) -> np.ndarray:
        """(wave,): the shape, straight between knots in ln(wavelength)."""
        return np.asarray(np.interp(np.log(wave), np.log(KNOTS), self.shape))


def learn_noise(galaxies: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> NoiseModel:
    """Of an instrument: medians over galaxies, each (flux, ivar, wave) as `NoiseModel.factor` takes them.

    With noise of variance s² and correlations r1, r2 the variance of a channel less the mean of the two k
    away is 3/2 s² (1 - 4/3 r(k) + 1/3 r(2k)); from three channels on there is no correlation in it.
    """
    correlations, shapes = [], []
    for flux, ivar, wave in galaxies:
        flux, ivar = fainter(flux, ivar)
        one, two, apart = (scatter(flux, ivar, lag) for lag in LAGS)
        second = 0.75 * (1 - two / apart)
        correlations.append((0.75 * (1 - one / apart) + 0.25 * second, second))
        edges = np.searchsorted(wave, [0, *np.sqrt(np.multiply(KNOTS[1:], KNOTS[:-1])), np.inf])
        parts = [slice(low, high) for low, high in pairwise(edges)]
        shapes.append([np.sqrt(scatter(flux[:, part], ivar[:, part], LAGS[-1])) for part in parts])
    relative = np.array([np.divide(shape, _middle(np.array(shape), 1.0)) for shape in shapes])
    first, second = (_middle(column) for column in np.transpose(correlations))
    return NoiseModel(tuple(_middle(column, 1.0) for column in relative.T), (first, second))


def fainter(flux: np.ndarray, ivar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The spectra that have less light for their noise than half of the galaxy's others."""
    seen = np.flatnonzero((ivar > 0).any(axis=1))
    flux, ivar = flux[seen], ivar[seen]
    light = np.einsum("sw,sw->s", flux, np.sqrt(ivar)) / np.maximum((ivar > 0).sum(axis=1), 1)
    kept = np.argsort(light, kind="stable")[: int(np.ceil(FAINT * len(light)))]
    return flux[kept], ivar[kept]


def scatter(flux: np.ndarray, ivar: np.ndarray, lag: int) -> float:
    """Variance of channels less the mean of the two `lag` away, over what ivar says of independent ones.

    By the median of the absolute values, so that lines and what is wrong do not count; nan of too few.
    """
    left, middle, right = (slice(0, -2 * lag), slice(lag, -lag), slice(2 * lag, None))
    used = (ivar[:, left] > 0) & (ivar[:, middle] > 0) & (ivar[:, right] > 0)
    if used.sum() < FEW:
        return np.nan
    differs = (flux[:, middle] - 0.5 * (flux[:, left] + flux[:, right]))[used]
    variance = 1 / ivar[:, middle][used] + 0.25 * (1 / ivar[:, left][used] + 1 / ivar[:, right][used])
    return float((1.4826 * np.median(np.abs(differs / np.sqrt(variance)))) ** 2)


def _middle(values: np.ndarray, otherwise: float = 0.0) -> float:
    """The median of those that are known."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else otherwise
