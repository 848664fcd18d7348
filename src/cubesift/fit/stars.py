"""What the continuum is under emission lines: there it is never seen alone, but stars show it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import nnls

from cubesift.data.wavelength import MANGA_GRID, WavelengthGrid

BROADENED = (
    0.0,
    1.5,
    3.0,
    4.5,
)  # channels of sigma by which the stars are also given: stars in galaxies move
TILTED = 3  # each star times a constant, a slope and a curve, for what dust does
KEPT = 1e-5  # directions of the stars weaker than this part of the strongest are left out
WIDENED = (0.0, 2.0, 4.0)  # the same, of the stars that fill gaps
NEAR = 350.0  # channels around a gap from which mostly is told what is in it ...
AROUND = 450  # ... and those that are looked at
TILT = 0.7  # how much redder and bluer than the stars a spectrum may be at their ends: dust, calibration
HOLD = 1e-3  # of the spectra's weight: components stay as they are where these do not tell


@cache
def stars() -> np.ndarray:
    """(star, wave) float64 on MaNGA's grid, median 1: the 65 MaStar stacks (Yan+2019), ends repeated."""
    path = files("cubesift.fit") / "templates" / "stars.npz"
    with path.open("rb") as file, np.load(file) as stored:
        flux, before = stored["flux"].astype(np.float64), int(stored["first"])
    return np.pad(flux, ((0, 0), (before, MANGA_GRID.size - before - flux.shape[1])), mode="edge")


def broadened(widths: Sequence[float]) -> list[np.ndarray]:
    """The stars by each of these sigmas, channels: (star, wave) each."""
    return [gaussian_filter1d(stars(), width, axis=1) if width else stars() for width in widths]


@cache
def directions() -> np.ndarray:
    """(direction, wave): what spectra made of stars look like, strongest first, each as strong as likely."""
    along = np.linspace(-1, 1, MANGA_GRID.size)
    tilts = [np.polynomial.legendre.Legendre.basis(order)(along) for order in range(TILTED)]
    made = np.concatenate([one * tilt for one in broadened(BROADENED) for tilt in tilts])
    power, mixed = np.linalg.eigh(made @ made.T)
    strength = np.sqrt(np.maximum(power[::-1], 0))
    kept = strength > KEPT * strength[0]
    found = (mixed[:, ::-1][:, kept] / strength[kept]).T @ made
    return np.asarray(found * np.sqrt(strength[kept] / strength[0])[:, None])


def filled_by_stars(
    components: np.ndarray, amounts: np.ndarray, gaps: np.ndarray, grid: WavelengthGrid
) -> np.ndarray:
    """Components whose gaps hold the continuum of stars that agrees with them around.

    A component is no mixture of stars, but a spectrum is, and none of its stars is negative (Cappellari &
    Emsellem 2004): around every gap some spectra are fitted by stars, as they are and broadened, each redder
    and bluer, and in the gap the components become what says these fits best, least squares. Gaps off the
    stars' channels stay.

    Args:
        components: (component, wave) on the grid.
        amounts: (spectrum, component) of spectra with little noise.
        gaps: (wave,) bool.
        grid: at rest, of MaNGA's channels.
    """
    low, high = max(-grid.first, 0), min(MANGA_GRID.size - grid.first, grid.size)
    made = np.concatenate(broadened(WIDENED))[:, low + grid.first : high + grid.first]
    of, gap = components[:, low:high].astype(np.float64), gaps[low:high]
    light = np.median(amounts @ of[:, ~gap], axis=1)
    bright = light > 0
    amounts = amounts[bright] / light[bright, None]
    spectra = amounts @ of
    square = amounts.T @ amounts
    hold = np.diag(HOLD * np.diag(square))
    filled = components.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], gap, [False]]).astype(int)))
    for start, stop in edges.reshape(-1, 2):
        around = slice(max(start - AROUND, 0), min(stop + AROUND, high - low))
        away = (np.arange(high - low)[around] - (start + stop - 1) / 2) / AROUND
        weight = np.exp(-0.5 * (away * AROUND / NEAR) ** 2) * ~gap[around]
        tilted = np.concatenate([made[:, around] * (1 + tilt * away) for tilt in (-TILT, TILT)])
        inside = tilted[:, start - around.start : stop - around.start]
        told = spectra[:, around] * weight
        turned, triangle = np.linalg.qr((tilted * weight).T)
        fits = np.stack([nnls(triangle, turned.T @ one)[0] for one in told]) @ inside
        right = amounts.T @ fits + hold @ of[:, start:stop]
        filled[:, low + start : low + stop] = np.linalg.solve(square + hold, right)
    return filled
