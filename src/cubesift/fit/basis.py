"""The continua that a survey has, as a few spectra at rest, their lines' places filled in from stars."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cubesift.data.store import read_npz, write_npz
from cubesift.data.wavelength import WavelengthGrid
from cubesift.errors import CubesiftError

FORMAT = 1


@dataclass(frozen=True)
class Basis:
    """A continuum is `amounts @ components`: there is no mean beside, so that faint spaxels are faint."""

    grid: WavelengthGrid  # at rest
    components: np.ndarray  # (component, wave) float32; the first is what all have in common
    spread: np.ndarray  # (component,) variance of the amounts over that of the first, squared: 1 for itself

    def save(self, path: Path) -> None:
        """Write to `path`, an .npz."""
        numbers = {name: np.array(value) for name, value in {"format": FORMAT, **asdict(self.grid)}.items()}
        write_npz(path, {"components": self.components, "spread": self.spread, **numbers})

    @classmethod
    def load(cls, path: Path) -> Basis:
        """Read back.

        Raises:
            CubesiftError: there is none, or it is of a later format.
        """
        if not path.exists():
            raise CubesiftError(f"{path}: no basis of continua here. Learn one first.")
        stored = read_npz(path)
        if int(stored["format"]) > FORMAT:
            raise CubesiftError(
                f"{path}: format {int(stored['format'])}, but this cubesift reads up to {FORMAT}. "
                "Update cubesift."
            )
        grid = WavelengthGrid(*(int(stored[name]) for name in ("first", "size", "width")))
        return cls(grid, stored["components"], stored["spread"])
