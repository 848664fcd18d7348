"""What the continuum is under emission lines: there it is never seen alone, but stars show it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.ndimage import shift as shift_by
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
SHIFTS = np.arange(-6, 6.1, 0.25)  # channels, by which the stars of a galaxy move: 400 km/s
MOVING = 14  # directions by which it is found
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
    and bluer, all moved as the spectrum's own, and in the gap the components become what says these fits
    best, least squares. Gaps off the stars' channels stay.

    Args:
        components: (component, wave) on the grid.
        amounts: (spectrum, component) of spectra with little noise.
        gaps: (wave,) bool.
        grid: at rest, of MaNGA's channels.
    """
    low, high = max(-grid.first, 0), min(MANGA_GRID.size - grid.first, grid.size)
    here = slice(low + grid.first, high + grid.first)
    of, gap = components[:, low:high].astype(np.float64), gaps[low:high]
    light = np.median(amounts @ of[:, ~gap], axis=1)
    bright = light > 0
    amounts = amounts[bright] / light[bright, None]
    spectra = amounts @ of
    square = amounts.T @ amounts
    hold = np.diag(HOLD * np.diag(square))
    filled = components.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], gap, [False]]).astype(int))).reshape(-1, 2)
    fits = np.zeros_like(spectra)
    by_shift = moved_by(spectra, ~gap, here)
    for at in np.unique(by_shift):
        own = by_shift == at
        made = moved(np.concatenate(broadened(WIDENED)), at)[:, here]
        for start, stop in edges:
            fits[own, start:stop] = filling(spectra[own], made, ~gap, slice(start, stop))
    for start, stop in edges:
        right = amounts.T @ fits[:, start:stop] + hold @ of[:, start:stop]
        filled[:, low + start : low + stop] = np.linalg.solve(square + hold, right)
    return filled


def filling(spectra: np.ndarray, made: np.ndarray, seen: np.ndarray, gap: slice) -> np.ndarray:
    """(spectrum, gap): what non-negative mixtures of `made` have there that fit the spectra around."""
    around = slice(max(gap.start - AROUND, 0), min(gap.stop + AROUND, len(seen)))
    away = (np.arange(len(seen))[around] - (gap.start + gap.stop - 1) / 2) / AROUND
    weight = np.exp(-0.5 * (away * AROUND / NEAR) ** 2) * seen[around]
    tilted = np.concatenate([made[:, around] * (1 + tilt * away) for tilt in (-TILT, TILT)])
    inside = tilted[:, gap.start - around.start : gap.stop - around.start]
    turned, triangle = np.linalg.qr((tilted * weight).T)
    told = spectra[:, around] * weight
    return np.asarray(np.stack([nnls(triangle, turned.T @ one)[0] for one in told]) @ inside)


def moved_by(spectra: np.ndarray, seen: np.ndarray, here: slice) -> np.ndarray:
    """(spectrum,): that of `SHIFTS` at which stars fit best, least squares, in the channels that are seen."""
    left = []
    for shift in SHIFTS:
        basis, _ = np.linalg.qr((moved(directions()[:MOVING], shift)[:, here] * seen).T)
        left.append(np.square(spectra * seen).sum(axis=1) - np.square(spectra @ basis).sum(axis=1))
    return np.asarray(SHIFTS[np.argmin(left, axis=0)])


def moved(spectra: np.ndarray, channels: float) -> np.ndarray:
    """Spectra moved to the red, (spectrum, wave)."""
    return np.asarray(shift_by(spectra, (0, channels), order=3, mode="nearest"))
