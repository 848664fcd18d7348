"""What to simulate."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from cubesift.data.cube import MANGA_CHANNEL_CORRELATION
from cubesift.data.fitswrite import Release
from cubesift.data.store import fingerprint
from cubesift.errors import CubesiftError
from cubesift.simulate.rates import RATES


def _rates(said: float | dict[str, float]) -> float | dict[str, float]:
    if not isinstance(said, dict):
        if not 0 <= said <= 1:
            raise ValueError("the share of galaxies that hold an oddity lies between 0 and 1")
        return said
    for kind, rate in said.items():
        if rate < 0 or (rate > 1 and rate != int(rate)):
            raise ValueError(f"{kind}: below 1 it is a share of the galaxies, from 1 a whole number of them")
    return said


def _ranges(said: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    for kind, (low, high) in said.items():
        if low > high:
            raise ValueError(f"{kind}: the lower end of a range comes first")
    return said


def _factors(said: float | tuple[float, float]) -> float | tuple[float, float]:
    low, high = said if isinstance(said, tuple) else (said, said)
    if not 0 < low <= high:
        raise ValueError("a factor above 0, or two of them, the lower one first")
    return said


def _correlations(said: tuple[float, ...]) -> tuple[float, ...]:
    lags = np.arange(1, len(said) + 1)
    power = 1 + 2 * np.cos(np.linspace(0, np.pi, 200)[:, None] * lags) @ np.array(said)
    if (power <= 0).any():
        raise ValueError("no noise has these correlations: its power would be negative at some frequency")
    return said


@dataclass(frozen=True)
class Simulation:
    """What to simulate. Defaults follow the survey, its rates of oddities included."""

    galaxies: Annotated[int, Field(ge=1)] = 48
    seed: Annotated[int, Field(ge=0)] = 1
    # A number: the share of galaxies that hold one oddity, of any kind but foreground stars, which are
    # part of the sky. A table: of each kind, below 1 the share of galaxies, from 1 how many of them.
    # (1 is one galaxy, not all: TOML's 1 and 1.0 are told apart by no reader of a table of numbers.)
    oddities: Annotated[float | dict[str, float], AfterValidator(_rates)] = Field(
        default_factory=lambda: dict(RATES)
    )
    # the ranges of strengths that differ from those of `rates.py`, there
    strengths: Annotated[dict[str, tuple[float, float]], AfterValidator(_ranges)] = Field(
        default_factory=dict
    )
    # Python file of oddities of one's own, see `own.py`: one of each, unless `oddities` says otherwise
    oddity_file: str | None = None
    quasar_file: str | None = None  # .npz of real quasars on MaNGA's grid; None = our own composite
    # how many of them are galaxies seen before: same mangaid, other plateifu, pointing, seeing, bundle,
    # noise; None = as many as in the survey, 2.5 %
    repeats: Annotated[int, Field(ge=0)] | None = None
    ifus: tuple[int, ...] = ()  # bundle sizes allowed, 19 37 61 91 127; () = as in the survey
    max_redshift: Annotated[float, Field(gt=0)] = 0.15
    psf: Annotated[float, Field(gt=0)] | None = None  # FWHM in r, arcsec; None = drawn, 2.2 to 3.0
    pointing: Annotated[float, Field(ge=0)] = 0.3  # arcsec, scatter of the galaxy's place in the cube
    # true noise over formal error; of two numbers each observation draws one between them
    error_factor: Annotated[float | tuple[float, float], AfterValidator(_factors)] = (0.8, 1.3)
    # share of an empty spaxel's noise above 8500 angstrom that the whole bundle has in common
    sky_residual: Annotated[float, Field(ge=0, le=1)] = 0.4
    # of a channel's noise with the next, the next but one, ...; () = none, see `data/cube.py`
    channel_correlation: Annotated[tuple[float, ...], AfterValidator(_correlations)] = (
        MANGA_CHANNEL_CORRELATION
    )
    release: Release = "DR17"  # whose names and HDUs the files have
    truth_cubes: bool = False  # write the noise-free cube beside each

    @property
    def fingerprint(self) -> str:
        """Twelve digits for the settings and what is in the files they name.

        Raises:
            CubesiftError: one of the files cannot be read.
        """
        said: dict[str, Any] = asdict(self)
        del said["truth_cubes"]  # they are written beside the same survey
        for name in ("oddity_file", "quasar_file"):
            if said[name] is not None:
                said[name] = fingerprint(content(said[name]))
        return fingerprint(said)


def content(path: str) -> bytes:
    """The bytes of a file that the settings name.

    Raises:
        CubesiftError: there is none.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CubesiftError(
            f"{path}: no such file ({error.strerror}), but the simulation names it."
        ) from None
