"""The figure of docs/science.md: a spectrum, its code rendered, and how large the errors of codes are.

    python benchmarks/figure_codes.py BASIS.npz [seed]

`spaxel_codes.py learn` writes BASIS.npz. A spaxel of galaxy 5 of the seed is drawn, brighter than two thirds.
"""
# ruff: noqa: RUF001

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from spaxel_codes import ASKED, SURE, noise_limit, simulated, spectra, true_lines

from cubesift.data.store import read_json, written_beside
from cubesift.explore.figures import BLUE, FLUX_UNIT, INK, ORANGE, QUIET, SMALL, VERMILLION, plain
from cubesift.explore.lines import mark_lines
from cubesift.explore.paper import GREY
from cubesift.fit.basis import Basis
from cubesift.fit.lines import NAMES
from cubesift.fit.noise import NoiseModel
from cubesift.fit.profiles import Setting
from cubesift.fit.spaxels import fit_spaxels, spectra_of


def main(path: Path, seed: int, index: int = 5) -> None:
    basis, noise = Basis.load(path), NoiseModel(**read_json(path.with_suffix(".json")))
    made = simulated(seed, index, odd=False)
    assert made is not None
    sample, truth, factor, settings = made
    flux, ivar, good = spectra(sample)
    at = Setting(basis.grid, float(sample.record.redshift), sample.record.fraction)
    corrected = noise.corrected(flux, ivar, basis.grid.wave * (1 + at.redshift))
    codes = fit_spaxels(flux, corrected, basis, at, noise.correlation)
    model, clean = spectra_of(codes, basis, at), truth.unclipped[good]
    continuum = codes.continuum.astype(np.float32) @ basis.components
    light = np.median(flux, axis=1)
    chosen = int(np.argsort(-light)[len(light) // 3])
    wave = basis.grid.wave * 10 ** (-1e-4 * sample.record.fraction)

    figure = Figure(figsize=(11, 6.4))
    grid = figure.add_gridspec(2, 3, left=0.06, right=0.99, top=0.93, bottom=0.08, hspace=0.42, wspace=0.22)
    wide = figure.add_subplot(grid[0, :])
    seen = np.where(ivar[chosen] > 0, flux[chosen], np.nan)
    wide.plot(wave, seen, color=GREY, linewidth=0.6, label="observed")
    wide.plot(wave, model[chosen], color=VERMILLION, linewidth=1.0, label="48 numbers")
    covered = np.flatnonzero(ivar[chosen] > 0)
    wide.set_xlim(wave[covered[0]], wave[covered[-1]])
    wide.set_ylim(0, 1.12 * float(np.nanmax(model[chosen][covered])))
    mark_lines(wide, 0.0, 0.93 * 11 * 72)
    wide.set_xlabel("rest wavelength in vacuum, Å", fontsize=SMALL, color=QUIET)
    wide.set_ylabel(f"flux, {FLUX_UNIT}", fontsize=SMALL, color=QUIET)
    wide.legend(loc="upper left", fontsize=SMALL, ncols=2, edgecolor="none", labelcolor=INK)

    for column, (low, high) in enumerate(((4830, 5040), (6520, 6620))):
        axes = figure.add_subplot(grid[1, column])
        near = (wave > low) & (wave < high)
        axes.step(wave[near], seen[near], color=GREY, linewidth=0.8, where="mid", label="observed")
        axes.plot(wave[near], clean[chosen][near], color=BLUE, linewidth=2.4, alpha=0.5, label="truth")
        axes.plot(wave[near], model[chosen][near], color=VERMILLION, linewidth=1.2, label="48 numbers")
        axes.plot(wave[near], continuum[chosen][near], color=ORANGE, linewidth=1.2, label="its continuum")
        axes.set_xlabel("rest wavelength in vacuum, Å", fontsize=SMALL, color=QUIET)
        axes.set_ylim(0, None)
        axes.set_xlim(low, high)
        if not column:
            axes.set_ylabel(f"flux, {FLUX_UNIT}", fontsize=SMALL, color=QUIET)
        else:
            axes.legend(loc="upper right", fontsize=SMALL - 0.5, edgecolor="none", labelcolor=INK)
        plain(axes)
    plain(wide)

    axes = figure.add_subplot(grid[1, 2])
    edges = np.linspace(-4, 4, 33)
    pulls = []
    for name, true in true_lines(settings, index, good):
        signal, _ = noise_limit(name, true, ivar / factor**2, at)
        off = (codes.flux[:, NAMES.index(name)] - true[0]) / codes.error(name)
        pulls.append(off[signal > SURE])
    told = np.concatenate(pulls)
    axes.hist(told, edges, density=True, histtype="stepfilled", color=BLUE, alpha=0.6)
    axes.plot(edges, np.exp(-0.5 * edges**2) / np.sqrt(2 * np.pi), color=VERMILLION, linewidth=1.2)
    axes.text(
        0.03, 0.95, f"{len(told):,} fluxes of\n{len(ASKED)} lines, S/N > {SURE:g}", transform=axes.transAxes,
        fontsize=SMALL, color=INK, va="top",
    )  # fmt: skip
    axes.set_xlabel("(flux − true flux) / its error", fontsize=SMALL, color=QUIET)
    axes.set_ylabel("density", fontsize=SMALL, color=QUIET)
    plain(axes)
    with written_beside(Path(__file__).parents[1] / "docs" / "science.png") as partial:
        figure.savefig(partial, format="png", dpi=110, facecolor="white", metadata={"Software": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
