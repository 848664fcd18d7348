"""A spiral galaxy whose every number is known, and how tests look at its light without noise."""

from dataclasses import replace

import numpy as np

from cubesift.data.wavelength import MANGA_GRID, STEP
from cubesift.simulate.galaxies import STAR_FORMING, Galaxy, draw_galaxy
from cubesift.simulate.gas import LINES
from cubesift.simulate.layers import parts_of
from cubesift.simulate.light import Canvas, Seeing, Sight
from cubesift.simulate.spectra import CHANNEL

WAVE = MANGA_GRID.wave
WIDTH = WAVE * np.log(10) * STEP  # angstrom of a channel
SPIRAL = replace(
    draw_galaxy(np.random.default_rng(3), (), 0.1),
    redshift=0.03,
    reff=5.0,
    ellipticity=0.4,
    inclination=55.0,
    thickness=0.2,
    pa=30.0,
    logmass=10.6,
    morphology="S1",
    gas=STAR_FORMING,
    bulge=0.2,
    bar=0.0,
    lopsided=0.0,
    bulge_age=9.0,
    disc_age=4.0,
    metallicity=0.0,
    young=0.25,
    halpha=20.0,
    attenuation=1.0,
    velocity=200.0,
    dispersion=120.0,
    misalignment=0.0,
    age_gradient=-0.1,
    metallicity_gradient=-0.1,
    dust_gradient=-0.2,
    texture=5,
)
SIDE = 54


def seen(galaxy: Galaxy, gas: bool, side: int = SIDE, fwhm: float = 2.5) -> np.ndarray:
    """Noise-free light of the stars or of the gas, (wave, y, x)."""
    canvas = Canvas(side)
    parts = [part for part in parts_of(galaxy, canvas) if (np.median(part.spectra) == 0) == gas]
    sight = Sight(parts, canvas, Seeing(fwhm))
    return (sight.spectra.T @ sight.maps(6231.0)).reshape(-1, side, side)


def line(gas: np.ndarray, name: str, redshift: float, reach: float = 9.0) -> np.ndarray:
    """Flux of a line within `reach` angstrom at rest, (y, x)."""
    window = MANGA_GRID.between(
        (LINES[name] - reach) * (1 + redshift), (LINES[name] + reach) * (1 + redshift)
    )
    return np.asarray(np.tensordot(WIDTH[window], gas[window], axes=1))


def velocities(gas: np.ndarray, redshift: float) -> np.ndarray:
    """Of the centroid of [O III] 5008, km/s, (y, x)."""
    window = MANGA_GRID.between(4990 * (1 + redshift), 5026 * (1 + redshift))
    centre = np.tensordot(np.arange(window.start, window.stop), gas[window], axes=1) / gas[window].sum(axis=0)
    return np.asarray((centre - MANGA_GRID.channel(LINES["OIII5008"] * (1 + redshift))) * CHANNEL)


def dn4000(spectrum: np.ndarray, redshift: float = 0.0, wave: np.ndarray = WAVE) -> np.ndarray:
    """Balogh+1999: mean f_nu in 4000-4100 angstrom over that in 3850-3950; axis 0 is the wavelength."""
    rest = wave / (1 + redshift)
    per_hertz = spectrum * (wave**2).reshape(-1, *[1] * (spectrum.ndim - 1))
    red, blue = (rest > 4000) & (rest < 4100), (rest > 3850) & (rest < 3950)
    return np.asarray(per_hertz[red].mean(axis=0) / per_hertz[blue].mean(axis=0))


def radii(galaxy: Galaxy, side: int = SIDE) -> np.ndarray:
    """Of the spaxels, in the galaxy's plane, in reff."""
    y, x = 0.5 * (np.indices((side, side)) - side / 2)
    angle = np.deg2rad(galaxy.pa)
    major, minor = -x * np.sin(angle) + y * np.cos(angle), x * np.cos(angle) + y * np.sin(angle)
    return np.hypot(major, minor / (1 - galaxy.ellipticity)) / galaxy.reff
