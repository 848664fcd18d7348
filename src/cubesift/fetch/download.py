"""One file from the archive: resumed where it stopped, checked, and only then given its name."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cubesift.data.store import remove, write_json
from cubesift.errors import BadFile, DiskFull
from cubesift.fetch.answers import continues, length_of, pieces_of, refusal, refuse_web_page, validator_of
from cubesift.fetch.patience import Lost, Patience, asked, keep_trying

Seen = Callable[[int, int | None], None]  # called with the bytes there are and, where known, all of them


@dataclass(frozen=True)
class Arrived:
    """A whole file."""

    bytes: int
    sha1: str


class Part:
    """An unfinished download: `<file>.part`, and `<file>.part.json` saying what it is a part of."""

    def __init__(self, path: Path):
        self.path = path
        self.data = path.with_name(path.name + ".part")
        self.about = path.with_name(path.name + ".part.json")

    @property
    def size(self) -> int:
        return self.data.stat().st_size if self.data.exists() else 0

    def record(self) -> dict[str, Any]:
        """`source`, `validator` (ETag or Last-Modified) and `bytes` of the whole; empty where unknown."""
        try:
            record: dict[str, Any] = json.loads(self.about.read_text())
        except (OSError, ValueError):
            return {}
        return record

    def begin(self, source: str, validator: str, total: int | None) -> None:
        """Forget what came before: it is not a part of this file."""
        remove(self.data)
        write_json(self.about, {"source": source, "validator": validator, "bytes": total})

    def forget(self) -> None:
        remove(self.data)
        remove(self.about)


def download_file(source: str, path: Path, published: str | None, patience: Patience, seen: Seen) -> Arrived:
    """Fetch `source` to `path`; what an earlier call left in `path.part` is not sent again.

    Args:
        source: the file's address.
        path: where it will lie. The name appears when the file is whole and checked, not before.
        published: SHA-1 the archive publishes, or None: then only the length is checked.
        patience: shared by all downloads of a survey.
        seen: told how many bytes there are.

    Raises:
        BadFile: this file cannot be had (one line says why); others may.
        DiskFull: the part stays, and the same call goes on later.
        CubesiftError: the archive refuses everything.
    """
    part = Part(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    wrong: list[str] = []

    def attempt() -> Arrived:
        _fetch_rest(source, part, published, patience, seen)
        with part.data.open("rb") as file:
            sha1 = hashlib.file_digest(file, "sha1").hexdigest()
        if published and sha1 != published:
            part.forget()
            if sha1 in wrong:  # not the line's fault: the same bytes came again
                raise BadFile(
                    f"{path.name}: checksum {sha1} twice, but the archive's list says {published}. "
                    "Its copy or its list is damaged: tell its help desk."
                )
            wrong.append(sha1)
            raise Lost("the checksum is not the one the archive publishes")
        arrived = Arrived(part.size, sha1)
        os.replace(part.data, path)
        part.forget()
        return arrived

    return keep_trying(attempt, path.name, patience, lambda: part.size)


def _fetch_rest(source: str, part: Part, published: str | None, patience: Patience, seen: Seen) -> None:
    """One request for what is missing; afterwards the part is whole, as far as its length tells."""
    known = part.record()
    # Without a validator nobody can tell whether the file changed since: we begin again.
    have = part.size if known.get("source") == source and known.get("validator") else 0
    total: int | None = known.get("bytes") if have else None
    if have and have == total:
        return  # stopped between the last byte and the checksum
    headers = {"Range": f"bytes={have}-", "If-Range": known["validator"]} if have else {}
    with asked(source, patience, headers) as response:
        if response.status == 206 and have and continues(response, have, known):
            mode = "ab"
        elif response.status == 200:  # nothing to resume, the file changed, or the server has no ranges
            refuse_web_page(response)
            mode, total = "wb", length_of(response)
            if total is None and not published and not getattr(response, "chunked", False):
                raise BadFile(
                    f"{part.path.name}: came without a length, and the archive publishes no checksum, "
                    "so nobody can tell whether it is whole. Try without a proxy."
                )
            part.begin(source, validator_of(response), total)
        elif response.status in (206, 416):
            part.forget()
            raise Lost("the file changed in the archive while we had a part of it")
        else:
            raise BadFile(f"{part.path.name}: {refusal(response.status)}")
        _write(part, mode, pieces_of(response, patience), lambda size: seen(size, total))
    if total is not None and part.size != total:
        size = part.size
        if size > total:
            part.forget()
        raise Lost(f"the connection ended at byte {size:,} of {total:,}")


def _write(part: Part, mode: str, pieces: Iterator[bytes], seen: Callable[[int], None]) -> None:
    """Append the pieces as they come, down to the disk before anyone calls the file whole.

    Raises:
        DiskFull: no space is left; what was written stays.
    """
    try:
        with part.data.open(mode) as out:
            size = out.tell()
            seen(size)
            for piece in pieces:
                out.write(piece)
                out.flush()  # nothing may lie in a buffer of ours while we wait for the next piece
                size += len(piece)
                seen(size)
            os.fsync(out.fileno())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"{part.path.parent}: the disk is full. Free some space and run the same command again: "
                "it goes on where it stopped."
            ) from None
        raise
