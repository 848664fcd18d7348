"""The figures of the paper, each from its numbers: 1 and 6, 4, 5a; 5b is a row of maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cubesift.explore.figures import (
    BLUE,
    FLUX_UNIT,
    INK,
    ORANGE,
    QUIET,
    SMALL,
    VERMILLION,
    Mark,
    Spectrum,
    extent_of,
    flux_limits,
    paint,
    plain,
)
from cubesift.explore.lines import mark_lines

GREY = "#5d6773"
WIDE = 11.0  # inches


@dataclass(frozen=True)
class Look:
    """A galaxy, and spectra of some of its spaxels."""

    image: np.ndarray  # (y, x, 3) f_lambda in i, r, g
    spaxel: float  # side of a spaxel of the image, arcsec
    marks: tuple[Mark, ...]
    wave: np.ndarray  # (wave,) angstrom, vacuum, in `frame`
    spectra: tuple[Spectrum, ...]
    frame: str  # "rest" or "observed"
    redshift: float | None  # None = not known: no lines are marked in the observed frame


def images_with_spectra(looks: Sequence[Look]) -> Figure:
    """A row for each galaxy: its colour image, then the spectra, over their model where they have one.

    Figures 1 (centre and edge) and 6 (the strangest spaxel).
    """
    height = 3.15 * len(looks) + 0.2
    figure = Figure(figsize=(WIDE, height))
    grid = figure.add_gridspec(
        len(looks), 1, left=0.05, right=0.99, top=1 - 0.82 / height, bottom=0.5 / height, hspace=0.62
    )
    for row, look in enumerate(looks):
        count = len(look.spectra)
        inner = grid[row].subgridspec(1, 1 + count, width_ratios=(2.3, *[8.0 / count] * count), wspace=0.2)
        axes = figure.add_subplot(inner[0])
        paint(axes, look.image, look.spaxel, look.marks)
        extent = extent_of(look.image.shape[:2], look.spaxel)
        axes.set_xlim(extent[0], extent[1])
        axes.set_xlabel("arcsec", fontsize=SMALL, color=QUIET, labelpad=1)
        axes.set_ylabel("arcsec", fontsize=SMALL, color=QUIET, labelpad=-2)
        axes.locator_params(nbins=5)
        plain(axes)
        for column, spectrum in enumerate(look.spectra, start=1):
            axes = figure.add_subplot(inner[column])
            _draw(axes, look.wave, spectrum)
            axes.set_ylim(*_limits_of([spectrum]))
            _mark(axes, look.frame, look.redshift)
            axes.set_xlabel(f"{look.frame} wavelength in vacuum, Å", fontsize=SMALL, color=QUIET)
            if np.isfinite(spectrum.model).any() and row == 0:
                axes.legend(loc="upper right", fontsize=SMALL, ncols=2, edgecolor="none", labelcolor=INK)
            if column == 1:
                axes.set_ylabel(f"flux, {FLUX_UNIT}", fontsize=SMALL - 0.5, color=QUIET)
    return figure


def spectrum_by_models(
    waves: Sequence[np.ndarray], spectra: Sequence[Spectrum], frames: Sequence[str], redshift: float | None
) -> Figure:
    """Figure 4: one spaxel, a panel for each model's reconstruction, all on one scale of flux.

    Args:
        waves: (wave,) angstrom in vacuum, of each model's samples.
        spectra: of each model; the title is its name.
        frames: "rest" or "observed", of each.
        redshift: as in `Look`.
    """
    height = 1.75 * len(spectra) + 1.0
    figure = Figure(figsize=(WIDE, height))
    grid = figure.add_gridspec(
        len(spectra), 1, left=0.07, right=0.99, top=1 - 0.5 / height, bottom=0.5 / height, hspace=0.12
    )
    limits = _limits_of(spectra)
    for row, (wave, spectrum, frame) in enumerate(zip(waves, spectra, frames, strict=True)):
        axes = figure.add_subplot(grid[row])
        _draw(axes, wave, spectrum)
        axes.set_ylim(*limits)
        last = row == len(spectra) - 1
        # One set of labels and of names where the axes are the same.
        same = frame == frames[0] and np.isclose(wave[[0, -1]], waves[0][[0, -1]]).all()
        _mark(axes, frame, redshift, named=row == 0 or not same)
        axes.tick_params(labelbottom=last or not same)
        if last:
            axes.set_xlabel(f"{frame} wavelength in vacuum, Å", fontsize=SMALL, color=QUIET)
    figure.supylabel(f"flux, {FLUX_UNIT}", fontsize=SMALL, color=QUIET, x=0.008)
    figure.axes[0].legend(
        loc="upper right", fontsize=SMALL, ncols=2, labelcolor=INK, edgecolor="none", framealpha=0.8
    )
    return figure


@dataclass(frozen=True)
class Redshifts:
    """What one model's head says of the redshift of some galaxies."""

    title: str
    known: np.ndarray  # (n,) of the catalogue
    predicted: np.ndarray  # (n,)
    constant: np.ndarray  # (n,) the mean of the galaxies that the model, or its fold, learned from

    @property
    def errors(self) -> tuple[float, float]:
        """Mean squared error of the model, and of the constant."""
        return (
            float(np.mean((self.predicted - self.known) ** 2)),
            float(np.mean((self.constant - self.known) ** 2)),
        )


