"""A supernova near its maximum: an analytic spectrum of our own, not a template of a real one."""

from __future__ import annotations

import numpy as np

from cubesift.data.wavelength import MANGA_GRID, SPEED_OF_LIGHT
from cubesift.simulate.light import SPAXEL
from cubesift.simulate.plants import Plant, point
from cubesift.simulate.scene import Scene
from cubesift.simulate.spectra import flux_at_magnitude
from cubesift.simulate.structure import luminosity_distance

# Rest wavelength (angstrom, vacuum) and depth of the features that mark type Ia at maximum (Filippenko 1997).
FEATURES = (
    (3946.0, 0.55),  # Ca II H and K
    (4129.0, 0.20),  # Si II
    (4482.0, 0.35),  # Mg II and Fe III
    (4970.0, 0.30),  # Fe II, a blend
    (5170.0, 0.25),
    (5455.0, 0.25),  # S II, the W
    (5640.0, 0.25),
    (5974.0, 0.15),  # Si II
    (6357.0, 0.55),  # Si II, the mark of the class
    (7775.0, 0.30),  # O I
    (8579.0, 0.45),  # Ca II triplet
)


def supernova(scene: Scene, rng: np.random.Generator) -> Plant:
    """A type Ia within 1.5 half-light radii, somewhere between maximum and a month later in brightness."""
    reach = 1.5 * scene.galaxy.reff / SPAXEL
    y, x = scene.elsewhere(rng, edge=2.0, away=2.0, within=max(reach, 5.0))
    z, magnitude = scene.galaxy.redshift, scene.strength(rng)
    rest = MANGA_GRID.wave / (1 + z)
    spectrum = photosphere(rest, rng.uniform(9000, 12_000), rng.uniform(9500, 11_500))
    distance = luminosity_distance(z) * 1e5  # in units of 10 pc
    at_10_parsec = flux_at_magnitude(magnitude, 4400.0)
    spectrum *= at_10_parsec / distance**2 / (1 + z) / spectrum[(rest > 3950) & (rest < 4850)].mean()
    light = point(scene, spectrum * scene.dust, y, x)
    return Plant("", y, x, 6357.0 * (1 - 10_500 / SPEED_OF_LIGHT) * (1 + z), magnitude, light=light)


def photosphere(rest: np.ndarray, temperature: float, velocity: float) -> np.ndarray:
    """A black body with P Cygni features, any scale.

    Args:
        rest: wavelengths, angstrom.
        temperature: kelvin.
        velocity: of the absorbing matter towards us, km/s; the features are as wide as a third of it.
    """
    thermal = rest**-5 / (np.exp(1.43878e8 / (rest * temperature)) - 1)
    thermal = thermal * (1 - 0.6 / (1 + np.exp((rest - 3500) / 120)))  # iron blankets the ultraviolet
    for line, depth in FEATURES:
        speed = SPEED_OF_LIGHT * (rest / line - 1)
        absorbed = depth * np.exp(-0.5 * ((speed + velocity) / (0.33 * velocity)) ** 2)
        emitted = 0.5 * depth * np.exp(-0.5 * (speed / (0.45 * velocity)) ** 2)
        thermal = thermal * (1 - absorbed + emitted)
    return np.asarray(thermal)
