"""Codes of a survey: continua, noise and modes, learned from its samples, and what they say of galaxies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from cubesift.console import say
from cubesift.data.catalog import Catalog
from cubesift.data.embeddings import Embeddings, Reconstruction
from cubesift.data.groups import GalaxyStore
from cubesift.data.run import Run
from cubesift.data.samples import Sample, SampleRecord, Samples
from cubesift.data.store import (
    Provenance,
    fingerprint,
    read_json,
    read_npz,
    remove,
    write_json,
    write_npz,
)
from cubesift.data.wavelength import WavelengthGrid
from cubesift.errors import CubesiftError
from cubesift.fit.basis import Basis
from cubesift.fit.coder import Coder, Field, Spectra
from cubesift.fit.codes import MOTIONS
from cubesift.fit.galaxies import STORED, Galaxies, Placed, learn_galaxies, on_sky, placed
from cubesift.fit.learning import Learning, learn_basis
from cubesift.fit.lines import NAMES
from cubesift.fit.noise import NoiseModel, learn_noise
from cubesift.fit.pose import Fisheye
from cubesift.fit.relative import Relative, Values, learn_relative
from cubesift.learn.blocks import BOTTLENECK
from cubesift.learn.checkpoint import find_model, made_of, refuse_others
from cubesift.learn.embed import embed_survey, reconstruction_of
from cubesift.learn.feed import as_galaxy
from cubesift.learn.settings import Training
from cubesift.learn.split import Fold, folds

VERSION = 1  # raised when codes of before are no longer to be compared with
SPECTRA = 16_384  # from which the continua are learned, at most 160 of a galaxy ...
OF_EACH = 160
BRIGHT = 2.0  # ... that have a mean S/N of a channel above this
NOISES = 16  # galaxies of an instrument by which its noise is learned
USUAL = 32  # galaxies that say what is usual per unit of light
MOST = 1024  # galaxies whose maps are learned from: 0.8 GB
SIZE = "nsa_elpetro_th50_r"  # of the catalogue, arcsec: half-light radius
WIDTHS = (3.0, 4.5, 9.0)  # by which the bundle's width is the largest, usual and smallest size

Said = Callable[[dict[str, Any]], None]


def train_codes(run: Run, settings: Training, progress: Said = lambda _: None) -> None:
    """Learn codes from a part of the samples, then from all: `models/<name>/<fold>`, as `train_model` does.

    What is finished is not done again; what was killed goes on with the next galaxy.

    Raises:
        CubesiftError: no samples, or too few to learn from.
    """
    samples = Samples.open(run.samples(settings.samples))
    asked = folds(samples, settings)
    for fold in asked:
        learn_fold(run, settings, fold, samples, progress)
    for folder in run.model(settings.name).parent.iterdir():
        if folder.name not in {fold.name for fold in asked} and (folder / "model.json").exists():
            remove(folder)


def learn_fold(run: Run, settings: Training, fold: Fold, samples: Samples, progress: Said) -> None:
    """Learn from one part, and write it; nothing is done where it is finished."""
    folder = run.model(settings.name, fold.name)
    provenance = Provenance(
        "train", fingerprint(settings.chosen, fold.name, VERSION), {"samples": samples.id}
    )
    if made_of(folder) == provenance.id:
        return
    if not (folder / "begun.json").exists() or read_json(folder / "begun.json")["id"] != provenance.id:
        remove(folder)
        write_json(folder / "begun.json", {"id": provenance.id})
    names = evenly([name for name in fold.train if at_rest(samples.record(name))], MOST)
    if len(names) < 2:
        raise CubesiftError(
            f"model {settings.name}: {len(names)} galaxies at rest to learn from. Codes are of spectra at "
            'rest: prepare with frame = "rest", or like = "cubesift", galaxies whose redshift is known.'
        )
    coder, relative = learn_coder(folder, settings, names, samples)
    kept = GalaxyStore.create(folder / "galaxies.zarr", provenance, {}, replace=True)
    sizes = sizes_of(run)
    for number, name in enumerate(names, start=1):
        if name not in kept:
            spectra = coder.spectra(samples.read(name))
            field = coder.field(spectra)
            values = relative.values(field.codes)
            where = np.stack(on_sky(field), axis=1).astype(np.float32)
            arrays = {"values": values.values, "weights": values.weights}
            arrays = {key: one.astype(np.float32) for key, one in arrays.items()}
            said = {"size": size_of(field, sizes.get(name)), "psf": field.psf}
            kept.write(name, {**arrays, "where": where}, said)
        progress({"model": settings.name, "fold": fold.name, "galaxy": number, "galaxies": len(names)})
    fisheye = Fisheye()
    numbers = settings.latent_channels * BOTTLENECK**2
    galaxies = learn_galaxies(
        (placed_again(kept, name, fisheye) for name in names), relative, fisheye, numbers
    )
    known = {name: galaxies.encode(placed_again(kept, name, fisheye)) for name in names}
    record = {
        "settings": asdict(settings),
        "fold": fold.name,
        "grid": asdict(samples.grid),
        "side": 0,
        "recipe": dict(samples.recipe),
        "train": fold.train,
        "validation": fold.validation,
    }
    save_galaxies(folder / "galaxies.npz", galaxies)
    write_npz(folder / "known.npz", {"names": np.array(list(known)), "codes": np.stack(list(known.values()))})
    write_json(folder / "model.json", {"provenance": provenance.to_dict(), **record})
    remove(folder / "galaxies.zarr")
    remove(folder / "begun.json")


def learn_coder(
    folder: Path, settings: Training, names: Sequence[str], samples: Samples
) -> tuple[Coder, Relative]:
    """Continua, noise, and what is usual, of the galaxies named; read where a killed training left them."""
    if not (folder / "relative.npz").exists():
        flux, ivar = spectra_of_some(names, samples, settings.seed)
        components = settings.components - len(NAMES) - MOTIONS
        if components < 1:
            raise CubesiftError(
                f"model {settings.name}: components = {settings.components}, of which {len(NAMES)} are lines "
                f"and {MOTIONS} their motion: ask for {len(NAMES) + MOTIONS + 1} or more"
            )
        basis = learn_basis(flux, ivar, samples.grid, Learning(components=components, seed=settings.seed))
        basis.save(folder / "basis.npz")
        write_json(folder / "noise.json", {key: asdict(one) for key, one in noises(names, samples).items()})
        coder = load_coder(folder)
        some = (coder.spectra(samples.read(name)) for name in evenly(names, USUAL))
        write_npz(folder / "relative.npz", asdict(learn_relative(coder.field(one).codes for one in some)))
    return load_coder(folder), Relative(**read_npz(folder / "relative.npz"))


def load_coder(folder: Path) -> Coder:
    """What `learn_coder` left."""
    noise = {key: NoiseModel(**one) for key, one in read_json(folder / "noise.json").items()}
    return Coder(Basis.load(folder / "basis.npz"), noise)


def spectra_of_some(names: Sequence[str], samples: Samples, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Flux and ivar, (spectrum, wave) each: of every galaxy as many bright spaxels, of all as memory has."""
    empty = Coder(Basis(samples.grid, np.zeros((1, samples.grid.size), np.float32), np.ones(1)))
    of_each = max(1, min(OF_EACH, SPECTRA // len(names)))
    found = []
    for name in evenly(names, SPECTRA):
        one = empty.spectra(samples.read(name))
        seen = np.maximum((one.ivar > 0).sum(axis=1), 1)
        bright = np.flatnonzero(np.einsum("sw,sw->s", one.flux, np.sqrt(one.ivar)) / seen > BRIGHT)
        chosen = np.random.default_rng([seed, *name.encode()]).permutation(bright)[:of_each]
        found.append((one.flux[chosen], one.ivar[chosen]))
    flux, ivar = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return flux, ivar


def noises(names: Sequence[str], samples: Samples) -> dict[str, NoiseModel]:
    """Of every instrument in the samples."""
    by_instrument: dict[str, list[str]] = {}
    for name in names:
        by_instrument.setdefault(samples.record(name).instrument, []).append(name)

    def observed(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        record, arrays = samples.record(name), samples.arrays(name, "unclipped", "ivar")
        flux, ivar = (arrays[one].reshape(-1, samples.grid.size) for one in ("unclipped", "ivar"))
        return flux, ivar, samples.grid.wave * (1 + (record.redshift or 0.0))

    return {key: learn_noise(map(observed, evenly(some, NOISES))) for key, some in by_instrument.items()}


def sizes_of(run: Run) -> dict[str, float]:
    """Half-light radii of the run's catalogue, arcsec, where it has them."""
    if not run.catalog.exists():
        return {}
    catalog = Catalog.load(run.catalog)
    sizes = catalog.columns.get(SIZE, np.full(len(catalog), np.nan)).astype(float)
    known = np.isfinite(sizes) & (sizes > 0)
    return dict(zip(catalog.plateifu[known].tolist(), sizes[known].tolist(), strict=True))


def size_of(field: Field, radius: float | None) -> float:
    """What maps of a galaxy are in units of, arcsec: its half-light radius, else a part of the bundle."""
    largest, usual, smallest = (field.side * field.spaxel / width for width in WIDTHS)
    return usual if radius is None else float(np.clip(radius, smallest, largest))


def placed_again(kept: GalaxyStore, name: str, fisheye: Fisheye) -> Placed:
    """A galaxy that was coded before."""
    arrays, said = kept.arrays(name), kept.record(name)
    values = Values(arrays["values"], arrays["weights"])
    x, y = arrays["where"].T.astype(float)
    return placed(values, x, y, said["size"], said["psf"], fisheye)


def at_rest(record: SampleRecord) -> bool:
    """Whether a sample's spectra are, as codes are."""
    return record.frame == "rest" and record.redshift is not None


def evenly(names: Sequence[str], most: int) -> list[str]:
    """Up to so many of the names, evenly among them."""
    if not names:
        return []
    return [names[place] for place in np.unique(np.linspace(0, len(names) - 1, most).round().astype(int))]


def save_galaxies(path: Path, galaxies: Galaxies) -> None:
    """Write what is not in `relative.npz`."""
    fisheye = {name: np.array(value) for name, value in asdict(galaxies.fisheye).items()}
    write_npz(path, {"mean": galaxies.mean, "modes": galaxies.modes, **fisheye})


@dataclass
class CodeModel:
    """A fold of trained codes, which embeds as a network does."""

    coder: Coder
    galaxies: Galaxies
    known: Mapping[str, np.ndarray]  # codes of galaxies that were learned from
    sizes: Mapping[str, float]
    store: GalaxyStore | None  # where the codes of spaxels are kept
    settings: Training
    fold: str
    grid: WavelengthGrid
    recipe: Mapping[str, Any]
    train: list[str]
    provenance: Provenance
    side: int = 0  # any

    @classmethod
    def load(cls, folder: Path, run: Run | None = None) -> CodeModel:
        """Read a finished model; with a run, the codes of spaxels that it makes are kept there.

        Raises:
            CubesiftError: it is damaged.
        """
        record, stored = read_json(folder / "model.json"), read_npz(folder / "galaxies.npz")
        fisheye = Fisheye(int(stored["side"]), float(stored["soft"]), float(stored["reach"]))
        relative = Relative(**read_npz(folder / "relative.npz"))
        known = read_npz(folder / "known.npz")
        settings = TypeAdapter(Training).validate_python(record["settings"])
        provenance = Provenance.from_dict(record["provenance"], str(folder))
        store = None
        if run is not None:
            about = {"lines": list(NAMES), "continua": settings.components - len(NAMES) - MOTIONS}
            made = Provenance("embed", fingerprint(VERSION), {"model": provenance.id})
            store = GalaxyStore.create(run.codes(settings.name) / record["fold"], made, about, replace=True)
        return cls(
            coder=load_coder(folder),
            galaxies=Galaxies(relative, fisheye, stored["mean"], stored["modes"]),
            known=dict(zip(known["names"].tolist(), known["codes"], strict=True)),
            sizes=sizes_of(run) if run is not None else {},
            store=store,
            settings=settings,
            fold=record["fold"],
            grid=WavelengthGrid(**record["grid"]),
            recipe=record["recipe"],
            train=record["train"],
            provenance=provenance,
        )

    def check(self, samples: Samples) -> None:
        """Raises Stale: another wavelength grid or another preparation."""
        refuse_others(samples, self.settings.name, self.grid, self.recipe)

    def takes(self, record: SampleRecord) -> bool:
        """Galaxies at rest: those of known redshift."""
        return at_rest(record)

    def coded(self, sample: Sample) -> tuple[Spectra, Field, np.ndarray]:
        """A galaxy's spectra, the codes of its spaxels, and its own.

        Raises:
            BadFile: it is not at rest.
        """
        spectra = self.coder.spectra(sample)
        field = self.coder.field(spectra)
        size = size_of(field, self.sizes.get(sample.record.plateifu))
        return spectra, field, self.galaxies.encode(self.galaxies.place(field, size))

    def encode(self, sample: Sample) -> dict[str, Any]:
        """`vector`, of what is not brightness, place or size."""
        known = self.known.get(sample.record.plateifu)
        return said_of(self.coded(sample)[2] if known is None else known)

    def rebuild(self, sample: Sample) -> tuple[Reconstruction, dict[str, Any]]:
        """How far a galaxy rebuilt from its code is from the sample; its spaxels' codes are kept."""
        spectra, field, code = self.coded(sample)
        record = sample.record
        if self.store is not None:
            error = np.sqrt(np.einsum("sii->si", field.codes.covariance))
            arrays = {"numbers": field.codes.numbers.astype(np.float32), "error": error}
            arrays |= {"y": field.y.astype(np.int32), "x": field.x.astype(np.int32)}
            self.store.write(record.plateifu, arrays, {"code": code.tolist(), "redshift": record.redshift})
        model = np.zeros(sample.flux.shape, np.float32)
        rebuilt = self.galaxies.decode(code, *on_sky(field))
        model[field.y, field.x] = self.coder.rendered(rebuilt, spectra.at) / record.scale
        galaxy = as_galaxy(
            record.plateifu,
            sample.flux,
            sample.ivar,
            sample.bits,
            record.redshift,
            star_mask=True,
            sky_filled=False,
        )
        reconstruction, wave = reconstruction_of(model, sample, galaxy, self.grid)
        return reconstruction, {"line_wave": wave, **said_of(code)}


def said_of(code: np.ndarray) -> dict[str, Any]:
    """A galaxy's code as embeddings keep it."""
    stored = dict(zip(STORED, code[: len(STORED)].tolist(), strict=True))
    return {"vector": code[len(STORED) :].tolist(), "redshift_predicted": None, "stored": stored}


def embed_codes(run: Run, name: str, model: Path | None = None, progress: Said | None = None) -> Embeddings:
    """Embed and rebuild every galaxy by trained codes, as `embed_survey` does by networks.

    Those without a redshift are left out, and named.
    """
    embeddings = embed_survey(
        run, name, model=model, load=partial(CodeModel.load, run=run), progress=progress
    )
    record = read_json(
        (find_model(model, name) if model else run.model(name, run.folds(name)[0])) / "model.json"
    )
    samples = Samples.open(run.samples(record["settings"]["samples"]))
    if left := sorted(set(samples.names) - set(embeddings.plateifu.tolist())):
        who = "1 galaxy without a redshift is" if len(left) == 1 else f"{len(left)} without a redshift are"
        say(f"embed {name}: {who} left out: {', '.join(left[:20])}")
    return embeddings
