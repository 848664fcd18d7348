"""Pictures of one galaxy: colours, maps and spectra. Each function returns a Figure, for page or paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.visualization import make_lupton_rgb
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from cubesift.explore.lines import mark_lines

# Wong (2011), Nature Methods 8, 441: told apart by the colour-blind.
ORANGE, BLUE, VERMILLION, GREEN = "#e69f00", "#0072b2", "#d55e00", "#009e73"
INK, QUIET, RULE = "#1d2430", "#6b7684", "#c9d0d8"
FLUX_UNIT = "10⁻¹⁷ erg/s/cm²/Å/spaxel"
SMALL = 8.5  # points
NOTHING = "#b9c0c8"  # of a map, where nothing was observed: on no scale of colours

# SDSS's colour scales for i, r, g are 4.9, 5.7, 7.8 on f_nu (Lupton+2004, idlutils); on f_lambda times
# wavelength squared, relative to g.
BAND_SCALES = np.array([4.9 * 7480**2, 5.7 * 6170**2, 7.8 * 4690**2]) / (7.8 * 4690**2)

Mark = tuple[float, float, str]  # x, y in arcsec from the centre, and a letter; without one, a square


@dataclass(frozen=True)
class Panel:
    """One map and how it is drawn."""

    title: str
    values: np.ndarray  # (y, x), nan = nothing
    unit: str
    colours: str = "viridis"
    limits: tuple[float, float] | None = None  # None = 1st to 99.5th percentile


@dataclass(frozen=True)
class Spectrum:
    """One spaxel's spectrum and what a model says of it."""

    title: str
    flux: np.ndarray  # (wave,)
    ivar: np.ndarray  # (wave,)
    model: np.ndarray  # (wave,)


def colour_picture(image: np.ndarray, spaxel: float, marks: Sequence[Mark] = ()) -> Figure:
    """A galaxy in the colours of SDSS's pictures, with a scale bar and spaxels marked.

    Args:
        image: (y, x, 3) f_lambda in i, r, g.
        spaxel: side of a spaxel of the image, arcsec.
        marks: positions to ring, in arcsec from the centre.
    """
    figure = Figure(figsize=(3.0, 3.0))
    axes = figure.add_axes((0, 0, 1, 1))
    paint(axes, image, spaxel, marks)
    axes.set_axis_off()
    return figure


def paint(axes: Axes, image: np.ndarray, spaxel: float, marks: Sequence[Mark] = ()) -> None:
    """The same on axes that are there, whose ticks are in arcsec from the centre."""
    extent = extent_of(image.shape[:2], spaxel)
    axes.imshow(colours_of(image), origin="lower", extent=extent, interpolation="nearest")
    length = next(bar for bar in (20, 10, 5, 2, 1, 0.5, 0.2, 0.1) if bar <= max(0.4 * extent[1], 0.1))
    x, y = extent[0] * 0.92, extent[2] * 0.92
    axes.plot([x, x + length], [y, y], color="white", linewidth=2, solid_capstyle="butt")
    axes.text(
        x + length / 2, y - extent[2] * 0.03, f"{length:g}″",
        color="white", fontsize=10, ha="center", va="bottom",
    )  # fmt: skip
    for mark in marks:
        _circle(axes, mark, extent, "white")


def colours_of(image: np.ndarray) -> np.ndarray:
    """(y, x, 3) f_lambda in i, r, g to uint8, asinh stretched (Lupton+2004) by its own brightness."""
    scaled = np.nan_to_num(image.astype(float)) * BAND_SCALES
    light = scaled.mean(axis=2)
    bright = light[light > 0]
    high = float(np.quantile(bright, 0.98)) if len(bright) else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):  # it divides by the light first, and asks later
        return np.asarray(make_lupton_rgb(*np.moveaxis(scaled / high, 2, 0), minimum=0, stretch=0.35, Q=6))


