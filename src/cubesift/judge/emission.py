"""Gas lines of every spaxel, the stars under them taken out: a linear fit at each trial velocity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cubesift.data.dust import transmission
from cubesift.data.wavelength import SPEED_OF_LIGHT, WavelengthGrid

HBETA, OIII, HALPHA, NII = "Hbeta", "[O III] 5008", "Halpha", "[N II] 6585"
# Rest windows and their lines (vacuum, angstrom); a tied line shares the flux of the one before it
# in the ratio of atomic physics (Storey & Zeippen 2000).
WINDOWS: dict[tuple[float, float], dict[str, list[tuple[float, float]]]] = {
    (4750.0, 5120.0): {HBETA: [(4862.68, 1.0)], OIII: [(5008.24, 1.0), (4960.30, 0.35)]},
    (6390.0, 6800.0): {
        HALPHA: [(6564.61, 1.0)],
        NII: [(6585.27, 1.0), (6549.86, 0.34)],
        "[S II] 6718": [(6718.30, 1.0)],
        "[S II] 6732": [(6732.67, 1.0)],
    },
}
CONTINUUM = (6480.0, 6650.0)  # rest, angstrom: where the continuum of Halpha's equivalent width is taken
VELOCITIES = np.arange(-455.0, 456.0, 35.0)  # km/s
SIGMAS = np.geomspace(55, 265, 11)  # km/s, of a line as observed
STEP = float(VELOCITIES[1] - VELOCITIES[0])


@dataclass(frozen=True)
class Emission:
    """Lines of each spaxel, corrected for our own Galaxy's dust."""

    flux: dict[str, np.ndarray]  # (spaxel,), 1e-17 erg/s/cm2/spaxel
    halpha_snr: np.ndarray  # (spaxel,)
    continuum: np.ndarray  # (spaxel,), stars at Halpha, 1e-17 erg/s/cm2/spaxel per angstrom at rest
    velocity: np.ndarray  # (spaxel,), km/s from the given redshift


@dataclass(frozen=True)
class _Solved:
    chi2: np.ndarray  # (spaxel,)
    amounts: np.ndarray  # (spaxel, term)
    variance: np.ndarray  # (spaxel, term)


def emission_of(
    flux: np.ndarray,
    ivar: np.ndarray,
    grid: WavelengthGrid,
    redshift: float,
    ebv: float,
    stars: Mapping[tuple[float, float], tuple[np.ndarray, np.ndarray]],
) -> Emission:
    """Fit stars and lines together, as MaNGA's analysis pipeline does (Belfiore+2019), on a coarse grid.

    In each window a spectrum is a sum of a few populations and of lines, at one velocity and one width; both
    are those of least chi². Lines of one spaxel share them.

    Args:
        flux: (wave, spaxel), 1e-17 erg/s/cm2/angstrom/spaxel.
        ivar: (wave, spaxel); 0 = do not use.
        grid: of the channels.
        redshift: systemic.
        ebv: of our own Galaxy, mag, still in the flux.
        stars: of each window the rest wavelengths, (n,), and populations, (population, n).
    """
    spectra = [_Window(flux, ivar, grid, redshift, ebv, window, *stars[window]) for window in WINDOWS]
    by_velocity = np.array(
        [sum(one.solved(velocity, SIGMAS[3]).chi2 for one in spectra) for velocity in VELOCITIES]
    )
    at, shift = _lowest(by_velocity)
    best = VELOCITIES[at]
    count = flux.shape[1]
    found = {name: np.zeros(count) for lines in WINDOWS.values() for name in lines}
    snr, continuum = np.zeros(count), np.zeros(count)
    for velocity in np.unique(best):
        here = np.flatnonzero(best == velocity)
        tries = [[one.solved(velocity, sigma, here) for sigma in SIGMAS] for one in spectra]
        width, step = _lowest(np.sum([[solved.chi2 for solved in one] for one in tries], axis=0))
        for one, solved in zip(spectra, tries, strict=True):
            amounts = _between(np.array([each.amounts for each in solved]), width, step)
            variance = np.array([each.variance for each in solved])[width, np.arange(len(here))]
            for term, name in enumerate(one.lines):
                found[name][here] = amounts[:, term]
                if name == HALPHA:
                    snr[here] = amounts[:, term] / np.sqrt(variance[:, term])
                    stars_there = amounts[:, len(one.lines) :] @ one.mean_stars(*CONTINUUM)
                    continuum[here] = (1 + redshift) * stars_there
    return Emission(found, snr, continuum, best + STEP * shift)


