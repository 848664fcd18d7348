"""Draw `docs/simulated.png`: six simulated galaxies, what was planted in each, and real spectra beside them.

python benchmarks/figure_simulated.py ../shared/data docs/simulated.png
"""

# ruff: noqa: RUF001

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from astropy.io import fits
from astropy.visualization import make_lupton_rgb
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from cubesift.data.wavelength import MANGA_GRID
from cubesift.prepare.steps import colour_image
from cubesift.simulate.cube import Simulated, simulate_galaxy
from cubesift.simulate.settings import Simulation

KINDS = ("background_line", "broad_lines", "unflagged_star", "post_starburst", "second_galaxy", "supernova")
SETTINGS = Simulation(galaxies=40, seed=404, repeats=0, oddities=dict.fromkeys(KINDS, 1))
REAL = (0, 3)  # rows of the real spectra that are drawn
MARKS = {  # angstrom in vacuum
    "[O II]": 3728.5, "Ca K": 3934.8, "Hβ": 4862.7, "[O III]": 5008.2, "Mg b": 5176.7, "Na D": 5894.6,
    "Hα": 6564.6, "[S II]": 6725.5,
}  # fmt: skip
UNIT = "flux / 1e-17 cgs/Å/spaxel"


@dataclass(frozen=True)
class Shown:
    """One spectrum as it is drawn."""

    title: str
    flux: np.ndarray  # (wave,)
    ivar: np.ndarray
    redshift: float
    colour: str


def planted() -> list[tuple[str, Simulated]]:
    """Each kind with the galaxy that holds it."""
    found: dict[str, Simulated] = {}
    for index in range(SETTINGS.galaxies):
        if len(found) == len(KINDS):
            break
        simulated = simulate_galaxy(SETTINGS, index)
        for entry in simulated.truth:
            if entry["kind"] in KINDS:
                found.setdefault(entry["kind"], simulated)
    return [(kind, found[kind]) for kind in KINDS]


def spectrum(axes: Axes, shown: Shown, marked: bool) -> None:
    good = (shown.ivar > 0) & (np.abs(MANGA_GRID.wave - 5578) > 8)
    wave, flux = MANGA_GRID.wave[good], shown.flux[good]
    sigma = 1 / np.sqrt(shown.ivar[good])
    axes.plot(wave, sigma, color="#b0b7bf", lw=0.5)
    axes.plot(wave, flux, color=shown.colour, lw=0.5)
    low, high = np.quantile(flux, [0.001, 0.9985])
    axes.set_ylim(min(low, 0) - 0.03 * (high - low), high + 0.22 * (high - low))
    axes.set_xlim(3600, 10350)
    if marked:
        for name, rest in MARKS.items():
            at = rest * (1 + shown.redshift)
            if at < 10200:
                axes.axvline(at, color="#d0d5da", lw=0.6, zorder=0)
                axes.text(at, 0.985, name, transform=axes.get_xaxis_transform(), rotation=90, fontsize=5.5,
                          ha="right", va="top", color="#59636e")  # fmt: skip
    axes.set_title(shown.title, fontsize=8.5, loc="left", pad=2.5)
    axes.tick_params(labelsize=7)
    axes.set_ylabel(UNIT, fontsize=6.5)


def image(axes: Axes, simulated: Simulated, y: float, x: float) -> None:
    cube = simulated.cube
    bands = np.nan_to_num(colour_image(cube.flux, cube.ivar, cube.grid))
    seen = (cube.ivar > 0).mean(axis=0) > 0.5
    stretch = max(float(np.quantile(bands[seen, 1], 0.8)), 0.01)
    red, green, blue = (np.where(seen, bands[..., band], 1e-6) for band in range(3))
    picture = make_lupton_rgb(red, 1.15 * green, 1.6 * blue, stretch=stretch, Q=8)
    picture[~seen] = 255
    half = cube.shape[1] / 4
    axes.imshow(picture, origin="lower", extent=(-half, half, -half, half))
    middle = cube.shape[1] / 2
    place = ((x - middle) / 2, (y - middle) / 2)
    axes.add_patch(Circle(place, 1.6, fill=False, color="#d1495b", lw=1.2))
    axes.set_xticks([-10, 0, 10])
    axes.set_yticks([-10, 0, 10])
    axes.tick_params(labelsize=7)
    axes.set_xlabel("arcsec", fontsize=7, labelpad=1)


def main(data: Path, target: Path) -> None:
    figure = plt.figure(figsize=(15, 12.5), constrained_layout=True)
    grid = figure.add_gridspec(
        8, 4, width_ratios=[1.55, 2.6, 1.55, 2.6], height_ratios=[1, 1, 1, 1, 1, 1, 0.7, 0.7]
    )
    for number, (kind, simulated) in enumerate(planted()):
        row, column = 2 * (number // 2), 2 * (number % 2)
        entry = next(entry for entry in simulated.truth if entry["kind"] == kind)
        cube, seen = simulated.cube, simulated.observation
        image(figure.add_subplot(grid[row : row + 2, column]), simulated, entry["y"], entry["x"])
        centre = (cube.shape[1] // 2, cube.shape[2] // 2)
        there = (round(entry["y"]), round(entry["x"]))
        titles = (
            f"simulated {cube.plateifu}, z = {seen.galaxy.redshift:.4f}, centre",
            f"{kind.replace('_', ' ')} at {there[0]},{there[1]}, S/N {entry['snr']:.0f}",
        )
        for line, (title, (y, x), colour) in enumerate(
            zip(titles, (centre, there), ("#22577a", "#b5442b"), strict=True)
        ):
            one = Shown(title, cube.flux[:, y, x], cube.ivar[:, y, x], seen.galaxy.redshift, colour)
            spectrum(figure.add_subplot(grid[row + line, column + 1]), one, line == 0)
    with fits.open(data / "manga" / "MaNGA_test_spectra.fits.gz") as hdus:
        for column, index in enumerate(REAL):
            flux, ivar, mask, z = (hdus[name].data[index] for name in ("FLUX", "IVAR", "MASK", "Z"))
            one = Shown(
                f"real spaxel of MaNGA, z = {float(z):.4f}",
                flux,
                np.where(mask == 0, ivar, 0),
                float(z),
                "#3a7d44",
            )
            axes = figure.add_subplot(grid[6:8, 2 * column : 2 * column + 2])
            spectrum(axes, one, True)
            axes.set_xlabel("observed wavelength in vacuum / Å", fontsize=7)
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
