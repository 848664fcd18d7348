"""Every kind of oddity is what its name says, and as strong as was asked for, in its own unit."""

from __future__ import annotations

import numpy as np
import pytest

from cubesift.data.wavelength import MANGA_GRID, SPEED_OF_LIGHT
from cubesift.simulate.artefacts import DARK_SKY
from cubesift.simulate.scene import Scene
from cubesift.simulate.spectra import CHANNEL
from tests.scenes import at, grown, ordinary_scene

WAVE = MANGA_GRID.wave
R_BAND = MANGA_GRID.between(5600, 6900)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return ordinary_scene()


def magnitude(kind: str, scene: Scene, strength: float) -> float:
    _, odd, plain = grown(kind, strength)
    total = (odd - plain)[R_BAND].sum(axis=(1, 2)).mean() / 1e17
    return float(-2.5 * np.log10(total * 6231.0**2 / (SPEED_OF_LIGHT * 1e13)) - 48.60)


@pytest.mark.parametrize("kind", ["foreground_star", "unflagged_star", "second_galaxy", "quasar"])
def test_what_stands_before_or_behind_has_its_magnitude(kind: str, scene: Scene) -> None:
    # Some of it falls outside of the bundle.
    assert magnitude(kind, scene, 17.0) == pytest.approx(17.0, abs=0.35)
    assert magnitude(kind, scene, 19.5) - magnitude(kind, scene, 17.0) == pytest.approx(2.5, abs=0.02)


def test_a_broad_line_has_its_equivalent_width_over_the_nucleus(scene: Scene) -> None:
    plant, odd, plain = grown("broad_lines", 200.0)
    added, own = at(odd - plain, plant), at(plain, plant)
    line = MANGA_GRID.between(plant.wavelength - 180, plant.wavelength + 180)
    ends = [
        np.median(added[MANGA_GRID.between(plant.wavelength + a, plant.wavelength + b)])
        for a, b in ((-240, -200), (200, 240))
    ]
    width = np.sum((added[line] - np.mean(ends)) * np.gradient(WAVE)[line]) / np.median(own[line])
    assert width == pytest.approx(200.0, rel=0.2)


def test_a_blazar_is_as_many_times_the_nucleus_as_it_should(scene: Scene) -> None:
    for ratio in (0.3, 3.0):
        plant, odd, plain = grown("power_law", ratio)
        assert at(odd - plain, plant)[R_BAND].mean() == pytest.approx(
            ratio * at(plain, plant)[R_BAND].mean(), rel=0.015
        )


