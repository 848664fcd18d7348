"""Pictures of a whole run: the map of the embedding, and how the training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cubesift.explore.figures import BLUE, INK, QUIET, SMALL, VERMILLION, plain
from cubesift.explore.lines import text_width

History = Mapping[str, np.ndarray]  # a column of history.csv: one value an epoch


def embedding_map(vectors: np.ndarray, redshift: np.ndarray, labels: Mapping[int, str]) -> Figure:
    """The first two principal components of the embedding, coloured by redshift, some galaxies named.

    For the eye only: distances are measured in all latents, and one that stands out may not do so here.

    Args:
        vectors: (n, latent), of one fold.
        redshift: (n,), nan = not known, drawn grey.
        labels: row -> name, the most important first.
    """
    places, share = principal_plane(vectors)
    figure = Figure(figsize=(8.2, 5.6))
    axes = figure.add_axes((0.085, 0.1, 0.77, 0.87))
    known = np.isfinite(redshift)
    axes.scatter(places[~known, 0], places[~known, 1], s=26, color="#b8c0c8", linewidths=0, zorder=2)
    drawn = axes.scatter(
        places[known, 0], places[known, 1], s=26, c=redshift[known], cmap="viridis", linewidths=0, zorder=3
    )
    named = places[list(labels)].reshape(-1, 2)
    axes.scatter(named[:, 0], named[:, 1], s=95, facecolors="none", edgecolors=INK, linewidths=1.0, zorder=4)
    axes.margins(0.1)
    axes.autoscale_view()
    _name_points(axes, places, labels)
    axes.set_xlabel(f"first component ({share[0]:.0%} of the variance)", fontsize=SMALL + 0.5, color=QUIET)
    axes.set_ylabel(f"second component ({share[1]:.0%})", fontsize=SMALL + 0.5, color=QUIET)
    plain(axes)
    if known.any():
        bar = figure.colorbar(drawn, cax=figure.add_axes((0.88, 0.1, 0.018, 0.87)))
        bar.set_label("redshift of the catalogue", fontsize=SMALL, color=QUIET)
        bar.ax.tick_params(labelsize=SMALL, colors=QUIET, length=3)
        bar.outline.set_visible(False)
    return figure


def principal_plane(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (n, 2) in the first two principal components, and their shares of the variance (2,)."""
    centred = vectors.astype(float) - vectors.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    count = min(2, len(size))
    places, share = np.zeros((len(vectors), 2)), np.zeros(2)
    places[:, :count] = left[:, :count] * size[:count]
    share[:count] = size[:count] ** 2 / max(float((size**2).sum()), 1e-300)
    return places, share


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
