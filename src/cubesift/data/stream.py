"""FITS files read front to back, packed or plain: one HDU after another, never the whole file in memory."""

from __future__ import annotations

import gzip
import io
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from isal import igzip
from isal.igzip_lib import IsalError

from cubesift.data.cards import BLOCK, Hdu, describe, has_end, parse_header
from cubesift.errors import BadFile

CHUNK = 180 * BLOCK  # half a megabyte stays in the processor's cache while it is converted
MAX_HEADER = 1000 * BLOCK


class FitsStream:
    """The HDUs of a file in their order: iterate, and read an HDU's image before asking for the next.

    What is not read is skipped: at no cost in a plain file, by inflating it in a packed one. Packed or
    plain is told by the first bytes, not by the name. Every error is a BadFile that begins with `name`.

    One thread: on a 54 x 54 cube a second one that inflates saves no processor time
    (benchmarks/read.py), and galaxies are what we work on in parallel.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.name = self.path.name  # the reader may put the observation's name here
        self.verified = True  # each image that was read has agreed with a DATASUM of its own
        self._hdu: Hdu | None = None
        self._unread = 0  # bytes of the current HDU's data
        self._buffer = np.empty(CHUNK, np.uint8)
        self._raw = self._opened()
        self.packed = self._raw.read(2) == b"\x1f\x8b"
        self._rewind()
        try:
            self._refuse_other_files()
        except BadFile:
            self._raw.close()
            raise

    def __enter__(self) -> FitsStream:
        return self

    def __exit__(self, *error: object) -> None:
        self._raw.close()

    def bad(self, why: str) -> BadFile:
        """The error to raise about this file."""
        return BadFile(f"{self.name}: {why}")

    def __iter__(self) -> Iterator[Hdu]:
        while (hdu := self._next()) is not None:
            yield hdu

    def read(self, hdu: Hdu, dtype: str, planes: int | None = None) -> np.ndarray:
        """The current HDU's image in native byte order; only the first `planes` of it, where that is given.

        The rest is inflated nevertheless, so that the sum of the data is compared with their DATASUM.

        Raises:
            BadFile: cut off, broken, or not what DATASUM says.
        """
        shape = hdu.shape if planes is None else (min(planes, hdu.shape[0]), *hdu.shape[1:])
        image = np.empty(shape, dtype)
        flat = image.reshape(-1)
        total = done = 0
        while self._unread:
            raw = self._take(min(CHUNK, self._unread))
            self._unread -= len(raw)
            total += int(raw.view(">u4").sum(dtype=np.uint64))
            values = raw.view(hdu.dtype)[: len(flat) - done]
            with np.errstate(over="ignore", invalid="ignore"):  # float64 beyond float32, NaN as an integer
                flat[done : done + len(values)] = values
            done += len(values)
        self._compare(hdu, total)
        return image

    def skip(self) -> None:
        """Go to the end of the current HDU."""
        if not self.packed and self._unread:
            end = self._raw.tell() + self._unread
            if end > self.path.stat().st_size:
                raise self._cut_off()
            self._raw.seek(end)
            self._unread = 0
        while self._unread:
            self._unread -= len(self._take(min(CHUNK, self._unread)))

    def drain(self) -> None:
        """Inflate a packed file to its end, where gzip keeps the check of all that came before."""
        self.skip()
        while self.packed and self._read_some(self._buffer):
            pass

    def _rewind(self) -> None:
        self._raw.seek(0)
        if self.packed:
            self._file: io.BufferedIOBase | io.FileIO = igzip.IGzipFile(fileobj=self._raw, mode="rb")  # type: ignore[no-untyped-call]
        else:
            self._file = self._raw

    def _refuse_other_files(self) -> None:
        begin = self._buffer[: self._read_some(self._buffer[:80])].tobytes()
        if not begin.startswith(b"SIMPLE"):
            raise self.bad(_not_fits(begin))
        self._rewind()

    def _next(self) -> Hdu | None:
        self.skip()
        first = self._hdu is None
        raw = bytes(self._take(BLOCK, may_end=not first))
        if not raw.strip(b"\0 "):  # the end, or the empty blocks that some writers add
            return None
        if not first and not raw.startswith(b"XTENSION"):
            raise self.bad(f"no FITS header {self._place}. Fetch it again.")
        while not has_end(raw[-BLOCK:]):
            if len(raw) >= MAX_HEADER:
                raise self.bad(f"a header without an end {self._place}. Fetch it again.")
            more = bytes(self._take(BLOCK))
            if more.startswith(b"XTENSION"):
                raise self.bad(f"a header without an end {self._place}. Fetch it again.")
            raw += more
        try:
            hdu = describe(parse_header(raw), first)
        except ValueError as error:
            raise self.bad(f"the header {self._place} cannot be read ({error}). Fetch it again.") from None
        self._hdu, self._unread = hdu, hdu.padded
        return hdu

    def _compare(self, hdu: Hdu, total: int) -> None:
        """DATASUM is the ones' complement sum of the data's 32-bit words (FITS standard, appendix J)."""
        written = str(hdu.header.get("DATASUM", "")).strip()
        if not written.isdigit():
            self.verified = False
        elif (total - int(written)) % 0xFFFFFFFF:
            raise self.bad(
                f"the data of {hdu.name} do not add up to its DATASUM: damaged on the way, or edited. "
                "Fetch it again, or write it with new checksums."
            )

    def _opened(self) -> io.FileIO:
        try:
            kind = self.path.stat().st_mode
            if not stat.S_ISREG(kind):
                raise self.bad(
                    f"{'a folder' if stat.S_ISDIR(kind) else 'no ordinary file'}, not a FITS file."
                )
            return self.path.open("rb", buffering=0)
        except FileNotFoundError:
            raise self.bad("not there.") from None
        except OSError as error:
            raise self.bad(f"cannot be opened ({error.strerror}).") from None

    @property
    def _place(self) -> str:
        if self._hdu is None:
            return "at its beginning"
        return f"within {self._hdu.name}" if self._unread else f"behind {self._hdu.name}"

    def _cut_off(self) -> BadFile:
        return self.bad(f"the file ends {self._place}, before it should: it was cut off. Fetch it again.")

    def _read_some(self, into: np.ndarray) -> int:
        try:
            return self._file.readinto(into.data) or 0
        except EOFError:
            raise self._cut_off() from None
        except (IsalError, gzip.BadGzipFile) as error:  # type: ignore[misc]
            raise self.bad(f"its gzip data are broken {self._place} ({error}). Fetch it again.") from None
        except OSError as error:
            raise self.bad(f"cannot be read {self._place} ({error.strerror}).") from None

    def _take(self, count: int, may_end: bool = False) -> np.ndarray:
        """The next `count` bytes, overwritten by the next call; none where the file has ended."""
        got = 0
        while got < count:
            some = self._read_some(self._buffer[got:count])
            if not some and may_end and not got:
                break
            if not some:
                raise self._cut_off()
            got += some
        return self._buffer[:got]


def _not_fits(begin: bytes) -> str:
    """What a file is that does not begin like FITS."""
    if not begin:
        return "the file is empty. Fetch it again."
    text = begin.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page, not a FITS file (an error page saved under its name?). Fetch it again."
    return f"neither FITS nor gzip of it, it begins with {begin[:8]!r}. Is it another file under this name?"
