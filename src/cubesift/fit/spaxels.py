"""From spectra to codes with covariance, and from codes to spectra."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cubesift.fit.basis import Basis
from cubesift.fit.codes import Codes, Measured
from cubesift.fit.lines import GUIDES, NAMES, Block, Windows
from cubesift.fit.normal import Products, prior_precision, solved
from cubesift.fit.profiles import Setting, line_profiles, with_slopes

TOGETHER = 256  # spaxels at a time
ROUNDS = 6  # of moving the lines to where their slopes say
# Before a spectrum is looked at, km/s: gas moves with its galaxy, as quiet as between H II regions.
VELOCITY, SIGMA = (0.0, 250.0), (60.0, 120.0)  # mean and standard deviation
SOUGHT = np.arange(-600.0, 601.0, 40.0)  # km/s, where the velocity is sought first
WIDTHS = (40.0, 120.0)  # km/s, with which it is
EXCESS = (25.0, 25.0)  # km/s, by which those of hard ions differ: standard deviations
FARTHEST = (80.0, 40.0)  # km/s that velocity and sigma may move in a round
RANGE = (15.0, 500.0)  # km/s, of sigma; narrower gas looks all the same
SURE = 9.0  # of chi2 that a velocity other than the galaxy's must explain more
LEAST = 1e-6  # precision of a flux without any data, so that a line off the spectrum is 0


def fit_spaxels(
    flux: np.ndarray,
    ivar: np.ndarray,
    basis: Basis,
    at: Setting,
    correlation: tuple[float, float] = (0.0, 0.0),
) -> Measured:
    """Fit every spectrum by itself: linear in the continuum and the fluxes, by Newton's way in the other two.

    The lines' velocity and width are shared, but for what hard ions have more of them; where lines show
    nothing, all stay at what is usual.

    Args:
        flux: (spaxel, wave) on the grid at rest, per angstrom at rest, our Galaxy's dust taken out.
        ivar: (spaxel, wave) of the noise there is (`NoiseModel.corrected`), 0 = missing.
        basis: of the same grid.
        at: of the galaxy.
        correlation: of a channel's noise with the next, and the next but one.
    """
    parts = [
        _fitted(flux[some], ivar[some], basis, at, correlation)
        for some in (slice(start, start + TOGETHER) for start in range(0, len(flux), TOGETHER))
    ]
    return Measured(
        np.concatenate([part.numbers for part in parts]), np.concatenate([part.covariance for part in parts])
    )


def spectra_of(codes: Codes, basis: Basis, at: Setting) -> np.ndarray:
    """What codes say, back as spectra, (spaxel, wave) float32."""
    spectra = codes.continuum.astype(np.float32) @ basis.components
    for some in (slice(start, start + TOGETHER) for start in range(0, len(spectra), TOGETHER)):
        profiles = line_profiles(at, codes.velocity[some], codes.sigma[some], codes.hard[some])
        lines = np.matmul(codes.flux[some, None].astype(np.float32), profiles)[:, 0]
        spectra[some, at.windows.channels] += lines
    return np.asarray(spectra)


def _fitted(
    flux: np.ndarray, ivar: np.ndarray, basis: Basis, at: Setting, correlation: tuple[float, float]
) -> Measured:
    products, channels = Products(basis.components), at.windows.channels
    near, weight = np.ascontiguousarray(flux[:, channels]), np.ascontiguousarray(ivar[:, channels])
    beside = Beside.of(products, at.windows, flux, ivar, basis.spread)

    # Without the channels of the lines a first continuum; and in what it leaves, where the lines are.
    here = products.cut(channels)
    apart = solved(
        beside.matrices - here.matrices(weight), beside.right - (near * weight) @ here.components.T
    )
    left = near - (apart @ here.components).astype(np.float32)
    velocity, sigma = sought(left, weight, at)

    count = len(NAMES)
    usual = np.array([VELOCITY[0], SIGMA[0], 0.0, 0.0])
    precision = np.array([VELOCITY[1], SIGMA[1], *EXCESS]) ** -2.0
    motion = np.stack([velocity, sigma, 0 * velocity, 0 * velocity], axis=1)
    linear = beside.least_squares(line_profiles(at, velocity, sigma), near, weight)
    for _ in range(ROUNDS):
        columns = with_slopes(at, *parted(motion), np.maximum(linear.amounts, 0))
        moved = beside.least_squares(columns, near, weight, precision, (usual - motion) * precision)
        motion = motion + np.clip(moved.amounts[:, count:], *np.multiply([[-1], [1]], FARTHEST * 2))
        motion[:, 1] = np.clip(motion[:, 1], *RANGE)
        motion[:, 3] = np.clip(motion[:, 1] + motion[:, 3], *RANGE) - motion[:, 1]
        linear = replace(moved, amounts=moved.amounts[:, :count])
    velocity, sigma, hard = parted(motion)
    linear = beside.least_squares(line_profiles(at, velocity, sigma, hard), near, weight)
    return Measured(
        numbers=np.concatenate([beside.continuum(linear), linear.amounts, motion], axis=1),
        covariance=beside.covariance(moved, columns * np.sqrt(weight)[:, None], correlation),
    )


def parted(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Velocity, sigma, and the two by which hard ions exceed them, of (spaxel, 4)."""
    return motion[:, 0], motion[:, 1], motion[:, 2:]


