"""How a galaxy moves: rotation that rises and stays flat, dispersion that falls outwards."""

from __future__ import annotations

import numpy as np

from cubesift.simulate.galaxies import Galaxy
from cubesift.simulate.structure import Plane


def rotation(galaxy: Galaxy, plane: Plane, sine: float, speed: float) -> np.ndarray:
    """Velocity along the line of sight, km/s, (fine y, fine x); positive recedes.

    V(R) = speed tanh(R / R_t), R_t from 0.45 reff in pure discs to 0.2 in bulges, as curves rise steeper in
    concentrated galaxies (Catinella+2006). Which side of the major axis recedes is chance: a position angle
    from pictures does not know it.

    Args:
        plane: of what turns.
        sine: of its inclination.
        speed: km/s of rotation far out.
    """
    turnover = (0.45 - 0.25 * galaxy.bulge) * galaxy.reff
    side = 1 if galaxy.texture % 2 else -1
    return np.asarray(side * speed * sine * np.tanh(plane.radius / turnover) * plane.along)


def circular_speed(galaxy: Galaxy) -> float:
    """Of cold gas, km/s. Ellipticals hardly turn, but their mass is there: sqrt(2) sigma (isothermal)."""
    return max(galaxy.velocity, 1.41 * galaxy.dispersion) if galaxy.morphology == "E" else galaxy.velocity


def bulge_dispersion(galaxy: Galaxy, radius: float) -> float:
    """Km/s at a radius in reff: R**-0.066 (Cappellari+2006)."""
    return float(galaxy.dispersion * (max(radius, 0.05) / 0.3) ** -0.066)


def disc_dispersion(galaxy: Galaxy, radius: float) -> float:
    """Km/s at a radius in reff: from 0.6 of the bulge's down to 25, as discs' fall (Martinsson+2013)."""
    return float(np.hypot(25, 0.6 * galaxy.dispersion * np.exp(-radius / 1.7)))


def stars_speed(galaxy: Galaxy, sigma: float) -> float:
    """Rotation of stars with a dispersion, km/s: slower than the gas by asymmetric drift.

    V**2 = V_c**2 - 2 sigma**2 (Binney & Tremaine 2008, eq. 4.227, near 1.5 scale lengths), at least 0.3 V_c.
    The speed drawn for an elliptical is the stars' own.
    """
    if galaxy.morphology == "E":
        return galaxy.velocity
    return float(np.sqrt(max(galaxy.velocity**2 - 2 * sigma**2, (0.3 * galaxy.velocity) ** 2)))
