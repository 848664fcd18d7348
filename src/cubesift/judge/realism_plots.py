"""The page of plots of `cubesift judge realism`: the real thing and the simulated, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from cubesift.data.store import written_beside
from cubesift.judge.noise import SHAPE_EDGES
from cubesift.judge.profiles import EDGES
from cubesift.judge.realism import BUNDLES, Measured, Realism

# Wong (2011), Nature Methods 8, 441: told apart by the colour-blind; real is drawn with marks, too.
REAL, OURS, FORMING, QUIET = "#d55e00", "#0072b2", "#009e73", "#6b7684"
MIDDLE = 0.5 * (EDGES[1:] + EDGES[:-1])
SHOWN = (0, 5, 6)  # of the real spectra, those whose error is drawn: bright, faint, between


def write_page(realism: Realism, folder: Path) -> tuple[Path, Path]:
    """Write `realism.png` and `realism.pdf` into a folder; returns both."""
    figure = page_of(realism)
    paths = (folder / "realism.png", folder / "realism.pdf")
    for path in paths:
        kind = path.suffix[1:]
        with written_beside(path) as partial:
            # No date inside: the same survey gives the same file.
            meta = {"CreationDate": None} if kind == "pdf" else {"Software": None}
            figure.savefig(partial, format=kind, dpi=150, metadata=meta)
    return paths


def page_of(realism: Realism) -> Figure:
    """Twelve panels; the first five are 7815-3702, the next four the noise, the last three the survey."""
    figure = Figure(figsize=(11.0, 13.2), layout="constrained")
    panels = figure.subplots(4, 3)
    draw_profile(panels[0, 0], realism, "snr", "S/N per channel and spaxel, g band", log=True)
    draw_profile(panels[0, 1], realism, "dn4000", "Dn4000")
    draw_profile(panels[0, 2], realism, "halpha_width", r"EW of H$\alpha$ at rest [Å]", log=True)
    draw_ratios(panels[1, 0], realism)
    draw_speed(panels[1, 1], realism)
    draw_correlation(panels[1, 2], realism)
    draw_error(panels[2, 0], realism)
    draw_scatter(panels[2, 1], realism)
    draw_negative(panels[2, 2], realism)
    draw_distribution(panels[3, 0], realism, "redshift", "redshift")
    draw_distribution(panels[3, 1], realism, "reff", "effective radius [arcsec]", log=True)
    draw_bundles(panels[3, 2], realism)
    for letter, axes in zip("abcdefghijkl", panels.flat, strict=True):
        axes.set_title(letter, loc="left", fontsize=10, fontweight="bold")
        axes.tick_params(labelsize=8)
        axes.xaxis.label.set_size(9)
        axes.yaxis.label.set_size(9)
        axes.spines[["top", "right"]].set_visible(False)
    for axes, where in (
        (panels[0, 0], "lower left"),
        (panels[1, 0], "upper left"),
        (panels[1, 1], "upper right"),
        (panels[1, 2], "upper right"),
        (panels[2, 0], "upper center"),
        (panels[2, 1], "upper left"),
        (panels[2, 2], "upper right"),
        (panels[3, 0], "lower right"),
        (panels[3, 2], "upper left"),
    ):
        axes.legend(fontsize=7, frameon=False, loc=where)
    figure.suptitle(f"{realism.name}. Orange: real; blue and green: simulated (b and c as a)", fontsize=10)
    return figure


def draw_profile(axes: Axes, realism: Realism, name: str, label: str, log: bool = False) -> None:
    """One property by radius: the real galaxy, its neighbours, and those that form stars as it does."""
    groups = ((realism.near, OURS, "nearest"), (realism.alike, FORMING, "star-forming"))
    for group, colour, words in groups:
        if not group:
            continue
        profiles = np.array([one.profiles[name] for one in group])
        known = np.isfinite(profiles).any(axis=0)
        low, middle, high = np.nanpercentile(profiles[:, known], [16, 50, 84], axis=0)
        axes.fill_between(MIDDLE[known], low, high, color=colour, alpha=0.18, linewidth=0)
        label_of = f"simulated, {len(group)} {words}, 16 to 84 %"
        axes.plot(MIDDLE[known], middle, color=colour, linewidth=1.2, label=label_of)
    axes.plot(
        MIDDLE, realism.anchors.galaxy["profiles"][name], "o-", color=REAL, ms=4, label="7815-3702, real"
    )
    axes.set(xlabel="elliptical radius [Re]", ylabel=label)
    if log:
        axes.set_yscale("log")
        _plain_numbers(axes.yaxis)


def draw_ratios(axes: Axes, realism: Realism) -> None:
    """The plane of Baldwin, Phillips & Terlevich."""
    nitrogen = np.linspace(-1.3, 0.35, 200)
    pure = nitrogen[nitrogen < -0.05]
    axes.plot(pure, 0.61 / (pure - 0.05) + 1.3, "--", color=QUIET, lw=0.8, label="Kauffmann+2003")
    axes.plot(nitrogen, 0.61 / (nitrogen - 0.47) + 1.19, ":", color=QUIET, lw=1, label="Kewley+2001")
    for group, colour, mark, words in (
        (realism.near, OURS, "s", "simulated, nearest"),
        (realism.alike, FORMING, "^", "simulated, star-forming"),
    ):
        x, y = (_figures(group, name) for name in ("nitrogen", "oxygen"))
        known = np.isfinite(x) & np.isfinite(y)
        axes.plot(x[known], y[known], mark, color=colour, ms=4, mfc="none", label=f"{words} ({known.sum()})")
    real = realism.anchors.galaxy["figures"]
    axes.plot(real["nitrogen"], real["oxygen"], "o", color=REAL, ms=7, label="7815-3702, real")
    axes.set(xlabel=r"log [N II] 6585 / H$\alpha$, R < 1 Re", ylabel=r"log [O III] 5008 / H$\beta$, R < 1 Re")
    axes.set(xlim=(-1.0, 0.35), ylim=(-1.2, 1.7))


def draw_speed(axes: Axes, realism: Realism) -> None:
    """Amplitude of the gas's velocity against the axis ratio: neighbours are not chosen by inclination."""
    for group, colour, mark, words in (
        (realism.near, OURS, "s", "simulated, nearest"),
        (realism.alike, FORMING, "^", "simulated, star-forming"),
    ):
        ratio = [1 - one.task.ellipticity for one in group]
        axes.plot(ratio, _figures(group, "speed"), mark, color=colour, ms=4, mfc="none", label=words)
    real = realism.anchors.galaxy
    axes.plot(
        1 - real["ellipticity"], real["figures"]["speed"], "o", color=REAL, ms=7, label="7815-3702, real"
    )
    axes.set(
        xlabel="axis ratio b/a", ylabel="gas velocity: half of 5 to 95 %,\nR < 1.5 Re [km/s]", ylim=(0, 280)
    )


