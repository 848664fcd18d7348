"""Where each galaxy lies on a map of an embedding: two numbers, for the eye only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cubesift.data.store import Provenance, read_about, read_parquet, write_parquet

MDS_MOST = 4000  # galaxies: MDS looks at every pair in every round, some 100 s of one core for so many


@dataclass
class EmbeddingMap:
    """One method's map of one model's embedding, `maps/<model>.<method>.parquet`.

    No score is ever taken from it: most methods bend distances, and near and far are not what they were.
    """

    plateifu: np.ndarray  # (n,) str
    places: np.ndarray  # (n, 2) float64, x and y in units of the embedding's latents, or the method's own
    about: Mapping[str, Any]  # model, fold, method, its parameters and seed, and what it found out
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.plateifu)

    def save(self, path: Path) -> None:
        """Write to Parquet, what is said about it in the metadata."""
        columns = {"plateifu": self.plateifu, "x": self.places[:, 0], "y": self.places[:, 1]}
        write_parquet(path, columns, self.provenance, self.about)

    @classmethod
    def load(cls, path: Path) -> EmbeddingMap:
        """Read back what `save` wrote."""
        columns, provenance = read_parquet(path)
        places = np.stack([columns["x"], columns["y"]], axis=1)
        return cls(columns["plateifu"], places, read_about(path), provenance)
