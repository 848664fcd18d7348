"""The line: the rooms in order, each verb as the command line calls it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cubesift.console import Tick, say, watching
from cubesift.data.door import Source, find_sources
from cubesift.data.drpall import Selection, read_drpall, select
from cubesift.data.run import Run
from cubesift.data.tables import read_catalog
from cubesift.detect.settings import Detection
from cubesift.errors import CubesiftError
from cubesift.executors import open_executor
from cubesift.explore.settings import Reporting
from cubesift.missing import prepared_galaxies
from cubesift.prepare.recipe import Recipe
from cubesift.prepare.survey import prepare_survey
from cubesift.settings import Line, read_settings, write_settings
from cubesift.simulate.settings import Simulation


def settings_of(run: Path | str | Run, recipe: Path | None) -> Line:
    """The paper's settings, then the tables the run remembers, then those of `recipe`; now remembered."""
    remembered = as_run(run).path / "run.toml"
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
            as_run(run),
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
    cubes = [entry for entry in manifest.entries.values() if "LOGCUBE" in entry.file]
    if cubes and all(entry.status == "failed" for entry in cubes):
        raise CubesiftError("fetch: none of the cubes could be fetched, for the reasons above.")


def simulate(
    run: Path | str | Run,
    line: Line,
    galaxies: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
    *,
    release: str | None = None,
    truth_cubes: bool = False,
    oddity_file: Path | None = None,
) -> None:
    """Simulate a survey into the run, in the archive's own files."""
    from cubesift.simulate.survey import simulate_survey

    run = as_run(run)
    settings = _simulation(
        run,
        line,
        galaxies=galaxies,
        seed=seed,
        release=release,
        truth_cubes=truth_cubes or None,
        oddity_file=str(oddity_file.absolute()) if oddity_file else None,  # workers may stand elsewhere
    )
    with open_executor(None, workers) as executor, watching("simulate") as tick:
        catalog = simulate_survey(run, settings, executor, progress=tick)
    say(f"simulate: {len(catalog)} cubes, seed {settings.seed}")


def stream_simulated(
    run: Path | str | Run,
    line: Line,
    galaxies: int | None = None,
    executor: str | None = None,
    workers: int | None = None,
) -> None:
    """Simulate and prepare in one go: no cube is written."""
    from cubesift.streaming import stream_survey

    run = as_run(run)
    settings = _simulation(run, line, galaxies=galaxies)
    with open_executor(executor, workers) as pool, watching("simulate, prepare") as tick:
        prepared = stream_survey(run, settings, line.prepare, executor=pool, progress=tick)
    say(
        f"simulate, prepare: {prepared.done} done, {prepared.kept} there already, "
        f"{prepared.rejected} rejected, seed {settings.seed}, no cube written"
    )


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
    from cubesift.redshifts import with_redshifts

    run = as_run(run)
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
            with_redshifts(sources, recipes),
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
    from cubesift.coding import train_codes
    from cubesift.learn.train import train_model

    for settings in line.train:
        with watching(f"train {settings.name}") as tick:
            if settings.system == "codes":
                train_codes(as_run(run), settings, _spoken(tick))
            else:
                train_model(as_run(run), settings, device=device, progress=_spoken(tick))


def embed(
    run: Path | str | Run,
    model: Path | None = None,
    device: str = "cpu",
    models: Sequence[str] | None = None,
) -> None:
    """Embed and rebuild every sample, by the run's own models (all, or those named) or one from elsewhere."""
    from cubesift.coding import embed_codes
    from cubesift.learn.checkpoint import find_model, settings_of_model
    from cubesift.learn.embed import embed_survey

    run = as_run(run)
    names = run.models() if models is None else models
    if model is not None:
        names = [settings_of_model(find_model(model)).name]
    if not names:
        raise CubesiftError(
            f"{run.path}: no trained model. Run `cubesift train` first, or name one with --model."
        )
    for name in names:
        own = [run.model(name, fold) for fold in run.folds(name)[:1]]
        folder = own[0] if own and model is None else find_model(model or run.model(name).parent)
        with watching(f"embed {name}") as tick:
            if settings_of_model(folder).system == "codes":
                embed_codes(run, name, model, _spoken(tick))
            else:
                embed_survey(run, name, model=model, device=device, progress=_spoken(tick))


def detect(run: Path | str | Run, settings: Detection, models: Sequence[str] | None = None) -> None:
    """Rank galaxies and spaxels by all models, or by those named; by none, each cube alone."""
    from cubesift.detect.consensus import said_of
    from cubesift.detect.manifold import maps_left_out
    from cubesift.detect.score import score_galaxies
    from cubesift.detect.starmasks import said_of_masks

    run = as_run(run)
    outliers = score_galaxies(run, settings, models)
    without = maps_left_out(settings, len(outliers.galaxies["plateifu"]))
    for words in [*said_of(outliers), *said_of_masks(run, outliers), *without]:
        say(words)


def report(run: Path | str | Run, settings: Reporting) -> Path:
    """Write the report."""
    from cubesift.explore.report import write_report

    path = write_report(as_run(run), settings)
    path.touch()  # it may say the same as before, of newer tables
    return path


def show(run: Path | str | Run) -> None:
    """Print what the run holds and what is stale."""
    from cubesift.show import run_status

    rows = run_status(as_run(run))
    for artefact, what, stale in rows or [("", "an empty run", "")]:
        say(f"{artefact:<24} {what}" + (f"  [{stale}]" if stale else ""))


def _simulation(run: Run, line: Line, **said: Any) -> Simulation:
    """The line's survey, but for what is said (not None) on the command line; the run remembers it."""
    from cubesift.simulate.survey import claim

    try:
        settings = replace(
            line.simulate or Simulation(),
            **{name: value for name, value in said.items() if value is not None},
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise CubesiftError(f"simulate: {first['loc'][0]}: {first['msg']} (it is {first['input']})") from None
    claim(run, settings)
    write_settings(replace(line, simulate=settings), run.path / "run.toml")
    return settings


def as_run(run: Path | str | Run) -> Run:
    """The run of a folder."""
    return run if isinstance(run, Run) else Run(Path(run))


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
