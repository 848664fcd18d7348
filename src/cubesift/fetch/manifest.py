"""What was fetched: one row per file, kept beside the cubes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cubesift.data.store import Provenance, fingerprint, read_parquet, write_parquet
from cubesift.errors import CubesiftError
from cubesift.fetch.archive import Fetching

HERE = ("fetched", "mirror", "found")  # the statuses of a file that can be read


@dataclass(frozen=True)
class Entry:
    """One file of the archive."""

    file: str  # under `cubes/`, as in the release's folder
    status: (
        str  # fetched | mirror (it lies in SAS_BASE_DIR) | found (was here, unrecorded) | failed | to fetch
    )
    bytes: int = -1  # of the whole file; -1 where the archive does not say
    sha1: str = ""  # of what lies on the disk; empty where it was not computed
    source: str = ""  # address, or path in the mirror
    note: str = ""  # how it was checked, or why it failed
    when: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def here(self) -> bool:
        """Whether the file can be read."""
        return self.status in HERE


@dataclass
class Manifest:
    """The files of a run that were asked for, by `file`; `removed` counts what each selection rule took."""

    entries: dict[str, Entry]
    provenance: Provenance
    removed: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> list[Entry]:
        """Files that could not be had; `note` says why."""
        return [entry for entry in self.entries.values() if entry.status == "failed"]

    @property
    def bytes_to_fetch(self) -> int:
        """What a dry run found still to be sent, of the files whose size the archive tells."""
        waiting = (entry for entry in self.entries.values() if entry.status == "to fetch")
        return sum(max(entry.bytes, 0) for entry in waiting)

    def count(self) -> dict[str, int]:
        """How many files have each status."""
        statuses = [entry.status for entry in self.entries.values()]
        return {status: statuses.count(status) for status in dict.fromkeys(statuses)}

    def add(self, entry: Entry) -> None:
        """Note a file, in place of what was noted about it before."""
        self.entries[entry.file] = entry

    def save(self, path: Path) -> None:
        """Write to Parquet."""
        names = [column.name for column in dataclasses.fields(Entry)]
        rows = list(self.entries.values())
        dtypes = {"bytes": np.int64}
        columns = {
            name: np.array([getattr(row, name) for row in rows], dtype=dtypes.get(name, str))
            for name in names
        }
        write_parquet(path, columns, self.provenance)

    @classmethod
    def open(cls, path: Path, settings: Fetching) -> Manifest:
        """Read what `save` wrote, or begin an empty one where there is none.

        Raises:
            CubesiftError: the folder holds another release, whose files have the same names.
        """
        release = Provenance("fetch", fingerprint(settings.release), {"archive": settings.release})
        if not path.exists():
            return cls({}, release)
        columns, provenance = read_parquet(path)
        if provenance.id != release.id:
            raise CubesiftError(
                f"{path.parent}: holds {provenance.parents.get('archive', 'other')} files, but "
                f"{settings.release} is asked for. Fetch it into another run."
            )
        rows = zip(*(columns[column.name].tolist() for column in dataclasses.fields(Entry)), strict=True)
        return cls({row[0]: Entry(*row) for row in rows}, provenance)