def velocities(scene: Scene, kind: str, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """What is added around [O III] 5008 at the nucleus, and km/s from it in the galaxy's frame."""
    plant, odd, plain = grown(kind, strength)
    speed = SPEED_OF_LIGHT * (WAVE / 5008.24 / (1 + scene.galaxy.redshift) - 1)
    near = np.abs(speed) < 1200
    return at(odd - plain, plant)[near], speed[near]


def test_two_peaks_are_as_far_apart_as_they_should(scene: Scene) -> None:
    for apart in (400.0, 600.0):
        spectrum, speed = velocities(scene, "double_peaked_lines", apart)
        blue, red = (speed[side][np.argmax(spectrum[side])] for side in (speed < 0, speed > 0))
        assert red - blue == pytest.approx(apart, abs=CHANNEL)
        assert np.interp(0, speed, spectrum) < 0.9 * spectrum[speed < 0].max()


def test_an_outflow_comes_towards_us(scene: Scene) -> None:
    for towards in (200.0, 600.0):
        spectrum, speed = velocities(scene, "outflow", towards)
        mean = np.sum(spectrum * speed) / spectrum.sum()
        assert mean == pytest.approx(-towards / 2, rel=0.3)  # half of its light stands still


def test_a_supernova_has_its_absolute_magnitude(scene: Scene) -> None:
    plant, odd, plain = grown("supernova", -19.0)
    z = scene.galaxy.redshift
    total = (odd - plain).sum(axis=(1, 2)) / scene.dust
    observed = total[MANGA_GRID.between(3950 * (1 + z), 4850 * (1 + z))].mean() / 1e17
    at_rest = -2.5 * np.log10(observed * (1 + z) * 4400.0**2 / (SPEED_OF_LIGHT * 1e13)) - 48.60
    megaparsec = SPEED_OF_LIGHT * z / 70 * (1 + 0.775 * z)
    assert at_rest - 5 * np.log10(megaparsec) - 25 == pytest.approx(-19.0, abs=0.03)
    # The trough of Si II 6355 lies near 6150 angstrom: matter comes towards us at some 10,000 km/s.
    spectrum = at(odd - plain, plant)
    window = MANGA_GRID.between(5950 * (1 + z), 6400 * (1 + z))
    trough = WAVE[window][np.argmin(spectrum[window])] / (1 + z)
    assert 9000 < SPEED_OF_LIGHT * (1 - trough / 6357) < 13_000


def balmer(spectrum: np.ndarray, z: float) -> float:
    """Equivalent width of Hdelta in absorption, angstrom (bands of Worthey & Ottaviani 1997, in vacuum)."""
    middle, *sides = (
        MANGA_GRID.between(a * (1 + z), b * (1 + z))
        for a, b in ((4084.6, 4123.4), (4042.7, 4081.5), (4129.7, 4163.4))
    )
    level = np.mean([spectrum[side].mean() for side in sides])
    return float(np.sum((1 - spectrum[middle] / level) * np.gradient(WAVE)[middle]) / (1 + z))


def test_a_post_starburst_patch_has_deep_balmer_lines_and_no_gas(scene: Scene) -> None:
    plant, odd, plain = grown("post_starburst", 1.0)
    z = scene.galaxy.redshift
    assert balmer(at(odd, plant), z) > max(balmer(at(plain, plant), z) + 1.5, 4.5)
    alpha = int(MANGA_GRID.channel(6564.61 * (1 + z)))
    assert at(odd - plain, plant)[alpha] < 0
    assert at(odd, plant)[R_BAND].mean() == pytest.approx(at(plain, plant)[R_BAND].mean(), rel=0.1)
    half = grown("post_starburst", 0.5)[1] - plain
    np.testing.assert_allclose(half, (odd - plain) / 2, atol=2e-4)


def halpha_width(spectrum: np.ndarray, added: np.ndarray, z: float) -> float:
    """Equivalent width at rest, angstrom, of the Halpha in `added` over the continuum of `spectrum`."""
    line = MANGA_GRID.between(6553 * (1 + z), 6576 * (1 + z))
    sides = [MANGA_GRID.between(a * (1 + z), b * (1 + z)) for a, b in ((6480, 6530), (6610, 6660))]
    level, below = (np.mean([np.median(s[side]) for side in sides]) for s in (spectrum, added))
    return float(np.sum((added[line] - below) * np.gradient(WAVE)[line]) / level / (1 + z))


def test_a_starburst_has_the_equivalent_width_it_should(scene: Scene) -> None:
    z = scene.galaxy.redshift
    for width in (500.0, 1500.0):
        plant, odd, plain = grown("starburst_region", width)
        assert halpha_width(at(odd, plant), at(odd - plain, plant), z) == pytest.approx(width, rel=0.03)
        _, odd, _ = grown("starburst_galaxy", width)
        whole = odd.sum(axis=(1, 2))
        assert halpha_width(whole, whole, z) == pytest.approx(width, rel=0.15)


def gas_velocity(cube: np.ndarray, z: float) -> np.ndarray:
    """Centroid of Halpha, km/s, (y, x); nan where there is little of it."""
    line = MANGA_GRID.between(6553 * (1 + z), 6576 * (1 + z))
    light = cube[line] - np.median(cube[MANGA_GRID.between(6600 * (1 + z), 6650 * (1 + z))], axis=0)
    speed = SPEED_OF_LIGHT * (WAVE[line] / 6564.61 / (1 + z) - 1)
    total = light.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0.1 * total.max(), np.tensordot(speed, light, axes=1) / total, np.nan)


def test_counter_rotating_gas_turns_the_other_way(scene: Scene) -> None:
    z = scene.galaxy.redshift
    likeness = []
    for angle in (60.0, 180.0):
        _, odd, plain = grown("misaligned_gas", angle)
        pair = np.array([gas_velocity(cube, z) for cube in (odd, plain)])
        pair = pair[:, np.isfinite(pair).all(axis=0)]
        likeness.append(np.corrcoef(pair)[0, 1])
    assert likeness[1] < -0.8
    assert likeness[1] < likeness[0] - 0.5


