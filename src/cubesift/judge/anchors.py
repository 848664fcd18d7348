"""Figures measured from real MaNGA data, against which a simulated survey is judged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from cubesift.judge.emission import WINDOWS


@dataclass(frozen=True)
class Anchors:
    """Read from `anchors.json`, which `benchmarks/make_anchors.py` makes; every entry names its source."""

    galaxy: dict[str, Any]  # 7815-3702: what it is, its figures, its profiles by annulus
    correlation: dict[str, Any]  # of its noise: distances, mean, and the 16th and 84th percentile of pairs
    spectra: dict[str, Any]  # the eight spaxels: S/N, shape of the error, scatter, share below 0
    survey: dict[str, Any]  # quantiles of the catalogue's columns, for each size of bundle
    stars: dict[str, Any]  # populations around Halpha and Hbeta, at rest

    def populations(self) -> dict[tuple[float, float], tuple[np.ndarray, np.ndarray]]:
        """Of each window of `emission`: rest wavelengths, (n,), and populations, (population, n)."""
        found = {}
        for window, kept in zip(WINDOWS, self.stars["windows"], strict=True):
            wave = np.array(kept["first"]) * 10 ** (1e-4 * np.arange(len(kept["spectra"][0])))
            found[window] = (wave, np.array(kept["spectra"]))
        return found

    def catalogue(self, name: str, ifus: tuple[int, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
        """A column of the real catalogue as quantiles: values, (n,) sorted, and weights that add up to 1.

        Args:
            name: redshift, reff, logmass or ifusize.
            ifus: only these sizes of bundle; () = all.
        """
        values, weights = [], []
        for size, rows in self.survey["bundles"].items():
            if not ifus or int(size) in ifus:
                quantiles = [float(size)] if name == "ifusize" else rows[name]
                values.append(np.array(quantiles))
                weights.append(np.full(len(quantiles), rows["count"] / len(quantiles)))
        together, weight = np.concatenate(values), np.concatenate(weights)
        order = np.argsort(together, kind="stable")
        return together[order], weight[order] / weight.sum()


def read_anchors() -> Anchors:
    """The anchors that came with this version."""
    return Anchors(**json.loads((files("cubesift.judge") / "anchors.json").read_text()))
