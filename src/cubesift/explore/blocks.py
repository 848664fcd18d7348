"""Figures 2b to 2d of the paper: what a network is built of, with the sizes that were used."""
# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle

from cubesift.explore.figures import BLUE, GREEN, INK, ORANGE, QUIET, SMALL


@dataclass(frozen=True)
class Network:
    """What of a model's settings its drawing shows."""

    name: str
    system: str
    side: int  # spaxels of the samples
    channels: int  # of wavelength
    components: int  # that a spectrum is compressed to before; 0 = it is not
    filters: tuple[int, ...]  # of each block, one block per halving of the side
    latent: int  # channels of the 4 x 4 embedding
    pooling: str  # "average" or "max"
    unpooling: str  # "resize" or "transposed"

    def sizes(self) -> list[str]:
        """The encoder's maps, spaxels first: of its input, after each block, and the embedding."""
        side, found = self.side, [f"{self.side}×{self.side}×{self.channels:,}"]
        if self.components:
            found.append(f"{side}×{side}×{self.components}")
        # Convolved along the spectrum too, a filter keeps many steps of wavelength, up to the embedding.
        steps = "×steps" if self.system in ("cae3d", "cae1d2d") else ""
        for filters in self.filters:
            side //= 2
            found.append(f"{side}×{side}×{filters}{steps}")
        return [*found, f"{side}×{side}×{self.latent}"]


def building_blocks(networks: Sequence[Network]) -> Figure:
    """Convolution, transposed convolution, pooling and unpooling on small grids; below, each network's sizes.

    The input is the blue grid below, the output the green one above, as in Dumoulin & Visin (2016), whose
    drawings the paper borrows.

    Args:
        networks: one or more; the first one's pooling and unpooling are drawn.
    """
    high = 3.3 + 0.42 * len(networks)
    figure = Figure(figsize=(11, high))
    grid = figure.add_gridspec(
        1, 4, left=0.02, right=0.98, top=1 - 0.1 / high, bottom=1 - 3.1 / high, wspace=0.1
    )
    first = networks[0]
    panels = [figure.add_subplot(grid[column]) for column in range(4)]
    _two_grids(
        panels[0], 5, 5, (1, 1, 3), (2, 2, 1), "(b) convolution",
        "3×3 weights, edges padded\nwith 0: the side stays",
    )  # fmt: skip
    _two_grids(
        panels[1], 5, 5, (2, 2, 1), (1, 1, 3), "(c) transposed convolution",
        "each input is spread by\n3×3 weights: the way back",
    )  # fmt: skip
    numbers = np.array([[1, 3, 2, 0], [5, 3, 2, 4], [0, 2, 7, 1], [2, 0, 1, 3]], float)
    quarters = numbers.reshape(2, 2, 2, 2)
    pooled = quarters.mean(axis=(1, 3)) if first.pooling == "average" else quarters.max(axis=(1, 3))
    what = "mean" if first.pooling == "average" else "largest"
    _two_grids(
        panels[2], 4, 2, (0, 0, 2), (0, 0, 1), f"(d) {first.pooling} pooling",
        f"the {what} of each 2×2:\nthe side is halved", numbers, pooled,
    )  # fmt: skip
    if first.unpooling == "resize":
        said = "each value twice along each\nside, then (b) blends them"
        _two_grids(
            panels[3],
            2,
            4,
            (0, 0, 1),
            (0, 0, 2),
            "unpooling: resize",
            said,
            pooled,
            np.kron(pooled, np.ones((2, 2))),
        )
    else:
        said = "(c) with a step of 2:\nzeros between the inputs"
        _two_grids(panels[3], 2, 4, (0, 0, 1), (0, 0, 3), "unpooling: transposed", said)
    for row, network in enumerate(networks):
        steps = "  →  ".join(network.sizes())
        above = (3.2 + 0.42 * (row + 0.5)) / high
        figure.text(
            0.03, 1 - above, network.name, fontsize=SMALL + 1, fontweight="bold", color=INK, va="center"
        )
        said = f"{network.system}:  {steps}   and back"
        figure.text(0.14, 1 - above, said, fontsize=SMALL + 1, color=INK, va="center")
    return figure


def _two_grids(
    axes: Axes,
    below: int,
    above: int,
    taken: tuple[int, int, int],
    given: tuple[int, int, int],
    title: str,
    said: str,
    numbers: np.ndarray | None = None,
    results: np.ndarray | None = None,
) -> None:
    """An input grid below and an output grid above; `taken` and `given` are x, y, side of what is joined."""
    cell = 1.0
    lift = below + 1.6
    for side, low, colour, (x, y, size), values in (
        (below, 0.0, BLUE, taken, numbers),
        (above, lift, GREEN, given, results),
    ):
        left = -side / 2
        for row in range(side):
            for column in range(side):
                inside = x <= column < x + size and y <= row < y + size
                corner = (left + column * cell, low + row * cell)
                axes.add_patch(
                    Rectangle(
                        corner, 1, 1, facecolor=colour, alpha=0.75 if inside else 0.22, edgecolor="white"
                    )
                )
                if values is not None:
                    said_value = f"{values[row, column]:g}"
                    middle = (corner[0] + 0.5, corner[1] + 0.5)
                    axes.text(*middle, said_value, ha="center", va="center", fontsize=SMALL - 1, color=INK)
    for edge in (0, 1):
        start = (-below / 2 + taken[0] + edge * taken[2], taken[1] + taken[2])
        end = (-above / 2 + given[0] + edge * given[2], lift + given[1])
        axes.add_patch(
            ConnectionPatch(start, end, "data", "data", color=ORANGE, linewidth=1.2, linestyle=(0, (3, 2)))
        )
    top = lift + above
    axes.set_xlim(-5.2, 5.2)
    axes.set_ylim(-3.0, 13.2)
    axes.set_aspect("equal")
    axes.text(0, 12.0, title, ha="center", fontsize=10, color=INK)
    axes.text(0, -0.6, said, ha="center", va="top", fontsize=SMALL, color=QUIET, linespacing=1.25)
    for length, height in ((below, below / 2), (above, (lift + top) / 2)):
        text = f"{length}×{length}"
        axes.text(length / 2 + 0.3, height, text, va="center", fontsize=SMALL - 0.5, color=QUIET)
    axes.set_axis_off()
