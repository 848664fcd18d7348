"""A simulated cube beside what only its maker knows: for judging, never for learning."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cubesift.data.cube import Cube


@dataclass(frozen=True)
class Revealed:
    """One simulated observation with its noise-free flux."""

    cube: Cube
    clean: np.ndarray = field(repr=False)  # (wave, y, x) float32, flux before noise, with what was planted
