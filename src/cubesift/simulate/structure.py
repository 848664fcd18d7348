"""Where a galaxy's light is: its plane on the sky, bulge, bar, disc, arms and clumps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.optimize import brentq
from scipy.special import gamma, gammainc

from cubesift.data.wavelength import SPEED_OF_LIGHT
from cubesift.simulate.galaxies import Galaxy
from cubesift.simulate.light import Canvas

TILE, TILE_CELL = 300, 1 / 6  # cells of the field of clumps along one side, and their size in arcsec
THINNEST = 0.12  # axis ratio below which a plane is not deprojected further
# Share of the disc's star formation that goes on in the bulge, too: pseudobulges (Kormendy & Kennicutt 2004).
PSEUDO = {"E": 0.0, "S0": 0.0, "S1": 0.5, "S2": 0.9}


@dataclass(frozen=True)
class Plane:
    """A disc seen on a canvas: every array is (fine y, fine x)."""

    flat: float  # axis ratio on the sky
    along: np.ndarray  # cosine of the azimuth from the major axis
    azimuth: np.ndarray  # radians, in the disc
    radius: np.ndarray  # arcsec, in the disc
    round_radius: np.ndarray  # arcsec, of the rounder bulge


@dataclass(frozen=True)
class Shape:
    """Light per fine cell over the whole galaxy's, (fine y, fine x); bulge, bar and disc add up to 1."""

    bulge: np.ndarray
    bar: np.ndarray
    disc: np.ndarray
    born: np.ndarray  # the young stars and their gas over the disc's light, mean about 1


def plane_at(canvas: Canvas, pa: float, flat: float, rounder: float) -> Plane:
    """Deprojected coordinates; position angle in degrees, north (up) through east (left), as in the cubes."""
    angle = np.deg2rad(pa)
    major = -canvas.x * np.sin(angle) + canvas.y * np.cos(angle)
    minor = canvas.x * np.cos(angle) + canvas.y * np.sin(angle)
    radius = np.hypot(major, minor / flat)
    return Plane(
        flat=flat,
        along=major / np.maximum(radius, 1e-6),
        azimuth=np.arctan2(minor / flat, major),
        radius=radius,
        round_radius=np.hypot(major, minor / rounder),
    )


def plane_of(galaxy: Galaxy, canvas: Canvas) -> Plane:
    """The stars' plane. The bulge of a disc is half as flat as the disc looks."""
    flat = max(1 - galaxy.ellipticity, THINNEST)
    rounder = flat if galaxy.morphology == "E" else 1 - 0.5 * galaxy.ellipticity
    return plane_at(canvas, galaxy.pa, flat, rounder)


def gas_plane(galaxy: Galaxy, canvas: Canvas) -> tuple[Plane, float]:
    """The gas's plane and the sine of its inclination.

    Turned by the misalignment on the sky: aligned and counter-rotating gas (within 30 degrees) shares the
    stars' inclination, other gas has settled into no plane of theirs and is inclined by chance.
    """
    off = abs(galaxy.misalignment)
    inclined = np.cos(np.deg2rad(galaxy.inclination))
    if 30 < off < 150:
        inclined = np.random.default_rng([galaxy.texture, 1]).uniform(0.25, 0.9)
    flat = float(max(inclined, THINNEST))
    return plane_at(canvas, galaxy.pa + galaxy.misalignment, flat, flat), float(np.sqrt(1 - inclined**2))


def concentration(index: float) -> float:
    """b of a Sersic profile (Prugniel & Simien 1997)."""
    return float(2 * index - 1 / 3 + 0.009876 / index)


def sersic(radius: np.ndarray, reff: float, index: float, ratio: float, area: float) -> np.ndarray:
    """Light per fine cell of a Sersic profile of total 1; `area` of a cell and `reff` in arcsec."""
    b = concentration(index)
    total = 2 * np.pi * ratio * reff**2 * index * np.exp(b) * b ** (-2 * index) * gamma(2 * index)
    soft = np.hypot(radius, 0.08)  # a cusp finer than the cells
    return np.asarray(area * np.exp(-b * ((soft / reff) ** (1 / index) - 1)) / total)


def enclosed(radius: float, reff: float, index: float) -> float:
    """Share of a Sersic profile's light inside `radius`."""
    return float(gammainc(2 * index, concentration(index) * (radius / reff) ** (1 / index)))


