"""One door: a folder of whatever a person has becomes cubes, and what cannot be read says why."""

import gzip
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from cubesift.data.catalog import Catalog
from cubesift.data.cube import NO_DUST, Cube
from cubesift.data.door import Source, completed, find_sources
from cubesift.data.store import Provenance
from cubesift.data.tables import read_catalog
from cubesift.errors import BadFile, CubesiftError
from tests.logcubes import logcube, write_logcube
from tests.test_instruments import linear_cube

ROWS = {
    "name": ["41144", "a"],
    "Redshift": [0.03, 0.05],
    "RA": [184.5, 10.0],
    "DEC": [-0.6, 20.0],
    "mass": [9, 10],
}


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def names_in(folder: Path) -> list[str]:
    return [source.name for source in find_sources(folder)]


@pytest.fixture
def cube(tmp_path: Path) -> Cube:
    return Source("a", (linear_cube(tmp_path / "a.fits"),)).read()


def test_an_archives_folders_are_searched_through(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "8485/stack/manga-8485-1901-LOGCUBE.fits.gz",
        "7815/stack/manga-7815-3702-LOGCUBE.fits",
        "7815/stack/manga-7815-3702-LINCUBE.fits.gz",
        "drpall-v3_1_1.fits",
        "my_catalogue.fits",
        "dapall-v3_1_1-3.1.0.fits",
        "41144.csv",
        "manga-1-1-LOGCUBE.fits.gz.part",
        "._manga-8485-1902-LOGCUBE.fits.gz",
    )
    assert names_in(tmp_path) == ["7815-3702", "8485-1901", "manga-7815-3702-LINCUBE"]


def test_the_arms_of_sami_are_one_observation(tmp_path: Path) -> None:
    touch(tmp_path, *(f"ifs/1/41144_{o}_sectors_{arm}.fits.gz" for o in "BA" for arm in ("red", "blue")))
    touch(tmp_path, "2/7_A_cube_blue.fits", "2/7_A_cube_red.fits.gz")
    sources = find_sources(tmp_path)
    assert [source.name for source in sources] == ["41144_A", "41144_B", "7_A"]
    assert [file.name for file in sources[0].files] == [
        "41144_A_sectors_blue.fits.gz",
        "41144_A_sectors_red.fits.gz",
    ]


def test_an_arm_alone_is_refused_by_name(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "41144_A_sectors_red.fits.gz").symlink_to(shared / "sami" / "41144_A_sectors_red.fits.gz")
    (source,) = find_sources(tmp_path)
    assert source.name == "41144_A"
    with pytest.raises(BadFile, match="its blue arm is not beside it"):
        source.read()


def test_links_are_followed_even_in_circles(tmp_path: Path) -> None:
    touch(tmp_path / "disk", "a.fits")
    os.symlink(tmp_path / "disk", tmp_path / "mirror")
    os.symlink(tmp_path, tmp_path / "disk" / "up")
    os.symlink(tmp_path / "gone.fits", tmp_path / "b.fits")
    sources = find_sources(tmp_path)
    assert [source.name for source in sources] == ["a", "b"]
    with pytest.raises(BadFile, match=r"b\.fits: a link to .*gone\.fits, which is not there"):
        sources[1].read()


def test_of_two_files_with_one_name_the_second_is_refused(tmp_path: Path) -> None:
    path = linear_cube(tmp_path / "a.fits")
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    first, second = find_sources(tmp_path)
    assert (first.name, second.name) == ("a", "a~2")
    assert first.read().plateifu == "a"
    with pytest.raises(BadFile, match=r"a\.fits and a\.fits\.gz have one name"):
        second.read()


def test_a_list_of_files_is_as_good_as_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "b.fits", "c/a.fits", "d.fits")
    assert [s.name for s in find_sources([tmp_path / "b.fits", tmp_path / "c" / "a.fits"])] == ["a", "b"]
    assert names_in(tmp_path / "b.fits") == ["b"]
    with pytest.raises(CubesiftError, match="not there"):
        find_sources(tmp_path / "nowhere")


