"""From scores to percentiles, and from several percentiles to one. Higher is stranger."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def percentiles(score: np.ndarray) -> np.ndarray:
    """How many percent of the others each is stranger than, (n,) float64, 0 to 100.

    Equal scores share their places; one alone is at 50. A score of nan has a percentile of nan.
    """
    out = np.full(len(score), np.nan)
    known = np.isfinite(score)
    count = int(known.sum())
    if count:
        out[known] = 100 * (rankdata(score[known]) - 1) / (count - 1) if count > 1 else 50.0
    return out


def agreed(several: np.ndarray) -> np.ndarray:
    """One percentile from the columns of (n, scores): the geometric mean of the places, (n,).

    Place 1 and place 9 make a third place, two fifth places a fifth: a galaxy that stands out by one score
    comes before one that is somewhat odd by each. A score that is not known (nan) does not count.
    """
    others = max(len(several) - 1, 1)
    place = 1 + (1 - several / 100) * others
    known = np.isfinite(several)
    count = known.sum(axis=1)
    logs = np.where(known, np.log(np.where(known, place, 1)), 0).sum(axis=1)
    out = np.full(len(several), np.nan)
    some = count > 0
    out[some] = 100 * (1 - (np.exp(logs[some] / count[some]) - 1) / others)
    return out


def kindest(several: np.ndarray) -> np.ndarray:
    """The lowest percentile of (n, scores), (n,): high only where every score that is known is high."""
    known = np.isfinite(several)
    lowest = np.where(known, several, np.inf).min(axis=1)
    return np.asarray(np.where(known.any(axis=1), lowest, np.nan))
