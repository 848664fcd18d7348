"""The simulator is the oracle of the other tests: what it claims about light and noise must hold."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cubesift.data.catalog import Catalog
from cubesift.data.cube import DONOTUSE, NOCOV
from cubesift.data.fits import read_logcube
from cubesift.data.run import Run
from cubesift.data.store import read_parquet
from cubesift.data.wavelength import MANGA_GRID, SPEED_OF_LIGHT, STEP
from cubesift.errors import CubesiftError
from cubesift.simulate.cube import Simulated, simulate_galaxy
from cubesift.simulate.galaxies import Galaxy, draw_galaxy
from cubesift.simulate.gas import LINES, glowing, line_ratios
from cubesift.simulate.layers import parts_of
from cubesift.simulate.light import GAS_STEP, Canvas, Part, Seeing, Sight, unshared
from cubesift.simulate.noise import (
    DIAMETER,
    SIDES,
    distance_inside,
)
from cubesift.simulate.settings import Simulation
from cubesift.simulate.spectra import CHANNEL, REST, line_spread, moving, population
from cubesift.simulate.survey import cube_path, simulate_survey

WAVE = MANGA_GRID.wave
SMALL = Simulation(galaxies=3, seed=1, ifus=(19,), oddities=0.0)
STILL = np.zeros(1)


@pytest.fixture(scope="module")
def plain() -> Simulated:
    """One small galaxy without oddities, with its noise-free flux."""
    return simulate_galaxy(SMALL, 0)


# Light


def test_seeing_conserves_the_light_of_a_source() -> None:
    canvas = Canvas(34)
    part = Part(np.ones((1, MANGA_GRID.size), np.float32), canvas.point(15.3, 17.8))
    flux = Sight([part], canvas, Seeing(2.6)).flux(slice(2000, 2100), np.arange(34 * 34)).reshape(-1, 34, 34)
    np.testing.assert_allclose(flux.sum(axis=(1, 2)), 1, rtol=1e-4)
    y, x = np.indices((34, 34))
    assert np.sum(flux[0] * y) == pytest.approx(15.3, abs=0.01)
    assert np.sum(flux[0] * x) == pytest.approx(17.8, abs=0.01)


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


def test_velocity_bins_keep_light_and_mean_velocity() -> None:
    canvas = Canvas(34)
    rng = np.random.default_rng(1)
    light, velocity = rng.random(canvas.x.shape), rng.uniform(-200, 200, canvas.x.shape)
    velocities, maps = canvas.by_velocity(light, velocity, GAS_STEP)
    np.testing.assert_allclose(maps.sum(axis=0), light, rtol=1e-5)
    mean = np.tensordot(velocities, maps, axes=1) / light
    np.testing.assert_allclose(mean, velocity, atol=0.01)
    assert np.diff(velocities) == pytest.approx(GAS_STEP)
    # What the sharing adds to the dispersion is taken from the bins' own.
    away = (velocities[:, None, None] - velocity) ** 2
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
    assert np.sum(spectrum * WAVE * np.log(10) * STEP) == pytest.approx(7.0, rel=1e-3)


def test_doublets_have_the_ratios_of_atomic_physics() -> None:
    for nitrogen, hardness, attenuation in ((-0.5, -0.3, 0.0), (0.0, 0.9, 1.5)):
        ratios = line_ratios(nitrogen, hardness, attenuation)
        assert ratios["OIII4960"] / ratios["OIII5008"] == pytest.approx(0.35, rel=0.02 * (1 + attenuation))
        assert ratios["NII6549"] / ratios["NII6585"] == pytest.approx(0.34, rel=0.01)
        assert ratios["OI6365"] / ratios["OI6302"] == pytest.approx(0.32, rel=0.02)
        assert set(ratios) == set(LINES)
    assert line_ratios(-0.5, 0.0, 0.0)["Hbeta"] == pytest.approx(1 / 2.86)
    assert line_ratios(-0.5, 0.0, 1.0)["Hbeta"] < 0.8 / 2.86  # dust takes more of the blue


def test_a_redshifted_moving_star_is_where_doppler_puts_it() -> None:
    line = np.ones(REST.size)
    at = REST.channel(6000.0)
    line -= 0.8 * np.exp(-0.5 * ((np.arange(REST.size) - at) / 1.5) ** 2)
    for velocity in (-150.0, 0.0, 222.0):
        seen = moving(line, 100.0, np.array([velocity]), 0.04)[0].astype(float) * 1.04
        depth = 1 - seen
        depth[: int(MANGA_GRID.channel(6200.0))] = 0
        depth[int(MANGA_GRID.channel(6280.0)) :] = 0
        channels = np.arange(len(depth))
        centre = np.sum(depth * channels) / depth.sum()
        expected = 6000.0 * 1.04 * (1 + velocity / SPEED_OF_LIGHT)
        assert centre == pytest.approx(float(MANGA_GRID.channel(expected)), abs=0.02)
        width = np.sqrt(np.sum(depth * (channels - centre) ** 2) / depth.sum())
        # The templates lack nothing here but a few km/s.
        assert width * CHANNEL == pytest.approx(np.hypot(1.5 * CHANNEL, 100), rel=0.03)


def test_old_populations_are_redder_than_young_ones_and_reach_3020_angstrom() -> None:
    colours = []
    for age in (0.003, 0.1, 1.0, 5.0, 13.0):
        spectrum = population(age, 0.0)
        assert REST.wave[0] < 3020
        assert np.isfinite(spectrum).all()
        assert spectrum.min() > 0
        join = spectrum[REST.between(3560, 3620)].mean() / spectrum[REST.between(3623, 3680)].mean()
        assert 0.7 < join < 1.2
        colours.append(spectrum[REST.between(4000, 5400)].mean())
    assert (np.diff(colours) < 0).all()


def test_a_disc_turns_and_its_centre_stands_still() -> None:
    rng = np.random.default_rng(3)
    galaxy = draw_galaxy(rng, (19,), 0.05)
    galaxy = Galaxy(
        **{
            **vars(galaxy),
            "gas": 1,
            "velocity": 200.0,
            "ellipticity": 0.5,
            "pa": 0.0,
            "reff": 2.0,
            "redshift": 0.03,
        }
    )
    canvas = Canvas(34)
    gas = [part for part in parts_of(galaxy, canvas) if part.spectra.min() >= 0][-2:]
    sight = Sight(gas, canvas, Seeing(0.6))
    window = MANGA_GRID.between(4990 * 1.03, 5026 * 1.03)
    flux = (sight.spectra[:, window].T @ sight.maps(5150.0)).reshape(-1, 34, 34)
    channels = np.arange(window.start, window.stop)
    centre = np.tensordot(channels, flux, axes=1) / flux.sum(axis=0)
    velocity = (centre - MANGA_GRID.channel(5008.24 * 1.03)) * CHANNEL
    # The clumps pull the centre a little to one side.
    assert abs(velocity[17, 17]) < 25
    # Position angle 0: the receding side is north, which is up; the minor axis shows no rotation.
    inclined = 200 * np.sqrt(1 - (0.25 - 0.04) / 0.96)
    assert velocity[25, 17] == pytest.approx(inclined, rel=0.05)
    assert velocity[9, 17] == pytest.approx(-inclined, rel=0.05)
    assert abs(velocity[17, 22]) < 25


def test_discs_are_blue_around_red_bulges() -> None:
    redder = []
    for seed in range(12):
        galaxy = draw_galaxy(np.random.default_rng(seed), (), 0.1)
        if galaxy.gas != 1 or galaxy.bulge < 0.1:
            continue
        canvas = Canvas(52)
        sight = Sight(parts_of(galaxy, canvas), canvas, Seeing(2.5))
        spectra, maps = sight.spectra, sight.maps(6231.0).reshape(-1, 52, 52)
        centre, edge = spectra.T @ maps[:, 26, 26], spectra.T @ maps[:, 26 + 16, 26]
        green, infra = MANGA_GRID.between(4000, 5400), MANGA_GRID.between(6900, 8200)
        colours = [light[green].mean() / light[infra].mean() for light in (centre, edge)]
        redder.append(colours[0] < colours[1])
    assert len(redder) > 2
    assert all(redder)


# Geometry and bits


def test_every_bundle_is_a_hexagon_inside_its_cube() -> None:
    for ifusize, sides in SIDES.items():
        for side in sides:
            inside = distance_inside(ifusize, side)
            assert inside[0, 0] < -1.6
            assert inside[side // 2, side // 2] > 10
            assert inside[:, 0].max() < -0.5
            area = (inside > 0).sum()
            assert area == pytest.approx(1.5 * np.sqrt(3) * DIAMETER[ifusize] ** 2, rel=0.03)


def test_nothing_is_measured_outside_the_hexagon(plain: Simulated) -> None:
    cube = plain.cube
    corner = cube.bits[:, 0, 0]
    assert (corner & NOCOV).all()
    assert (corner & DONOTUSE).all()
    assert not cube.ivar[:, 0, 0].any()
    assert not cube.flux[:, 0, 0].any()
    assert (cube.ivar[(cube.bits & DONOTUSE) > 0] == 0).all()
    assert cube.ivar[2000, 17, 17] > 0


# The survey


def test_a_survey_is_written_once_and_the_same_whatever_the_workers(tmp_path: Path) -> None:
    settings = Simulation(galaxies=3, seed=3, ifus=(19,), repeats=1, oddities={"power_law": 1})
    alone, together = Run(tmp_path / "alone"), Run(tmp_path / "together")
    ended: list[tuple[int, int, str]] = []
    catalog = simulate_survey(alone, settings, progress=lambda *step: ended.append(step))
    assert [step[:2] for step in ended] == [(1, 3), (2, 3), (3, 3)]
    with ThreadPoolExecutor(2) as executor:
        simulate_survey(together, settings, executor)
    names = list(catalog.plateifu)
    assert len(set(names)) == 3
    assert len(set(catalog.columns["mangaid"])) == 2  # one is a repeat
    files = [cube_path(alone, name) for name in names] + [alone.cubes / "drpall-v3_1_1.fits", alone.truth]
    for file in files:
        other = together.path / file.relative_to(alone.path)
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (file, other)]
        assert digests[0] == digests[1], file.name

    truth, _ = read_parquet(alone.truth)
    assert "power_law" in truth["kind"]
    assert Catalog.load(alone.catalog).redshift() == pytest.approx(catalog.redshift())

    # Through the file or from memory: the same cube.
    read, kept = read_logcube(files[0]), simulate_galaxy(settings, 0).cube
    for part in ("flux", "ivar", "bits"):
        np.testing.assert_array_equal(getattr(read, part), getattr(kept, part))
    assert (read.ebv, read.psf_fwhm, read.ra, read.dec) == (kept.ebv, kept.psf_fwhm, kept.ra, kept.dec)

    # What is finished is kept; what is gone is made again, the same.
    times = [file.stat().st_mtime_ns for file in files[:3]]
    bytes_before = files[1].read_bytes()
    files[1].unlink()
    simulate_survey(alone, settings)
    assert [file.stat().st_mtime_ns == time for file, time in zip(files[:3], times, strict=True)] == [
        True,
        False,
        True,
    ]
    assert files[1].read_bytes() == bytes_before
    with pytest.raises(CubesiftError, match="other settings"):
        simulate_survey(alone, Simulation(galaxies=3, seed=4, ifus=(19,)))
