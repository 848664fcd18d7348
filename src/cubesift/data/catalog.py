"""What exists: one row per observation, with the catalogue's columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cubesift.data.store import Columns, Provenance, read_parquet, write_parquet

MISSING = -9999.0


@dataclass
class Catalog:
    """Columns of equal length, lower-case names as in drpall; `plateifu` is the key.

    `mangaid` repeats where a galaxy was observed again. -9999 is missing.
    """

    columns: Columns
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.columns["plateifu"])

    @property
    def plateifu(self) -> np.ndarray:
        """Names of the observations, (n,) str."""
        return self.columns["plateifu"]

    def row(self, plateifu: str) -> dict[str, object] | None:
        """One observation's columns, or None where it is not in the catalogue."""
        found = np.flatnonzero(self.plateifu == plateifu)
        if not len(found):
            return None
        return {name: values[found[0]] for name, values in self.columns.items()}

    def where(self, keep: np.ndarray) -> Catalog:
        """The rows for which `keep`, (n,) bool or indices, holds."""
        return Catalog({name: values[keep] for name, values in self.columns.items()}, self.provenance)

    def redshift(self) -> np.ndarray:
        """(n,) float64: `z` (DR17), else `nsa_z`, else `redshift`; nan where missing."""
        best = np.full(len(self), np.nan)
        for name in ("z", "nsa_z", "redshift"):
            if name in self.columns:
                values = self.columns[name].astype(float)
                usable = np.isnan(best) & np.isfinite(values) & (values > MISSING + 1)
                best[usable] = values[usable]
        return best

    def save(self, path: Path) -> None:
        """Write to Parquet."""
        write_parquet(path, self.columns, self.provenance)

    @classmethod
    def load(cls, path: Path) -> Catalog:
        """Read back what `save` wrote."""
        return cls(*read_parquet(path))
