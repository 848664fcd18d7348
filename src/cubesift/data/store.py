"""How every noun reaches the disk: written beside, then renamed; its parents named; a format number."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cubesift.errors import CubesiftError, DiskFull

FORMAT = 1


def version() -> str:
    """The installed version of cubesift."""
    from importlib.metadata import version as installed

    return installed("cubesift")


def fingerprint(*parts: Any) -> str:
    """Twelve hex digits that stand for settings, names or bytes; equal parts, equal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else _canonical(part).encode())
    return digest.hexdigest()[:12]


def _canonical(part: Any) -> str:
    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return dataclasses.asdict(value)
        if isinstance(value, (set, frozenset)):
            return sorted(value)
        return str(value)

    return json.dumps(part, sort_keys=True, default=plain)


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where an artefact comes from: the verb, its settings, and the ids of what it was made from."""

    verb: str
    settings: str  # fingerprint of the settings
    parents: Mapping[str, str] = dataclasses.field(default_factory=dict)  # name -> id
    version: str = dataclasses.field(default_factory=version)
    format: int = FORMAT

    @property
    def id(self) -> str:
        """What children name as their parent; the version is recorded but does not count."""
        return fingerprint(self.verb, self.settings, dict(self.parents))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, attributes or Parquet metadata."""
        return {**dataclasses.asdict(self), "parents": dict(self.parents), "id": self.id}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], where: str = "this file") -> Provenance:
        """Read back; a file of a newer format is refused with a line.

        Raises:
            CubesiftError: the record is missing, or of a format this version does not know.
        """
        if record.get("format") is None:
            raise CubesiftError(f"{where}: was not written by cubesift (no format number)")
        if record["format"] > FORMAT:
            raise CubesiftError(
                f"{where}: format {record['format']}, but this cubesift reads up to {FORMAT}. "
                "Update cubesift."
            )
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in record.items() if key in names})


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Yield `path.partial` to write a file or a folder to; rename it to `path` when all went well.

    Raises:
        DiskFull: no space is left; the partial is removed so that it does not add to the trouble.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    remove(partial)
    try:
        yield partial
        if partial.is_dir() and path.exists():
            old = path.with_name(path.name + ".old.partial")
            remove(old)
            path.rename(old)
            partial.rename(path)
            remove(old)
        else:
            os.replace(partial, path)
    except OSError as error:
        remove(partial)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"{path.parent}: the disk is full. Free some space and run the same command again: "
                "it goes on where it stopped."
            ) from error
        raise


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON file, atomically."""
    with written_beside(path) as partial:
        partial.write_text(json.dumps(record, indent=2, default=str) + "\n")


Columns = dict[str, np.ndarray]  # column name -> (n,) or, for vector columns, (n, m)


def write_parquet(path: Path, columns: Columns, provenance: Provenance) -> None:
    """Write columns to Parquet with their provenance in the file's metadata.

    Two-dimensional columns become fixed-size lists, so vector columns survive.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for name, values in columns.items():
        values = np.asarray(values)
        if values.ndim == 2:
            flat = pa.array(np.ascontiguousarray(values).ravel())
            arrays[name] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        else:
            # Said, not guessed: of a table without rows nothing can be guessed.
            text = pa.string() if values.dtype.kind == "U" else None
            arrays[name] = pa.array(values.tolist() if values.dtype.kind in "OU" else values, type=text)
    table = pa.table(arrays)
    table = table.replace_schema_metadata({"cubesift": json.dumps(provenance.to_dict())})
    with written_beside(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def read_parquet(path: Path) -> tuple[Columns, Provenance]:
    """Read what `write_parquet` wrote.

    Raises:
        CubesiftError: the file is not there, not Parquet, or not ours.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        raise CubesiftError(f"{path}: not there. Run the verb that makes it first (see `cubesift show`).")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise CubesiftError(f"{path}: not a readable Parquet file ({error}). Make it again.") from None
    record = json.loads((table.schema.metadata or {}).get(b"cubesift", b"{}"))
    columns: Columns = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if pa.types.is_fixed_size_list(column.type):
            width = column.type.list_size
            columns[name] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
        elif pa.types.is_string(column.type):
            columns[name] = np.array(column.to_pylist(), dtype=str)
        else:
            columns[name] = column.to_numpy(zero_copy_only=False)
    return columns, Provenance.from_dict(record, str(path))
