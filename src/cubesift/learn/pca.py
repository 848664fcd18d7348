"""Principal components of spectra, in one pass over the galaxies, and codes where channels are missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from cubesift.learn.feed import Galaxy


class Moments:
    """Sums over the spectra of the galaxies added so far; a hidden or unobserved spaxel is no spectrum.

    The products are made in float32, one galaxy at a time, and summed in float64.
    """

    def __init__(self, wave: int, second: bool = True):
        self.names: list[str] = []
        self.absolute = 0.0
        self.second = np.zeros((wave, wave)) if second else None
        self._spectra: list[int] = []  # of each galaxy, how many
        self._totals: list[np.ndarray] = []  # their sum, (wave,) float64
        self._covered: list[np.ndarray] = []  # (wave,) bool

    def add(self, galaxy: Galaxy) -> None:
        """Count a galaxy's spectra in."""
        spectra = galaxy.flux[galaxy.good & galaxy.observed].cpu().numpy()
        self.names.append(galaxy.plateifu)
        self.absolute += float(np.abs(spectra).sum(dtype=np.float64))
        if self.second is not None:
            self.second += spectra.T @ spectra
        self._spectra.append(len(spectra))
        self._totals.append(spectra.sum(axis=0, dtype=np.float64))
        self._covered.append(galaxy.covered.cpu().numpy())

    @property
    def counts(self) -> np.ndarray:
        """Spectra that cover a channel, (wave,) float64."""
        return np.asarray(np.array(self._spectra, float) @ np.array(self._covered, float))

    @property
    def mean(self) -> np.ndarray:
        """Mean spectrum, (wave,) float64, each channel over the spectra that cover it."""
        return np.asarray(np.sum(self._totals, axis=0) / np.maximum(self.counts, 1))

    @property
    def scale(self) -> float:
        """Mean |flux| of a covered voxel: what brings the networks' input to order 1."""
        return float(self.absolute / max(self.counts.sum(), 1)) or 1.0

    def covariance(self) -> np.ndarray:
        """(wave, wave) float64; a missing channel counts as the mean, so that the matrix stays positive.

        Dividing each entry by the spectra that cover both channels instead gives steps where coverage ends,
        and components of them: who covers what is a choice of redshifts, of another brightness each.
        """
        assert self.second is not None
        mean, covered = self.mean, np.array(self._covered, float)
        cross = np.array(self._totals).T @ (covered * mean)
        both = (covered.T * self._spectra) @ covered
        return np.asarray((self.second - cross - cross.T + both * np.outer(mean, mean)) / sum(self._spectra))


@dataclass(frozen=True)
class PrincipalComponents:
    """Directions of largest variance of the spectra, and the variance left in any other direction."""

    mean: np.ndarray  # (wave,) float64
    components: np.ndarray  # (component, wave) float64, orthonormal
    variances: np.ndarray  # (component,) float64, largest first
    rest: float  # mean variance of the directions left out


def principal_components(moments: Moments, number: int) -> PrincipalComponents:
    """The `number` first principal components of the spectra counted in `moments`."""
    covariance = moments.covariance()
    wave = len(covariance)
    trace = float(np.trace(covariance))
    values, vectors = scipy.linalg.eigh(
        covariance, subset_by_index=[wave - number, wave - 1], overwrite_a=True
    )
    # Fewer spectra than components leave directions without variance, and codes are divided by it.
    variances = np.maximum(values[::-1], 1e-10 * values[-1])
    components = vectors.T[::-1]
    # An eigenvector has no sign of its own: the largest entry is made positive.
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    rest = (trace - float(variances.sum())) / max(wave - number, 1)
    return PrincipalComponents(
        moments.mean, components * np.sign(largest), variances, max(rest, 1e-10 * trace)
    )


def gap_filling(
    components: np.ndarray, variances: np.ndarray, rest: float, covered: np.ndarray
) -> np.ndarray:
    """(component, component): turns a projection on the covered channels into one on all of them.

    Gappy PCA (Connolly & Szalay 1999, AJ 117, 2052): codes are fitted by least squares to the channels a
    galaxy covers, once per galaxy since its spaxels share them, with the prior of probabilistic PCA (Tipping
    & Bishop 1999: codes have `variances`, the channels a noise `rest`) so that poor coverage cannot explode.
    The missing channels are then filled from that fit and projected with the others, so a galaxy that covers
    all channels keeps its plain projection: with G = V V^T over the covered channels,
    codes = (1 + (1 - G) (G + rest / variances)^-1) V (flux - mean).
    """
    seen = components[:, covered]
    gram = seen @ seen.T
    whole = np.eye(len(gram))
    fitted = np.linalg.solve(gram + np.diag(rest / variances), whole)
    return np.asarray(whole + (whole - gram) @ fitted)
