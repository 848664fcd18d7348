"""What stands in front of a galaxy or far behind it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cubesift.data.cube import DONOTUSE, FORESTAR
from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.gas import glowing, line_ratios
from cubesift.simulate.light import SPAXEL, Canvas, Part
from cubesift.simulate.matched import scale_for
from cubesift.simulate.noise import sky_variance
from cubesift.simulate.plants import Plant, point
from cubesift.simulate.quasars import quasar_spectrum
from cubesift.simulate.rates import magnitude
from cubesift.simulate.scene import Scene
from cubesift.simulate.spectra import dusty, flux_at_magnitude, moving, population, table
from cubesift.simulate.structure import sersic

WAVE = MANGA_GRID.wave
R_BAND = MANGA_GRID.between(5600, 6900)
STILL = np.zeros(1)  # one velocity, at rest with its own redshift


def at_magnitude(spectrum: np.ndarray, r: float) -> np.ndarray:
    """A spectrum, (wave,), scaled to an AB magnitude in r, 1e-17 erg/s/cm2/angstrom."""
    return np.asarray(flux_at_magnitude(r, 6231.0) * spectrum / spectrum[R_BAND].mean())


def star(scene: Scene, rng: np.random.Generator) -> Plant:
    """A star of our Galaxy, as bright and as far from the galaxy as the catalogue's in such a bundle."""
    given = table("galaxies")
    low, high = scene.strengths
    real = (given["star_magnitude"] >= low) & (given["star_magnitude"] <= high)
    alike = np.flatnonzero(real & (given["star_ifusize"] == scene.galaxy.ifusize))
    if len(alike):
        row = int(rng.choice(alike))
        r, away = float(given["star_magnitude"][row]), float(given["star_distance"][row]) / SPAXEL
    else:
        r, away = float(rng.uniform(low, high)), 6.0
    y, x = scene.elsewhere(rng, edge=1.0, away=max(away - 1, 0), within=away + 1)
    spectra = table("stars")["flux"]
    spectrum = at_magnitude(spectra[int(rng.integers(len(spectra)))], r)
    return Plant("star", y, x, strength=r, light=point(scene, spectrum, y, x))


def foreground_star(scene: Scene, rng: np.random.Generator) -> Plant:
    """A star that the pipeline knew of: FORESTAR out to where its light drowns in the sky's noise."""
    found = star(scene, rng)
    total = float(at_magnitude(np.ones(MANGA_GRID.size), found.strength)[0])
    faint = np.sqrt(np.median(sky_variance())) / (total * scene.share(found.y, found.x))
    reach = scene.sigma * np.sqrt(2 * max(-np.log(faint), 1))
    return replace(found, bits=FORESTAR | DONOTUSE, reach=float(reach))


def unflagged_star(scene: Scene, rng: np.random.Generator) -> Plant:
    """A star that nobody flagged."""
    return star(scene, rng)


def background_line(scene: Scene, rng: np.random.Generator) -> Plant:
    """A faint galaxy far behind, seen by its [O II] doublet (three in five), Halpha or Lyman alpha alone."""
    y, x = scene.elsewhere(rng)
    line = str(rng.choice(["OII", "Halpha", "Lya"], p=[0.6, 0.2, 0.2]))
    if line == "OII":
        wavelength = rng.uniform(5700, 9000)
        shape = glowing({"OII3727": 0.43, "OII3729": 0.57}, 70.0, STILL, wavelength / 3728.5 - 1)[0]
    elif line == "Halpha":
        z = rng.uniform(scene.galaxy.redshift + 0.03, 0.45)
        wavelength = 6564.61 * (1 + z)
        shape = glowing(line_ratios(-0.7, 0.0, 0.5), 60.0, STILL, z)[0]
    else:
        wavelength = rng.uniform(3750, 5500)
        shape = glowing({"1215.67": 1.0}, 150.0, STILL, wavelength / 1215.67 - 1)[0]
        shape = shape * (0.55 + 0.45 * np.tanh((WAVE - wavelength) / 2.0))  # its blue side is absorbed
    strength = scene.strength(rng)
    shape = shape * scene.dust
    faint = Plant("", y, x, float(wavelength), strength, light=point(scene, shape, y, x))
    scale = scale_for(scene, faint, strength)
    return replace(faint, light=point(scene, scale * shape, y, x))


def second_galaxy(scene: Scene, rng: np.random.Generator) -> Plant:
    """A small star-forming galaxy at another redshift, superposed off the nucleus."""
    y, x = scene.elsewhere(rng, edge=3.0, away=5.0)
    z = scene.galaxy.redshift
    while abs(z - scene.galaxy.redshift) < 0.01:
        z = float(rng.uniform(0.02, 0.18))
    old, young = population(3.0, -0.3), population(0.05, -0.3)
    stars = moving(dusty(0.6 * old + 0.4 * young, 0.4), 80.0, STILL, z)[0]
    alpha = 25.0 * float(np.median(stars[MANGA_GRID.between(6500 * (1 + z), 6630 * (1 + z))]))
    ratios = line_ratios(-0.6, 0.1, 0.6)
    lines = glowing({name: alpha * ratio for name, ratio in ratios.items()}, 50.0, STILL, z)[0]
    r = magnitude(rng, "second_galaxy", scene.strengths)
    spectrum = at_magnitude((stars + lines) * scene.dust, r)[None].astype(np.float32)
    ratio, size = rng.uniform(0.4, 0.9), rng.uniform(0.8, 1.6)
    down, right = scene.arcsec(y, x)

    def light(canvas: Canvas) -> Part:
        radius = np.hypot(canvas.y - down, (canvas.x - right) / ratio)
        return Part(spectrum, sersic(radius, size, 1.0, ratio, canvas.cell**2)[None].astype(np.float32))

    return Plant("", y, x, 6564.61 * (1 + z), r, light=light)


def quasar(scene: Scene, rng: np.random.Generator) -> Plant:
    """A quasar far behind the galaxy: a real one where the settings name a file of them."""
    y, x = scene.elsewhere(rng)
    spectrum, wavelength = quasar_spectrum(rng, scene.settings.quasar_file, scene.galaxy.redshift)
    r = magnitude(rng, "quasar", scene.strengths)
    light = point(scene, at_magnitude(spectrum * scene.dust, r), y, x)
    return Plant("", y, x, wavelength, r, light=light)
