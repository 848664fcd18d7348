"""The code of a spaxel: amounts of continua, fluxes of lines, and how the gas moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cubesift.fit.lines import NAMES

MOTIONS = 4  # velocity, sigma, and by how much those of hard ions exceed them: last in a code
LINES = slice(-MOTIONS - len(NAMES), -MOTIONS)  # of a code's numbers


@dataclass(frozen=True)
class Codes:
    """Of some spaxels: amounts of continua, fluxes of `lines.NAMES`, velocity, sigma, excess of both."""

    numbers: np.ndarray  # (spaxel, number)

    @property
    def continuum(self) -> np.ndarray:
        """(spaxel, component) amounts of a basis, at rest."""
        return self.numbers[:, : LINES.start]

    @property
    def flux(self) -> np.ndarray:
        """(spaxel, line) of `lines.NAMES`, 1e-17 erg/s/cm2."""
        return self.numbers[:, LINES]

    @property
    def velocity(self) -> np.ndarray:
        """(spaxel,) km/s, from the galaxy's redshift."""
        return self.numbers[:, -4]

    @property
    def sigma(self) -> np.ndarray:
        """(spaxel,) km/s, of the gas, without the spectrograph's own."""
        return self.numbers[:, -3]

    @property
    def hard(self) -> np.ndarray:
        """(spaxel, 2) km/s, by which velocity and sigma of `lines.HARD` exceed those."""
        return self.numbers[:, -2:]


@dataclass(frozen=True)
class Measured(Codes):
    """Codes that were fitted to spectra, with how sure they are."""

    covariance: np.ndarray  # (spaxel, number, number) float32

    def error(self, line: str) -> np.ndarray:
        """(spaxel,) standard deviation of a line's flux, 1e-17 erg/s/cm2."""
        place = self.continuum.shape[1] + NAMES.index(line)
        return np.asarray(np.sqrt(self.covariance[:, place, place]))

    @property
    def velocity_error(self) -> np.ndarray:
        """(spaxel,) standard deviation of the velocity, km/s."""
        return np.asarray(np.sqrt(self.covariance[:, -4, -4]))
