"""The figure of `ablations.py`: what each switch changes, a panel for each measure."""
# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.ablations.table import MEASURES, Changes, Switch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from cubesift.data.store import written_beside

# Wong (2011), Nature Methods 8, 441: told apart by the colour-blind, and by their marks.
MARKS = {"pca2d": ("#0072b2", "o"), "cae2d": ("#d55e00", "s")}
# Of an axis of ratios, from coarse to fine: the first of these that has three within it.
TICKS = (
    (0.01, 0.1, 1, 10, 100),
    (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50),
    (0.5, 0.7, 1, 1.4, 2, 3),
    (0.8, 0.9, 1, 1.1, 1.2, 1.3),
    (0.96, 0.98, 1, 1.02, 1.04),
)
AXES = {
    "mae": "summed MAE,\ntimes the base's",
    "error": "error against the truth,\ntimes the base's",
    "halpha": "Hα kept,\npoints above the base's per cent",
    "redshift": "redshift MSE,\ntimes the base's",
}


def draw(found: Mapping[str, Changes], switches: Mapping[str, Switch], path: Path) -> None:
    """Write the figure: base -> its switches -> what they change."""
    names = [name for name in switches if any(name in changes for changes in found.values())]
    figure = Figure(figsize=(11.0, 1.5 + 0.3 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(MEASURES), sharey=True)
    for axes, measure in zip(panels, MEASURES, strict=True):
        draw_panel(axes, measure, names, found)
    panels[0].set_yticks(range(len(names)), [switches[name].words for name in names])
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    labels[-1] += "  (hollow: no change lies within the 95 % interval)"
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False, fontsize=9)
    with written_beside(path) as partial:
        figure.savefig(partial, format="png", dpi=150, metadata={"Software": None})


def draw_panel(axes: Axes, measure: str, names: list[str], found: Mapping[str, Changes]) -> None:
    """One measure; filled marks differ from the base, hollow ones may not."""
    for number, (base, changes) in enumerate(found.items()):
        colour, mark = MARKS[base]
        for place, name in enumerate(names):
            change = changes.get(name, {}).get(measure)
            if change is None:
                continue
            ends = [change.low, change.value, change.high]
            if measure != "halpha":
                ends = [1 + one / 100 for one in ends]
            y = place + (number - (len(found) - 1) / 2) * 0.3
            axes.plot([ends[0], ends[2]], [y, y], color=colour, linewidth=1.3, zorder=2)
            fill = colour if change.certain else "white"
            axes.plot(ends[1], y, mark, color=colour, markerfacecolor=fill, markersize=5, zorder=3)
        axes.plot([], [], mark + "-", color=colour, markersize=5, label=base)
    axes.axvline(0 if measure == "halpha" else 1, color="#6b7684", linewidth=0.8, zorder=1)
    if measure != "halpha":
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        within = ([one for one in ticks if low < one < high] for ticks in TICKS)
        axes.xaxis.set_major_locator(FixedLocator(next((ticks for ticks in within if len(ticks) > 2), [1])))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    axes.set_xlabel(AXES[measure], fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="#e3e7eb", linewidth=0.6, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
