"""Least squares of many spectra at once, each with noise of its own."""

from __future__ import annotations

from functools import cached_property

import numpy as np


class Products:
    """A basis, and the products of its pairs: what every spectrum's normal equations are made of."""

    def __init__(self, components: np.ndarray):
        self.components = components  # (component, wave) float32
        self._pairs = np.triu_indices(len(components))

    @property
    def pairs(self) -> int:
        """How many products there are."""
        return len(self._pairs[0])

    @cached_property
    def _of_pairs(self) -> np.ndarray:
        one, other = self._pairs
        return np.ascontiguousarray((self.components[one] * self.components[other]).T)

    def matrices(self, ivar: np.ndarray) -> np.ndarray:
        """Basis diag(ivar) basis transposed of each spectrum, (spectrum, component, component) float64."""
        return self.square(ivar @ self._of_pairs)

    def cut(self, channels: np.ndarray) -> Products:
        """The same on some of the channels."""
        return Products(np.ascontiguousarray(self.components[:, channels]))

    def square(self, upper: np.ndarray) -> np.ndarray:
        """Symmetric matrices, float64, from their upper triangles in a row."""
        count = len(self.components)
        full = np.empty((len(upper), count, count))
        one, other = self._pairs
        full[:, one, other] = upper
        full[:, other, one] = upper
        return full

    def outer(self, amounts: np.ndarray) -> np.ndarray:
        """The upper triangles of every amounts amounts-transposed, (spectrum, pair)."""
        one, other = self._pairs
        return np.asarray(amounts[:, one] * amounts[:, other])


def solved(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """x of `matrices @ x = right`, (spectrum, n)."""
    return np.asarray(np.linalg.solve(matrices, right[..., None])[..., 0])


def prior_precision(spread: np.ndarray, matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(spectrum, component): how sure the amounts are of being near 0 before the spectrum is looked at.

    In proportion to the spectrum's brightness, which its first component tells by itself, and never below
    what noise alone makes of it; the first component has no prior.
    """
    information = np.maximum(matrices[:, 0, 0], 1e-30)
    brightness = (right[:, 0] / information) ** 2 + 1 / information
    precision = 1 / (spread * brightness[:, None])
    precision[:, 0] = 0
    return np.asarray(precision)
