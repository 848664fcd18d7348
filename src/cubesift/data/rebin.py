"""Rebin a cube once, flux-conserving, from its own channels to the log grid, with variance and covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from cubesift.data.cube import DONOTUSE, NOCOV
from cubesift.data.wavelength import MANGA_START, STEP, WavelengthGrid, vacuum_from_air

# A channel may miss this share of its weight (uncovered, or a bad input) and still be good.
NEGLIGIBLE = 1e-3


@dataclass(frozen=True)
class Rebinned:
    """Spectra on the log grid, as a `Cube` keeps them."""

    flux: np.ndarray  # (wave, y, x) float32, 0 where not good
    ivar: np.ndarray  # (wave, y, x) float32, 0 = do not use
    bits: np.ndarray  # (wave, y, x) uint16: NOCOV outside the file's range, DONOTUSE on a bad input


def grid_edges(grid: WavelengthGrid) -> np.ndarray:
    """Edges of the grid's channels, (size + 1,) float64, angstrom in vacuum."""
    lattice = grid.first - 0.5 + grid.width * np.arange(grid.size + 1)
    return np.asarray(MANGA_START * 10 ** (STEP * lattice))


def overlap_weights(edges: np.ndarray, grid: WavelengthGrid, air: bool = False) -> sparse.csr_array:
    """The matrix (grid.size, n) that turns flux densities in n channels into those on the grid.

    A density is constant within a channel: output i is its integral over channel i, divided by the
    channel's width, so the integral over wavelength is kept. The only numbers are overlaps of channels.

    Args:
        edges: (n + 1,) rising, angstrom.
        grid: the channels wanted, in vacuum.
        air: the edges are in air. They are moved to vacuum, and the density falls by what a channel widens.
    """
    vacuum = vacuum_from_air(edges) if air else np.asarray(edges, dtype=np.float64)
    wanted = grid_edges(grid)
    # Between two neighbouring edges of either kind lies a piece of one input and one output channel.
    cuts = np.union1d(vacuum, wanted)
    cuts = cuts[(cuts >= max(vacuum[0], wanted[0])) & (cuts <= min(vacuum[-1], wanted[-1]))]
    middles, pieces = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    # Edges that agree but for rounding leave a piece of width 1e-12, whose middle may lie on an edge.
    rows = np.clip(np.searchsorted(wanted, middles) - 1, 0, grid.size - 1)
    columns = np.clip(np.searchsorted(vacuum, middles) - 1, 0, len(vacuum) - 2)
    widening = np.diff(edges) / np.diff(vacuum)
    values = pieces / np.diff(wanted)[rows] * widening[columns]
    return sparse.csr_array((values, (rows, columns)), shape=(grid.size, len(edges) - 1))


def channel_correlation(*weights: sparse.csr_array) -> float:
    """Mean correlation of the noise of neighbouring covered channels, for white noise before rebinning.

    With covariance C = W W^T it is the mean of C[i, i+1] / sqrt(C[i, i] C[i+1, i+1]). Channels narrower
    than the file's share an input, so it nears 1 there; much wider ones tend to 0.
    """
    pairs = []
    for matrix in weights:
        covariance = (matrix @ matrix.T).tocsr()
        covered = _covered(matrix)
        both = covered[1:] & covered[:-1]
        sigma = np.sqrt(covariance.diagonal())
        pairs.append(covariance.diagonal(k=1)[both] / (sigma[1:] * sigma[:-1])[both])
    together = np.concatenate(pairs)
    return float(together.mean()) if len(together) else 0.0


def _covered(weights: sparse.csr_array) -> np.ndarray:
    return np.asarray(weights.sum(axis=1)).ravel() > 1 - NEGLIGIBLE


def rebin(weights: sparse.csr_array, flux: np.ndarray, variance: np.ndarray, scale: float = 1.0) -> Rebinned:
    """Spectra on the grid of `weights`, with variance sum w^2 sigma^2.

    A channel with a bad input (not finite, or without variance) of more than negligible weight is bad too.

    Args:
        weights: (grid.size, n), see `overlap_weights`.
        flux: (n, y, x) density, any unit and byte order.
        variance: (n, y, x) of flux.
        scale: multiplies the flux (and its square the variance).
    """
    size, (_, rows, columns) = weights.shape[0], flux.shape
    out = Rebinned(
        np.zeros((size, rows, columns), np.float32),
        np.zeros((size, rows, columns), np.float32),
        np.full((size, rows, columns), NOCOV, np.uint16),
    )
    first = weights.astype(np.float32)
    second = weights.power(2).astype(np.float32)
    covered = _covered(weights)[:, None]
    # One row of the field at a time: the copies stay small, however large the cube.
    for y in range(rows):
        # Scaled as float64: the square of 1e-20 is no float32.
        f = flux[:, y].astype(np.float64) * scale
        v = variance[:, y].astype(np.float64) * scale**2
        good = np.isfinite(f) & np.isfinite(v) & (v > 0)
        seen = good.any(axis=0)
        f, v, good = f[:, seen], v[:, seen], good[:, seen]
        usable = first @ good.astype(np.float32) > 1 - NEGLIGIBLE
        flux_out = first @ np.where(good, f, 0).astype(np.float32)
        variance_out = second @ np.where(good, v, 0).astype(np.float32)
        out.flux[:, y, seen] = np.where(usable, flux_out, 0)
        out.ivar[:, y, seen] = np.divide(1, variance_out, out=np.zeros_like(variance_out), where=usable)
        out.bits[:, y, seen] = np.where(usable, 0, np.where(covered, DONOTUSE, NOCOV))
    return out


def combined(one: Rebinned, other: Rebinned) -> Rebinned:
    """Two arms of one observation: side by side, and averaged by inverse variance where both are good.

    Works within `one` and returns it.
    """
    one.flux[...] *= one.ivar
    one.flux[...] += other.flux * other.ivar
    one.ivar[...] += other.ivar
    good = one.ivar > 0
    np.divide(one.flux, one.ivar, out=one.flux, where=good)
    one.bits[...] = np.where(good, 0, (one.bits & other.bits) | ((one.bits | other.bits) & DONOTUSE))
    return one
