"""The steps of preparation: small pure functions on arrays, in the order `prepare_cube` calls them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cubesift.data.wavelength import WavelengthGrid

BLOCK = 128  # channels at a time: what is worked on stays in the processor's cache
BAD_SIGMA = np.float32(1e15)  # of a bad spaxel; its square still fits float32


def linear_weights(size: int, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrices (wanted, size) that add, and that subtract, the two neighbours of every new spaxel.

    The first is linear interpolation with the corners kept, as `scipy.ndimage.zoom(order=1)` does.
    The second differs by the sign of the farther neighbour, and is what the variance needs.
    """
    place = np.arange(wanted) * ((size - 1) / (wanted - 1))
    lower = np.minimum(place.astype(int), size - 2)
    fraction = (place - lower).astype(np.float32)
    rows = np.arange(wanted)
    plus = np.zeros((wanted, size), np.float32)
    minus = np.zeros((wanted, size), np.float32)
    plus[rows, lower] = minus[rows, lower] = 1 - fraction
    plus[rows, lower + 1] = fraction
    minus[rows, lower + 1] = -fraction
    return plus, minus


def resized(values: np.ndarray, side: int, clip: bool = False) -> np.ndarray:
    """(wave, y, x) -> (side, side, wave) float32, linear in y and x; `clip`: negative values are 0 first."""
    wave, ny, nx = values.shape
    over_y, over_x = linear_weights(ny, side)[0], linear_weights(nx, side)[0].T.copy()
    out = np.empty((side, side, wave), np.float32)
    for channels in _blocks(wave):
        block = np.maximum(values[channels], 0) if clip else values[channels]
        across = (block.reshape(-1, nx) @ over_x).reshape(-1, ny, side)
        out[:, :, channels] = (over_y @ across).transpose(1, 2, 0)
    return out


