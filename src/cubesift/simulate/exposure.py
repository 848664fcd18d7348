"""From light to counts: flux with noise, the ivar that a pipeline would give it, flux without noise."""

from __future__ import annotations

import numpy as np

from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.light import Sight, pieces
from cubesift.simulate.noise import (
    RIM,
    coverage_variance,
    residual_share,
    shared_noise,
    sky_line,
    sky_variance,
    source_variance,
)
from cubesift.simulate.observation import Observation
from cubesift.simulate.plants import Plant, spoilt
from cubesift.simulate.settings import Simulation


def exposed(
    settings: Simulation, seen: Observation, sight: Sight, plants: list[Plant], inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flux with noise, formal ivar and flux without noise, each (wave, y, x) float32."""
    side = len(inside)
    flux, ivar, clean = (np.zeros((MANGA_GRID.size, side * side), np.float32) for _ in range(3))
    reached = np.flatnonzero(inside >= -RIM)
    cover = coverage_variance(inside).astype(np.float32).flat[reached]
    share = residual_share(settings.sky_residual)
    rng = np.random.default_rng([settings.seed, seen.index, 5])
    sky = sky_variance() * np.float32(seen.sky_level)
    source = source_variance() * np.float32(seen.source_level)
    leftover = share * rng.standard_normal(MANGA_GRID.size, dtype=np.float32)
    line = np.outer(8 * sky_line(), 1 + 0.3 * shared_noise(rng, 1, side).flat[reached])
    for piece in pieces():
        light = spoilt(sight.flux(piece, reached), piece, plants, reached)
        variance = np.maximum(light, 0)
        variance *= source[piece, None]
        variance += sky[piece, None]
        variance *= cover
        noise = shared_noise(rng, len(light), side).reshape(len(light), -1)[:, reached]
        # Left-over sky is the same in the whole bundle; the sum keeps variance 1.
        noise *= np.sqrt(1 - share[piece, None] ** 2)
        noise += leftover[piece, None]
        noise += line[piece].astype(np.float32)
        noise *= seen.error_factor * np.sqrt(variance)
        clean[piece, reached] = light
        flux[piece, reached] = light + noise
        ivar[piece, reached] = 1 / variance
    shape = (MANGA_GRID.size, side, side)
    return flux.reshape(shape), ivar.reshape(shape), clean.reshape(shape)
