"""Models that differ in star masks alone are compared by who is strange with one and not with the other."""

from pathlib import Path
from typing import Any

import numpy as np

from cubesift.data.outliers import Outliers
from cubesift.data.run import Run
from cubesift.data.store import Provenance, write_json
from cubesift.detect.starmasks import apart_in_masks, said_of_masks


def settings(name: str, star_mask: bool, **others: Any) -> dict[str, Any]:
    return {"name": name, "samples": name, "star_mask": star_mask, "system": "linear", "seed": 0, **others}


def test_only_models_that_differ_in_nothing_else_are_a_pair() -> None:
    told = {
        "shown": settings("shown", False),
        "masked": settings("masked", True),
        "longer": settings("longer", True, epochs=9),
        "other": settings("other", True, seed=1),
        "coarser": settings("coarser", True, rebin=16),
    }
    assert list(apart_in_masks(told)) == [("shown", "masked")]


def test_who_is_less_strange_once_stars_are_hidden_is_named(tmp_path: Path) -> None:
    run = Run(tmp_path)
    prepared = {"shown": {}, "masked": {"mask_stars": True, "fill_bad": False}, "coarse": {"rebin": 16}}
    for name, recipe in prepared.items():
        said = {"settings": settings(name, name != "shown"), "recipe": {"name": name, **recipe}}
        write_json(run.model(name, "all") / "model.json", said)
    percentiles = np.array([99.0, 50.0, 40.0, 30.0])
    galaxies = {
        "plateifu": np.array(["1-star", "1-a", "1-b", "1-c"]),
        "lof.shown.percentile": percentiles,
        "forest.shown.percentile": percentiles,
        "lof.masked.percentile": np.array([20.0, 60.0, 50.0, 40.0]),
        "forest.masked.percentile": np.array([30.0, 60.0, 50.0, 40.0]),
    }
    (line,) = said_of_masks(run, Outliers(galaxies, {}, Provenance("detect", "0")))
    assert line.startswith("star masks, shown without and masked with them: ranks agree to -0.20;")
    assert line.endswith("less strange once stars are hidden: 1-star (99 to 25)")
    assert said_of_masks(Run(tmp_path / "empty"), Outliers(galaxies, {}, Provenance("detect", "0"))) == []
