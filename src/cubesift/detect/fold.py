"""What one model says of the galaxies it is asked about, and of those they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cubesift.data.embeddings import Comparison, Embeddings
from cubesift.detect.reconstruction import Rebuilt


@dataclass(frozen=True)
class Fold:
    """Nothing is compared beyond it: another model's latent space is unrelated.

    Where nobody was held out, `among` is `asked`, and each galaxy is compared with the others.
    """

    asked: np.ndarray  # (n, latent) float64
    among: np.ndarray  # (m, latent) float64
    itself: bool  # the galaxies asked about are those among whom
    rebuilt: Sequence[Rebuilt] = ()  # of those asked about
    excess: Sequence[np.ndarray] = field(default=())  # (y, x) each, of chi2

    @classmethod
    def of(
        cls,
        embeddings: Embeddings,
        one: Comparison,
        rebuilt: Sequence[Rebuilt] = (),
        excess: Sequence[np.ndarray] = (),
    ) -> Fold:
        """One fold's rows of the embeddings.

        Raises:
            ValueError: the rows come from two folds.
        """
        folds = np.unique(embeddings.fold[np.union1d(one.asked, one.among)])
        if len(folds) > 1:
            raise ValueError(f"distances between folds mean nothing: {', '.join(folds)}")
        vectors = embeddings.vectors.astype(np.float64)
        same = np.array_equal(one.asked, one.among)
        return cls(vectors[one.asked], vectors[one.among], same, rebuilt, excess)

    def measured_from_the_middle(self, distance: str) -> Fold:
        """Vectors from the median of those among whom; with "robust" every latent is divided by its spread.

        The fast formula for distances subtracts squares of lengths, which a far origin would spoil.
        """
        middle = np.median(self.among, axis=0)
        spread = latent_spread(self.among) if distance == "robust" else 1.0
        asked, among = (self.asked - middle) / spread, (self.among - middle) / spread
        return Fold(asked, among, self.itself)


def latent_spread(vectors: np.ndarray) -> np.ndarray:
    """Spread of every latent, (latent,): 1.4826 times the median distance from its median.

    Where more than half of the galaxies agree exactly, the standard deviation; 1 for a latent that is dead.
    """
    spread = 1.4826 * np.median(np.abs(vectors - np.median(vectors, axis=0)), axis=0)
    spread = np.where(spread > 0, spread, vectors.std(axis=0))
    return np.where(spread > 0, spread, 1.0)
