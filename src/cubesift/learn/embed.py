"""Embedding: what a model says of every galaxy, and how well it rebuilds each spaxel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch

from cubesift.data.cube import FORESTAR
from cubesift.data.embeddings import ALL, Embeddings, Reconstruction, Reconstructions, parent_id
from cubesift.data.run import Run
from cubesift.data.samples import Sample, SampleRecord, Samples
from cubesift.data.store import Provenance, fingerprint
from cubesift.data.wavelength import STEP, WavelengthGrid
from cubesift.errors import CubesiftError, Stale
from cubesift.learn.blocks import embedding as embedding_of
from cubesift.learn.checkpoint import Checkpoint, find_model
from cubesift.learn.device import usable_device
from cubesift.learn.feed import Galaxy, as_galaxy
from cubesift.learn.loss import reduced_chi2
from cubesift.learn.settings import Training
from cubesift.learn.split import fold_of

BIN = 0.1  # dex of S/N: of the spaxels within, the worst rebuilt one's spectrum is kept
FAINTEST = 0.5  # S/N per channel: fainter spectra are not kept
LINE = 6564.61  # angstrom, vacuum, at rest: H-alpha, of which a map is kept
PAPERS = 5739.8  # angstrom, observed: the map of figure 5b, kept where H-alpha is not to be had


class Embedder(Protocol):
    """What embeds a survey: a fold of a trained model."""

    settings: Training
    fold: str
    side: int  # spaxels of the samples; 0 = any
    train: list[str]
    provenance: Provenance

    def check(self, samples: Samples) -> None:
        """Refuse samples that it was not made for."""

    def takes(self, record: SampleRecord) -> bool:
        """Whether it can embed a galaxy; others are left out."""

    def rebuild(self, sample: Sample) -> tuple[Reconstruction, dict[str, Any]]:
        """How a galaxy was rebuilt, and a record with its `vector` and `redshift_predicted`."""

    def encode(self, sample: Sample) -> dict[str, Any]:
        """`vector` and `redshift_predicted` alone."""


def embed_survey(
    run: Run,
    name: str,
    *,
    model: Path | None = None,
    samples: str | None = None,
    device: str = "cpu",
    load: Callable[[Path], Embedder] | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Embeddings:
    """Embed and rebuild every galaxy of the run with model `name`, only those not done before.

    `model`, where it comes from elsewhere, is a model's folder or a run. Writes
    `reconstructions/<name>.zarr`, a galaxy at a time and its embedding with it, then
    `embeddings/<name>.parquet`. Fluxes stay in the units of the samples.

    `load` reads a model from its folder; that of a network where it is not said. Of a cross-fit a galaxy is
    rebuilt by the fold that held it out, and embedded by that one, by those that
    learned from it (whom others are compared with) and by `all`, where there is one.

    Raises:
        CubesiftError: no such model or samples, or a fold is missing.
        Stale: the samples are not what the model was made for.
    """
    device = usable_device(device)
    models = _models(run, name, model, load or partial(Network.load, device=device))
    prepared = Samples.open(run.samples(samples or models[0].settings.samples))
    for one in models:
        one.check(prepared)
    records = {plateifu: prepared.record(plateifu) for plateifu in prepared.names}
    records = {plateifu: record for plateifu, record in records.items() if models[0].takes(record)}
    if not records:
        raise CubesiftError(
            f"{prepared.store.path}: model {name} can embed none of its {len(prepared)} galaxies"
        )
    crossed = model is None and models[0].settings.split == "crossfit"
    homes = {
        plateifu: _home(models, record) if crossed else models[0] for plateifu, record in records.items()
    }
    made_by = parent_id({one.fold: one.provenance.id for one in models})
    parents = {"model": made_by, "preparation": prepared.provenance.id}
    about = {"grid": asdict(prepared.grid), "model": name, "side": models[0].side}
    rebuilt = Reconstructions.create(
        run.reconstructions(name),
        Provenance("embed", fingerprint(BIN, FAINTEST, LINE, PAPERS), parents),
        about,
    )
    rebuilt.keep_only(records)
    for number, plateifu in enumerate(records, start=1):
        source_id, home = records[plateifu].source_id, homes[plateifu]
        if plateifu not in rebuilt or rebuilt.record(plateifu)["source_id"] != source_id:
            sample = prepared.read(plateifu)
            reconstruction, said = home.rebuild(sample)
            others = {
                one.fold: one.encode(sample)
                for one in models
                if one is not home and (one.fold == ALL or plateifu in one.train)
            }
            about_it = {"mangaid": sample.record.mangaid, "fold": home.fold, "scale": sample.record.scale}
            about_it |= {"redshift": sample.record.redshift, "source_id": source_id, "others": others}
            rebuilt.write(plateifu, reconstruction, {**about_it, **said})
        if progress:
            progress({"model": name, "galaxy": number, "galaxies": len(records)})
    parents = {"model": made_by, "samples": prepared.id}
    provenance = Provenance("embed", fingerprint(BIN, FAINTEST, LINE, PAPERS), parents)
    embeddings = _gathered(rebuilt, {one.fold: set(one.train) for one in models}, provenance)
    embeddings.save(run.embeddings(name))
    return embeddings


class Network(Checkpoint):
    """A trained network that embeds, on a device."""

    device: str

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Raises what `Checkpoint.load` does."""
        network = super().load(folder)
        network.model.to(device)
        network.device = device
        return network

    def takes(self, record: SampleRecord) -> bool:
        """All."""
        return True

    def rebuild(self, sample: Sample) -> tuple[Reconstruction, dict[str, Any]]:
        """See `embed_sample`."""
        return embed_sample(self, sample, self.device)

    def encode(self, sample: Sample) -> dict[str, Any]:
        """See `encode_sample`."""
        return encode_sample(self, sample, self.device)[2]


