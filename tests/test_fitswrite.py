"""Files as the archive has them, judged by other people's programs."""

import gzip
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from cubesift.data.cube import DONOTUSE, NOCOV, Cube
from cubesift.data.fits import read_logcube
from cubesift.data.fitswrite import (
    DRP_VERSIONS,
    Extras,
    Release,
    correlation_table,
    write_drpall,
    write_logcube,
)
from cubesift.data.run import Run
from cubesift.data.wavelength import MANGA_GRID

DR17 = [
    *("PRIMARY", "FLUX", "IVAR", "MASK", "LSFPOST", "LSFPRE", "WAVE"),
    *("SPECRES", "SPECRESD", "PRESPECRES", "PRESPECRESD", "OBSINFO"),
    *(band + what for what in ("IMG", "PSF", "CORREL") for band in "GRIZ"),
]


@pytest.fixture(scope="module")
def cube() -> Cube:
    """A small cube of noise with a hole."""
    rng = np.random.default_rng(4)
    flux = rng.normal(0.1, 0.02, (MANGA_GRID.size, 8, 8)).astype(np.float32)
    bits = np.zeros(flux.shape, np.uint16)
    bits[:, 0] = NOCOV | DONOTUSE
    ivar = np.where(bits > 0, 0, 2500).astype(np.float32)
    return Cube("8485-1901", "1-209232", flux, ivar, bits, ra=232.5, dec=48.7, psf_fwhm=2.56, ebv=0.031)


def extras(release: Release = "DR17") -> Extras:
    return Extras(
        sigma=np.full(MANGA_GRID.size, 70.0),
        fwhm={"g": 2.6, "r": 2.56, "i": 2.55, "z": 2.5},
        keywords={"MNGTARG1": 2080},
        history=("simulated by cubesift 0, seed 1",),
        release=release,
    )


def fitsverify(path: Path) -> str:
    if not shutil.which("fitsverify"):
        pytest.skip("fitsverify is not installed (Debian's package of that name)")
    return subprocess.run(["fitsverify", "-q", path], capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("release", ["DR13", "DR14", "DR15", "DR17"])
def test_fitsverify_has_nothing_to_say(cube: Cube, tmp_path: Path, release: Release) -> None:
    path = tmp_path / "manga-8485-1901-LOGCUBE.fits.gz"
    write_logcube(path, cube, extras(release))
    assert fitsverify(path).startswith("verification OK")


def test_a_logcube_has_the_24_hdus_of_dr17_in_their_order(cube: Cube, tmp_path: Path) -> None:
    path = tmp_path / "c.fits.gz"
    write_logcube(path, cube, extras())
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus] == DR17
        assert hdus[0].header["PLATEIFU"] == "8485-1901"
        assert hdus[0].header["EBVGAL"] == 0.031
        assert "simulated by cubesift" in str(hdus[0].header["HISTORY"])
        assert hdus["MASK"].data.dtype == ">i4"
        np.testing.assert_array_equal(hdus["FLUX"].data, cube.flux)
        np.testing.assert_allclose(hdus["WAVE"].data, MANGA_GRID.wave)
        # 70 km/s after the channel's width of 69.03 km/s is averaged in.
        ratio = hdus["LSFPRE"].data[100, 3, 3] / hdus["LSFPOST"].data[100, 3, 3]
        assert ratio == pytest.approx(np.sqrt(1 - 69.03**2 / 12 / 70**2), rel=1e-3)
        assert hdus["GPSF"].data.sum() < 1
        for name in ("FLUX", "IVAR", "MASK", "LSFPOST"):
            assert hdus[name].verify_datasum() == 1


def test_older_releases_have_other_names_and_fewer_hdus(cube: Cube, tmp_path: Path) -> None:
    renamed = [{"LSFPOST": "DISP", "LSFPRE": "PREDISP"}.get(name, name) for name in DR17]
    later = ("LSFP", "PRESPEC", "GCORR", "RCORR", "ICORR", "ZCORR")
    early = [name for name in DR17 if not name.startswith(later)]
    releases: dict[Release, list[str]] = {"DR15": renamed, "DR14": early, "DR13": early}
    for release, names in releases.items():
        path = tmp_path / f"{release}.fits"
        write_logcube(path, cube, extras(release))
        with fits.open(path) as hdus:
            assert [hdu.name for hdu in hdus] == names
            assert hdus[0].header["VERSDRP3"] == DRP_VERSIONS[release]


def test_every_pair_of_spaxels_that_shares_noise_is_told_once(cube: Cube, tmp_path: Path) -> None:
    path = tmp_path / "c.fits"
    write_logcube(path, cube, extras())
    with fits.open(path) as hdus:
        table = hdus["RCORREL"]
        assert table.columns.names == ["INDXI_C1", "INDXI_C2", "INDXJ_C1", "INDXJ_C2", "RHOIJ"]
        assert table.header["COVSHAPE"] == "(64, 64)"
        assert hdus["WAVE"].data[table.header["BBINDEX"]] == pytest.approx(table.header["BBWAVE"])
        i, j = (
            np.ravel_multi_index((table.data[f"{which}_C2"], table.data[f"{which}_C1"]), (8, 8))
            for which in ("INDXI", "INDXJ")
        )
        rho = table.data["RHOIJ"]
    assert (i <= j).all()
    matrix = np.zeros((64, 64))
    np.add.at(matrix, (i, j), rho)
    matrix = np.triu(matrix) + np.triu(matrix, 1).T
    y, x = np.divmod(np.arange(64), 8)
    apart = np.hypot(y[:, None] - y, x[:, None] - x)
    seen = (y > 0)[:, None] & (y > 0)  # the first row has no data
    np.testing.assert_allclose(matrix, np.where(seen & (apart < 5.4), np.exp(-0.5 * (apart / 1.92) ** 2), 0))


