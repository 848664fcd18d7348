"""MaNGA's door: LOGCUBE files of DR13 to DR17 become cubes, and anything else is refused in one line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cubesift.data.cards import Hdu, Header, number
from cubesift.data.cube import DONOTUSE, MANGA_CHANNEL_CORRELATION, NOCOV, Cube
from cubesift.data.lattice import on_lattice, trouble_with
from cubesift.data.stream import FitsStream
from cubesift.data.wavelength import MANGA_GRID

WANTED = {"FLUX": "f4", "IVAR": "f4", "MASK": "u2"}
LINCUBE_CHANNELS = 6732
MAX_SIDE = 200  # spaxels; the largest bundles make 76
CHEAP = 1 << 20  # bytes of data that a look at the headers may pass over


@dataclass
class _Found:
    """What was read of a file, so far."""

    primary: Header = field(default_factory=dict)
    flux: Header = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)  # FLUX, IVAR, MASK
    shape: tuple[int, ...] = ()  # of the three, as the file has it
    wave: np.ndarray | None = None
    names: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return len(self.arrays) == len(WANTED)


def read_logcube(path: Path, channels: int | None = None) -> Cube:
    """One galaxy of MaNGA (data model mangaCube, DR13 to DR17), packed or not; without its redshift.

    Reads FLUX, IVAR and MASK, finding them by name, and stops there: behind them lie LSFPOST and LSFPRE
    (DISP and PREDISP before DR17), as large again. WAVE is the authority on wavelengths; it is read where
    it comes early or where the header of FLUX does not put the channels on MaNGA's lattice. The data are
    checked against DATASUM; where an HDU has none, a packed file is inflated to its end for gzip's check.

    Args:
        path: `manga-<plate>-<ifu>-LOGCUBE.fits.gz`, or the same unpacked.
        channels: keep only so many, from the blue end (the paper's 4096); the others are not stored.

    Raises:
        BadFile: in one line, what it is instead of a whole LOGCUBE.
    """
    with FitsStream(Path(path)) as stream:
        found = _read_images(stream, channels)
        notes = _wavelength_notes(stream, found)
    flux, ivar, bits = (found.arrays[name] for name in WANTED)
    finite, good, odd = refuse_bad_voxels(flux, ivar, bits)
    if not finite:
        raise stream.bad("FLUX holds no number, only NaN. Fetch it again.")
    if not good:
        raise stream.bad("no voxel may be used: IVAR is 0 or MASK says DONOTUSE everywhere. Leave it out.")
    if odd:
        notes += (f"{odd} voxels with NaN, infinite or negative values are not used",)
    # FLUX repeats the primary's keywords in the archive's files, and adds where each voxel lies.
    return _described({**found.primary, **found.flux}, stream.path, (flux, ivar, bits), notes)


def primary_and_first(path: Path) -> list[Header]:
    """The header of the primary and of the extensions that follow, as far as it costs next to nothing.

    Always the first header; the next ones until a megabyte of data would have to be passed over.

    Raises:
        BadFile: not a FITS file, or a broken one.
    """
    headers, passed = [], 0
    with FitsStream(path) as stream:
        for hdu in stream:
            headers.append(hdu.header)
            passed += hdu.padded
            if passed > CHEAP:
                break
    return headers


def refuse_bad_voxels(flux: np.ndarray, ivar: np.ndarray, bits: np.ndarray) -> tuple[int, int, int]:
    """Put ivar to 0, in place, where a voxel must not be used, and flux to 0 where it is no number.

    Not used: NaN or infinite flux or ivar, negative ivar, NOCOV and DONOTUSE of DRP3PIXMASK.

    Args:
        flux: (wave, y, x) float32, changed.
        ivar: (wave, y, x) float32, changed.
        bits: (wave, y, x) uint16.

    Returns:
        How many voxels had a finite flux, how many may be used, and how many were odd: refused by their
        values though no bit says so.
    """
    finite_count, good_count, odd = 0, 0, 0
    step = max(1, 2**17 // max(1, flux[0].size))  # half a megabyte of float32 at a time
    for start in range(0, len(flux), step):
        here = slice(start, start + step)
        finite = np.isfinite(flux[here])
        sound = finite & (ivar[here] >= 0) & (ivar[here] < np.inf)
        allowed = (bits[here] & (NOCOV | DONOTUSE)) == 0
        odd += int(np.count_nonzero(allowed & ~sound))
        np.copyto(ivar[here], 0, where=~(sound & allowed))
        np.copyto(flux[here], 0, where=~finite)
        finite_count += int(np.count_nonzero(finite))
        good_count += int(np.count_nonzero(ivar[here] > 0))
    return finite_count, good_count, odd


def _read_images(stream: FitsStream, channels: int | None) -> _Found:
    found = _Found()
    for hdu in stream:
        if found.whole and hdu.name != "WAVE" and on_lattice(found.flux):
            break
        found.names.append(hdu.name)
        found.primary = found.primary or hdu.header
        _take_names(stream, hdu)
        if hdu.name == "WAVE" and hdu.image and hdu.size < CHEAP:
            found.wave = stream.read(hdu, "f8")
        elif hdu.name in WANTED:
            _refuse_other_shapes(stream, hdu)
            if found.shape and hdu.shape != found.shape:
                raise stream.bad(
                    f"{hdu.name} is {_size(hdu.shape)}, but {next(iter(found.arrays))} {_size(found.shape)}. "
                    "Fetch it again."
                )
            found.shape = hdu.shape
            found.flux = hdu.header if hdu.name == "FLUX" else found.flux
            found.arrays[hdu.name] = stream.read(hdu, WANTED[hdu.name], channels)
        if found.whole and found.wave is not None:
            break
    if missing := [name for name in WANTED if name not in found.arrays]:
        raise stream.bad(
            f"no {' and no '.join(missing)} in it (it holds {', '.join(filter(None, found.names[:8]))}), "
            "but a LOGCUBE has FLUX, IVAR and MASK. Fetch it again."
        )
    if not stream.verified:
        stream.drain()
    return found


def _take_names(stream: FitsStream, hdu: Hdu) -> None:
    """Call the file by its observation, and refuse what the analysis pipeline has made of a cube."""
    if named := str(hdu.header.get("PLATEIFU", "")).strip():
        stream.name = named
    if product := hdu.header.get("DAPFRMT"):  # MaNGA DAP data model: MAPS, LOGCUBE (the model's)
        raise stream.bad(
            f"a {product} file of the analysis pipeline (DAP), but a LOGCUBE of the reduction pipeline (DRP) "
            "was expected. Give the one without a DAP type at the end of its name."
        )


def _refuse_other_shapes(stream: FitsStream, hdu: Hdu) -> None:
    name, size, expected = hdu.name, _size(hdu.shape), MANGA_GRID.size
    if not hdu.image:
        raise stream.bad(
            f"{name} is a table, but an image was expected. Packed by fpack? Unpack it by funpack."
        )
    if len(hdu.shape) == 2 and hdu.shape[-1] in (expected, LINCUBE_CHANNELS):
        raise stream.bad(
            f"{name} is a list of {hdu.shape[0]} spectra, but a LOGCUBE has three axes. Is it the RSS?"
        )
    if len(hdu.shape) != 3:
        raise stream.bad(f"{name} has {len(hdu.shape)} axes, but a LOGCUBE has three: wavelength, y, x.")
    if 0 in hdu.shape:
        raise stream.bad(f"{name} is empty, {size}. Fetch it again.")
    wave, y, x = hdu.shape
    if wave != expected:
        hint = "Is it the LINCUBE?" if wave == LINCUBE_CHANNELS else "Give the file as the archive has it."
        raise stream.bad(f"{wave} wavelength channels, but a LOGCUBE has {expected}. {hint}")
    if y != x or y > MAX_SIDE:
        raise stream.bad(f"{name} is {size}, but a LOGCUBE is square and at most {MAX_SIDE} spaxels wide.")
    if (name == "MASK") == (hdu.dtype.kind == "f"):
        wanted = "an integer" if name == "MASK" else "a floating point"
        raise stream.bad(
            f"{name} is of type {hdu.dtype.name}, but {wanted} type was expected. Fetch it again."
        )
    if hdu.header.get("BSCALE", 1) != 1 or hdu.header.get("BZERO", 0) != 0:
        raise stream.bad(f"{name} is scaled (BSCALE, BZERO), which a LOGCUBE is not. Write it without.")


def _wavelength_notes(stream: FitsStream, found: _Found) -> tuple[str, ...]:
    """Refuse channels that are not MaNGA's; a note where WAVE had to overrule the header."""
    said = on_lattice(found.flux)
    if found.wave is None and not said:
        raise stream.bad("no WAVE in it, and FLUX's header does not say MaNGA's wavelengths. Fetch it again.")
    if found.wave is not None and (trouble := trouble_with(found.wave)):
        raise stream.bad(trouble)
    return () if said else ("wavelengths by WAVE: the header of FLUX does not say MaNGA's",)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _described(
    header: Header, path: Path, arrays: tuple[np.ndarray, np.ndarray, np.ndarray], notes: tuple[str, ...]
) -> Cube:
    filed = re.search(r"\d+-\d+", path.name)
    by_file = filed[0] if filed else path.name.split(".")[0]
    plateifu = str(header.get("PLATEIFU", "")).strip()
    if filed and plateifu and plateifu != by_file:
        notes += (f"the file's name says {by_file}, its header {plateifu}",)
    plateifu = plateifu or by_file
    ebv = number(header, "EBVGAL")
    if not ebv >= 0:
        notes += ("no EBVGAL in the header: Galactic extinction taken as 0",)
    flux, ivar, bits = arrays
    return Cube(
        plateifu=plateifu,
        mangaid=str(header.get("MANGAID", "")).strip() or plateifu,
        flux=flux,
        ivar=ivar,
        bits=bits,
        grid=MANGA_GRID.cut(len(flux)),
        ra=number(header, "OBJRA", number(header, "IFURA")),
        dec=number(header, "OBJDEC", number(header, "IFUDEC")),
        spaxel=_spaxel(header),
        psf_fwhm=number(header, "RFWHM", number(header, "GFWHM")),
        ebv=ebv if ebv >= 0 else 0.0,
        channel_correlation=MANGA_CHANNEL_CORRELATION,
        quality=int(number(header, "DRP3QUAL", 0)),
        source=str(path),
        notes=notes,
    )


def _spaxel(header: Header) -> float:
    """Side of a spaxel in arcsec: from the CD matrix, or from PC and CDELT; 0.5 where there is neither."""
    x = number(header, "CD1_1", number(header, "PC1_1", 1.0) * number(header, "CDELT1"))
    y = number(header, "CD2_2", number(header, "PC2_2", 1.0) * number(header, "CDELT2"))
    across = number(header, "CD1_2", 0.0) * number(header, "CD2_1", 0.0)
    side = 3600 * float(np.sqrt(abs(x * y - across)))
    return round(side, 4) if np.isfinite(side) and side > 0 else 0.5
