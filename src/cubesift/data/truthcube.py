"""The noise-free cube that a simulator keeps beside the one it wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from cubesift.data.cube import Cube
from cubesift.data.fitsbytes import Cards, hdu_bytes, header_bytes, header_of, opened, write_image
from cubesift.data.fitswrite import UNIT, cube_axes


def write_truth_cube(
    path: Path, cube: Cube, clean: np.ndarray, error_factor: float, history: tuple[str, ...]
) -> None:
    """Write what a simulated cube would be without noise: HDUs FLUX, IVAR and WAVE, as in its LOGCUBE.

    IVAR is the true inverse variance of the noise that the cube has and this one lacks: what is left of the
    sky at 8500 angstrom and redder is in it, what is left of the sky line at 5578.9 angstrom is not.

    Args:
        path: `manga-<plateifu>-TRUTHCUBE.fits.gz`, which no reader of cubes takes for one.
        cube: as its LOGCUBE has it, with the formal ivar.
        clean: (wave, y, x) float32, flux before noise.
        error_factor: true noise over formal error.
        history: how the file came to be.

    Raises:
        DiskFull: no space is left.
    """
    about: Cards = {
        "PLATEIFU": (cube.plateifu, "PLATEID-ifuDesign"),
        "MANGAID": (cube.mangaid, "MaNGA ID number"),
        "SIMULATE": (True, "Not an observation: simulated by cubesift"),
        "TRUTH": (True, "FLUX has no noise, IVAR is the true one"),
        "ERRFACT": (error_factor, "True noise over formal error"),
    }
    primary = header_of(about)
    for line in history:
        primary.add_history(line)
    primary.add_comment("FLUX is the light before noise; IVAR is the formal one of the cube / ERRFACT**2,")
    primary.add_comment("to which the residual of the sky line at 5578.9 angstrom comes on top.")
    axes = cube_axes(cube)
    with opened(path) as file:
        file.write(header_bytes(primary, first=True))
        write_image(file, "FLUX", clean, {**axes, "BUNIT": UNIT})
        true_ivar = cube.ivar / np.float32(error_factor) ** 2
        write_image(file, "IVAR", true_ivar, {**axes, "BUNIT": f"({UNIT})^-2"})
        unit = header_of({"BUNIT": ("Angstrom", "Vacuum wavelength")})
        file.write(hdu_bytes(fits.ImageHDU(cube.grid.wave, name="WAVE", header=unit)))
