"""Who is strange only while the stars in front are shown: two models that differ in the mask alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Any

import numpy as np

from cubesift.data.outliers import Outliers
from cubesift.data.run import Run
from cubesift.data.samples import preparation
from cubesift.data.store import Columns, read_json
from cubesift.detect.consensus import NAMED, correlation, scores_of

MAY_DIFFER = ("name", "samples", "star_mask", "mask_stars")


def said_of_masks(run: Run, outliers: Outliers) -> list[str]:
    """For every two models that differ in star masks alone: how far they agree, and who falls most."""
    settings: dict[str, Mapping[str, Any]] = {}
    for name in run.models():
        for fold in run.folds(name)[:1]:
            record = read_json(run.model(name, fold) / "model.json")
            settings[name] = {**record["settings"], **preparation(record["recipe"])}
    lines = []
    for shown, masked in apart_in_masks(settings):
        one, other = (mean_percentile(outliers.galaxies, model) for model in (shown, masked))
        fall = np.nan_to_num(one - other, nan=-np.inf)
        first = [row for row in np.argsort(-fall, kind="stable")[:NAMED] if fall[row] > 0]
        told = (f"{outliers.galaxies['plateifu'][row]} ({one[row]:.0f} to {other[row]:.0f})" for row in first)
        lines.append(
            f"star masks, {shown} without and {masked} with them: ranks agree to "
            f"{correlation(one, other):.2f}; less strange once stars are hidden: {', '.join(told) or 'none'}"
        )
    return lines


def apart_in_masks(settings: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Pairs of models, the one that shows stars first, whose other settings and preparation are the same."""
    for shown, masked in permutations(settings, 2):
        one, other = settings[shown], settings[masked]
        if other["star_mask"] and not one["star_mask"]:
            names = (one.keys() | other.keys()) - set(MAY_DIFFER)
            if all(one.get(name) == other.get(name) for name in names):
                yield shown, masked


def mean_percentile(galaxies: Columns, model: str) -> np.ndarray:
    """(galaxy,): of a model's scores; nan where it has none."""
    scores = [name for name in scores_of(galaxies) if name.partition(".")[2] == model]
    if not scores:
        return np.full(len(galaxies["plateifu"]), np.nan)
    return np.asarray(np.mean([galaxies[f"{score}.percentile"] for score in scores], axis=0))
