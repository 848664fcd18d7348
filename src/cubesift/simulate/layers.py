"""A galaxy as layers of stars and gas, each with its spectrum, its map and its motion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cubesift.simulate.galaxies import Galaxy
from cubesift.simulate.gas import glowing
from cubesift.simulate.ionised import Gas, gas_layers, screen
from cubesift.simulate.kinematics import bulge_dispersion, disc_dispersion, rotation, stars_speed
from cubesift.simulate.light import GAS_STEP, STAR_STEP, Canvas, Part, unshared
from cubesift.simulate.spectra import REST, dusty, flux_at_magnitude, moving, population
from cubesift.simulate.structure import (
    PSEUDO,
    Plane,
    Shape,
    forming_profile,
    gas_plane,
    luminosity_distance,
    plane_of,
    shape_of,
)

DISC_KNOTS = (0.15, 0.6, 1.2, 2.2)  # radii in reff at which populations are given; in between they mix
BULGE_KNOTS = (0.1, 0.5, 1.5)
EVERYTHING = 110  # spaxels around a galaxy that hold all its light, but for the wings of the largest
FAINT = 1e-4  # share of the galaxy's light below which a layer is left out
# Stars of the last gigayear under constant star formation, as shares of their light at 7480 angstrom: about
# equal from decade to decade of age, since light per mass falls nearly as 1 / age (by eye).
RECENT = {0.004: 0.10, 0.012: 0.12, 0.04: 0.18, 0.15: 0.27, 0.6: 0.33}  # age in Gyr


@dataclass(frozen=True)
class Stars:
    """Stars of one kind."""

    spectrum: np.ndarray  # on `REST`, behind its dust, mean 1 in r
    light: np.ndarray  # share of the galaxy's light in r, (fine y, fine x)
    sigma: float  # dispersion, km/s


def parts_of(galaxy: Galaxy, canvas: Canvas) -> list[Part]:
    """The galaxy as a sum of (spectrum) x (map), before seeing, noise and our own Galaxy's dust.

    Stars first, then gas: the gas has no light between its lines.
    """
    bright, alpha, totals = totals_of(galaxy)
    plane = plane_of(galaxy, canvas)
    shape = shape_of(galaxy, plane, canvas)
    sine = float(np.sin(np.deg2rad(galaxy.inclination)))
    parts = []
    for layer in star_layers(galaxy, plane, shape):
        if layer.light.sum() < FAINT:
            continue
        turning = rotation(galaxy, plane, sine, stars_speed(galaxy, layer.sigma))
        step = max(STAR_STEP, 0.4 * layer.sigma)
        velocities, maps = canvas.by_velocity(layer.light, turning, step)
        spectra = moving(layer.spectrum, unshared(layer.sigma, step), velocities, galaxy.redshift)
        parts.append(Part(bright * spectra, maps))
    for gas, light, turning in moving_gas(galaxy, shape, totals, canvas):
        velocities, maps = canvas.by_velocity(light, turning, GAS_STEP)
        # Observed flux is the rest one's, width grows by 1 + z.
        fluxes = {name: alpha * ratio for name, ratio in gas.ratios.items()}
        spectra = glowing(fluxes, unshared(gas.sigma, GAS_STEP), velocities, galaxy.redshift)
        parts.append(Part(spectra, maps))
    return parts


def moving_gas(
    galaxy: Galaxy, shape: Shape, totals: dict[str, float], canvas: Canvas
) -> Iterator[tuple[Gas, np.ndarray, np.ndarray]]:
    """Each kind of gas, its share of the galaxy's Halpha in every cell, and its velocity there, km/s."""
    disc, sine = gas_plane(galaxy, canvas)
    for gas in gas_layers(galaxy, disc, shape, canvas):
        light = gas.share / totals[gas.kind] * gas.light
        if light.sum() >= FAINT:
            yield gas, light, rotation(galaxy, disc, sine, gas.speed)


def totals_of(galaxy: Galaxy) -> tuple[float, float, dict[str, float]]:
    """What the whole galaxy adds up to, whatever part of it a bundle sees.

    Returns:
        Scale of the stars' spectra (1e-17 erg/s/cm2/angstrom for a mean of 1 in r), flux of Halpha, and the
        light of each kind of gas in its own units.
    """
    sky = Canvas(EVERYTHING, fine=1)
    plane = plane_of(galaxy, sky)
    shape = shape_of(galaxy, plane, sky)
    layers = star_layers(galaxy, plane, shape)
    light = sum(float(layer.light.sum()) for layer in layers)
    whole = sum((layer.spectrum * (layer.light.sum() / light) for layer in layers), np.zeros(REST.size))
    bright = total_flux(galaxy, whole)
    totals: dict[str, float] = {}
    for gas in gas_layers(galaxy, gas_plane(galaxy, sky)[0], shape, sky):
        totals[gas.kind] = totals.get(gas.kind, 0.0) + float(gas.light.sum())
    # Flux of Halpha from its equivalent width.
    return bright, bright * galaxy.halpha * float(whole[REST.between(6500, 6630)].mean()), totals


