"""What the models say of the galaxies: embeddings, and how well each was rebuilt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cubesift.data.groups import GalaxyStore
from cubesift.data.store import Provenance, fingerprint, read_parquet, remove, write_parquet

ALL = "all"  # the fold that learned from every galaxy


def parent_id(models: Mapping[str, str]) -> str:
    """One id for the models that embed a survey, of their ids by fold: that of a single one is its own."""
    (first, *others) = models.values()
    return fingerprint(dict(models)) if others else first


@dataclass(frozen=True)
class Comparison:
    """Rows of one fold: the galaxies it may be asked about, and those they are compared with."""

    fold: str
    asked: np.ndarray  # (n,) indices
    among: np.ndarray  # (m,) indices: those the model learned from, or `asked` again where it saw them all


@dataclass
class Embeddings:
    """Vectors, `embeddings/<name>.parquet`: one row per observation, of a cross-fit one per fold as well.

    Two folds' vectors live in unrelated spaces. Whoever reads them takes `comparable` rows (a map, a probe),
    those `as_scored` (a prediction, each by a model that did not see the galaxy), or `comparisons` (scores).
    """

    plateifu: np.ndarray  # (n,) str
    mangaid: np.ndarray  # (n,) str
    fold: np.ndarray  # (n,) str: the model that made the row, "all", "split", or of a cross-fit "fold-0", ...
    held_out: np.ndarray  # (n,) bool: that model did not learn from this galaxy
    vectors: np.ndarray  # (n, latent) float32
    redshift: np.ndarray  # (n,) float64, of the catalogue; nan where not known
    redshift_predicted: np.ndarray  # (n,) float64, by the redshift head; nan where there is none
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.plateifu)

    def where(self, keep: np.ndarray) -> Embeddings:
        """The rows for which `keep`, (n,) bool or indices, holds."""
        return replace(self, **{name: getattr(self, name)[keep] for name in _COLUMNS})

    def comparable(self) -> Embeddings:
        """A row per galaxy, all of one model and so in one space: of the fold "all", else of the largest."""
        folds, count = np.unique(self.fold, return_counts=True)
        if len(folds) < 2:
            return self
        return self.where(self.fold == (ALL if ALL in folds else folds[np.argmax(count)]))

    def as_scored(self) -> Embeddings:
        """A row per galaxy, of a cross-fit by the fold that held it out: vectors not to be compared."""
        return self.where(np.concatenate([np.empty(0, int), *(one.asked for one in self.comparisons())]))

    def comparisons(self) -> list[Comparison]:
        """Who is scored among whom, each galaxy once and by name, whatever the order of the rows.

        Of a cross-fit a fold's held-out galaxies among those it learned from; of a single model every galaxy
        among all, seen or not, as the paper does.
        """
        order = np.argsort(self.plateifu, kind="stable")
        fold, held_out = self.fold[order], self.held_out[order]
        folds = np.unique(fold)
        if len(folds) < 2:
            return [Comparison(str(one), order, order) for one in folds]
        return [
            Comparison(str(one), order[(fold == one) & held_out], order[(fold == one) & ~held_out])
            for one in folds
            if one != ALL and (held_out & (fold == one)).any()
        ]

    def save(self, path: Path) -> None:
        """Write to Parquet."""
        columns = {name: getattr(self, name) for name in _COLUMNS}
        write_parquet(path, columns, self.provenance)

    @classmethod
    def load(cls, path: Path) -> Embeddings:
        """Read back what `save` wrote."""
        columns, provenance = read_parquet(path)
        # Format 1 knew no cross-fit and did not say; of a single model it does not matter.
        columns.setdefault("held_out", np.zeros(len(columns["plateifu"]), bool))
        return cls(**columns, provenance=provenance)


_COLUMNS = ("plateifu", "mangaid", "fold", "held_out", "vectors", "redshift", "redshift_predicted")


@dataclass(frozen=True)
class Reconstruction:
    """How one model rebuilt one cube: maps, and a few whole spectra."""

    error: np.ndarray  # (y, x) float32, mean |model - flux| of the models' input, nan = nothing to judge
    chi2: np.ndarray  # (y, x) float32, mean((model - unclipped)**2 * ivar), 1 = noise; nan = no good channel
    signal_to_noise: np.ndarray  # (y, x) float32, median unclipped * sqrt(ivar) per channel; nan as above
    white: np.ndarray  # (y, x) float32, mean flux over the good channels
    white_model: np.ndarray  # (y, x) float32, the same of the model
    spaxels: np.ndarray  # (k, 2) int32, (y, x) of the spectra kept: the centre first, then the worst rebuilt
    flux: np.ndarray  # (k, wave) float32, unclipped
    ivar: np.ndarray  # (k, wave) float32
    model: np.ndarray  # (k, wave) float32
    # The channel nearest H-alpha, its wavelength in the record as `line_wave`; None where no model keeps it.
    line: np.ndarray | None = None  # (y, x) float32, unclipped flux, nan = not to be used
    line_model: np.ndarray | None = None  # (y, x) float32


class Reconstructions:
    """`reconstructions/<name>.zarr`: what detect and explore need, without torch."""

    def __init__(self, store: GalaxyStore):
        self.store = store

    @classmethod
    def create(cls, path: Path, provenance: Provenance, about: Mapping[str, Any]) -> Reconstructions:
        """Make the store, go on with it, or start it anew if the model or the samples are others."""
        return cls(GalaxyStore.create(path, provenance, about, replace=True))

    @classmethod
    def open(cls, path: Path) -> Reconstructions:
        """Open what was written before."""
        return cls(GalaxyStore.open(path))

    @property
    def provenance(self) -> Provenance:
        return self.store.provenance

    @property
    def names(self) -> list[str]:
        """plateifu of every rebuilt cube, sorted."""
        return self.store.names()

    def __contains__(self, plateifu: str) -> bool:
        return plateifu in self.store

    def read(self, plateifu: str) -> Reconstruction:
        """One galaxy's maps and spectra."""
        return Reconstruction(**self.store.arrays(plateifu))

    def record(self, plateifu: str) -> dict[str, Any]:
        """What is said of one galaxy besides: its embedding, `scale` and `source_id` of its sample."""
        return self.store.record(plateifu)

    def write(self, plateifu: str, reconstruction: Reconstruction, record: Mapping[str, Any]) -> None:
        """Write one galaxy, whole or not at all."""
        arrays = {name: values for name, values in vars(reconstruction).items() if values is not None}
        self.store.write(plateifu, arrays, {"plateifu": plateifu, **record})

    def keep_only(self, plateifus: Collection[str]) -> None:
        """Forget the galaxies that are no longer among the samples."""
        for gone in set(self.names) - set(plateifus):
            remove(self.store.path / gone)
