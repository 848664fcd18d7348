"""Badly rebuilt: scores of a galaxy from the maps of how a model rebuilt it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation

from cubesift.data.embeddings import Reconstruction, Reconstructions
from cubesift.detect.trend import trend_of

SPOT = 0.98  # of the spaxels: what covers two in a hundred of them, as a star does, decides
WITHIN = 0.95  # of the galaxies have a number where all bundles reach, so that one without it hides a star


@dataclass(frozen=True)
class Rebuilt:
    """How one model rebuilt one galaxy; maps as in `Reconstruction`, without its spectra."""

    plateifu: str
    error: np.ndarray  # (y, x) mean |model - flux|
    chi2: np.ndarray  # (y, x) mean((model - unclipped)**2 * ivar)
    signal_to_noise: np.ndarray  # (y, x) median per channel

    @classmethod
    def read(cls, reconstructions: Reconstructions, plateifu: str) -> Rebuilt:
        """Only the maps of one galaxy, not its spectra."""
        maps = ("error", "chi2", "signal_to_noise")
        return cls(plateifu, **reconstructions.store.arrays(plateifu, *maps))

    @classmethod
    def of(cls, plateifu: str, reconstruction: Reconstruction) -> Rebuilt:
        """The maps of a reconstruction at hand."""
        return cls(plateifu, reconstruction.error, reconstruction.chi2, reconstruction.signal_to_noise)

    def rankable(self, min_signal_to_noise: float) -> np.ndarray:
        """(y, x) bool: something was observed, and there is light to judge."""
        bright = np.nan_to_num(self.signal_to_noise, nan=-np.inf) >= min_signal_to_noise
        return np.asarray(bright & np.isfinite(self.chi2) & (self.chi2 > 0))


def chi2_excess(galaxies: Sequence[Rebuilt], min_signal_to_noise: float) -> list[np.ndarray]:
    """How unusual the chi2 of every spaxel is for its S/N, one (y, x) map a galaxy; nan = not ranked.

    In spreads of log10 chi2 above the trend over all the spaxels given, every galaxy counting once: no model
    is right to better than some fraction of the flux, so that chi2 grows with S/N in the dullest galaxy.
    """
    ranked = [galaxy.rankable(min_signal_to_noise) for galaxy in galaxies]
    maps = [np.full(galaxy.chi2.shape, np.nan) for galaxy in galaxies]
    voter = np.repeat(np.arange(len(galaxies)), [int(where.sum()) for where in ranked])
    if not len(voter):
        return maps
    pairs = list(zip(galaxies, ranked, strict=True))
    value = np.log10(np.concatenate([galaxy.chi2[where] for galaxy, where in pairs]).astype(float))
    light = np.log10(np.concatenate([galaxy.signal_to_noise[where] for galaxy, where in pairs]).astype(float))
    excess = trend_of(value, light, voter, slope=2.0).excess(value, light)
    for index, (empty, where) in enumerate(zip(maps, ranked, strict=True)):
        empty[where] = excess[voter == index]
    return maps


def mean_error(galaxies: Sequence[Rebuilt]) -> np.ndarray:
    """Mean |model - flux| over the spaxels of each galaxy, (n,): the paper's.

    It follows brightness and noise: a bright galaxy rebuilt well stands above a faint one rebuilt badly.
    """
    return np.array([_mean(galaxy.error) for galaxy in galaxies])


def high_excess(excess: Sequence[np.ndarray], quantile: float) -> np.ndarray:
    """A high quantile of each galaxy's chi2 excess, (n,): ours; nan where no spaxel could be ranked.

    The median would miss what covers a tenth of a cube, such as a star before it; the highest would be
    decided by one bad spaxel.
    """
    return np.array([_quantile(one, quantile) for one in excess])


def lopsidedness(galaxies: Sequence[Rebuilt]) -> np.ndarray:
    """How much worse a few spaxels are rebuilt than those opposite the centre, log10, (n,): ours.

    A galaxy is about as hard to rebuild on either side, whatever its brightness; a star before it stands on
    one. Beside a star that was hidden its wings are left, and the model felt the hole: those spaxels do not
    count. A hole is where nearly all of the galaxies given, all of one shape, have a number and this one has
    none. nan where no spaxel has an opposite.
    """
    covered = np.mean([np.isfinite(galaxy.error) for galaxy in galaxies], axis=0) > WITHIN
    scores = []
    for galaxy in galaxies:
        hidden = covered & ~np.isfinite(galaxy.error)
        error = np.where(binary_dilation(hidden), np.nan, galaxy.error)
        with np.errstate(divide="ignore", invalid="ignore"):
            scores.append(_quantile(np.log10(error / error[::-1, ::-1]), SPOT))
    return np.array(scores)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=float)) if len(known) else np.nan


def _quantile(values: np.ndarray, quantile: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, quantile)) if len(known) else np.nan
