"""Stars or gas of another history than the rest of the galaxy has."""

from __future__ import annotations

import numpy as np

from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.galaxies import STAR_FORMING
from cubesift.simulate.gas import glowing, line_ratios
from cubesift.simulate.light import SPAXEL, Canvas, Part
from cubesift.simulate.plants import Plant, point
from cubesift.simulate.scene import Scene
from cubesift.simulate.spectra import moving, population

HALPHA = 6564.61
STILL = np.zeros(1)


def post_starburst(scene: Scene, rng: np.random.Generator) -> Plant:
    """A patch whose light is that of A stars: deep Balmer lines, no gas, as bright as before."""
    y, x = scene.elsewhere(rng, away=0.0, within=1.2 * scene.galaxy.reff / SPAXEL)
    z, share = scene.galaxy.redshift, scene.strength(rng)
    sigma = rng.uniform(1.2, 2.0)  # arcsec
    down, right = scene.arcsec(y, x)
    stars = moving(population(rng.uniform(0.3, 0.6), -0.2), 80.0, STILL, z)
    window = MANGA_GRID.between(5300 * (1 + z), 5500 * (1 + z))  # no line of the gas is in it

    def altered(parts: list[Part], canvas: Canvas) -> list[Part]:
        patch = share * np.exp(-0.5 * ((canvas.y - down) ** 2 + (canvas.x - right) ** 2) / sigma**2)
        patch = patch.astype(np.float32)
        light = sum(np.tensordot(part.spectra[:, window].mean(axis=1), part.maps, axes=1) for part in parts)
        new = Part(stars / stars[:, window].mean(), (patch * light)[None])
        return [*(Part(part.spectra, part.maps * (1 - patch)) for part in parts), new]

    return Plant("", y, x, 4102.89 * (1 + z), share, altered=altered, spread=8)


def starburst_region(scene: Scene, rng: np.random.Generator) -> Plant:
    """A giant H II region: half of the continuum in its brightest spaxel is its own, and metals are few."""
    y, x = scene.elsewhere(rng, away=2.0, within=1.5 * scene.galaxy.reff / SPAXEL)
    z, width = scene.galaxy.redshift, scene.strength(rng)
    continuum = scene.continuum(y, x, HALPHA * (1 + z)) / scene.share(y, x)
    stars = moving(population(0.004, -0.6), 60.0, STILL, z)[0] * scene.dust
    stars *= continuum / np.median(stars[MANGA_GRID.between(6480 * (1 + z), 6650 * (1 + z))])
    alpha = width * (1 + z) * 2 * continuum
    ratios = line_ratios(-1.3, 0.75, 0.2)
    lines = glowing({name: alpha * ratio for name, ratio in ratios.items()}, 40.0, STILL, z)[0]
    dust = scene.dust / np.interp(HALPHA * (1 + z), MANGA_GRID.wave, scene.dust)
    return Plant("", y, x, HALPHA * (1 + z), width, light=point(scene, stars + lines * dust, y, x))


def starburst_galaxy(scene: Scene, rng: np.random.Generator) -> Plant:
    """The whole galaxy forms stars as green peas do."""
    y, x = scene.centre
    width = scene.strength(rng)
    other = {"gas": STAR_FORMING, "halpha": width, "young": 0.8, "attenuation": 0.2}
    return Plant("", y, x, HALPHA * (1 + scene.galaxy.redshift), width, galaxy=other, spread=float("inf"))


def misaligned_gas(scene: Scene, rng: np.random.Generator) -> Plant:
    """Gas that turns about another axis than the stars, or the other way round."""
    y, x = scene.centre
    angle = scene.strength(rng)
    turned = {"misalignment": float(rng.choice([-1, 1]) * angle)}
    return Plant("", y, x, HALPHA * (1 + scene.galaxy.redshift), angle, galaxy=turned, spread=float("inf"))
