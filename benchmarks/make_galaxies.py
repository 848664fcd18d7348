"""Remake the simulator's table of galaxies from the real catalogue: `make_galaxies.py DATA`."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

HERE = Path(__file__).parents[1] / "src" / "cubesift" / "simulate" / "templates"
SEED = 20_261_123
DONORS = 10
SIZES = (19, 37, 61, 91, 127)
CLASSES = {"E": 1, "S0": 2, "S1": 3, "S2": 4}
KEPT = {  # column of the catalogue, what is possible, digits kept
    "redshift": ("nsa_z", (0.003, 0.151), 5),
    "ifusize": ("ifusize", (19, 127), 0),
    "reff": ("reff", (0.5, 40), 2),  # arcsec
    "ellipticity": ("ell", (0, 0.95), 3),
    "pa": ("pa", (0, 180), 1),  # degrees, north through east
    "logmass": ("logmass", (8, 12.2), 2),  # solar
    "p_bar": ("p_bar", (0, 1), 2),
    "p_edgeon": ("p_edgeon", (0, 1), 2),
    "p_merge": ("p_merge", (0, 1), 2),
    "gas": ("main_bptwhan", (0, 5), 0),  # 0 retired 1 star forming 2 composite 3 LINER 4 Seyfert 5 broad
    "halpha": ("w_ha", (-9, 2000), 2),  # equivalent width, angstrom at rest
    "stars": ("n_star", (0, 9), 0),
    "mngtarg1": ("mngtarg1", (0, 2**31), 0),
    "mngtarg3": ("mngtarg3", (0, 2**31), 0),
}
AGAIN = {"nsa_z": "drpc_z"}  # where the first is empty
KINDS = {"ifusize": "i2", "gas": "i1", "stars": "i1", "mngtarg1": "i4", "mngtarg3": "i4", "morphology": "i1"}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def catalogue(data: Path) -> list[dict[str, str]]:
    """Every cube, with the equivalent width of Halpha of its main target."""
    objects = rows_of(data / "catalogue" / "manga_objects_labelled.csv")
    widths = {row["plateifu"]: row["w_ha"] for row in objects if row["maintarg"] == "1"}
    rows = rows_of(data / "catalogue" / "manga_truth_table.csv")
    return [{**row, "w_ha": widths.get(row["plateifu"], "")} for row in rows]


def read_columns(rows: list[dict[str, str]]) -> dict[str, np.ndarray]:
    """The catalogue's columns as numbers, nan where there is none or where it is impossible."""
    columns = {}
    for name, (column, (low, high), _) in KEPT.items():
        values = np.array([float(row[column] or row[AGAIN.get(column, column)] or "nan") for row in rows])
        columns[name] = np.where((values >= low) & (values <= high), values, np.nan)
    columns["halpha"] = np.maximum(columns["halpha"], 0.1)  # 0 where no line is seen
    columns["morphology"] = np.array([CLASSES.get(row["morph"], 0) for row in rows], float)
    return columns


def is_galaxy(rows: list[dict[str, str]]) -> np.ndarray:
    """First looks at targets that are neither stars nor at another redshift than the catalogue's."""
    seen: set[str] = set()
    usable = []
    for row in rows:
        usable.append(row["mangaid_any"] not in seen and row["main_spname"] not in ("star", "zoff"))
        seen.add(row["mangaid_any"] or row["plateifu"])
    return np.array(usable)


def complete(columns: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, int]:
    """Fill gaps in place from real galaxies alike (hot deck); returns how many of each column.

    A row takes all it lacks of size, shape and target class from one donor, drawn from the ten complete
    rows of the same bundle that are nearest in (log redshift, mass, edge-on, bar, star forming, Seyfert,
    early type) standardised; what the row lacks itself does not count for the distance. What is correlated
    stays so, since a donor is a real galaxy.
    """
    early = np.isin(columns["morphology"], (0, 1, 2)).astype(float)
    space = np.stack(
        [
            np.log10(columns["redshift"]),
            columns["logmass"],
            columns["p_edgeon"],
            0.5 * columns["p_bar"],
            0.5 * (columns["gas"] == 1),
            0.5 * (columns["gas"] >= 4),
            0.5 * early,
        ]
    )
    space /= np.nanstd(space, axis=1, keepdims=True) / np.array([1, 1, 1, 0.5, 0.5, 0.5, 0.5])[:, None]
    lacking = {name: ~np.isfinite(values) for name, values in columns.items()}
    rare = lacking.pop("p_merge")  # known of one galaxy in ten: a deck of its own
    gaps = np.any(list(lacking.values()), axis=0)
    for deck, takers in ((~gaps, lacking), (~rare, {"p_merge": rare})):
        for row in np.flatnonzero(np.any(list(takers.values()), axis=0)):
            donors = np.flatnonzero(deck & (columns["ifusize"] == columns["ifusize"][row]))
            away = np.nansum((space[:, donors] - space[:, [row]]) ** 2, axis=0)
            donor = donors[rng.choice(np.argpartition(away, DONORS)[:DONORS])]
            for name, missing in takers.items():
                if missing[row]:
                    columns[name][row] = columns[name][donor]
    return {name: int(missing.sum()) for name, missing in (*lacking.items(), ("p_merge", rare))}


