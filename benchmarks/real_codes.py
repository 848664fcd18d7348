"""Real spectra as 48 numbers, by continua that were learned from simulated galaxies alone.

    python benchmarks/real_codes.py BASIS.npz DATA [PICTURE.png]

`spaxel_codes.py learn` writes BASIS.npz; DATA is the folder of real data. Of seven MaNGA spectra and six SAMI
observations (spaxels with a S/N above 2 a channel): true noise over formal error as neighbouring channels say
it, and the reduced chi2 of what the codes rebuild, by the formal errors and by those.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits
from matplotlib.figure import Figure

from cubesift.data.cube import DONOTUSE, MANGA_CHANNEL_CORRELATION, Cube
from cubesift.data.door import find_sources
from cubesift.data.samples import Sample
from cubesift.data.store import written_beside
from cubesift.data.wavelength import MANGA_GRID
from cubesift.explore.figures import FLUX_UNIT, INK, QUIET, SMALL, VERMILLION, plain
from cubesift.explore.lines import mark_lines
from cubesift.explore.paper import GREY
from cubesift.fit.basis import Basis
from cubesift.fit.noise import NoiseModel, learn_noise
from cubesift.fit.profiles import Setting
from cubesift.fit.spaxels import fit_spaxels, spectra_of
from cubesift.prepare.cube import prepare_cube
from cubesift.prepare.recipe import PUBLISHED
from cubesift.redshifts import with_redshifts

RECIPE = PUBLISHED["cubesift"]
LEAST = 2.0  # S/N of a channel
Shown = tuple[str, np.ndarray, np.ndarray, np.ndarray]  # name, flux, ivar and model, (wave,) each


def manga(path: Path) -> Iterator[Sample]:
    """Each real spectrum that is not masked, as a cube of one spaxel."""
    with fits.open(path) as hdus:
        flux, ivar, mask, redshift = (hdus[name].data for name in ("FLUX", "IVAR", "MASK", "Z"))
    for number, z in enumerate(redshift.tolist()):
        bits = mask[number].astype("u2")
        if not (bits & DONOTUSE).all():
            one, weight, bits = (
                np.asarray(values, kind)[:, None, None]
                for values, kind in ((flux[number], "f4"), (ivar[number], "f4"), (bits, "u2"))
            )
            cube = Cube(f"7495-{number}", f"1-{number}", one, weight, bits, redshift=z)
            yield prepare_cube(cube, RECIPE)


def sami(folder: Path) -> Iterator[Sample]:
    """Each observation, at rest by its own spectrum."""
    for source in with_redshifts(find_sources(folder), [RECIPE]):
        yield prepare_cube(source.read(None, MANGA_GRID.size), RECIPE)


def spectra(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Flux and ivar, (spaxel, wave), of those bright enough, brightest first."""
    flux, ivar = (values.reshape(-1, values.shape[-1]) for values in (sample.unclipped, sample.ivar))
    covered = np.maximum((ivar > 0).sum(axis=1), 1)
    signal = np.einsum("sw,sw->s", flux, np.sqrt(ivar)) / covered
    order = np.argsort(-signal, kind="stable")
    order = order[signal[order] > min(LEAST, signal.max() - 1e-6)]
    return flux[order], ivar[order]


def judge(sample: Sample, instrument: str, basis: Basis, noise: NoiseModel) -> Shown:
    """Print one galaxy's line; its brightest spectrum."""
    flux, ivar = spectra(sample)
    at = Setting(basis.grid, float(sample.record.redshift or 0), sample.record.fraction, instrument)
    every = (values.reshape(-1, values.shape[-1]) for values in (sample.unclipped, sample.ivar))
    factor = noise.factor(*every, basis.grid.wave * (1 + at.redshift))
    codes = fit_spaxels(flux, ivar / factor.astype(ivar.dtype) ** 2, basis, at, noise.correlation)
    model = spectra_of(codes, basis, at)
    square = np.square(flux - model) * ivar
    free = (ivar > 0).sum() - codes.covariance.shape[1] * len(flux)
    name = sample.record.plateifu
    print(
        f"{instrument:<6} {name:<10} {at.redshift:8.5f} {len(flux):>8,} {np.median(factor):>7.2f} "
        f"{square.sum() / free:>7.2f} {(square / factor**2).sum() / free:>7.2f}"
    )
    return f"{instrument} {name}", flux[0], ivar[0], model[0]


def main(path: Path, data: Path, picture: Path | None = None) -> None:
    basis, shown = Basis.load(path), []
    print(f"{'':<6} {'':<10} {'z':>8} {'spectra':>8} {'noise':>7} {'before':>7} {'after':>7}")
    own = NoiseModel(correlation=MANGA_CHANNEL_CORRELATION)
    for sample in manga(data / "manga" / "MaNGA_test_spectra.fits.gz"):
        shown.append(judge(sample, "MaNGA", basis, own))
    samples = list(sami(data / "sami"))
    learned = learn_noise(
        (one.unclipped.reshape(-1, basis.grid.size), one.ivar.reshape(-1, basis.grid.size), here)
        for one, here in ((one, basis.grid.wave * (1 + (one.record.redshift or 0))) for one in samples)
    )
    print("SAMI: correlation of channels", *(f"{one:.2f}" for one in learned.correlation))
    shown += [judge(sample, "SAMI", basis, learned) for sample in samples]
    if picture:
        draw(shown, basis.grid.wave, picture)


def draw(shown: list[Shown], wave: np.ndarray, picture: Path) -> None:
    """A row for each brightest spectrum and what its code rebuilds."""
    height = 1.5 * len(shown) + 0.9
    figure = Figure(figsize=(11, height))
    grid = figure.add_gridspec(
        len(shown), 1, left=0.06, right=0.99, top=1 - 0.45 / height, bottom=0.5 / height, hspace=0.12
    )
    for row, (name, flux, ivar, model) in enumerate(shown):
        axes = figure.add_subplot(grid[row])
        seen = ivar > 0
        axes.plot(wave, np.where(seen, flux, np.nan), color=GREY, linewidth=0.7, label="observed")
        axes.plot(wave, np.where(seen, model, np.nan), color=VERMILLION, linewidth=0.9, label="48 numbers")
        noise = np.median(1 / np.sqrt(ivar[seen]))
        axes.set_ylim(
            min(0, np.percentile(model[seen], 1) - 3 * noise), 1.2 * np.max(model[seen]) + 3 * noise
        )
        axes.set_xlim(3550, 10200)
        mark_lines(axes, 0.0, 0.93 * 11 * 72, named=row == 0)
        axes.text(
            0.995, 0.93, name, transform=axes.transAxes, fontsize=9, color=INK, ha="right", va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
        )  # fmt: skip
        axes.tick_params(labelbottom=row == len(shown) - 1)
        plain(axes)
    axes.set_xlabel("rest wavelength in vacuum, Å", fontsize=SMALL, color=QUIET)
    figure.supylabel(f"flux, {FLUX_UNIT}", fontsize=SMALL, color=QUIET, x=0.008)
    figure.axes[0].legend(loc="upper left", fontsize=SMALL, ncols=2, edgecolor="none", labelcolor=INK)
    with written_beside(picture) as partial:
        figure.savefig(partial, format="png", dpi=100, facecolor="white", metadata={"Software": None})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
