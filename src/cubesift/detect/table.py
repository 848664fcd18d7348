"""The ranking of the galaxies: scores of all methods and models, joined to one percentile and one name."""

from __future__ import annotations

import numpy as np

from cubesift.data.store import Columns
from cubesift.detect.ranking import agreed, kindest, percentiles
from cubesift.detect.settings import Detection


def galaxy_table(
    scores: dict[str, dict[str, tuple[float, float]]], mangaids: dict[str, str], settings: Detection
) -> Columns:
    """Columns of `Outliers.galaxies`, strangest first; no rows where nothing could be ranked."""
    names = sorted({name for galaxies in scores.values() for name in galaxies})
    pairs = {
        column: np.array([galaxies.get(name, (np.nan, np.nan)) for name in names], dtype=float).reshape(-1, 2)
        for column, galaxies in scores.items()
    }
    all_percentiles = np.array([pair[:, 1] for pair in pairs.values()]).reshape(len(pairs), len(names)).T
    # Agreed over the models first, then over the methods: three networks do not outvote another method.
    methods: dict[str, list[int]] = {column.split(".")[0]: [] for column in pairs}
    for number, column in enumerate(pairs):
        methods[column.split(".")[0]].append(number)
    by_method = {method: agreed(all_percentiles[:, own]) for method, own in methods.items()}
    together = np.array(list(by_method.values())).reshape(len(by_method), len(names)).T
    overall = percentiles(agreed(together))
    columns: Columns = {
        "plateifu": np.array(names, dtype=str),
        "mangaid": np.array([mangaids[name] for name in names], dtype=str),
        "percentile": overall,
        "named_by": _named_by(by_method, settings.named_above, len(names)),
    }
    models = [number for number, column in enumerate(pairs) if column.startswith("reconstruction.")]
    if models:  # the paper's "galaxies that all models rebuild badly": what the kindest of them says
        columns["rebuilt_badly_by_all"] = kindest(all_percentiles[:, models])
    for column, pair in pairs.items():
        columns[column] = pair[:, 0]
        columns[f"{column}.percentile"] = pair[:, 1]
    order = np.argsort(-np.nan_to_num(overall, nan=-1), kind="stable")
    return {name: values[order] for name, values in columns.items()}


def _named_by(by_method: dict[str, np.ndarray], above: float, count: int) -> np.ndarray:
    """(n,) str: which of the paper's two methods names each galaxy, "both", else "itself", or ""."""
    # A hair below, so that rounding does not decide.
    named = {method: percentile >= above - 1e-9 for method, percentile in by_method.items()}
    neighbours, reconstruction, itself = (
        named.get(method, np.zeros(count, bool)) for method in ("neighbours", "reconstruction", "itself")
    )
    said = np.where(itself, "itself", "").astype("U14")
    said[reconstruction] = "reconstruction"
    said[neighbours] = "neighbours"
    said[neighbours & reconstruction] = "both"
    return said
