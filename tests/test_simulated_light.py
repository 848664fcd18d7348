"""What the simulator claims about light must hold: seeing, shape, lines, motion."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from cubesift.data.wavelength import MANGA_GRID, STEP
from cubesift.simulate.galaxies import RETIRED, SEYFERT
from cubesift.simulate.gas import LINES, glowing, line_ratios
from cubesift.simulate.kinematics import bulge_dispersion, disc_dispersion, stars_speed
from cubesift.simulate.layers import parts_of
from cubesift.simulate.light import BANDS, GAS_STEP, Canvas, Part, Seeing, Sight, unshared
from cubesift.simulate.spectra import CHANNEL, line_spread
from tests.spiral import SIDE, SPIRAL, WAVE, WIDTH, line, radii, seen, velocities

STILL = np.zeros(1)


# Seeing


def test_seeing_conserves_the_light_of_a_source() -> None:
    canvas = Canvas(34)
    part = Part(np.ones((1, MANGA_GRID.size), np.float32), canvas.point(15.3, 17.8))
    flux = Sight([part], canvas, Seeing(2.6)).flux(slice(2000, 2100), np.arange(34 * 34)).reshape(-1, 34, 34)
    np.testing.assert_allclose(flux.sum(axis=(1, 2)), 1, rtol=1e-4)
    y, x = np.indices((34, 34))
    assert np.sum(flux[0] * y) == pytest.approx(15.3, abs=0.01)
    assert np.sum(flux[0] * x) == pytest.approx(17.8, abs=0.01)


def test_a_galaxys_light_is_conserved_through_seeing_and_spaxels() -> None:
    galaxy, canvas = replace(SPIRAL, reff=1.2), Canvas(SIDE)
    parts = parts_of(galaxy, canvas)
    sight = Sight(parts, canvas, Seeing(2.8))
    emitted = sum(np.tensordot(part.maps.sum(axis=(1, 2)), part.spectra, axes=1) for part in parts)
    for piece in (slice(100, 150), slice(2700, 2800), slice(4400, 4500)):
        caught = sight.flux(piece, np.arange(SIDE**2)).sum(axis=1)
        np.testing.assert_allclose(caught, emitted[piece], rtol=2e-3)


def test_a_point_source_is_as_wide_as_the_seeing_says() -> None:
    canvas = Canvas(34)
    part = Part(np.ones((1, MANGA_GRID.size), np.float32), canvas.point(17.0, 17.0))
    seeing = Seeing(2.6)
    sight = Sight([part], canvas, seeing)
    y, _ = np.indices((34, 34))
    for wave in (3700.0, 6231.0, 10000.0):
        image = sight.maps(wave).reshape(34, 34)
        sigma = np.sqrt(np.sum(image * (y - 17) ** 2) / image.sum())
        assert sigma * 0.5 * 2.3548 == pytest.approx(float(seeing.at(wave)), rel=0.01)


def test_seeing_narrows_from_g_to_z_as_in_a_real_header(shared: Path) -> None:
    header = fits.getheader(next((shared / "manga").glob("*MAPS*")))
    seeing = Seeing(header["RFWHM"])
    for band, wave in BANDS.items():
        assert float(seeing.at(wave)) == pytest.approx(header[f"{band.upper()}FWHM"], abs=0.005)


def test_two_bundles_see_the_same_galaxy() -> None:
    galaxy, channel = replace(SPIRAL, misalignment=60.0, bar=0.5), slice(2000, 2050)
    looks = []
    for side, offset in ((34, (0.0, 0.0)), (54, (1.0, -0.5))):
        canvas = Canvas(side, offset)
        sight = Sight(parts_of(galaxy, canvas), canvas, Seeing(2.5))
        looks.append(sight.flux(channel, np.arange(side**2)).sum(axis=0).reshape(side, side))
    # Arcsec from the galaxy: 0.5 (spaxel - side / 2) - offset.
    np.testing.assert_allclose(looks[1][12:46, 9:43], looks[0], rtol=5e-3)


@pytest.mark.parametrize("morphology", ["E", "S0"])
def test_a_galaxy_is_as_flat_as_the_catalogue_says_and_lies_along_its_position_angle(morphology: str) -> None:
    bulge = {"E": 0.9, "S0": 0.4}[morphology]
    galaxy = replace(SPIRAL, morphology=morphology, gas=RETIRED, bulge=bulge, young=0.0, pa=125.0, reff=4.0)
    image = seen(galaxy, gas=False, fwhm=1.0)[2700:2800].mean(axis=0)
    radius, (y, x) = radii(galaxy), np.indices(image.shape) - SIDE / 2
    weight = image * (radius < 2)  # of the right shape, if the image is
    cov = np.cov(np.stack([y.ravel(), -x.ravel()]), aweights=weight.ravel())
    small, large = np.linalg.eigvalsh(cov)
    assert np.sqrt(small / large) == pytest.approx(0.6, abs=0.05)
    north, east = np.linalg.eigh(cov)[1][:, 1]
    assert np.rad2deg(np.arctan2(east, north)) % 180 == pytest.approx(125, abs=3)
    ring = image[(radius > 0.9) & (radius < 1.1)]
    assert ring.std() / ring.mean() < (0.12 if morphology == "E" else 0.25)


# Lines


def test_velocity_bins_keep_light_and_mean_velocity() -> None:
    canvas = Canvas(34)
    rng = np.random.default_rng(1)
    light, velocity = rng.random(canvas.x.shape), rng.uniform(-200, 200, canvas.x.shape)
    bins, maps = canvas.by_velocity(light, velocity, GAS_STEP)
    np.testing.assert_allclose(maps.sum(axis=0), light, rtol=1e-5)
    mean = np.tensordot(bins, maps, axes=1) / light
    np.testing.assert_allclose(mean, velocity, atol=0.01)
    assert np.diff(bins) == pytest.approx(GAS_STEP)
    # What the sharing adds to the dispersion is taken from the bins' own.
    away = (bins[:, None, None] - velocity) ** 2
    added = np.sum(maps * away) / light.sum()
    assert unshared(60.0, GAS_STEP) ** 2 + added == pytest.approx(60.0**2, rel=1e-3)


@pytest.mark.parametrize("wavelength", [4000.0, 5600.0, 6564.61, 9000.0])
def test_a_lines_width_is_gas_and_line_spread_in_quadrature(wavelength: float) -> None:
    spectrum = glowing({str(wavelength): 7.0}, 60.0, STILL, 0.03)[0].astype(float)
    channels = np.arange(len(spectrum))
    centre = np.sum(spectrum * channels) / spectrum.sum()
    assert WAVE[0] * 10 ** (STEP * centre) == pytest.approx(wavelength * 1.03, rel=5e-6)
    width = np.sqrt(np.sum(spectrum * (channels - centre) ** 2) / spectrum.sum()) * CHANNEL
    expected = np.hypot(60.0, line_spread(np.array([wavelength * 1.03]))[0])
    assert width == pytest.approx(expected, rel=0.005)
    assert np.sum(spectrum * WIDTH) == pytest.approx(7.0, rel=1e-3)


def test_doublets_have_the_ratios_of_atomic_physics() -> None:
    for nitrogen, hardness, attenuation in ((-0.5, -0.3, 0.0), (0.0, 0.9, 1.5)):
        ratios = line_ratios(nitrogen, hardness, attenuation)
        assert ratios["OIII4960"] / ratios["OIII5008"] == pytest.approx(0.35, rel=0.02 * (1 + attenuation))
        assert ratios["NII6549"] / ratios["NII6585"] == pytest.approx(0.34, rel=0.01)
        assert ratios["OI6365"] / ratios["OI6302"] == pytest.approx(0.32, rel=0.02)
        assert ratios["SIII9533"] / ratios["SIII9071"] == pytest.approx(2.44, rel=0.06)
        assert set(ratios) == set(LINES)
        assert len(ratios) > 30
    assert line_ratios(-0.5, 0.0, 0.0)["Hbeta"] == pytest.approx(1 / 2.86)
    assert line_ratios(-0.5, 0.0, 1.0)["Hbeta"] < 0.8 / 2.86  # dust takes more of the blue


def test_dense_gas_has_another_sulphur_doublet() -> None:
    thin, dense = (line_ratios(-0.5, 0.0, 0.0, density) for density in (10.0, 1000.0))
    assert thin["SII6718"] / thin["SII6732"] == pytest.approx(1.43, abs=0.03)  # 1.45 at no density
    assert dense["SII6718"] / dense["SII6732"] == pytest.approx(0.82, abs=0.05)
    assert thin["OII3729"] / thin["OII3727"] > 1.4 > 1 > dense["OII3729"] / dense["OII3727"]
    assert thin["SII6718"] + thin["SII6732"] == pytest.approx(dense["SII6718"] + dense["SII6732"])


def test_the_oxygen_doublet_is_one_to_three_in_a_whole_galaxy() -> None:
    gas = seen(replace(SPIRAL, velocity=30.0, misalignment=0.0), gas=True)
    inner = radii(SPIRAL) < 1.5
    fluxes = [line(gas, name, 0.03, 14)[inner].sum() for name in ("OIII4960", "OIII5008")]
    assert fluxes[0] / fluxes[1] == pytest.approx(0.35, rel=0.02)


# Motion


@pytest.mark.parametrize("misalignment", [0.0, 35.0, 90.0, 180.0])
def test_the_rotation_of_the_gas_comes_back_from_its_lines(misalignment: float) -> None:
    galaxy = replace(SPIRAL, ellipticity=0.4, inclination=54.0, misalignment=misalignment, reff=3.0)
    found = velocities(seen(galaxy, gas=True, fwhm=0.8), 0.03)
    y, x = 0.5 * (np.indices(found.shape) - SIDE / 2)
    ring = (np.hypot(y, x) > 5) & (np.hypot(y, x) < 9)
    angle = np.arctan2(-x, y)[ring]  # north through east
    cosine, sine, _ = np.linalg.lstsq(
        np.stack([np.cos(angle), np.sin(angle), np.ones_like(angle)], axis=1), found[ring], rcond=None
    )[0]
    axis = np.rad2deg(np.arctan2(sine, cosine))  # of the receding side: chance says which, but it turns with
    apart = (axis - galaxy.pa - misalignment) % 360
    assert min(apart, 360 - apart) < 6
    if misalignment in (0.0, 180.0):
        major = ring & (np.abs((np.rad2deg(np.arctan2(-x, y)) - galaxy.pa + 90) % 180 - 90) < 6)
        assert np.abs(found[major]).mean() == pytest.approx(200 * np.sin(np.deg2rad(54)), rel=0.05)
    assert abs(found[27, 27]) < 30


def test_stars_turn_slower_than_gas_and_are_hotter_in_the_middle() -> None:
    assert stars_speed(SPIRAL, 20.0) == pytest.approx(198, abs=1)
    assert stars_speed(SPIRAL, 80.0) < 170
    for dispersion in (bulge_dispersion, disc_dispersion):
        curve = [dispersion(SPIRAL, radius) for radius in (0.2, 0.5, 1.0, 2.0)]
        assert (np.diff(curve) < 0).all()
    assert 25 < disc_dispersion(SPIRAL, 2.5) < 40


def test_lines_are_broader_in_the_nucleus_of_a_seyfert() -> None:
    gas = seen(replace(SPIRAL, gas=SEYFERT, dispersion=180.0), gas=True)
    window = MANGA_GRID.between(4985 * 1.03, 5031 * 1.03)
    channels, radius = np.arange(window.start, window.stop), radii(SPIRAL)

    def width(where: np.ndarray) -> float:
        spectra = gas[window][:, where]
        centre = channels @ spectra / spectra.sum(axis=0)
        squares = ((channels[:, None] - centre) ** 2 * spectra).sum(axis=0) / spectra.sum(axis=0)
        return float(np.median(np.sqrt(squares)) * CHANNEL)

    assert width(radius < 0.2) > 1.3 * width((radius > 1.2) & (radius < 1.6))
