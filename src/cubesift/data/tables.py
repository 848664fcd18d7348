"""A person's own table of galaxies, `--catalog FILE`: CSV, ECSV, FITS or Parquet, to the one `Catalog`."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from astropy.table import Table

from cubesift.data.catalog import MISSING, Catalog
from cubesift.data.drpall import read_drpall
from cubesift.data.fits import primary_and_first
from cubesift.data.store import Columns, Provenance, fingerprint
from cubesift.errors import BadFile, CubesiftError

# What a column may be called (lower case), the first that is there counts. All others are kept as they are.
KNOWN = {
    "plateifu": ("plateifu", "name", "observation", "galaxy", "object", "target", "catid", "cataid", "id"),
    "mangaid": ("mangaid", "galaxy", "galaxy_name"),
    "redshift": ("redshift", "z", "z_spec", "zspec", "z_best"),
    "ra": ("ra", "objra", "ra_obj", "raj2000", "ra_deg"),
    "dec": ("dec", "objdec", "dec_obj", "dej2000", "decj2000", "dec_deg"),
}
FORMATS = {
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".parquet": "parquet",
    ".fits": "fits",
    ".fit": "fits",
    ".gz": "fits",
}


def read_catalog(path: Path) -> Catalog:
    """Any table with a name and a redshift (and ra, dec in degrees) a row; drpall and our own Parquet too.

    The name may be the observation's or the galaxy's; the rows' `mangaid` is the galaxy where a column says
    it, else the name.

    Raises:
        BadFile: not there, not readable, or not a kind of table we know.
        CubesiftError: no name, a name that repeats, or a redshift that is none.
    """
    if not path.exists():
        raise BadFile(f"{path}: not there. Give --catalog a CSV, ECSV, FITS or Parquet file.")
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise BadFile(
            f"{path.name}: {path.suffix or 'no ending'}, but a catalogue is one of {', '.join(FORMATS)}."
        )
    if kind == "fits" and any(header.get("EXTNAME") == "MANGA" for header in primary_and_first(path)):
        return read_drpall(path)
    columns = _read(path, kind)
    if kind == "parquet" and b"cubesift" in (pq.read_schema(path).metadata or {}):
        return Catalog.load(path)
    for name, spellings in KNOWN.items():
        found = next((columns[spelling] for spelling in spellings if spelling in columns), None)
        if found is not None:
            columns[name] = found
    if columns.get("redshift") is not columns.get("z"):
        # `Catalog.redshift` asks drpall's columns first; in a person's table `z` may be a magnitude.
        columns = {name: values for name, values in columns.items() if name not in ("z", "nsa_z")}
    if "plateifu" not in columns:
        raise CubesiftError(
            f"{path.name}: no column of names (found: {', '.join(columns)}). Call one `name`."
        )
    columns.setdefault("mangaid", columns["plateifu"])
    for name in ("plateifu", "mangaid"):
        columns[name] = np.array([str(value).strip() for value in columns[name]])
    _check(columns, path.name)
    return Catalog(columns, Provenance("catalog", fingerprint(path.read_bytes())))


def _read(path: Path, kind: str) -> Columns:
    """The columns by their names in lower case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # units astropy does not know, several tables in one file
        try:
            if kind == "parquet":  # astropy's own way would need pandas
                table = pq.read_table(path)
                return {name.lower(): _plain(table[name].to_numpy()) for name in table.column_names}
            rows = Table.read(path, format=kind)
            return {name.lower(): _plain(rows[name]) for name in rows.colnames}
        except Exception as error:  # each format raises its own kinds
            reason = str(error).strip().splitlines()[0]
            raise BadFile(
                f"{path.name}: not a readable table ({reason}). Is it what its ending says?"
            ) from error


def _plain(column: np.ndarray) -> np.ndarray:
    """A column without mask, in native byte order: nan, -9999 or '' where it was masked."""
    if isinstance(column, np.ma.MaskedArray):
        kind = column.dtype.kind
        column = column.filled(
            np.nan if kind == "f" else MISSING if kind in "iu" else "" if kind in "US" else 0
        )
    values = np.asarray(column)
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "O":
        return np.array(["" if value is None else str(value) for value in values])
    return values.astype(values.dtype.newbyteorder("="))


def _check(columns: Columns, file: str) -> None:
    names, counts = np.unique(columns["plateifu"], return_counts=True)
    if counts.max(initial=1) > 1:
        raise CubesiftError(
            f"{file}: {names[counts > 1][0]} has {counts.max()} rows, but may have one. Keep one."
        )
    for name in ("redshift", "ra", "dec"):
        if name in columns and columns[name].dtype.kind not in "fiu":
            raise CubesiftError(
                f"{file}: column {name} holds '{columns[name][0]}', but a number was expected "
                f"({'degrees' if name != 'redshift' else 'empty where not known'})."
            )
    if "redshift" in columns and np.nanmax(columns["redshift"].astype(float), initial=0) > 20:
        raise CubesiftError(f"{file}: redshifts above 20. Is it a velocity in km/s? Divide it by 299792.458.")
