"""SAMI, MUSE and any other cube come through the door in one convention."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from cubesift.data.cube import NOCOV, Cube
from cubesift.data.dust import transmission
from cubesift.data.headers import flux_scale, spaxel_side, spectral_axis
from cubesift.data.instruments import read_images, read_linear, read_sami
from cubesift.data.wavelength import MANGA_GRID, SPEED_OF_LIGHT, WavelengthGrid, vacuum_from_air
from cubesift.errors import BadFile

HALPHA = 6564.61
AXIS: dict[str, Any] = {
    "CTYPE3": "AWAV",
    "CUNIT3": "Angstrom",
    "CRVAL3": 6000.0,
    "CDELT3": 1.0,
    "CRPIX3": 1.0,
    "BUNIT": "1e-17 erg/s/cm2/Ang/spaxel",
}
PLACE: dict[str, Any] = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.0,
    "CRVAL2": 2.0,
    "CRPIX1": 2.0,
    "CRPIX2": 1.5,
    "CDELT1": -0.4 / 3600,
    "CDELT2": 0.4 / 3600,
    "CUNIT1": "deg",
    "CUNIT2": "deg",
}


def linear_cube(path: Path, noise: str | None = "VARIANCE", power: int = 2, **cards: Any) -> Path:
    """A cube of 900 channels, 2 x 3 spaxels, flux 5 and sigma 0.5; a card of None is left out."""
    rng = np.random.default_rng(7)
    primary = fits.PrimaryHDU((5 + rng.normal(0, 0.5, (900, 2, 3))).astype("f4"))
    primary.header.update({key: value for key, value in (AXIS | PLACE | cards).items() if value is not None})
    hdus = fits.HDUList([primary])
    if noise:
        hdus.append(fits.ImageHDU(np.full((900, 2, 3), 0.5**power, "f4"), name=noise))
    hdus.writeto(path)
    return path


@pytest.fixture(scope="module")
def sami(shared: Path) -> Cube:
    return sami_cube(shared, "41144_A")


def sami_cube(shared: Path, name: str) -> Cube:
    blue, red = (shared / "sami" / f"{name}_sectors_{arm}.fits.gz" for arm in ("blue", "red"))
    return read_sami(blue, red, name)


def summed(cube: Cube) -> np.ndarray:
    """The spectrum of all spaxels, (wave,), nan where none is good."""
    good = cube.ivar > 0
    total = np.where(good, cube.flux, 0).sum(axis=(1, 2)) / np.maximum(good.sum(axis=(1, 2)), 1)
    return np.asarray(np.where(good.any(axis=(1, 2)), total, np.nan))


def test_a_sami_galaxy_keeps_its_names_redshift_and_place(sami: Cube) -> None:
    assert (sami.plateifu, sami.mangaid, sami.instrument) == ("41144_A", "41144", "SAMI")
    assert sami.redshift == pytest.approx(0.02964, abs=1e-6)
    assert (sami.ra, sami.dec) == pytest.approx((184.470375, -0.657222), abs=1e-5)
    assert sami.spaxel == 0.5
    assert sami.psf_fwhm == pytest.approx(2.085, abs=1e-3)
    assert sami.flux.shape == (4563, 50, 50)
    assert sami.flux.dtype == sami.ivar.dtype == np.float32
    assert sami.flux.dtype.isnative
    assert "893 spaxels hold 31 independent spectra" in " ".join(sami.notes)


@pytest.mark.parametrize("name", ["41144_A", "209807_A"])
def test_halpha_of_a_sami_galaxy_comes_home(shared: Path, name: str) -> None:
    cube = sami_cube(shared, name)
    spectrum = summed(cube)
    near = cube.grid.between(6540 * (1 + cube.redshift), 6610 * (1 + cube.redshift))
    brightest = cube.grid.wave[near][np.nanargmax(spectrum[near])]
    assert abs(brightest / (1 + cube.redshift) / HALPHA - 1) * SPEED_OF_LIGHT < 250


def test_the_light_of_a_sami_arm_is_that_of_the_file(shared: Path, sami: Cube) -> None:
    path = shared / "sami" / "41144_A_sectors_red.fits.gz"
    with fits.open(path) as hdus:
        raw, step = hdus[0].data[:, 25, 25], hdus[0].header["CDELT3"]
    inside = sami.grid.between(6400.0, 7300.0)
    channels = np.diff(sami.grid.wave)
    light = (sami.flux[:-1, 25, 25] * channels)[inside].sum()
    edges = vacuum_from_air(6849.702002931 + step * (np.arange(2049) + 0.5 - 1024.0))
    begin, end = np.searchsorted(edges, [sami.grid.wave[inside][0], sami.grid.wave[inside][-1]])
    assert light == pytest.approx(10 * (raw[begin:end] * step).sum(), rel=3e-3)


def test_the_gap_between_the_arms_is_not_covered(sami: Cube) -> None:
    gap = sami.grid.between(5815.0, 6230.0)
    assert not sami.ivar[gap].any()
    assert not sami.flux[gap].any()
    assert (sami.bits[gap] & NOCOV).all()
    for low, high in ((4000.0, 5700.0), (6400.0, 7400.0)):
        assert (sami.ivar[sami.grid.between(low, high), 25, 25] > 0).mean() > 0.99
    assert ((sami.ivar == 0) == (sami.bits > 0)).all()
    assert np.isfinite(sami.flux).all()


def test_spaxels_of_a_sector_repeat_its_mean_spectrum(shared: Path, sami: Cube) -> None:
    _, images = read_images(shared / "sami" / "41144_A_sectors_blue.fits.gz")
    bins = next(image.data for image in images if image.name == "BIN_MASK")
    channel = int(sami.grid.channel(5000.0))
    large = sami.flux[channel][bins == 19]
    assert len(large) == 58
    assert np.ptp(large) == 0
    # A sum would make the bin of 58 spaxels 3 times as bright as its neighbour of 21.
    assert large[0] / sami.flux[channel][bins == 18][0] == pytest.approx(1, abs=0.5)
    # The noise of the whole field: sum over spaxels of all that share a spaxel's noise.
    sizes = np.bincount(bins.ravel())[1:]
    assert 2 * np.pi * sami.noise_sigma**2 == pytest.approx((sizes**2).sum() / sizes.sum())


def test_samis_dust_vector_is_cardellis_law_not_applied(shared: Path, sami: Cube) -> None:
    header, images = read_images(shared / "sami" / "41144_A_sectors_blue.fits.gz")
    dust = next(image for image in images if image.name == "DUST")
    wave = header["CRVAL3"] + header["CDELT3"] * (np.arange(2048) + 1 - header["CRPIX3"])
    np.testing.assert_allclose(dust.data, 1 / transmission(wave, sami.ebv, "ccm89"), rtol=1e-7)
    assert sami.ebv == dust.header["EBVPLNCK"]


def test_arms_of_two_galaxies_are_refused(shared: Path) -> None:
    folder = shared / "sami"
    with pytest.raises(BadFile, match=r"is galaxy 41144 .* is galaxy 230776"):
        read_sami(folder / "41144_A_sectors_blue.fits.gz", folder / "230776_A_sectors_red.fits.gz", "x")


def test_the_muse_cube_is_in_our_unit(shared: Path) -> None:
    path = shared / "muse" / "abell478-32x32.fits.gz"
    cube = read_linear(path, "abell478-32x32")
    with fits.open(path) as hdus:
        raw, variance = hdus["DATA"].data, hdus["STAT"].data
    good = cube.ivar > 0
    part = cube.grid.between(7000.0, 7300.0)  # where channels are wider than MUSE's
    first, last = np.searchsorted(
        vacuum_from_air(4749.890625 + 1.25 * np.arange(3681)), cube.grid.wave[part][[0, -1]]
    )
    assert np.median(cube.flux[part]) == pytest.approx(np.nanmedian(raw[first:last]) * 1e-3, rel=0.02)
    # Averaging lowers the variance, by the ratio of the widths at most.
    lowered = np.median(1 / cube.ivar[part]) / (np.nanmedian(variance[first:last]) * 1e-6)
    assert 0.5 < lowered < 1
    assert not cube.known_redshift
    assert (cube.ra, cube.dec) == pytest.approx((63.3557, 10.4657), abs=1e-3)
    assert (cube.spaxel, cube.ebv, cube.instrument) == (0.2, 0.0, "MUSE")
    assert good[cube.grid.between(4760.0, 9340.0)].mean() > 0.9999
    assert not good[cube.grid.between(3622.0, 4745.0)].any()
    assert "target Abell 478" in cube.notes


@pytest.mark.parametrize(
    ("noise", "power"), [("VARIANCE", 2), ("STAT", 2), ("ERR", 1), ("STDDEV", 1), ("IVAR", -2)]
)
def test_noise_may_be_written_in_three_ways(tmp_path: Path, noise: str, power: int) -> None:
    cube = read_linear(linear_cube(tmp_path / "c.fits", noise, power), "c")
    known = read_linear(linear_cube(tmp_path / "v.fits"), "v")
    np.testing.assert_allclose(cube.ivar, known.ivar, rtol=1e-5)
    assert cube.flux[cube.ivar > 0].mean() == pytest.approx(5, abs=0.05)
    assert (cube.spaxel, cube.ra, cube.dec) == pytest.approx((0.4, 150.0, 2.0))


def test_a_flagged_voxel_is_bad(tmp_path: Path) -> None:
    path = linear_cube(tmp_path / "c.fits")
    flags = np.zeros((900, 2, 3), "u1")
    flags[400:410, 1, 2] = 4
    fits.append(path, flags, fits.Header({"EXTNAME": "DQ"}))
    cube = read_linear(path, "c")
    part = cube.grid.between(*vacuum_from_air(np.array([6401.0, 6408.0])))
    assert not cube.ivar[part, 1, 2].any()
    assert cube.ivar[part, 0, 0].all()


@pytest.mark.parametrize(
    ("cards", "air"),
    [
        ({"CUNIT3": "nm", "CRVAL3": 600.0, "CDELT3": 0.1}, True),
        ({"CUNIT3": "um", "CRVAL3": 0.6, "CDELT3": 1e-4, "CTYPE3": "WAVE"}, False),
        ({"CUNIT3": "m", "CRVAL3": 6e-7, "CDELT3": 1e-10}, True),
        ({"CDELT3": None, "CD3_3": 1.0, "CTYPE3": "WAVE"}, False),
        ({"CTYPE3": None, "CUNIT3": None}, True),
    ],
)
def test_wavelengths_may_be_written_in_many_ways(cards: dict[str, Any], air: bool) -> None:
    header = {key: value for key, value in (AXIS | cards | {"NAXIS3": 4}).items() if value is not None}
    axis = spectral_axis(header, "c")
    np.testing.assert_allclose(axis.edges, 5999.5 + np.arange(5), rtol=1e-12)
    assert axis.air is air
    assert bool(axis.notes) is ("CTYPE3" not in header)


def test_log_axes_are_mangas_lattice() -> None:
    paper3 = {"CTYPE3": "WAVE-LOG", "CRVAL3": 3621.59598486, "CD3_3": 0.833903304339, "NAXIS3": 4563}
    iraf = {"CTYPE3": "WAVE", "CRVAL3": 3.5589, "CD3_3": 1e-4, "NAXIS3": 4563, "DC-FLAG": 1}
    for header, start in ((paper3, 3621.59598486), (iraf, 10**3.5589)):
        edges = spectral_axis(header, "c").edges
        expected = start * 10 ** (1e-4 * (np.arange(4564) - 0.5))
        np.testing.assert_allclose(edges, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("unit", "scale"),
    [
        ("10**(-20)*erg/s/cm**2/Angstrom", 1e-3),
        ("1e-17 erg/s/cm2/Ang/spaxel", 1),
        ("1E-17 erg/s/cm^2/Ang/spaxel", 1),
        ("10**(-16) erg /s /cm**2 /angstrom /pixel", 10),
        ("10^-16 erg/s/cm^2/A", 10),
        ("erg s-1 cm-2 Angstrom-1", 1e17),
        ("1E-16 ergs/s/cm2/AA", 10),
        ("W/m^2/um", 1e16),
    ],
)
def test_units_are_understood(unit: str, scale: float) -> None:
    factor, notes = flux_scale({"BUNIT": unit})
    assert factor == pytest.approx(scale, rel=1e-9)
    assert notes == ()


@pytest.mark.parametrize("unit", ["counts", "", "Jy/beam", "adu", "MJy/sr"])
def test_what_is_no_flux_density_is_kept_and_said(unit: str) -> None:
    factor, notes = flux_scale({"BUNIT": unit})
    assert factor == 1
    assert "kept as they are" in notes[0]


def test_a_spaxel_without_a_size_is_said() -> None:
    assert spaxel_side({"CDELT1": -1.0}) == (0.5, ("no spaxel size in the header: 0.5 arcsec assumed",))
    assert spaxel_side({"CTYPE1": "DEGREE", "CDELT1": 0.5 / 3600})[0] == 0.5


def test_only_the_first_channels_are_made_where_that_is_enough(tmp_path: Path) -> None:
    path = linear_cube(tmp_path / "c.fits")
    whole, cut = read_linear(path, "c"), read_linear(path, "c", MANGA_GRID.cut(2500))
    assert cut.grid == WavelengthGrid(0, 2500)
    np.testing.assert_array_equal(cut.flux, whole.flux[:2500])


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ({"CTYPE3": "FREQ"}, "is no wavelength"),
        ({"CRVAL3": None}, "is no wavelength"),
        ({"CDELT3": -1.0}, "is no wavelength"),
        ({"CUNIT3": "m"}, "Is CUNIT3 right"),
        ({"noise": None}, "needs an HDU named VARIANCE, ERROR or IVAR"),
        ({"noise": "WEIGHT"}, r"found: PRIMARY, WEIGHT"),
    ],
)
def test_a_cube_that_lacks_something_is_told_what(tmp_path: Path, cards: dict[str, Any], words: str) -> None:
    with pytest.raises(BadFile, match=words):
        read_linear(linear_cube(tmp_path / "c.fits", **cards), "c")


def test_a_cut_off_cube_is_refused(tmp_path: Path) -> None:
    path = linear_cube(tmp_path / "c.fits.gz")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(BadFile, match=r"c\.fits\.gz: the file ends within VARIANCE|PRIMARY"):
        read_linear(path, "c")
