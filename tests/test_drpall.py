"""The catalogue of MaNGA: all its columns are read, and a survey is chosen by a few of them."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from pydantic import TypeAdapter, ValidationError

from cubesift.data.catalog import MISSING, Catalog
from cubesift.data.drpall import Selection, read_drpall, select
from cubesift.data.store import Provenance
from cubesift.errors import CubesiftError

# Of mangaDRPall (DR17); "7E" is a vector over the bands FNugriz.
COLUMNS = {
    "PLATE": "J",
    "ifudsgn": "5A",
    "plateifu": "11A",
    "mangaid": "12A",
    "versdrp3": "7A",
    "srvymode": "15A",
    "objra": "D",
    "objdec": "D",
    "ebvgal": "E",
    "nexp": "J",
    "exptime": "E",
    "drp3qual": "J",
    "bluesn2": "E",
    "redsn2": "E",
    "mjdred": "J",
    "mngtarg1": "K",
    "mngtarg2": "K",
    "mngtarg3": "K",
    "z": "D",
    "nsa_z": "E",
    "nsa_elpetro_absmag": "7E",
    "nsa_elpetro_flux": "7D",
    "nsa_sersic_n": "E",
}
GALAXY, SECONDARY, CRITICAL = 1 << 10, 1 << 11, 1 << 30


def row(plateifu: str = "8485-1901", mangaid: str = "1-1", **given: object) -> dict[str, object]:
    plate, design = plateifu.split("-")
    return {
        "PLATE": int(plate),
        "ifudsgn": design,
        "plateifu": plateifu,
        "mangaid": mangaid,
        "exptime": 8100.0,
        "mngtarg1": GALAXY,
        "z": 0.03,
        **given,
    }


def write_drpall(path: Path, rows: list[dict[str, object]], name: str = "MANGA", padding: int = 100) -> Path:
    """A drpall with `padding` columns more than those we know."""
    formats = {**COLUMNS, **{f"NSA_EXTRA_{i}": "E" for i in range(padding)}}
    columns = []
    for column, code in formats.items():
        values = [each.get(column, "" if code.endswith("A") else MISSING) for each in rows]
        if code in ("7E", "7D"):
            values = [np.full(7, value) + np.arange(7) for value in values]
        columns.append(fits.Column(name=column, format=code, array=np.array(values)))
    other = fits.BinTableHDU.from_columns(
        [fits.Column(name="mangaid", format="5A", array=["3-1"])], name="MASTAR"
    )
    table = fits.BinTableHDU.from_columns(columns, name=name)
    hdus = fits.HDUList([fits.PrimaryHDU(), *([other, table] if name == "MANGA" else [table, other])])
    hdus.writeto(path, overwrite=True)
    return path


def catalog(*rows: dict[str, object]) -> Catalog:
    columns = {name.lower(): np.array([each.get(name, MISSING) for each in rows]) for name in COLUMNS}
    return Catalog(columns, Provenance("fetch", "test"))


def kept(chosen: Catalog) -> list[str]:
    return [str(name) for name in chosen.plateifu]


@pytest.mark.parametrize("name", ["MANGA", "SOMETHING"])
def test_a_drpall_of_a_hundred_columns_is_read_whole(tmp_path: Path, name: str) -> None:
    rows = [row(), row("7443-12701 ", "1-22 ", z=MISSING, nsa_z=0.1)]
    read = read_drpall(write_drpall(tmp_path / "drpall-v3_1_1.fits", rows, name))
    assert len(read.columns) == len(COLUMNS) + 100
    assert all(column == column.lower() for column in read.columns)
    assert all(values.dtype.isnative and len(values) == 2 for values in read.columns.values())
    assert kept(read) == ["8485-1901", "7443-12701"]
    assert read.columns["mangaid"].tolist() == ["1-1", "1-22"]
    assert read.columns["nsa_elpetro_absmag"].shape == (2, 7)
    assert read.columns["nsa_elpetro_absmag"][0, 1] == MISSING + 1
    assert read.redshift() == pytest.approx([0.03, 0.1])
    assert read.provenance.verb == "fetch"


def test_a_packed_drpall_is_the_same(tmp_path: Path) -> None:
    plain = write_drpall(tmp_path / "drpall-v2_4_3.fits", [row()])
    packed = tmp_path / "drpall-v2_4_3.fits.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    one, other = read_drpall(plain).columns, read_drpall(packed).columns
    assert one.keys() == other.keys()
    assert all((one[name] == other[name]).all() for name in one)


def test_the_catalogue_survives_the_disk_with_its_vectors(tmp_path: Path) -> None:
    read = read_drpall(write_drpall(tmp_path / "drpall-v3_1_1.fits", [row(), row("8485-1902", "1-2")]))
    read.save(tmp_path / "catalog.parquet")
    again = Catalog.load(tmp_path / "catalog.parquet")
    assert again.columns.keys() == read.columns.keys()
    for name, values in read.columns.items():
        np.testing.assert_array_equal(again.columns[name], values)


def test_names_are_made_of_plate_and_design_where_there_is_no_plateifu(tmp_path: Path) -> None:
    columns = [
        fits.Column(name="plate", format="J", array=[8485]),
        fits.Column(name="ifudsgn", format="6A", array=["1901"]),
        fits.Column(name="covariance", format="4E", dim="(2,2)", array=np.ones((1, 2, 2))),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "drpall.fits")
    read = read_drpall(tmp_path / "drpall.fits")
    assert kept(read) == ["8485-1901"]
    assert read.columns["covariance"].shape == (1, 4)


def test_what_is_no_drpall_is_refused_in_one_line(tmp_path: Path) -> None:
    empty, image, stars, cut, page = (
        tmp_path / f"{name}.fits" for name in ("empty", "image", "stars", "cut", "page")
    )
    empty.touch()
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(image)
    fits.BinTableHDU.from_columns([fits.Column(name="name", format="3A", array=["x"])]).writeto(stars)
    whole = write_drpall(tmp_path / "drpall.fits", [row()] * 100)
    cut.write_bytes(whole.read_bytes()[:60_000])
    page.write_text("<!DOCTYPE html>")
    for path, phrase in {
        tmp_path / "none.fits": "not there",
        tmp_path: "not a whole FITS file",
        empty: "not a whole FITS file",
        page: "not a whole FITS file",
        cut: "not a whole FITS file",
        image: "no table",
        stars: r"no column plateifu \(found: name\)",
    }.items():
        with pytest.raises(CubesiftError, match=phrase) as refused:
            read_drpall(path)
        assert "\n" not in str(refused.value)


def test_each_rule_says_how_many_it_removed_of_those_that_were_left() -> None:
    rows = [
        row("8485-1901", "1-1"),
        row("8485-701", "2-1", mngtarg1=0, mngtarg2=1 << 14, drp3qual=CRITICAL),  # a standard star
        row("8485-1902", "1-2", drp3qual=CRITICAL | 2),
        row("8485-702", "1-3"),
        row("7443-1901", "1-4"),
        row("8485-3701", "1-5", z=0.2),
        row("8485-3702", "1-1", exptime=2700.0),
    ]
    chosen, removed = select(catalog(*rows), Selection(redshift=(0.0, 0.15)))
    assert list(removed.items()) == [
        ("no galaxy target", 1),
        ("bad quality", 1),
        ("bundle too small", 1),
        ("commissioning plate", 1),
        ("redshift out of range", 1),
        ("repeat of a galaxy", 1),
    ]
    assert kept(chosen) == ["8485-1901"]


@pytest.mark.parametrize(
    ("bits", "galaxy"),
    [
        ({"mngtarg1": 1 << 10}, True),
        ({"mngtarg1": SECONDARY | 16}, True),
        ({"mngtarg1": 1 << 13}, True),
        ({"mngtarg1": 1 << 4}, False),
        ({"mngtarg1": 0, "mngtarg3": 1 << 21}, True),
        ({"mngtarg1": 0, "mngtarg3": MISSING}, False),
        ({"mngtarg1": MISSING, "mngtarg3": 0}, False),
        ({"mngtarg1": np.nan, "mngtarg3": 0}, False),
    ],
    ids=str,
)
def test_a_galaxy_is_told_by_its_target_bits(bits: dict[str, float], galaxy: bool) -> None:
    chosen, _ = select(catalog(row(**bits)), Selection())
    assert len(chosen) == galaxy


def test_missing_quality_is_not_bad_quality() -> None:
    assert len(select(catalog(row(drp3qual=MISSING)), Selection())[0]) == 1
    assert len(select(catalog(row(drp3qual=1 << 14)), Selection())[0]) == 1
    assert len(select(catalog(row(drp3qual=1 << 14)), Selection(bad_quality_bits=(14, 30)))[0]) == 0


def test_of_a_galaxys_observations_the_deepest_good_one_stays() -> None:
    shallow = row("7815-1901", bluesn2=10.0, redsn2=20.0, exptime=9000.0)
    deep = row("8485-1902", bluesn2=20.0, redsn2=50.0)
    deepest_but_bad = row("9000-1901", bluesn2=90.0, redsn2=90.0, drp3qual=CRITICAL)
    other = row("8485-6101", "1-2")
    everything = catalog(shallow, deep, deepest_but_bad, other)
    assert kept(select(everything, Selection())[0]) == ["8485-1902", "8485-6101"]
    assert len(select(everything, Selection(repeats="all"))[0]) == 3


def test_equal_repeats_are_told_apart_in_the_same_way_whatever_their_order() -> None:
    one, other = row("7815-1901"), row("8485-1902")
    assert kept(select(catalog(one, other), Selection())[0]) == ["7815-1901"]
    assert kept(select(catalog(other, one), Selection())[0]) == ["7815-1901"]


def test_galaxies_without_a_name_are_no_repeats_of_each_other() -> None:
    assert len(select(catalog(row("8485-1901", ""), row("8485-1902", "")), Selection())[0]) == 2


def test_a_rule_without_its_column_removes_nothing_and_says_so() -> None:
    few = Catalog({"plateifu": np.array(["8485-1901", "abell478"])}, Provenance("catalog", "test"))
    chosen, removed = select(few, Selection(redshift=(0.0, 0.1)))
    assert kept(chosen) == ["8485-1901", "abell478"]
    assert removed == {
        "no galaxy target (no column mngtarg1)": 0,
        "bad quality (no column drp3qual)": 0,
        "bundle too small": 0,
        "commissioning plate": 0,
        "redshift out of range (no column z)": 0,
        "repeat of a galaxy (no column mangaid)": 0,
    }


def test_nothing_is_selected_from_nothing() -> None:
    none = catalog(row()).where(np.array([], dtype=int))
    assert len(select(none, Selection(redshift=(0.0, 0.1)))[0]) == 0


def test_a_selection_is_filled_from_toml_and_a_misspelt_rule_is_refused() -> None:
    adapter = TypeAdapter(Selection)
    assert adapter.validate_python({"commissioning_plates": [7443, 7495]}).commissioning_plates == (
        7443,
        7495,
    )
    with pytest.raises(ValidationError):
        adapter.validate_python({"comissioning_plates": [7443]})


def test_the_real_survey_loses_its_commissioning_plate_and_its_repeats(shared: Path) -> None:
    with (shared / "catalogue" / "manga_truth_table.csv").open() as table:
        rows = [line for line in csv.DictReader(table) if line["mngtarg1"]]
    real = Catalog(
        {
            "plateifu": np.array([line["plateifu"] for line in rows]),
            "mangaid": np.array([line["mangaid_any"] for line in rows]),
            "mngtarg1": np.array([float(line["mngtarg1"]) for line in rows]),
            "mngtarg3": np.array([float(line["mngtarg3"] or "nan") for line in rows]),
            "nsa_z": np.array([float(line["nsa_z"] or "nan") for line in rows]),
        },
        Provenance("fetch", "test"),
    )
    chosen, removed = select(real, Selection())
    assert len(real) - len(chosen) == sum(removed.values())
    assert len(set(chosen.columns["mangaid"])) == len(chosen)
    assert not any(name.startswith("7443-") for name in kept(chosen))
    assert removed["bundle too small"] == 0
    assert 0.9 * len(real) < len(chosen) < len(real)
