"""Who is compared in the paper's table 1, and on which galaxies: models beside the truth of a survey."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from cubesift.data.embeddings import ALL
from cubesift.data.run import Run
from cubesift.data.samples import Sample, Samples
from cubesift.data.store import read_json, read_parquet
from cubesift.errors import CubesiftError
from cubesift.judge.rebuilt import Contender, Known, Truth
from cubesift.judge.table1 import Trial, under_trained
from cubesift.learn.blocks import BOTTLENECK
from cubesift.learn.checkpoint import Checkpoint
from cubesift.learn.embed import rebuilt_maps, rebuilt_sample
from cubesift.learn.resume import History, read_history
from cubesift.learn.settings import Training
from cubesift.learn.spaces import ComponentSpace
from cubesift.prepare.cube import prepare_cube
from cubesift.prepare.recipe import Recipe
from cubesift.streaming import Revealer

PAPERS = Training()  # its schedule, whatever the settings of the model it is held against


def contenders_of(run: Run, recipe: str, reveal: Revealer | None) -> Trial:
    """The run's models of one recipe's samples that held galaxies out, and the mean cube beside them.

    `recipe` = "" is that of most models. Only galaxies that all of them held out are asked about, of a
    cross-fit each by the fold that held it out; who is not asked is named with the reason. `reveal` = None
    where nobody knows the truth.

    Raises:
        CubesiftError: no such models, or none of their galaxies was held out by all.
    """
    given = {name: _samples_of(run, name) for name in _begun(run)}
    named = [one for name, one in given.items() if _has(run, name, "split")]
    recipe = recipe or max(sorted(set(named)), key=named.count, default="")
    chosen, crossed, left_out = _chosen(run, recipe, given)
    if not chosen:
        raise CubesiftError(
            f"{run.path}: no model of samples {recipe or 'any'!r} that held galaxies out. Train with "
            "`first` or `validation` such that some are: a cross-fit is only asked beside such a model."
        )
    samples = Samples.open(run.samples(recipe))
    held_out = sorted(set(samples.names).intersection(*(one.validation for one in chosen)))
    train = sorted(set(samples.names).intersection(*(one.train for one in chosen)))
    for what, common in (("held out", held_out), ("learned from", train)):
        if not common:
            names = ", ".join(one.settings.name for one in chosen)
            raise CubesiftError(
                f"{run.path}: the models {names} {what} no galaxy in common. Give them the same split."
            )
    redshifts = [samples.record(name).redshift for name in train]
    cross_fits = []
    for folds in crossed:
        if missed := set(held_out).difference(*(fold.validation for fold in folds)):
            lacking = f"a cross-fit that did not hold out {len(missed)} of the {len(held_out)} asked about"
            left_out[folds[0].settings.name] = lacking
        else:
            cross_fits.append(cross_fit(folds))
    return Trial(
        recipe=recipe,
        contenders=[
            mean_cube(samples, train),
            *spectral_pca(chosen),
            *map(contender, chosen),
            *cross_fits,
        ],
        galaxies=(
            partial(known_galaxies, run, samples, held_out, reveal)
            if reveal
            else lambda: (Known(samples.read(name)) for name in held_out)
        ),
        asked=len(held_out),
        trained=len(train),
        wave=samples.grid.wave,
        mean_redshift=float(np.mean([one for one in redshifts if one is not None] or [np.nan])),
        saw_all=_retrained(run, recipe, given),
        left_out=left_out,
    )


def cross_fit(folds: Sequence[Checkpoint]) -> Contender:
    """The folds of a cross-fit as one: who is asked about a galaxy is the fold that held it out."""
    of_each = [contender(fold) for fold in folds]
    homes = {plateifu: place for place, fold in enumerate(folds) for plateifu in fold.validation}

    def rebuild(sample: Sample) -> tuple[np.ndarray, float]:
        return of_each[homes[sample.record.plateifu]].rebuild(sample)

    rows = zip(*(fold.history for fold in folds), strict=True)
    history = [{key: float(np.mean([one[key] for one in row])) for key in row[0]} for row in rows]
    galaxies = round(np.mean([len(fold.train) for fold in folds]))
    about = of_each[0].about | training_of(folds[0].settings, history, galaxies)
    return replace(of_each[0], rebuild=rebuild, about={**about, "folds": str(len(folds))})


def contender(checkpoint: Checkpoint) -> Contender:
    """A trained model, with how it was trained."""
    settings = checkpoint.settings
    learned = checkpoint.model.parameters()
    if settings.closed_form:  # what it found lies in buffers; its parameters are the redshift's
        learned = iter(checkpoint.model.state_dict().values())
    about = {
        "numbers": f"{numbers_of(checkpoint):,}",
        "parameters": f"{sum(one.numel() for one in learned):,}",
        **training_of(settings, checkpoint.history, len(checkpoint.train)),
    }
    return Contender(settings.name, partial(rebuilt_sample, checkpoint), about, settings.closed_form)


def training_of(settings: Training, history: History, galaxies: int) -> dict[str, str]:
    """What is said of a training: batch, steps beside the paper's, losses, CPU-seconds and memory."""
    last = history[-1]
    about = {"galaxies": f"{galaxies:,}", "loss": f"{last['train_loss']:.4f}"}
    held_out = [float(row["validation_loss"]) for row in history]
    if np.isfinite(held_out[-1]):
        about["held out"] = f"{held_out[-1]:.4f}"
    if settings.closed_form:
        about["steps"] = "closed form"
    else:
        steps = math.ceil(galaxies / settings.batch_size) * len(history)
        paper = replace(PAPERS, system=settings.system)
        papers = math.ceil(paper.first / paper.batch_size) * paper.epochs
        about |= {"batch": str(settings.batch_size), "steps": f"{steps:,}", "paper's steps": f"{papers:,}"}
        if "held out" in about:
            about["under-trained"] = under_trained(held_out, [row["learning_rate"] for row in history])
    # Other work on the machine blurs seconds by the clock; histories of before hold no others.
    column = "cpu_seconds" if all("cpu_seconds" in row for row in history) else "seconds"
    seconds = float(np.median([row[column] for row in history])) / galaxies
    about["CPU-s/galaxy/epoch"] = f"{seconds:.3f}" + (" (clock)" if column == "seconds" else "")
    peaks = [row["peak_bytes"] for row in history if "peak_bytes" in row]
    if peaks and np.isfinite(peaks).all():
        about["peak GB"] = f"{max(peaks) / 1e9:.1f}"
    return about