def test_the_correlation_table_is_built_as_the_real_one(shared: Path) -> None:
    with fits.open(shared / "manga" / "manga-7815-3702-SNRG.fits.gz") as hdus:
        real = hdus["CORREL"].data
        shape, names = hdus["CORREL"].header["COVSHAPE"], hdus["CORREL"].columns.names
    ivar = np.zeros((MANGA_GRID.size, 42, 42), np.float32)
    alone = (real["INDXI_C1"] == real["INDXJ_C1"]) & (real["INDXI_C2"] == real["INDXJ_C2"])
    ivar[:, real["INDXI_C2"][alone], real["INDXI_C1"][alone]] = 1
    table = correlation_table(Cube("7815-3702", "1-1", ivar, ivar, ivar > 0), "G", 1200)
    assert table.columns.names == names
    assert table.header["COVSHAPE"] == shape
    assert len(table.data) == pytest.approx(len(real), rel=0.15)
    assert (table.data["RHOIJ"] == 1).sum() == alone.sum()


def test_our_reader_gets_back_what_was_written(cube: Cube, tmp_path: Path) -> None:
    path = tmp_path / "manga-8485-1901-LOGCUBE.fits.gz"
    write_logcube(path, cube, extras())
    read = read_logcube(path)
    for name in ("flux", "ivar", "bits"):
        np.testing.assert_array_equal(getattr(read, name), getattr(cube, name))
    for name in ("plateifu", "mangaid", "ra", "dec", "ebv", "psf_fwhm", "grid", "quality"):
        assert getattr(read, name) == getattr(cube, name)


def test_specutils_finds_the_right_axis_and_unit(cube: Cube, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        specutils = pytest.importorskip("specutils")
        path = tmp_path / "manga-8485-1901-LOGCUBE.fits.gz"
        write_logcube(path, cube, extras())
        spectrum = specutils.Spectrum.read(str(path))  # it must find its MaNGA loader by itself
    axis = spectrum.spectral_axis.to_value("angstrom")
    np.testing.assert_allclose(axis, MANGA_GRID.wave, rtol=1e-9)
    assert spectrum.flux.unit.to_string().replace("spaxel", "pix") == "1e-17 erg / (Angstrom s pix cm2)"
    along = spectrum.spectral_axis_index
    assert spectrum.shape[along] == MANGA_GRID.size
    flux = np.moveaxis(spectrum.flux.value, along, 0)
    np.testing.assert_array_equal(flux[:, 3, 4], cube.flux[:, 3, 4])
    np.testing.assert_array_equal(np.moveaxis(spectrum.mask, along, 0), cube.bits > 0)


def test_the_same_cube_gives_the_same_bytes(cube: Cube, tmp_path: Path) -> None:
    first, second = tmp_path / "a.fits.gz", tmp_path / "other.fits.gz"
    write_logcube(first, cube, extras())
    write_logcube(second, cube, extras())
    assert first.read_bytes() == second.read_bytes()
    with gzip.open(first) as file:
        assert file.read(6) == b"SIMPLE"


def test_the_middle_of_the_cube_is_the_object(cube: Cube, tmp_path: Path) -> None:
    from astropy.wcs import WCS

    path = tmp_path / "c.fits"
    write_logcube(path, cube, extras())
    with fits.open(path) as hdus:
        wcs = WCS(hdus["FLUX"].header).celestial
    ra, dec = wcs.pixel_to_world_values(4, 4)
    assert (float(ra), float(dec)) == pytest.approx((232.5, 48.7))
    east = wcs.pixel_to_world_values(3, 4)[0]
    assert east > ra


def test_drpall_keeps_vectors_and_missing_values(tmp_path: Path) -> None:
    path = tmp_path / "drpall-v3_1_1.fits"
    columns = {
        "plateifu": np.array(["8485-1901", "8485-12701"]),
        "z": np.array([0.04, -9999.0]),
        "mngtarg1": np.array([2080, 0]),
        "nsa_elpetro_absmag": np.full((2, 7), -9999.0),
    }
    write_drpall(path, columns)
    assert fitsverify(path).startswith("verification OK")
    with fits.open(path) as hdus:
        table = hdus["MANGA"].data
        assert list(table["plateifu"]) == ["8485-1901", "8485-12701"]
        assert table["z"][1] == -9999
        assert table["nsa_elpetro_absmag"].shape == (2, 7)
    write_drpall(path, columns, "DR15")
    with fits.open(path) as hdus:
        assert "z" not in hdus["MANGA"].columns.names


def test_the_drpall_of_a_survey_has_the_columns_that_matter(survey: Run) -> None:
    names = """plateifu mangaid plate ifudsgn ifudesignsize objra objdec ifura ifudec drp3qual mngtarg1
    mngtarg2 mngtarg3 versdrp3 exptime nexp ebvgal gfwhm rfwhm ifwhm zfwhm nsa_z z nsa_zdist nsa_elpetro_mass
    nsa_elpetro_absmag nsa_elpetro_th50_r nsa_elpetro_ba nsa_elpetro_phi nsa_sersic_n nsa_sersic_th50"""
    path = survey.cubes / "drpall-v3_1_1.fits"
    assert fitsverify(path).startswith("verification OK")
    with fits.open(path) as hdus:
        table = hdus["MANGA"].data
        assert set(names.split()) <= set(table.names)
        assert set(table["versdrp3"]) == {"v3_1_1"}
        assert table["nsa_elpetro_absmag"].shape == (len(table), 7)
