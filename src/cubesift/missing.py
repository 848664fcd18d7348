"""What a run still lacks: `make` asks, and does only that."""

from __future__ import annotations

from collections.abc import Sequence

from cubesift.data.catalog import Catalog
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.detect.settings import Detection
from cubesift.prepare.recipe import Recipe


def prepared_galaxies(run: Run, recipes: Sequence[Recipe]) -> int:
    """The most galaxies that any of the recipes has prepared."""
    there = [run.samples(recipe.name) for recipe in recipes if recipe.name in run.recipes()]
    return max((len(Samples.open(path)) for path in there), default=0)


def are_prepared(run: Run, recipes: Sequence[Recipe]) -> bool:
    """Whether every galaxy of the catalogue is prepared, or was tried and rejected."""
    if not run.catalog.exists():
        return False
    rejected = {str(record["name"]) for record in run.rejected()}
    for recipe in recipes:
        if recipe.name not in run.recipes():
            return False
        ready = set(Samples.open(run.samples(recipe.name)).names) | rejected
        if not ready.issuperset(Catalog.load(run.catalog).plateifu.tolist()):
            return False
    return True


def is_detected(run: Run, settings: Detection, models: Sequence[str]) -> bool:
    """Whether the tables are there, made with these settings by what these models say now."""
    from cubesift.detect.score import is_scored

    return is_scored(run, settings, models)


def is_reported(run: Run) -> bool:
    """Whether the report is there, and nothing that it tells of is newer."""
    told = ("*.toml", "*.parquet", "rejected", "rejected/*.json", "models/*/*/model.json")
    times = [path.stat().st_mtime_ns for pattern in told for path in run.path.glob(pattern)]
    return run.report.exists() and run.report.stat().st_mtime_ns >= max(times, default=0)
