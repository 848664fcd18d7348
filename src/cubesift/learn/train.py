"""Training, from batch to step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import Provenance, fingerprint, remove
from cubesift.errors import CubesiftError
from cubesift.learn.ae import AE
from cubesift.learn.batchnorm import Statistics
from cubesift.learn.cae2d import CAE2d
from cubesift.learn.checkpoint import ARCHITECTURE, Checkpoint, System, build_model, made_of
from cubesift.learn.device import usable_device
from cubesift.learn.feed import MEMORY, Feed, Galaxy
from cubesift.learn.linear import Linear
from cubesift.learn.loss import redshift_error
from cubesift.learn.pca import Moments
from cubesift.learn.resume import Row, load_progress, save_progress
from cubesift.learn.settings import Training
from cubesift.learn.spaces import ComponentSpace
from cubesift.learn.split import Fold, folds
from cubesift.learn.usage import Usage, forget_peak

Progress = Callable[[dict[str, Any]], None]


def train_model(
    run: Run,
    settings: Training,
    *,
    device: str = "cpu",
    memory: float = MEMORY,
    progress: Progress | None = None,
) -> Checkpoint:
    """Train on a part, then, as the paper does, again on all: `models/<name>/split` and `.../all`.

    With split = "crossfit" the parts are `.../fold-0` and so on, each without the galaxies it is asked about.
    A fold that the settings no longer ask for is removed when the others are finished.

    What is finished is not done again; what was killed goes on after its last whole epoch and ends in the
    same weights. `memory` is how many bytes of flux are kept between epochs. `progress` gets a dict per
    galaxy measured (`galaxy` of `galaxies`) and per epoch (a row of the history, and `epochs`), each with
    `model` and `fold`.

    Raises:
        CubesiftError: no samples, fewer than two to learn from, widths that do not fit their side, or no
            such device.
    """
    device = usable_device(device)
    samples = Samples.open(run.samples(settings.samples))
    asked = folds(samples, settings)
    feed = Feed(samples, settings.star_mask, memory)
    moments = None
    for fold in asked:
        # Shared where one can go on: `all` only adds the galaxies that the part before it held out.
        if moments is None or not set(moments.names) <= set(fold.train):
            moments = Moments(samples.grid.size, second=settings.on_components)
        checkpoint = train_fold(run, settings, fold, feed, moments, device, progress or (lambda _: None))
    for folder in run.model(settings.name).parent.iterdir():
        if folder.name not in {fold.name for fold in asked} and (folder / "model.json").exists():
            remove(folder)
    return checkpoint


def train_fold(
    run: Run, settings: Training, fold: Fold, feed: Feed, moments: Moments, device: str, progress: Progress
) -> Checkpoint:
    """Train one model, or go on with it, and write it; nothing is done where it is finished."""
    samples = feed.samples
    folder = run.model(settings.name, fold.name)
    counting = fingerprint(settings.chosen, fold.name, ARCHITECTURE)
    provenance = Provenance("train", counting, {"samples": samples.id})
    if made_of(folder) == provenance.id:
        remove(folder / "resume.pt")
        return Checkpoint.load(folder)
    forget_peak()
    said = {"model": settings.name, "fold": fold.name}
    model = build_model(settings, samples.grid.size, feed.side).to(device)
    optimizer = torch.optim.Adam(model.parameters())
    history = load_progress(folder, model, optimizer, provenance, device)
    if not history:
        for number, plateifu in enumerate(fold.train, start=1):
            if plateifu not in moments.names:
                moments.add(feed.galaxy(plateifu))
                progress({**said, "galaxy": number, "galaxies": len(fold.train)})
        measure(run, model, settings, fold, moments)
    redshift = redshift_statistics(samples, fold.train, settings)
    if isinstance(model, Linear):
        history = [fit(model, feed, fold, settings, redshift, device)]
        progress({**said, "epochs": 1, **history[0]})
    else:
        for row in train_epochs(model, optimizer, feed, fold, settings, redshift, device, len(history)):
            history.append(row)
            save_progress(folder, model, optimizer, history, provenance)
            progress({**said, "epochs": settings.epochs, **row})
    checkpoint = Checkpoint(
        model=model.eval(),
        settings=settings,
        fold=fold.name,
        grid=samples.grid,
        side=feed.side,
        recipe=samples.recipe,
        train=fold.train,
        validation=fold.validation,
        redshift=redshift,
        history=history,
        provenance=provenance,
    )
    checkpoint.save(folder)
    remove(folder / "resume.pt")
    return checkpoint


def measure(run: Run, model: System, settings: Training, fold: Fold, moments: Moments) -> None:
    """Take from the training set what is fixed before the network learns: scale, mean and compression."""
    if settings.system != "ae2d":
        model.space.measure(moments)
        return
    folder = run.model(settings.compressor, fold.name)
    if not (folder / "model.json").exists():
        raise CubesiftError(
            f"model {settings.name}: no model {settings.compressor!r} of fold {fold.name!r} to compress its "
            'spectra. Put a [[train]] table of that name with system = "ae" before it.'
        )
    trained = Checkpoint.load(folder)
    compressor = trained.model
    if seen := sorted(set(trained.train) & set(fold.validation)):
        raise CubesiftError(
            f"model {settings.name}: its compressor {settings.compressor!r} learned from {len(seen)} "
            f"galaxies that fold {fold.name!r} holds out ({seen[0]}, ...). Give both the same split."
        )
    if not isinstance(compressor, AE) or not isinstance(model.space, ComponentSpace):
        raise CubesiftError(
            f"model {settings.name}: its compressor {settings.compressor!r} is no shallow AE."
        )
    model.space.take(moments, compressor.encoder, compressor.decoder, float(compressor.space.scale))


def fit(
    model: Linear, feed: Feed, fold: Fold, settings: Training, redshift: tuple[float, float], device: str
) -> Row:
    """Fit a linear model, in closed form; its row of the history, as after one epoch."""
    usage = Usage()

    def galaxies() -> Iterator[Galaxy]:  # read again where memory is short: a survey of cubes may not fit
        return (feed.galaxy(plateifu).to(device) for plateifu in fold.train)

    mean, std = redshift
    known = [feed.samples.record(plateifu).redshift for plateifu in fold.train]
    redshifts = torch.tensor([np.nan if one is None else (one - mean) / std for one in known], device=device)
    model.fit((model.space.maps([one])[0] for one in galaxies()), redshifts)
    model.eval()
    losses = []
    with torch.no_grad():
        for one in galaxies():
            rebuilt = model.decode(model.encode(model.space.maps([one])))
            losses += model.space.errors(rebuilt, [one]).tolist()
    return {
        "epoch": 1,
        "learning_rate": 0.0,
        "train_loss": float(np.mean(losses)),
        **validate(model, feed, fold, settings, redshift, device),
        **usage.row(),
    }


def train_epochs(
    model: System,
    optimizer: torch.optim.Optimizer,
    feed: Feed,
    fold: Fold,
    settings: Training,
    redshift: tuple[float, float],
    device: str,
    done: int,
) -> Iterator[Row]:
    """Yield a row of the history after each epoch from `done` on: losses are in units of the mean |flux|."""
    for epoch in range(done, settings.epochs):
        usage = Usage()
        statistics = Statistics(model)
        for group in optimizer.param_groups:
            group["lr"] = settings.rate(epoch)
        order = np.random.default_rng([settings.seed, epoch]).permutation(fold.train).tolist()
        losses = []
        model.train()
        for galaxies in feed.batches(order, settings.batch_size, device):
            latent = model.encode(model.space.maps(galaxies))
            errors = galaxy_errors(model, latent, galaxies)
            missed = redshift_error(model.redshift(latent), standardised(galaxies, redshift, device))
            loss = errors.mean() + settings.redshift_weight * missed
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            statistics.add()
            losses += errors.tolist()
        statistics.settle()
        yield {
            "epoch": epoch + 1,
            "learning_rate": settings.rate(epoch),
            "train_loss": float(np.mean(losses)),
            **validate(model, feed, fold, settings, redshift, device),
            **usage.row(),
        }


def galaxy_errors(model: System, latent: torch.Tensor, galaxies: Sequence[Galaxy]) -> torch.Tensor:
    """(batch,) reconstruction losses; without making the cubes where the last layer is one product."""
    if isinstance(model, AE | CAE2d):
        return model.space.errors_of(model.factors(latent), galaxies)
    return model.space.errors(model.decode(latent), galaxies)


@torch.no_grad()
def validate(
    model: System, feed: Feed, fold: Fold, settings: Training, redshift: tuple[float, float], device: str
) -> Row:
    """Losses over the galaxies held out; the constant always says the training set's mean redshift."""
    model.eval()
    mean, std = redshift
    losses, predicted, true = [], [], []
    for galaxies in feed.batches(fold.validation, settings.batch_size, device):
        latent = model.encode(model.space.maps(galaxies))
        losses += galaxy_errors(model, latent, galaxies).tolist()
        predicted += (mean + std * model.redshift(latent)).tolist()
        true += [galaxy.redshift for galaxy in galaxies]
    known = np.isfinite(true)
    missed = (np.array(predicted) - np.array(true))[known]
    constant = (mean - np.array(true))[known]
    return {
        "validation_loss": float(np.mean(losses)) if losses else np.nan,
        "redshift_mse": float(np.mean(missed**2)) if known.any() else np.nan,
        "constant_redshift_mse": float(np.mean(constant**2)) if known.any() else np.nan,
    }


def redshift_statistics(samples: Samples, names: Sequence[str], settings: Training) -> tuple[float, float]:
    """Mean and standard deviation of the known redshifts; nan without any, or where the head is off.

    The head works in these units: its loss is 1 for a constant, so lambda means the same in every survey.
    """
    redshifts = [samples.record(name).redshift for name in names]
    known = np.array([redshift for redshift in redshifts if redshift is not None])
    if not len(known) or settings.redshift_weight == 0:
        return np.nan, np.nan
    return float(known.mean()), float(known.std()) or 1.0


def standardised(galaxies: Sequence[Galaxy], redshift: tuple[float, float], device: str) -> torch.Tensor:
    """(batch,) redshifts in units of the training set's; nan = not known."""
    mean, std = redshift
    return torch.tensor([(galaxy.redshift - mean) / std for galaxy in galaxies], device=device)
