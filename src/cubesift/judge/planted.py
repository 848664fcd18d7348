"""The strangest galaxies beside what was planted in them: the first thing to ask of a simulated survey."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from cubesift.data.outliers import Outliers
from cubesift.data.run import Run
from cubesift.data.store import Columns, read_parquet

TOGETHER = "all scores together"
NOTHING = "nothing planted"


def beside_planted(run: Run, count: int = 10) -> str:
    """The `count` strangest galaxies with what `truth.parquet` says was planted, as lines of text.

    The last lines count what each score found, the linear one too, and what a random ranking would have.

    Raises:
        CubesiftError: the run has no ranking, or no truth.
    """
    galaxies = Outliers.load(run.path).galaxies
    planted: dict[str, list[str]] = defaultdict(list)
    for plateifu, kind in _planted(run):
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
    found = {TOGETHER: np.array(names[:count])}
    for column in galaxies:
        if column.endswith(".percentile"):
            strangest = np.argsort(-galaxies[column], kind="stable")[:count]
            found[column.removesuffix(".percentile")] = galaxies["plateifu"][strangest]
    rows += [f"  {score:<24} {sum(str(name) in odd for name in first)}" for score, first in found.items()]
    rows.append(f"  {'at random':<24} {by_chance:.1f}")
    return "\n".join(rows)


def medians_by_class(run: Run, among_ordinary: bool = False) -> Columns:
    """Where each score puts the galaxies that hold something of a class: the median of their percentiles.

    50 is no stranger than the others. A galaxy counts once in every class it holds, without any in NOTHING.
    Among all galaxies a class is in its own way: 20 of 256, strangest of all, have a median of 96.3.
    `among_ordinary` takes percentiles among the galaxies with nothing planted alone.

    Returns:
        `class`, as in truth.parquet, `galaxies` (n,) int, TOGETHER and a column for every score: (n,) float.

    Raises:
        CubesiftError: the run has no ranking, or no truth.
    """
    galaxies = Outliers.load(run.path).galaxies
    holders: dict[str, set[str]] = defaultdict(set)
    for plateifu, kind in _planted(run):
        holders[kind].add(plateifu)
    rows = {kind: np.isin(galaxies["plateifu"], sorted(held)) for kind, held in sorted(holders.items())}
    rows[NOTHING] = ~np.any([np.zeros(len(galaxies["plateifu"]), bool), *rows.values()], axis=0)
    ordinary = rows[NOTHING]
    rows = {kind: there for kind, there in rows.items() if there.any()}
    scores = {TOGETHER: galaxies["percentile"]}
    for name, percentile in galaxies.items():
        if name.endswith(".percentile"):
            scores[name.removesuffix(".percentile")] = percentile
    columns: Columns = {
        "class": np.array(list(rows), dtype=str),
        "galaxies": np.array([there.sum() for there in rows.values()], dtype=int),
    }
    for score, percentile in scores.items():
        if among_ordinary:
            percentile = placed_among(percentile, percentile[ordinary])
        columns[score] = np.array([_median(percentile[there]) for there in rows.values()], dtype=float)
    return columns


def placed_among(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How many percent of the others each value lies above, (n,); those level with it count half."""
    known = np.sort(others[np.isfinite(others)])
    if not len(known):
        return np.full(len(values), np.nan)
    below = np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")
    return np.where(np.isfinite(values), 50 * below / len(known), np.nan)


def class_table(run: Run) -> str:
    """`medians_by_class` among all and among the ordinary, as lines of text; columns are named at the end.

    Raises:
        CubesiftError: the run has no ranking, or no truth.
    """
    table, ordinary = medians_by_class(run), medians_by_class(run, among_ordinary=True)
    rows = ["Median percentile of the galaxies that hold each (50: no stranger than the others), by score:"]
    rows += _as_text(table)
    rows.append("The same among those with nothing planted alone, so that no class is in its own way:")
    rows += _as_text(ordinary)
    return "\n".join(
        rows + [f"  {number:>3} {score}" for number, score in enumerate(list(table)[2:], start=1)]
    )


def _as_text(table: Columns) -> list[str]:
    """A table of medians in lines; the columns are numbered."""
    scores = list(table)[2:]
    classes = [kind.replace("_", " ") for kind in table["class"].tolist()]
    width = max(len(kind) for kind in [*classes, "planted"])
    numbers = "".join(f"{number:>6}" for number in range(1, len(scores) + 1))
    rows = [f"  {'planted':<{width}} {'galaxies':>8}{numbers}"]
    for row, kind in enumerate(classes):
        cells = "".join(
            "     -" if np.isnan(table[score][row]) else f"{table[score][row]:>6.1f}" for score in scores
        )
        rows.append(f"  {kind:<{width}} {table['galaxies'][row]:>8}{cells}")
    return rows


def _planted(run: Run) -> list[tuple[str, str]]:
    """(plateifu, kind) of everything planted."""
    truth, _ = read_parquet(run.truth)
    return list(zip(truth["plateifu"].tolist(), truth["kind"].tolist(), strict=True))


def _median(percentile: np.ndarray) -> float:
    known = percentile[np.isfinite(percentile)]
    return float(np.median(known)) if len(known) else np.nan
