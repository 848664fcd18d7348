"""A redshift as a fit: how much of a spectrum stars and lines explain at every shift of the log grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import maximum_filter1d

from cubesift.data.wavelength import MANGA_GRID, STEP, WavelengthGrid
from cubesift.fit.lines import LINES
from cubesift.fit.noise import FEW, scatter
from cubesift.fit.profiles import CHANNEL
from cubesift.fit.stars import directions

RANGE = (-0.005, 0.2)  # of redshifts, searched at every channel
SHAPES = 14  # continua, of stars
POLYNOMIALS = 5  # that stand for calibration, dust and the sky, in the observed frame
WIDTH = 1.8  # channels, sigma of a line: the spectrograph's and 100 km/s of the gas
# Lines that come and go together enough to find a redshift by; ratios are those of `lines.LINES`.
TOGETHER = (
    ("OII3727", "OII3729"),
    ("NeIII3870",),
    ("Hdelta", "Hgamma"),
    ("Hbeta",),
    ("OIII5008",),
    ("OI6302",),
    ("Halpha",),
    ("NII6585",),
    ("SII6718", "SII6732"),
    ("SIII9533",),
)
APART = 15  # channels, 1,000 km/s: a peak nearer than this is the same redshift
ENOUGH = 40.0  # of chi2 that a redshift must explain ...
BETTER = 12.0  # ... and how much more than the next best one
ALIKE = 0.65  # of what is explained: a second peak that explains as much is flagged
FLOOR = 7.0  # km/s, of every error: calibration, and where in a turning galaxy the light is taken (seed 101)
ROUNDS = 4  # in which lines that would absorb are left out
OUT = 1e30  # put on the diagonal of what is left out


@dataclass(frozen=True)
class Redshift:
    """The best redshift of a spectrum, and how sure it is."""

    redshift: float
    error: float  # standard deviation: the curvature of chi2, and 7 km/s
    explained: float  # chi2 that stars and lines at this redshift explain beyond polynomials
    second: float  # redshift of the second best peak, at least 1,000 km/s away
    second_explained: float  # by that one
    unexplained: float  # chi2 that stars, lines and polynomials leave at the best, less that of noise alone
    noise: float  # by which the formal errors were multiplied, see `noise_factor`

    @property
    def sure(self) -> bool:
        """Whether a person may rely on it.

        Much is explained, much more than anywhere else, and more than is left: a quasar is no galaxy.
        """
        enough = self.explained > max(ENOUGH, self.unexplained)
        alone = self.second_explained < min(self.explained - BETTER, ALIKE * self.explained)
        return enough and alone

    def agrees(self, redshift: float, sigmas: float = 5.0) -> bool:
        """Whether another redshift is the same: within 5 sigma or 300 km/s, where galaxies turn."""
        near = max(sigmas * self.error, 1e-3 * (1 + self.redshift))
        return abs(redshift - self.redshift) < near


class Templates:
    """Continua and lines at rest, and the Fourier transforms of their products of pairs."""

    def __init__(self, observed: WavelengthGrid):
        shapes = directions()[:SHAPES]
        lines = np.stack([_lines(MANGA_GRID, names) for names in TOGETHER])
        self.lines = slice(len(shapes), len(shapes) + len(lines))
        self.spectra = np.concatenate([shapes / shapes.std(), lines])
        self.observed = observed
        first, last = (int(np.rint(np.log10(1 + z) / STEP)) for z in RANGE)
        self.shifts = np.arange(first, last + 1)  # channels
        self.length = next_fast_len(observed.size + MANGA_GRID.size + len(self.shifts), real=True)
        along = np.linspace(-1, 1, observed.size)
        basis = np.polynomial.legendre.Legendre.basis
        self.polynomials = np.stack([basis(order)(along) for order in range(POLYNOMIALS)])

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Which spectrum goes with which; the last of them stands for 1, where there are templates."""
        return np.triu_indices(len(self.spectra) + 1)

    @cached_property
    def transforms(self) -> np.ndarray:
        """(pair, frequency), of the products of two templates, of a template and 1, and of 1."""
        given = np.concatenate([self.spectra, np.ones((1, self.spectra.shape[1]))])
        one, other = self.pairs
        return np.asarray(np.conj(rfft(given[one] * given[other], self.length)))

    def at_shifts(self, spectrum: np.ndarray, transforms: np.ndarray) -> np.ndarray:
        """(product, shift): sums over the channels of an observed spectrum times a product at rest."""
        correlated = irfft(rfft(spectrum, self.length) * transforms, self.length)
        lag = (self.shifts - self.observed.first) % self.length
        return np.asarray(correlated[..., lag])


def fit_redshift(flux: np.ndarray, ivar: np.ndarray, templates: Templates) -> Redshift:
    """The redshift at which stars and lines explain most of a spectrum, within `RANGE`.

    At every whole channel chi2 is the least that polynomials, stars and lines, all free but for lines that
    would absorb, leave of the channels in which stars are known at that redshift; less that of polynomials
    alone. All sums over channels are cross-correlations (Tonry & Davis 1979), with the noise and the gaps
    that the spectrum has. Between channels the peak is a parabola's.

    Args:
        flux: (wave,) on `templates.observed`.
        ivar: (wave,), 0 = missing; with fewer than 100 channels there is no redshift, nan.
        templates: of that grid.
    """
    if (ivar > 0).sum() < FEW:
        return Redshift(np.nan, np.inf, 0.0, np.nan, 0.0, 0.0, 1.0)
    factor = noise_factor(flux, ivar)
    explained, left = curve(flux, ivar / factor**2, templates)
    return _peaks(templates, explained, left, factor)


