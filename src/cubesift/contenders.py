"""Who is compared in the paper's table 1, and on which galaxies: models beside the truth of a survey."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from cubesift.data.run import Run
from cubesift.data.samples import Sample, Samples
from cubesift.data.store import read_parquet
from cubesift.errors import CubesiftError
from cubesift.judge.rebuilt import Contender, Known
from cubesift.judge.table1 import LAST, Comparison, under_trained
from cubesift.learn.checkpoint import Checkpoint
from cubesift.learn.embed import rebuilt_sample
from cubesift.prepare.cube import prepare_cube
from cubesift.prepare.recipe import Recipe
from cubesift.streaming import Revealer

PAPER_GALAXIES = 2000  # learned from in the paper


def contenders_of(run: Run, recipe: str, reveal: Revealer) -> Comparison:
    """The run's models of one recipe's samples that held galaxies out, with the mean cube before them.

    `recipe` = "" is that of most models. Only galaxies that all of them held out are asked about.

    Raises:
        CubesiftError: no such models, or none of their galaxies was held out by all.
    """
    found = [
        Checkpoint.load(run.model(name, "split"))
        for name in run.models()
        if (run.model(name, "split") / "model.json").exists()
    ]
    named = [one.settings.samples for one in found]
    recipe = recipe or max(sorted(set(named)), key=named.count, default="")
    chosen = [one for one in found if one.settings.samples == recipe and one.validation]
    if not chosen:
        raise CubesiftError(
            f"{run.path}: no model of samples {recipe or 'any'!r} that held galaxies out. Train with "
            '`first` or `validation` such that some are (split = "crossfit" is for outliers, not for this).'
        )
    held_out = sorted(set.intersection(*(set(one.validation) for one in chosen)))
    train = sorted(set.intersection(*(set(one.train) for one in chosen)))
    for what, common in (("held out", held_out), ("learned from", train)):
        if not common:
            names = ", ".join(one.settings.name for one in chosen)
            raise CubesiftError(
                f"{run.path}: the models {names} {what} no galaxy in common. Give them the same split."
            )
    samples = Samples.open(run.samples(recipe))
    contenders = [mean_cube(samples, train), *(contender(one) for one in chosen)]
    redshifts = [samples.record(name).redshift for name in train]
    return Comparison(
        recipe=recipe,
        contenders=contenders,
        galaxies=partial(known_galaxies, run, samples, held_out, reveal),
        asked=len(held_out),
        trained=len(train),
        wave=samples.grid.wave,
        mean_redshift=float(np.mean([one for one in redshifts if one is not None])),
    )


def contender(checkpoint: Checkpoint) -> Contender:
    """A trained model, with what its row says of it besides."""
    settings, history, galaxies = checkpoint.settings, checkpoint.history, len(checkpoint.train)
    linear = settings.system in ("linear", "cube-pca")
    epochs = [row for row in history if "seconds" in row]
    about: dict[str, str] = {
        "numbers": f"{numbers_of(checkpoint):,}",
        "parameters": f"{sum(one.numel() for one in checkpoint.model.parameters()):,}",
        "s/galaxy/epoch": f"{np.median([row['seconds'] for row in epochs]) / galaxies:.3f}",
    }
    if linear:
        about |= {"steps": "closed form"}
    else:
        steps = math.ceil(galaxies / settings.batch_size) * len(history)
        paper = math.ceil(PAPER_GALAXIES / settings.batch_size) * settings.epochs
        losses = [float(row["validation_loss"]) for row in history]
        about |= {
            "batch": str(settings.batch_size),
            "steps": f"{steps} (paper {paper})",
            "under-trained": "-" if len(losses) <= LAST else "yes" if under_trained(losses) else "no",
        }
    return Contender(settings.name, partial(_rebuild, checkpoint), about)


def numbers_of(checkpoint: Checkpoint) -> int:
    """How many numbers a galaxy is: a map of codes has as many for every spaxel."""
    settings = checkpoint.settings
    if settings.system == "ae":
        return settings.components * checkpoint.side**2
    return settings.latent_channels * 16


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

    return Contender("mean cube", rebuild, {"numbers": "0"})


def _rebuild(checkpoint: Checkpoint, sample: Sample) -> tuple[np.ndarray, float]:
    return rebuilt_sample(checkpoint, sample)


def known_galaxies(run: Run, samples: Samples, names: Sequence[str], reveal: Revealer) -> Iterator[Known]:
    """Each sample beside its truth, made again from the survey's seed and prepared by the same recipe."""
    truth, _ = read_parquet(run.truth_galaxies)
    rows = {name: row for row, name in enumerate(truth["plateifu"].tolist())}
    recipe = Recipe(**dict(samples.recipe))
    for name in names:
        revealed = reveal(rows[name])
        # The same bits and coverage, so that light is where the sample has light.
        clean = replace(revealed.cube, flux=revealed.clean)
        yield Known(
            sample=samples.read(name),
            truth=prepare_cube(clean, recipe),
            error_factor=float(truth["error_factor"][rows[name]]),
            redshift=float(truth["redshift"][rows[name]]),
        )
