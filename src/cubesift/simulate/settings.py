"""What to simulate."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from cubesift.data.fitswrite import Release


@dataclass(frozen=True)
class Simulation:
    """What to simulate. Defaults follow the survey, with more oddities than the sky has."""

    galaxies: Annotated[int, Field(ge=1)] = 48
    seed: Annotated[int, Field(ge=0)] = 1
    # share of galaxies with one planted, or how many of each kind
    oddities: Annotated[float, Field(ge=0, le=1)] | dict[str, Annotated[int, Field(ge=0)]] = 0.25
    # the last so many are the first ones again: same mangaid, other plateifu, seeing, noise
    repeats: Annotated[int, Field(ge=0)] = 0
    ifus: tuple[int, ...] = ()  # bundle sizes allowed, 19 37 61 91 127; () = as in the survey
    max_redshift: Annotated[float, Field(gt=0)] = 0.15
    psf: Annotated[float, Field(gt=0)] | None = None  # FWHM in r, arcsec; None = drawn, 2.2 to 3.0
    pointing: Annotated[float, Field(ge=0)] = 0.3  # arcsec, scatter of the galaxy's place in the cube
    error_factor: Annotated[float, Field(gt=0)] = 1.0  # true noise over formal error
    sky_residual: Annotated[float, Field(ge=0, le=1)] = (
        0.4  # share of the noise above 8500 angstrom that the whole bundle has in common
    )
    release: Release = "DR17"
