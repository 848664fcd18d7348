"""What the continuum is under emission lines: there it is never seen alone, but stars show it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from scipy.ndimage import gaussian_filter1d

from cubesift.data.wavelength import MANGA_GRID, WavelengthGrid

BROADENED = (
    0.0,
    1.5,
    3.0,
    4.5,
)  # channels of sigma by which the stars are also given: stars in galaxies move
TILTED = 3  # each star times a constant, a slope and a curve, for what dust does
KEPT = 1e-5  # directions of the stars weaker than this part of the strongest are left out
NEAR = 300.0  # channels around a gap from which mostly is told what is in it ...
FAR = 0.02  # ... and how much all others count beside
PENALTIES = 10.0 ** np.arange(-7, 1.1, 0.5)


@cache
def stars() -> np.ndarray:
    """(star, wave) float64 on MaNGA's grid, median 1: the 65 MaStar stacks (Yan+2019), ends repeated."""
    path = files("cubesift.fit") / "templates" / "stars.npz"
    with path.open("rb") as file, np.load(file) as stored:
        flux, before = stored["flux"].astype(np.float64), int(stored["first"])
    return np.pad(flux, ((0, 0), (before, MANGA_GRID.size - before - flux.shape[1])), mode="edge")


@cache
def directions() -> np.ndarray:
    """(direction, wave): what spectra made of stars look like, strongest first, each as strong as likely."""
    along = np.linspace(-1, 1, MANGA_GRID.size)
    tilts = [np.polynomial.legendre.Legendre.basis(order)(along) for order in range(TILTED)]
    broadened = [gaussian_filter1d(stars(), width, axis=1) if width else stars() for width in BROADENED]
    made = np.concatenate([one * tilt for one in broadened for tilt in tilts])
    power, mixed = np.linalg.eigh(made @ made.T)
    strength = np.sqrt(np.maximum(power[::-1], 0))
    kept = strength > KEPT * strength[0]
    found = (mixed[:, ::-1][:, kept] / strength[kept]).T @ made
    return np.asarray(found * np.sqrt(strength[kept] / strength[0])[:, None])


def filled_by_stars(components: np.ndarray, gaps: np.ndarray, grid: WavelengthGrid) -> np.ndarray:
    """Spectra whose gaps hold what mixtures of stars have there that agree with them around.

    Ridge regression, weighted towards the gap; its penalty is chosen for every gap and spectrum by
    generalised cross-validation (Golub, Heath & Wahba 1979). Gaps off the stars' channels stay.

    Args:
        components: (component, wave) on the grid.
        gaps: (wave,) bool.
        grid: at rest, of MaNGA's channels.
    """
    low, high = max(-grid.first, 0), min(MANGA_GRID.size - grid.first, grid.size)
    made = directions()[:, low + grid.first : high + grid.first]
    of, gap = components[:, low:high].astype(np.float64), gaps[low:high]
    filled = components.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], gap, [False]]).astype(int)))
    places = np.arange(high - low)
    for start, stop in edges.reshape(-1, 2):
        weight = np.exp(-0.5 * ((places - (start + stop - 1) / 2) / NEAR) ** 2) + FAR
        weighted = made[:, ~gap] * weight[~gap]
        power, mixed = np.linalg.eigh(weighted @ made[:, ~gap].T)
        strength = np.sqrt(np.maximum(power, 1e-14 * power[-1]))
        seen = (mixed / strength).T @ (weighted @ of[:, ~gap].T)
        total = np.square(of[:, ~gap]) @ weight[~gap]
        penalty = _penalties(strength, seen, total, weight[~gap])
        amounts = mixed @ (seen * (strength[:, None] / (strength[:, None] ** 2 + penalty)))
        filled[:, low + start : low + stop] = (made[:, start:stop].T @ amounts).T
    return filled


def _penalties(strength: np.ndarray, seen: np.ndarray, total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(component,): that of `PENALTIES` which predicts each best, by generalised cross-validation."""
    penalties = PENALTIES * strength.max() ** 2
    count = weight.sum() ** 2 / (weight**2).sum()  # channels that count
    scores = []
    for penalty in penalties:
        share = strength**2 / (strength**2 + penalty)
        missed = total - (seen**2 * (2 * share - share**2)[:, None]).sum(axis=0)
        scores.append(missed / max(1 - share.sum() / count, 0.05) ** 2)
    return np.asarray(penalties[np.argmin(scores, axis=0)])
