"""Pictures of a whole run: the map of the embedding, and how the training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cubesift.data.maps import EmbeddingMap
from cubesift.explore.figures import BLUE, INK, QUIET, SMALL, VERMILLION, plain
from cubesift.explore.lines import text_width

History = Mapping[str, np.ndarray]  # a column of history.csv: one value an epoch


@dataclass(frozen=True)
class Plane:
    """Where the galaxies lie on one map of the embedding."""

    title: str
    places: np.ndarray  # (n, 2)
    axes: tuple[str, str]  # what x and y are


def embedding_maps(planes: Sequence[Plane], redshift: np.ndarray, labels: Mapping[int, str]) -> Figure:
    """Maps of one embedding, all coloured by the same scale of redshift, some galaxies ringed and named.

    For the eye only: distances are measured in all latents, and one that stands out may not do so here.

    Args:
        planes: of the same galaxies in the same order.
        redshift: (n,), nan = not known, drawn grey.
        labels: row -> name, the most important first; every one is ringed, and named where there is room.
    """
    columns = min(len(planes), 3)
    rows = -(-len(planes) // columns)
    wide, high = 3.45 * columns + 0.85, 3.4 * rows
    figure = Figure(figsize=(wide, high))
    grid = figure.add_gridspec(
        rows, columns, left=0.55 / wide, right=1 - 0.85 / wide, top=1 - 0.3 / high, bottom=0.5 / high,
        wspace=0.24, hspace=0.32,
    )  # fmt: skip
    known = np.isfinite(redshift)
    for number, plane in enumerate(planes):
        axes, places = figure.add_subplot(grid[divmod(number, columns)]), plane.places
        axes.scatter(places[~known, 0], places[~known, 1], s=20, color="#b8c0c8", linewidths=0, zorder=2)
        drawn = axes.scatter(
            places[known, 0],
            places[known, 1],
            s=20,
            c=redshift[known],
            cmap="viridis",
            linewidths=0,
            zorder=3,
        )
        named = places[list(labels)].reshape(-1, 2)
        axes.scatter(
            named[:, 0], named[:, 1], s=75, facecolors="none", edgecolors=VERMILLION, linewidths=1.1, zorder=4
        )
        axes.margins(0.12)
        axes.autoscale_view()
        _name_points(axes, places, labels)
        axes.set_title(plane.title, fontsize=10, color=INK, loc="left")
        axes.set_xlabel(plane.axes[0], fontsize=SMALL, color=QUIET)
        axes.set_ylabel(plane.axes[1], fontsize=SMALL, color=QUIET, labelpad=2)
        axes.locator_params(nbins=5)
        plain(axes)
    if known.any():
        place = figure.add_axes((1 - 0.68 / wide, 0.5 / high, 0.12 / wide, 1 - 0.8 / high))
        bar = figure.colorbar(drawn, cax=place)
        bar.set_label("redshift of the catalogue", fontsize=SMALL, color=QUIET)
        bar.ax.tick_params(labelsize=SMALL, colors=QUIET, length=3)
        bar.outline.set_visible(False)
    return figure


NAMES = {
    "pca": "principal components",
    "isomap": "Isomap",
    "mds": "multidimensional scaling",
    "lle": "locally linear",
    "spectral": "spectral",
    "tsne": "t-SNE",
    "umap": "UMAP",
    "pacmap": "PaCMAP",
}


def plane_of(one: EmbeddingMap) -> Plane:
    """A map as it is drawn, with what its method found out beside it."""
    about, axes = one.about, ("first coordinate", "second coordinate")
    title = NAMES[about["method"]]
    if "shares" in about:
        first, second = about["shares"]
        axes = (f"first ({first:.0%} of the variance)", f"second ({second:.0%})")
    if "stress" in about:
        title += f", stress {about['stress']:.2f}"
    if about.get("pieces", 1) > 1:
        title += f", in {about['pieces']} pieces"
    return Plane(title, one.places, axes)


def training_curves(histories: Mapping[str, History]) -> Figure:
    """Loss and redshift error of each model over its epochs.

    Args:
        histories: name -> columns; of `epoch`, `train_loss`, `validation_loss`, `redshift_mse`,
            `constant_redshift_mse`, what is there is drawn.
    """
    figure = Figure(figsize=(11, 3.1 * len(histories)))
    height = 3.1 * len(histories)
    grid = figure.add_gridspec(
        len(histories),
        2,
        left=0.065,
        right=0.985,
        top=1 - 0.35 / height,
        bottom=0.5 / height,
        wspace=0.17,
        hspace=0.55,
    )
    for row, (name, history) in enumerate(histories.items()):
        epoch = history.get("epoch", np.arange(1, 1 + len(next(iter(history.values()), []))))
        loss, redshift = figure.add_subplot(grid[row, 0]), figure.add_subplot(grid[row, 1])
        _curves(
            loss,
            epoch,
            history,
            (("train_loss", "learned from", BLUE), ("validation_loss", "held out", VERMILLION)),
        )
        loss.set_title(f"{name}: reconstruction loss", fontsize=10, color=INK, loc="left")
        _curves(
            redshift, epoch, history,
            (
                ("redshift_mse", "predicted from the embedding", VERMILLION),
                ("constant_redshift_mse", "always the mean", QUIET),
            ),
        )  # fmt: skip
        redshift.set_title(f"{name}: mean squared error of the redshift", fontsize=10, color=INK, loc="left")
    return figure


def _curves(axes: Axes, epoch: np.ndarray, history: History, wanted: Sequence[tuple[str, str, str]]) -> None:
    shown = [(history[column], label, colour) for column, label, colour in wanted if column in history]
    shown = [(values, label, colour) for values, label, colour in shown if np.isfinite(values).any()]
    for values, label, colour in shown:
        marker = "o" if len(values) < 30 else None
        axes.plot(epoch, values, color=colour, linewidth=1.5, marker=marker, markersize=3.5, label=label)
    plain(axes)
    axes.set_xlabel("epoch", fontsize=SMALL, color=QUIET)
    if not shown:
        axes.text(
            0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=QUIET, fontsize=SMALL
        )
        return
    values = np.concatenate([values for values, *_ in shown])
    values = values[np.isfinite(values)]
    if values.min() > 0 and values.max() > 5 * values.min():
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK)


def _name_points(axes: Axes, places: np.ndarray, labels: Mapping[int, str]) -> None:
    """Write each name beside its point, where it covers neither a name nor a point; else leave it out."""
    pixel = 72 / axes.figure.dpi  # points
    points = axes.transData.transform(places) * pixel
    frame = axes.get_window_extent()
    bounds = (frame.x0 * pixel, frame.x1 * pixel, frame.y0 * pixel, frame.y1 * pixel)
    taken: list[tuple[float, float, float, float]] = []
    for row, label in labels.items():
        width, height = text_width(label, SMALL) + 2, SMALL + 1
        x, y = points[row]
        for left, low in _around(x, y, width, height):
            box = (left, left + width, low, low + height)
            inside = bounds[0] < box[0] and box[1] < bounds[1] and bounds[2] < box[2] and box[3] < bounds[3]
            others = np.delete(points, row, axis=0)
            covers = (
                (others[:, 0] > box[0] - 4) & (others[:, 0] < box[1] + 4)
                & (others[:, 1] > box[2] - 4) & (others[:, 1] < box[3] + 4)
            )  # fmt: skip
            clash = any(box[0] < b[1] and b[0] < box[1] and box[2] < b[3] and b[2] < box[3] for b in taken)
            if inside and not clash and not covers.any():
                axes.annotate(
                    label, places[row], (left - x, low - y), textcoords="offset points",
                    fontsize=SMALL, color=INK, va="bottom", zorder=5,
                )  # fmt: skip
                taken.append(box)
                break


def _around(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    """Lower left corners of a label about a point, the best first, in points."""
    near, far = 8.0, 16.0
    return [
        (x + near, y - height / 2), (x - near - width, y - height / 2),
        (x - width / 2, y + near), (x - width / 2, y - near - height),
        (x + near, y + near / 2), (x - near - width, y + near / 2),
        (x + near, y - near / 2 - height), (x - near - width, y - near / 2 - height),
        (x - width / 2, y + far), (x - width / 2, y - far - height),
    ]  # fmt: skip
