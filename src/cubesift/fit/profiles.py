"""Lines as the spectrograph shows them: Gaussians that share a velocity and a width, and their slopes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cubesift.data.linespread import line_spread
from cubesift.data.wavelength import SPEED_OF_LIGHT, STEP, WavelengthGrid
from cubesift.fit.lines import NAMES, Line, Windows, windows

CHANNEL = SPEED_OF_LIGHT * np.log(10) * STEP  # km/s of one channel of MaNGA's lattice


@dataclass(frozen=True)
class Setting:
    """How a galaxy's spectra lie on the grid at rest."""

    grid: WavelengthGrid
    redshift: float  # that they were shifted by
    fraction: float  # of a channel that the shift left over, see `data.wavelength.redshift_channels`
    instrument: str = "MaNGA"

    @property
    def windows(self) -> Windows:
        """Where lines may have light."""
        return windows(self.grid)


def unit_lines(
    at: Setting, velocity: np.ndarray, sigma: np.ndarray, hard: np.ndarray | None = None
) -> Iterator[tuple[Line, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Each line with unit flux times its ratio, how it lies on the channels, and how wide it is.

    Args:
        at: the grid and the redshift.
        velocity: (spaxel,) km/s, from the galaxy's redshift.
        sigma: (spaxel,) km/s, of the gas, without the spectrograph's own.
        hard: (spaxel, 2) km/s, by which velocity and sigma of `lines.HARD` exceed those; None = not at all.

    Yields:
        Profile (spaxel, channel) per angstrom at rest, distance in units of the line's sigma, (spaxel,
        channel), that sigma, (spaxel,) in channels, and the gas's, km/s.
    """
    channel = CHANNEL * at.grid.width
    for line in at.windows.lines:
        moved, wide = velocity, sigma
        if line.hard and hard is not None:
            moved, wide = velocity + hard[:, 0], sigma + hard[:, 1]
        own = float(line_spread(at.instrument, line.rest * (1 + at.redshift)))
        middle = at.grid.channel(line.rest * (1 + moved / SPEED_OF_LIGHT)) + at.fraction / at.grid.width
        width = np.sqrt(wide**2 + own**2) / channel
        channels = np.arange(line.channels.start, line.channels.stop)
        away = ((channels - middle[:, None]) / width[:, None]).astype(np.float32)
        height = line.ratio / np.sqrt(2 * np.pi) / width
        profile = np.exp(-0.5 * away**2) * height[:, None].astype(np.float32)
        profile /= at.windows.angstrom[line.window].astype(np.float32)
        yield line, profile, away, width, wide


def line_profiles(
    at: Setting, velocity: np.ndarray, sigma: np.ndarray, hard: np.ndarray | None = None
) -> np.ndarray:
    """(spaxel, line, window) float32, per angstrom: each flux of a code as 1, at a velocity and a width."""
    profiles = np.zeros((len(velocity), len(NAMES), len(at.windows.channels)), np.float32)
    for line, profile, *_ in unit_lines(at, velocity, sigma, hard):
        profiles[:, line.of, line.window] += profile
    return profiles


def with_slopes(
    at: Setting, velocity: np.ndarray, sigma: np.ndarray, hard: np.ndarray, flux: np.ndarray
) -> np.ndarray:
    """`line_profiles`, and behind them what the lines together change by per km/s.

    Of velocity and of sigma, which all lines follow, and of the two by which hard ions exceed them.

    Args:
        at: the grid and the redshift.
        velocity: (spaxel,) km/s.
        sigma: (spaxel,) km/s.
        hard: (spaxel, 2) km/s.
        flux: (spaxel, line) with which the slopes are taken.

    Returns:
        (spaxel, line + 4, window) float32.
    """
    lines = len(NAMES)
    columns = np.zeros((len(velocity), lines + 4, len(at.windows.channels)), np.float32)
    channel = CHANNEL * at.grid.width
    for line, profile, away, width, wide in unit_lines(at, velocity, sigma, hard):
        columns[:, line.of, line.window] += profile
        profile *= flux[:, line.of, None].astype(np.float32)
        by_velocity = profile * away * (1 / (channel * width))[:, None].astype(np.float32)
        by_sigma = profile * (away**2 - 1) * (wide / (channel * width) ** 2)[:, None].astype(np.float32)
        for first in (0, 2) if line.hard else (0,):
            columns[:, lines + first, line.window] += by_velocity
            columns[:, lines + first + 1, line.window] += by_sigma
    return columns
