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
    shares = rng.dirichlet([20, 20])
    return _narrow(scene, rng, np.array([-0.5, 0.5]) * apart, shares, 90.0, apart)


def outflow(scene: Scene, rng: np.random.Generator) -> Plant:
    """Gas that a nucleus drives towards us: lines of 700 to 1,200 km/s FWHM, blueshifted."""
    speed = scene.strength(rng)
    return _narrow(scene, rng, np.array([-speed]), np.ones(1), rng.uniform(300, 500), speed)


def _narrow(
    scene: Scene,
    rng: np.random.Generator,
    velocities: np.ndarray,
    shares: np.ndarray,
    sigma: float,
    strength: float,
) -> Plant:
    """Lines of a Seyfert nucleus at some velocities; Halpha's are 30 to 80 observed angstrom together."""
    y, x = scene.centre
    z = scene.galaxy.redshift
    alpha = rng.uniform(30, 80) * scene.continuum(y, x, HALPHA * (1 + z)) / scene.share(y, x)
    ratios = line_ratios(-0.1, 0.9, 0.5)
    lines = glowing({name: alpha * ratio for name, ratio in ratios.items()}, sigma, velocities, z)
    light = point(scene, (shares @ lines) * scene.dust, y, x)
    return Plant("", y, x, OIII * (1 + z), strength, light=light)