def numbers_of(checkpoint: Checkpoint) -> int:
    """How many numbers a galaxy is: a map of codes has as many for every spaxel."""
    settings = checkpoint.settings
    if settings.system == "ae":
        return settings.components * checkpoint.side**2
    return settings.latent_channels * BOTTLENECK**2


def mean_cube(samples: Samples, train: Sequence[str]) -> Contender:
    """The constant that every model has to beat: the mean of the cubes learned from."""
    total: np.ndarray | None = None
    for name in train:
        flux = samples.arrays(name, "flux")["flux"]
        total = flux.astype(np.float64) if total is None else total + flux
    assert total is not None
    mean = (total / len(train)).astype(np.float32)

    def rebuild(_: Sample) -> tuple[np.ndarray, float]:
        return mean, float("nan")

    return Contender("mean cube", rebuild, control=True)


def spectral_pca(models: Iterable[Checkpoint]) -> list[Contender]:
    """Principal components of single spectra, as a model that works on them holds them: what its maps say.

    The control of the one-layer autoencoder: of a model with as many numbers a spaxel, else with the most.
    """
    models = list(models)
    asked = {one.settings.components for one in models if one.settings.system == "ae"}
    of_spectra = [
        one for one in models if isinstance(one.model.space, ComponentSpace) and one.settings.system != "ae2d"
    ]
    if not of_spectra:
        return []
    one = max(of_spectra, key=lambda one: (one.settings.components in asked, one.settings.components))
    about = {
        "numbers": f"{one.settings.components * one.side**2:,}",
        "galaxies": f"{len(one.train):,}",
        "steps": "closed form",
    }
    return [Contender("spectral PCA", partial(rebuilt_maps, one), about, control=True)]


