"""The line: the rooms in order. What the command line calls, and `make`, which does whatever is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from cubesift.console import Tick, say, watching
from cubesift.data.door import Source, find_sources
from cubesift.data.drpall import Selection, read_drpall, select
from cubesift.data.run import Run
from cubesift.data.store import remove
from cubesift.data.tables import read_catalog
from cubesift.detect.settings import FEW, Detection
from cubesift.errors import CubesiftError
from cubesift.executors import open_executor
from cubesift.explore.settings import Reporting
from cubesift.missing import are_prepared, is_detected, is_reported, prepared_galaxies
from cubesift.prepare.recipe import Recipe
from cubesift.prepare.survey import prepare_survey
from cubesift.settings import Line, read_settings, write_settings


def make(
    run: Path | str | Run,
    *,
    cubes: Path | str | None = None,
    drpall: Path | str | None = None,
    catalog: Path | str | None = None,
    recipe: Path | str | None = None,
    model: Path | str | None = None,
    simulate_galaxies: int | None = None,
    keep_cubes: bool = False,
    executor: str | None = None,
    workers: int | None = None,
    device: str = "cpu",
) -> Path:
    """Do whatever is missing between cubes and the report; the arguments are those of `cubesift make`.

    Returns:
        The report's path.

    Raises:
        CubesiftError: something a person has to mend; what was finished stays.
    """
    run = _as_run(run)
    if cubes is not None and simulate_galaxies is not None:
        raise CubesiftError("--cubes and --simulate: give one of them, real cubes or simulated ones")
    cubes, drpall, catalog, recipe, model = map(_as_path, (cubes, drpall, catalog, recipe, model))
    line = settings_of(run, recipe)
    if model is not None:  # others are prepared as its own samples were, and the run remembers that
        line = replace(line, prepare=(_recipe_of(model),), train=())
        write_settings(line, run.path / "run.toml")
    recipes = line.prepare
    temporary = run.cubes / "TEMPORARY.txt"  # in a folder that this verb filled, and may empty
    simulating = cubes is None and (simulate_galaxies is not None or line.simulate is not None)
    if simulating and not are_prepared(run, recipes):
        if not keep_cubes and not run.cubes.exists():
            temporary.parent.mkdir(parents=True)
            temporary.write_text("`cubesift make` removes this folder when its cubes are prepared.\n")
        simulate(run, line, simulate_galaxies, None, workers)
    prepare(run, recipes, cubes, drpall, catalog, line.select, executor, workers)
    if temporary.exists() and not keep_cubes:
        remove(run.cubes)
    count = prepared_galaxies(run, recipes)
    models = _models(line, model, count)
    if model is None and models:
        train(run, line, device)
    elif model is None:
        why = f"fewer than {FEW}" if count < FEW else "and the recipe names no model"
        galaxies = "1 galaxy" if count == 1 else f"{count} galaxies"
        say(f"{galaxies}, {why}: nothing is trained, each cube's spaxels are ranked alone")
    if models:
        embed(run, model, device, models)
    if not is_detected(run, line.detect, models):
        detect(run, line.detect, models)
    path = run.report if is_reported(run) else report(run, line.report)
    if run.truth.exists() and models:
        from cubesift.judge.planted import beside_planted

        say(beside_planted(run))
    say(f"report: {path}")
    return path


def settings_of(run: Path | str | Run, recipe: Path | None) -> Line:
    """The paper's settings, then the tables the run remembers, then those of `recipe`; now remembered."""
    remembered = _as_run(run).path / "run.toml"
    files = [Path(file) for file in (remembered, recipe) if file is not None and file != remembered]
    files = [remembered, *files] if remembered.exists() else files
    line = read_settings(*files)
    write_settings(line, remembered)
    return line


