"""What `claims.py` draws on: a run's table 1 and its systems, the switches, the strange galaxies."""
# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

import numpy as np

from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import Columns, read_json, read_parquet
from cubesift.judging import judge_table1
from cubesift.learn.checkpoint import Checkpoint

FOUR = {"cae2d": "2D", "cae3d": "3D", "cae1d2d": "1D-2D", "pca2d": "PCA-2D"}  # of the paper's table 1
MOST = 32  # galaxies asked one by one


class Missing(Exception):
    """What a claim needs is not there yet, in words: a row of the page, no error."""


class Evidence:
    """Opened when first asked for, so that a claim that can be tested is, whatever else is missing."""

    def __init__(
        self,
        run: Run,
        recipe: str,
        switches: Run | None,
        strange: Run | None,
        probed: Evidence | None = None,
    ):
        self.run, self.recipe = run, recipe
        self.probed = probed or self
        self._switches, self._strange = switches, strange

    def about(self) -> str:
        """What was looked at, in words."""
        side, galaxies = "?", ""
        for name in self.models.values():
            record = read_json(self.run.model(name, "split") / "model.json")
            side = f"{record['side']} × {record['side']} × {record['grid']['size']:,}"
            galaxies = f", {len(record['train'])} galaxies learned from, {len(record['validation'])} held out"
        seen = ", ".join(sorted(self.models)) or "none"
        others = (
            [f"switches: {self._switches.path.name}, of each galaxy the mean over three seeds"]
            if self._switches
            else []
        )
        others += [f"strange galaxies: {self._strange.path.name}"] if self._strange else []
        if self.probed is not self:
            others.append(f"attributes: {self.probed.run.path.name}, samples {self.probed.recipe}")
        listing = "; ".join(others)
        also = f"{listing[:1].upper()}{listing[1:]}. " if others else ""
        return (
            f"Systems of {self.run.path.name}, samples {self.recipe}, at {side}{galaxies}: {seen}. {also}"
            "Whatever a network is said to do, the linear baseline (spectral PCA × spatial PCA, as many "
            "numbers a galaxy) stands beside it. In brackets are 95 % intervals. "
            "The networks learned from a tenth of the paper's galaxies, made a quarter of its steps or "
            "fewer, and have sizes of our choosing: what did not hold here may hold there."
        )

    @cached_property
    def models(self) -> dict[str, str]:
        """system -> name of the run's finished model that held galaxies out; the one named like it first."""
        found: dict[str, str] = {}
        for name in self.run.models():
            path = self.run.model(name, "split") / "model.json"
            settings = read_json(path)["settings"] if path.exists() else {}
            if settings.get("samples") == self.recipe:
                system = settings["system"]
                if found.setdefault(system, name) != system and name == system:
                    found[system] = name
        return found

    def name(self, system: str) -> str:
        """Raises Missing where that system is not trained."""
        if system not in self.models:
            raise Missing(f"no model {system} is trained on samples {self.recipe} to its end")
        return self.models[system]

    @cached_property
    def table(self) -> dict[str, dict[str, float]]:
        """Table 1: model -> measure -> value."""
        path = self.run.path / f"table1-{self.recipe}.parquet"
        trained = [self.run.model(name, "split") / "model.json" for name in self.models.values()]
        newest = max((one.stat().st_mtime for one in trained), default=0.0)
        if not path.exists() or path.stat().st_mtime < newest:
            judge_table1(self.run, self.recipe)
        columns, _ = read_parquet(path)
        names = columns.pop("model").tolist()
        return {
            name: {key: float(values[place]) for key, values in columns.items()}
            for place, name in enumerate(names)
        }

    def measures(self, measure: str, needed: Collection[str] = tuple(FOUR)) -> dict[str, float]:
        """Of the paper's four systems, by their names in the paper; raises Missing where a needed one is."""
        names = {system: self.name(system) for system in FOUR if system in {*needed, *self.models}}
        return {FOUR[system]: self.table[name][measure] for system, name in names.items()}

    def linear(self, measure: str) -> float:
        """Of the linear baseline; raises Missing."""
        return self.table[self.name("linear")][measure]

    @cached_property
    def samples(self) -> Samples:
        return Samples.open(self.run.samples(self.recipe))

    def checkpoint(self, system: str) -> Checkpoint:
        """Raises Missing where that system is not trained."""
        return Checkpoint.load(self.run.model(self.name(system), "split"))

    def asked(self, checkpoint: Checkpoint) -> list[str]:
        """Galaxies that it held out."""
        return checkpoint.validation[:MOST]

    @property
    def switches(self) -> Run:
        """Raises Missing."""
        if self._switches is None:
            raise Missing("no run of `python -m benchmarks.ablations` was named")
        return self._switches

    @property
    def strange(self) -> Run:
        """Raises Missing."""
        if self._strange is None or not (self._strange.path / "outliers.parquet").exists():
            raise Missing("no survey with planted stars and blazars went through `cubesift detect`")
        return self._strange

    @cached_property
    def measured_switches(self) -> Columns:
        path = self.switches.path / "ablations.parquet"
        if not path.exists():
            raise Missing("the switches are not measured yet (`python -m benchmarks.ablations`)")
        return read_parquet(path)[0]


def listed(values: dict[str, float], form: str) -> str:
    """`2D 1.0, 3D 2.0`."""
    return ", ".join(f"{name} {value:{form}}" for name, value in values.items())


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % of what 4,000 draws of as many rows, with replacement, have as their median."""
    rng = np.random.default_rng(0)
    drawn = np.median(values[rng.integers(len(values), size=(4000, len(values)))], axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)