def _lowest(chi2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of (try, spaxel) the lowest one, not an end, and the minimum of the parabola around it, in tries."""
    at = np.clip(chi2.argmin(axis=0), 1, len(chi2) - 2)
    below, middle, above = (chi2[at + step, np.arange(chi2.shape[1])] for step in (-1, 0, 1))
    bend = below - 2 * middle + above
    shift = np.where(bend > 0, 0.5 * (below - above) / np.where(bend > 0, bend, 1), 0)
    return at, np.clip(shift, -1, 1)


def _between(values: np.ndarray, at: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Values of (try, spaxel, term) at a fraction of a try, by the parabola through three of them."""
    spaxels = np.arange(len(at))
    below, middle, above = (values[at + one, spaxels] for one in (-1, 0, 1))
    along = step[:, None]
    return np.asarray(middle + 0.5 * along * (above - below) + 0.5 * along**2 * (below - 2 * middle + above))


class _Window:
    """One window of all spectra, at rest and without our Galaxy's dust."""

    def __init__(
        self,
        flux: np.ndarray,
        ivar: np.ndarray,
        grid: WavelengthGrid,
        redshift: float,
        ebv: float,
        window: tuple[float, float],
        wave: np.ndarray,
        populations: np.ndarray,
    ):
        # Room at both ends, for the populations move by the largest trial velocity.
        room = 1 + (abs(VELOCITIES[0]) + 100) / SPEED_OF_LIGHT
        channels = grid.between(window[0] * room * (1 + redshift), window[1] / room * (1 + redshift))
        seen = grid.wave[channels]
        self.wave = seen / (1 + redshift)
        dust = transmission(seen, ebv)[:, None]
        self.flux = flux[channels] / dust
        self.ivar = ivar[channels] * dust**2
        self.lines = WINDOWS[window]
        self.populations = (wave, populations)
        self._stretch = 1 + redshift

    def mean_stars(self, low: float, high: float) -> np.ndarray:
        """Mean of each population between two rest wavelengths, (population,)."""
        wave, populations = self.populations
        return np.asarray(populations[:, (wave >= low) & (wave <= high)].mean(axis=1))

    def solved(self, velocity: float, sigma: float, which: np.ndarray | None = None) -> _Solved:
        """Best amounts of lines and populations at this velocity and line width (km/s)."""
        terms = self._terms(velocity, sigma)
        flux, ivar = (self.flux, self.ivar) if which is None else (self.flux[:, which], self.ivar[:, which])
        count = terms.shape[1]
        pairs = (terms[:, :, None] * terms[:, None, :]).reshape(len(terms), -1)
        normal = (ivar.T @ pairs).reshape(-1, count, count)
        # A trace more on the diagonal: where nothing may be used, nothing is found.
        normal += (1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-30) * np.eye(count)
        right = (ivar * flux).T @ terms
        inverse = np.linalg.inv(normal)
        amounts = np.einsum("sij,sj->si", inverse, right)
        chi2 = np.sum(ivar * flux**2, axis=0) - np.sum(amounts * right, axis=1)
        return _Solved(chi2, amounts, np.einsum("sii->si", inverse))

    def _terms(self, velocity: float, sigma: float) -> np.ndarray:
        """(wave, term): a line each, of flux 1, then the populations."""
        moved = self.wave / (1 + velocity / SPEED_OF_LIGHT)
        wave, populations = self.populations
        lines = []
        for shares in self.lines.values():
            line = np.zeros(len(moved))
            for rest, share in shares:
                width = rest * sigma / SPEED_OF_LIGHT
                away = (moved - rest) / width
                # Flux is that observed, per observed angstrom: wavelengths at rest are 1 + z narrower.
                line += share * np.exp(-0.5 * away**2) / (np.sqrt(2 * np.pi) * width * self._stretch)
            lines.append(line)
        return np.stack([*lines, *(np.interp(moved, wave, one) for one in populations)], axis=1)