@pytest.mark.long
def test_misplaced_spectra_are_ordinary_and_as_much_light_as_before(scene: Scene) -> None:
    for kind, small, large in (("swapped_patches", 1.5, 2.5), ("ring", 3.0, 4.0), ("offset_nucleus", 2, 4)):
        changed = []
        for strength in (small, large):
            plant, odd, plain = grown(kind, float(strength))
            before, after = scene.parts(), plant.altered(scene.parts(), scene.canvas)  # type: ignore[misc]
            light = [
                sum(p.spectra.mean(axis=1) @ p.maps.sum(axis=(1, 2)) for p in sky) for sky in (before, after)
            ]
            assert light[1] == pytest.approx(light[0], rel=0.1 if kind == "ring" else 1e-3), kind
            white, ordinary = odd[R_BAND].mean(axis=0), plain[R_BAND].mean(axis=0)
            changed.append(np.abs(white - ordinary).sum())
            assert white.min() >= 0
            y, x = scene.arcsec(plant.y, plant.x)
            if kind == "offset_nucleus":
                assert np.hypot(y, x) == pytest.approx(strength)
                where = np.unravel_index(np.argmax(white - ordinary), white.shape)
                assert np.hypot(where[0] - plant.y, where[1] - plant.x) < 2.2
            if kind == "ring":
                centre = white[int(np.rint(plant.y)), int(np.rint(plant.x))]
                assert centre < 0.8 * ordinary.max()
        assert changed[1] != pytest.approx(changed[0], rel=0.01)


def test_a_dead_fibre_loses_its_share_of_the_light(scene: Scene) -> None:
    for lost in (0.5, 0.9):
        plant, odd, plain = grown("dead_fibre", lost)
        assert at(odd, plant).sum() / at(plain, plant).sum() == pytest.approx(1 - lost, abs=0.05)


def test_a_cosmic_ray_is_sharper_than_a_line_and_as_wide_as_a_fibre(scene: Scene) -> None:
    plant, odd, plain = grown("cosmic_ray", 30.0)
    spectrum = at(odd - plain, plant)
    assert np.sum(spectrum > 0.2 * spectrum.max()) <= 3
    image = (odd - plain)[int(np.argmax(spectrum))]
    x = np.arange(image.shape[1])
    sigma = np.sqrt(np.sum(image * (x - plant.x) ** 2) / image.sum())
    assert 1.3 < sigma < 1.8  # the seeing's is 2.2


def test_over_subtracted_sky_is_the_same_everywhere_and_has_the_skys_lines(scene: Scene) -> None:
    _, odd, plain = grown("sky_oversubtraction", 0.1)
    change = (odd - plain).reshape(len(odd), -1)[:, scene.reached()]
    np.testing.assert_allclose(change, change[:, :1].repeat(change.shape[1], axis=1), atol=1e-3)
    dark = change[MANGA_GRID.between(5400, 5500), 0]
    assert np.median(dark) == pytest.approx(-0.1 * DARK_SKY, rel=0.1)
    assert change[WAVE > 8300].min() < 3 * np.median(dark)


def test_a_flux_step_leaves_the_blue_arm_alone(scene: Scene) -> None:
    plant, odd, plain = grown("flux_step", 0.4)
    ratio = at(odd, plant) / at(plain, plant)
    assert ratio[WAVE < 5800] == pytest.approx(1, abs=1e-3)
    assert np.abs(ratio[WAVE > 6200] - 1) == pytest.approx(0.4, abs=0.03)


def test_scattered_light_is_smooth(scene: Scene) -> None:
    plant, odd, plain = grown("scattered_light", 0.4)
    change = odd - plain
    assert at(change, plant)[R_BAND].mean() == pytest.approx(0.4 * DARK_SKY, rel=0.1)
    step = np.diff(at(change, plant))
    assert np.abs(step).max() < 1e-3 * at(change, plant).max()


@pytest.mark.parametrize("seed", [1, 2])
def test_wavelengths_are_off_by_so_many_kilometres_a_second(seed: int, scene: Scene) -> None:
    for speed in (15.0, 30.0):
        plant, odd, plain = grown("wavelength_shift", speed, seed)
        before, change = at(plain, plant), at(odd - plain, plant)
        slope = np.gradient(before)
        found = -np.sum(change * slope) / np.sum(slope**2) * CHANNEL
        assert abs(found) == pytest.approx(speed, rel=0.2)
