"""One simulated cube: light, oddities, seeing, fibres and noise, in that order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from cubesift.data.cube import DONOTUSE, LOWCOV, Cube
from cubesift.data.dust import transmission
from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.exposure import exposed
from cubesift.simulate.layers import parts_of
from cubesift.simulate.light import Canvas, Part, Sight
from cubesift.simulate.noise import coverage_bits, distance_inside
from cubesift.simulate.observation import Observation, draw_observation
from cubesift.simulate.planting import plants_in, told
from cubesift.simulate.plants import Scene, recorded
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
    seen = draw_observation(settings, index)
    galaxy, seeing = seen.galaxy, seen.seeing
    canvas = Canvas(seen.side, seen.offset)
    dust = transmission(MANGA_GRID.wave, galaxy.ebv).astype(np.float32)
    sight = Sight([Part(part.spectra * dust, part.maps) for part in parts_of(galaxy, canvas)], canvas, seeing)

    inside = distance_inside(seen.ifusize, seen.side)
    scene = Scene(galaxy, canvas, sight, inside)
    plants = plants_in(settings, seen, scene)
    lights = [plant.light for plant in plants if plant.light is not None]
    everything = sight.joined(Sight(lights, canvas, seeing)) if lights else sight

    clean = recorded(everything, plants, inside)
    flux, ivar = exposed(settings, seen, clean, inside)
    bits = np.repeat(coverage_bits(inside)[None], MANGA_GRID.size, axis=0)
    bits[-5:, inside >= 0] |= LOWCOV | DONOTUSE  # as in the real spectra
    ivar[-5:] = 0
    for plant in plants:
        if plant.bits_where is not None:
            bits[:, plant.bits_where & (inside >= 0)] |= np.uint16(plant.bits)
    cube = Cube(
        plateifu=seen.plateifu,
        mangaid=seen.mangaid,
        flux=flux,
        ivar=ivar,
        bits=bits,
        redshift=next((plant.redshift for plant in plants if plant.redshift is not None), galaxy.redshift),
        ra=galaxy.ra,
        dec=galaxy.dec,
        psf_fwhm=seeing.fwhm,
        ebv=galaxy.ebv,
    )
    return Simulated(cube, seen, [told(plant, cube, scene, clean, seen) for plant in plants], clean)
