"""How every noun reaches the disk: written beside, then renamed; its parents named; a format number."""

from __future__ import annotations

import dataclasses
import errno
import glob
import hashlib
import json
import os
import shutil
import socket
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from cubesift.errors import CubesiftError, DiskFull

FORMAT = 2  # 1: embeddings without held_out
FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


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
    """Yield a partial beside `path` to write a file or a folder to; rename it to `path` when all went well.

    Every process has a partial of its own, so that two that write the same thing do not meet half-way.
    A file that would stay the same is left alone, time and all: nothing made from it looks stale.

    Raises:
        DiskFull: no space is left; the partial is removed so that it does not add to the trouble.
        CubesiftError: one may not write there.
    """
    partial = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        remove(partial)
        yield partial
        if _same(partial, path):
            remove(partial)
        else:
            if partial.is_dir():
                remove(path)
            os.replace(partial, path)
    except BaseException as error:
        with suppress(OSError):
            remove(partial)
        if isinstance(error, OSError) and error.errno in FULL:
            raise DiskFull(
                f"{path.parent}: the disk is full. Free some space and run the same command again: "
                "it goes on where it stopped."
            ) from error
        if isinstance(error, OSError) and error.errno in REFUSED:
            raise CubesiftError(
                f"{path}: cannot be written ({error.strerror}). Choose another folder for the run."
            ) from error
        raise


def _beside(path: Path, what: str = "") -> Path:
    return path.with_name(f"{path.name}{what}.{os.getpid()}@{socket.gethostname()}.partial")


def _same(one: Path, other: Path) -> bool:
    both = one.is_file() and other.is_file()
    return both and one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()


def _sweep(path: Path) -> None:
    """Remove what killed processes left beside `path`; what a living one writes there stays."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*@{glob.escape(socket.gethostname())}.partial"):
        writer = left.name.rsplit("@", 1)[0].rsplit(".", 1)[1]
        if writer.isdigit() and not _lives(int(writer)):
            remove(left)


def _lives(process: int) -> bool:
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # Killed, but its parent has not asked after it yet: still listed, but it writes no more (Linux tells).
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    return True


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there; a kill on the way leaves no half of it under its name."""
    if path.is_dir() and not path.is_symlink():
        gone = _beside(path, ".old")
        shutil.rmtree(gone, ignore_errors=True)
        with suppress(FileNotFoundError):
            path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON file, atomically."""
    with written_beside(path) as partial:
        partial.write_text(json.dumps(record, indent=2, default=str) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Raises:
        CubesiftError: it is damaged.
    """
    try:
        record = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise CubesiftError(f"{path}: damaged ({error}). Remove {path.parent} and make it again.") from None
    if not isinstance(record, dict):
        raise CubesiftError(f"{path}: damaged (no record in it). Remove {path.parent} and make it again.")
    return record


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz, atomically."""
    with written_beside(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read what `write_npz` wrote.

    Raises:
        CubesiftError: it is not there, or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CubesiftError(f"{path}: damaged or not there ({error}). Make it again.") from None


Columns = dict[str, np.ndarray]  # column name -> (n,) or, for vector columns, (n, m)


def write_parquet(
    path: Path, columns: Columns, provenance: Provenance, about: Mapping[str, Any] | None = None
) -> None:
    """Write columns to Parquet, and in the file's metadata their provenance and what else is said about them.

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
    record = {**provenance.to_dict(), **({"about": dict(about)} if about else {})}
    table = table.replace_schema_metadata({"cubesift": json.dumps(record)})
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


def read_about(path: Path) -> dict[str, Any]:
    """What `write_parquet` was told about the columns of a file that `read_parquet` reads."""
    import pyarrow.parquet as pq

    return dict(json.loads(pq.read_schema(path).metadata[b"cubesift"]).get("about", {}))
