"""The one door: find the cubes in a folder, tell what each is, read it, fill in what the catalogue knows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cubesift.data.catalog import MISSING, Catalog
from cubesift.data.cube import NO_DUST, Cube
from cubesift.data.fits import primary_and_first, read_logcube
from cubesift.data.store import fingerprint
from cubesift.data.wavelength import MANGA_GRID
from cubesift.errors import BadFile, CubesiftError

ENDINGS = (".fits", ".fits.gz", ".fit", ".fit.gz")
# What lies beside cubes in archives and in our own runs: tables, and simulated cubes without their noise.
BESIDE = re.compile(r"drpall|dapall|catalog|TRUTHCUBE", re.IGNORECASE)
LOGCUBE = re.compile(r"manga-(\d+-\d+)-LOGCUBE$")
# SAMI DR3: 41144_A_cube_blue, _adaptive_blue, _annular_blue, _sectors_blue.
ARM = re.compile(r"(.+?)(?:_(?:cube|adaptive|annular|sectors))?_(blue|red)$")


@dataclass(frozen=True)
class Source:
    """One observation on disk: a file, or the two arms of SAMI (blue first)."""

    name: str  # of the observation, from the file's name; unique among the sources found together
    files: tuple[Path, ...]
    twin: Path | None = None  # the file that has this name already

    def identity(self) -> str:
        """Stands for the files' names, sizes and times: another one, and the files have changed."""
        return fingerprint([(file.name, *_size_and_time(file)) for file in self.files], str(self.twin))

    def read(self, catalog: Catalog | None = None, channels: int | None = None) -> Cube:
        """The cube, whatever its instrument, its first `channels` only, completed by the catalogue.

        Raises:
            BadFile: no cube that we can read, in one line.
        """
        for file in self.files:
            if not file.exists():
                what = f"a link to {os.readlink(file)}, which is" if file.is_symlink() else "it is"
                raise BadFile(f"{file.name}: {what} not there. Fetch it, or take it out of the folder.")
        if self.twin is not None:
            one, other = _apart(self.twin, self.files[0])
            raise BadFile(f"{self.name}: {one} and {other} have one name, the first was used. Keep one.")
        cube = _read(self, channels)
        return completed(cube, catalog) if catalog is not None else cube


def find_sources(where: Path | str | Iterable[Path]) -> list[Source]:
    """Every FITS file in a folder (and the folders and links in it), or of those given, sorted by name.

    Tables and truth cubes by their names (drpall, dapall, catalog, TRUTHCUBE) are passed over. What is no
    cube is found too, and refused with a reason when it is read. Of files with one name the first counts,
    the others become `name~2`, ... and are refused.

    Raises:
        CubesiftError: the folder is not there.
    """
    where = Path(where) if isinstance(where, str) else where
    if isinstance(where, Path) and not where.exists():
        raise CubesiftError(f"{where}: not there. Give the folder that holds the cubes.")
    found_there = _walk(where) if isinstance(where, Path) else (Path(file) for file in where)
    files = sorted({file.absolute() for file in found_there})  # workers have other working directories
    pairs: dict[tuple[str, str], dict[str, Path]] = {}
    found: list[tuple[str, tuple[Path, ...]]] = []
    for file in files:
        stem = _stem(file)
        if match := ARM.match(stem):
            # Arms belong together within one folder and one product (cube, sectors, ...).
            pair = pairs.setdefault((str(file.parent), stem[: match.start(2)]), {})
            if match[2] not in pair:
                pair[match[2]] = file
                continue
            found.append((match[1], (file,)))
        else:
            logcube = LOGCUBE.match(stem)
            found.append((logcube[1] if logcube else stem, (file,)))
    for (_, product), pair in pairs.items():
        match = ARM.match(product + next(iter(pair)))
        assert match is not None
        found.append((match[1], tuple(pair[arm] for arm in ("blue", "red") if arm in pair)))
    return _named_once(found)


def _walk(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    seen = set()
    # Mirrors are often folders of links; a link that leads back up must not lead on for ever.
    for here, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(here)) in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in names:
            if name.lower().endswith(ENDINGS) and not name.startswith(".") and not BESIDE.search(name):
                yield Path(here, name)


