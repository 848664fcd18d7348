"""The strangest galaxies beside what was planted in them: the first thing to ask of a simulated survey."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from cubesift.data.outliers import Outliers
from cubesift.data.run import Run
from cubesift.data.store import read_parquet


def beside_planted(run: Run, count: int = 10) -> str:
    """The `count` strangest galaxies with what `truth.parquet` says was planted, as lines of text.

    The last lines count what each score found, the linear one too, and what a random ranking would have.

    Raises:
        CubesiftError: the run has no ranking, or no truth.
    """
    galaxies = Outliers.load(run.path).galaxies
    truth, _ = read_parquet(run.truth)
    planted: dict[str, list[str]] = defaultdict(list)
    for plateifu, kind in zip(truth["plateifu"].tolist(), truth["kind"].tolist(), strict=True):
        planted[plateifu].append(kind.replace("_", " "))
    names = galaxies["plateifu"].tolist()
    rows = [f"{'':>4} {'plateifu':<12} {'percentile':>10}  {'named by':<15} planted"]
    for place, name in enumerate(names[:count], start=1):
        percentile, named = galaxies["percentile"][place - 1], galaxies["named_by"][place - 1]
        kinds = ", ".join(planted.get(name, ())) or "-"
        rows.append(f"{place:>4} {name:<12} {percentile:>10.1f}  {named or '-':<15} {kinds}")
    odd = {name for name in names if name in planted}
    count = min(count, len(names))
    by_chance = len(odd) * count / max(len(names), 1)
    rows.append(
        f"{len(odd)} of the {len(names)} hold something planted. Of these, among the {count} strangest:"
    )
    found = {"all scores together": np.array(names[:count])}
    for column in galaxies:
        if column.endswith(".percentile"):
            strangest = np.argsort(-galaxies[column], kind="stable")[:count]
            found[column.removesuffix(".percentile")] = galaxies["plateifu"][strangest]
    rows += [f"  {score:<24} {sum(str(name) in odd for name in first)}" for score, first in found.items()]
    rows.append(f"  {'at random':<24} {by_chance:.1f}")
    return "\n".join(rows)
