"""From light to counts: flux with noise, and the ivar that a pipeline would give it."""

from __future__ import annotations

import numpy as np

from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.light import pieces
from cubesift.simulate.noise import (
    RIM,
    beside_sky_line,
    coverage_variance,
    noise_planes,
    residual_share,
    running,
    shared_noise,
    sky_line,
    sky_variance,
    source_variance,
)
from cubesift.simulate.observation import Observation
from cubesift.simulate.settings import Simulation


def formal_variance(
    seen: Observation, light: np.ndarray, cover: np.ndarray, channels: slice = slice(None)
) -> np.ndarray:
    """Variance that the pipeline gives noise-free light, (channels, spaxels).

    Args:
        seen: says how deep the observation is.
        light: noise-free flux, (channels, spaxels).
        cover: `coverage_variance` of the same spaxels.
        channels: which of all they are.
    """
    variance = np.maximum(light, 0)
    variance *= (source_variance() * np.float32(seen.source_level))[channels, None]
    variance += (sky_variance() * np.float32(seen.sky_level))[channels, None]
    variance *= cover
    return np.asarray(variance)


def exposed(
    settings: Simulation, seen: Observation, clean: np.ndarray, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Flux with noise and formal ivar of noise-free flux, each (wave, y, x) float32."""
    side = len(inside)
    flux, ivar = (np.zeros((MANGA_GRID.size, side * side), np.float32) for _ in range(2))
    lights = clean.reshape(MANGA_GRID.size, -1)
    reached = np.flatnonzero(inside >= -RIM)
    cover = coverage_variance(inside).astype(np.float32).flat[reached]
    rng = np.random.default_rng([settings.seed, seen.index, 5])
    # Left-over sky is one and the same in the whole bundle; the rest has what is left of the variance.
    share = residual_share(settings.sky_residual)
    leftover = share * np.sqrt(seen.sky_level * cover.min() * sky_variance())
    channels = settings.channel_correlation
    common = leftover * running(rng.standard_normal(len(leftover) + len(channels)), channels)
    # Beyond the formal errors on purpose, as in the real spectra: chi2 must leave the line out.
    strength = np.sqrt(seen.sky_level) * beside_sky_line()
    line = np.outer(strength * sky_line(rng), 1 + 0.3 * shared_noise(rng, 1, side).flat[reached])
    counts = [piece.stop - piece.start for piece in pieces()]
    for piece, planes in zip(pieces(), noise_planes(rng, counts, side, channels), strict=True):
        light = lights[piece][:, reached]
        variance = formal_variance(seen, light, cover, piece)
        noise = planes.reshape(len(light), -1)[:, reached]
        noise *= np.sqrt(variance - leftover[piece, None] ** 2)
        noise += common[piece, None]
        noise *= np.float32(seen.error_factor)
        noise += line[piece].astype(np.float32)
        flux[piece, reached] = light + noise
        ivar[piece, reached] = 1 / variance
    shape = (MANGA_GRID.size, side, side)
    return flux.reshape(shape), ivar.reshape(shape)