@torch.no_grad()
def embed_sample(
    checkpoint: Checkpoint, sample: Sample, device: str = "cpu"
) -> tuple[Reconstruction, dict[str, Any]]:
    """One galaxy: how it was rebuilt, and a record with its `vector` and `redshift_predicted`.

    Raises:
        Stale: another number of spaxels than the model was made for.
    """
    record = sample.record
    if sample.flux.shape[0] != checkpoint.side:
        raise Stale(
            f"{record.plateifu}: {sample.flux.shape[0]} spaxels a side, but model {checkpoint.settings.name} "
            f"was trained on {checkpoint.side}. Prepare with the recipe of the model, or train again."
        )
    galaxy, latent, said = encode_sample(checkpoint, sample, device)
    network = checkpoint.model
    reconstruction, line_wave = reconstruction_of(
        network.space.flux(network.decode(latent)[0]).cpu().numpy(), sample, galaxy, checkpoint.grid
    )
    return reconstruction, {"line_wave": line_wave, **said}


def reconstruction_of(
    cube: np.ndarray, sample: Sample, galaxy: Galaxy, grid: WavelengthGrid
) -> tuple[Reconstruction, float]:
    """How far a model's cube, (y, x, wave), is from a sample, and the wavelength of the channel kept."""
    record, model = sample.record, torch.from_numpy(cube)
    unclipped, ivar = torch.from_numpy(sample.unclipped), torch.from_numpy(sample.ivar)
    good = ivar > 0
    # A star that the model was shown is part of what it had to rebuild, though it has no ivar to judge by.
    star = torch.from_numpy(((sample.bits & FORESTAR) != 0).any(axis=-1) & (sample.flux != 0).any(axis=-1))
    nothing = ~(galaxy.good & (galaxy.observed | star))
    covered = galaxy.covered.float()
    error = ((model - galaxy.flux).abs() @ covered / covered.sum()).masked_fill(nothing, torch.nan)
    chi2 = reduced_chi2(model, unclipped, ivar).masked_fill(~galaxy.good, torch.nan)
    noise_units = torch.where(good, unclipped * ivar.sqrt(), torch.nan)
    signal_to_noise = noise_units.nanmedian(dim=-1).values
    spaxels = spectra_to_keep(chi2.numpy(), signal_to_noise.numpy())
    y, x = spaxels.T
    wave = grid.wave * 10 ** (-STEP * record.fraction)
    line = channel_to_keep(wave, sample.ivar, record.redshift, record.frame)
    reconstruction = Reconstruction(
        error=error.numpy(),
        chi2=chi2.numpy(),
        signal_to_noise=signal_to_noise.numpy(),
        white=((unclipped * good).sum(-1) / good.sum(-1)).numpy(),
        white_model=((model * good).sum(-1) / good.sum(-1)).numpy(),
        spaxels=spaxels,
        flux=sample.unclipped[y, x],
        ivar=sample.ivar[y, x],
        model=model.numpy()[y, x],
        line=unclipped[:, :, line].where(good[:, :, line], torch.nan).numpy(),
        line_model=model[:, :, line].clone().numpy(),
    )
    return reconstruction, float(wave[line])


