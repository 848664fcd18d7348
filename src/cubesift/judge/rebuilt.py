"""How well models rebuild galaxies whose truth is known: the paper's own measures, and those it lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from cubesift.data.cube import FORESTAR
from cubesift.data.samples import Sample
from cubesift.data.wavelength import STEP
from cubesift.judge.lineflux import LINES, line_flux

EDGE = 2  # spaxels of the boundary that the paper divides by 5
BRIGHT = 5.0  # S/N of a spaxel's true line flux, from which its recovery is asked for
STRONG = 20.0  # S/N of a galaxy's
FAR = 0.01  # |dz| / (1 + z), from which a redshift is an outlier


@dataclass(frozen=True)
class Contender:
    """Something that rebuilds a galaxy: a network, a linear model, a constant."""

    name: str
    rebuild: Callable[[Sample], tuple[np.ndarray, float]]  # its flux (y, x, wave), and its redshift or nan
    about: dict[str, str] = field(default_factory=dict)  # how it was trained
    control: bool = False  # no network: what a network has to beat


@dataclass
class Measures:
    """Of one contender over the galaxies it was asked about."""

    mae: list[float] = field(default_factory=list)  # summed |model - input|, the paper's
    error: list[float] = field(default_factory=list)  # mean((model - truth)^2 ivar_true)
    lines: dict[str, list[float]] = field(default_factory=dict)  # line -> model / truth, of a galaxy
    spaxels: dict[str, list[np.ndarray]] = field(default_factory=dict)  # line -> model / truth, of spaxels
    redshifts: list[tuple[float, float]] = field(default_factory=list)  # (its own, the catalogue's)

    def scatter(self, line: str) -> float:
        """Half the distance between the 16th and the 84th percentile over spaxels; nan without any."""
        ratios = np.concatenate(self.spaxels.get(line) or [np.empty(0)])
        return float(np.diff(np.percentile(ratios, (16, 84)))[0] / 2) if len(ratios) > 1 else np.nan

    def bright(self, line: str) -> int:
        """How many spaxels its recovery was asked of."""
        return sum(map(len, self.spaxels.get(line, ())))

    def redshift(self) -> tuple[float, float, float]:
        """As `redshift_measures`."""
        own, true = np.array(self.redshifts or [(np.nan, np.nan)]).T
        return redshift_measures(own, true)


def redshift_measures(own: np.ndarray, true: np.ndarray) -> tuple[float, float, float]:
    """Mean squared error; sigma_NMAD of dz / (1 + z); share farther than `FAR`. nan where none is known."""
    known = np.isfinite(own - true)
    if not known.any():
        return np.nan, np.nan, np.nan
    away = (own - true)[known]
    relative = away / (1 + true[known])
    nmad = 1.4826 * np.median(np.abs(relative - np.median(relative)))
    return float(np.mean(away**2)), float(nmad), float(np.mean(np.abs(relative) > FAR))


@dataclass(frozen=True)
class Truth:
    """What is known of a simulated galaxy."""

    sample: Sample  # the noise-free cube, prepared by the same recipe
    error_factor: float  # true noise over formal error
    redshift: float


@dataclass(frozen=True)
class Known:
    """A sample beside its truth, if anyone knows it."""

    sample: Sample
    truth: Truth | None = None


def report_weights(sample: Sample) -> np.ndarray:
    """(y, x), of the paper's table 1: 1, a fifth within two spaxels of the edge, 0 where a star is."""
    weights = np.full(sample.flux.shape[:2], 0.2)
    weights[EDGE:-EDGE, EDGE:-EDGE] = 1
    weights[((sample.bits & FORESTAR) != 0).any(axis=-1)] = 0
    return weights


def summed_error(model: np.ndarray, flux: np.ndarray, weights: np.ndarray) -> float:
    """The paper's reconstruction error of a galaxy: |model - flux| summed over the cube."""
    return float((np.abs(model - flux).sum(axis=-1, dtype=float) * weights).sum())


