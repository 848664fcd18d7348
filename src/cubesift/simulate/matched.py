"""How strong a planted thing is: the signal-to-noise of a filter that matches it."""

from __future__ import annotations

import numpy as np

from cubesift.simulate.noise import correlation
from cubesift.simulate.plants import Plant, recorded
from cubesift.simulate.scene import Box, Scene


def matched_signal_to_noise(signal: np.ndarray, variance: np.ndarray) -> float:
    """S/N of the sum weighted by signal / variance, with the noise that neighbours share.

    (Σ w t)² / Σ w_i σ_i rho_ij w_j σ_j with w = t / σ², per channel, added over channels.

    Args:
        signal: (wave, y, x), noise-free.
        variance: (wave, y, x); inf = do not use.
    """
    rows, columns = correlation(signal.shape[1]), correlation(signal.shape[2])
    total = 0.0
    for start in range(0, len(signal), 256):  # of a whole cube, not all at once
        t, v = signal[start : start + 256], variance[start : start + 256]
        weight = t / v
        scaled = weight * np.sqrt(np.where(np.isfinite(v), v, 0))
        found = np.sum(weight * t, axis=(1, 2)) ** 2
        noise = np.sum(scaled * (rows @ scaled @ columns), axis=(1, 2))
        usable = noise > 0
        total += float(np.sum(found[usable] / noise[usable]))
    return float(np.sqrt(total))


def change_by(plant: Plant, plants: list[Plant], scene: Scene, clean: np.ndarray, box: Box) -> np.ndarray:
    """What one of the plants changed in the noise-free flux of a box, (wave, box y, box x) float32.

    Args:
        plant: one of `plants`.
        plants: all that grow here.
        scene: without them.
        clean: noise-free flux of the cube with all, (wave, y, x).
        box: where to look; 0 where no fibre reaches.
    """
    others = [other for other in plants if other is not plant]
    spaxels = scene.reached(box)
    change = clean.reshape(len(clean), -1)[:, spaxels] - recorded(scene, others, spaxels)
    return _in_box(scene, box, spaxels, change, 0)


def scale_for(scene: Scene, plant: Plant, wanted: float) -> float:
    """By what the plant's light must be multiplied to have a matched-filter S/N of `wanted` in truth."""
    box = scene.box(plant.y, plant.x, plant.spread)
    spaxels = scene.reached(box)
    base = recorded(scene, [], spaxels)
    change = recorded(scene, [plant], spaxels) - base
    scale = 1.0
    for _ in range(4):  # its own light adds to the noise
        variance = scene.variance(base + np.float32(scale) * change, spaxels)
        scale = wanted / matched_signal_to_noise(
            _in_box(scene, box, spaxels, change, 0), _in_box(scene, box, spaxels, variance, np.inf)
        )
    return scale


def _in_box(scene: Scene, box: Box, spaxels: np.ndarray, values: np.ndarray, empty: float) -> np.ndarray:
    """Values of spaxels as a box, (wave, box y, box x)."""
    whole = np.full((len(values), scene.inside.size), empty, np.float32)
    whole[:, spaxels] = values
    return whole.reshape(len(values), *scene.inside.shape)[:, *box]
