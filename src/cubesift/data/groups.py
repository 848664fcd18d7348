"""A folder of galaxies, each its own Zarr group: written beside, renamed when whole.

One galaxy is one group, so that no array is ever written by two processes (concurrent writes to one
array can lose data silently), cubes of every side live together, and a kill leaves whole galaxies only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from cubesift.data.store import Provenance, read_json, remove, write_json, written_beside
from cubesift.errors import CubesiftError, Stale

HALF_MAX = 60_000.0  # float16 ends at 65,504


def half(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Values as float16 and the scale that brings them back: the largest is at 60,000, errors below 5e-4."""
    largest = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
    scale = largest / HALF_MAX if largest > 0 else 1.0
    packed = np.empty(values.shape, np.float16)
    # Through the buffers of the ufunc: no second copy of a 100 MB array.
    np.multiply(values, np.float32(1 / scale), out=packed, casting="unsafe")
    return packed, scale


def write_group(
    path: Path, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any], halves: Sequence[str] = ()
) -> None:
    """Write named arrays (one chunk each) and a record of plain values as one Zarr v3 group.

    Those named in `halves` are kept as float16, with their scale as the array's attribute `scale`.
    """
    import zarr
    from zarr.codecs import BloscCodec

    with written_beside(path) as partial:
        group = zarr.open_group(partial, mode="w", zarr_format=3, attributes=dict(record))
        for name, values in arrays.items():
            attributes: dict[str, Any] = {}
            if name in halves:
                values, attributes["scale"] = half(values)
            stored = group.create_array(
                name,
                shape=values.shape,
                dtype=values.dtype,
                chunks=values.shape,
                compressors=BloscCodec(cname="lz4", shuffle="bitshuffle", typesize=values.dtype.itemsize),
                attributes=attributes,
            )
            stored[...] = values


def read_arrays(path: Path, names: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """The named arrays (all, where none is named) of a group; halves come back as float32.

    Raises:
        CubesiftError: the group is damaged.
    """
    import zarr

    arrays = {}
    try:
        group = zarr.open_group(path, mode="r")
        for name in names or tuple(sorted(group.array_keys())):
            stored = cast(zarr.Array[Any], group[name])
            values = np.asarray(stored[...])
            if "scale" in stored.attrs:
                values = values.astype(np.float32) * np.float32(cast(float, stored.attrs["scale"]))
            arrays[name] = values
    except (RuntimeError, ValueError, KeyError, OSError) as error:  # each codec and each store has its own
        raise CubesiftError(
            f"{path}: damaged ({error}). Remove that folder and run `cubesift make` again: it makes it anew."
        ) from error
    return arrays


def read_record(path: Path) -> dict[str, Any]:
    """The plain values of a group, without opening its arrays."""
    attributes: dict[str, Any] = read_json(path / "zarr.json")["attributes"]
    return attributes


class GalaxyStore:
    """A folder `<name>.zarr` with one group per galaxy and the provenance of all of them."""

    def __init__(self, path: Path, provenance: Provenance, about: Mapping[str, Any]):
        self.path = path
        self.provenance = provenance
        self.about = dict(about)  # what holds for every galaxy: grid, recipe

    @classmethod
    def create(
        cls, path: Path, provenance: Provenance, about: Mapping[str, Any], replace: bool = False
    ) -> GalaxyStore:
        """Make the store, or open the one that is there if it was made from the same things.

        Raises:
            Stale: it was made from something else, and `replace` does not say that it may go.
        """
        path = Path(path)
        if (path / "store.json").exists():
            store = cls.open(path)
            if store.provenance.id == provenance.id:
                return store
            if not replace:
                raise Stale(
                    f"{path}: was made with other settings. Give these another name, or remove that folder."
                )
            remove(path)
        write_json(path / "store.json", {"provenance": provenance.to_dict(), "about": dict(about)})
        return cls(path, provenance, about)

    @classmethod
    def open(cls, path: Path) -> GalaxyStore:
        """Open a store that was made before.

        Raises:
            CubesiftError: there is none.
        """
        path = Path(path)
        if not (path / "store.json").exists():
            raise CubesiftError(f"{path}: not there. Run the verb that makes it first (see `cubesift show`).")
        record = read_json(path / "store.json")
        return cls(path, Provenance.from_dict(record["provenance"], str(path)), record["about"])

    def names(self) -> list[str]:
        """Finished galaxies, sorted."""
        return sorted(
            entry.name
            for entry in self.path.iterdir()
            if entry.is_dir() and not entry.name.endswith(".partial")
        )

    def __contains__(self, name: str) -> bool:
        return (self.path / name / "zarr.json").exists()

    def __len__(self) -> int:
        return len(self.names())

    def record(self, name: str) -> dict[str, Any]:
        """The plain values kept with a galaxy."""
        return read_record(self.path / name)

    def arrays(self, name: str, *names: str) -> dict[str, np.ndarray]:
        """The named arrays of a galaxy (all, where none is named)."""
        return read_arrays(self.path / name, names)

    def write(
        self,
        name: str,
        arrays: Mapping[str, np.ndarray],
        record: Mapping[str, Any],
        halves: Sequence[str] = (),
    ) -> None:
        """Write one galaxy, whole or not at all; see `write_group`."""
        write_group(self.path / name, arrays, record, halves)
