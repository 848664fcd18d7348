"""The ways to be strange, one function each: what a fold says of its galaxies to one score a galaxy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from cubesift.detect.fold import Fold
from cubesift.detect.reconstruction import high_excess, lopsidedness, mean_error
from cubesift.detect.settings import Detection

TREES, SEED = 300, 0  # of the forest: the same trees for the same galaxies, always
USUAL = 0.75  # share of the galaxies that say what is usual, for the Mahalanobis distance
STEPS = 20  # at most, until the same galaxies are the usual ones


def far_from_neighbours(fold: Fold, settings: Detection) -> np.ndarray:
    """Mean Euclidean distance to the k nearest others, (n,); exact.

    The paper's section 4.3, which does not say k. Where there are fewer than k others, all of them count.
    With distance = "robust" every latent is divided by its spread first, so that one wide latent does not
    decide alone.
    """
    fold = fold.measured_from_the_middle(settings.distance)
    search = NearestNeighbors(n_neighbors=_others(fold, settings.neighbours), algorithm="brute")
    search.fit(fold.among)
    # Without vectors it leaves each galaxy out of its own neighbours.
    distances, _ = search.kneighbors(None if fold.itself else fold.asked)
    return np.asarray(distances.mean(axis=1))


def thinly_surrounded(fold: Fold, settings: Detection) -> np.ndarray:
    """Local outlier factor (Breunig+2000, SIGMOD 29, 93), (n,): 1 = as dense there as at its neighbours."""
    fold = fold.measured_from_the_middle(settings.distance)
    count = _others(fold, settings.neighbours)
    factor = LocalOutlierFactor(n_neighbors=count, algorithm="brute", novelty=not fold.itself).fit(fold.among)
    return _strange(factor.negative_outlier_factor_ if fold.itself else factor.score_samples(fold.asked))


def soon_alone(fold: Fold, settings: Detection) -> np.ndarray:
    """Isolation forest (Liu+2008, ICDM 8, 413), (n,) 0 to 1: how few random cuts set a galaxy apart."""
    forest = IsolationForest(n_estimators=TREES, random_state=SEED).fit(fold.among)
    return _strange(forest.score_samples(fold.asked))


def far_from_the_middle(fold: Fold, settings: Detection) -> np.ndarray:
    """Mahalanobis distance, (n,): from the middle, in units of how the usual galaxies scatter that way.

    With 128 latents and 50 galaxies their covariance has no inverse, so it is shrunk towards a round one
    (Ledoit & Wolf 2004, J. Multivar. Anal. 88, 365), each latent divided by its spread before. So that the
    strange do not make themselves usual, it is that of the three quarters nearest by this very distance,
    found by repeating (the steps of Rousseeuw & Van Driessen 1999, Technometrics 41, 212; with a shrunk
    covariance as in Boudt+2020, Stat. Comput. 30, 113).
    """
    fold = fold.measured_from_the_middle("robust")
    count = max(int(np.ceil(USUAL * len(fold.among))), 2)
    usual = np.argsort(np.linalg.norm(fold.among, axis=1), kind="stable")[:count]
    for _ in range(STEPS):
        covariance = LedoitWolf().fit(fold.among[usual])
        nearest = np.argsort(covariance.mahalanobis(fold.among), kind="stable")[:count]
        if set(nearest) == set(usual):
            break
        usual = nearest
    return np.asarray(np.sqrt(covariance.mahalanobis(fold.asked)))


def badly_rebuilt(fold: Fold, settings: Detection) -> np.ndarray:
    """How badly the model rebuilt each galaxy, (n,): the paper's mean error, or by chi2 at its S/N."""
    if settings.reconstruction == "error":
        return mean_error(fold.rebuilt)
    return high_excess(fold.excess, settings.quantile)


def badly_rebuilt_on_one_side(fold: Fold, settings: Detection) -> np.ndarray:
    """How much worse a few spaxels of each galaxy are rebuilt than those opposite them, (n,)."""
    return lopsidedness(fold.rebuilt)


METHODS: Mapping[str, Callable[[Fold, Detection], np.ndarray]] = {
    "neighbours": far_from_neighbours,
    "lof": thinly_surrounded,
    "forest": soon_alone,
    "mahalanobis": far_from_the_middle,
    "reconstruction": badly_rebuilt,
    "lopsided": badly_rebuilt_on_one_side,
}


def _others(fold: Fold, wanted: int) -> int:
    """Neighbours to ask for, at most as many as there are.

    Raises:
        ValueError: there are none.
    """
    there = len(fold.among) - fold.itself
    if there < 1:
        raise ValueError("one galaxy has no neighbours")
    return min(wanted, there)


def _strange(usual: np.ndarray) -> np.ndarray:
    """scikit-learn's scores are higher for the usual: here, and nowhere else, they are turned over."""
    return -np.asarray(usual)
