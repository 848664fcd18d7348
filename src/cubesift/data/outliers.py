"""Who does not belong: galaxies and spaxels, with the scores that say so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cubesift.data.store import Columns, Provenance, read_parquet, write_parquet

BY_ITSELF = "by-itself"  # reconstructions in which every cube was rebuilt from its own spaxels


@dataclass
class Outliers:
    """Two tables, strangest first. Higher is stranger; percentiles run from 0 to 100.

    galaxies: plateifu, mangaid, percentile (over all scores), named_by (of the paper's two methods:
        "neighbours", "reconstruction", "both", "itself" or ""), rebuilt_badly_by_all (the lowest of the
        models' percentiles of reconstruction), and per score `<method>.<model>` and
        `<method>.<model>.percentile`; of the method "itself", a linear model of each cube's own spaxels,
        `itself.<recipe>`. No rows where there were too few galaxies to rank.
    spaxels: plateifu, y, x (of the samples' grid), score, percentile (within its cube),
        signal_to_noise, model ("" where the cube was judged by itself).
    """

    galaxies: Columns
    spaxels: Columns
    provenance: Provenance

    def save(self, folder: Path) -> None:
        """Write `outliers.parquet` and `spaxels.parquet` into a run."""
        write_parquet(folder / "spaxels.parquet", self.spaxels, self.provenance)
        write_parquet(folder / "outliers.parquet", self.galaxies, self.provenance)

    @classmethod
    def load(cls, folder: Path) -> Outliers:
        """Read back what `save` wrote."""
        galaxies, provenance = read_parquet(folder / "outliers.parquet")
        spaxels, _ = read_parquet(folder / "spaxels.parquet")
        return cls(galaxies, spaxels, provenance)
