"""What `claims.py` asks of trained models themselves: their spectra, their maps, their components."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import uniform_filter, uniform_filter1d
from torch.nn import functional

from cubesift.data.samples import Sample, Samples
from cubesift.learn.checkpoint import Checkpoint
from cubesift.learn.compressed2d import Compressed2d
from cubesift.learn.embed import encode_sample, rebuilt_sample

PERIOD = 128  # channels: the strides of wavelength that networks have here divide it, but for the last
BANDS = 16
SLICE = (5690.0, 5790.0)  # angstrom, observed: figure 5b is at 5739.8, and one channel is mostly noise


def centre(cube: np.ndarray) -> np.ndarray:
    """(wave,) of the central spaxel of a cube (y, x, wave)."""
    return np.asarray(cube[cube.shape[0] // 2, cube.shape[1] // 2])


def repeated(spectrum: np.ndarray, period: int = PERIOD) -> float:
    """Share of a spectrum's fine structure that repeats every `period` channels; about 0 where none does.

    The variance that a mean period explains, less what it explains of noise (adjusted R²).

    Args:
        spectrum: (wave,) flux; structure wider than a period is taken out.
        period: channels.
    """
    fine = (spectrum - uniform_filter1d(spectrum.astype(float), period, mode="nearest"))[period:-period]
    fine = fine[: len(fine) // period * period].reshape(-1, period)
    total, left = fine.var(), (fine - fine.mean(axis=0)).var()
    if total == 0:
        return 0.0
    return float(1 - left / total * (fine.size - 1) / (fine.size - period))


def slice_match(model: np.ndarray, sample: Sample, wave: np.ndarray) -> float:
    """Correlation over the good spaxels of a model's and the observed map about 5740 angstrom."""
    inside = (wave > SLICE[0]) & (wave < SLICE[1])
    good = (sample.ivar[..., inside] > 0).all(axis=-1)
    seen, made = (cube[..., inside].mean(axis=-1)[good] for cube in (sample.unclipped, model))
    return float(np.corrcoef(seen, made)[0, 1])


def level_and_slope(model: np.ndarray, sample: Sample) -> tuple[float, float]:
    """How far a model's central spectrum is off: its median over the true one less 1, and its slope.

    The slope is ln(median of the red half / median of the blue half); medians leave lines and noise aside.
    """
    good = centre(sample.ivar) > 0
    half = np.arange(len(good)) < len(good) // 2
    found = []
    for spectrum in (centre(model), centre(sample.unclipped)):
        blue, red = np.median(spectrum[good & half]), np.median(spectrum[good & ~half])
        found.append((np.median(spectrum[good]), np.log(max(red, 1e-6) / max(blue, 1e-6))))
    (level, slope), (true_level, true_slope) = found
    return float(level / true_level - 1), float(slope - true_slope)


def checkerboard(cubes: Sequence[np.ndarray]) -> float:
    """Strength of a pattern of period 2 in (y, x) that cubes have in common, in per cent of the flux.

    In bands of a 16th of the channels, each spaxel over the mean of 3 x 3 around it, less 1; the median of
    that over cubes and over the spaxels of each of the four parities of (y, x); of these the root of the mean
    square over parities and bands. The inner half of the side counts: no edge of a bundle runs there. What
    galaxies have themselves knows nothing of parities, and averages out.

    Args:
        cubes: (y, x, wave) flux each, of one size; the side a multiple of 8.
    """
    ratios = []
    for cube in cubes:
        bands = cube[..., : cube.shape[2] // BANDS * BANDS].reshape(*cube.shape[:2], BANDS, -1).mean(axis=-1)
        around = uniform_filter(bands, (3, 3, 1))
        edge = len(cube) // 4
        inner = (slice(edge, -edge), slice(edge, -edge))
        apart = (bands[inner] / np.maximum(around[inner], 1e-6) - 1).reshape(edge, 2, edge, 2, BANDS)
        ratios.append(apart.swapaxes(1, 2).reshape(-1, 2, 2, BANDS))
    pattern = np.median(np.concatenate(ratios), axis=0)
    return float(100 * np.sqrt(np.mean((pattern - pattern.mean(axis=(0, 1))) ** 2)))


def rebuilt(checkpoint: Checkpoint, samples: Samples, names: Sequence[str]) -> list[np.ndarray]:
    """The model's cubes, (y, x, wave) each, of these galaxies."""
    return [rebuilt_sample(checkpoint, samples.read(name))[0] for name in names]


def first_components(
    checkpoint: Checkpoint, samples: Samples, names: Sequence[str]
) -> tuple[float, dict[int, float]]:
    """What the first two principal components of the spectra say, over the good spaxels of these galaxies.

    Returns:
        |r| of the first code with the mean flux; R² of the slope of flux over ln(wavelength) by the first 1,
        2 and 5 codes.
    """
    network = checkpoint.model
    assert isinstance(network, Compressed2d)
    position = np.log(samples.grid.wave) - np.log(samples.grid.wave).mean()
    rows = []
    for name in names:
        sample = samples.read(name)
        galaxy, _, _ = encode_sample(checkpoint, sample)
        good = ((sample.ivar > 0).mean(axis=-1) > 0.9).ravel()
        with torch.no_grad():
            first = network.space.codes(galaxy).flatten(0, 1)[:, :5].numpy()[good]
        flux = sample.unclipped.reshape(len(good), -1)[good]
        rows.append(np.column_stack([first, flux.mean(axis=1), flux @ position / (position @ position)]))
    *codes, mean, slope = np.concatenate(rows).T
    by_first = {count: _explained(slope, codes[:count]) for count in (1, 2, 5)}
    return abs(float(np.corrcoef(codes[0], mean)[0, 1])), by_first


def _explained(values: np.ndarray, features: Sequence[np.ndarray]) -> float:
    matrix = np.column_stack([np.ones(len(values)), *features])
    left = values - matrix @ np.linalg.lstsq(matrix, values, rcond=None)[0]
    return float(1 - left.var() / values.var())


@torch.no_grad()
def as_one_layer(checkpoint: Checkpoint, sample: Sample) -> float:
    """How far the first layer of a CAE on components is from one convolution of the flux itself.

    The components and that layer's weights are multiplied out to weights over wavelength; the largest
    difference of the two outputs over their root mean square. The border is left out: a border of zeros is
    the mean spectrum to the one, no light to the other.
    """
    network = checkpoint.model
    assert isinstance(network, Compressed2d)
    space, layer = network.space, network.encoder[0]
    galaxy, _, _ = encode_sample(checkpoint, sample)
    codes = space.maps([galaxy]) * space.share[:, None, None]
    two_steps = layer(codes)
    assert isinstance(layer, torch.nn.Conv2d)
    basis = space.analysis * (space.share / space.variances.sqrt())[:, None]
    weight = torch.einsum("ocyx,cw->owyx", layer.weight, basis)
    assert layer.bias is not None
    bias = layer.bias - torch.einsum("owyx,w->o", weight, space.given)
    at_once = functional.conv2d(galaxy.flux.permute(2, 0, 1)[None], weight, bias, padding=1)
    inside = (..., slice(1, -1), slice(1, -1))
    return float((at_once - two_steps)[inside].abs().max() / two_steps[inside].square().mean().sqrt())
