"""Small files of the LOGCUBE format, written by astropy from the data model: only noise is in them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from astropy.io import fits

from cubesift.data.cube import DEADFIBER, DONOTUSE, LOWCOV, NOCOV
from cubesift.data.wavelength import MANGA_GRID, MANGA_START, STEP

CHANNELS = MANGA_GRID.size
LSF_NAMES = {"DR13": (), "DR14": (), "DR15": ("DISP", "PREDISP"), "DR17": ("LSFPOST", "LSFPRE")}


def logcube(
    side: int = 6, release: str = "DR17", seed: int = 1, plateifu: str = "8485-1901", channels: int = CHANNELS
) -> fits.HDUList:
    """A LOGCUBE of a release, in memory: noise of realistic entropy inside a hexagon, nothing outside."""
    rng = np.random.default_rng(seed)
    shape = (channels, side, side)
    outside = np.broadcast_to(~hexagon(side), shape)
    ivar = rng.gamma(9.0, 4.0, shape).astype(np.float32)
    flux = rng.normal(0.05, 1.0, shape).astype(np.float32) / np.sqrt(ivar)
    mask = np.zeros(shape, np.int32)
    mask[:3] = LOWCOV | DEADFIBER | DONOTUSE  # as at the blue end of a real cube
    mask[outside] = NOCOV | LOWCOV | DONOTUSE
    flux[outside] = ivar[outside] = 0
    primary = fits.PrimaryHDU(header=fits.Header(_observation(plateifu)))
    hdus = [primary, _image("FLUX", flux, plateifu), _image("IVAR", ivar), _image("MASK", mask)]
    for name in LSF_NAMES[release]:
        width = rng.normal(1.0, 1e-3, shape).astype(np.float32)
        width[outside] = 0
        hdus.append(_image(name, width))
    wave = MANGA_START * 10 ** (STEP * np.arange(channels))
    hdus += [_image("WAVE", wave), _image("RIMG", flux.mean(axis=0))]
    return fits.HDUList(hdus)


def write_logcube(path: Path, hdus: fits.HDUList, level: int = 1) -> Path:
    """Write with the checksums that the survey's pipeline writes, packed where the name ends in .gz."""
    if path.suffix == ".gz":
        with gzip.open(path, "wb", compresslevel=level) as packed:
            hdus.writeto(packed, checksum=True)
    else:
        hdus.writeto(path, checksum=True, overwrite=True)
    return path


def hexagon(side: int) -> np.ndarray:
    """(side, side) bool: where a hexagonal bundle of that size has coverage."""
    y, x = (np.indices((side, side)) - (side - 1) / 2) / (side / 2)
    return np.asarray((np.abs(y) < 0.87) & (np.abs(x) + np.abs(y) / np.sqrt(3) < 1.0))


def _observation(plateifu: str) -> list[tuple[str, str | float]]:
    return [
        ("VERSDRP3", "v3_1_1"),
        ("BUNIT", "1E-17 erg/s/cm^2/Ang/spaxel"),
        ("MASKNAME", "MANGA_DRP3PIXMASK"),
        ("OBJRA", 232.544703894),
        ("OBJDEC", 48.6902009334),
        ("PLATEIFU", plateifu),
        ("MANGAID", "1-209232"),
        ("DRP3QUAL", 1 << 5),
        ("EBVGAL", 0.0144335),
        ("GFWHM", 2.64955),
        ("RFWHM", 2.59937),
    ]


def _image(name: str, values: np.ndarray, plateifu: str = "") -> fits.ImageHDU:
    hdu = fits.ImageHDU(values, name=name)
    if plateifu:
        # The real FLUX header repeats the primary's, then says where each voxel lies.
        hdu.header.extend(_observation(plateifu))
        side = values.shape[-1]
        for key, value in {
            "CTYPE1": "RA---TAN",
            "CTYPE2": "DEC--TAN",
            "CTYPE3": "WAVE-LOG",
            "CRPIX1": side / 2 + 1,
            "CRPIX2": side / 2 + 1,
            "CRPIX3": 1,
            "CRVAL1": 232.5447,
            "CRVAL2": 48.690201,
            "CRVAL3": 3621.59598486,
            "CD1_1": -0.000138889,
            "CD2_2": 0.000138889,
            "CD3_3": 0.833903304339,
            "CUNIT3": "Angstrom",
        }.items():
            hdu.header[key] = value
    return hdu