def test_what_each_file_is_shows_in_its_header_not_its_name(tmp_path: Path) -> None:
    write_logcube(tmp_path / "renamed.fits", logcube())
    linear_cube(tmp_path / "mine.fits")
    mine, renamed = (source.read() for source in find_sources(tmp_path))
    assert (renamed.plateifu, renamed.mangaid, renamed.instrument) == ("8485-1901", "1-209232", "MaNGA")
    assert (mine.plateifu, mine.mangaid, mine.instrument) == ("mine", "mine", "unknown")
    assert find_sources(tmp_path)[1].read(channels=100).shape[0] == 100
    assert find_sources(tmp_path)[0].read(channels=2500).shape[0] == 2500


def test_what_is_no_cube_says_so_in_one_line(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "text.fits").write_text("hello")
    (tmp_path / "maps.fits.gz").symlink_to(
        shared / "manga" / "manga-7815-3702-MAPS-HYB10-GAU-MILESHC.fits.gz"
    )
    (tmp_path / "spectra.fits.gz").symlink_to(shared / "manga" / "MaNGA_test_spectra.fits.gz")
    Table({"a": [1.0]}).write(tmp_path / "table.fits")
    linear_cube(tmp_path / "x_blue.fits")
    linear_cube(tmp_path / "x_red.fits")
    said = {}
    for source in find_sources(tmp_path):
        with pytest.raises(BadFile) as refused:
            source.read()
        said[source.name] = str(refused.value)
    assert all("\n" not in line for line in said.values())
    assert "LOGCUBE" in said["maps"]
    assert "no cube" in said["spectra"]
    assert "no cube" in said["table"]
    assert "named like the arms of a SAMI cube" in said["x"]
    assert said["text"].startswith("text.fits: ")


def test_a_changed_file_has_another_id(tmp_path: Path) -> None:
    path = linear_cube(tmp_path / "a.fits")
    (source,) = find_sources(tmp_path)
    before = source.identity()
    assert find_sources(tmp_path)[0].identity() == before
    os.utime(path, (1, 1))
    later = source.identity()
    path.unlink()
    assert len({before, later, source.identity()}) == 3