def curve(flux: np.ndarray, ivar: np.ndarray, templates: Templates) -> tuple[np.ndarray, np.ndarray]:
    """At every shift the chi2 that is explained, and what is left of it beyond one for each channel."""
    bright = float(np.sqrt(np.mean(flux[ivar > 0] ** 2))) or 1.0
    flux, ivar = flux.astype(np.float64) / bright, ivar.astype(np.float64) * bright**2
    few, count = POLYNOMIALS, len(templates.spectra)
    one, other = templates.pairs
    pairs, with_one = other < count, other == count  # of two templates; of each template, then 1, with 1
    of_pairs, of_one = templates.transforms[pairs], templates.transforms[with_one]
    seen = of_one[-1]

    matrices = np.empty((len(templates.shifts), few + count, few + count))
    right = np.empty((len(templates.shifts), few + count))
    products = templates.at_shifts(ivar, of_pairs).T
    matrices[:, few + one[pairs], few + other[pairs]] = products
    matrices[:, few + other[pairs], few + one[pairs]] = products
    right[:, few:] = templates.at_shifts(ivar * flux, of_one[:-1]).T
    for place, polynomial in enumerate(templates.polynomials):
        crossed = templates.at_shifts(ivar * polynomial, of_one[:-1]).T
        matrices[:, place, few:] = matrices[:, few:, place] = crossed
        right[:, place] = templates.at_shifts(ivar * flux * polynomial, seen)
        for second, again in enumerate(templates.polynomials):
            matrices[:, place, second] = templates.at_shifts(ivar * polynomial * again, seen)

    alone = _explained(matrices[:, :few, :few], right[:, :few], slice(0, 0))
    lines = slice(few + templates.lines.start, few + templates.lines.stop)
    together = _explained(matrices, right, lines)
    total, channels = (templates.at_shifts(each, seen) for each in (ivar * flux**2, 1.0 * (ivar > 0)))
    return together - alone, total - together - channels


def _explained(matrices: np.ndarray, right: np.ndarray, lines: slice) -> np.ndarray:
    """(shift,): chi2 that least squares take away, without the lines that would have to absorb."""
    matrices = matrices.copy()
    size = np.arange(matrices.shape[1])
    strength = np.einsum("sii->si", matrices)
    matrices[:, size, size] += 1e-9 * strength + 1e-12 * strength.max()
    amounts = np.linalg.solve(matrices, right[..., None])[..., 0]
    for _ in range(ROUNDS):
        absorbing = amounts[:, lines] < 0
        if not absorbing.any():
            break
        shift, line = np.nonzero(absorbing)
        matrices[shift, lines.start + line, lines.start + line] = OUT
        again = np.unique(shift)
        amounts[again] = np.linalg.solve(matrices[again], right[again, :, None])[..., 0]
        amounts[shift, lines.start + line] = 0
    return np.asarray(np.einsum("si,si->s", amounts, right))


def _peaks(templates: Templates, explained: np.ndarray, left: np.ndarray, factor: float) -> Redshift:
    """The best peak, between channels, and the second."""
    peaks = explained == maximum_filter1d(explained, 2 * APART + 1, mode="nearest")
    best = int(np.argmax(explained))
    shifts = templates.shifts
    others = np.flatnonzero(peaks & (np.abs(shifts - shifts[best]) > APART))
    second = int(others[np.argmax(explained[others])]) if len(others) else best
    rival = float(explained[second]) if second != best else 0.0
    if best in (0, len(shifts) - 1):  # the flank of a peak beyond: whatever it explains, something else does
        rival = float(explained[best])
    middle = min(max(best, 1), len(shifts) - 2)
    before, here, after = explained[middle - 1 : middle + 2]
    bend = 2 * here - before - after
    between = 0.5 * (after - before) / bend if bend > 0 else 0.0
    redshift = 10 ** (STEP * (shifts[middle] + float(np.clip(between, -1, 1)))) - 1
    # chi2 has risen by 1 where the parabola has fallen by 1.
    channels = np.hypot(np.sqrt(2 / bend), FLOOR / CHANNEL) if bend > 0 else float(APART)
    return Redshift(
        redshift=float(redshift),
        error=float(channels * STEP * np.log(10) * (1 + redshift)),
        explained=float(explained[best]),
        second=float(10 ** (STEP * shifts[second]) - 1),
        second_explained=rival,
        unexplained=float(left[best]),
        noise=factor,
    )


def noise_factor(flux: np.ndarray, ivar: np.ndarray) -> float:
    """Scatter of a channel about the mean of those three to each side, over what the errors say; at least 1.

    Three channels apart a real spectrograph's noise is independent; 1 where too few channels can tell.
    """
    seen = scatter(flux[None], ivar[None], lag=3)
    return max(float(np.sqrt(seen)), 1.0) if np.isfinite(seen) else 1.0


def _lines(grid: WavelengthGrid, names: tuple[str, ...]) -> np.ndarray:
    """(wave,): Gaussians, each as its ratio says."""
    channels = np.arange(grid.size)
    spectrum = np.zeros(grid.size)
    for rest, ratio in (line for name in names for line in LINES[name]):
        spectrum += ratio * np.exp(-0.5 * ((channels - float(grid.channel(rest))) / WIDTH) ** 2)
    return spectrum