def map_row(panels: Sequence[Panel], spaxel: float, marks: Sequence[Mark] = ()) -> Figure:
    """Maps side by side, each over its colour bar; neighbours on one scale share theirs.

    Args:
        panels: the maps, all on one grid of spaxels.
        spaxel: side of a spaxel, arcsec.
        marks: positions to ring, in arcsec from the centre.
    """
    height = 3.45
    figure = Figure(figsize=(2.35 * len(panels), height))
    grid = figure.add_gridspec(
        2,
        len(panels),
        height_ratios=(1, 0.045),
        hspace=0.36,
        wspace=0.15,
        left=0.055 * 4 / len(panels),
        right=0.985,
        top=1 - 0.27 / height,
        bottom=0.47 / height,
    )
    for column, panel in enumerate(panels):
        axes = figure.add_subplot(grid[0, column])
        extent = extent_of(panel.values.shape, spaxel)
        low, high = panel.limits or _limits(panel.values)
        drawn = axes.imshow(
            panel.values,
            origin="lower",
            extent=extent,
            cmap=panel.colours,
            vmin=low,
            vmax=high,
            interpolation="nearest",
        )
        axes.set_title(panel.title, fontsize=10, color=INK, pad=5)
        axes.set_facecolor(NOTHING)
        axes.tick_params(labelsize=SMALL - 1, colors=QUIET, length=2.5, labelleft=column == 0, pad=2)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.set_xlabel("arcsec", fontsize=SMALL - 1, color=QUIET, labelpad=0)
        for spine in axes.spines.values():
            spine.set_color(RULE)
        for mark in marks:
            _circle(axes, mark, extent, INK)
        if column + 1 < len(panels) and _one_scale(panel, panels[column + 1]):
            continue
        first = column
        while first and _one_scale(panels[first - 1], panel):
            first -= 1
        place = figure.add_subplot(grid[1, first : column + 1])
        bar = figure.colorbar(drawn, cax=place, orientation="horizontal")
        bar.set_label(panel.unit, fontsize=SMALL - 1, color=QUIET, labelpad=2)
        bar.ax.tick_params(labelsize=SMALL - 1, colors=QUIET, length=2.5)
        bar.ax.locator_params(nbins=4)
        bar.outline.set_visible(False)
    figure.axes[0].set_ylabel("arcsec", fontsize=SMALL - 1, color=QUIET, labelpad=1)
    return figure


def _one_scale(one: Panel, other: Panel) -> bool:
    return one.limits is not None and (one.limits, one.colours, one.unit) == (
        other.limits,
        other.colours,
        other.unit,
    )


def spectra(wave: np.ndarray, shown: Sequence[Spectrum], frame: str, redshift: float | None) -> Figure:
    """Spectra over their models, each with what is left in units of the noise below.

    Args:
        wave: (wave,) angstrom, vacuum.
        shown: one or more spectra.
        frame: "rest" or "observed", of `wave`.
        redshift: marks the lines in the observed frame; None = not known, and none are marked.
    """
    marked = frame == "rest" or redshift is not None
    height = (2.5 if marked else 2.1) * len(shown) + 0.45
    figure = Figure(figsize=(11, height))
    outer = figure.add_gridspec(
        len(shown),
        1,
        left=0.065,
        right=0.99,
        top=1 - (0.5 if marked else 0.1) / height,
        bottom=0.45 / height,
        hspace=0.42 if marked else 0.2,
    )
    covered = np.flatnonzero(np.any([spectrum.ivar > 0 for spectrum in shown], axis=0))
    first, last = (covered[0], covered[-1]) if len(covered) else (0, len(wave) - 1)
    for row, spectrum in enumerate(shown):
        inner = outer[row].subgridspec(2, 1, height_ratios=(2.8, 1), hspace=0.06)
        top, below = figure.add_subplot(inner[0]), figure.add_subplot(inner[1])
        good = spectrum.ivar > 0
        flux = np.where(good, spectrum.flux, np.nan)
        model = np.where(good, spectrum.model, np.nan)
        top.plot(wave, flux, color="#5d6773", linewidth=0.6, label="observed")
        top.plot(wave, model, color=VERMILLION, linewidth=1.1, label="model")
        top.set_ylim(*flux_limits(flux, model))
        left = (spectrum.flux - spectrum.model) * np.sqrt(spectrum.ivar)
        below.plot(wave, np.where(good, left, np.nan), color=BLUE, linewidth=0.5)
        below.axhline(0, color=INK, linewidth=0.6)
        reach = max(float(np.nanmax(np.abs(left[good]), initial=0)) * 1.1, 6.0)
        below.set_yscale("asinh", linear_width=3)  # the noise stays to be seen where something is far off
        below.set_ylim(-reach, reach)
        tick = max(tick for tick in (5, 20, 50, 200, 500, 2000, 5000, 1e5) if tick <= reach)
        below.yaxis.set_major_locator(FixedLocator([-tick, 0, tick]))
        below.yaxis.set_minor_locator(NullLocator())
        below.yaxis.set_major_formatter("{x:g}")
        for axes in (top, below):
            axes.set_xlim(wave[first], wave[last])
            plain(axes)
        top.tick_params(labelbottom=False)
        top.set_ylabel("flux", fontsize=SMALL, color=QUIET)
        below.set_ylabel("residual, σ", fontsize=SMALL, color=QUIET)  # noqa: RUF001
        top.text(
            0.012, 0.93, spectrum.title, transform=top.transAxes, fontsize=10, color=INK, va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2},
        )  # fmt: skip
        if marked:
            mark_lines(top, 0.0 if frame == "rest" else float(redshift or 0), 11 * 72 * (0.99 - 0.065))
    legend = figure.axes[0].legend(
        loc="upper right",
        fontsize=SMALL,
        frameon=True,
        ncols=2,
        handlelength=1.4,
        labelcolor=INK,
        edgecolor="none",
    )
    legend.get_frame().set_alpha(0.8)
    figure.axes[-1].set_xlabel(
        f"{frame} wavelength in vacuum, Å      (flux in {FLUX_UNIT})", fontsize=SMALL, color=QUIET
    )
    figure.align_ylabels()
    return figure


