"""Many cubes by some recipes: one galaxy a unit of work, in any executor, again only what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from threadpoolctl import threadpool_limits

from cubesift.data.catalog import Catalog
from cubesift.data.cube import Cube
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import Provenance, fingerprint
from cubesift.data.wavelength import MANGA_GRID
from cubesift.errors import BadFile
from cubesift.prepare.cube import prepare_cube
from cubesift.prepare.recipe import PAPER, Recipe
from cubesift.tasks import as_they_end


@dataclass(frozen=True)
class Prepared:
    """How many cubes went through preparation, and how."""

    done: int  # prepared now
    kept: int  # were there already
    rejected: int  # cannot be used; `Run.rejected()` says why


class Source(Protocol):
    """Where a cube comes from: files (`cubesift.data.door.Source`), or a simulator."""

    @property
    def name(self) -> str:
        """Of the observation, unique in the survey."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What it is read from; () = no file."""

    def identity(self) -> str:
        """Stands for what will be read: the same, and it need not be read again."""

    def read(self, catalog: Catalog | None, channels: int) -> Cube:
        """The cube, its first `channels` only; BadFile where it cannot be used."""


@dataclass(frozen=True)
class Task:
    """One unit of work: one cube, every recipe."""

    run: Run
    source: Source
    identity: str  # of the files and of the catalogue's row: the same, nothing to do
    recipes: tuple[Recipe, ...]  # that have not prepared it yet
    channels: int  # to read, as many as any of all the recipes needs
    catalog: Path | None


def prepare_survey(
    run: Run,
    sources: Sequence[Source],
    recipes: Sequence[Recipe] = (PAPER,),
    *,
    catalog: Path | None = None,
    executor: Executor | None = None,
    shard: tuple[int, int] = (1, 1),
    progress: Callable[[int, int, str], None] | None = None,
) -> Prepared:
    """Prepare every source by every recipe into `run`; each cube is read once.

    Args:
        run: receives `samples/<recipe>.zarr` and `rejected/`.
        sources: the cubes, from `cubesift.data.door.find_sources`.
        recipes: what to make of them.
        catalog: a `catalog.parquet` with what the headers lack (redshift, position).
        executor: anything of the `concurrent.futures` interface; None works in this process.
        shard: (i, n): every n-th source from the i-th on, for job arrays on a cluster.
        progress: called with how many ended, of how many, and the name of the last.

    Raises:
        CubesiftError: the disk is full, or other settings made samples of that name.
            What was finished stays, and the same call goes on with the rest.
    """
    run, catalog = Run(run.path.absolute()), catalog.absolute() if catalog else None
    stores = [_samples(run, recipe) for recipe in recipes]
    refused = {str(record["name"]): record["identity"] for record in run.rejected()}
    if sources and shard[1] == 1:
        for name in refused.keys() - {source.name for source in sources}:  # taken out of the folder
            run.unreject(name)
    known = _catalog(catalog) if catalog else None
    channels = max(recipe.cut(MANGA_GRID).size for recipe in recipes)
    tasks, kept, rejected = [], 0, 0
    for source in sorted(sources, key=lambda source: source.name)[shard[0] - 1 :: shard[1]]:
        # A person's table may name galaxies, which only the header ties to observations: all of it counts.
        row = (known.row(source.name) or known.provenance.id) if known else None
        identity = fingerprint(source.identity(), row)
        missing = [
            recipe
            for recipe, samples in zip(recipes, stores, strict=True)
            if not _is_prepared(samples, source.name, identity)
        ]
        if not missing:
            kept += 1
        elif refused.get(source.name) == _refusal(identity, missing):
            rejected += len(missing) == len(recipes)
            kept += len(missing) < len(recipes)
        else:
            tasks.append(Task(run, source, identity, tuple(missing), channels, catalog))
    done = 0
    for ended, (name, was_done) in enumerate(as_they_end(prepare_one, tasks, executor), start=1):
        done += was_done
        rejected += not was_done
        if progress:
            progress(ended, len(tasks), name)
    return Prepared(done, kept, rejected)


def prepare_one(task: Task) -> tuple[str, bool]:
    """Read one cube, prepare it by every recipe, write the samples; False where it cannot be used.

    A recipe that does not take the cube rejects it for that recipe alone, and the reason is kept.
    """
    name, run = task.source.name, task.run
    done = False
    reasons: list[str] = []
    refusing: list[Recipe] = []
    # One unit of work, one core: the executor says how many run side by side.
    with threadpool_limits(1):
        try:
            cube = task.source.read(_catalog(task.catalog) if task.catalog else None, task.channels)
        except BadFile as error:
            reasons.append(str(error))
            refusing += task.recipes
        else:
            for recipe in task.recipes:
                try:
                    sample = prepare_cube(cube, recipe, task.identity)
                except BadFile as error:
                    reasons.append(str(error))
                    refusing.append(recipe)
                    continue
                if recipe is task.recipes[-1]:
                    del cube  # 250 MB that the writer can do without
                sample = replace(sample, record=replace(sample.record, plateifu=name))
                _samples(run, recipe).write(sample)
                done = True
    if reasons:
        files = ", ".join(path.name for path in task.source.files)
        record = {"name": name, "file": files, "reason": "; ".join(dict.fromkeys(reasons))}
        run.reject(name, {**record, "identity": _refusal(task.identity, refusing)})
    else:
        run.unreject(name)
    return name, done


def _samples(run: Run, recipe: Recipe) -> Samples:
    provenance = Provenance("prepare", fingerprint(recipe.told))
    return Samples.create(run.samples(recipe.name), provenance, recipe.grid(MANGA_GRID), asdict(recipe))


def _refusal(identity: str, refusing: Sequence[Recipe]) -> str:
    """The same cube refused by the same recipes: not to be tried again."""
    return fingerprint(identity, [recipe.told for recipe in refusing])


def _is_prepared(samples: Samples, name: str, identity: str) -> bool:
    return name in samples and samples.record(name).source_id == identity


def _catalog(path: Path) -> Catalog:
    # The workers of a cluster live on: the table may be another one by now.
    return _catalog_of(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _catalog_of(path: Path, _: int) -> Catalog:
    return Catalog.load(path)
