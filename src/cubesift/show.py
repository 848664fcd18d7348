"""What a run holds, what each thing was made from, and what is stale."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from cubesift.data.catalog import Catalog
from cubesift.data.embeddings import Reconstructions, parent_id
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import Provenance, read_parquet
from cubesift.errors import CubesiftError
from cubesift.learn.settings import Training

Row = tuple[str, str, str]  # artefact, what it is, "" or why it is stale


def run_status(run: Run) -> list[Row]:
    """One row per artefact, in the order of the line.

    Raises:
        CubesiftError: the folder is not a run, or a file in it is of a newer format.
    """
    if not run.path.is_dir():
        raise CubesiftError(f"{run.path}: no such run. `cubesift make` or `cubesift simulate` begins one.")
    rows = [*_catalog(run), *_samples(run)]
    ids: dict[str, str] = {}  # what is there now, by the name children give it
    for name in run.recipes():
        ids[f"samples/{name}"] = Samples.open(run.samples(name)).id
    rows += _models(run, ids)
    for folder, name in (("embeddings", path.stem) for path in sorted(run.path.glob("embeddings/*.parquet"))):
        columns, provenance = read_parquet(run.embeddings(name))
        ids[f"{folder}/{name}"] = provenance.id
        fresh = ids.get(f"models/{name}", provenance.parents.get("model")) == provenance.parents.get("model")
        fresh &= provenance.parents.get("samples") in ids.values()
        what = f"{len(np.unique(columns['plateifu']))} galaxies"
        rows.append((f"{folder}/{name}", what, _stale(fresh, "embed")))
    for path in sorted(run.path.glob("reconstructions/*/store.json")):
        name = path.parent.name.removesuffix(".zarr")
        ids[f"reconstructions/{name}"] = Reconstructions.open(path.parent).provenance.id
    for path in sorted(run.path.glob("maps/*.parquet")):
        columns, provenance = read_parquet(path)
        fresh = set(provenance.parents.values()) <= set(ids.values())
        rows.append((f"maps/{path.stem}", f"{len(columns['plateifu'])} galaxies", _stale(fresh, "detect")))
    rows += _detected(run, ids)
    return rows


def _catalog(run: Run) -> Iterator[Row]:
    if run.catalog.exists():
        catalog = Catalog.load(run.catalog)
        yield "catalog", f"{len(catalog)} observations, from {catalog.provenance.verb}", ""
    if rejected := run.rejected():
        yield "rejected", f"{len(rejected)} files could not be used", ""


def _samples(run: Run) -> Iterator[Row]:
    for name in run.recipes():
        samples = Samples.open(run.samples(name))
        grid = samples.grid
        what = (
            f"{len(samples)} galaxies, {grid.size} channels, {grid.wave[0]:.0f}-{grid.wave[-1]:.0f} angstrom"
        )
        yield f"samples/{name}", what, ""


def _models(run: Run, ids: dict[str, str]) -> Iterator[Row]:
    made: dict[tuple[str, str], str] = {}
    for path in sorted(run.path.glob("models/*/*/model.json")):
        record = json.loads(path.read_text())
        provenance = Provenance.from_dict(record["provenance"], str(path))
        name, fold = path.parts[-3:-1]
        made[name, fold] = provenance.id
        settings = record["settings"]
        fresh = ids.get(f"samples/{settings['samples']}") == provenance.parents.get("samples")
        closed_form = TypeAdapter(Training).validate_python(settings).closed_form
        epochs = "" if closed_form else f"{settings['epochs']} epochs "
        what = f"{settings['system']}, {epochs}on {len(record['train'])} galaxies"
        yield f"models/{name}/{fold}", what, _stale(fresh, "train")
    for name in run.models():
        if folds := run.folds(name):
            ids[f"models/{name}"] = parent_id({fold: made[name, fold] for fold in folds})
    for path in sorted(run.path.glob("models/*/*/resume.pt")):
        name, fold = path.parts[-3:-1]
        yield f"models/{name}/{fold}", "begun; `cubesift train` goes on", ""


def _detected(run: Run, ids: dict[str, str]) -> Iterator[Row]:
    outliers = run.path / "outliers.parquet"
    if outliers.exists():
        columns, provenance = read_parquet(outliers)
        fresh = all(ids.get(name) == parent for name, parent in provenance.parents.items())
        yield "outliers", f"{len(columns['plateifu'])} galaxies ranked", _stale(fresh, "detect")
        if run.report.exists():
            yield "report", str(run.report), _stale(_newer(run.report, outliers), "report")


def _newer(one: Path, other: Path) -> bool:
    return one.stat().st_mtime >= other.stat().st_mtime


def _stale(fresh: bool, verb: str) -> str:
    return "" if fresh else f"stale: run `cubesift {verb}` again"
