"""MaNGA's door: what is in a LOGCUBE comes through it, and nothing else does."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from cubesift.data.cube import DONOTUSE, FORESTAR, NOCOV, Cube
from cubesift.data.fits import primary_and_first, read_logcube
from cubesift.data.wavelength import MANGA_GRID, air_from_vacuum
from cubesift.errors import BadFile
from tests.damaged import DAMAGES, PHRASES
from tests.logcubes import LSF_NAMES, logcube, write_logcube

SIDE = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logcubes")


@pytest.fixture(scope="module")
def hdus() -> fits.HDUList:
    return logcube(SIDE)


@pytest.fixture(scope="module")
def good(folder: Path, hdus: fits.HDUList) -> Path:
    return write_logcube(folder / "manga-8485-1901-LOGCUBE.fits.gz", hdus)


def changed(path: Path, **planted: float) -> Cube:
    """Read a cube in which voxel (100, 1, 2) was given other values: flux=..., ivar=..., mask=..."""
    hdus = logcube(SIDE)
    for name, value in planted.items():
        hdus[name].data[100, 1, 2] = value
    return read_logcube(write_logcube(path / "manga-8485-1901-LOGCUBE.fits", hdus))


@pytest.mark.parametrize("ending", [".fits", ".fits.gz"])
@pytest.mark.parametrize("release", LSF_NAMES)
def test_every_release_comes_through_the_door_as_it_was_written(
    tmp_path: Path, release: str, ending: str
) -> None:
    hdus = logcube(SIDE, release)
    cube = read_logcube(write_logcube(tmp_path / f"manga-8485-1901-LOGCUBE{ending}", hdus))
    used = (hdus["MASK"].data & (NOCOV | DONOTUSE)) == 0
    np.testing.assert_array_equal(cube.flux, hdus["FLUX"].data)
    np.testing.assert_array_equal(cube.ivar, np.where(used, hdus["IVAR"].data, 0))
    np.testing.assert_array_equal(cube.bits, hdus["MASK"].data)
    assert [array.dtype.str for array in (cube.flux, cube.ivar, cube.bits)] == ["<f4", "<f4", "<u2"]
    assert cube.grid == MANGA_GRID
    assert cube.notes == ()


def test_the_header_names_the_galaxy_and_its_sky(good: Path) -> None:
    cube = read_logcube(good)
    assert (cube.plateifu, cube.mangaid, cube.instrument) == ("8485-1901", "1-209232", "MaNGA")
    assert (cube.ra, cube.dec) == (232.544703894, 48.6902009334)
    assert (cube.psf_fwhm, cube.ebv, cube.quality) == (2.59937, 0.0144335, 32)
    assert cube.spaxel == pytest.approx(0.5, abs=1e-4)
    assert np.isnan(cube.redshift)
    assert cube.source == str(good)


def test_the_first_channels_are_those_of_the_whole_cube(good: Path) -> None:
    whole, blue = read_logcube(good), read_logcube(good, channels=4096)
    assert blue.shape == (4096, SIDE, SIDE)
    assert blue.grid.wave[-1] == pytest.approx(9298.2, abs=0.1)
    np.testing.assert_array_equal(blue.flux, whole.flux[:4096])
    np.testing.assert_array_equal(blue.bits, whole.bits[:4096])


def test_hdus_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    hdus = logcube(SIDE, "DR17")
    shuffled = fits.HDUList([hdus[0], *hdus[:0:-1]])
    cube = read_logcube(write_logcube(tmp_path / "manga-8485-1901-LOGCUBE.fits", shuffled))
    np.testing.assert_array_equal(cube.flux, hdus["FLUX"].data)


@pytest.mark.parametrize(
    "planted",
    [{"flux": np.nan}, {"flux": -np.inf}, {"ivar": np.nan}, {"ivar": np.inf}, {"ivar": -2.0}],
    ids=str,
)
def test_a_voxel_that_is_no_measurement_has_no_ivar(tmp_path: Path, planted: dict[str, float]) -> None:
    cube, sound = changed(tmp_path, **planted), changed(tmp_path)
    assert cube.ivar[100, 1, 2] == 0 < sound.ivar[100, 1, 2]
    assert cube.flux[100, 1, 2] == (0 if "flux" in planted else sound.flux[100, 1, 2])
    assert np.count_nonzero(cube.ivar != sound.ivar) == 1
    assert cube.notes == ("1 voxels with NaN, infinite or negative values are not used",)


@pytest.mark.parametrize(("bit", "used"), [(NOCOV, False), (DONOTUSE, False), (FORESTAR, True)])
def test_no_coverage_and_donotuse_have_no_ivar_and_a_foreground_star_has(
    tmp_path: Path, bit: int, used: bool
) -> None:
    cube = changed(tmp_path, mask=bit)
    assert (cube.ivar[100, 1, 2] > 0) == used
    assert cube.bits[100, 1, 2] == bit
    assert cube.notes == ()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_in_one_line(damage: str, good: Path, tmp_path: Path) -> None:
    bad = DAMAGES[damage](good, tmp_path)
    with pytest.raises(BadFile, match=PHRASES[damage]) as refused:
        read_logcube(bad)
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith((f"{bad.name}: ", "8485-1901: "))
    assert len(line) < 250


@pytest.mark.parametrize("ending", [".fits", ".fits.gz"])
def test_no_chance_damage_changes_a_number_unseen(good: Path, tmp_path: Path, ending: str) -> None:
    rng = np.random.default_rng(7)
    true, packed = read_logcube(good), good.read_bytes()
    whole = packed if ending == ".fits.gz" else gzip.decompress(packed)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        reach = len(whole) if rng.random() < 0.5 else 20_000  # half of the damages are near the headers
        at, length = int(rng.integers(reach)), int(rng.integers(1, 100))
        kind = rng.choice(["cut off", "a bit", "overwritten", "left out"])
        if kind == "cut off":
            del damaged[at:]
        elif kind == "a bit":
            damaged[at] ^= 1 << int(rng.integers(8))
        else:
            damaged[at : at + length] = rng.bytes(length) if kind == "overwritten" else b""
        path = tmp_path / f"manga-8485-1901-LOGCUBE{ending}"
        path.write_bytes(damaged)
        try:
            cube = read_logcube(path)
        except BadFile:
            refused += 1
        else:
            for name in ("flux", "ivar", "bits"):
                np.testing.assert_array_equal(getattr(cube, name), getattr(true, name), err_msg=kind)
    assert 20 < refused < 60


def test_there_are_twenty_kinds_of_damage() -> None:
    assert len(DAMAGES) >= 20


@pytest.mark.parametrize("damage", ["maps", "web-page", "cut-off-in-header"])
def test_damage_is_seen_when_only_the_headers_are_asked_for(damage: str, good: Path, tmp_path: Path) -> None:
    bad = DAMAGES[damage](good, tmp_path)
    if damage == "maps":
        assert primary_and_first(bad)[0]["DAPFRMT"] == "MAPS"
    else:
        with pytest.raises(BadFile):
            primary_and_first(bad)


def test_the_real_maps_of_a_galaxy_are_refused_by_their_name(shared: Path) -> None:
    with pytest.raises(BadFile, match=r"^7815-3702: a MAPS file of the analysis pipeline"):
        read_logcube(shared / "manga" / "manga-7815-3702-MAPS-HYB10-GAU-MILESHC.fits.gz")


def test_real_files_of_other_kinds_are_refused(shared: Path) -> None:
    others = [
        *shared.glob("sami/*.gz"),
        *shared.glob("muse/*.gz"),
        shared / "manga/MaNGA_test_spectra.fits.gz",
    ]
    assert len(others) == 14
    for path in others:
        with pytest.raises(BadFile):
            read_logcube(path)


def test_a_look_at_the_headers_does_not_inflate_the_cubes(good: Path) -> None:
    names = [header.get("EXTNAME", "PRIMARY") for header in primary_and_first(good)]
    assert names[:2] == ["PRIMARY", "FLUX"]
    assert "RIMG" not in names


def test_wave_overrules_a_header_that_lacks_the_wavelengths(tmp_path: Path) -> None:
    hdus = logcube(SIDE, "DR17")
    del hdus["FLUX"].header["CRVAL3"]
    cube = read_logcube(write_logcube(tmp_path / "manga-8485-1901-LOGCUBE.fits.gz", hdus))
    assert cube.notes == ("wavelengths by WAVE: the header of FLUX does not say MaNGA's",)


def test_wave_is_believed_before_the_header_where_it_costs_nothing(tmp_path: Path) -> None:
    hdus = logcube(SIDE, "DR14")  # where WAVE stands behind MASK
    hdus["WAVE"].data[:] = air_from_vacuum(hdus["WAVE"].data)
    with pytest.raises(BadFile, match="WAVE is in air"):
        read_logcube(write_logcube(tmp_path / "manga-8485-1901-LOGCUBE.fits.gz", hdus))


def test_wavelengths_may_be_written_with_cdelt(tmp_path: Path) -> None:
    hdus = logcube(SIDE, "DR17")
    header = hdus["FLUX"].header
    header["CDELT3"], header["PC3_3"] = header.pop("CD3_3"), 1.0
    header["CDELT1"], header["CDELT2"] = header.pop("CD1_1"), header.pop("CD2_2")
    cube = read_logcube(write_logcube(tmp_path / "manga-8485-1901-LOGCUBE.fits.gz", hdus))
    assert cube.notes == ()
    assert cube.spaxel == pytest.approx(0.5, abs=1e-4)


def test_a_cube_without_a_name_is_called_by_its_file(tmp_path: Path) -> None:
    hdus = logcube(SIDE)
    for header in (hdus[0].header, hdus["FLUX"].header):
        for key in ("PLATEIFU", "MANGAID", "EBVGAL"):
            del header[key]
    cube = read_logcube(write_logcube(tmp_path / "manga-7815-3702-LOGCUBE.fits", hdus))
    assert (cube.plateifu, cube.mangaid, cube.ebv) == ("7815-3702", "7815-3702", 0.0)
    assert cube.notes == ("no EBVGAL in the header: Galactic extinction taken as 0",)


def test_a_file_under_another_galaxys_name_is_noted(good: Path, tmp_path: Path) -> None:
    other = tmp_path / "manga-7815-3702-LOGCUBE.fits.gz"
    other.write_bytes(good.read_bytes())
    cube = read_logcube(other)
    assert cube.plateifu == "8485-1901"
    assert cube.notes == ("the file's name says 7815-3702, its header 8485-1901",)


def test_what_lies_behind_the_mask_is_not_read(good: Path, tmp_path: Path) -> None:
    cut = tmp_path / good.name
    whole = good.read_bytes()
    cut.write_bytes(whole[: int(len(whole) * 0.75)])  # within LSFPRE
    np.testing.assert_array_equal(read_logcube(cut).flux, read_logcube(good).flux)


def test_a_plain_file_cut_off_in_what_is_passed_over_is_refused(tmp_path: Path) -> None:
    hdus = logcube(SIDE, "DR17")
    path = tmp_path / "manga-8485-1901-LOGCUBE.fits"
    write_logcube(
        path, fits.HDUList([hdus[0], hdus["LSFPRE"], *(hdus[name] for name in ("FLUX", "IVAR", "MASK"))])
    )
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(BadFile, match="the file ends within LSFPRE"):
        read_logcube(path)


def test_other_writers_number_types_are_understood(tmp_path: Path) -> None:
    hdus = logcube(SIDE)
    for name, kind in (("FLUX", "f8"), ("IVAR", "f8"), ("MASK", "i2")):
        hdus[name] = fits.ImageHDU(hdus[name].data.astype(kind), hdus[name].header, name)
    hdus["IVAR"].data[100, 1, 2] = 1e300  # more than a float32 can hold
    cube = read_logcube(write_logcube(tmp_path / "manga-8485-1901-LOGCUBE.fits", hdus))
    assert (cube.flux.dtype, cube.bits.dtype) == (np.float32, np.uint16)
    np.testing.assert_array_equal(cube.bits, hdus["MASK"].data)
    assert cube.ivar[100, 1, 2] == 0


def test_reading_cubes_does_not_load_astropy() -> None:
    code = "import sys, cubesift.data.fits; print('astropy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
