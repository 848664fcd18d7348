"""A little run, written through the nouns: smooth galaxies with an old star's slope and a few lines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cubesift.data.embeddings import Embeddings, Reconstruction, Reconstructions
from cubesift.data.run import Run
from cubesift.data.samples import Sample, SampleRecord, Samples
from cubesift.data.store import Provenance
from cubesift.data.wavelength import WavelengthGrid

GRID = WavelengthGrid(first=0, size=1024, width=4)  # 3622 to 9298 angstrom
SIDE = 16
SIGMA = 0.02  # 1e-17 erg/s/cm2/angstrom/spaxel
PREPARED = Provenance("prepare", "0")
PARENTS = {"preparation": PREPARED.id, "model": "m"}


def names_of(count: int) -> list[str]:
    return [f"8485-{1901 + index}" for index in range(count)]


def galaxy(rng: np.random.Generator, redshift: float = 0.03, brightness: float = 1.0) -> np.ndarray:
    """A disc without noise, (y, x, wave); its line strength falls and its colour reddens inwards."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    radius = np.hypot(x, y * rng.uniform(1, 1.6))
    light = brightness * np.exp(-radius / 3)
    slope = (GRID.wave / 6000) ** rng.normal(0.3, 0.2)
    flux = light[..., None] * slope * (1 + 0.05 * radius[..., None] * (6000 / GRID.wave - 1))
    for line, strength in ((6564.61, 3.0), (6585.27, 1.0), (5008.24, 0.8), (4862.68, 1.0), (3728.5, 1.2)):
        profile = np.exp(-((np.arange(GRID.size) - GRID.channel(line * (1 + redshift))) ** 2) / 2 / 0.8**2)
        flux += (light * strength * np.minimum(radius / 6, 1))[..., None] * profile
    return flux.astype(np.float32)


def noisy(rng: np.random.Generator, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flux and ivar, (y, x, wave), the corners uncovered."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    covered = np.hypot(x, y) < SIDE / 2
    flux = truth + rng.normal(0, SIGMA, truth.shape).astype(np.float32)
    ivar = np.broadcast_to(np.float32(SIGMA**-2) * covered[..., None], truth.shape).copy()
    ivar[:, :, GRID.between(5570, 5586)] = 0
    return (flux * (ivar > 0)).astype(np.float32), ivar


def sample(
    name: str, flux: np.ndarray, ivar: np.ndarray, redshift: float | None = 0.03, **changed: object
) -> Sample:
    record = {
        "plateifu": name, "mangaid": f"1-{name}", "redshift": redshift, "frame": "observed", "fraction": 0.0,
        "scale": 1.0, "area_ratio": 1.0, "spaxel": 1.0, "psf_fwhm": 2.5, "ebv": 0.0, "ra": 232.5, "dec": 48.7,
        "instrument": "MaNGA", "source": f"{name}.fits.gz", "source_id": "0", "side": SIDE,
    }  # fmt: skip
    bands = [GRID.between(*band) for band in ((6880, 8260), (5600, 6920), (3940, 5390))]
    image = np.stack([flux[:, :, band].mean(axis=2) for band in bands], axis=2)
    return Sample(
        SampleRecord(**{**record, **changed}), flux, flux, ivar, np.zeros(flux.shape, np.uint16), image
    )


def rebuilt(flux: np.ndarray, ivar: np.ndarray, model: np.ndarray) -> Reconstruction:
    """What the models' room says of a model of a cube."""
    good = ivar > 0
    count = good.sum(axis=2)

    def mean(values: np.ndarray) -> np.ndarray:
        total = (values * good).sum(axis=2)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)

    chi2 = mean((model - flux) ** 2 * ivar)
    light = np.where(count > 0, np.median(flux * np.sqrt(ivar), axis=2), np.nan).astype(np.float32)
    worst = np.unravel_index(np.argsort(-np.nan_to_num(chi2), axis=None)[:3], chi2.shape)
    spaxels = np.array([(SIDE // 2, SIDE // 2), *zip(*worst, strict=True)], dtype=np.int32)
    y, x = spaxels.T
    return Reconstruction(
        mean(np.abs(model - flux)), chi2, light, mean(flux), mean(model),
        spaxels, flux[y, x], ivar[y, x], model[y, x],
    )  # fmt: skip


def write_samples(run: Run, samples: Sequence[Sample], recipe: str = "paper") -> None:
    store = Samples.create(run.samples(recipe), PREPARED, GRID, {"name": recipe, "clip": False})
    for one in samples:
        store.write(one)


def write_embeddings(
    run: Run,
    vectors: np.ndarray,
    model: str = "pca2d",
    fold: Sequence[str] | None = None,
    held_out: Sequence[bool] | None = None,
    names: Sequence[str] | None = None,
) -> None:
    names = np.array(names_of(len(vectors)) if names is None else names)
    Embeddings(
        plateifu=names,
        mangaid=np.char.add("1-", names),
        fold=np.array(fold if fold is not None else ["all"] * len(names)),
        held_out=np.array(held_out if held_out is not None else [False] * len(names)),
        vectors=vectors.astype(np.float32),
        redshift=np.linspace(0.01, 0.12, len(names)),
        redshift_predicted=np.full(len(names), np.nan),
        provenance=Provenance("embed", "0", PARENTS),
    ).save(run.embeddings(model))


def write_run(path: Path, count: int = 12, model: str = "pca2d") -> Run:
    """Ordinary galaxies, whose model is a hair too faint, with samples, embeddings and reconstructions."""
    rng = np.random.default_rng(5)
    run = Run(path)
    write_embeddings(run, rng.normal(size=(count, 6)), model)
    about = {"grid": {"first": 0, "size": 1024, "width": 4}}
    store = Reconstructions.create(run.reconstructions(model), Provenance("embed", "0", PARENTS), about)
    samples = []
    for name in names_of(count):
        truth = galaxy(rng, brightness=float(rng.uniform(0.5, 2)))
        flux, ivar = noisy(rng, truth)
        samples.append(sample(name, flux, ivar))
        store.write(name, rebuilt(flux, ivar, truth * np.float32(0.98)), {})
    write_samples(run, samples)
    return run