def measure_all(
    galaxies: Iterable[Known],
    contenders: Sequence[Contender],
    wave: np.ndarray,
    progress: Callable[[str], None],
) -> tuple[dict[str, Measures], list[float]]:
    """Measure every contender on every galaxy; also the floor: summed |truth - input|, where truth is known.

    Args:
        galaxies: each asked of all contenders, then dropped.
        contenders: who rebuilds.
        wave: (wave,) angstrom, of the samples' grid.
        progress: called with each plateifu.
    """
    measured = {contender.name: Measures() for contender in contenders}
    floor = []
    for known in galaxies:
        sample = known.sample
        weights = report_weights(sample)
        # At rest, or of another instrument: a channel that is not covered holds no flux to be compared with.
        covered = ((sample.ivar > 0) | (sample.flux != 0)).any(axis=(0, 1))
        truth = None if known.truth is None else _Compared.of(sample, known.truth, wave)
        if truth is not None:
            clipped = np.maximum(truth.flux, 0) if (sample.flux >= 0).all() else truth.flux
            counted = (weights[..., None] > 0) & covered
            floor.append(summed_error(np.where(counted, clipped, 0), sample.flux, weights))
        for contender in contenders:
            model, own_redshift = contender.rebuild(sample)
            one = measured[contender.name]
            one.mae.append(summed_error(model if covered.all() else model * covered, sample.flux, weights))
            one.redshifts.append((own_redshift, float(sample.record.redshift or np.nan)))
            if truth is not None:
                truth.measure(model, one)
        progress(sample.record.plateifu)
    return measured, floor


@dataclass(frozen=True)
class _Compared:
    """The truth in the sample's unit, with its lines."""

    flux: np.ndarray  # (y, x, wave)
    good: np.ndarray
    ivar: np.ndarray  # of the noise that is really there
    wave: np.ndarray  # (wave,) angstrom, of the sample
    stretch: float  # of the lines' wavelengths
    lines: dict[str, tuple[np.ndarray, np.ndarray]]  # line -> flux and its sigma, (y, x)

    @classmethod
    def of(cls, sample: Sample, truth: Truth, wave: np.ndarray) -> _Compared:
        flux = truth.sample.unclipped * np.float32(truth.sample.record.scale / sample.record.scale)
        good = sample.ivar > 0
        ivar = sample.ivar / np.float32(truth.error_factor**2)
        here = wave * 10 ** (-STEP * sample.record.fraction)
        # At rest by the catalogue's redshift, which is not quite the true one, or a wrong one was planted.
        at_rest = sample.record.frame == "rest"
        stretch = (1 + truth.redshift) / (1 + (sample.record.redshift or 0.0) * at_rest)
        lines = {}
        for line, rest in LINES.items():
            true, weight = line_flux(flux, here, good, rest * stretch)
            variance = (weight**2 / np.where(good, ivar, np.inf)).sum(axis=-1)
            lines[line] = true, np.sqrt(variance)
        return cls(flux, good, ivar, here, stretch, lines)

    def measure(self, model: np.ndarray, measures: Measures) -> None:
        """Add what a model's cube leaves of the truth, and of its lines."""
        residual = np.square(model - self.flux)[self.good] * self.ivar[self.good]
        measures.error.append(float(residual.mean(dtype=float)))
        for line, (true, sigma) in self.lines.items():
            flux, _ = line_flux(model, self.wave, self.good, LINES[line] * self.stretch)
            usable = np.isfinite(flux) & np.isfinite(true) & (sigma > 0)
            bright = usable & (true > BRIGHT * sigma)
            measures.spaxels.setdefault(line, []).append(flux[bright] / true[bright])
            if true[usable].sum() > STRONG * np.sqrt(np.square(sigma[usable]).sum()):
                measures.lines.setdefault(line, []).append(float(flux[usable].sum() / true[usable].sum()))
