"""Far from its neighbours: the mean distance to the k nearest in the embedding."""

from __future__ import annotations

from typing import Literal

import numpy as np
from sklearn.neighbors import NearestNeighbors


def mean_distance(
    vectors: np.ndarray, fold: np.ndarray, k: int, distance: Literal["plain", "robust"] = "plain"
) -> np.ndarray:
    """Mean Euclidean distance of every galaxy to its k nearest others, (n,) float64; exact.

    The paper's section 4.3, which does not say k. Where there are fewer than k others, all of them count.

    Args:
        vectors: (n, latent), of one fold.
        fold: (n,) str, the model that made each vector.
        k: how many neighbours.
        distance: "plain" as the paper does, or "robust": every latent divided by its spread first, so
            that one wide latent does not decide alone.

    Raises:
        ValueError: the vectors come from two folds, whose latent spaces are unrelated; or there is only one.
    """
    if len(np.unique(fold)) > 1:
        raise ValueError(f"distances between folds mean nothing: {', '.join(np.unique(fold))}")
    if len(vectors) < 2:
        raise ValueError("one galaxy has no neighbours")
    # float64, about the median: the fast formula for distances subtracts squares of lengths.
    vectors = vectors.astype(np.float64)
    vectors = vectors - np.median(vectors, axis=0)
    if distance == "robust":
        vectors = vectors / latent_spread(vectors)
    search = NearestNeighbors(n_neighbors=min(k, len(vectors) - 1), algorithm="brute").fit(vectors)
    return np.asarray(search.kneighbors()[0].mean(axis=1))


def latent_spread(vectors: np.ndarray) -> np.ndarray:
    """Spread of every latent, (latent,): 1.4826 times the median distance from its median.

    Where more than half of the galaxies agree exactly, the standard deviation; 1 for a latent that is dead.
    """
    spread = 1.4826 * np.median(np.abs(vectors - np.median(vectors, axis=0)), axis=0)
    spread = np.where(spread > 0, spread, vectors.std(axis=0))
    return np.where(spread > 0, spread, 1.0)
