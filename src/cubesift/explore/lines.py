"""Spectral lines to mark on a spectrum, and labels that do not overlap."""
# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

LABEL_SIZE = 8.0  # points


@dataclass(frozen=True)
class Line:
    """A line, or a few that stand so close that they share a label."""

    label: str
    wavelengths: tuple[float, ...]  # angstrom, vacuum, at rest
    emission: bool = True


# Those that tell most come first: where there is no room, the last go without a name.
# Emission: vacuum wavelengths of MaNGA's data analysis pipeline; absorption: SDSS's table of lines, vacuum.
LINES = (
    Line("Hα [N II]", (6549.86, 6564.61, 6585.27)),
    Line("[O III]", (4960.30, 5008.24)),
    Line("[O II]", (3727.09, 3729.88)),
    Line("Hβ", (4862.68,)),
    Line("Mg b", (5176.7,), emission=False),
    Line("Na D", (5895.6,), emission=False),
    Line("[S II]", (6718.30, 6732.67)),
    Line("K", (3934.78,), emission=False),
    Line("H", (3969.59,), emission=False),
    Line("[S III]", (9071.1, 9533.2)),
    Line("Hγ", (4341.68,)),
    Line("Hδ", (4102.89,)),
    Line("[O I]", (6302.05,)),
    Line("[Ar III]", (7137.76,)),
    Line("[Ne III]", (3869.86,)),
    Line("He II", (4687.02,)),
    Line("He I", (5877.25,)),
)
MOST_ROWS = 2  # of names above a spectrum
APART = 4.0  # points between two names
EMISSION, ABSORPTION = "#7a8794", "#b9a07a"


def mark_lines(axes: Axes, redshift: float, width: float, named: bool = True) -> None:
    """Thin lines at every line within the axes, and above them the names that two rows have room for.

    Args:
        axes: with its x limits (angstrom) set.
        redshift: 0 where the wavelengths are at rest.
        width: of the axes, in points.
        named: whether the names are written.
    """
    left, right = axes.get_xlim()
    gap = APART / width * (right - left)
    spans: list[tuple[float, float]] = []
    labels = []
    for line in LINES:
        shown = [wave * (1 + redshift) for wave in line.wavelengths if left < wave * (1 + redshift) < right]
        if not shown:
            continue
        colour = EMISSION if line.emission else ABSORPTION
        for wave in shown:
            axes.axvline(wave, color=colour, linewidth=0.6, alpha=0.55, zorder=0)
        if not named:
            continue
        half = text_width(line.label) / width * (right - left) / 2
        # A label near the edge moves in, so that it does not stand out over the axes.
        middle = min(max(sum(shown) / len(shown), left + half), right - half)
        span = (middle - half, middle + half)
        if max(rows_apart([*spans, span], gap)) < MOST_ROWS:
            spans.append(span)
            labels.append((middle, line.label, colour))
    for (middle, label, colour), row in zip(labels, rows_apart(spans, gap), strict=True):
        axes.annotate(
            label,
            (middle, 1),
            (0, 3 + row * (LABEL_SIZE + 2.5)),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=LABEL_SIZE,
            color=colour,
            annotation_clip=False,
        ).set_gid("line")


def rows_apart(spans: Sequence[tuple[float, float]], gap: float) -> list[int]:
    """A row for every span (left, right), the lowest in which it keeps `gap` to the one before."""
    ends: list[float] = []
    rows = [0] * len(spans)
    for index in sorted(range(len(spans)), key=lambda one: spans[one][0]):
        left, right = spans[index]
        row = next((number for number, end in enumerate(ends) if left >= end + gap), len(ends))
        ends[row : row + 1] = [right]
        rows[index] = row
    return rows


@cache
def text_width(label: str, size: float = LABEL_SIZE) -> float:
    """Width of a text in points, in the figures' font."""
    return float(TextPath((0, 0), label, size=size, prop=FontProperties()).get_extents().width)