def shape_of(galaxy: Galaxy, plane: Plane, canvas: Canvas) -> Shape:
    """Bulge, bar and disc that together have the galaxy's half-light radius.

    Sersic indices of bulges by type, from 4 (more in massive ellipticals; Kormendy+2009) to 1.3 in late
    spirals; bars hold some tenth of the light (Gadotti 2011). All by eye within what is published.
    """
    reff, share, area = galaxy.reff, galaxy.bulge, canvas.cell**2
    massive = np.clip(galaxy.logmass - 10.5, -1, 1)
    index = {"E": 4.0 + 1.5 * massive, "S0": 2.5, "S1": 2.0, "S2": 1.3}[galaxy.morphology]
    size = reff if galaxy.morphology == "E" else (0.25 + 0.75 * share) * reff
    barred = (1 - share) * min(0.25 * galaxy.bar, 0.2)
    rest = 1 - share - barred
    inside = 0.5 - barred - share * enclosed(reff, size, index)  # light of the disc that is still missing

    def missing(scale: float) -> float:
        return rest * enclosed(1.0, scale, 1.0) - inside

    wide = float(brentq(missing, 0.7, 2.0)) if missing(0.7) > 0 > missing(2.0) else 1.1
    rounder = plane.flat if galaxy.morphology == "E" else 1 - 0.5 * galaxy.ellipticity
    bulge = share * sersic(plane.round_radius, size, index, rounder, area)
    disc = rest * sersic(plane.radius, wide * reff, 1.0, plane.flat, area)
    arms, born = texture(galaxy, plane, canvas)
    # Young stars and gas lie in a thinner disc than the old stars: seen edge-on, nearer to its plane.
    thin = plane_at(
        canvas, galaxy.pa, float(np.clip(np.cos(np.deg2rad(galaxy.inclination)), 0.1, plane.flat)), 1.0
    )
    nearer = concentration(1.0) * (thin.radius - plane.radius) / (wide * reff)
    born = born * np.exp(-nearer) * plane.flat / thin.flat
    # A lopsided disc has more light on one side, the farther out the more (Rix & Zaritsky 1995).
    phase = np.random.default_rng([galaxy.texture, 2]).uniform(0, 2 * np.pi)
    lean = galaxy.lopsided * np.minimum(plane.radius / (1.5 * reff), 1)
    disc = disc * arms * (1 + lean * np.cos(plane.azimuth - phase))
    return Shape(bulge, barred * bar_shape(galaxy, plane, area), disc, born)


def bar_shape(galaxy: Galaxy, plane: Plane, area: float) -> np.ndarray:
    """A flat, boxy bar of total 1, a third as wide as long: exp(-m**3) on superellipses of exponent 2.5."""
    if galaxy.bar == 0:
        return np.zeros_like(plane.radius)
    half = galaxy.bar * galaxy.reff
    away = plane.azimuth - np.deg2rad(galaxy.bar_angle)
    along, across = plane.radius * np.cos(away) / half, plane.radius * np.sin(away) / (0.33 * half)
    light = np.exp(-((np.abs(along) ** 2.5 + np.abs(across) ** 2.5) ** (3 / 2.5)))
    inside = 4 * gamma(1.4) ** 2 / gamma(1.8) * 0.33 * half**2 * plane.flat  # area where m < 1, arcsec**2
    return np.asarray(area * light / (inside * gamma(2 / 3) * 2 / 3))


def texture(galaxy: Galaxy, plane: Plane, canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """Arms in the old disc, and arms with clumps on which young stars and gas lie, each about 1 on average.

    Logarithmic spirals of pitch 12 to 28 degrees: two arms in early spirals, two to four in late ones;
    star-forming regions of 150 parsec to 1 kiloparsec.
    """
    rng = np.random.default_rng(galaxy.texture)
    pitch = np.tan(np.deg2rad(rng.uniform(12, 28))) * rng.choice([-1, 1])
    count = int(rng.integers(2, 5)) if galaxy.morphology == "S2" else 2
    winding = np.log(np.maximum(plane.radius, 0.2) / galaxy.reff) / pitch
    wave = np.cos(count * (plane.azimuth - winding) + rng.uniform(0, 2 * np.pi))
    begins = 0.3 + galaxy.bar  # in reff: at the ends of the bar
    most = {"E": 0.0, "S0": 0.05, "S1": 0.8, "S2": 1.0}[galaxy.morphology] * rng.uniform(0.5, 1.2)
    strength = most * (1 - np.exp(-((plane.radius / (begins * galaxy.reff)) ** 2)))
    arms = np.exp(strength * wave) / np.i0(strength)  # narrower than a cosine; mean 1 along a circle
    # Laid out around the galaxy, so that a repeat in another bundle sees the same clumps.
    field = np.zeros((TILE, TILE))
    for kiloparsec, weight in ((0.15, 0.5), (0.4, 0.7), (1.0, 0.6)):
        grain = rng.standard_normal(field.shape)
        size = np.clip(kiloparsec * arcsec_per_kpc(galaxy) / TILE_CELL, 0.7, 12)
        grain = gaussian_filter(grain, size, mode="wrap")
        field += weight * grain / grain.std()
    smooth = {"E": 0.3, "S0": 0.5, "S1": 0.9, "S2": 1.0}[galaxy.morphology]
    clumps = np.exp(0.65 * smooth * field)
    places = np.stack([canvas.y, canvas.x]) / TILE_CELL + TILE / 2
    seen = map_coordinates(clumps / clumps.mean(), places, order=1, mode="grid-wrap")
    return 1 + 0.35 * (arms - 1), np.asarray(arms * seen)


def forming_profile(galaxy: Galaxy, radius: np.ndarray | float) -> np.ndarray:
    """Star formation over starlight at radii in reff, 1 at reff.

    It rises outwards where age falls outwards, with a scatter between galaxies of 0.2 dex per reff: some
    form their stars in the middle (Ellison+2018 find such profiles above the main sequence; by eye).
    """
    scatter = np.random.default_rng([galaxy.texture, 6]).normal(0, 0.2)
    outwards = np.clip(np.asarray(radius) - 1, -1, 1.5)
    return np.asarray(10 ** ((scatter - 1.5 * galaxy.age_gradient) * outwards))


def luminosity_distance(redshift: float) -> float:
    """Megaparsec, with H0 = 70 and q0 = -0.55: good to 0.5 % below z = 0.2."""
    return SPEED_OF_LIGHT * redshift / 70 * (1 + redshift / 2 * 1.55)


def arcsec_per_kpc(galaxy: Galaxy) -> float:
    """Of length at the galaxy's distance."""
    return 206.265 / luminosity_distance(galaxy.redshift) * (1 + galaxy.redshift) ** 2
