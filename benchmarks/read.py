"""CPU time and memory of reading FLUX, IVAR and MASK of a LOGCUBE.gz, against astropy.io.fits.

    python -m benchmarks.read                      # makes cubes of 54 x 54 and 74 x 74 spaxels of noise
    python -m benchmarks.read manga-...-LOGCUBE.fits.gz ...

Each reader runs in a fresh process. CPU time is user + system of all threads while reading, imports left
out; memory is the peak of the whole process, and beside it what it was before reading (interpreter and
imports). `astropy` leaves big-endian arrays as they come; `astropy, same` goes on to what a Cube holds:
native float32, bits as uint16, ivar 0 where a voxel must not be used.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Cost(NamedTuple):
    """What reading took."""

    cpu: float  # seconds
    wall: float
    peak: float  # MB
    before: float
    arrays: float  # of the peak, what is returned


READERS = ("cubesift", "cubesift, 4096", "astropy", "astropy, same")
INFLATERS = ("igzip", "igzip_threaded", "gzip")


def main(paths: list[Path]) -> None:
    """Print a table of the readers, then their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        for path in paths or [_made(Path(folder), side) for side in (54, 74)]:
            rows = {reader: measured(path, reader) for reader in (*READERS, *INFLATERS)}
            print(f"\n{path.name}, {path.stat().st_size / 1e6:.0f} MB\n")
            print("| reader | CPU s | wall s | peak MB | before MB |\n|---|---|---|---|---|")
            for reader, row in rows.items():
                print(f"| {reader} | {row.cpu:.2f} | {row.wall:.2f} | {row.peak:.0f} | {row.before:.0f} |")
            ours = rows["cubesift"]
            for reader in ("astropy", "astropy, same"):
                theirs = rows[reader]
                beyond = (ours.peak - ours.before) / (theirs.peak - theirs.before)
                working = [cost.peak - cost.before - cost.arrays for cost in (ours, theirs)]
                print(
                    f"cubesift / {reader}: CPU {ours.cpu / theirs.cpu:.2f}, peak memory "
                    f"{ours.peak / theirs.peak:.2f}, without interpreter and imports {beyond:.2f}; "
                    f"beyond the arrays returned {working[0]:.0f} against {working[1]:.0f} MB"
                )


def measured(path: Path, reader: str) -> Cost:
    """The median of three runs by CPU time."""
    runs = [Cost(*map(float, _python("--one", reader, str(path)).split())) for _ in range(3)]
    return sorted(runs)[1]


def _python(*arguments: str) -> str:
    # Linux hands a parent's peak memory down to its children: this process must stay small.
    command = [sys.executable, "-m", "benchmarks.read", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _made(folder: Path, side: int) -> Path:
    path = folder / f"manga-8485-{side}-LOGCUBE.fits.gz"
    _python("--make", str(side), str(path))
    return path


def make(side: int, path: Path) -> None:
    """Write a cube of noise, packed as the archive packs (gzip's level 6)."""
    from tests.logcubes import logcube, write_logcube

    write_logcube(path, logcube(side), level=6)


def run_one(reader: str, path: Path) -> Cost:
    """Read once, in this process, and say what it took."""
    read = _reader(reader)
    before, cpu, wall = _peak(), _spent(), time.perf_counter()
    kept = read(path)
    arrays = sum(array.nbytes for array in kept) / 2**20
    return Cost(_spent() - cpu, time.perf_counter() - wall, _peak(), before, arrays)


def _reader(name: str) -> Callable[[Path], list[np.ndarray]]:
    if name.startswith("cubesift"):
        from cubesift.data.fits import read_logcube

        def ours(path: Path) -> list[np.ndarray]:
            cube = read_logcube(path, 4096 if name.endswith("4096") else None)
            return [cube.flux, cube.ivar, cube.bits]

        return ours
    if name in INFLATERS:
        return _inflater(name)
    from astropy.io import fits

    def as_they_come(path: Path) -> list[np.ndarray]:
        with fits.open(path) as hdus:
            return [hdus[hdu].data for hdu in ("FLUX", "IVAR", "MASK")]

    def the_same(path: Path) -> list[np.ndarray]:
        with fits.open(path) as hdus:
            flux = hdus["FLUX"].data.astype(np.float32)
            ivar = hdus["IVAR"].data.astype(np.float32)
            bits = hdus["MASK"].data.astype(np.uint16)
        ivar[~np.isfinite(flux) | ~np.isfinite(ivar) | (ivar < 0) | ((bits & 1025) != 0)] = 0
        flux[~np.isfinite(flux)] = 0
        return [flux, ivar, bits]

    return the_same if name.endswith("same") else as_they_come


def _inflater(name: str) -> Callable[[Path], list[np.ndarray]]:
    """Only unpack as many bytes as the three HDUs have: why one thread is enough."""
    import gzip

    from isal import igzip, igzip_threaded

    opened = {"igzip": igzip.open, "igzip_threaded": igzip_threaded.open, "gzip": gzip.open}[name]

    def read(path: Path) -> list[np.ndarray]:
        from cubesift.data.fits import primary_and_first

        flux = primary_and_first(path)[1]
        left = 3 * 4 * int(flux["NAXIS1"]) * int(flux["NAXIS2"]) * int(flux["NAXIS3"])
        buffer = memoryview(np.empty(518_400, np.uint8))
        with opened(path) as stream:
            while left > 0:
                left -= stream.readinto(buffer)
        return []

    return read


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(*run_one(sys.argv[2], Path(sys.argv[3])))
    elif sys.argv[1:2] == ["--make"]:
        make(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main([Path(path) for path in sys.argv[1:]])
