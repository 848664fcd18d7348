"""What makes the gas glow, where: star formation, old stars' diffuse gas, an active nucleus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cubesift.simulate.galaxies import COMPOSITE, LINER, RETIRED, SEYFERT, STAR_FORMING, Galaxy
from cubesift.simulate.gas import line_ratios, star_forming_ridge
from cubesift.simulate.kinematics import circular_speed
from cubesift.simulate.light import Canvas
from cubesift.simulate.structure import PSEUDO, Plane, Shape, arcsec_per_kpc, forming_profile, sersic

KNOTS = (0.3, 1.0, 2.0)  # radii in reff at which the abundance is given; in between regions mix


@dataclass(frozen=True)
class Gas:
    """Gas of one kind at one abundance."""

    kind: str  # regions, diffuse or nucleus
    share: float  # of the galaxy's Halpha that all gas of the kind has
    ratios: dict[str, float]  # flux of each line over Halpha
    light: np.ndarray  # Halpha in units of its own, the same for the kind, (fine y, fine x)
    sigma: float  # dispersion, km/s
    speed: float  # of rotation, km/s


def gas_layers(galaxy: Galaxy, disc: Plane, shape: Shape, canvas: Canvas) -> list[Gas]:
    """All kinds of gas; the shares of the kinds add up to 1.

    Args:
        galaxy: its class says what share of Halpha each kind has.
        disc: the gas's plane.
        shape: where the stars are.
        canvas: the cells.
    """
    spiral = galaxy.morphology in ("S1", "S2")
    shares = {  # star-forming regions, diffuse gas, nucleus: by eye, so that centres are of the class's kind
        RETIRED: (0.0, 0.85, 0.15),
        STAR_FORMING: (0.72, 0.28, 0.0),
        COMPOSITE: (0.61, 0.25, 0.14),
        # In spirals a LI(N)ER is the middle of a star-forming disc, in early types all of it (Belfiore+2016).
        LINER: (0.55, 0.2, 0.25) if spiral else (0.0, 0.75, 0.25),
        SEYFERT: (0.6, 0.1, 0.3) if spiral else (0.15, 0.2, 0.65),
    }
    regions, diffuse, nucleus = shares[galaxy.gas]
    found = star_forming(galaxy, regions, disc, shape, canvas) if regions else []
    found.append(diffuse_gas(galaxy, diffuse, disc, shape, canvas))
    if nucleus:
        found.append(nuclear(galaxy, nucleus, disc, canvas))
    return found


def settled(galaxy: Galaxy, disc: Plane, shape: Shape, canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """The gas disc's light and its clumps: the stars' disc, unless the gas lies in a plane of its own."""
    if 30 < abs(galaxy.misalignment) < 150:
        light = sersic(disc.radius, 0.8 * galaxy.reff, 1.0, disc.flat, canvas.cell**2)
        return light, np.ones_like(light)
    return shape.disc, shape.born


def abundance(galaxy: Galaxy, radius: float) -> tuple[float, float]:
    """log [N II]/Halpha and log [O III]/Hbeta of H II regions at a radius in reff.

    The first follows mass at reff (mass-metallicity relation of Sanchez+2017 in the N2 calibration of
    Marino+2013, 12 + log O/H = 8.743 + 0.462 N2, rounded), its gradient is -0.1 dex of O/H per reff
    (Sanchez+2014), flat in dwarfs (Belfiore+2017); the second lies on the star-forming ridge.
    """
    rng = np.random.default_rng([galaxy.texture, 3])
    at_reff = -0.50 + 0.35 * (galaxy.logmass - 10.3) + rng.normal(0, 0.07)
    slope = -0.10 / 0.462 * np.clip((galaxy.logmass - 9) / 1.5, 0.1, 1.2) * rng.uniform(0.5, 1.5)
    above = rng.normal(0, 0.07)  # scatter of galaxies about the ridge
    nitrogen = float(np.clip(at_reff + slope * (radius - 1), -1.5, -0.33))
    return nitrogen, star_forming_ridge(nitrogen) + above


def screen(galaxy: Galaxy, radius: float) -> float:
    """A_V of the gas at a radius in reff, mag."""
    return float(max(galaxy.attenuation + galaxy.dust_gradient * (min(radius, 2.5) - 1), 0.03))


def star_forming(galaxy: Galaxy, share: float, disc: Plane, shape: Shape, canvas: Canvas) -> list[Gas]:
    """H II regions, whose abundance and dust change outwards."""
    light, clumps = settled(galaxy, disc, shape, canvas)
    radius = disc.radius / galaxy.reff
    born = light * clumps + PSEUDO[galaxy.morphology] * shape.bulge
    born = born * forming_profile(galaxy, radius)
    found = []
    for knot, row in zip(KNOTS, np.eye(len(KNOTS)), strict=True):
        ratios = line_ratios(*abundance(galaxy, knot), screen(galaxy, knot), density=120 / (1 + knot))
        here = born * np.interp(radius, KNOTS, row)
        found.append(Gas("regions", share, ratios, here, 24.0, circular_speed(galaxy)))
    return found


def diffuse_gas(galaxy: Galaxy, share: float, disc: Plane, shape: Shape, canvas: Canvas) -> Gas:
    """Gas between the regions, or all there is in early types, which old stars make LI(N)ER-like.

    Between regions it has 0.12 dex more [N II], 0.25 more [O III] and twice the [S II], the more of the light
    the fainter Halpha is (Zhang+2017), which is farther out; in early types see Belfiore+2016. By eye.
    """
    rng = np.random.default_rng([galaxy.texture, 4])
    light, _ = settled(galaxy, disc, shape, canvas)
    extra = 0.0
    if galaxy.gas in (STAR_FORMING, COMPOSITE):
        nitrogen, hardness = abundance(galaxy, 1.0)
        nitrogen, hardness = nitrogen + 0.12 + rng.normal(0, 0.03), hardness + 0.25 + rng.normal(0, 0.08)
        outwards = np.sqrt(np.clip(disc.radius / galaxy.reff, 0.3, 2.5))
        light, sigma = (0.3 * shape.bulge + shape.bar + light) * outwards, 40.0
        extra = 0.2
    else:
        nitrogen = rng.normal(0.0, 0.07) + 0.15 * min(galaxy.logmass - 10.5, 0.5)
        hardness = rng.normal(0.3, 0.1)
        light = shape.bulge + shape.bar + 0.8 * light
        sigma = float(np.clip(0.5 * galaxy.dispersion, 50, 120))
    ratios = line_ratios(float(nitrogen), float(hardness), 0.5 * galaxy.attenuation, 10.0, extra)
    return Gas("diffuse", share, ratios, light, sigma, 0.9 * circular_speed(galaxy))


def nuclear(galaxy: Galaxy, share: float, disc: Plane, canvas: Canvas) -> Gas:
    """The narrow-line region: half its light within a kiloparsec, a Seyfert's or a LI(N)ER's."""
    rng = np.random.default_rng([galaxy.texture, 5])
    seyfert = galaxy.gas == SEYFERT
    nitrogen = rng.normal(0.0, 0.08) + 0.2 * np.clip(galaxy.logmass - 10.7, -1, 0.5)
    hardness = rng.normal(0.9 if seyfert else 0.4, 0.12)
    reff = max(1.0 * arcsec_per_kpc(galaxy), 0.3)
    light = sersic(disc.round_radius, reff, 1.0, disc.flat, canvas.cell**2)
    dust = 0.8 * max(galaxy.attenuation, 0.3)
    ratios = line_ratios(float(nitrogen), float(hardness), dust, density=400)
    sigma = float(np.clip(galaxy.dispersion * rng.uniform(0.8, 1.3), 100, 300))
    return Gas("nucleus", share, ratios, light, sigma, 0.5 * circular_speed(galaxy))
