"""A streamed survey is the same survey: only its cubes were never written."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from cubesift.data.catalog import Catalog
from cubesift.data.door import find_sources
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import read_parquet
from cubesift.errors import CubesiftError
from cubesift.executors import open_executor
from cubesift.making import make
from cubesift.prepare.recipe import PUBLISHED, Recipe
from cubesift.prepare.survey import prepare_survey
from cubesift.simulate.settings import Simulation
from cubesift.simulate.survey import simulate_survey
from cubesift.streaming import stream_survey

# Small enough to be quick, and every way a cube may differ: stars, dust, a wrong redshift, both frames.
SETTINGS = Simulation(
    galaxies=3, seed=5, ifus=(19,), repeats=1, oddities={"wrong_redshift": 1, "dead_fibre": 1}
)
RECIPES = (Recipe(side=16, rebin=4), PUBLISHED["cubesift"])


def everything_in(samples: Samples) -> dict[str, tuple[dict[str, object], dict[str, bytes]]]:
    """Record and arrays of every sample, but for where it came from."""
    found = {}
    for name in samples.names:
        sample = samples.read(name)
        record = {**asdict(sample.record), "source": "", "source_id": ""}
        arrays = {
            key: getattr(sample, key).tobytes() for key in ("flux", "unclipped", "ivar", "bits", "image")
        }
        found[name] = (record, arrays)
    return found


def test_streamed_samples_equal_those_that_went_through_files(tmp_path: Path) -> None:
    filed, streamed, shared_out = (Run(tmp_path / name) for name in ("filed", "streamed", "shared-out"))
    simulate_survey(filed, SETTINGS)
    prepare_survey(filed, find_sources(filed.cubes), RECIPES, catalog=filed.catalog)
    stream_survey(streamed, SETTINGS, RECIPES)
    with open_executor("pool", 2) as pool:
        stream_survey(shared_out, SETTINGS, RECIPES, executor=pool)
    for recipe in RECIPES:
        expected = everything_in(Samples.open(filed.samples(recipe.name)))
        assert len(expected) == 3
        for run in (streamed, shared_out):
            assert everything_in(Samples.open(run.samples(recipe.name))) == expected
    for run in (streamed, shared_out):
        assert not run.cubes.exists()
        for path, other in ((filed.truth, run.truth), (filed.truth_galaxies, run.truth_galaxies)):
            (one, made), (same, by) = read_parquet(path), read_parquet(other)
            assert made == by
            assert all(
                np.array_equal(one[name], same[name], equal_nan=one[name].dtype.kind == "f") for name in one
            )
        assert Catalog.load(run.catalog).plateifu.tolist() == Catalog.load(filed.catalog).plateifu.tolist()


def test_a_stopped_stream_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    run, whole = Run(tmp_path / "stopped"), Run(tmp_path / "whole")

    def stop_after_two(ended: int, total: int, name: str) -> None:
        if ended == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream_survey(run, SETTINGS, RECIPES[:1], progress=stop_after_two)
    prepared = stream_survey(run, SETTINGS, RECIPES[:1])
    assert (prepared.done, prepared.kept) == (1, 2)
    stream_survey(whole, SETTINGS, RECIPES[:1])
    name = RECIPES[0].name
    assert everything_in(Samples.open(run.samples(name))) == everything_in(Samples.open(whole.samples(name)))


def test_there_is_nothing_to_stream_from_a_folder_of_cubes(tmp_path: Path) -> None:
    with pytest.raises(CubesiftError, match="simulate"):
        make(tmp_path / "run", cubes=tmp_path, stream=True)
    with pytest.raises(CubesiftError, match="never written"):
        make(tmp_path / "run", simulate_galaxies=8, stream=True, keep_cubes=True)