@torch.no_grad()
def rebuilt_sample(checkpoint: Checkpoint, sample: Sample) -> tuple[np.ndarray, float]:
    """The model's cube, (y, x, wave) in the sample's unit, and its redshift; nan without such a head."""
    _, latent, said = encode_sample(checkpoint, sample)
    network = checkpoint.model
    redshift = said["redshift_predicted"]
    cube = network.space.flux(network.decode(latent)[0]).numpy()
    return cube, float("nan") if redshift is None else redshift


@torch.no_grad()
def rebuilt_maps(checkpoint: Checkpoint, sample: Sample) -> tuple[np.ndarray, float]:
    """The cube as the network is given it, (y, x, wave) in the sample's unit: its components; no redshift."""
    space = checkpoint.model.space
    return space.flux(space.maps([galaxy_of(checkpoint, sample)])[0]).numpy(), float("nan")


@torch.no_grad()
def encode_sample(
    checkpoint: Checkpoint, sample: Sample, device: str = "cpu"
) -> tuple[Galaxy, torch.Tensor, dict[str, Any]]:
    """One galaxy as the model sees it, its latent (1, latent, y, x), `vector` and `redshift_predicted`."""
    galaxy = galaxy_of(checkpoint, sample)
    network = checkpoint.model
    latent = network.encode(network.space.maps([galaxy.to(device)]))
    mean, std = checkpoint.redshift
    redshift = mean + std * float(network.redshift(latent))
    said = {
        "vector": embedding_of(latent).flatten().tolist(),
        "redshift_predicted": redshift if np.isfinite(redshift) else None,
    }
    return galaxy, latent, said


def galaxy_of(checkpoint: Checkpoint, sample: Sample) -> Galaxy:
    """A sample as the model is given it."""
    return as_galaxy(
        sample.record.plateifu,
        sample.flux,
        sample.ivar,
        sample.bits,
        sample.record.redshift,
        star_mask=checkpoint.settings.star_mask,
        sky_filled=bool(checkpoint.recipe.get("fill_sky")),
    )