def fetch(
    run: Path | str | Run,
    plateifus: Sequence[str],
    names: Path | None,
    by_selection: bool,
    line: Line,
    dry_run: bool,
) -> None:
    """Bring cubes from the archive: by name, by list, or all that the selection keeps."""
    from cubesift.fetch.archive import read_plateifus
    from cubesift.fetch.survey import fetch_survey

    wanted = [*plateifus, *(read_plateifus(names) if names else [])]
    if not wanted and not by_selection:
        raise CubesiftError("nothing to fetch: name cubes (8485-1901 ...), a --list FILE, or --select")
    with watching("fetch") as tick:
        manifest = fetch_survey(
            _as_run(run),
            wanted or None,
            line.fetch,
            selection=line.select if by_selection else None,
            dry_run=dry_run,
            progress=lambda sent, total: tick(sent // 1000, total // 1000, "kB"),
        )
    for rule, count in manifest.removed.items():
        say(f"select: {rule} removed {count}")
    if dry_run:
        say(f"fetch: {manifest.bytes_to_fetch / 1e6:,.1f} MB to fetch")
    say("fetch: " + ", ".join(f"{count} {status}" for status, count in manifest.count().items()))
    for entry in manifest.failed:
        say(f"  {entry.file}: {entry.note}")


def simulate(
    run: Path | str | Run,
    line: Line,
    galaxies: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
) -> None:
    """Simulate a survey into the run, in the archive's own files."""
    from cubesift.simulate.survey import Simulation, simulate_survey

    settings = line.simulate or Simulation()
    try:
        if galaxies is not None:
            settings = replace(settings, galaxies=galaxies)
        if seed is not None:
            settings = replace(settings, seed=seed)
    except ValidationError as error:
        first = error.errors()[0]
        raise CubesiftError(f"simulate: {first['loc'][0]}: {first['msg']} (it is {first['input']})") from None
    with open_executor(None, workers) as executor, watching("simulate") as tick:
        catalog = simulate_survey(_as_run(run), settings, executor, progress=tick)
    say(f"simulate: {len(catalog)} cubes, seed {settings.seed}")


def prepare(
    run: Path | str | Run,
    recipes: Sequence[Recipe],
    cubes: Path | None = None,
    drpall: Path | None = None,
    catalog: Path | None = None,
    selection: Selection | None = None,
    executor: str | None = None,
    workers: int | None = None,
    shard: str | None = None,
) -> None:
    """Prepare the cubes of a folder (or those in the run) that are not prepared yet.

    Raises:
        CubesiftError: there is nothing to prepare, or no cube could be used.
    """
    run = _as_run(run)
    folder = cubes or run.cubes
    if cubes is None and not folder.exists():
        if not (there := prepared_galaxies(run, recipes)):
            raise CubesiftError(f"{run.path}: no cubes. Give --cubes DIR, fetch some, or simulate a survey.")
        say(f"prepare: {there} there already, and no cubes to look for more")
        return
    sources = find_sources(folder)
    if not sources:
        raise CubesiftError(f"{folder}: no cubes in it. Expected FITS files (.fits, .fits.gz), at any depth.")
    if catalog is not None and drpall is not None:
        raise CubesiftError("--catalog and --drpall: give one of them; a drpall is a catalogue too")
    if drpall is None and (cubes is not None or not run.catalog.exists()):
        beside = (path for end in (".fits", ".fits.gz") for path in sorted(folder.glob(f"drpall-*{end}")))
        drpall = next(beside, None)
    if catalog is not None:
        read_catalog(catalog).save(run.catalog)
    elif drpall is not None:
        sources = _selected(run, drpall, selection or Selection(), sources)
    with open_executor(executor, workers) as pool, watching("prepare") as tick:
        prepared = prepare_survey(
            run,
            sources,
            recipes,
            catalog=run.catalog if run.catalog.exists() else None,
            executor=pool,
            shard=_shard(shard),
            progress=tick,
        )
    say(f"prepare: {prepared.done} done, {prepared.kept} there already, {prepared.rejected} rejected")
    rejected = run.rejected()
    for record in rejected[:20]:
        say(f"  {record['file']}: {record['reason']}")
    if len(rejected) > 20:
        say(f"  and {len(rejected) - 20} more, all in the report")
    if not prepared_galaxies(run, recipes) and shard is None:
        raise CubesiftError(f"{folder}: none of its cubes can be used, for the reasons above.")


def train(run: Path | str | Run, line: Line, device: str = "cpu") -> None:
    """Train every model of the settings that is not finished yet."""
    from cubesift.learn.train import train_model

    for settings in line.train:
        with watching(f"train {settings.name}") as tick:
            train_model(
                _as_run(run),
                settings,
                device=device,
                progress=_spoken(tick),
            )


def embed(
    run: Path | str | Run,
    model: Path | None = None,
    device: str = "cpu",
    models: Sequence[str] | None = None,
) -> None:
    """Embed and rebuild every sample, by the run's own models (all, or those named) or one from elsewhere."""
    from cubesift.learn.checkpoint import Checkpoint, find_model
    from cubesift.learn.embed import embed_survey

    run = _as_run(run)
    names = run.models() if models is None else models
    if model is not None:
        names = [Checkpoint.load(find_model(model)).settings.name]
    if not names:
        raise CubesiftError(
            f"{run.path}: no trained model. Run `cubesift train` first, or name one with --model."
        )
    for name in names:
        with watching(f"embed {name}") as tick:
            embed_survey(run, name, model=model, device=device, progress=_spoken(tick))


def detect(run: Path | str | Run, settings: Detection, models: Sequence[str] | None = None) -> None:
    """Rank galaxies and spaxels by all models, or by those named; by none, each cube alone."""
    from cubesift.detect.score import score_galaxies

    outliers = score_galaxies(_as_run(run), settings, models)
    ranked, named = len(outliers.galaxies["plateifu"]), np.sum(outliers.galaxies["named_by"] != "")
    say(
        f"detect: {ranked} galaxies ranked, {named} named; {len(outliers.spaxels['plateifu'])} spaxels ranked"
    )


def report(run: Path | str | Run, settings: Reporting) -> Path:
    """Write the report."""
    from cubesift.explore.report import write_report

    path = write_report(_as_run(run), settings)
    path.touch()  # it may say the same as before, of newer tables
    return path


def show(run: Path | str | Run) -> None:
    """Print what the run holds and what is stale."""
    from cubesift.show import run_status

    rows = run_status(_as_run(run))
    for artefact, what, stale in rows or [("", "an empty run", "")]:
        say(f"{artefact:<24} {what}" + (f"  [{stale}]" if stale else ""))


def _as_run(run: Path | str | Run) -> Run:
    return run if isinstance(run, Run) else Run(Path(run))


def _as_path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)


