"""The true lines of an ordinary simulated galaxy, spaxel by spaxel: what a fit of them is held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.gas import LINES
from cubesift.simulate.layers import moving_gas, totals_of
from cubesift.simulate.scene import Scene
from cubesift.simulate.structure import plane_of, shape_of


@dataclass(frozen=True)
class Emission:
    """One line as it reaches the cube, before noise; (y, x) each."""

    flux: np.ndarray  # 1e-17 erg/s/cm2/spaxel, as observed: behind our own Galaxy's dust
    velocity: np.ndarray  # km/s from the galaxy's redshift, mean over the line's light; nan without light
    sigma: np.ndarray  # km/s, of the light about that mean, without the spectrograph's own


def emission_of(scene: Scene, line: str) -> Emission:
    """A line of `gas.LINES` in a scene as it is without what is planted there.

    Raises:
        KeyError: no such line.
    """
    galaxy, canvas = scene.galaxy, scene.canvas
    shape = shape_of(galaxy, plane_of(galaxy, canvas), canvas)
    _, alpha, totals = totals_of(galaxy)
    observed = LINES[line] * (1 + galaxy.redshift)
    project = scene.seen.seeing.matrix(canvas, observed)
    moments = np.zeros((3, canvas.side, canvas.side))
    for gas, light, velocity in moving_gas(galaxy, shape, totals, canvas):
        for power, of in enumerate((1.0, velocity, velocity**2 + gas.sigma**2)):
            moments[power] += gas.ratios[line] * (project @ (light * of) @ project.T)
    light = np.where(moments[0] > 0, moments[0], np.nan)
    mean = moments[1] / light
    transmitted = np.interp(observed, MANGA_GRID.wave, scene.dust)
    return Emission(
        flux=alpha * transmitted * moments[0],
        velocity=mean,
        sigma=np.sqrt(np.maximum(moments[2] / light - mean**2, 0)),
    )
