"""What a nucleus may do that most do not: point sources at the galaxy's centre."""

from __future__ import annotations

import numpy as np

from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.gas import glowing, line_ratios
from cubesift.simulate.plants import Plant, point
from cubesift.simulate.scene import Scene

WAVE = MANGA_GRID.wave
HALPHA, OIII = 6564.61, 5008.24
STILL = np.zeros(1)


def power_law(scene: Scene, rng: np.random.Generator) -> Plant:
    """A blazar: featureless light."""
    y, x = scene.centre
    ratio = scene.strength(rng)
    spectrum = (WAVE / 6231.0) ** rng.uniform(-2.0, -0.5)
    spectrum *= scene.dust / np.mean((spectrum * scene.dust)[MANGA_GRID.between(5600, 6900)])
    total = ratio * scene.nucleus() / scene.share(y, x)
    return Plant("", y, x, strength=ratio, light=point(scene, total * spectrum, y, x))


def broad_lines(scene: Scene, rng: np.random.Generator) -> Plant:
    """A type 1 nucleus: Balmer lines 2,000 to 6,000 km/s wide, a blue continuum, and a narrow-line region."""
    y, x = scene.centre
    z, width = scene.galaxy.redshift, scene.strength(rng)
    alpha = width * scene.continuum(y, x, HALPHA * (1 + z)) / scene.share(y, x)
    ratios = {"Halpha": 1.0, "Hbeta": 0.33, "Hgamma": 0.14, "Hdelta": 0.07, "HeI": 0.05}
    sigma = rng.uniform(2000, 6000) / 2.3548
    broad = glowing({name: alpha * ratio for name, ratio in ratios.items()}, sigma, STILL, z)[0]
    narrow = line_ratios(-0.1, 1.0, 0.3)
    narrow_lines = glowing({name: 0.06 * alpha * ratio for name, ratio in narrow.items()}, 180.0, STILL, z)[0]
    blue = 0.4 * scene.nucleus() / scene.share(y, x) * (WAVE / 6231.0) ** -1.5
    light = point(scene, (broad + narrow_lines + blue) * scene.dust, y, x)
    return Plant("", y, x, HALPHA * (1 + z), width, light=light)


def double_peaked_lines(scene: Scene, rng: np.random.Generator) -> Plant:
    """Two narrow-line regions a few hundred km/s apart, of about the same brightness."""
    apart = scene.strength(rng)
    share = rng.uniform(0.4, 0.6)
    return _seyfert(scene, rng, [(share, -apart / 2, 60.0), (1 - share, apart / 2, 60.0)], apart)


def outflow(scene: Scene, rng: np.random.Generator) -> Plant:
    """Gas that a nucleus drives towards us: half of the light of its lines is broad and blueshifted."""
    speed = scene.strength(rng)
    return _seyfert(scene, rng, [(0.5, 0.0, 130.0), (0.5, -speed, rng.uniform(300, 500))], speed)


def _seyfert(
    scene: Scene, rng: np.random.Generator, clouds: list[tuple[float, float, float]], strength: float
) -> Plant:
    """Narrow lines of a Seyfert nucleus; those of Halpha have 8 to 40 observed angstrom together.

    Args:
        scene: where.
        rng: draws how bright they are.
        clouds: share of the light, velocity and dispersion (km/s) of each.
        strength: what truth tells.
    """
    y, x = scene.centre
    z = scene.galaxy.redshift
    alpha = rng.uniform(8, 40) * scene.continuum(y, x, HALPHA * (1 + z)) / scene.share(y, x)
    fluxes = {name: alpha * ratio for name, ratio in line_ratios(-0.1, 0.9, 0.5).items()}
    spectrum = np.zeros(MANGA_GRID.size)
    for share, velocity, sigma in clouds:
        spectrum += share * glowing(fluxes, sigma, np.array([velocity]), z)[0]
    return Plant("", y, x, OIII * (1 + z), strength, light=point(scene, spectrum * scene.dust, y, x))
