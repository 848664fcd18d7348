"""The spaxels that do not belong, as a table: one row a spaxel, strangest first."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cubesift.data.store import Columns
from cubesift.detect.ranking import percentiles


def spaxel_rows(
    plateifu: str, score: np.ndarray, signal_to_noise: np.ndarray, model: str, most: int | None
) -> Columns:
    """One cube's ranked spaxels, the columns of `Outliers.spaxels`.

    Args:
        plateifu: the cube.
        score: (y, x), nan where a spaxel is not ranked.
        signal_to_noise: (y, x), median per channel.
        model: who rebuilt it, "" = the cube itself.
        most: keep only so many, the strangest; percentiles are still among all.
    """
    y, x = np.nonzero(np.isfinite(score))
    strange = score[y, x]
    percentile = percentiles(strange)
    first = np.argsort(-strange, kind="stable")[:most]
    return {
        "plateifu": np.full(len(first), plateifu, dtype=f"U{max(len(plateifu), 1)}"),
        "y": y[first].astype(np.int32),
        "x": x[first].astype(np.int32),
        "score": strange[first].astype(np.float64),
        "percentile": percentile[first],
        "signal_to_noise": signal_to_noise[y, x][first].astype(np.float32),
        "model": np.full(len(first), model, dtype=f"U{max(len(model), 1)}"),
    }


def strangest_first(tables: Iterable[Columns]) -> Columns:
    """All cubes' rows in one table; without any, a table of no rows."""
    rows = [spaxel_rows("", np.empty((0, 0)), np.empty((0, 0)), "", None), *tables]
    joined = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    order = np.argsort(-joined["score"], kind="stable")
    return {name: values[order] for name, values in joined.items()}
