"""Many cubes by some recipes: one galaxy a unit of work, in any executor, again only what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from threadpoolctl import threadpool_limits

from cubesift.data.catalog import Catalog
from cubesift.data.door import Source, read_cube, source_id
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import Provenance, fingerprint
from cubesift.data.wavelength import MANGA_GRID
from cubesift.errors import BadFile
from cubesift.prepare.cube import prepare_cube
from cubesift.prepare.recipe import PAPER, Recipe


@dataclass(frozen=True)
class Prepared:
    """How many cubes went through preparation, and how."""

    done: int  # prepared now
    kept: int  # were there already
    rejected: int  # cannot be used; `Run.rejected()` says why


@dataclass(frozen=True)
class Task:
    """One unit of work: one cube, every recipe."""

    run: Run
    source: Source
    identity: str  # of the files, the recipes and the redshift: the same, nothing to do
    recipes: tuple[Recipe, ...]
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
    stores = [_samples(run, recipe) for recipe in recipes]
    refused = {str(record["name"]): record["identity"] for record in run.rejected()}
    tasks, kept, rejected = [], 0, 0
    for source in sorted(sources, key=lambda source: source.name)[shard[0] - 1 :: shard[1]]:
        row = _catalog(catalog).row(source.name) if catalog else None
        identity = fingerprint(source_id(source), [asdict(recipe) for recipe in recipes], row)
        if refused.get(source.name) == identity:
            rejected += 1
        elif all(_is_prepared(samples, source.name, identity) for samples in stores):
            kept += 1
        else:
            # Whole paths: a worker elsewhere has another working directory.
            there = replace(source, files=tuple(file.absolute() for file in source.files))
            where = Run(run.path.absolute()), there, identity, tuple(recipes)
            tasks.append(Task(*where, catalog.absolute() if catalog else None))
    done = 0
    for ended, (name, was_done) in enumerate(_ended(tasks, executor), start=1):
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
    enough = max(recipe.cut(MANGA_GRID).size for recipe in task.recipes)
    done = False
    reasons = []
    # One unit of work, one core: the executor says how many run side by side.
    with threadpool_limits(1):
        try:
            cube = read_cube(task.source, _catalog(task.catalog) if task.catalog else None, enough)
        except BadFile as error:
            reasons.append(str(error))
        else:
            for recipe in task.recipes:
                try:
                    sample = prepare_cube(cube, recipe, task.identity)
                except BadFile as error:
                    reasons.append(str(error))
                    continue
                if recipe is task.recipes[-1]:
                    del cube  # 250 MB that the writer can do without
                sample = replace(sample, record=replace(sample.record, plateifu=name))
                _samples(run, recipe).write(sample)
                done = True
    if reasons:
        files = ", ".join(path.name for path in task.source.files)
        record = {"name": name, "file": files, "reason": "; ".join(dict.fromkeys(reasons))}
        run.reject(name, {**record, "identity": task.identity})
    else:
        run.unreject(name)
    return name, done


def _ended(tasks: list[Task], executor: Executor | None) -> Iterator[tuple[str, bool]]:
    """What became of each task, as they end."""
    if executor is None:
        yield from map(prepare_one, tasks)
        return
    futures = [executor.submit(prepare_one, task) for task in tasks]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def _samples(run: Run, recipe: Recipe) -> Samples:
    provenance = Provenance("prepare", fingerprint(recipe))
    return Samples.create(run.samples(recipe.name), provenance, recipe.grid(MANGA_GRID), asdict(recipe))


def _is_prepared(samples: Samples, name: str, identity: str) -> bool:
    return name in samples and samples.record(name).source_id == identity


@lru_cache(maxsize=1)
def _catalog(path: Path) -> Catalog:
    return Catalog.load(path)