def redshift_panels(shown: Sequence[Redshifts]) -> Figure:
    """Figure 5a: predicted against true redshift, a panel for each model, the constant guess beside it."""
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    wide, high = 3.5 * columns + 0.4, 3.6 * rows + 0.2
    figure = Figure(figsize=(wide, high))
    grid = figure.add_gridspec(
        rows, columns, left=0.65 / wide, right=1 - 0.15 / wide, top=1 - 0.35 / high, bottom=0.5 / high,
        wspace=0.18, hspace=0.3,
    )  # fmt: skip
    # One galaxy that a model has never seen the like of would squeeze all others into a corner.
    known = np.concatenate([one.known for one in shown])
    reach = float(np.ptp(known)) or 0.01
    span = (float(known.min()) - 0.3 * reach, float(known.max()) + 0.6 * reach)  # the legend stands above
    for number, one in enumerate(shown):
        axes = figure.add_subplot(grid[divmod(number, columns)])
        model, constant = one.errors
        guesses = np.unique(one.constant)
        said = f"{guesses[0]:.3f}" if len(guesses) == 1 else f"{guesses[0]:.3f} to {guesses[-1]:.3f}"
        axes.plot(span, span, color=VERMILLION, linewidth=1.0, label="perfect", zorder=1)
        for guess in guesses:
            axes.axhline(
                guess, color=GREY, linewidth=1.0 / len(guesses) ** 0.5, linestyle=(0, (5, 3)), zorder=1
            )
        axes.lines[-1].set_label(f"always {said}: MSE {constant:.2g}")
        inside = (one.predicted > span[0]) & (one.predicted < span[1])
        size, clear = (6, 0.4) if len(one.known) > 300 else (18, 0.8)
        axes.scatter(
            one.known[inside], one.predicted[inside], s=size, color=BLUE, alpha=clear, linewidths=0, zorder=2,
            label=f"{one.title}: MSE {model:.2g}",
        )  # fmt: skip
        for marker, edge, beyond in (
            ("^", 0.98, one.predicted >= span[1]),
            ("v", 0.02, one.predicted <= span[0]),
        ):
            if beyond.any():
                at = span[0] + edge * (span[1] - span[0])
                axes.scatter(
                    one.known[beyond], np.full(beyond.sum(), at), s=26, marker=marker, color=ORANGE, zorder=3,
                    label=f"{beyond.sum()} {'above' if marker == '^' else 'below'} the frame",
                )  # fmt: skip
        axes.set_xlim(*span)
        axes.set_ylim(*span)
        axes.set_aspect("equal")
        axes.locator_params(nbins=5)
        axes.set_title(f"{one.title}, {len(one.known):,} galaxies", fontsize=10, color=INK, loc="left")
        axes.legend(loc="upper left", fontsize=SMALL - 0.5, frameon=False, labelcolor=INK, handlelength=1.4)
        axes.set_xlabel("redshift of the catalogue", fontsize=SMALL, color=QUIET)
        if number % columns == 0:
            axes.set_ylabel("redshift predicted from the embedding", fontsize=SMALL, color=QUIET)
        plain(axes)
    return figure


def _draw(axes: Axes, wave: np.ndarray, spectrum: Spectrum) -> None:
    good = spectrum.ivar > 0
    axes.plot(wave, np.where(good, spectrum.flux, np.nan), color=GREY, linewidth=0.7, label="observed")
    if np.isfinite(spectrum.model).any():
        model = np.where(good, spectrum.model, np.nan)
        axes.plot(wave, model, color=VERMILLION, linewidth=1.1, label="model")
    axes.axhline(0, color=QUIET, linewidth=0.5, linestyle=":")
    axes.set_xlim(wave[0], wave[-1])
    axes.text(
        0.012, 0.95, spectrum.title, transform=axes.transAxes, fontsize=9.5, color=INK, va="top",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
    )  # fmt: skip
    plain(axes)


def _mark(axes: Axes, frame: str, redshift: float | None, named: bool = True) -> None:
    if frame == "rest" or redshift is not None:
        width = axes.get_position().width * WIDE * 72
        mark_lines(axes, 0.0 if frame == "rest" else float(redshift or 0), width, named)


def _limits_of(spectra: Sequence[Spectrum]) -> tuple[float, float]:
    """Limits of flux that hold all spectra and their models."""
    found = []
    for one in spectra:
        good = one.ivar > 0
        flux, model = np.where(good, one.flux, np.nan), np.where(good, one.model, np.nan)
        found.append(flux_limits(flux, model if np.isfinite(model).any() else flux * 0))
    return min(low for low, _ in found), max(high for _, high in found)
