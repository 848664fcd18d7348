"""How strong a planted thing is: the signal-to-noise of a filter that matches it."""

from __future__ import annotations

import numpy as np

from cubesift.simulate.noise import correlation
from cubesift.simulate.plants import Plant, recorded
from cubesift.simulate.scene import Box, Scene


def matched_signal_to_noise(
    signal: np.ndarray, variance: np.ndarray, channels: tuple[float, ...] = ()
) -> float:
    """S/N of the sum weighted by signal / variance, with the noise that neighbours share.

    In each channel amplitude and noise are Σ w t and Σ w_i σ_i rho_ij w_j σ_j with w = t / σ². Channels are
    added by amplitude over noise, the best were they independent; what they share is added to the noise.

    Args:
        signal: (wave, y, x), noise-free.
        variance: (wave, y, x); inf = do not use.
        channels: correlation of a channel's noise with the next, the next but one, ...
    """
    rows, columns = correlation(signal.shape[1]), correlation(signal.shape[2])
    total = shared = 0.0
    some = 256  # channels of a whole cube, not all at once
    for start in range(0, len(signal), some):
        piece = slice(start, start + some + len(channels))
        t, v = signal[piece], variance[piece]
        weight = t / v
        scaled = weight * np.sqrt(np.where(np.isfinite(v), v, 0))
        spread = rows @ scaled @ columns
        found, noise = np.sum(weight * t, axis=(1, 2)), np.sum(scaled * spread, axis=(1, 2))
        gain = np.divide(found, noise, out=np.zeros_like(found), where=noise > 0)
        total += float(np.sum((found * gain)[:some]))
        for apart, rho in enumerate(channels, start=1):
            both = np.sum(scaled[:-apart] * spread[apart:], axis=(1, 2)) * gain[:-apart] * gain[apart:]
            shared += 2 * rho * float(np.sum(both[:some]))
    return total / float(np.sqrt(total + shared)) if total > 0 else 0.0


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
            _in_box(scene, box, spaxels, change, 0),
            _in_box(scene, box, spaxels, variance, np.inf),
            scene.settings.channel_correlation,
        )
    return scale


def _in_box(scene: Scene, box: Box, spaxels: np.ndarray, values: np.ndarray, empty: float) -> np.ndarray:
    """Values of spaxels as a box, (wave, box y, box x)."""
    found = np.full((len(values), *(part.stop - part.start for part in box)), empty, np.float32)
    rows, columns = np.divmod(spaxels, scene.canvas.side)
    found[:, rows - box[0].start, columns - box[1].start] = values
    return found
