"""What is in the sky and does not belong: one function per kind, each says what it adds and where."""

from __future__ import annotations

import numpy as np

from cubesift.data.cube import DONOTUSE, FORESTAR
from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.gas import glowing, line_ratios
from cubesift.simulate.light import SPAXEL, Part
from cubesift.simulate.noise import sky_variance, source_variance
from cubesift.simulate.plants import Plant, Scene, near, point
from cubesift.simulate.spectra import dusty, moving, population, table
from cubesift.simulate.structure import sersic

WAVE = MANGA_GRID.wave
STILL = np.zeros(1)  # one velocity, at rest with its own redshift


def star(scene: Scene, rng: np.random.Generator, flagged: bool) -> Plant:
    """A star of our Galaxy in front, r = 16.5 to 20; flagged stars carry FORESTAR over the seeing's reach."""
    y, x = scene.elsewhere(rng, edge=2.0)
    stars = table("stars")["flux"]
    spectrum = stars[int(rng.integers(len(stars)))]
    spectrum = spectrum / spectrum[MANGA_GRID.between(5600, 6900)].mean()
    magnitude = rng.uniform(16.5, 20.0)
    # AB zero point in 1e-17 erg/s/cm2/angstrom at 6231 angstrom.
    total = 10 ** (-0.4 * (magnitude + 48.60)) * 2.99792458e18 / 6231.0**2 * 1e17
    light = point(scene, total * spectrum, y, x)
    if not flagged:
        return Plant("unflagged_star", y, x, light=light)
    # Out to where its light drowns in the sky's noise.
    faint = np.sqrt(np.median(sky_variance())) / (total * scene.peak)
    reach = scene.sigma * np.sqrt(2 * max(-np.log(faint), 1))
    bits = FORESTAR | DONOTUSE
    return Plant("foreground_star", y, x, light=light, bits=bits, bits_where=near(scene, y, x, reach))


def foreground_star(scene: Scene, rng: np.random.Generator) -> Plant:
    """A star that the pipeline knew of."""
    return star(scene, rng, flagged=True)


def unflagged_star(scene: Scene, rng: np.random.Generator) -> Plant:
    """A star that nobody flagged."""
    return star(scene, rng, flagged=False)


def power_law(scene: Scene, rng: np.random.Generator) -> Plant:
    """A blazar: featureless light at the nucleus, 0.5 to 3 times the galaxy's own there."""
    y, x = scene.centre
    nucleus = float(np.median(scene.spectrum(y, x)))
    spectrum = (WAVE / 6231.0) ** rng.uniform(-2.0, -0.5)
    return Plant(
        "power_law",
        y,
        x,
        light=point(scene, rng.uniform(0.5, 3.0) * nucleus / scene.peak * spectrum, y, x),
    )


def broad_lines(scene: Scene, rng: np.random.Generator) -> Plant:
    """A type 1 nucleus: Balmer lines 2,500 to 6,000 km/s wide over a blue continuum."""
    y, x = scene.centre
    z = scene.galaxy.redshift
    nucleus = float(np.median(scene.spectrum(y, x))) / scene.peak
    sigma = rng.uniform(2500, 6000) / 2.3548
    alpha = rng.uniform(60, 200) * nucleus  # equivalent width over the nucleus' own light
    ratios = {"Halpha": 1.0, "Hbeta": 0.33, "Hgamma": 0.14, "Hdelta": 0.07, "HeI": 0.05}
    lines = glowing({name: alpha * ratio for name, ratio in ratios.items()}, sigma, STILL, z)[0]
    blue = 0.4 * nucleus * (WAVE / 6231.0) ** -1.5
    return Plant("broad_lines", y, x, 6564.61 * (1 + z), light=point(scene, lines + blue, y, x))


def background_line(scene: Scene, rng: np.random.Generator) -> Plant:
    """A faint galaxy far behind, of which only the [O II] doublet (two in three) or Lyman alpha is seen."""
    y, x = scene.elsewhere(rng)
    wavelength = rng.uniform(5700, 8800) if rng.random() < 2 / 3 else rng.uniform(3900, 5500)
    if wavelength > 5600:
        z = wavelength / 3728.5 - 1
        shape = glowing({"OII3727": 0.43, "OII3729": 0.57}, 70.0, STILL, z)[0]
    else:
        z = wavelength / 1215.67 - 1
        shape = glowing({"1215.67": 1.0}, 120.0, STILL, z)[0]
    # The line's total for a wanted matched-filter S/N: neighbours' noise is shared, so a point source
    # has as much noise as its peak spaxel within a factor of order one.
    variance = sky_variance() + source_variance() * scene.spectrum(y, x)
    unit = np.sqrt(np.sum((shape * scene.peak) ** 2 / variance))
    total = rng.uniform(6.0, 25.0) / unit
    return Plant("background_line", y, x, float(wavelength), light=point(scene, total * shape, y, x))


def second_galaxy(scene: Scene, rng: np.random.Generator) -> Plant:
    """A small star-forming galaxy at another redshift, superposed off the nucleus."""
    y, x = scene.elsewhere(rng, edge=4.0, away=6.0)
    z = float(rng.uniform(0.02, 0.18))
    while abs(z - scene.galaxy.redshift) < 0.01:
        z = float(rng.uniform(0.02, 0.18))
    old, young = population(3.0, -0.3), population(0.05, -0.3)
    spectrum = dusty(0.6 * old + 0.4 * young, 0.4)
    stars = moving(spectrum, 80.0, STILL, z)[0]
    ratios = line_ratios(-0.6, 0.1, 0.6)
    lines = glowing({name: 25.0 * ratio for name, ratio in ratios.items()}, 50.0, STILL, z)[0]
    place = scene.canvas
    middle = place.middle
    down = place.y + place.offset[0] - (y - middle) * SPAXEL
    right = place.x + place.offset[1] - (x - middle) * SPAXEL
    ratio = rng.uniform(0.4, 0.9)
    size = rng.uniform(0.8, 1.6)
    light = sersic(np.hypot(down, right / ratio), size, 1.0, ratio, place.cell**2)
    # As bright at its own middle as the galaxy is there, times 1 to 4, or enough to be seen in the dark.
    peak = max(float(np.median(scene.spectrum(y, x))) * rng.uniform(1.0, 4.0), 0.03)
    total = peak / (0.25 * light.max() * 9 * 0.25 + 0.75 * scene.peak * 0.5)
    combined = total * (stars + lines).astype(np.float32)
    return Plant(
        "second_galaxy", y, x, 6564.61 * (1 + z), light=Part(combined[None], light[None].astype(np.float32))
    )
