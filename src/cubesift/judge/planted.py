"""The strangest galaxies beside what was planted in them: the first thing to ask of a simulated survey."""

from __future__ import annotations

from collections import defaultdict

from cubesift.data.outliers import Outliers
from cubesift.data.run import Run
from cubesift.data.store import read_parquet


def beside_planted(run: Run, count: int = 10) -> str:
    """The `count` strangest galaxies with what `truth.parquet` says was planted, as lines of text.

    The last line puts the number in its place: what a random ranking would have found.

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
    odd = [name for name in names if name in planted]
    found = sum(name in planted for name in names[:count])
    by_chance = len(odd) * min(count, len(names)) / max(len(names), 1)
    rows.append(
        f"{found} of the {min(count, len(names))} hold something planted; {len(odd)} of all {len(names)} do, "
        f"so a random ranking would have {by_chance:.1f}."
    )
    return "\n".join(rows)