def resized_ivar(ivar: np.ndarray, side: int, noise_sigma: float) -> np.ndarray:
    """(wave, y, x) -> (side, side, wave): ivar of the interpolated flux, per original spaxel.

    Neighbouring spaxels share noise, rho(d) = exp(-d**2 / 2 noise_sigma**2), d in spaxels, so
    var = sum w_i w_j sigma_i sigma_j rho_ij over the four neighbours. With rho for one step, the
    correlation of two neighbours has the eigenvalues 1 + rho (their sum) and 1 - rho (their
    difference), and the sum over four becomes four squares. A new spaxel with one bad neighbour is
    bad: that neighbour has infinite variance.
    """
    wave, ny, nx = ivar.shape
    rho = np.exp(-0.5 / noise_sigma**2) if noise_sigma > 0 else 0.0
    share = np.sqrt(np.array([(1 + rho) / 2, (1 - rho) / 2], np.float32))[:, None, None]
    over_y = np.concatenate(linear_weights(ny, side) * share)
    over_x = np.concatenate(linear_weights(nx, side) * share).T.copy()
    good = ivar[:: max(wave // 64, 1)]
    unit = np.float32(np.median(good[good > 0])) if (good > 0).any() else np.float32(1)
    out = np.empty((side, side, wave), np.float32)
    with np.errstate(divide="ignore"):
        for channels in _blocks(wave):
            sigma = 1 / np.sqrt(ivar[channels] / unit)
            np.minimum(sigma, BAD_SIGMA, out=sigma)
            across = (sigma.reshape(-1, nx) @ over_x).reshape(-1, ny, 2 * side)
            squares = (over_y @ across) ** 2
            variance = squares.reshape(-1, 2, side, 2, side).sum(axis=(1, 3))
            block = unit / variance
            block[variance > 1e14] = 0  # even 1e-7 of a bad neighbour is above this
            out[:, :, channels] = block.transpose(1, 2, 0)
    return out


def resized_bits(bits: np.ndarray, side: int) -> np.ndarray:
    """(wave, y, x) -> (side, side, wave): every bit of every spaxel that went in."""
    wave, ny, nx = bits.shape
    (y_low, y_high), (x_low, x_high) = _neighbours(ny, side), _neighbours(nx, side)
    out = np.empty((side, side, wave), bits.dtype)
    for channels in _blocks(wave):
        block = bits[channels]
        if (block == block[0]).all():  # nearly always: flags follow spaxels, not channels
            block = block[:1]
        across = block[:, :, x_low] | block[:, :, x_high]
        out[:, :, channels] = (across[:, y_low] | across[:, y_high]).transpose(1, 2, 0)
    return out


def _neighbours(size: int, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last spaxel that go into every new one (the same where one suffices)."""
    used = linear_weights(size, wanted)[0] > 0
    return used.argmax(axis=1), size - 1 - used[:, ::-1].argmax(axis=1)


def _blocks(wave: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, wave)) for start in range(0, wave, BLOCK))


def without_bad(flux: np.ndarray, good: np.ndarray) -> np.ndarray:
    """(wave, y, x): flux whose bad voxels hold nothing of what came in them.

    In a spaxel that was seen they are the line between the good channels around, where any spaxel saw the
    channel; everywhere else they are 0.
    """
    out = np.where(good, flux, np.float32(0))
    covered = good.any(axis=(1, 2))
    seen = np.count_nonzero(good, axis=0)
    for y, x in np.argwhere((seen > 0) & (seen < covered.sum())):
        there = np.flatnonzero(good[:, y, x])
        bad = np.flatnonzero(covered & ~good[:, y, x])
        out[bad, y, x] = np.interp(bad, there, out[there, y, x])
    return out


def fill(flux: np.ndarray, start: int, stop: int) -> None:
    """Replace channels start..stop of (y, x, wave) by the line between their two neighbours, in place."""
    if start == stop or start == 0 or stop == flux.shape[2]:
        return
    blue, red = flux[:, :, start - 1, None], flux[:, :, stop, None]
    step = (np.arange(1, stop - start + 1) / (stop - start + 1)).astype(np.float32)
    flux[:, :, start:stop] = blue + (red - blue) * step


def mean_flux(flux: np.ndarray, ivar: np.ndarray, gain: np.ndarray) -> float:
    """Mean of flux * gain over the spaxels, each the mean of its good channels; 0 where none is good."""
    good = ivar > 0
    channels = good.sum(axis=2)
    total = np.einsum("yxw,yxw,w->yx", flux, good, gain, optimize=True)
    return float((total[channels > 0] / channels[channels > 0]).mean()) if channels.any() else 0.0


def shifted(values: np.ndarray, whole: int, size: int, fill: int = 0) -> np.ndarray:
    """(y, x, wave) -> a contiguous (y, x, size) whose channel i + whole was channel i; `fill` elsewhere."""
    wave = values.shape[2]
    if whole == 0 and wave == size and values.flags.c_contiguous:
        return values
    out = np.zeros((*values.shape[:2], size), values.dtype)
    if fill:
        out[:, :, : max(whole, 0)] = fill
        out[:, :, max(whole + wave, 0) :] = fill
    for block in _blocks(wave):
        low, high = max(block.start, -whole), min(block.stop, size - whole)
        if low < high:
            out[:, :, low + whole : high + whole] = values[:, :, low:high]
    return out


def rebinned(values: np.ndarray, width: int) -> np.ndarray:
    """(y, x, wave) -> (y, x, wave // width), the mean of `width` channels."""
    whole = values.shape[2] // width
    return np.asarray(values[:, :, : whole * width].reshape(*values.shape[:2], whole, width).mean(axis=3))


def rebinned_ivar(ivar: np.ndarray, width: int, correlation: Sequence[float]) -> np.ndarray:
    """(y, x, wave) -> (y, x, wave // width): ivar of the mean of `width` channels; one bad, all bad.

    `correlation` is that of a channel's noise with the next, the next but one, ...: its covariance is added.
    """
    whole = ivar.shape[2] // width
    parts = ivar[:, :, : whole * width].reshape(*ivar.shape[:2], whole, width)
    good = np.all(parts > 0, axis=3, keepdims=True)
    sigma = 1 / np.sqrt(np.where(good, parts, 1))
    variance = (sigma**2).sum(axis=3)
    for apart, shared in enumerate(correlation, start=1):
        variance += 2 * shared * (sigma[..., apart:] * sigma[..., :-apart]).sum(axis=3)
    return np.asarray(width**2 / variance * good[..., 0], dtype=np.float32)


def rebinned_bits(bits: np.ndarray, width: int) -> np.ndarray:
    """(y, x, wave) -> (y, x, wave // width), every bit of every channel that went in."""
    whole = bits.shape[2] // width
    parts = bits[:, :, : whole * width].reshape(*bits.shape[:2], whole, width)
    return np.asarray(np.bitwise_or.reduce(parts, axis=3))


# Half-power ends of the SDSS bands (Doi+2010, table 4), angstrom: enough for a picture, not photometry.
BANDS = {"i": (6880.0, 8260.0), "r": (5600.0, 6920.0), "g": (3940.0, 5390.0)}


def colour_image(flux: np.ndarray, ivar: np.ndarray, grid: WavelengthGrid) -> np.ndarray:
    """(wave, y, x) -> (y, x, 3) float32: mean good flux in the i, r and g bands, 0 where there is none."""
    bands = []
    for low, high in BANDS.values():
        window = grid.between(low, high)
        good = ivar[window] > 0
        count = np.maximum(good.sum(axis=0), 1)
        bands.append(np.einsum("wyx,wyx->yx", flux[window], good, dtype=np.float32) / count)
    return np.stack(bands, axis=2).astype(np.float32)