def _stem(file: Path) -> str:
    lower = file.name.lower()
    ending = next(
        (ending for ending in sorted(ENDINGS, key=len)[::-1] if lower.endswith(ending)), file.suffix
    )
    return file.name[: len(file.name) - len(ending)]


def _named_once(found: list[tuple[str, tuple[Path, ...]]]) -> list[Source]:
    sources: list[Source] = []
    firsts: dict[str, tuple[Path, int]] = {}
    for name, files in sorted(found, key=lambda each: (each[0], -len(each[1]), each[1])):
        first, count = firsts.get(name, (None, 0))
        firsts[name] = (first or files[0], count + 1)
        sources.append(Source(f"{name}~{count + 1}" if count else name, files, first))
    return sources


def _size_and_time(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _apart(one: Path, other: Path) -> tuple[str, str]:
    return (one.name, other.name) if one.name != other.name else (str(one), str(other))


def _read(source: Source, channels: int | None) -> Cube:
    first = source.files[0]
    grid = MANGA_GRID if channels is None else MANGA_GRID.cut(channels)
    header = primary_and_first(first)[0]
    instrument = str(header.get("INSTRUME", "")).strip()
    if "PLATEIFU" in header or instrument == "MaNGA" or first.name.startswith("manga-"):
        return read_logcube(first, channels)
    # MaNGA's door needs no astropy: a worker that reads nothing else starts without it.
    from cubesift.data.instruments import read_linear, read_sami

    if instrument.startswith("AAOMEGA-SAMI"):
        if len(source.files) == 2:
            return read_sami(*source.files, source.name, grid)
        missing = "red" if _stem(first).endswith("blue") else "blue"
        raise BadFile(
            f"{first.name}: one arm of a SAMI cube, its {missing} arm is not beside it. Fetch both."
        )
    if len(source.files) == 2:
        raise BadFile(
            f"{source.name}: {first.name} and {source.files[1].name} are named like the arms of a SAMI cube, "
            f"but INSTRUME is {instrument or 'missing'}. Give them other names."
        )
    return read_linear(first, source.name, grid)


def completed(cube: Cube, catalog: Catalog) -> Cube:
    """The cube with what its header lacks and the catalogue has: redshift, place, galaxy, E(B-V).

    The row is the observation's, else the galaxy's. A redshift in the header stays; a note says where
    the two differ by more than 0.001.
    """
    row = _row(cube, catalog)
    if row is None:
        return cube
    one = catalog.where(np.array([row]))
    redshift, notes = float(one.redshift()[0]), cube.notes
    if cube.known_redshift and abs(redshift - cube.redshift) > 1e-3:
        notes += (f"the catalogue's redshift is {redshift:.4f}, the header's {cube.redshift:.4f} is used",)
    ebv = _value(one, "ebvgal", "ebv")
    if takes_ebv := cube.ebv == 0 and np.isfinite(ebv):
        notes = (*(note for note in notes if note != NO_DUST), "Galactic E(B-V) of the catalogue")
    galaxy = str(one.columns["mangaid"][0]).strip() if "mangaid" in one.columns else ""
    return replace(
        cube,
        redshift=cube.redshift if cube.known_redshift else redshift,
        ra=cube.ra if np.isfinite(cube.ra) else _value(one, "objra", "ra"),
        dec=cube.dec if np.isfinite(cube.dec) else _value(one, "objdec", "dec"),
        ebv=ebv if takes_ebv else cube.ebv,
        mangaid=galaxy if galaxy and cube.mangaid == cube.plateifu else cube.mangaid,
        notes=notes,
    )


def _row(cube: Cube, catalog: Catalog) -> int | None:
    for key, name in (("plateifu", cube.plateifu), ("plateifu", cube.mangaid), ("mangaid", cube.mangaid)):
        if key in catalog.columns and len(found := np.flatnonzero(catalog.columns[key] == name)):
            return int(found[0])
    return None


def _value(one: Catalog, *names: str) -> float:
    """The first of the columns that has a value, nan where none has."""
    for name in names:
        if name in one.columns and np.isfinite(value := float(one.columns[name][0])) and value > MISSING + 1:
            return value
    return float("nan")