@dataclass(frozen=True)
class Fitted:
    """Amounts of columns that were fitted beside a continuum."""

    amounts: np.ndarray  # (spaxel, column)
    covariance: np.ndarray  # (spaxel, column, column)
    along: np.ndarray  # (spaxel, component, column): what the continuum loses where a column gains 1
    shared: np.ndarray  # (spaxel, component, column): products of components and columns, weighted


@dataclass(frozen=True)
class Beside:
    """The continuum's normal equations, solved once for all that is fitted beside it (Schur's complement)."""

    components: np.ndarray  # (component, window), where the lines are
    blocks: tuple[Block, ...]  # of that window
    matrices: np.ndarray  # (spaxel, component, component), with the prior
    prior: np.ndarray  # (spaxel, component), of their diagonals
    inverse: np.ndarray  # of the matrices
    right: np.ndarray  # (spaxel, component)

    @classmethod
    def of(
        cls, products: Products, beside: Windows, flux: np.ndarray, ivar: np.ndarray, spread: np.ndarray
    ) -> Beside:
        """Of some spectra, (spaxel, wave), beside which there may be something in some windows."""
        matrices = products.matrices(ivar)
        right = ((flux * ivar) @ products.components.T).astype(np.float64)
        diagonal = np.arange(len(spread))
        prior = prior_precision(spread, matrices, right)
        matrices[:, diagonal, diagonal] += prior
        components = products.components[:, beside.channels]
        return cls(components, beside.blocks, matrices, prior, np.linalg.inv(matrices), right)

    def least_squares(
        self,
        columns: np.ndarray,
        flux: np.ndarray,
        ivar: np.ndarray,
        precision: np.ndarray | None = None,
        pull: np.ndarray | None = None,
    ) -> Fitted:
        """Amounts of `columns`, (spaxel, column, window), with the continuum free to follow.

        With `precision`, (n,), the last n columns are slopes that `pull`, (spaxel, n), draws to their prior.
        """
        spaxels, every, _ = columns.shape
        turned = np.zeros((spaxels, every, len(self.components)))
        matrices = np.zeros((spaxels, every, every))
        right = np.zeros((spaxels, every))
        for block in self.blocks:
            own = [*block.fluxes, *range(len(NAMES), every if block.hard else min(every, len(NAMES) + 2))]
            here = columns[:, own, block.window]
            weighted = here * ivar[:, None, block.window]
            seen = weighted.reshape(-1, weighted.shape[2]) @ self.components[:, block.window].T
            turned[:, own] += seen.reshape(spaxels, len(own), -1)
            matrices[:, np.array(own)[:, None], own] += np.matmul(weighted, here.transpose(0, 2, 1))
            right[:, own] += np.matmul(weighted, flux[:, block.window, None])[..., 0]
        shared = turned.transpose(0, 2, 1)
        along = self.inverse @ shared
        matrices -= turned @ along
        right -= (along.transpose(0, 2, 1) @ self.right[..., None])[..., 0]
        diagonal = np.arange(every)
        matrices[:, diagonal, diagonal] += LEAST
        if precision is not None and pull is not None:
            last = diagonal[-len(precision) :]
            right[:, last] += pull
            matrices[:, last, last] += precision
        covariance = np.linalg.inv(matrices)
        return Fitted((covariance @ right[..., None])[..., 0], covariance, along, shared)

    def continuum(self, beside: Fitted) -> np.ndarray:
        """(spaxel, component) of the continuum, the columns taken away."""
        alone = (self.inverse @ self.right[..., None])[..., 0]
        return np.asarray(alone - (beside.along @ beside.amounts[..., None])[..., 0])

    def covariance(
        self, beside: Fitted, whitened: np.ndarray, correlation: tuple[float, float]
    ) -> np.ndarray:
        """(spaxel, number, number) float32 of the continuum's amounts and the columns', with the noise's own.

        The weights know of no correlation between channels, the covariance does (the sandwich of Huber 1967).
        Over a component, which is smooth, it is a factor; over a line it is summed channel by channel.

        Args:
            beside: the columns fitted.
            whitened: (spaxel, column, window), over the noise.
            correlation: of a channel's noise with the next, and the next but one.
        """
        crossed = -beside.along @ beside.covariance
        continuum = self.inverse - crossed @ beside.along.transpose(0, 2, 1)
        simple = np.block([[continuum, crossed], [crossed.transpose(0, 2, 1), beside.covariance]])
        if not any(correlation):
            return simple.astype(np.float32)
        smooth = 2 * sum(correlation)
        count, every = len(self.components), simple.shape[1]
        more = np.empty((len(simple), every, every))
        more[:, :count, :count] = smooth * self.matrices
        diagonal = np.arange(count)
        more[:, diagonal, diagonal] -= smooth * self.prior
        more[:, :count, count:] = smooth * beside.shared
        more[:, count:, :count] = smooth * beside.shared.transpose(0, 2, 1)
        lines = np.zeros((len(simple), every - count, every - count))
        for lag, share in enumerate(correlation, start=1):
            lines += share * np.matmul(whitened[..., lag:], whitened[..., :-lag].transpose(0, 2, 1))
        more[:, count:, count:] = lines + lines.transpose(0, 2, 1)
        return np.asarray(simple + simple @ more @ simple, np.float32)


