"""From a sample to the codes of its spaxels: continua and noise of a survey, whatever cube comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cubesift.data.cube import FORESTAR
from cubesift.data.samples import Sample, SampleRecord
from cubesift.errors import BadFile
from cubesift.fit.basis import Basis
from cubesift.fit.codes import Codes, Measured
from cubesift.fit.noise import NoiseModel
from cubesift.fit.profiles import Setting
from cubesift.fit.spaxels import fit_spaxels, spectra_of

SEEING = 2.5  # FWHM, arcsec, where none is said: MaNGA's


@dataclass(frozen=True)
class Spectra:
    """The spaxels of a galaxy that have data and no star in front."""

    flux: np.ndarray  # (spaxel, wave), 1e-17 erg/s/cm2/angstrom at rest
    ivar: np.ndarray  # (spaxel, wave), 0 = missing
    y: np.ndarray  # (spaxel,) int, where they are in the sample
    x: np.ndarray
    at: Setting
    record: SampleRecord
    side: int  # of the sample, spaxels


@dataclass(frozen=True)
class Field:
    """A galaxy as the codes of its spaxels."""

    codes: Measured
    y: np.ndarray  # (spaxel,) int, where they are in the sample
    x: np.ndarray
    side: int  # of the sample, spaxels
    spaxel: float  # arcsec
    psf: float  # FWHM, arcsec


@dataclass(frozen=True)
class Coder:
    """Continua of a survey, and the noise of each instrument in it."""

    basis: Basis
    noise: Mapping[str, NoiseModel] = field(default_factory=dict)  # of others: as their ivar says

    def spectra(self, sample: Sample) -> Spectra:
        """What is coded of a sample.

        Raises:
            BadFile: it is not at rest, or on another grid.
        """
        record = sample.record
        if record.frame != "rest" or record.redshift is None:
            raise BadFile(f"{record.plateifu}: in the observed frame, but codes are of spectra at rest")
        if sample.flux.shape[2] != self.basis.grid.size:
            raise BadFile(
                f"{record.plateifu}: {sample.flux.shape[2]} channels, but the continua have "
                f"{self.basis.grid.size}. Prepare with the recipe of the model."
            )
        good = (sample.ivar > 0).any(axis=2) & ~((sample.bits & FORESTAR) > 0).any(axis=2)
        y, x = np.nonzero(good)
        at = Setting(self.basis.grid, record.redshift, record.fraction, record.instrument)
        flux, ivar = sample.unclipped[good] * record.scale, sample.ivar[good] / record.scale**2
        return Spectra(flux, ivar, y, x, at, record, good.shape[0])

    def field(self, spectra: Spectra) -> Field:
        """The codes of all its spaxels, each with the noise that the galaxy's own channels tell."""
        noise = self.noise.get(spectra.at.instrument, NoiseModel())
        observed = spectra.at.grid.wave * (1 + spectra.at.redshift)
        ivar = noise.corrected(spectra.flux, spectra.ivar, observed)
        codes = fit_spaxels(spectra.flux, ivar, self.basis, spectra.at, noise.correlation)
        record = spectra.record
        psf = record.psf_fwhm if np.isfinite(record.psf_fwhm) else SEEING
        return Field(codes, spectra.y, spectra.x, spectra.side, record.spaxel, psf)

    def rendered(self, codes: Codes, at: Setting) -> np.ndarray:
        """(spaxel, wave): what codes say, in the units of `Spectra`."""
        return spectra_of(codes, self.basis, at)
