"""One simulated cube: light, oddities, seeing, fibres and noise, in that order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from cubesift.data.cube import DONOTUSE, MANGA_CHANNEL_CORRELATION, Cube
from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.exposure import exposed
from cubesift.simulate.noise import quality_bits
from cubesift.simulate.observation import Observation
from cubesift.simulate.planting import plants_in, told
from cubesift.simulate.plants import recorded
from cubesift.simulate.scene import scene_of
from cubesift.simulate.settings import Simulation


@dataclass
class Simulated:
    """One simulated cube and the truth of it."""

    cube: Cube
    observation: Observation
    truth: list[dict[str, Any]]  # one entry per planted thing
    clean: np.ndarray = field(repr=False)  # (wave, y, x) float32, flux before noise, with what was planted


def simulate_galaxy(settings: Simulation, index: int) -> Simulated:
    """Observation number `index` of the survey; it depends on nothing but the settings and the index.

    The cube is as a reader gives it: what is not to be used has ivar 0.
    """
    simulated = observe(settings, index)
    simulated.cube.ivar[(simulated.cube.bits & DONOTUSE) > 0] = 0
    return simulated


def observe(settings: Simulation, index: int) -> Simulated:
    """As `simulate_galaxy`, but with the ivar of a file: above 0 in stars and at the rim, with DONOTUSE."""
    with threadpool_limits(1):  # one unit of work, one core: the executor says how many run side by side
        return _observed(settings, index)


def _observed(settings: Simulation, index: int) -> Simulated:
    scene = scene_of(settings, index)
    plants = plants_in(settings, scene)
    inside, reached = scene.inside, scene.reached()
    galaxy = replace(scene.galaxy, **{name: it for plant in plants for name, it in plant.galaxy.items()})
    seen = replace(scene.seen, galaxy=galaxy)
    clean = np.zeros((MANGA_GRID.size, inside.size), np.float32)
    clean[:, reached] = recorded(scene, plants, reached)
    clean = clean.reshape(MANGA_GRID.size, *inside.shape)
    flux, ivar = exposed(settings, seen, clean, inside)
    bits = quality_bits(np.random.default_rng([settings.seed, seen.index, 6]), inside)
    ivar[-5:] = 0
    for plant in plants:
        if plant.bits:
            bits[:, scene.near(plant.y, plant.x, plant.reach) & (inside >= 0)] |= np.uint16(plant.bits)
    cube = Cube(
        plateifu=seen.plateifu,
        mangaid=seen.mangaid,
        flux=flux,
        ivar=ivar,
        bits=bits,
        redshift=next((plant.redshift for plant in plants if plant.redshift is not None), galaxy.redshift),
        ra=galaxy.ra,
        dec=galaxy.dec,
        psf_fwhm=seen.seeing.fwhm,
        ebv=galaxy.ebv,
        channel_correlation=MANGA_CHANNEL_CORRELATION,  # as the reader of its file will say
    )
    # A repeat's bundle may be smaller: what lies outside of it is not in its truth.
    told_of = [plant for plant in plants if scene.holds(plant.y, plant.x)]
    return Simulated(cube, seen, [told(plant, plants, cube, scene, clean) for plant in told_of], clean)
