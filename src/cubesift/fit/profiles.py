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
    at: Setting, velocity: np.ndarray, sigma: np.ndarray
) -> Iterator[tuple[Line, np.ndarray, np.ndarray, np.ndarray]]:
    """Each line with unit flux times its ratio, as (line, profile, channels from its middle, its sigma).

    Args:
        at: the grid and the redshift.
        velocity: (spaxel,) km/s, from the galaxy's redshift.
        sigma: (spaxel,) km/s, of the gas, without the spectrograph's own.

    Yields:
        Profile (spaxel, channel) per angstrom at rest, distance in units of the line's sigma, (spaxel,
        channel), and that sigma, (spaxel,) in channels.
    """
    channel = CHANNEL * at.grid.width
    for line in at.windows.lines:
        own = float(line_spread(at.instrument, line.rest * (1 + at.redshift)))
        middle = at.grid.channel(line.rest * (1 + velocity / SPEED_OF_LIGHT)) + at.fraction / at.grid.width
        width = np.sqrt(sigma**2 + own**2) / channel
        channels = np.arange(line.channels.start, line.channels.stop)
        away = ((channels - middle[:, None]) / width[:, None]).astype(np.float32)
        height = line.ratio / np.sqrt(2 * np.pi) / width
        profile = np.exp(-0.5 * away**2) * height[:, None].astype(np.float32)
        profile /= at.windows.angstrom[line.window].astype(np.float32)
        yield line, profile, away, width


def line_profiles(at: Setting, velocity: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """(spaxel, window, line) float32, per angstrom: each flux of a code as 1, at a velocity and a width."""
    profiles = np.zeros((len(velocity), len(at.windows.channels), len(NAMES)), np.float32)
    for line, profile, _, _ in unit_lines(at, velocity, sigma):
        profiles[:, line.window, line.of] += profile
    return profiles


def with_slopes(at: Setting, velocity: np.ndarray, sigma: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """`line_profiles`, and behind them what all lines together change by per km/s of velocity and of sigma.

    Args:
        at: the grid and the redshift.
        velocity: (spaxel,) km/s.
        sigma: (spaxel,) km/s.
        flux: (spaxel, line) with which the slopes are taken.

    Returns:
        (spaxel, window, line + 2) float32.
    """
    lines = len(NAMES)
    columns = np.zeros((len(velocity), len(at.windows.channels), lines + 2), np.float32)
    channel = CHANNEL * at.grid.width
    for line, profile, away, width in unit_lines(at, velocity, sigma):
        columns[:, line.window, line.of] += profile
        profile *= flux[:, line.of, None].astype(np.float32)
        by_velocity = 1 / (channel * width)
        by_sigma = sigma / (channel * width) ** 2
        columns[:, line.window, lines] += profile * away * by_velocity[:, None].astype(np.float32)
        columns[:, line.window, lines + 1] += profile * (away**2 - 1) * by_sigma[:, None].astype(np.float32)
    return columns
