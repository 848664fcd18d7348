"""Where a galaxy's light is: its plane on the sky, bulge, disc, arms and clumps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import gamma

from cubesift.simulate.galaxies import Galaxy
from cubesift.simulate.light import Canvas


@dataclass(frozen=True)
class Plane:
    """The galaxy's disc seen on a canvas: every array is (fine y, fine x)."""

    along: np.ndarray  # cosine of the azimuth from the major axis
    azimuth: np.ndarray  # radians, in the disc
    radius: np.ndarray  # arcsec, in the disc
    round_radius: np.ndarray  # arcsec, of the rounder bulge


def plane_of(galaxy: Galaxy, canvas: Canvas) -> Plane:
    """Deprojected coordinates. North is up and east is left, as in the cubes."""
    angle = np.deg2rad(galaxy.pa)
    x, y = canvas.x, canvas.y
    major = -x * np.sin(angle) + y * np.cos(angle)
    minor = x * np.cos(angle) + y * np.sin(angle)
    flat = max(1 - galaxy.ellipticity, 0.12)
    radius = np.hypot(major, minor / flat)
    rounder = 1 - 0.5 * galaxy.ellipticity
    return Plane(
        along=major / np.maximum(radius, 1e-6),
        azimuth=np.arctan2(minor / flat, major),
        radius=radius,
        round_radius=np.hypot(major, minor / rounder),
    )


def sersic(radius: np.ndarray, reff: float, index: float, ratio: float, area: float) -> np.ndarray:
    """Light per fine cell of a Sersic profile of total 1; `area` of a cell and `reff` in arcsec."""
    b = 2 * index - 1 / 3 + 0.009876 / index  # Prugniel & Simien (1997)
    total = 2 * np.pi * ratio * reff**2 * index * np.exp(b) * b ** (-2 * index) * gamma(2 * index)
    soft = np.hypot(radius, 0.08)  # a cusp finer than the cells
    return np.asarray(area * np.exp(-b * ((soft / reff) ** (1 / index) - 1)) / total)


def texture(galaxy: Galaxy, plane: Plane, canvas: Canvas) -> np.ndarray:
    """Two arms and clumps on which the young stars lie, mean about 1."""
    rng = np.random.default_rng(galaxy.texture)
    pitch = np.tan(np.deg2rad(rng.uniform(12, 28))) * rng.choice([-1, 1])
    winding = np.log(np.maximum(plane.radius, 0.2) / galaxy.reff) / pitch
    arms = 1 + 0.8 * np.cos(2 * (plane.azimuth - winding) + rng.uniform(0, 2 * np.pi))
    field = gaussian_filter(rng.standard_normal(canvas.x.shape), 0.7 / canvas.cell)
    clumps = np.exp(0.9 * field / max(field.std(), 1e-9))
    return np.asarray(arms * clumps / clumps.mean())