@pytest.mark.parametrize("kind", ["csv", "ecsv", "fits", "parquet"])
def test_a_table_of_any_kind_becomes_a_catalogue(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"table.{kind}"
    Table(ROWS).write(path)
    catalog = read_catalog(path)
    assert catalog.plateifu.tolist() == catalog.columns["mangaid"].tolist() == ["41144", "a"]
    assert catalog.redshift().tolist() == [0.03, 0.05]
    assert catalog.columns["mass"].tolist() == [9, 10]
    assert catalog.columns["ra"].dtype.isnative
    catalog.save(tmp_path / "catalog.parquet")
    again = read_catalog(tmp_path / "catalog.parquet")
    assert again.plateifu.tolist() == ["41144", "a"]
    assert again.provenance.id == catalog.provenance.id


def test_a_drpall_is_known_as_one(tmp_path: Path) -> None:
    rows = {"plateifu": ["8485-1901"], "mangaid": ["1-209232"], "nsa_z": [0.04], "drp3qual": [0]}
    Table({name.upper(): values for name, values in rows.items()}, meta={"EXTNAME": "MANGA"}).write(
        tmp_path / "any.fits"
    )
    catalog = read_catalog(tmp_path / "any.fits")
    assert catalog.columns["mangaid"].tolist() == ["1-209232"]
    assert catalog.redshift().tolist() == [0.04]


def test_a_magnitude_called_z_is_no_redshift(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("name,redshift,z,nsa_z\na,0.1,17.5,0.3\nb,,17.6,0.3\n")
    np.testing.assert_array_equal(read_catalog(tmp_path / "t.csv").redshift(), [0.1, np.nan])


def test_empty_cells_are_missing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("name,z,class,ra\na,0.1,,\nb,,spiral,\n")
    catalog = read_catalog(tmp_path / "t.csv")
    np.testing.assert_array_equal(catalog.redshift(), [0.1, np.nan])
    assert catalog.columns["ra"].tolist() == [-9999, -9999]
    assert catalog.columns["class"].tolist() == ["", "spiral"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ra,dec\n1,2\n", "no column of names .found: ra, dec"),
        ("name,z\na,0.1\na,0.2\n", "a has 2 rows"),
        ("name,z\na,high\n", "column redshift holds 'high'"),
        ("name,z\na,8500\n", "Is it a velocity"),
    ],
)
def test_a_wrong_table_is_told_what_it_lacks(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(CubesiftError, match=words):
        read_catalog(tmp_path / "t.csv")


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("hello")
    (tmp_path / "t.docx").write_text("hello")
    for name, words in (("t.parquet", "readable"), ("t.docx", "but a catalogue is"), ("u.csv", "not there")):
        with pytest.raises(BadFile, match=words):
            read_catalog(tmp_path / name)


def known(**columns: list[object]) -> Catalog:
    return Catalog({name: np.array(values) for name, values in columns.items()}, Provenance("catalog", "x"))


def test_the_catalogue_gives_what_the_header_lacks(cube: Cube) -> None:
    nowhere = replace(cube, ra=float("nan"))
    rows = known(
        plateifu=["b", "a"], mangaid=["B", "A"], z=[0.1, 0.2], ra=[1.0, 2.0], dec=[3.0, 4.0], ebv=[0.1, 0.3]
    )
    full = completed(nowhere, rows)
    assert (full.redshift, full.ra, full.mangaid, full.ebv) == (0.2, 2.0, "A", 0.3)
    assert full.dec == cube.dec == 2.0  # the header knew it
    assert not completed(cube, known(plateifu=["c"], mangaid=["c"], z=[0.1])).known_redshift


def test_dust_the_catalogue_knows_is_not_called_unknown(cube: Cube) -> None:
    dusty = replace(cube, ebv=0.0, notes=(NO_DUST,))
    assert NO_DUST in completed(dusty, known(plateifu=["a"], mangaid=["a"])).notes
    assert NO_DUST not in completed(dusty, known(plateifu=["a"], mangaid=["a"], ebv=[0.3])).notes


def test_a_row_may_name_the_galaxy_instead_of_the_observation(cube: Cube) -> None:
    observed = replace(cube, plateifu="41144_A", mangaid="41144")
    for rows in (
        known(plateifu=["41144"], mangaid=["41144"], redshift=[0.03]),
        known(plateifu=["other"], mangaid=["41144"], redshift=[0.03]),
        known(plateifu=["41144", "41144_A"], mangaid=["41144", "41144"], redshift=[0.5, 0.03]),
    ):
        assert completed(observed, rows).redshift == 0.03
        assert completed(observed, rows).mangaid == "41144"


def test_a_redshift_of_the_header_stays_and_the_other_is_told(cube: Cube) -> None:
    full = completed(replace(cube, redshift=0.03), known(plateifu=["a"], mangaid=["a"], z=[0.04]))
    assert full.redshift == 0.03
    assert full.notes[-1] == "the catalogue's redshift is 0.0400, the header's 0.0300 is used"
    missing = completed(replace(cube, redshift=0.03), known(plateifu=["a"], mangaid=["a"], z=[-9999.0]))
    assert missing.notes == cube.notes


def test_the_real_folders_are_read_through_the_one_door(shared: Path) -> None:
    sources = find_sources(shared / "sami")
    assert [source.name for source in sources] == [
        "209807_A", "230776_A", "41144_A", "41144_B", "41144_C", "41144_D",
    ]  # fmt: skip
    cube = sources[3].read(known(plateifu=["41144"], mangaid=["41144"], z=[0.02964]))
    assert (cube.plateifu, cube.mangaid, cube.redshift) == ("41144_B", "41144", pytest.approx(0.02964))
    (muse,) = find_sources(shared / "muse")
    cube = muse.read(known(plateifu=["abell478-32x32"], mangaid=["Abell 478"], z=[0.088]))
    assert (cube.redshift, cube.mangaid) == (0.088, "Abell 478")