def classify(columns: dict[str, np.ndarray], rng: np.random.Generator) -> int:
    """Give the galaxies whose class is "-" one, in place; returns how many.

    They are 38 % of the catalogue, two thirds retired, massive (median 10^11) and round, while only 100 are
    called E: they are mostly the ellipticals. With star formation they become spirals, without it E, or S0
    the flatter they are, since ellipticals flatter than 0.6 do not exist.
    """
    unknown = columns["morphology"] == 0
    count = len(unknown)
    forming = np.isin(columns["gas"], (1, 2))
    flat = 1 / (1 + np.exp(-(columns["ellipticity"] - 0.4) / 0.06))
    lenticular = (rng.random(count) < flat) | (columns["p_edgeon"] > 0.5)
    spiral = np.where(columns["logmass"] > 10.6, 3, 4)
    given = np.where(forming, spiral, np.where(lenticular, 2, 1))
    columns["morphology"] = np.where(unknown, given, columns["morphology"])
    return int(unknown.sum())


def looks(rows: list[dict[str, str]]) -> dict[str, np.ndarray]:
    """How often mangaids were observed, and the bundles of first and later looks.

    158 mangaids with 425 cubes; 34 of them are no galaxies with a redshift, but fields of other programmes.
    """
    by: dict[str, list[int]] = {}
    for row in sorted(rows, key=lambda row: [int(part) for part in row["plateifu"].split("-")]):
        if row["mangaid_any"]:
            by.setdefault(row["mangaid_any"], []).append(SIZES.index(int(row["ifusize"])))
    bundles = np.zeros((5, 5), np.int16)
    for first, *later in by.values():
        for size in later:
            bundles[first, size] += 1
    times = Counter(map(len, by.values()))
    return {
        "looks": np.array([times[n] for n in range(max(times) + 1)], np.int32),  # galaxies seen n times
        "look_bundles": bundles,  # (first, later) look, sizes in rising order
    }


def stars(path: Path) -> dict[str, np.ndarray]:
    """Foreground stars classified by eye: PSF magnitude in r, arcsec from the galaxy, bundle."""
    objects = rows_of(path)
    main = {row["plateifu"]: row for row in objects if row["maintarg"] == "1"}
    found = []
    for row in objects:
        if row["spname"] == "star" and row["maintarg"] == "0" and row["plateifu"] in main:
            galaxy = main[row["plateifu"]]
            dec = float(row["dec"]) - float(galaxy["dec"])
            ra = (float(row["ra"]) - float(galaxy["ra"])) * np.cos(np.deg2rad(float(row["dec"])))
            size = int(row["plateifu"].split("-")[1][:-2])
            found.append((float(row["psfmag_r"]), 3600 * float(np.hypot(ra, dec)), size))
    magnitude, distance, size = np.array(sorted(found)).T
    real = magnitude > 0  # -99 where the photometry failed
    return {
        "star_magnitude": magnitude[real].round(2).astype(np.float32),
        "star_distance": distance[real].round(1).astype(np.float32),
        "star_ifusize": size[real].astype(np.int16),
    }


def galaxies(data: Path) -> dict[str, np.ndarray]:
    """Galaxies of the real catalogue without names or positions, rounded, in an order of their own."""
    rng = np.random.default_rng(SEED)
    rows = catalogue(data)
    columns = read_columns(rows)
    usable = is_galaxy(rows) & np.isfinite(columns["redshift"])
    columns = {name: values[usable] for name, values in columns.items()}
    said(f"{usable.sum()} galaxies of {len(rows)} rows; filled", complete(columns, rng).items())
    said("classified", [("morphology", classify(columns, rng))])
    columns = {name: values.round(KEPT[name][2] if name in KEPT else 0) for name, values in columns.items()}
    order = np.lexsort(tuple(columns.values())[::-1])
    return {
        **{name: values[order].astype(KINDS.get(name, "f4")) for name, values in columns.items()},
        **looks(rows),
        **stars(data / "catalogue" / "manga_objects_labelled.csv"),
    }


def said(what: str, counts: Iterable[tuple[str, int]]) -> None:
    print(f"{what}:", ", ".join(f"{name} {count}" for name, count in counts if count))


if __name__ == "__main__":
    np.savez_compressed(HERE / "galaxies.npz", **galaxies(Path(sys.argv[1])))