def draw_correlation(axes: Axes, realism: Realism) -> None:
    """Correlation of the noise of two spaxels by their distance."""
    real = realism.anchors.correlation
    words = "real, 16 to 84 % of pairs"
    axes.fill_between(real["distance"], real["low"], real["high"], color=REAL, alpha=0.18, lw=0, label=words)
    axes.plot(real["distance"], real["mean"], "o", color=REAL, ms=4, label="7815-3702, real")
    ours = np.mean([one.noise.correlation for one in realism.measured], axis=0)
    axes.plot(real["distance"], ours, color=OURS, lw=1.2, label=f"simulated, {len(realism.measured)} cubes")
    axes.axhline(0, color=QUIET, lw=0.6)
    axes.set(xlabel="distance [spaxels of 0.5″]", ylabel="correlation of the noise")


def draw_error(axes: Axes, realism: Realism) -> None:
    """Formal error by wavelength of three real spectra, each with simulated ones of like S/N."""
    wave = np.sqrt(SHAPE_EDGES[1:] * SHAPE_EDGES[:-1])
    real = realism.anchors.spectra
    for place, which in enumerate(SHOWN):
        # Set apart on the logarithmic axis, so that they do not lie over each other.
        lift = 3.0**-place
        shapes = realism.like[which].shape
        if len(shapes):
            low, middle, high = np.nanpercentile(shapes, [2.5, 50, 97.5], axis=0)
            axes.fill_between(wave, lift * low, lift * high, color=OURS, alpha=0.18, lw=0)
            axes.plot(
                wave, lift * middle, color=OURS, lw=1.2, label=None if place else "simulated: median, 95 %"
            )
        axes.plot(
            wave,
            lift * np.array(real["shape"][which]),
            "o",
            color=REAL,
            ms=3,
            label=None if place else "real spaxels",
        )
        words = f"S/N {real['snr'][which]:.0f}" + (f", divided by {3**place}" if place else "")
        axes.text(6500, 1.15 * lift, words, fontsize=7)
    axes.set(xlabel="observed wavelength [Å]", ylabel="formal error, 1 at 6000 to 7000 Å", yscale="log")
    axes.set_ylim(top=6)
    _plain_numbers(axes.yaxis)