def spectra_to_keep(chi2: np.ndarray, signal_to_noise: np.ndarray) -> np.ndarray:
    """(k, 2) int32, (y, x): the centre first, then the worst rebuilt spaxel at every S/N.

    Detection judges chi2 against what the whole survey has at the same S/N, which is not known yet. Whatever
    that will be, the strangest spaxel of a cube is the worst of those as bright as itself.
    """
    side = len(chi2)
    chosen = [(side // 2, side // 2)]
    y, x = np.nonzero(np.isfinite(chi2) & (signal_to_noise > FAINTEST))
    light = np.log10(signal_to_noise[y, x])
    bins = np.floor(light / BIN).astype(int)
    # Within a bin the usual chi2 may still rise with S/N: from not at all (noise) to its square (the model).
    for bad in (chi2[y, x], chi2[y, x] / 10 ** (2 * light)):
        for one in np.unique(bins)[::-1]:
            inside = np.flatnonzero(bins == one)
            worst = inside[np.argmax(bad[inside])]
            chosen.append((int(y[worst]), int(x[worst])))
    chosen = list(dict.fromkeys(chosen))
    return np.array(chosen, np.int32)


def channel_to_keep(wave: np.ndarray, ivar: np.ndarray, redshift: float | None, frame: str) -> int:
    """The channel nearest H-alpha of the galaxy that is good in most of its spaxels.

    Where the redshift is not known or H-alpha is off the grid, the one nearest the paper's 5739.8 angstrom.

    Args:
        wave: (wave,) angstrom in vacuum, in `frame`.
        ivar: (y, x, wave), 0 = bad.
        redshift: of the galaxy.
        frame: "rest" or "observed".
    """
    stretch = 1.0 if frame == "rest" else 1 + redshift if redshift is not None else np.nan
    wanted = LINE * stretch if wave[0] <= LINE * stretch <= wave[-1] else PAPERS
    good = (ivar > 0).sum(axis=(0, 1))
    usable = np.flatnonzero(2 * good >= good.max())
    return int(usable[np.argmin(np.abs(wave[usable] - wanted))])


def _models(run: Run, name: str, elsewhere: Path | None, load: Callable[[Path], Embedder]) -> list[Embedder]:
    """The model that embeds, or all that a cross-fit has.

    Raises:
        CubesiftError: there is none.
        Stale: folds of two different trainings.
    """
    folder = run.path / "models" / name
    found = [find_model(elsewhere, name)] if elsewhere else [folder / fold for fold in run.folds(name)]
    models = [load(path) for path in found or [find_model(folder)]]
    if any(one.settings != models[0].settings for one in models):
        raise Stale(f"{folder}: its folds were trained by different settings. Run `cubesift train` again.")
    return models


def _home(models: Sequence[Embedder], record: SampleRecord) -> Embedder:
    """Who rebuilds a galaxy: of a cross-fit the one that held it out.

    Raises:
        CubesiftError: that fold is not there.
        Stale: it learned from the galaxy after all.
    """
    fold = fold_of(record.mangaid, models[0].settings.folds)
    home = next((one for one in models if one.fold == fold), None)
    name = models[0].settings.name
    if home is None:
        raise CubesiftError(
            f"model {name}: no {fold}, which holds {record.plateifu} out. Run `cubesift train` first."
        )
    if record.plateifu in home.train:
        raise Stale(
            f"model {name}: {fold} should hold {record.plateifu} out (mangaid {record.mangaid}), but learned "
            "from it. Run `cubesift train` again."
        )
    return home


def _gathered(
    rebuilt: Reconstructions, learned_from: Mapping[str, set[str]], provenance: Provenance
) -> Embeddings:
    """The embeddings that lie beside the reconstructions; `learned_from` names each fold's galaxies."""
    rows = []
    for name in rebuilt.names:
        record = rebuilt.record(name)
        for fold, said in {record["fold"]: record, **record["others"]}.items():
            about = (name, record["mangaid"], fold, name not in learned_from[fold], record["redshift"])
            rows.append((*about, said["vector"], said["redshift_predicted"]))
    names, mangaids, folds, held_out, redshifts, vectors, predicted = zip(*rows, strict=True)
    return Embeddings(
        plateifu=np.array(names, str),
        mangaid=np.array(mangaids, str),
        fold=np.array(folds, str),
        held_out=np.array(held_out, bool),
        vectors=np.array(vectors, np.float32),
        redshift=np.array(redshifts, float),
        redshift_predicted=np.array(predicted, float),
        provenance=provenance,
    )