def sought(left: np.ndarray, ivar: np.ndarray, at: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Velocity and sigma at which the strong lines explain most of what a continuum leaves, (spaxel,) each.

    Args:
        left: (spaxel, window).
        ivar: (spaxel, window).
        at: of the galaxy.
    """
    weighted = left * ivar
    best = np.full(len(left), -np.inf)
    velocity, sigma = np.zeros(len(left)), np.full(len(left), SIGMA[0])
    for width in WIDTHS:
        profiles = line_profiles(at, SOUGHT, np.full(len(SOUGHT), width))
        gain = -((SOUGHT / VELOCITY[1]) ** 2) * np.ones((len(left), 1))
        for place in map(NAMES.index, GUIDES):
            profile = profiles[:, place]
            seen, information = weighted @ profile.T, ivar @ (profile**2).T
            gain += np.maximum(seen, 0) ** 2 / np.maximum(information, 1e-30) * (information > 0)
        gain[:, VELOCITY[0] == SOUGHT] += SURE  # else the highest peak of the noise is taken for a line
        most = gain.argmax(axis=1)
        better = gain[np.arange(len(left)), most] > best
        velocity[better], sigma[better] = SOUGHT[most[better]], width
        best = np.maximum(best, gain.max(axis=1))
    return velocity, sigma
