"""What the archive publishes about a file: its size and its checksum."""

from __future__ import annotations

import threading
from pathlib import PurePosixPath

from cubesift.errors import BadFile
from cubesift.fetch.answers import length_of, pieces_of, refusal, refuse_web_page
from cubesift.fetch.archive import address, checksum_lists, parse_checksums
from cubesift.fetch.patience import Lost, Patience, asked, keep_trying


def remote_size(source: str, patience: Patience) -> int | None:
    """Bytes of a file in the archive, without fetching it; None where the archive does not say.

    Raises:
        BadFile: there is no such file, or it is not given.
    """
    name = PurePosixPath(source).name

    def attempt() -> int | None:
        with asked(source, patience, method="HEAD") as response:
            if response.status in (405, 501):
                return None
            if response.status != 200:
                raise BadFile(f"{name}: {refusal(response.status)}")
            refuse_web_page(response)
            return length_of(response)

    return keep_trying(attempt, name, patience)


class Checksums:
    """The SHA-1 lists the archive publishes, each folder's read once."""

    def __init__(self, patience: Patience):
        self._patience = patience
        self._lock = threading.Lock()
        self._folders: dict[str, dict[str, str]] = {}

    def published(self, file: str) -> str | None:
        """The SHA-1 of a file of the release, or None where the archive publishes none."""
        folder, name = file.rpartition("/")[::2]
        with self._lock:
            if folder not in self._folders:
                self._folders[folder] = self._read(f"{folder}/" if folder else "")
            return self._folders[folder].get(name)

    def _read(self, folder: str) -> dict[str, str]:
        where = address(self._patience.settings, folder)
        sums: dict[str, str] = {}
        for name in checksum_lists(self._text(where)):
            sums |= parse_checksums(self._text(where + name))
        return sums

    def _text(self, source: str) -> str:
        """A small text, or "" where the archive has none."""

        def attempt() -> str:
            with asked(source, self._patience) as response:
                if response.status != 200:
                    return ""
                body = b"".join(pieces_of(response, self._patience))
                if (length := length_of(response)) not in (None, len(body)):
                    raise Lost(f"the connection ended at byte {len(body):,} of {length:,}")
                return body.decode("utf-8", errors="replace")

        return keep_trying(attempt, source, self._patience)