def _models(line: Line, model: Path | None, count: int) -> list[str]:
    """Names of the models that are to judge so many galaxies; none for a few, unless one is named."""
    if model is None:
        return [training.name for training in line.train] if count >= FEW else []
    from cubesift.learn.checkpoint import Checkpoint, find_model

    return [Checkpoint.load(find_model(model)).settings.name]


def _recipe_of(model: Path) -> Recipe:
    """How the samples of a trained model were prepared: others must be prepared the same way."""
    from cubesift.learn.checkpoint import Checkpoint, find_model

    return Recipe(**dict(Checkpoint.load(find_model(model)).recipe))


def _selected(run: Run, drpall: Path, selection: Selection, sources: list[Source]) -> list[Source]:
    """The sources that drpall's columns keep; writes the catalogue of them, says what each rule removed."""
    catalog, removed = select(read_drpall(drpall), selection)
    for rule, count in removed.items():
        say(f"select: {rule} removed {count}")
    catalog.save(run.catalog)
    chosen = set(catalog.plateifu.tolist())
    kept = [source for source in sources if source.name in chosen]
    if len(kept) < len(sources):
        say(f"select: {len(sources) - len(kept)} files are of no selected observation and are left out")
    return kept


def _shard(words: str | None) -> tuple[int, int]:
    """`i/n` as numbers, 1 <= i <= n."""
    if words is None:
        return 1, 1
    part, _, parts = words.partition("/")
    if part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts):
        return int(part), int(parts)
    raise CubesiftError(f"--shard {words}: expected i/n, as in 1/8 for the first of eight parts")


def _spoken(tick: Tick) -> Callable[[dict[str, Any]], None]:
    """What `learn` says of its progress, as ticks."""

    def spoken(row: dict[str, Any]) -> None:
        if "galaxies" in row:
            tick(row["galaxy"], row["galaxies"], "galaxies")
        else:
            tick(int(row["epoch"]), int(row["epochs"]), f"epochs, loss {row['train_loss']:.4f}")

    return spoken
