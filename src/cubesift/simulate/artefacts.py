"""What the instrument, the pipeline or the catalogue did wrong: one function per kind."""

from __future__ import annotations

import numpy as np

from cubesift.data.cube import DEADFIBER
from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.plants import Plant, Scene, near

WAVE = MANGA_GRID.wave


def dead_fibre(scene: Scene, rng: np.random.Generator) -> Plant:
    """A fibre that lost its light: a hole one fibre wide; the spaxels around carry DEADFIBER."""
    y, x = scene.elsewhere(rng, edge=2.0, away=2.0)
    rows, columns = np.indices(scene.inside.shape)
    hole = np.exp(-0.5 * (np.hypot(rows - y, columns - x) / 1.7) ** 2)
    gain = np.full(MANGA_GRID.size, rng.uniform(0.1, 0.5))
    return Plant("dead_fibre", y, x, gain=gain, where=hole, bits=DEADFIBER, bits_where=near(scene, y, x, 2.5))


def flux_step(scene: Scene, rng: np.random.Generator) -> Plant:
    """The red arm's flux calibration is off in one patch: a step near 6000 angstrom, not flagged."""
    y, x = scene.elsewhere(rng, edge=3.0, away=0.0)
    rows, columns = np.indices(scene.inside.shape)
    patch = np.exp(-0.5 * (np.hypot(rows - y, columns - x) / 3.0) ** 2)
    step = float(rng.choice([-1, 1]) * rng.uniform(0.3, 0.6))
    gain = 1 + step / (1 + np.exp(-(WAVE - 6000.0) / 15.0))
    return Plant("flux_step", y, x, 6000.0, gain=gain, where=patch)


def wrong_redshift(scene: Scene, rng: np.random.Generator) -> Plant:
    """The catalogue's redshift is another galaxy's; the cube itself is ordinary."""
    z = scene.galaxy.redshift
    wrong = z
    while abs(wrong - z) < 0.01:
        wrong = float(rng.uniform(0.01, 0.14))
    y, x = scene.centre
    return Plant("wrong_redshift", y, x, redshift=wrong)
