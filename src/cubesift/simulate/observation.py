"""Who is looked at in observation number so many, how, and what drpall says of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cubesift.data.catalog import MISSING
from cubesift.data.cube import Cube
from cubesift.simulate.galaxies import Galaxy, draw_galaxy
from cubesift.simulate.light import BANDS, Seeing
from cubesift.simulate.noise import SIDES
from cubesift.simulate.repeats import bundle_again, source_of
from cubesift.simulate.settings import Simulation

PLATE_SIZE = 17  # bundles on a plate


@dataclass(frozen=True)
class Observation:
    """One look at a galaxy: its name, and what differs from one look to the next."""

    index: int  # in the survey
    source: int  # number of the galaxy; repeats share it
    look: int  # how often it was observed before
    plateifu: str
    mangaid: str
    galaxy: Galaxy
    ifusize: int  # fibres of the bundle; a repeat's may differ from the galaxy's own
    side: int  # of the cube, spaxels
    offset: tuple[float, float]  # arcsec, y and x of the galaxy from the cube's centre
    seeing: Seeing
    sky_level: float  # variance of the sky over the typical one
    source_level: float  # variance that the light itself adds, likewise
    error_factor: float  # true noise over formal error

    def truth(self) -> dict[str, Any]:
        """One row of `truth-galaxies.parquet`."""
        return {
            "plateifu": self.plateifu,
            "mangaid": self.mangaid,
            "source": self.source,
            "look": self.look,
            **asdict(self.galaxy),
            "broad": int(self.galaxy.broad),
            "ifusize": self.ifusize,
            "first_ifusize": self.galaxy.ifusize,
            "side": self.side,
            "offset_y": self.offset[0],
            "offset_x": self.offset[1],
            "psf_fwhm": self.seeing.fwhm,
            "sky_level": self.sky_level,
            "source_level": self.source_level,
            "error_factor": self.error_factor,
        }


def draw_observation(settings: Simulation, index: int) -> Observation:
    """Observation number `index`; it depends on nothing but the settings and the index."""
    source, look = source_of(settings, index)
    galaxy = draw_galaxy(
        np.random.default_rng([settings.seed, source, 0]), settings.ifus, settings.max_redshift
    )
    plate, place = divmod(index, PLATE_SIZE)
    rng = np.random.default_rng([settings.seed, index, 1])
    offset = rng.normal(0, settings.pointing, 2) if settings.pointing else np.zeros(2)
    ifusize = bundle_again(rng, galaxy.ifusize, settings.ifus) if look else galaxy.ifusize
    return Observation(
        index=index,
        source=source,
        look=look,
        plateifu=f"{9001 + plate}-{ifusize}{place + 1:02d}",
        mangaid=f"99-{source:06d}",
        galaxy=galaxy,
        ifusize=ifusize,
        side=int(rng.choice(SIDES[ifusize])),
        offset=(float(offset[0]), float(offset[1])),
        # Rounded as the header is, so that a cube from memory and one from its file are the same.
        seeing=Seeing(round(float(settings.psf or np.clip(rng.normal(2.54, 0.15), 2.2, 3.0)), 5)),
        # Observations differ in depth: 1 is 7815-3702, the eight real spectra lie at 1.2 and 0.7.
        sky_level=float(np.exp(rng.normal(0, 0.15))),
        source_level=float(np.exp(rng.normal(0, 0.3))),
        # Nothing is known but the ends: even in the logarithm, so that too small and too large weigh alike.
        error_factor=float(np.exp(rng.uniform(*np.log(np.resize(settings.error_factor, 2))))),
    )


def drpall_row(cube: Cube, seen: Observation) -> dict[str, Any]:
    """The observation's columns in drpall (MaNGA data model)."""
    galaxy, seeing = seen.galaxy, seen.seeing
    plate, design = cube.plateifu.split("-")
    fwhm = {f"{band}fwhm": float(seeing.at(wave)) for band, wave in BANDS.items()}
    return {
        "plateifu": cube.plateifu,
        "mangaid": cube.mangaid,
        "plate": int(plate),
        "ifudsgn": design,
        "ifudesignsize": seen.ifusize,
        "objra": cube.ra,
        "objdec": cube.dec,
        "ifura": cube.ra,
        "ifudec": cube.dec,
        "drp3qual": cube.quality,
        "mngtarg1": galaxy.mngtarg1,
        "mngtarg2": 0,
        "mngtarg3": galaxy.mngtarg3,
        "exptime": 13500.0,
        "nexp": 15,
        "ebvgal": cube.ebv,
        **fwhm,
        "nsa_z": cube.redshift,
        "z": cube.redshift,
        "nsa_zdist": cube.redshift,
        "nsa_elpetro_mass": 10**galaxy.logmass,
        "nsa_elpetro_absmag": [MISSING] * 7,
        "nsa_elpetro_th50_r": galaxy.reff,
        "nsa_elpetro_ba": 1 - galaxy.ellipticity,
        "nsa_elpetro_phi": galaxy.pa,
        "nsa_sersic_n": 1 + 3 * galaxy.bulge,
        "nsa_sersic_th50": galaxy.reff,
    }
