"""FITS as bytes, one HDU after another: what is written is the same each time, packed or plain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, cast

import numpy as np
from astropy.io import fits
from isal import igzip

from cubesift.data.store import written_beside

BLOCK = 2880  # bytes; headers and data are padded to whole blocks (FITS standard 4.0, section 3.1)
Value = str | int | float | bool
Cards = dict[str, Value | tuple[Value, str]]  # keyword -> value, or value and comment


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, packed where its name says so, with neither name nor time in the gzip header."""
    with written_beside(Path(path)) as partial, partial.open("wb") as raw:
        if not str(path).endswith(".gz"):
            yield raw
            return
        # Level 1: noise does not shrink further (0.924 of its size at levels 1 and 2), and it is the fastest.
        packed = igzip.IGzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0)  # type: ignore[no-untyped-call]
        with packed:
            yield cast(IO[bytes], packed)


def write_image(file: IO[bytes], name: str, values: np.ndarray, cards: Cards) -> None:
    """Stream a (wave, y, x) image of float32 or integers, converting a few planes at a time."""
    kind = ">i4" if values.dtype.kind in "iu" else ">f4"
    image: Cards = {
        "XTENSION": ("IMAGE", "Image extension"),
        "BITPIX": 32 if kind == ">i4" else -32,
        "NAXIS": 3,
    }
    image |= {f"NAXIS{i + 1}": int(length) for i, length in enumerate(values.shape[::-1])}
    image |= {
        "PCOUNT": 0,
        "GCOUNT": 1,
        "EXTNAME": name,
        "DATASUM": (str(datasum(values)), "of the data unit"),
    }
    file.write(header_bytes(header_of(image | cards)))
    planes = max(1, 2_000_000 // (4 * values[0].size))
    for start in range(0, len(values), planes):
        file.write(values[start : start + planes].astype(kind).data.cast("B"))
    file.write(b"\0" * (-values.size * 4 % BLOCK))


def datasum(values: np.ndarray) -> int:
    """Ones' complement sum of the 32-bit words of the data unit (FITS standard 4.0, appendix J)."""
    total: int
    if values.strides[-1] == 0:  # one value per plane
        total = int(values[:, 0, 0].view(np.uint32).sum(dtype=np.uint64)) * values[0].size
    else:
        words = values.view(np.uint32) if values.dtype == np.float32 else values
        total = int(words.sum(dtype=np.uint64))
    while total > 0xFFFFFFFF:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def header_of(cards: Mapping[str, Value | tuple[Value, str]]) -> fits.Header:
    """Cards as a header, in their order."""
    header = fits.Header()
    for key, value in cards.items():
        header[key] = value
    return header


def header_bytes(header: fits.Header, first: bool = False) -> bytes:
    """A header in whole blocks; `first` puts the opening cards of a file before it."""
    if first:
        start = header_of(
            {"SIMPLE": (True, "conforms to FITS standard"), "BITPIX": 8, "NAXIS": 0, "EXTEND": True}
        )
        start.extend(header, strip=False)
        header = start
    text: str = header.tostring(sep="", endcard=True, padding=True)
    return text.encode("ascii")


def hdu_bytes(hdu: fits.ImageHDU | fits.BinTableHDU) -> bytes:
    """A small extension, header and data, in whole blocks."""
    buffer = BytesIO()
    hdu.writeto(buffer)
    # A lone extension is written behind an empty primary HDU of one block.
    return buffer.getvalue()[BLOCK:]
