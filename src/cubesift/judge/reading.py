"""Numbers read out of features by ridge regression and nearest neighbours, cross-validated by galaxy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import KNeighborsRegressor


@dataclass(frozen=True)
class Probing:
    """How columns are read."""

    folds: int = 5  # and as many again within each, to choose alpha and k
    alphas: tuple[float, ...] = tuple((10.0 ** np.arange(-5, 2.5, 0.5)).tolist())  # ridge; see `of_one_size`
    neighbours: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    fewest: int = 20  # galaxies: of fewer, nothing is learned
    resamples: int = 1000  # of the galaxies, for the intervals
    seed: int = 0


def ridge(alpha: float, rows: int) -> Any:
    """Ridge regression that learns from so many rows; its penalty grows with them."""
    return Ridge(alpha=alpha * rows)


def nearest(k: float, rows: int) -> Any:
    """The mean of the k nearest, by Euclidean distance."""
    return KNeighborsRegressor(n_neighbors=min(int(k), rows))


def methods_of(settings: Probing) -> dict[str, tuple[Callable[[float, int], Any], Sequence[float]]]:
    """Each method by name, with the values that are tried."""
    return {"ridge": (ridge, settings.alphas), "knn": (nearest, settings.neighbours)}


def of_one_size(block: np.ndarray) -> np.ndarray:
    """Features, (n, m), about their means and over one number, so that their variances add up to 1.

    Distances keep their ratios, and two blocks side by side weigh the same however many features they have.
    """
    about = block.astype(np.float64) - block.mean(axis=0, dtype=np.float64)
    return np.asarray(about / np.sqrt(about.var(axis=0).sum() or 1.0))


def out_of_fold(
    features: np.ndarray,
    values: np.ndarray,
    column: np.ndarray,
    galaxy: np.ndarray,
    method: tuple[Callable[[float, int], Any], Sequence[float]],
    settings: Probing,
) -> np.ndarray:
    """What each galaxy is read as by a fit that did not see it, (n, m) float64.

    Args:
        features: (n, latent).
        values: (n, m), all finite.
        column: (m,) which column each of the values belongs to: they share one alpha or k.
        galaxy: (n,) str, mangaid.
        method: how a fit is made, and the alphas or k's to choose from: those of the least squared error in
            folds of the galaxies learned from.
        settings: folds and seed.
    """
    make, choices = method
    read = np.empty(values.shape)
    for learn, ask in cuts(galaxy, settings):
        lost = np.zeros((len(choices), values.shape[1]))
        for inner, check in cuts(galaxy[learn], settings):
            known, asked = learn[inner], learn[check]
            for row, choice in zip(lost, choices, strict=True):
                fit = make(choice, len(known)).fit(features[known], values[known])
                row += ((_of(fit, features[asked]) - values[asked]) ** 2).sum(axis=0)
        best = (lost @ (column[:, None] == column)).argmin(axis=0)
        for place in np.unique(best):
            chosen = np.flatnonzero(best == place)
            fit = make(choices[place], len(learn)).fit(features[learn], values[np.ix_(learn, chosen)])
            read[np.ix_(ask, chosen)] = _of(fit, features[ask])
    return read


def _of(fit: Any, features: np.ndarray) -> np.ndarray:
    return np.asarray(fit.predict(features)).reshape(len(features), -1)  # of a single column it may be flat


def means_out_of_fold(values: np.ndarray, galaxy: np.ndarray, settings: Probing) -> np.ndarray:
    """The constant to beat: each galaxy read as the mean of those in the other folds, (n, m)."""
    read = np.empty(values.shape)
    for learn, ask in cuts(galaxy, settings):
        read[ask] = values[learn].mean(axis=0)
    return read


def cuts(galaxy: np.ndarray, settings: Probing) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices to learn from and to ask about, fold by fold; observations of a galaxy stay together."""
    folds = GroupKFold(min(settings.folds, len(np.unique(galaxy))), shuffle=True, random_state=settings.seed)
    yield from folds.split(galaxy, groups=galaxy)


def r_squared(
    values: np.ndarray, read: np.ndarray, constant: np.ndarray, galaxy: np.ndarray, settings: Probing
) -> tuple[float, float, float]:
    """1 - (squared error over that of the constant), and the 2.5 and 97.5 % of its resamplings by galaxy."""
    _, of = np.unique(galaxy, return_inverse=True)
    errors = [np.bincount(of, ((values - one) ** 2).sum(axis=1)) for one in (read, constant)]
    count = len(errors[0])
    drawn = np.random.default_rng(settings.seed).multinomial(
        count, np.full(count, 1 / count), settings.resamples
    )
    spread = 1 - (drawn @ errors[0]) / (drawn @ errors[1])
    low, high = np.percentile(spread, (2.5, 97.5))
    return float(1 - errors[0].sum() / errors[1].sum()), float(low), float(high)
