"""A galaxy as layers of stars and gas, each with its spectrum, its map and its motion."""

from __future__ import annotations

import numpy as np

from cubesift.data.wavelength import SPEED_OF_LIGHT
from cubesift.simulate.galaxies import COMPOSITE, LINER, RETIRED, SEYFERT, STAR_FORMING, Galaxy
from cubesift.simulate.gas import glowing, line_ratios
from cubesift.simulate.light import GAS_STEP, STAR_STEP, Canvas, Part, unshared
from cubesift.simulate.spectra import REST, dusty, moving, population
from cubesift.simulate.structure import Plane, plane_of, sersic, texture


def total_flux(galaxy: Galaxy, spectrum: np.ndarray) -> float:
    """Scale, 1e-17 erg/s/cm2/angstrom, that a spectrum of 1 at 7480 angstrom at rest must have to be seen.

    Mass to light from colour: log M/L_i = -0.68 + 0.70 (g - i) (Taylor+2011), raised by 0.13 so that a
    galaxy with the mass, size and distance of 7815-3702 is as bright as it. Distance with H0 = 70 and
    q0 = -0.55, good to 0.5 % below z = 0.2.
    """
    g, i = spectrum[REST.between(4000, 5400)].mean(), spectrum[REST.between(6900, 8200)].mean()
    colour = -2.5 * np.log10(g * 4770**2 / (i * 7625**2))
    light = galaxy.logmass - (-0.55 + 0.70 * colour)
    magnitude = 4.58 - 2.5 * light  # absolute, i band, AB; the Sun has 4.58
    at_10_parsec = 10 ** (-0.4 * (magnitude + 48.60)) * SPEED_OF_LIGHT * 1e13 / 7480**2
    z = galaxy.redshift
    distance = SPEED_OF_LIGHT * z / 70 * (1 + z / 2 * 1.55) * 1e5  # of luminosity, in units of 10 pc
    return float(at_10_parsec / distance**2 * 1e17)  # `moving` divides by (1 + z)


def parts_of(galaxy: Galaxy, canvas: Canvas) -> list[Part]:
    """The galaxy as a sum of (spectrum) x (map), before seeing, noise and our own Galaxy's dust."""
    plane = plane_of(galaxy, canvas)
    area = canvas.cell**2
    flat, rounder = max(1 - galaxy.ellipticity, 0.12), 1 - 0.5 * galaxy.ellipticity
    tilt = np.sqrt(np.clip(1 - (flat**2 - 0.04) / 0.96, 0.02, 1))  # sine of the inclination, thickness 0.2
    turning = galaxy.velocity * tilt * np.tanh(plane.radius / (0.4 * galaxy.reff)) * plane.along

    bulge_size, index = (galaxy.reff, 4.0) if galaxy.bulge > 0.6 else (0.35 * galaxy.reff, 2.5)
    bulge_map = galaxy.bulge * sersic(plane.round_radius, bulge_size, index, rounder, area)
    disc = (1 - galaxy.bulge) * sersic(plane.radius, 1.15 * galaxy.reff, 1.0, flat, area)
    outer = plane.radius / (plane.radius + 1.2 * galaxy.reff)  # the gradient: inner to outer population
    born = texture(galaxy, plane, canvas)

    screen = galaxy.attenuation
    bulge = dusty(population(galaxy.bulge_age, galaxy.metallicity), 0.2 * screen)
    inner = dusty(population(1.5 * galaxy.disc_age, galaxy.metallicity - 0.1), 0.6 * screen)
    outside = dusty(population(0.7 * galaxy.disc_age, max(galaxy.metallicity - 0.35, -1.35)), 0.3 * screen)
    fresh = 0.5 * population(0.006, galaxy.metallicity - 0.2) + 0.5 * population(
        0.05, galaxy.metallicity - 0.2
    )
    old = 1 - galaxy.young
    layers = [  # spectrum, map, dispersion, velocity
        (bulge, bulge_map, galaxy.dispersion, 0.4 * turning),
        (inner, disc * old * (1 - outer), 0.25 * galaxy.dispersion + 25, turning),
        (outside, disc * old * outer, 30.0, turning),
        (dusty(fresh, screen), disc * galaxy.young * born, 20.0, turning),
    ]
    whole = sum((spectrum * light.sum() for spectrum, light, _, _ in layers), np.zeros(REST.size))
    bright = total_flux(galaxy, whole / whole[REST.between(7380, 7580)].mean())
    parts = []
    for spectrum, light, sigma, velocity in layers:
        if light.sum() > 1e-4:
            velocities, maps = canvas.by_velocity(light, velocity, STAR_STEP)
            spectra = moving(spectrum, unshared(sigma, STAR_STEP), velocities, galaxy.redshift)
            parts.append(Part(bright * spectra, maps))

    # Gas: flux of Halpha from its equivalent width; observed flux is the rest one's, width grows by 1 + z.
    alpha = bright * galaxy.halpha * whole[REST.between(6500, 6630)].mean()
    for share, light, nitrogen, hardness, sigma in gas_layers(galaxy, bulge_map, disc, born, plane):
        weight = light / light.sum()
        velocities, maps = canvas.by_velocity(weight, turning if sigma < 120 else 0.5 * turning, GAS_STEP)
        ratios = line_ratios(nitrogen, hardness, screen if sigma < 50 else 0.5 * screen)
        fluxes = {name: alpha * share * ratio for name, ratio in ratios.items()}
        spectra = glowing(fluxes, unshared(sigma, GAS_STEP), velocities, galaxy.redshift)
        parts.append(Part(spectra, maps))
    return parts


def gas_layers(
    galaxy: Galaxy, bulge: np.ndarray, disc: np.ndarray, born: np.ndarray, plane: Plane
) -> list[tuple[float, np.ndarray, float, float, float]]:
    """Share of Halpha, map, log [N II]/Halpha, log [O III]/Hbeta, dispersion (km/s) of each kind of gas."""
    # Abundance follows mass; the pair stays on the star-forming ridge (Kewley+2013, eq. 2).
    nitrogen = float(np.clip(-0.50 + 0.35 * (galaxy.logmass - 10.3), -1.4, -0.36))
    hardness = max(0.61 / (nitrogen + 0.08) + 1.1, -0.7)
    young = (disc * born, nitrogen, hardness, 25.0)
    diffuse = (bulge + 0.7 * disc, 0.05, 0.25, 70.0)
    nucleus = (bulge * np.exp(-((plane.round_radius / 1.0) ** 2)) + 1e-12, 0.0, 0.9, 180.0)
    shares = {
        RETIRED: [(1.0, diffuse)],
        STAR_FORMING: [(0.93, young), (0.07, diffuse)],
        COMPOSITE: [(0.7, young), (0.3, diffuse)],
        LINER: [(0.2, young), (0.8, diffuse)],
        SEYFERT: [(0.5, young), (0.15, diffuse), (0.35, nucleus)],
    }
    return [(share, *layer) for share, layer in shares[galaxy.gas]]
