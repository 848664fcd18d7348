"""What each switch of `ablations.py` changes, with its interval."""
# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from benchmarks.ablations.measured import MEAN

from cubesift.data.store import Columns

DRAWS = 4000
HOME = "small"  # the samples of the bases
ALIKE = (HOME, "small-stars")  # their voxels are the same but for the stars, where nothing is measured
BLURRED = "small-256"  # channels of 1,100 km/s: they do not resolve a line


@dataclass(frozen=True)
class Switch:
    """What is thrown, and what the paper says of it ("" = nothing that these measures could tell)."""

    words: str
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the base's `Training`
    paper: str = ""

    @property
    def samples(self) -> str:
        """Those that its model learns from."""
        return str(self.changes.get("samples", HOME))


@dataclass(frozen=True)
class Change:
    """The difference from the base and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out no difference at all."""
        return self.low > 0 or self.high < 0


def median_ratio(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Of pairs, (draw, seed, galaxy), in percent; so are the others."""
    return 100 * (np.median(after / before, axis=(1, 2)) - 1)


def median_difference(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Of shares."""
    return 100 * np.median(after - before, axis=(1, 2))


def ratio_of_means(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The redshift's error is a mean, as in the paper."""
    return 100 * (after.mean(axis=(1, 2)) / before.mean(axis=(1, 2)) - 1)


Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
MEASURES: dict[str, tuple[str, Statistic]] = {
    "mae": ("summed MAE", median_ratio),
    "error": ("error", median_ratio),
    "halpha": ("Hα kept", median_difference),
    "redshift": ("redshift MSE", ratio_of_means),
}


class Measured:
    """The table of `measure_models`, its galaxies in one order."""

    def __init__(self, table: Columns):
        self.galaxies = np.unique(table["plateifu"])
        order = np.argsort(table["plateifu"], kind="stable")
        table = {key: values[order] for key, values in table.items()}
        table["redshift"] = (table["own_redshift"] - table["redshift"]) ** 2
        self.stars = int(table["star"][table["model"] == MEAN + HOME].sum())
        self._of = {
            name: {key: table[key][table["model"] == name] for key in MEASURES}
            for name in np.unique(table["model"]).tolist()
        }

    def seeds(self, name: str, measure: str) -> np.ndarray:
        """(seed, galaxy), of the models `name`-0, -1, ...; of one without seeds (1, galaxy)."""
        if name in self._of:
            return self._of[name][measure][None]
        return np.array(
            [self._of[one][measure] for one in sorted(self._of) if one.rpartition("-")[0] == name]
        )

    def value(self, name: str, measure: str) -> np.ndarray:
        """(seed,): the mean over galaxies of MAE and redshift, as in table 1; the median of the others."""
        found = self.seeds(name, measure)
        known = found[:, np.isfinite(found).all(axis=0)]
        if not known.size:
            return np.full(len(found), np.nan)
        return np.asarray((np.mean if measure in ("mae", "redshift") else np.median)(known, axis=1))

    def change(self, base: str, thrown: str, measure: str, samples: str) -> Change | None:
        """What a switch changes, of pairs of a seed and a galaxy; None where there is nothing to compare.

        MAE and error of a galaxy are in units of what the mean cube of the same samples leaves of it, so that
        other samples can be compared; of voxels that are alike they stay as they are. The interval holds 95 %
        of what 4,000 draws say, each of as many galaxies and as many seeds, with replacement.
        """
        before, after = self.seeds(base, measure), self.seeds(thrown, measure)
        if measure in ("mae", "error") and samples not in ALIKE:
            after = after * self.seeds(MEAN + HOME, measure) / self.seeds(MEAN + samples, measure)
        known = np.isfinite(before + after).all(axis=0)
        before, after = before[:, known], after[:, known]
        seeds, galaxies = after.shape
        if not galaxies:
            return None
        statistic = MEASURES[measure][1]
        rng = np.random.default_rng(0)
        chosen = (
            rng.integers(seeds, size=(DRAWS, seeds, 1)),
            rng.integers(galaxies, size=(DRAWS, 1, galaxies)),
        )
        low, high = np.percentile(statistic(before[chosen], after[chosen]), (2.5, 97.5))
        return Change(float(statistic(before[None], after[None])[0]), float(low), float(high))


Changes = dict[str, dict[str, Change | None]]  # switch -> measure -> what it changes


def changes_of(measured: Measured, base: str, switches: Mapping[str, Switch]) -> Changes:
    """Of the switches of one base that are measured."""
    found: Changes = {}
    for name, switch in switches.items():
        thrown = f"{base}-{name}"
        if name == "base" or not len(measured.seeds(thrown, "mae")):
            continue
        found[name] = {
            measure: measured.change(f"{base}-base", thrown, measure, switch.samples) for measure in MEASURES
        }
        if switch.samples == BLURRED:
            found[name]["halpha"] = None
    return found