def draw_scatter(axes: Axes, realism: Realism) -> None:
    """Scatter of neighbouring channels over the formal error, by S/N."""
    _by_snr(axes, realism, "scatter", OURS, "neighbouring channels")
    _by_snr(axes, realism, "scatter_apart", FORMING, "channels 3 apart")
    axes.axhline(1, color=QUIET, lw=0.6)
    axes.set(xlabel="S/N per channel, 6000 to 7000 Å", ylabel="scatter in the continuum / formal error")
    axes.set(yscale="log", ylim=(0.5, 8))
    _plain_numbers(axes.yaxis)


def draw_negative(axes: Axes, realism: Realism) -> None:
    """Share of channels with negative flux, by S/N."""
    _by_snr(axes, realism, "negative", OURS, "")
    axes.set(xlabel="S/N per channel, 6000 to 7000 Å", ylabel="share of channels with flux < 0")


def _by_snr(axes: Axes, realism: Realism, name: str, colour: str, words: str) -> None:
    snr, real = np.array(realism.anchors.spectra["snr"]), np.array(realism.anchors.spectra[name])
    known = [i for i, one in enumerate(realism.like) if len(one.snr)]
    spread = np.array([np.percentile(getattr(realism.like[i], name), [2.5, 50, 97.5]) for i in known])
    after = f", {words}" if words else ""
    if len(known):
        low, middle, high = spread.T
        axes.errorbar(
            snr[known] * 1.04, middle, [middle - low, high - middle], fmt="s", color=colour, ms=4, mfc="none",
            lw=1, label=f"simulated{after}: median, 95 %",
        )  # fmt: skip
    face = REAL if colour == OURS else "none"
    axes.set_xscale("log")
    _plain_numbers(axes.xaxis)
    axes.plot(snr / 1.04, real, "o", color=REAL, mfc=face, ms=5, label=f"real spaxels{after}")


def draw_distribution(axes: Axes, realism: Realism, name: str, label: str, log: bool = False) -> None:
    """A column's cumulative distribution, real and simulated."""
    values, weights = realism.anchors.catalogue(name, realism.ifus)
    ours = np.sort(realism.galaxies[name].astype(float))
    axes.plot(values, np.cumsum(weights), color=REAL, lw=2.2, alpha=0.7, label="real catalogue")
    share = (np.arange(len(ours)) + 1) / len(ours)
    axes.step(ours, share, color=OURS, lw=1, where="post", label=f"simulated, {len(ours)}")
    axes.set(xlabel=label, ylabel="share of galaxies below")
    if log:
        axes.set_xscale("log")
        _plain_numbers(axes.xaxis)


def draw_bundles(axes: Axes, realism: Realism) -> None:
    """Shares of the bundle's sizes."""
    sizes, weights = realism.anchors.catalogue("ifusize", realism.ifus)
    real = [float(weights[sizes == size].sum()) for size in BUNDLES]
    ours = [float(np.mean(realism.galaxies["ifusize"] == size)) for size in BUNDLES]
    place = np.arange(len(BUNDLES))
    axes.bar(place - 0.2, real, 0.4, color=REAL, label="real catalogue")
    axes.bar(place + 0.2, ours, 0.4, color=OURS, hatch="//", edgecolor="white", label="simulated")
    axes.set_xticks(place, [str(size) for size in BUNDLES])
    axes.set(xlabel="fibres of the bundle", ylabel="share of galaxies")


def _plain_numbers(axis: Axis) -> None:
    """1, 2, 5, 10 along a logarithmic axis, without powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_formatter(NullFormatter())


def _figures(group: list[Measured], name: str) -> np.ndarray:
    return np.array([one.figures[name] for one in group])
