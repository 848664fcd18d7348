"""MaNGA's catalogue, drpall: reading it, and choosing the observations of a survey by its columns."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from cubesift.data.catalog import Catalog
from cubesift.data.store import Provenance, fingerprint
from cubesift.errors import CubesiftError


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Selection:
    """Which observations make the survey; the defaults are the paper's choice, spelled out.

    Bits are those of MANGA_TARGET1, MANGA_TARGET3 and MANGA_DRP3QUAL (SDSS mask-bit tables).
    """

    # PRIMARY, SECONDARY, COLOR_ENHANCED, FILLER; the lower bits are of earlier target lists.
    target_bits: tuple[int, ...] = (10, 11, 12, 13)
    ancillary: bool = True  # a galaxy too if any bit of MNGTARG3 is set
    bad_quality_bits: tuple[int, ...] = (30,)  # CRITICAL; the others are warnings (Law+2016)
    # The smallest science bundle has 19 fibres and makes a cube of 34 x 34, the paper's least size;
    # the bundles of 7 fibres stand on standard stars.
    min_fibres: int = 19
    # 7443 is commonly named; the survey publishes no list that we know. By the target bits 1 to 3, "March
    # 2014 commissioning", 7443 and 7495 were designed from the commissioning list; by 7 to 9, "July 2014
    # commissioning", 7815: add these for the strictest reading of the paper.
    commissioning_plates: tuple[int, ...] = (7443,)
    redshift: tuple[float, float] | None = None  # lowest and highest, None = any, known or not
    # Of several observations of a mangaid only the deepest, or all. Repeats test an embedding: each
    # should be the other's nearest neighbour.
    repeats: Literal["deepest", "all"] = "deepest"


def read_drpall(path: Path) -> Catalog:
    """The table of HDU MANGA, or else the first table, packed or not (MaNGA data model, mangaDRPall).

    All columns with lower-case names, native byte order, strings without padding. Vector columns stay
    (n, m); those of more dimensions become (n, all of them). Columns of complex numbers or of variable
    length are left out.

    Raises:
        CubesiftError: no such file, no table in it, or no plateifu.
    """
    # Selection is read with the settings, which must not wait for astropy.
    from astropy.io import fits

    path = Path(path)
    try:
        with warnings.catch_warnings(), fits.open(path, memmap=False) as hdus:
            warnings.simplefilter("ignore")  # units astropy does not know: nothing a person can mend
            tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
            table = next((hdu for hdu in tables if hdu.name == "MANGA"), tables[0] if tables else None)
            data = None if table is None else table.data
            columns = {} if data is None else {name.lower(): data[name] for name in data.names}
    except FileNotFoundError:
        raise CubesiftError(f"{path}: not there. Give MaNGA's drpall-<version>.fits.") from None
    except Exception as error:  # astropy raises many kinds for a broken file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CubesiftError(f"{path.name}: not a whole FITS file ({reason}). Fetch it again.") from error
    columns = {name: _plain(values) for name, values in columns.items() if values.dtype.kind not in "OVc"}
    if "plateifu" not in columns and {"plate", "ifudsgn"} <= columns.keys():
        pairs = zip(columns["plate"], columns["ifudsgn"], strict=True)
        columns["plateifu"] = np.array([f"{plate}-{design}" for plate, design in pairs], dtype=str)
    if "plateifu" not in columns:
        found = ", ".join([*columns][:6]) or "no table"
        raise CubesiftError(f"{path.name}: no column plateifu (found: {found}). Is it MaNGA's drpall?")
    return Catalog(columns, Provenance("fetch", fingerprint(path.name, path.stat().st_size)))


def _plain(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype.kind in "SU":
        return np.asarray(np.char.strip(values.astype(str), " \0"))
    native = values.astype(values.dtype.newbyteorder("="))
    return native.reshape(len(native), -1) if native.ndim > 2 else native


def select(catalog: Catalog, selection: Selection) -> tuple[Catalog, dict[str, int]]:
    """The rows that every rule keeps, and how many each rule removed of those that were left, in order.

    A rule whose column is missing removes nothing, and its name says so: `bad quality (no column drp3qual)`.
    Repeats come last, so that a galaxy's second observation counts where its deepest is bad.
    """
    removed: dict[str, int] = {}
    for rule, (needed, keeps) in RULES.items():
        if not set(needed) & catalog.columns.keys():
            removed[f"{rule} (no column {needed[0]})"] = 0
            continue
        keep = keeps(catalog, selection)
        removed[rule] = len(catalog) - int(np.count_nonzero(keep))
        catalog = catalog.where(keep)
    return catalog, removed


def _is_galaxy(catalog: Catalog, selection: Selection) -> np.ndarray:
    aimed_at = _any_bit(catalog, "mngtarg1", selection.target_bits)
    return aimed_at | (_any_bit(catalog, "mngtarg3", range(1, 32)) if selection.ancillary else False)


def _is_sound(catalog: Catalog, selection: Selection) -> np.ndarray:
    return ~_any_bit(catalog, "drp3qual", selection.bad_quality_bits)


def _is_large(catalog: Catalog, selection: Selection) -> np.ndarray:
    # The design's name is the number of fibres and two digits more; ifudesignsize is -9999 for some.
    fibres = np.array([design // 100 for _, design in map(_plate_and_design, catalog.plateifu)], dtype=int)
    return (fibres < 0) | (fibres >= selection.min_fibres)


def _is_survey(catalog: Catalog, selection: Selection) -> np.ndarray:
    plates = np.array([plate for plate, _ in map(_plate_and_design, catalog.plateifu)], dtype=int)
    return ~np.isin(plates, selection.commissioning_plates)


def _is_near(catalog: Catalog, selection: Selection) -> np.ndarray:
    if selection.redshift is None:
        return np.full(len(catalog), True)
    low, high = selection.redshift
    redshift = catalog.redshift()
    return (redshift >= low) & (redshift <= high)


def _is_first(catalog: Catalog, selection: Selection) -> np.ndarray:
    galaxy = catalog.columns["mangaid"]
    keep = np.full(len(catalog), True)
    if selection.repeats == "deepest":
        order = np.lexsort((catalog.plateifu, -_depth(catalog), galaxy))
        keep[order[1:]] = (galaxy[order[1:]] != galaxy[order[:-1]]) | (galaxy[order[1:]] == "")
    return keep


RULES: dict[str, tuple[tuple[str, ...], Callable[[Catalog, Selection], np.ndarray]]] = {
    "no galaxy target": (("mngtarg1",), _is_galaxy),
    "bad quality": (("drp3qual",), _is_sound),
    "bundle too small": (("plateifu",), _is_large),
    "commissioning plate": (("plateifu",), _is_survey),
    "redshift out of range": (("z", "nsa_z", "redshift"), _is_near),
    "repeat of a galaxy": (("mangaid",), _is_first),
}


def _any_bit(catalog: Catalog, column: str, bits: Iterable[int]) -> np.ndarray:
    """(n,) bool: whether any of the bits is set; none is where the value is missing."""
    values = np.asarray(catalog.columns.get(column, np.zeros(len(catalog))), dtype=float)
    flags = np.where(values > 0, values, 0).astype(np.int64)  # -9999 has nearly all bits set
    return np.asarray(flags & sum(1 << bit for bit in set(bits)) != 0)


def _plate_and_design(plateifu: str) -> tuple[int, int]:
    """Numbers of the plate and of the bundle; -100 where the name is of another survey."""
    found = re.fullmatch(r"(\d+)-(\d+)", plateifu)
    return (int(found[1]), int(found[2])) if found else (-100, -100)


def _depth(catalog: Catalog) -> np.ndarray:
    """(n,) how deep an observation is: the total squared S/N of both arms, or else the exposure time."""
    for names in (("bluesn2", "redsn2"), ("exptime",)):
        if set(names) <= catalog.columns.keys():
            total = np.sum([catalog.columns[name] for name in names], axis=0, dtype=float)
            return np.where(total > 0, total, 0.0)
    return np.zeros(len(catalog))
