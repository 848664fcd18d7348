"""LOGCUBE and drpall files as MaNGA's pipeline writes them, for what the simulator makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from astropy.io import fits

from cubesift.data.cube import Cube
from cubesift.data.fitsbytes import Cards, Value, hdu_bytes, header_bytes, header_of, opened, write_image
from cubesift.data.store import Columns, version
from cubesift.data.wavelength import SPEED_OF_LIGHT, STEP

Release = Literal["DR13", "DR14", "DR15", "DR17"]
DRP_VERSIONS: dict[Release, str] = {"DR13": "v1_5_4", "DR14": "v2_1_2", "DR15": "v2_4_3", "DR17": "v3_1_1"}
UNIT = "1E-17 erg/s/cm^2/Ang/spaxel"
# Angstrom, roughly SDSS: where images begin and end, and where the noise's correlation is told.
BANDS = {"G": (3830, 5490), "R": (5490, 6990), "I": (6990, 8350), "Z": (8350, 10300)}
CENTRES = {"G": 4770.0, "R": 6231.0, "I": 7625.0, "Z": 9134.0}
REACH = 5.4  # spaxels; further apart they share less than 0.02, and real tables have few such pairs


@dataclass(frozen=True)
class Extras:
    """What a LOGCUBE holds besides a Cube."""

    sigma: np.ndarray  # (wave,) line spread after pixels, km/s
    fwhm: Mapping[str, float]  # "g", "r", "i", "z": seeing, arcsec
    keywords: Mapping[str, Value]  # more of the primary header: MNGTARG1, IFUDSGN, ...
    history: tuple[str, ...]  # how the file came to be
    release: Release = "DR17"


def write_logcube(path: Path, cube: Cube, extras: Extras) -> None:
    """Write a LOGCUBE with the HDUs of its release in their order (MaNGA data model, mangaCube).

    `path` ends in .fits or .fits.gz; the same cube gives the same bytes. FLUX, IVAR and MASK are the
    cube's; line spread, resolution, images, PSF and correlation are simple, and true where they are simple:
    one line spread for the whole bundle, a Gaussian PSF, one correlation for every spaxel.

    Raises:
        DiskFull: no space is left.
    """
    with opened(path) as file:
        file.write(header_bytes(_primary(cube, extras), first=True))
        for name, values, cards in _planes(cube, extras):
            write_image(file, name, values, cards)
        for hdu in _small(cube, extras):
            file.write(hdu_bytes(hdu))


def write_drpall(path: Path, columns: Columns, release: Release = "DR17") -> None:
    """Write the catalogue as drpall: one table, HDU MANGA, one row per observation (mangaDRPall).

    Columns of two dimensions become vector columns. DR13 to DR15 have no column `z`.
    """
    made_by = np.full(len(columns["plateifu"]), DRP_VERSIONS[release])
    kept = {
        name: values
        for name, values in {**columns, "versdrp3": made_by}.items()
        if name != "z" or release == "DR17"
    }
    table = fits.BinTableHDU.from_columns(
        [_column(name, values) for name, values in kept.items()], name="MANGA"
    )
    with opened(path) as file:
        primary = fits.Header([("VERSDRP3", DRP_VERSIONS[release], "MaNGA DRP version (3d processing)")])
        primary.add_history(f"simulated by cubesift {version()}")
        file.write(header_bytes(primary, first=True))
        file.write(hdu_bytes(table))


def _column(name: str, values: np.ndarray) -> fits.Column:
    codes = {"i": "K", "u": "K", "f": "D", "b": "L"}
    values = np.asarray(values)
    if values.dtype.kind in "OU":
        text = values.astype(str)
        return fits.Column(name=name, format=f"{max(text.dtype.itemsize // 4, 1)}A", array=text)
    repeat = values.shape[1] if values.ndim == 2 else 1
    return fits.Column(name=name, format=f"{repeat}{codes[values.dtype.kind]}", array=values)


def _primary(cube: Cube, extras: Extras) -> fits.Header:
    plate, design = cube.plateifu.split("-")
    cards: Cards = {
        "TELESCOP": ("SDSS 2.5-M", "Sloan Digital Sky Survey"),
        "INSTRUME": ("MaNGA", "SDSS-IV MaNGA IFU"),
        "SRVYMODE": ("MaNGA dither", "Survey leading this observation and its mode"),
        "OBJSYS": ("ICRS", "The TCC objSys"),
        "EQUINOX": 2000.0,
        "RADESYS": "FK5",
        "PLATEID": (int(plate), "Current plate"),
        "IFUDSGN": (design, "ifuDesign"),
        "PLATEIFU": (cube.plateifu, "PLATEID-ifuDesign"),
        "MANGAID": (cube.mangaid, "MaNGA ID number"),
        "IFURA": (cube.ra, "IFU R.A. (J2000 deg.)"),
        "IFUDEC": (cube.dec, "IFU Dec. (J2000 deg.)"),
        "OBJRA": (cube.ra, "Object R.A. (J2000 deg.)"),
        "OBJDEC": (cube.dec, "Object Dec. (J2000 deg.)"),
        "VERSDRP3": (DRP_VERSIONS[extras.release], "MaNGA DRP version whose format this is"),
        "DRP3QUAL": (cube.quality, "DRP-3d quality bitmask"),
        "EBVGAL": (round(cube.ebv, 6), "Galactic reddening E(B-V)"),
        "BUNIT": (UNIT, "Specific intensity (per spaxel)"),
        "MASKNAME": ("MANGA_DRP3PIXMASK", "Bits used by mask extension"),
        "SIMULATE": (True, "Not an observation: simulated by cubesift"),
    }
    for band in "griz":
        cards[f"{band.upper()}FWHM"] = (
            round(float(extras.fwhm[band]), 5),
            f"Reconstructed FWHM in {band}-band (arcsec)",
        )
    header = header_of({**cards, **extras.keywords})
    for line in extras.history:
        header.add_history(line)
    return header


def sky_axes(cube: Cube) -> Cards:
    """World coordinates of the two axes of the sky; the object stands in the middle (DRP convention)."""
    _, y, x = cube.shape
    return {
        "CRPIX1": x / 2 + 1,
        "CRPIX2": y / 2 + 1,
        "CRVAL1": cube.ra,
        "CRVAL2": cube.dec,
        "CD1_1": -cube.spaxel / 3600,
        "CD2_2": cube.spaxel / 3600,
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "RADESYS": "FK5",
        "EQUINOX": 2000.0,
    }


def cube_axes(cube: Cube) -> Cards:
    """World coordinates of all three axes."""
    start = float(cube.grid.wave[0])
    return {
        **sky_axes(cube),
        "CRPIX3": 1,
        "CRVAL3": start,
        # wave = CRVAL3 exp(CD3_3 (p - 1) / CRVAL3), FITS paper III, section 3.2
        "CD3_3": start * np.log(10) * STEP,
        "CTYPE3": "WAVE-LOG",
        "CUNIT3": "Angstrom",
    }


def _planes(cube: Cube, extras: Extras) -> Iterator[tuple[str, np.ndarray, Cards]]:
    """The three-dimensional HDUs."""
    axes = cube_axes(cube)
    about: Cards = {"INSTRUME": "MaNGA", "HDUCLASS": "SDSS", "HDUCLAS1": "CUBE"}
    flux: Cards = {"BUNIT": UNIT, "HDUCLAS2": "DATA", "ERRDATA": "IVAR", "QUALDATA": "MASK"}
    yield "FLUX", cube.flux, {**axes, **about, **flux}
    ivar: Cards = {"BUNIT": f"({UNIT})^-2", "HDUCLAS2": "ERROR", "HDUCLAS3": "INVMSE", "SCIDATA": "FLUX"}
    yield "IVAR", cube.ivar, {**axes, **about, **ivar, "QUALDATA": "MASK"}
    mask: Cards = {"HDUCLAS2": "QUALITY", "HDUCLAS3": "FLAG64BIT", "SCIDATA": "FLUX", "ERRDATA": "IVAR"}
    yield "MASK", cube.bits, {**axes, **about, **mask}
    names = {"DR17": ("LSFPOST", "LSFPRE"), "DR15": ("DISP", "PREDISP")}.get(extras.release, ())
    for name, sigma in zip(names, _line_spreads(cube, extras), strict=False):
        cube_of = np.broadcast_to(sigma[:, None, None].astype(np.float32), cube.shape)
        yield name, cube_of, {**axes, **about, "BUNIT": "Angstrom"}


def _line_spreads(cube: Cube, extras: Extras) -> tuple[np.ndarray, np.ndarray]:
    """Sigma of the line spread in angstrom after and before it is averaged over a channel, (wave,) each."""
    wave = cube.grid.wave
    after = extras.sigma / SPEED_OF_LIGHT * wave
    channel = wave * np.log(10) * STEP
    return after, np.sqrt(after**2 - channel**2 / 12)


def _small(cube: Cube, extras: Extras) -> Iterator[fits.ImageHDU | fits.BinTableHDU]:
    """All HDUs after the cubes."""
    wave = cube.grid.wave
    after, before = (wave / (2.3548 * sigma) for sigma in _line_spreads(cube, extras))
    yield fits.ImageHDU(wave, name="WAVE", header=header_of({"BUNIT": ("Angstrom", "Vacuum wavelength")}))
    for name, resolution in (("SPECRES", after), ("PRESPECRES", before)):
        if name == "PRESPECRES" and extras.release in ("DR13", "DR14"):
            continue
        yield fits.ImageHDU(resolution, name=name)
        yield fits.ImageHDU(np.full(len(wave), 20.0), name=name + "D")
    exposures = np.arange(15)
    yield fits.BinTableHDU.from_columns(
        [
            fits.Column(name="EXPNUM", format="K", array=200_000 + exposures),
            fits.Column(name="EXPTIME", format="E", array=np.full(15, 900.0), unit="s"),
            fits.Column(name="SET", format="K", array=exposures // 3 + 1),
            fits.Column(name="MGDPOS", format="1A", array=np.array(["N", "S", "E"])[exposures % 3]),
        ],
        name="OBSINFO",
    )
    sky = header_of(sky_axes(cube))
    for band, (low, high) in BANDS.items():
        image = cube.flux[cube.grid.between(low, high)].mean(axis=0, dtype=np.float64)
        header = sky.copy()
        header["BUNIT"] = UNIT
        yield fits.ImageHDU(image.astype(np.float32), name=f"{band}IMG", header=header)
    y, x = (
        index - length / 2 for index, length in zip(np.indices(cube.shape[1:]), cube.shape[1:], strict=True)
    )
    for band in BANDS:
        sigma = extras.fwhm[band.lower()] / 2.3548 / cube.spaxel
        psf = np.exp(-0.5 * (y**2 + x**2) / sigma**2) / (2 * np.pi * sigma**2)
        yield fits.ImageHDU(psf.astype(np.float32), name=f"{band}PSF", header=sky)
    if extras.release in ("DR15", "DR17"):
        for band, centre in CENTRES.items():
            yield correlation_table(cube, band, int(np.rint(cube.grid.channel(centre))))


def correlation_table(cube: Cube, band: str, channel: int) -> fits.BinTableHDU:
    """Correlation of the noise of all pairs of spaxels that share some, each pair once, in raster order.

    As the pipeline's sparse tables (mangaCube; the columns named C1 count x, C2 y). Spaxels without data
    in the channel are left out.
    """
    _, rows, columns = cube.shape
    reach = int(REACH)
    down, right = (offsets.ravel() for offsets in np.mgrid[0 : reach + 1, -reach : reach + 1])
    rho = np.exp(-0.5 * (down**2 + right**2) / max(cube.noise_sigma, 1e-3) ** 2)
    # From a spaxel only forwards: in its own row to the right, then the rows below.
    kept = ((down > 0) | (right >= 0)) & (np.hypot(down, right) <= REACH) & (rho > 0)
    down, right, rho = down[kept], right[kept], rho[kept]
    there = np.pad(cube.ivar[channel] > 0, ((0, reach), (reach, reach)))
    y, x = np.nonzero(cube.ivar[channel] > 0)
    first, second = np.nonzero(there[y[:, None] + down, x[:, None] + right + reach])
    kind = [(name, ">i4") for name in ("INDXI_C1", "INDXI_C2", "INDXJ_C1", "INDXJ_C2")]
    pairs = np.empty(len(first), dtype=[*kind, ("RHOIJ", ">f8")])
    pairs["INDXI_C1"], pairs["INDXI_C2"] = x[first], y[first]
    pairs["INDXJ_C1"], pairs["INDXJ_C2"] = x[first] + right[second], y[first] + down[second]
    pairs["RHOIJ"] = rho[second]
    table = fits.BinTableHDU(pairs, name=f"{band}CORREL")
    table.header["BBWAVE"] = (float(cube.grid.wave[channel]), "Wavelength, angstrom")
    table.header["BBINDEX"] = (channel, "Its channel, from 0")
    table.header["COVSHAPE"] = (f"({rows * columns}, {rows * columns})", "Shape of the correlation matrix")
    return table
