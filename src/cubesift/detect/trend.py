"""What is usual at a given S/N, and how far above it something stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BIN = 0.15  # dex of S/N
VOTERS = 5  # a bin that fewer galaxies reach says nothing of what is usual there
NARROWEST = 0.02  # dex: a spread below this is chance


@dataclass(frozen=True)
class Trend:
    """The usual value of something, and its spread, at each S/N."""

    log_signal_to_noise: np.ndarray  # (bins,) increasing
    usual: np.ndarray  # (bins,)
    spread: np.ndarray  # (bins,) the median distance from the usual, times 1.4826
    slope: float  # beyond the last bin, per dex

    def excess(self, value: np.ndarray, log_signal_to_noise: np.ndarray) -> np.ndarray:
        """How many spreads `value` stands above what is usual at its S/N, same shape."""
        usual = np.interp(log_signal_to_noise, self.log_signal_to_noise, self.usual)
        beyond = np.maximum(log_signal_to_noise - self.log_signal_to_noise[-1], 0)
        spread = np.interp(log_signal_to_noise, self.log_signal_to_noise, self.spread)
        return np.asarray((value - usual - self.slope * beyond) / spread)


def trend_of(
    value: np.ndarray, log_signal_to_noise: np.ndarray, voter: np.ndarray, slope: float = 0.0
) -> Trend:
    """Fit the trend of `value`, (n,), in bins of S/N; each voter, (n,) int, counts once in a bin.

    A voter is a galaxy: were every spaxel to vote, one large bright galaxy would be the measure of all
    bright spaxels and could never be strange. `slope` carries the trend on beyond the last bin that enough
    voters reach: 2 for log chi2, since a model that is wrong by a fraction has chi2 - 1 ~ (S/N)**2.

    Raises:
        ValueError: there is nothing to fit.
    """
    if not len(value):
        raise ValueError("no values to fit a trend to")
    bins = np.floor(log_signal_to_noise / BIN).astype(int)
    votes = {}
    for one in np.unique(bins):
        inside = bins == one
        voters, member = np.unique(voter[inside], return_inverse=True)
        votes[one] = (len(voters), _medians(value[inside], member, len(voters)), inside, member)
    needed = min(VOTERS, max(count for count, *_ in votes.values()))
    middles, usual, spread = [], [], []
    for count, medians, inside, member in votes.values():
        if count < needed:
            continue
        middle = float(np.median(medians))
        middles.append(float(np.median(log_signal_to_noise[inside])))
        usual.append(middle)
        spread.append(1.4826 * float(np.median(_medians(np.abs(value[inside] - middle), member, count))))
    return Trend(
        np.array(middles), np.array(usual), np.maximum(_smoothed(np.array(spread)), NARROWEST), slope
    )


def _medians(value: np.ndarray, member: np.ndarray, count: int) -> np.ndarray:
    """Median of the values of each member 0..count-1, (count,)."""
    order = np.lexsort((value, member))
    value = value[order]
    sizes = np.bincount(member, minlength=count)
    starts = np.cumsum(sizes) - sizes
    return np.asarray((value[starts + (sizes - 1) // 2] + value[starts + sizes // 2]) / 2)


def _smoothed(spread: np.ndarray) -> np.ndarray:
    """Each bin's spread averaged with its neighbours': a bin of five voters knows its own badly."""
    padded = np.concatenate([spread[:1], spread, spread[-1:]])
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3)
