"""Do the methods agree? Rank correlations between the scores, and what is said of a detection in words."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from cubesift.data.outliers import Outliers
from cubesift.data.store import Columns

FEWEST = 3  # galaxies with both scores; of two, the ranks always agree or disagree
NAMED = 5  # galaxies in a line


def scores_of(galaxies: Columns) -> list[str]:
    """Names of the scores of a ranking, `<method>.<model>`."""
    return [name.removesuffix(".percentile") for name in galaxies if name.endswith(".percentile")]


def agreement(galaxies: Columns) -> Columns:
    """Spearman's rank correlation of every two scores over the galaxies that have both; nan with too few.

    Between percentiles, since the scores of two folds are not on one scale.

    Returns:
        A square table: `score` names the rows, and each score is a column.
    """
    scores = scores_of(galaxies)
    columns: Columns = {"score": np.array(scores, dtype=str)}
    for one in scores:
        pairs = [(galaxies[f"{one}.percentile"], galaxies[f"{other}.percentile"]) for other in scores]
        columns[one] = np.array([correlation(*pair) for pair in pairs], dtype=float)
    return columns


def said_of(outliers: Outliers) -> list[str]:
    """What a detection found, as lines of text."""
    galaxies = outliers.galaxies
    ranked, named = len(galaxies["plateifu"]), int(np.sum(galaxies["named_by"] != ""))
    count = len(outliers.spaxels["plateifu"])
    lines = [f"detect: {ranked} galaxies ranked, {named} named; {count} spaxels ranked"]
    scores = scores_of(galaxies)
    if len(scores) < 2 or not ranked:
        return lines
    lines += [
        "agreement of the scores over the galaxies (Spearman):",
        *as_text(agreement(galaxies)),
        f"far whatever the method: {_first(galaxies, 'percentile')}",
    ]
    models = [score for score in scores if score.startswith("reconstruction.")]
    if len(models) > 1:
        lines.append(f"rebuilt badly by all {len(models)} models: {_first(galaxies, 'rebuilt_badly_by_all')}")
    return lines


def as_text(table: Columns) -> list[str]:
    """A square table of correlations in lines; the columns are numbered as the rows are."""
    scores = table["score"].tolist()
    width = max(len(score) for score in scores)
    rows = ["  " + " " * (width + 4) + "".join(f"{number:>6}" for number in range(1, len(scores) + 1))]
    for number, one in enumerate(scores):
        cells = "".join("     -" if np.isnan(value) else f"{value:>6.2f}" for value in table[one])
        rows.append(f"  {number + 1:>3} {one:<{width}}{cells}")
    return rows


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's, of the galaxies that have both; nan with fewer than three."""
    both = np.isfinite(one) & np.isfinite(other)
    one, other = one[both], other[both]
    if len(one) < FEWEST or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other).statistic)


def _first(galaxies: Columns, column: str) -> str:
    """The strangest few by a column, with their percentiles."""
    values = galaxies[column]
    order = np.argsort(-np.nan_to_num(values, nan=-1), kind="stable")[:NAMED]
    return ", ".join(f"{galaxies['plateifu'][row]} ({values[row]:.1f})" for row in order)