def extent_of(shape: tuple[int, ...], spaxel: float) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of a (y, x) map in arcsec from its centre."""
    return -shape[1] * spaxel / 2, shape[1] * spaxel / 2, -shape[0] * spaxel / 2, shape[0] * spaxel / 2


def symmetric(values: np.ndarray, quantile: float = 0.99) -> tuple[float, float]:
    """Limits about zero that hold all but a few of the values."""
    known = np.abs(values[np.isfinite(values)])
    reach = float(np.quantile(known, quantile)) if len(known) else 1.0
    return (-reach, reach) if reach > 0 else (-1.0, 1.0)


def _limits(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = np.quantile(known, [0.01, 0.995])
    return float(low), float(high if high > low else low + 1)


def flux_limits(flux: np.ndarray, model: np.ndarray) -> tuple[float, float]:
    """Limits that show every line, but not a single hot channel: it has no company on either side."""
    known = flux[np.isfinite(flux)]
    if len(known) < 3:
        return 0.0, 1.0
    three = np.median(np.stack([known[:-2], known[1:-1], known[2:]]), axis=0)
    low = min(float(np.quantile(three, 0.002)), float(np.nanmin(model)), 0.0)
    high = max(float(three.max()), float(np.nanmax(model)))
    room = 0.06 * (high - low) or 1.0
    return low - room, high + 4.5 * room  # the title stands above the spectrum


def _circle(axes: Axes, mark: Mark, extent: tuple[float, float, float, float], colour: str) -> None:
    x, y, letter = mark
    size = 0.035 * (extent[1] - extent[0])
    halo = [Stroke(linewidth=2.5, foreground="black" if colour == "white" else "white", alpha=0.7), Normal()]
    for ring, thick in (("black" if colour == "white" else "white", 2.8), (colour, 1.1)):
        axes.plot(
            x,
            y,
            "o" if letter else "s",
            markersize=7,
            markerfacecolor="none",
            markeredgecolor=ring,
            markeredgewidth=thick,
        )
    # Within the map: beside an edge the letter goes to the other side.
    right, above = x + 4 * size < extent[1], y + 3 * size < extent[3]
    place = (x + (size if right else -size), y + (size if above else -size))
    axes.text(
        *place, letter, ha="left" if right else "right", va="center",
        fontsize=9, fontweight="bold", color=colour, path_effects=halo,
    )  # fmt: skip


def plain(axes: Axes) -> None:
    """Ticks and a frame that stay in the background."""
    axes.tick_params(which="both", labelsize=SMALL, labelcolor=QUIET, color=QUIET, length=3, width=0.7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(RULE)
