"""`make`: whatever is missing between the cubes and the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cubesift.console import say
from cubesift.data.run import Run
from cubesift.data.store import read_json, remove
from cubesift.detect.settings import FEW
from cubesift.errors import CubesiftError
from cubesift.line import (
    as_run,
    detect,
    embed,
    prepare,
    report,
    settings_of,
    simulate,
    stream_simulated,
    train,
)
from cubesift.missing import are_prepared, is_detected, is_reported, prepared_galaxies
from cubesift.prepare.recipe import Recipe
from cubesift.settings import Line, write_settings


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
    stream: bool = False,
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
    run = as_run(run)
    if cubes is not None and simulate_galaxies is not None:
        raise CubesiftError("--cubes and --simulate: give one of them, real cubes or simulated ones")
    if stream and keep_cubes:
        raise CubesiftError("--stream and --keep-cubes: a streamed cube is never written; give one of them")
    cubes, drpall, catalog, recipe, model = map(_as_path, (cubes, drpall, catalog, recipe, model))
    line = settings_of(run, recipe)
    if model is not None:  # others are prepared as its own samples were, and the run remembers that
        line = replace(line, prepare=(_recipe_of(model),), train=())
        write_settings(line, run.path / "run.toml")
    recipes = line.prepare
    temporary = run.cubes / "TEMPORARY.txt"  # in a folder that this verb filled, and may empty
    simulating = cubes is None and (simulate_galaxies is not None or line.simulate is not None)
    if stream and not simulating:
        raise CubesiftError(
            "--stream passes on simulated cubes: give --simulate N, or a recipe that simulates"
        )
    if stream and line.simulate is not None and line.simulate.truth_cubes:
        raise CubesiftError(
            "--stream and truth_cubes: a streamed survey has no cubes to lie beside; give one of them"
        )
    missing = simulating and not are_prepared(run, recipes)
    if simulate_galaxies is not None and not missing:
        _refuse_other(run, simulate_galaxies)
    if missing and stream:
        stream_simulated(run, line, simulate_galaxies, executor, workers)
    elif missing:
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


def _refuse_other(run: Run, galaxies: int) -> None:
    """Refuse to go on with a run that is prepared, but not from so many simulated galaxies.

    Raises:
        CubesiftError: it holds real cubes' samples, or another number of simulated galaxies.
    """
    note = run.path / "simulated" / "survey.json"
    there = read_json(note)["settings"]["galaxies"] if note.exists() else 0
    if there != galaxies:
        raise CubesiftError(
            f"{run.path}: --simulate {galaxies}, but it is prepared from {there or 'no'} simulated galaxies. "
            "Choose another folder, or leave --simulate out."
        )


def _models(line: Line, model: Path | None, count: int) -> list[str]:
    """Names of the models that are to judge so many galaxies; none for a few, unless one is named."""
    if model is None:
        return [training.name for training in line.train] if count >= FEW else []
    from cubesift.learn.checkpoint import find_model, settings_of_model

    return [settings_of_model(find_model(model)).name]


def _recipe_of(model: Path) -> Recipe:
    """How the samples of a trained model were prepared: others must be prepared the same way."""
    from cubesift.learn.checkpoint import find_model

    return Recipe.read(read_json(find_model(model) / "model.json")["recipe"])


def _as_path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)
