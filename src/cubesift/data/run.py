"""A run: one folder, one pass through the line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cubesift.data.store import read_json, write_json


@dataclass(frozen=True)
class Run:
    """The folder and where each thing lies in it."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @property
    def catalog(self) -> Path:
        return self.path / "catalog.parquet"

    @property
    def truth(self) -> Path:
        return self.path / "truth.parquet"

    @property
    def truth_galaxies(self) -> Path:
        return self.path / "truth-galaxies.parquet"

    @property
    def cubes(self) -> Path:
        return self.path / "cubes"

    @property
    def agreement(self) -> Path:
        return self.path / "agreement.parquet"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def samples(self, recipe: str) -> Path:
        return self.path / "samples" / f"{recipe}.zarr"

    def model(self, name: str, fold: str = "all") -> Path:
        return self.path / "models" / name / fold

    def embeddings(self, name: str) -> Path:
        return self.path / "embeddings" / f"{name}.parquet"

    def reconstructions(self, name: str) -> Path:
        return self.path / "reconstructions" / f"{name}.zarr"

    def codes(self, name: str) -> Path:
        return self.path / "codes" / f"{name}.zarr"

    def map(self, name: str, method: str) -> Path:
        return self.path / "maps" / f"{name}.{method}.parquet"

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    def recipes(self) -> list[str]:
        """Names of the prepared sample stores."""
        return sorted(
            path.parent.name.removesuffix(".zarr") for path in self.path.glob("samples/*/store.json")
        )

    def models(self) -> list[str]:
        """Names of the models with finished weights."""
        return sorted({path.parent.parent.name for path in self.path.glob("models/*/*/model.json")})

    def folds(self, name: str) -> list[str]:
        """Finished models that embed: a cross-fit's folds, and `all` if it is there; else `all`, `split`."""
        there = {path.parent.name for path in self.path.glob(f"models/{name}/*/model.json")}
        parts = sorted(fold for fold in there if re.fullmatch(r"fold-\d+", fold))
        if parts:
            return [*parts, *sorted({"all"} & there)]
        return sorted(there & {"all", "split"})[:1]

    def reject(self, name: str, record: Mapping[str, Any]) -> None:
        """Note a file that could not be used: `file`, `reason`, and what it was when it was tried."""
        write_json(self.path / "rejected" / f"{name}.json", record)

    def rejected(self) -> list[dict[str, Any]]:
        """Files that could not be used, each with `file` and `reason`, sorted by file."""
        records = [read_json(path) for path in self.path.glob("rejected/*.json")]
        return sorted(records, key=lambda record: str(record["file"]))

    def unreject(self, name: str) -> None:
        """Forget a rejection: the file was mended."""
        (self.path / "rejected" / f"{name}.json").unlink(missing_ok=True)
