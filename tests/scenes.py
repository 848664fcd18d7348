"""A small galaxy for tests of what is planted, with and without."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.galaxies import STAR_FORMING
from cubesift.simulate.observation import draw_observation
from cubesift.simulate.planting import PLANTS
from cubesift.simulate.plants import Plant, recorded
from cubesift.simulate.scene import Scene, scene_of
from cubesift.simulate.settings import Simulation

SMALL = Simulation(galaxies=40, seed=7, ifus=(19,), repeats=0, oddities={}, error_factor=1.2)


@cache
def ordinary() -> int:
    """Number of a galaxy of the survey `SMALL` with gas: no stars in front, nothing turned."""
    for number in range(SMALL.galaxies):
        galaxy = draw_observation(SMALL, number).galaxy
        if galaxy.gas == STAR_FORMING and not galaxy.stars and abs(galaxy.misalignment) < 20:
            return number
    raise AssertionError("forty galaxies, and none forms stars")


@cache
def ordinary_scene() -> Scene:
    """Its first observation, before anything grows."""
    return scene_of(SMALL, ordinary())


def hosting(kind: str) -> Simulation:
    """The survey in which every galaxy holds one oddity of a kind."""
    return replace(SMALL, oddities={kind: SMALL.galaxies})


def noise_free(scene: Scene, plants: list[Plant]) -> np.ndarray:
    """(wave, y, x)"""
    reached = scene.reached()
    cube = np.zeros((MANGA_GRID.size, scene.inside.size), np.float32)
    cube[:, reached] = recorded(scene, plants, reached)
    return cube.reshape(-1, *scene.inside.shape)


@cache
def plain() -> np.ndarray:
    """Noise-free flux of the ordinary scene, (wave, y, x)."""
    return noise_free(ordinary_scene(), [])


def grown(kind: str, strength: float, seed: int = 3) -> tuple[Plant, np.ndarray, np.ndarray]:
    """A plant of a strength, and the noise-free flux of the ordinary scene with it and without."""
    scene = replace(ordinary_scene(), strengths=(strength, strength))
    plant = PLANTS[kind](scene, np.random.default_rng(seed))
    assert plant.strength == pytest.approx(strength)
    return plant, noise_free(scene, [plant]), plain()


def at(cube: np.ndarray, plant: Plant) -> np.ndarray:
    """The spectrum in the plant's spaxel."""
    return np.asarray(cube[:, int(np.rint(plant.y)), int(np.rint(plant.x))])
