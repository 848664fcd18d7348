"""Kinds of damage: each makes, from a good LOGCUBE, a file that must be refused in one line.

`DAMAGES` maps the name of a damage to what makes it, `PHRASES` to words (a regular expression) that its
refusal holds. Files are called `manga-<damage>-LOGCUBE.fits` or `.fits.gz`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from astropy.io import fits
from isal import igzip

from cubesift.data.cube import DONOTUSE
from cubesift.data.wavelength import air_from_vacuum

Damage = Callable[[Path, Path], Path]  # a good file, a folder -> the bad file in it
BLOCK = 2880
CUBES = ("FLUX", "IVAR", "MASK")


def edited(name: str, edit: Callable[[fits.HDUList], fits.HDUList | None]) -> Damage:
    """Change the HDUs; the file is whole and has right checksums, as if someone had meant it."""

    def make(good: Path, folder: Path) -> Path:
        bad = folder / f"manga-{name}-LOGCUBE.fits"
        with fits.open(good, memmap=False) as hdus:
            small = fits.HDUList([hdus[0], *(hdus[key] for key in (*CUBES, "WAVE"))])
            (edit(small) or small).writeto(bad, checksum=True)
        return bad

    return make


def spoilt(name: str, spoil: Callable[[bytes], bytes]) -> Damage:
    """Change the bytes: `spoil` gets those of the unpacked file, with checksums, and may pack them."""

    def make(good: Path, folder: Path) -> Path:
        whole = BytesIO()
        with fits.open(good, memmap=False) as hdus:
            hdus.writeto(whole, checksum=True)
        content = spoil(whole.getvalue())
        bad = folder / f"manga-{name}-LOGCUBE.fits{'' if content.startswith(b'SIMPLE') else '.gz'}"
        bad.write_bytes(content)
        return bad

    return make


def _replace(hdus: fits.HDUList, change: Callable[[np.ndarray], np.ndarray], *names: str) -> None:
    for name in names:
        old = hdus[name]
        hdus[name] = fits.ImageHDU(change(old.data), old.header, name)


def _lincube(hdus: fits.HDUList) -> None:
    _replace(hdus, lambda cube: np.concatenate([cube, cube[: 6732 - len(cube)]]), *CUBES)


def _maps(hdus: fits.HDUList) -> fits.HDUList:
    hdus[0].header["DAPFRMT"] = "MAPS"
    return fits.HDUList([hdus[0], fits.ImageHDU(hdus["FLUX"].data.mean(axis=0), name="SPX_MFLUX")])


def _model_cube(hdus: fits.HDUList) -> None:
    hdus[0].header["DAPFRMT"] = "LOGCUBE"


def _rss(hdus: fits.HDUList) -> None:
    _replace(hdus, lambda cube: np.ascontiguousarray(cube.reshape(len(cube), -1).T), *CUBES)


def _table(hdus: fits.HDUList) -> fits.HDUList:
    column = fits.Column(name="plateifu", format="10A", array=["8485-1901"])
    return fits.HDUList([hdus[0], fits.BinTableHDU.from_columns([column], name="MANGA")])


def _without(*names: str) -> Callable[[fits.HDUList], fits.HDUList]:
    return lambda hdus: fits.HDUList([hdu for hdu in hdus if hdu.name not in names])


def _wavelengths(kind: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[fits.HDUList], None]:
    def edit(hdus: fits.HDUList) -> None:
        wave = change(hdus["WAVE"].data.astype(float))
        _replace(hdus, lambda old: wave, "WAVE")
        hdus["FLUX"].header["CTYPE3"] = kind
        hdus["FLUX"].header["CRVAL3"] = wave[0]

    return edit


def _no_wavelengths(hdus: fits.HDUList) -> fits.HDUList:
    for key in ("CTYPE3", "CRVAL3", "CD3_3"):
        del hdus["FLUX"].header[key]
    return _without("WAVE")(hdus)


def _fpacked(hdus: fits.HDUList) -> None:
    flux = hdus["FLUX"].data
    hdus["FLUX"] = fits.CompImageHDU(flux, name="FLUX", compression_type="GZIP_1", tile_shape=flux.shape)


def _middle(plain: bytes, hdu: str) -> int:
    """Where the data of an HDU are, some way in."""
    name = plain.index(f"EXTNAME = '{hdu}".encode())
    end = re.compile(rb"END {77}").search(plain, name)
    assert end is not None
    return -(-end.end() // BLOCK) * BLOCK + 10 * BLOCK


def _flipped(plain: bytes, hdu: str = "IVAR") -> bytes:
    at = _middle(plain, hdu)
    return plain[:at] + bytes([plain[at] ^ 0x10]) + plain[at + 1 :]


def _wrong_check(plain: bytes) -> bytes:
    """As if data had been damaged in a packed file whose HDUs have no checksums of their own."""
    plain = plain.replace(b"DATASUM = ", b"OLDSUM  = ")
    return _packed(_flipped(plain))[:-8] + _packed(plain)[-8:]


def _broken_stream(plain: bytes) -> bytes:
    packed = np.frombuffer(_packed(plain), np.uint8).copy()
    packed[len(packed) // 3 :: 997] = 255
    return packed.tobytes()


def _noise_in_header(plain: bytes) -> bytes:
    at = plain.index(b"XTENSION") + 40
    return plain[:at] + bytes(range(128, 256)) + plain[at + 128 :]


def _no_end(plain: bytes) -> bytes:
    return plain.replace(b"END" + b" " * 77, b" " * 80, 1)


def _bad_bitpix(plain: bytes) -> bytes:
    return plain.replace(b"BITPIX  =                  -32", b"BITPIX  =                   -7")


def _packed(plain: bytes) -> bytes:
    return igzip.compress(plain, 1)


PAGE = b"<!DOCTYPE html>\n<html><head><title>429 Too Many Requests</title></head></html>\n"
EDITS: dict[str, Callable[[fits.HDUList], fits.HDUList | None]] = {
    "lincube": _lincube,
    "cut-in-wavelength": lambda hdus: _replace(hdus, lambda cube: cube[:4096], *CUBES),
    "maps": _maps,
    "model-cube": _model_cube,
    "rss": _rss,
    "image": lambda hdus: _replace(hdus, lambda cube: cube[0], *CUBES),
    "table": _table,
    "no-flux": _without("FLUX"),
    "no-ivar": _without("IVAR"),
    "no-mask": _without("MASK"),
    "other-shape": lambda hdus: _replace(hdus, lambda cube: cube[:, 1:, 1:], "IVAR"),
    "not-square": lambda hdus: _replace(hdus, lambda cube: cube[:, 1:], *CUBES),
    "empty-axis": lambda hdus: _replace(hdus, lambda cube: cube[:, :, :0], "IVAR"),
    "all-nan": lambda hdus: _replace(hdus, lambda flux: np.full_like(flux, np.nan), "FLUX"),
    "no-ivar-left": lambda hdus: _replace(hdus, np.zeros_like, "IVAR"),
    "all-flagged": lambda hdus: _replace(hdus, lambda mask: mask | DONOTUSE, "MASK"),
    "mask-of-floats": lambda hdus: _replace(hdus, lambda mask: mask.astype("f4"), "MASK"),
    "scaled": lambda hdus: _replace(hdus, lambda mask: mask.astype("u2"), "MASK"),
    "fpacked": _fpacked,
    "air": _wavelengths("AWAV-LOG", air_from_vacuum),
    "linear": _wavelengths("WAVE", lambda wave: np.linspace(wave[0], wave[-1], len(wave))),
    "off-lattice": _wavelengths("WAVE-LOG", lambda wave: wave * 10**0.5e-4),
    "nonsense-wavelengths": _wavelengths("WAVE-LOG", np.zeros_like),
    "no-wavelengths": _no_wavelengths,
}
SPOILS: dict[str, Callable[[bytes], bytes]] = {
    "cut-off-gzip": lambda plain: _packed(plain[: _middle(plain, "IVAR")])[:-20],
    "cut-off": lambda plain: plain[: _middle(plain, "MASK")],
    "cut-off-in-header": lambda plain: plain[: BLOCK + 500],
    "broken-gzip": _broken_stream,
    "wrong-crc": _wrong_check,
    "flipped-bit": _flipped,
    "flipped-bit-in-gzip": lambda plain: _packed(_flipped(plain)),
    "noise-in-header": _noise_in_header,
    "no-end-of-header": _no_end,
    "bad-bitpix": _bad_bitpix,
    "empty": lambda plain: b"",
    "empty-gzip": lambda plain: _packed(b""),
    "web-page": lambda plain: PAGE,
    "packed-web-page": lambda plain: _packed(PAGE),
    "zip": lambda plain: b"PK\3\4" + plain[:5000],
}
DAMAGES: dict[str, Damage] = {
    **{name: edited(name, edit) for name, edit in EDITS.items()},
    **{name: spoilt(name, spoil) for name, spoil in SPOILS.items()},
}
PHRASES = {
    "lincube": r"6732 wavelength channels, but a LOGCUBE has 4563\. Is it the LINCUBE\?",
    "cut-in-wavelength": "4096 wavelength channels, but a LOGCUBE has 4563",
    "maps": r"a MAPS file of the analysis pipeline \(DAP\)",
    "model-cube": r"a LOGCUBE file of the analysis pipeline \(DAP\)",
    "rss": r"Is it the RSS\?",
    "image": "FLUX has 2 axes",
    "table": r"no FLUX and no IVAR and no MASK in it \(it holds PRIMARY, MANGA\)",
    "no-flux": "no FLUX in it",
    "no-ivar": "no IVAR in it",
    "no-mask": "no MASK in it",
    "other-shape": "IVAR is 4563 x .* x .*, but FLUX 4563 x",
    "not-square": "a LOGCUBE is square",
    "empty-axis": "IVAR is empty",
    "all-nan": "FLUX holds no number, only NaN",
    "no-ivar-left": "no voxel may be used",
    "all-flagged": "no voxel may be used",
    "mask-of-floats": "MASK is of type float32, but an integer type",
    "scaled": "MASK is scaled",
    "fpacked": "funpack",
    "air": "WAVE is in air, but a LOGCUBE is in vacuum",
    "linear": "WAVE is equally spaced in angstrom",
    "off-lattice": r"off MaNGA's wavelengths by up to 0\.5 channels",
    "nonsense-wavelengths": "WAVE must be 4563 wavelengths",
    "no-wavelengths": "no WAVE in it",
    "cut-off-gzip": "the file ends within .*cut off",
    "cut-off": "the file ends within MASK",
    "cut-off-in-header": "the file ends behind PRIMARY",
    "broken-gzip": "gzip data are broken|do not add up|no FITS header",
    "wrong-crc": "gzip data are broken .*CRC",
    "flipped-bit": "data of IVAR do not add up to its DATASUM",
    "flipped-bit-in-gzip": "data of IVAR do not add up to its DATASUM",
    "noise-in-header": "the header behind PRIMARY cannot be read",
    "no-end-of-header": "a header without an end",
    "bad-bitpix": "BITPIX is -7",
    "empty": "the file is empty",
    "empty-gzip": "the file is empty",
    "web-page": "a web page",
    "packed-web-page": "a web page",
    "zip": "neither FITS nor gzip",
}
