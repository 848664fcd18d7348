"""Embedding: what a model says of every galaxy, and how well it rebuilds each spaxel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cubesift.data.embeddings import Embeddings, Reconstruction, Reconstructions
from cubesift.data.run import Run
from cubesift.data.samples import Sample, Samples
from cubesift.data.store import Provenance, fingerprint
from cubesift.data.wavelength import STEP
from cubesift.errors import Stale
from cubesift.learn.blocks import embedding as embedding_of
from cubesift.learn.checkpoint import Checkpoint, find_model
from cubesift.learn.device import usable_device
from cubesift.learn.feed import as_galaxy
from cubesift.learn.loss import reduced_chi2

BIN = 0.1  # dex of S/N: of the spaxels within, the worst rebuilt one's spectrum is kept
FAINTEST = 0.5  # S/N per channel: fainter spectra are not kept
LINE = 6564.61  # angstrom, vacuum, at rest: H-alpha, of which a map is kept
PAPERS = 5739.8  # angstrom, observed: the map of figure 5b, kept where H-alpha is not to be had


def embed_survey(
    run: Run,
    name: str,
    *,
    model: Path | None = None,
    samples: str | None = None,
    device: str = "cpu",
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Embeddings:
    """Embed and rebuild every galaxy of the run with model `name`, only those not done before.

    `model`, where it comes from elsewhere, is a model's folder or a run. Writes
    `reconstructions/<name>.zarr`, a galaxy at a time and its embedding with it, then
    `embeddings/<name>.parquet`. Fluxes stay in the units of the samples.

    Raises:
        CubesiftError: no such model or samples.
        Stale: the samples are not what the model was made for.
    """
    device = usable_device(device)
    folder = find_model(model, name) if model else find_model(run.path / "models" / name)
    checkpoint = Checkpoint.load(folder)
    prepared = Samples.open(run.samples(samples or checkpoint.settings.samples))
    checkpoint.check(prepared)
    checkpoint.model.to(device)
    parents = {"model": checkpoint.provenance.id, "preparation": prepared.provenance.id}
    about = {"grid": asdict(prepared.grid), "model": name, "fold": checkpoint.fold, "side": checkpoint.side}
    rebuilt = Reconstructions.create(
        run.reconstructions(name),
        Provenance("embed", fingerprint(BIN, FAINTEST, LINE, PAPERS), parents),
        about,
    )
    rebuilt.keep_only(prepared.names)
    for number, plateifu in enumerate(prepared.names, start=1):
        source_id = prepared.record(plateifu).source_id
        if plateifu not in rebuilt or rebuilt.record(plateifu)["source_id"] != source_id:
            reconstruction, said = embed_sample(checkpoint, prepared.read(plateifu), device)
            rebuilt.write(plateifu, reconstruction, {**said, "source_id": source_id})
        if progress:
            progress({"model": name, "galaxy": number, "galaxies": len(prepared)})
    parents = {"model": checkpoint.provenance.id, "samples": prepared.id}
    embeddings = _gathered(
        rebuilt, set(checkpoint.train), Provenance("embed", fingerprint(BIN, FAINTEST, LINE, PAPERS), parents)
    )
    embeddings.save(run.embeddings(name))
    return embeddings


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
    galaxy = as_galaxy(
        record.plateifu,
        sample.flux,
        sample.ivar,
        sample.bits,
        record.redshift,
        star_mask=checkpoint.settings.star_mask,
        sky_filled=bool(checkpoint.recipe.get("fill_sky")),
    )
    network, given = checkpoint.model, galaxy.to(device)
    latent = network.encode(network.space.maps([given]))
    model = network.space.flux(network.decode(latent)[0]).cpu()
    mean, std = checkpoint.redshift
    redshift = mean + std * float(network.redshift(latent))
    unclipped, ivar = torch.from_numpy(sample.unclipped), torch.from_numpy(sample.ivar)
    good = ivar > 0
    nothing = ~(galaxy.good & galaxy.observed)
    covered = galaxy.covered.float()
    error = ((model - galaxy.flux).abs() @ covered / covered.sum()).masked_fill(nothing, torch.nan)
    chi2 = reduced_chi2(model, unclipped, ivar).masked_fill(nothing, torch.nan)
    noise_units = torch.where(good, unclipped * ivar.sqrt(), torch.nan)
    signal_to_noise = noise_units.nanmedian(dim=-1).values
    spaxels = spectra_to_keep(chi2.numpy(), signal_to_noise.numpy())
    y, x = spaxels.T
    wave = checkpoint.grid.wave * 10 ** (-STEP * record.fraction)
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
    said = {
        "mangaid": record.mangaid,
        "fold": checkpoint.fold,
        "scale": record.scale,
        "redshift": record.redshift,
        "redshift_predicted": redshift if np.isfinite(redshift) else None,
        "line_wave": float(wave[line]),
        "vector": embedding_of(latent).flatten().tolist(),
    }
    return reconstruction, said


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


def _gathered(rebuilt: Reconstructions, learned_from: set[str], provenance: Provenance) -> Embeddings:
    records = [rebuilt.record(name) for name in rebuilt.names]
    column = {key: [record[key] for record in records] for key in records[0]} if records else {}
    return Embeddings(
        plateifu=np.array(rebuilt.names, str),
        mangaid=np.array(column["mangaid"], str),
        fold=np.array(column["fold"], str),
        held_out=np.array([name not in learned_from for name in rebuilt.names], bool),
        vectors=np.array(column["vector"], np.float32),
        redshift=np.array(column["redshift"], float),
        redshift_predicted=np.array(column["redshift_predicted"], float),
        provenance=provenance,
    )
