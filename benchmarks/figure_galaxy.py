"""A simulated galaxy as measured spaxel by spaxel, and as its 128 numbers: `docs/galaxy.png`.

    python benchmarks/figure_galaxy.py BASIS.npz FIELDS LEARNED_SEED GALAXIES SEED INDEX

Modes are those that `galaxy_codes.py judge` left in FIELDS.
"""
# ruff: noqa: RUF001

import sys
from pathlib import Path

import galaxy_codes
import numpy as np
import spaxel_codes
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cubesift.coding import size_of
from cubesift.data.store import written_beside
from cubesift.explore.figures import FLUX_UNIT, INK, QUIET, SMALL, VERMILLION, plain
from cubesift.explore.paper import GREY
from cubesift.fit.codes import Codes
from cubesift.fit.galaxies import on_sky
from cubesift.simulate.scene import scene_of

SEEN = 5.0  # S/N of Halpha from which its velocity is drawn


def main(path: Path, folder: Path, learned: int, many: int, seed: int, index: int) -> None:
    coder, galaxies = galaxy_codes.coder_of(path), galaxy_codes.learned_from(folder, learned, many)
    made = spaxel_codes.simulated(seed, index, odd=False)
    assert made is not None
    sample, truth, _, settings = made
    spectra = coder.spectra(sample)
    field = coder.field(spectra)
    size = size_of(field, scene_of(settings, index).galaxy.reff)
    x, y = on_sky(field)
    ours = galaxies.decode(galaxies.encode(galaxies.place(field, size)), x, y)

    def square(values: np.ndarray) -> np.ndarray:
        full = np.full((field.side, field.side), np.nan)
        full[field.y, field.x] = values
        return full

    def shown(codes: Codes) -> list[np.ndarray]:
        light = codes.continuum @ galaxies.relative.light
        halpha = codes.flux[:, galaxy_codes.HALPHA]
        sure = field.codes.flux[:, galaxy_codes.HALPHA] > SEEN * field.codes.error("Halpha")
        velocity = np.where(sure, codes.velocity, np.nan)
        return [square(np.log10(np.maximum(light, 1e-4))), square(halpha), square(velocity)]

    figure = Figure(figsize=(10.5, 11.5))
    grid = figure.add_gridspec(
        5, 3, height_ratios=(1, 1, 1, 0.55, 0.55), hspace=0.34, wspace=0.25, left=0.08, right=0.93, top=0.96,
        bottom=0.05,
    )  # fmt: skip
    units = (f"lg light, {FLUX_UNIT}", "Hα, 10⁻¹⁷ erg s⁻¹ cm⁻² spaxel⁻¹", "gas velocity, km s⁻¹")
    half = (field.side / 2) * field.spaxel
    one, other = shown(field.codes), shown(ours)
    for row, (measured, rebuilt, unit) in enumerate(zip(one, other, units, strict=True)):
        low, high = np.nanpercentile(measured, (1, 99.5))
        if row == 2:
            low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
        wide = np.nanpercentile(np.abs(rebuilt - measured), 98)
        for column, (values, ends, colours) in enumerate(
            (
                (measured, (low, high), "RdBu_r" if row == 2 else "viridis"),
                (rebuilt, (low, high), "RdBu_r" if row == 2 else "viridis"),
                (rebuilt - measured, (-wide, wide), "PuOr"),
            )
        ):
            axes = figure.add_subplot(grid[row, column])
            image = axes.imshow(
                values,
                origin="lower",
                extent=(-half, half, -half, half),
                vmin=ends[0],
                vmax=ends[1],
                cmap=colours,
            )
            bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
            bar.ax.tick_params(labelsize=SMALL, colors=QUIET)
            bar.outline.set_visible(False)
            if column == 2:
                bar.set_label(f"difference in {unit}", fontsize=SMALL - 1, color=QUIET)
            else:
                bar.set_label(unit, fontsize=SMALL - 1, color=QUIET)
            plain(axes)
            if row == 0:
                title = ("48 numbers a spaxel", "128 numbers the galaxy", "difference")[column]
                axes.set_title(title, fontsize=SMALL + 1, color=INK)
            if column == 0:
                axes.set_ylabel("arcsec", fontsize=SMALL, color=QUIET)
            if row == 2:
                axes.set_xlabel("arcsec", fontsize=SMALL, color=QUIET)
    model = coder.rendered(ours, spectra.at)
    clean = truth.unclipped[spectra.y, spectra.x]
    wave = spectra.at.grid.wave * 10 ** (-1e-4 * spectra.at.fraction)
    away = np.hypot(x, y)
    for row, (radius, where) in enumerate(((0.0, "middle"), (size, "a half-light radius out"))):
        axes = figure.add_subplot(grid[3 + row, :])
        spectrum(
            axes, int(np.argmin(np.abs(away - radius))), where, wave, spectra.flux, spectra.ivar, clean, model
        )
        if row == 1:
            axes.set_xlabel("rest wavelength in vacuum, Å", fontsize=SMALL, color=QUIET)
    with written_beside(Path(__file__).parents[1] / "docs" / "galaxy.png") as partial:
        figure.savefig(partial, format="png", dpi=110, facecolor="white", metadata={"Software": None})


def spectrum(
    axes: Axes,
    place: int,
    where: str,
    wave: np.ndarray,
    flux: np.ndarray,
    ivar: np.ndarray,
    clean: np.ndarray,
    model: np.ndarray,
) -> None:
    """One spaxel: observed, true, and from the galaxy's 128 numbers."""
    good = ivar[place] > 0
    axes.plot(wave, np.where(good, flux[place], np.nan), color=GREY, linewidth=0.5, label="observed")
    axes.plot(wave, np.where(good, clean[place], np.nan), color=INK, linewidth=0.9, label="truth")
    label = "128 numbers the galaxy"
    axes.plot(wave, np.where(good, model[place], np.nan), color=VERMILLION, linewidth=0.9, label=label)
    axes.set_xlim(wave[good][0], wave[good][-1])
    axes.set_ylim(0, 1.08 * clean[place][good].max())
    axes.set_ylabel(f"flux, {FLUX_UNIT}", fontsize=SMALL - 1, color=QUIET)
    axes.set_title(where, fontsize=SMALL, color=QUIET, loc="left")
    plain(axes)
    if where == "middle":
        axes.legend(loc="lower right", fontsize=SMALL, ncols=3, edgecolor="none", labelcolor=INK)


if __name__ == "__main__":
    basis, folder, *numbers = sys.argv[1:]
    main(Path(basis), Path(folder), *map(int, numbers))