def known_galaxies(run: Run, samples: Samples, names: Sequence[str], reveal: Revealer) -> Iterator[Known]:
    """Each sample beside its truth, made again from the survey's seed and prepared by the same recipe."""
    truth, _ = read_parquet(run.truth_galaxies)
    rows = {name: row for row, name in enumerate(truth["plateifu"].tolist())}
    recipe = Recipe.read(samples.recipe)
    for name in names:
        revealed = reveal(rows[name])
        # The same bits and coverage, so that light is where the sample has light.
        clean = replace(revealed.cube, flux=revealed.clean)
        yield Known(
            samples.read(name),
            Truth(
                prepare_cube(clean, recipe),
                error_factor=float(truth["error_factor"][rows[name]]),
                redshift=float(truth["redshift"][rows[name]]),
            ),
        )


def _chosen(
    run: Run, recipe: str, given: Mapping[str, str]
) -> tuple[list[Checkpoint], list[list[Checkpoint]], dict[str, str]]:
    """The models of a recipe's samples that held galaxies out, and the folds of each cross-fit.

    Of those that are neither, why not.
    """
    chosen: list[Checkpoint] = []
    crossed: list[list[Checkpoint]] = []
    left_out: dict[str, str] = {}
    for name, samples in given.items():
        if not samples:
            left_out[name] = "not trained to its end"
        elif samples != recipe:
            left_out[name] = f"learned from samples {samples!r}"
        elif not (folders := _held_out(run, name)):
            left_out[name] = "learned from every galaxy, or the part that holds some out is not trained yet"
        else:
            try:
                parts = [Checkpoint.load(folder) for folder in folders]
                for part in parts:
                    part.check(Samples.open(run.samples(recipe)))
            except CubesiftError as error:
                left_out[name] = str(error)
            else:
                if parts[0].fold == "split":
                    chosen += parts
                elif not _one_cross_fit(parts):
                    left_out[name] = "a cross-fit whose folds are of several trainings: train it again"
                else:
                    crossed.append(parts)
    return chosen, crossed, left_out


def _one_cross_fit(parts: Sequence[Checkpoint]) -> bool:
    """Whether these folds were trained alike, as long, and hold each galaxy out once."""
    asked = [plateifu for part in parts for plateifu in part.validation]
    told = [(part.settings, len(part.history), sorted(part.history[-1])) for part in parts]
    return len(asked) == len(set(asked)) and all(one == told[0] for one in told)


def _held_out(run: Run, name: str) -> list[Path]:
    """Folders of the trained models that held galaxies out: the split's, or one for each fold."""
    found = (sorted(run.path.glob(f"models/{name}/{fold}/model.json")) for fold in ("split", "fold-*"))
    return [path.parent for path in next(filter(None, found), [])]


def _retrained(run: Run, recipe: str, given: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """How those models of a recipe were trained that learned from all galaxies; their weights stay unread."""
    found = {}
    for name, samples in given.items():
        if samples == recipe and _has(run, name, ALL):
            folder = run.model(name, ALL)
            record = read_json(folder / "model.json")
            settings = TypeAdapter(Training).validate_python(record["settings"])
            found[name] = training_of(settings, read_history(folder), len(record["train"]))
    return found


def _begun(run: Run) -> list[str]:
    return sorted({path.parent.parent.name for path in run.path.glob("models/*/*/history.csv")})


def _has(run: Run, name: str, fold: str) -> bool:
    return any(run.path.glob(f"models/{name}/{fold}/model.json"))


def _samples_of(run: Run, name: str) -> str:
    """The recipe whose samples a model learned from; "" where no training of it has ended."""
    for path in sorted(run.path.glob(f"models/{name}/*/model.json")):
        return str(read_json(path)["settings"]["samples"])
    return ""
