"""FITS headers as plain dictionaries: cheap to read, and no astropy in the workers that only read cubes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

BLOCK = 2880  # bytes; headers and data are padded to whole blocks (FITS standard 4.0, section 3.1)
CARD = 80
TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}  # BITPIX, section 4.4.1.1

Header = dict[str, str | int | float | bool]  # keyword -> value; of repeated keywords the first

_TEXT = re.compile(r" *'((?:[^']|'')*)'")
_WHOLE = re.compile(r"[+-]?\d+$")


@dataclass(frozen=True)
class Hdu:
    """One header, and what it says of the data behind it."""

    header: Header
    name: str  # EXTNAME in capitals, PRIMARY for the first
    image: bool
    shape: tuple[int, ...]  # of the array as NumPy has it: NAXIS1 last; () where there are no data
    dtype: np.dtype[Any]  # big-endian, as on disk
    size: int  # bytes of data, with tables and heaps, without padding

    @property
    def padded(self) -> int:
        """Bytes of data with their padding."""
        return -(-self.size // BLOCK) * BLOCK


def has_end(block: bytes) -> bool:
    """Whether a block of a header holds its END card."""
    return any(block[at : at + 8] == b"END     " for at in range(0, len(block), CARD))


def parse_header(raw: bytes) -> Header:
    """Keywords and values of a header's blocks (FITS standard 4.0, section 4); comments are left out.

    Raises:
        ValueError: a keyword is not ASCII text, as where bytes were damaged.
    """
    header: Header = {}
    for at in range(0, len(raw), CARD):
        card = raw[at : at + CARD].decode("latin-1")
        keyword = card[:8].rstrip()
        if keyword == "END":
            break
        if not (keyword.isascii() and (keyword.isprintable() or not keyword)):
            raise ValueError(f"card {at // CARD + 1} is not text")
        if card[8:10] == "= " and keyword not in ("COMMENT", "HISTORY", ""):
            value = _value(card[10:])
            if value is not None:
                header.setdefault(keyword, value)
    return header


def _value(field: str) -> str | int | float | bool | None:
    if text := _TEXT.match(field):
        return text[1].replace("''", "'").rstrip()
    word = field.split("/", 1)[0].strip()
    if not word:
        return None  # a keyword whose value is not defined
    if word in ("T", "F"):
        return word == "T"
    if _WHOLE.match(word):
        return int(word)
    try:
        return float(word.upper().replace("D", "E"))
    except ValueError:
        return word


def describe(header: Header, first: bool) -> Hdu:
    """What a header says of its data.

    Raises:
        ValueError: a mandatory keyword is missing or makes no sense.
    """
    axes = [_count(header, f"NAXIS{axis + 1}") for axis in range(_count(header, "NAXIS", most=999))]
    bitpix = header.get("BITPIX")
    if bitpix not in TYPES:
        raise ValueError(f"BITPIX is {bitpix}")
    dtype = np.dtype(TYPES[int(bitpix)])
    values = math.prod(axes) if axes else 0
    heap = _count(header, "PCOUNT") if "PCOUNT" in header else 0
    size = dtype.itemsize * (values + heap)
    kind = header.get("XTENSION", "IMAGE")
    name = str(header.get("EXTNAME", "PRIMARY" if first else "")).strip().upper()
    return Hdu(header, name, kind == "IMAGE", tuple(axes[::-1]), dtype, size)


def _count(header: Header, keyword: str, most: int = 2**40) -> int:
    value = header.get(keyword)
    if not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{keyword} is {'missing' if value is None else value}")
    return value


def number(header: Header, keyword: str, default: float = float("nan")) -> float:
    """A keyword's value as a number; the default where it is missing, no number, or -9999."""
    value = header.get(keyword)
    if value is None or isinstance(value, str) or not np.isfinite(value) or value == -9999:
        return default
    return float(value)
