"""The doors for other instruments than MaNGA: SAMI pairs, MUSE, and any cube with a wavelength axis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from cubesift.data.cards import Header
from cubesift.data.cube import NO_DUST, Cube
from cubesift.data.headers import centre_of_field, flux_scale, number, spaxel_side, spectral_axis
from cubesift.data.rebin import Rebinned, channel_correlation, combined, overlap_weights, rebin
from cubesift.data.stream import FitsStream
from cubesift.data.wavelength import MANGA_GRID, WavelengthGrid
from cubesift.errors import BadFile

# SAMI drops discs of 0.8 arcsec on spaxels of 0.5 (drop factor 0.5, Sharp+2015). Two spaxels share noise as
# the disc, 1.6 spaxels wide and smeared by a spaxel, overlaps itself: sigma^2 = 2 (0.8^2 / 4 + 1 / 12).
# Derived, not measured: the files at hand are binned.
SAMI_NOISE_SIGMA = 0.70
# Measured on the Abell 478 cut, channels 300-2500 less the mean of those two before and behind: neighbours
# are correlated by 0.26, spaxels 2 or 3 apart by 0.14, which the sky's residual gives to the whole field.
# The excess, 0.12 / 0.86, is exp(-1 / (2 * 0.5^2)).
MUSE_NOISE_SIGMA = 0.5

MOST_PACKED = 1100  # gzip packs no further than 1032 : 1

FLUX_NAMES = ("FLUX", "DATA", "SCI", "PRIMARY")
# How the noise is written, by the name of its HDU, and how it becomes a variance.
VARIANCES = ("VARIANCE", "VAR", "STAT")
ERRORS = ("ERROR", "ERR", "ERRORS", "STDDEV", "STD", "SIGMA", "UNCERT", "UNCERTAINTY", "NOISE")
INVERSES = ("IVAR", "INVVAR")
FLAGS = ("MASK", "DQ", "BADPIX", "FLAGS")  # not zero = bad


@dataclass(frozen=True)
class Image:
    """One image HDU in native byte order."""

    name: str  # EXTNAME in capitals, PRIMARY for the first
    header: Header
    data: np.ndarray


@dataclass(frozen=True)
class Arm:
    """The spectra of one file on the grid, and how they came there."""

    spectra: Rebinned
    weights: sparse.csr_array  # (grid, channels of the file)
    notes: tuple[str, ...]


def read_images(path: Path) -> tuple[Header, list[Image]]:
    """The primary header, and every image of one to three axes.

    Raises:
        BadFile: not a FITS file, or one that is cut off or broken.
    """
    primary: Header | None = None
    images = []
    with FitsStream(path) as stream:
        for hdu in stream:
            primary = hdu.header if primary is None else primary
            if hdu.image and 1 <= len(hdu.shape) <= 3:
                if hdu.size > MOST_PACKED * path.stat().st_size:
                    raise stream.bad(
                        f"{hdu.name} of {hdu.shape} cannot lie in so small a file. Fetch it again."
                    )
                # A cut often keeps the DATASUM of the whole, as the MUSE one at hand; gzip has its own check.
                hdu.header.pop("DATASUM", None)
                data = stream.read(hdu, hdu.dtype.newbyteorder("=").str)
                if "BSCALE" in hdu.header or "BZERO" in hdu.header:
                    slope = number(hdu.header, "BSCALE", default=1.0)
                    data = data * slope + number(hdu.header, "BZERO", default=0.0)
                images.append(Image(hdu.name, hdu.header, data))
        stream.drain()
    return primary or {}, images


def read_sami(blue: Path, red: Path, name: str, grid: WavelengthGrid = MANGA_GRID) -> Cube:
    """The two arms of one SAMI observation (Croom+2021, DR3: cube, adaptive, annular or sectors) as one cube.

    The gap between the arms is not covered. Redshift from Z_SPEC; the galaxy's name from NAME.

    Raises:
        BadFile: an arm is no SAMI cube, or the two are not of one galaxy and size.
    """
    header, images, one, galaxy = _sami_arm(blue, grid)
    _, _, other, galaxy_of_red = _sami_arm(red, grid)
    if galaxy != galaxy_of_red:
        raise BadFile(
            f"{name}: {blue.name} is {galaxy}, but {red.name} is {galaxy_of_red}. Put one's together."
        )
    spectra = combined(one.spectra, other.spectra)
    noise_sigma, binned = _sami_noise(_named(images, "BIN_MASK"))
    ebv, dust = _sami_dust(_named(images, "DUST"))
    spaxel, assumed = spaxel_side(header)
    return Cube(
        plateifu=name,
        mangaid=str(header.get("NAME", name)).strip(),
        flux=spectra.flux,
        ivar=spectra.ivar,
        bits=spectra.bits,
        grid=grid,
        redshift=number(header, "Z_SPEC"),
        ra=number(header, "CATARA"),
        dec=number(header, "CATADEC"),
        spaxel=spaxel,
        psf_fwhm=number(header, "PSFFWHM"),
        ebv=ebv,
        noise_sigma=noise_sigma,
        channel_correlation=(channel_correlation(one.weights, other.weights),),
        instrument="SAMI",
        source=f"{blue} + {red.name}",
        notes=tuple(dict.fromkeys((*one.notes, *other.notes, *binned, *dust, *assumed))),
    )


def _sami_arm(path: Path, grid: WavelengthGrid) -> tuple[Header, list[Image], Arm, str]:
    """Header, the small images (BIN_MASK, DUST), the spectra on the grid, and whose they are."""
    header, images = read_images(path)
    flux, variance = _named(images, "PRIMARY"), _named(images, "VARIANCE")
    if flux is None or variance is None or flux.data.shape != variance.data.shape:
        raise BadFile(
            f"{path.name}: a SAMI cube has its flux first and VARIANCE of the same shape. Fetch it again."
        )
    _, y, x = flux.data.shape
    small = [image for image in images if image.data.ndim < 3]
    arm = _rebinned(flux, variance.data, path.name, grid)
    return header, small, arm, f"galaxy {header.get('NAME')} of {y} x {x} spaxels"


def _sami_noise(bins: Image | None) -> tuple[float, tuple[str, ...]]:
    """The width of the spaxels' noise correlation, and what to know of binned spaxels.

    The spaxels of a bin hold one spectrum, the *mean* per spaxel of the bin (seen: bins of 3 and of 39
    spaxels side by side agree, and the variance is smaller in the larger), so sums over spaxels stay right.
    """
    sizes = np.bincount(bins.data.ravel().astype(int))[1:] if bins else np.zeros(0, int)
    sizes = sizes[sizes > 0]
    if not len(sizes):
        return SAMI_NOISE_SIGMA, ()
    # A spaxel shares its noise with the n of its bin, and with sum rho = 2 pi sigma^2 of a Gaussian
    # correlation: equal sums give the variance of the whole field, and of large patches, right.
    per_spaxel = (sizes**2).sum() / sizes.sum()
    note = (
        f"binned: {sizes.sum()} spaxels hold {len(sizes)} independent spectra, each the mean per spaxel "
        "of its bin; spaxels of a bin repeat it, noise and all"
    )
    return float(np.sqrt(per_spaxel / (2 * np.pi))), (note,)


def _sami_dust(dust: Image | None) -> tuple[float, tuple[str, ...]]:
    """E(B-V) of our own Galaxy, still in the flux.

    The DUST vector is 10**(0.4 A) by Cardelli+1989 with Rv 3.1 at the air wavelengths and E(B-V) =
    EBVPLNCK (to 1e-15 in our six files); it is given, not applied. Taking EBVPLNCK leaves the
    correction to preparation, whose law (O'Donnell 1994) differs by about 1.5 % of A: 2 mmag here.
    """
    ebv = number(dust.header, "EBVPLNCK", "EBVSFD98") if dust else float("nan")
    return (ebv, ()) if np.isfinite(ebv) else (0.0, (NO_DUST,))


def read_linear(path: Path, name: str, grid: WavelengthGrid = MANGA_GRID) -> Cube:
    """Any cube with a wavelength axis in its header and an HDU of variance, error or inverse variance.

    MUSE cubes (DATA, STAT) are such cubes, of which some more is known. A mask or DQ HDU that is not
    zero makes a voxel bad. Where the header gives no redshift the cube has none.

    Raises:
        BadFile: no such cube, no noise, or wavelengths that miss the grid.
    """
    header, images = read_images(path)
    flux = _flux(images, path.name)
    variance = _variance(flux, images, path.name)
    for image in images:
        if image.name in FLAGS and image.data.shape == flux.data.shape:
            variance = np.where(image.data == 0, variance, 0)
    arm = _rebinned(flux, variance, path.name, grid)
    spaxel, assumed = spaxel_side(flux.header)
    ra, dec = centre_of_field(flux.header)
    muse = str(header.get("INSTRUME", "")).strip() == "MUSE"
    target = str(header.get("OBJECT", "")).strip()
    return Cube(
        plateifu=name,
        mangaid=name,
        flux=arm.spectra.flux,
        ivar=arm.spectra.ivar,
        bits=arm.spectra.bits,
        grid=grid,
        redshift=number(header, "REDSHIFT", "Z_SPEC"),
        ra=ra,
        dec=dec,
        spaxel=spaxel,
        psf_fwhm=float("nan"),
        ebv=0.0,
        noise_sigma=MUSE_NOISE_SIGMA if muse else 0.0,
        channel_correlation=(channel_correlation(arm.weights),),
        instrument="MUSE" if muse else str(header.get("INSTRUME", "")).strip() or "unknown",
        source=str(path),
        notes=(
            *arm.notes,
            *assumed,
            *((f"target {target}",) if target else ()),
            *(() if muse else ("noise of neighbouring spaxels taken as independent",)),
            NO_DUST,
        ),
    )


def _rebinned(flux: Image, variance: np.ndarray, name: str, grid: WavelengthGrid) -> Arm:
    axis = spectral_axis(flux.header, name)
    scale, assumed = flux_scale(flux.header)
    weights = overlap_weights(axis.edges, grid, axis.air)
    if not weights.nnz:
        low, high = grid.wave[[0, -1]]
        raise BadFile(
            f"{name}: it covers {axis.edges[0]:.0f}-{axis.edges[-1]:.0f} angstrom, but the grid is "
            f"{low:.0f}-{high:.0f}. Is CUNIT3 right?"
        )
    return Arm(rebin(weights, flux.data, variance, scale), weights, (*axis.notes, *assumed))


def _named(images: list[Image], *names: str) -> Image | None:
    return next((image for image in images if image.name in names), None)


def _flux(images: list[Image], name: str) -> Image:
    cubes = [image for image in images if image.data.ndim == 3]
    if not cubes:
        raise BadFile(f"{name}: no image with three axes, so no cube. Take it out of the folder.")
    return _named(cubes, *FLUX_NAMES) or cubes[0]


def _variance(flux: Image, images: list[Image], name: str) -> np.ndarray:
    for image in images:
        if image.data.shape != flux.data.shape:
            continue
        if image.name in VARIANCES:
            return np.asarray(image.data)
        if image.name in ERRORS:
            return np.asarray(np.square(image.data, dtype=np.float64))
        if image.name in INVERSES:
            ivar = image.data.astype(np.float64)
            return np.divide(1, ivar, out=np.zeros_like(ivar), where=ivar > 0)
    raise BadFile(
        f"{name}: no noise of the flux's shape. It needs an HDU named VARIANCE, ERROR or IVAR "
        f"(found: {', '.join(image.name for image in images)})."
    )
