"""What the instrument, the pipeline or the catalogue did wrong."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from scipy.ndimage import median_filter, shift

from cubesift.data.cube import DEADFIBER
from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.light import SPAXEL
from cubesift.simulate.matched import scale_for
from cubesift.simulate.noise import sky_variance
from cubesift.simulate.plants import Plant, Spoilt, patch
from cubesift.simulate.scene import Scene
from cubesift.simulate.spectra import CHANNEL

WAVE = MANGA_GRID.wave
FIBRE = 1.7  # spaxels: sigma of a fibre of 2 arcsec once it is resampled to the grid (Law+2016)
DARK_SKY = 0.14  # 1e-17 erg/s/cm2/angstrom/spaxel: 22 mag/arcsec2 in V
ARMS_MEET = 6000.0  # angstrom
EVERYWHERE = float("inf")


@cache
def sky_spectrum() -> np.ndarray:
    """Brightness of the sky, (wave,), in units of the dark continuum, taken as flat.

    Lines as the variance of empty spaxels has them over its continuum: right in place, about so in height.
    """
    variance = sky_variance().astype(float)
    return np.asarray(variance / median_filter(variance, 401, mode="nearest"))


def _times(gain: np.ndarray, where: np.ndarray) -> Spoilt:
    """The flux is multiplied by `gain`, (wave,), in the share `where`, (y, x)."""
    return lambda flux, spaxels: flux * (1 + np.multiply.outer(gain - 1, where.flat[spaxels]))


def _plus(light: np.ndarray, where: np.ndarray) -> Spoilt:
    """`light`, (wave,), is added in the share `where`, (y, x)."""
    return lambda flux, spaxels: flux + np.multiply.outer(light, where.flat[spaxels])


def dead_fibre(scene: Scene, rng: np.random.Generator) -> Plant:
    """A fibre that lost its light: a hole one fibre wide; the spaxels around carry DEADFIBER."""
    y, x = scene.elsewhere(rng, edge=2.0, away=2.0)
    lost = scene.strength(rng)
    spoilt = _times(np.full(MANGA_GRID.size, 1 - lost), patch(scene, y, x, FIBRE))
    return Plant("", y, x, strength=lost, spoilt=spoilt, bits=DEADFIBER, reach=2.5)


def cosmic_ray(scene: Scene, rng: np.random.Generator) -> Plant:
    """A hit that nobody masked: sharper in wavelength than a line, as wide as a fibre."""
    y, x = scene.elsewhere(rng, edge=1.0, away=0.0)
    channel = float(rng.uniform(50, MANGA_GRID.size - 50))
    light = np.exp(-0.5 * ((np.arange(MANGA_GRID.size) - channel) / 0.6) ** 2)
    where, wanted = patch(scene, y, x, FIBRE), scene.strength(rng)
    hit = Plant("", y, x, float(np.interp(channel, np.arange(len(WAVE)), WAVE)), wanted)
    scale = scale_for(scene, replace(hit, spoilt=_plus(light, where)), wanted)
    return replace(hit, spoilt=_plus(scale * light, where))


def sky_oversubtraction(scene: Scene, rng: np.random.Generator) -> Plant:
    """Too much sky taken from the whole bundle: the flux goes below zero where the galaxy is faint."""
    y, x = scene.centre
    share = scene.strength(rng)
    spoilt = _plus(-share * DARK_SKY * sky_spectrum(), np.ones(scene.inside.shape))
    return Plant("", y, x, strength=share, spoilt=spoilt, spread=EVERYWHERE)


def flux_step(scene: Scene, rng: np.random.Generator) -> Plant:
    """The red arm's flux calibration is off in one patch: a step where the arms meet, not flagged."""
    y, x = scene.elsewhere(rng, edge=3.0, away=0.0)
    step = scene.strength(rng)
    gain = 1 + float(rng.choice([-1, 1])) * step / (1 + np.exp(-(WAVE - ARMS_MEET) / 15.0))
    return Plant("", y, x, ARMS_MEET, step, spoilt=_times(gain, patch(scene, y, x, 3.0)))


def scattered_light(scene: Scene, rng: np.random.Generator) -> Plant:
    """A smooth glow over a third of the bundle, from a bright star outside of it, say."""
    y, x = scene.elsewhere(rng, edge=0.0, away=5.0)
    level = scene.strength(rng)
    colour = (WAVE / 6231.0) ** rng.uniform(-1.5, 0.5)
    wide = patch(scene, y, x, rng.uniform(5, 8))
    return Plant("", y, x, strength=level, spoilt=_plus(level * DARK_SKY * colour, wide), spread=EVERYWHERE)


def wavelength_shift(scene: Scene, rng: np.random.Generator) -> Plant:
    """Wavelengths are off by some km/s, in a patch of a few fibres or (one in two) the whole bundle."""
    speed = scene.strength(rng)
    channels = float(rng.choice([-1, 1])) * speed / CHANNEL
    whole = rng.random() < 0.5
    y, x = scene.centre if whole else scene.elsewhere(rng, away=0.0, within=1.5 * scene.galaxy.reff / SPAXEL)
    where = np.ones(scene.inside.shape, np.float32) if whole else patch(scene, y, x, 3.0)

    def spoilt(flux: np.ndarray, spaxels: np.ndarray) -> np.ndarray:
        moved = shift(flux, (channels, 0), order=3, mode="nearest")
        return np.asarray(flux + where.flat[spaxels] * (moved - flux))

    return Plant("", y, x, strength=speed, spoilt=spoilt, spread=EVERYWHERE if whole else 6.0)


def wrong_redshift(scene: Scene, rng: np.random.Generator) -> Plant:
    """The catalogue's redshift is another galaxy's; the cube itself is ordinary."""
    z, wrong = scene.galaxy.redshift, scene.strength(rng)
    nearer = z - wrong > 0.003 and rng.random() < 0.5
    return Plant("", *scene.centre, strength=wrong, redshift=z - wrong if nearer else z + wrong)