def star_layers(galaxy: Galaxy, plane: Plane, shape: Shape) -> list[Stars]:
    """Bulge, bar, old disc and recent stars; populations change with radius as the galaxy's gradients say."""
    radius = plane.radius / galaxy.reff
    fresh = float(PSEUDO[galaxy.morphology] * young_share(galaxy, 0.3))
    layers = []
    for knot, share in zip(BULGE_KNOTS, mixing(plane.round_radius / galaxy.reff, BULGE_KNOTS), strict=True):
        sigma = bulge_dispersion(galaxy, knot)
        seen = behind(old(galaxy, galaxy.bulge_age, knot), 0.44 * screen(galaxy, knot))
        if fresh:
            young = behind(recent(enrichment(galaxy, knot)), 0.7 * screen(galaxy, knot))
            seen = (1 - fresh) * seen + fresh * young
        layers.append(Stars(seen, shape.bulge * share, sigma))
    if galaxy.bar:
        seen = behind(old(galaxy, 1.3 * galaxy.disc_age, 0.5), 0.44 * screen(galaxy, 0.5))
        layers.append(Stars(seen, shape.bar, disc_dispersion(galaxy, 0.3)))
    for knot, share in zip(DISC_KNOTS, mixing(radius, DISC_KNOTS), strict=True):
        # Starlight sees 0.44 of the lines' reddening (Calzetti+2000), young stars more than the old.
        seen = behind(old(galaxy, galaxy.disc_age, knot), 0.44 * screen(galaxy, knot))
        light = shape.disc * share * (1 - young_share(galaxy, knot))
        layers.append(Stars(seen, light, disc_dispersion(galaxy, knot)))
    for knots, share in zip((DISC_KNOTS[:2], DISC_KNOTS[2:]), mixing(radius, DISC_KNOTS[1:3]), strict=True):
        middle = sum(knots) / 2
        seen = behind(recent(enrichment(galaxy, middle)), 0.7 * screen(galaxy, middle))
        light = shape.disc * shape.born * young_share(galaxy, radius) * share
        layers.append(Stars(seen, light, 20.0))
    return layers


def behind(spectrum: np.ndarray, attenuation: float) -> np.ndarray:
    """A spectrum behind its dust, mean 1 in r: there the maps say how much of it is seen."""
    seen = dusty(spectrum, attenuation)
    return np.asarray(seen / seen[REST.between(5600, 6750)].mean())


def mixing(radius: np.ndarray, knots: tuple[float, ...]) -> list[np.ndarray]:
    """Weights of the knots at every radius: linear between two, 1 beyond the ends; they add up to 1."""
    return [np.interp(radius, knots, row) for row in np.eye(len(knots))]


def young_share(galaxy: Galaxy, radius: np.ndarray | float) -> np.ndarray:
    """Share of the disc's light from the stars of the last gigayear, at radii in reff."""
    return np.asarray(np.clip(galaxy.young * forming_profile(galaxy, radius), 0, 0.7))


def enrichment(galaxy: Galaxy, radius: float) -> float:
    """[Z/H] at a radius in reff, within what the populations cover."""
    return float(np.clip(galaxy.metallicity + galaxy.metallicity_gradient * radius, -1.35, 0.35))


def old(galaxy: Galaxy, age: float, radius: float) -> np.ndarray:
    """Spectrum of the old stars at a radius in reff; `age` (Gyr) is theirs at reff."""
    here = age * 10 ** (galaxy.age_gradient * np.clip(radius - 1, -1, 1.5))
    return population(float(np.clip(here, 0.5, 14)), enrichment(galaxy, radius))


def recent(metallicity: float) -> np.ndarray:
    """Spectrum of the stars of the last gigayear."""
    shares = [share * population(age, metallicity) for age, share in RECENT.items()]
    return np.asarray(np.sum(shares, axis=0))


def total_flux(galaxy: Galaxy, spectrum: np.ndarray) -> float:
    """What a spectrum on `REST` is to be multiplied by to be in 1e-17 erg/s/cm2/angstrom, all light together.

    Mass to light from colour: log M/L_i = -0.68 + 0.70 (g - i) (Taylor+2011, for the stellar masses of
    Chabrier), raised by 0.3: 0.25 for Salpeter's, which the catalogue's look like, and so that galaxies of a
    mass are as bright as SDSS galaxies of their sizes (Shen+2003 asks 0.3 of retired, 0.1 of star-forming).
    """
    g, i = spectrum[REST.between(4000, 5400)].mean(), spectrum[REST.between(6900, 8200)].mean()
    colour = -2.5 * np.log10(g * 4770**2 / (i * 7625**2))
    light = galaxy.logmass - (-0.38 + 0.70 * colour)
    magnitude = 4.58 - 2.5 * light  # absolute, i band, AB; the Sun has 4.58
    at_10_parsec = flux_at_magnitude(magnitude, 7480.0)
    distance = luminosity_distance(galaxy.redshift) * 1e5  # in units of 10 pc
    level = spectrum[REST.between(7380, 7580)].mean()
    return float(at_10_parsec / distance**2 / level)  # `moving` divides by (1 + z)
