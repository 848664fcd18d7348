"""What a run has to tell, read through its nouns; never the truth of a simulation."""

from __future__ import annotations

import csv
import glob
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from cubesift.data.catalog import Catalog
from cubesift.data.embeddings import Embeddings, Reconstructions
from cubesift.data.maps import EmbeddingMap
from cubesift.data.outliers import BY_ITSELF, Outliers
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import Columns, Provenance, read_json
from cubesift.errors import CubesiftError
from cubesift.explore.choosing import held_out, model_to_draw


@dataclass(frozen=True)
class Findings:
    """A run after detection, and the model whose reconstructions are drawn."""

    run: Run
    outliers: Outliers
    model: str  # "" = every cube was rebuilt from its own spaxels
    reconstructions: Reconstructions
    samples: Samples  # what the model was given

    @classmethod
    def read(cls, run: Run, model: str = "") -> Findings:
        """Open what is there; of several models, by default the one that `model_to_draw` says.

        Raises:
            CubesiftError: nothing was detected, or the model is not there.
        """
        outliers = Outliers.load(run.path)
        names = sorted(set(outliers.spaxels["model"].tolist()) - {""})
        if model and model not in names:
            raise CubesiftError(f"report: model = {model!r}, but the ranking is by {names or 'no model'}.")
        rebuilt = {
            name: Reconstructions.open(run.reconstructions(name or BY_ITSELF)) for name in names or [""]
        }
        given = {name: _samples_of(run, name, one) for name, one in rebuilt.items()}
        chosen = model or model_to_draw(run, rebuilt, given)
        return cls(run, outliers, chosen, rebuilt[chosen], given[chosen])

    @property
    def galaxies(self) -> list[str]:
        """plateifu of what can be shown, strangest first; without a ranking, by the strangest spaxel."""
        ranked = self.outliers.galaxies["plateifu"].tolist()
        by_spaxel = list(dict.fromkeys(self.outliers.spaxels["plateifu"].tolist()))
        names = [*ranked, *by_spaxel, *self.reconstructions.names]
        return [
            name for name in dict.fromkeys(names) if name in self.reconstructions and name in self.samples
        ]

    @property
    def models(self) -> list[str]:
        """Names of the models that took part in the ranking."""
        return sorted({name.split(".", 1)[1] for name in self.scores if not name.startswith("itself.")})

    @property
    def scores(self) -> list[str]:
        """Names of the scores, `<method>.<model>`."""
        names = self.outliers.galaxies
        return [name.removesuffix(".percentile") for name in names if name.endswith(".percentile")]

    def place(self, plateifu: str) -> int | None:
        """Row of a galaxy in the ranking, or None where it was not ranked."""
        found = np.flatnonzero(self.outliers.galaxies["plateifu"] == plateifu)
        return int(found[0]) if len(found) else None

    def spaxels(self, plateifu: str) -> Columns:
        """Ranked spaxels of one cube by the model shown, strangest first."""
        table = self._spaxels_shown
        first = np.searchsorted(table["plateifu"], plateifu, side="left")
        last = np.searchsorted(table["plateifu"], plateifu, side="right")
        return {name: values[first:last] for name, values in table.items()}

    @cached_property
    def _spaxels_shown(self) -> Columns:
        table = self.outliers.spaxels
        shown = np.flatnonzero(table["model"] == self.model)
        shown = shown[np.argsort(table["plateifu"][shown], kind="stable")]
        return {name: values[shown] for name, values in table.items()}

    def spaxel_name(self, plateifu: str, y: int, x: int) -> str:
        """`plateifu/y,x` in the cube as observed, of y, x in the samples' grid: the corners are the same."""
        # The image is of the cube as observed: what was rebuilt is in the samples' grid.
        side = len(self.reconstructions.store.arrays(plateifu, "error")["error"])
        step = (self.samples.record(plateifu).side - 1) / max(side - 1, 1)
        return f"{plateifu}/{round(y * step)},{round(x * step)}"

    def strangest_spaxels(self, most: int) -> Columns:
        """The strangest spaxel of every cube, of a single cube the strangest of all; at most `most`."""
        table = self.outliers.spaxels
        shown = np.flatnonzero(table["model"] == self.model)
        names, first = np.unique(table["plateifu"][shown], return_index=True)
        rows = shown[np.sort(first)] if len(names) > 1 else shown
        return {name: values[rows[:most]] for name, values in table.items()}

    def score_map(self, plateifu: str, shape: tuple[int, int]) -> np.ndarray:
        """(y, x) scores of the ranked spaxels, nan elsewhere."""
        scores = np.full(shape, np.nan)
        table = self.spaxels(plateifu)
        scores[table["y"], table["x"]] = table["score"]
        return scores

    def embeddings(self) -> Embeddings | None:
        """Of the model shown: a row per galaxy, all in one space."""
        return Embeddings.load(self.run.embeddings(self.model)).comparable() if self.model else None

    def maps(self) -> list[EmbeddingMap]:
        """Of the model shown, by the methods' names; those of an embedding of before are left out."""
        if not self.model:
            return []
        made = Embeddings.load(self.run.embeddings(self.model)).provenance.id
        found = sorted(self.run.path.glob(f"maps/{glob.escape(self.model)}.*.parquet"))
        maps = [EmbeddingMap.load(path) for path in found]
        return [
            one
            for one in maps
            if one.about["model"] == self.model and one.provenance.parents["embeddings"] == made
        ]

    def by_model(self) -> dict[str, tuple[Reconstructions, Samples]]:
        """What each model of the ranking rebuilt, and of which samples."""
        opened = {name: Reconstructions.open(self.run.reconstructions(name)) for name in self.models}
        return {name: (one, _samples_of(self.run, name, one)) for name, one in opened.items()}

    def training_redshift(self, model: str, fold: str) -> float | None:
        """Mean redshift of what a fold of a model learned from; None if it did so in another run."""
        path = self.run.model(model, fold) / "model.json"
        mean = read_json(path).get("redshift", [None])[0] if path.exists() else None
        return None if mean is None or not np.isfinite(mean) else float(mean)

    @cached_property
    def held_out(self) -> dict[str, set[str]]:
        """Of each model of the ranking the galaxies that it rebuilt without having learned from them."""
        return {name: held_out(self.run, name) for name in self.models}

    def cross_fitted(self) -> list[str]:
        """The models whose folds were asked about the galaxies that they did not learn from."""
        said = {name: Embeddings.load(self.run.embeddings(name)) for name in self.models}
        return [name for name, embeddings in said.items() if len(embeddings.comparisons()) > 1]

    def is_simulated(self) -> bool:
        """Whether the catalogue says that its galaxies are on no sky."""
        return self.run.catalog.exists() and Catalog.load(self.run.catalog).provenance.verb == "simulate"


