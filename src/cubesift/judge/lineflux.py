"""Flux of an emission line above its own continuum, the same way for a model and for the truth."""

from __future__ import annotations

import numpy as np

from cubesift.data.wavelength import SPEED_OF_LIGHT

# Vacuum, angstrom (NIST, as MaNGA's analysis pipeline has them).
LINES = {"Ha": 6564.61, "[O III]": 5008.24}
WITHIN = 600.0  # km/s: rotation and width of a galaxy's gas; [N II] begins at 670 and 945
BESIDE = (1300.0, 2600.0)  # km/s, on both sides: no strong line of the two's neighbours lies there


def line_flux(
    cube: np.ndarray, wave: np.ndarray, good: np.ndarray, centre: float
) -> tuple[np.ndarray, np.ndarray]:
    """Flux within 600 km/s of a line less the mean of the continuum on both sides, of every spaxel.

    Args:
        cube: (y, x, wave), flux density.
        wave: (wave,) angstrom.
        good: (y, x, wave) bool: channels that count.
        centre: observed wavelength, angstrom.

    Returns:
        Flux (y, x), in the cube's unit times angstrom; nan where the line or a side has too few channels.
        The weight of every channel in it, (y, x, wave), for its variance.
    """
    velocity = SPEED_OF_LIGHT * (wave / centre - 1)
    step = np.gradient(wave)
    inside = np.abs(velocity) < WITHIN
    on_side = [(sign * velocity > BESIDE[0]) & (sign * velocity < BESIDE[1]) for sign in (-1, 1)]
    line = good & inside
    weight = line * step
    width = weight.sum(axis=-1)
    enough = line.sum(axis=-1) > 0.8 * max(inside.sum(), 1)
    for side in on_side:
        beside = good & side
        count = beside.sum(axis=-1)
        enough &= count > 0.5 * max(side.sum(), 1)
        weight = weight - beside * (0.5 * width / np.maximum(count, 1))[..., None]
    flux = np.where(enough, (cube * weight).sum(axis=-1, dtype=float), np.nan)
    return flux, weight
