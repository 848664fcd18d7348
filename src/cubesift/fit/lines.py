"""Which emission lines a spaxel's code has, and which of them go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from cubesift.data.wavelength import WavelengthGrid

REACH = 16  # channels: 1,100 km/s to each side; beyond, a line is taken to have no light

# Each flux of a code stands for one line or for several whose ratios hardly change. Vacuum angstrom (NIST);
# ratios: Storey & Zeippen (2000) for [O III] and [N II], case B at 10,000 K and 100 per cm3 for hydrogen,
# over Hdelta, and helium, over 5877 (Osterbrock & Ferland 2006), the others from their transition rates.
LINES: Mapping[str, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        "OII3727": ((3727.09, 1.0),),
        "OII3729": ((3729.88, 1.0),),
        "NeIII3870": ((3869.86, 1.0), (3968.59, 0.30)),
        "Hdelta": (
            (4102.89, 1.0),
            (3971.20, 0.614),
            (3890.15, 0.405),
            (3836.47, 0.282),
            (3798.98, 0.205),
            (3771.70, 0.153),
            (3751.22, 0.118),
        ),
        "Hgamma": ((4341.68, 1.0),),
        "Hbeta": ((4862.68, 1.0),),
        "OIII5008": ((5008.24, 1.0), (4960.30, 0.336)),
        "HeI5877": ((5877.25, 1.0), (4472.73, 0.35), (3889.75, 0.67), (6679.99, 0.28), (7067.66, 0.18)),
        "OI6302": ((6302.05, 1.0), (6365.54, 0.32)),
        "Halpha": ((6564.61, 1.0),),
        "NII6585": ((6585.27, 1.0), (6549.86, 0.328)),
        "SII6718": ((6718.30, 1.0),),
        "SII6732": ((6732.67, 1.0),),
        "ArIII7138": ((7137.76, 1.0), (7753.24, 0.24)),
        "SIII9533": ((9533.20, 1.0), (9071.10, 0.405)),
    }
)
NAMES = tuple(LINES)
HARD = ("NeIII3870", "OIII5008")  # by ions that a nucleus makes: they move and spread as they like
GUIDES = (
    "OII3729",
    "Hbeta",
    "OIII5008",
    "Halpha",
    "NII6585",
    "SII6718",
)  # a velocity is first sought in these


@dataclass(frozen=True)
class Line:
    """One line on a grid."""

    of: int  # place of its flux in a code
    rest: float  # angstrom in vacuum
    ratio: float  # to that flux
    channels: slice  # of the grid, where it may have light
    window: slice  # the same channels among those of `Windows.channels`

    @property
    def hard(self) -> bool:
        """Whether it is of an ion that may have a velocity and a width of its own."""
        return NAMES[self.of] in HARD


@dataclass(frozen=True)
class Block:
    """Channels next to each other, and the lines that have light in them: elsewhere these have none."""

    window: slice  # of `Windows.channels`
    fluxes: tuple[int, ...]  # places in a code
    hard: bool  # whether there is a line of a hard ion


@dataclass(frozen=True)
class Windows:
    """The channels of a grid at rest in which lines may have light, and the lines on it."""

    channels: np.ndarray  # (window,) int, sorted, each once
    lines: tuple[Line, ...]
    angstrom: np.ndarray  # (window,), width of a channel

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The channels in pieces without a gap, so that products need not be taken of zeros."""
        starts = np.flatnonzero(np.diff(self.channels, prepend=self.channels[0] - 2) > 1).tolist()
        found = []
        for start, stop in pairwise([*starts, len(self.channels)]):
            within = [line for line in self.lines if start <= line.window.start < stop]
            fluxes = sorted({line.of for line in within})
            found.append(Block(slice(start, stop), tuple(fluxes), any(line.hard for line in within)))
        return tuple(found)


@cache
def windows(grid: WavelengthGrid) -> Windows:
    """Where the lines are on a grid at rest; lines off the grid are left out."""
    spans = []
    for of, together in enumerate(LINES.values()):
        for rest, ratio in together:
            middle = int(np.rint(grid.channel(rest)))
            if 0 <= middle < grid.size:
                spans.append((of, rest, ratio, max(middle - REACH, 0), min(middle + REACH + 1, grid.size)))
    channels = np.unique(np.concatenate([np.arange(low, high) for *_, low, high in spans]))
    lines = []
    for of, rest, ratio, low, high in spans:
        start = int(np.searchsorted(channels, low))
        lines.append(Line(of, rest, ratio, slice(low, high), slice(start, start + high - low)))
    edges = grid.wave * 10 ** (0.5e-4 * grid.width) - grid.wave * 10 ** (-0.5e-4 * grid.width)
    return Windows(channels, tuple(lines), edges[channels])


def near_lines(grid: WavelengthGrid, within: int) -> np.ndarray:
    """(wave,) bool: channels of a grid at rest up to `within` from the middle of a line."""
    near = np.zeros(grid.size, bool)
    for line in windows(grid).lines:
        middle = int(np.rint(grid.channel(line.rest)))
        near[max(middle - within, 0) : middle + within + 1] = True
    return near