def histories(run: Run) -> dict[str, Mapping[str, np.ndarray]]:
    """Columns of each history.csv, by "<model>, <fold>", of a cross-fit their mean over the folds.

    What is not a number becomes nan. A model in closed form has one row, at a rate of 0, and is left out.
    """
    found: dict[str, list[Mapping[str, np.ndarray]]] = {}
    for path in sorted(run.path.glob("models/*/*/history.csv")):
        with path.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        if rows:
            columns = {
                column: np.array([_number(row.get(column)) for row in rows]) for column in rows[0] if column
            }
            if np.any(columns.get("learning_rate", 1) != 0):
                found.setdefault(_training(path), []).append(columns)
    return {name: _mean(parts) for name, parts in found.items()}


def trainings(run: Run) -> dict[str, dict[str, int]]:
    """Of every trained model of the paper's kinds: epochs, galaxies learned from, side and channels.

    Of a cross-fit's folds the fewest galaxies that one of them learned from.
    """
    found: dict[str, dict[str, int]] = {}
    for path in sorted(run.path.glob("models/*/*/model.json")):
        record = json.loads(path.read_text())
        if record["settings"]["system"] == "codes":
            continue
        name, count = _training(path), len(record["train"])
        found[name] = {
            "epochs": int(record["settings"]["epochs"]),
            "galaxies": min(count, found.get(name, {}).get("galaxies", count)),
            "side": int(record["side"]),
            "channels": int(record["grid"]["size"]),
        }
    return found


def origins(findings: Findings) -> list[tuple[str, Provenance]]:
    """What everything on the page was made from: artefact and its provenance."""
    run = findings.run
    rows = [("catalogue", Catalog.load(run.catalog).provenance)] if run.catalog.exists() else []
    rows += [(f"samples/{name}", Samples.open(run.samples(name)).provenance) for name in run.recipes()]
    for path in sorted(run.path.glob("models/*/*/model.json")):
        record = json.loads(path.read_text())["provenance"]
        rows.append(("models/{}/{}".format(*path.parts[-3:-1]), Provenance.from_dict(record, str(path))))
    for name in findings.models:
        rows.append((f"embeddings/{name}", Embeddings.load(run.embeddings(name)).provenance))
    rows.append((f"reconstructions/{findings.model or BY_ITSELF}", findings.reconstructions.provenance))
    rows.append(("outliers", findings.outliers.provenance))
    return rows


def _samples_of(run: Run, model: str, reconstructions: Reconstructions) -> Samples:
    """The samples that were rebuilt.

    Raises:
        CubesiftError: they are gone.
    """
    parents = reconstructions.provenance.parents
    for recipe in run.recipes():
        samples = Samples.open(run.samples(recipe))
        if samples.provenance.id == parents.get("preparation") or samples.id == parents.get("samples"):
            return samples
    raise CubesiftError(
        f"{run.path}: the samples that {model or BY_ITSELF} rebuilt are gone. "
        "Prepare them again, then embed and detect."
    )


def _training(path: Path) -> str:
    """What a file of a trained model belongs to: "<model>, <fold>", or "<model>, folds" of a cross-fit."""
    name, fold = path.parts[-3:-1]
    return f"{name}, {'folds' if fold.startswith('fold-') else fold}"


def _mean(histories: Sequence[Mapping[str, np.ndarray]]) -> Mapping[str, np.ndarray]:
    """Column by column, over the epochs that all have."""
    epochs = min(len(values) for history in histories for values in history.values())
    shared = set.intersection(*(set(history) for history in histories))
    return {
        column: np.mean([history[column][:epochs] for history in histories], axis=0)
        for column in histories[0]
        if column in shared
    }


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")
