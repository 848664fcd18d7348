"""Every planted thing is where, what and as strong as the truth says it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from cubesift.data.cube import DEADFIBER, DONOTUSE, FORESTAR
from cubesift.data.wavelength import MANGA_GRID, SPEED_OF_LIGHT
from cubesift.errors import CubesiftError
from cubesift.simulate import own
from cubesift.simulate.artefacts import DARK_SKY
from cubesift.simulate.cube import Simulated, observe
from cubesift.simulate.galaxies import STAR_FORMING
from cubesift.simulate.matched import matched_signal_to_noise
from cubesift.simulate.noise import correlation, shared_noise
from cubesift.simulate.observation import draw_observation
from cubesift.simulate.planting import LASTING, PASSING, PLANTS, kinds_in, plants_in
from cubesift.simulate.plants import Plant, recorded
from cubesift.simulate.rates import RATES, STRENGTHS
from cubesift.simulate.scene import Scene, scene_of
from cubesift.simulate.settings import Simulation
from cubesift.simulate.spectra import CHANNEL
from tests.survey import refusal

WAVE = MANGA_GRID.wave
SMALL = Simulation(galaxies=40, seed=7, ifus=(19,), repeats=0, oddities={}, error_factor=1.2)
R_BAND = MANGA_GRID.between(5600, 6900)


@pytest.fixture(scope="module")
def index() -> int:
    """An ordinary galaxy with gas: no stars in front, nothing turned."""
    for number in range(SMALL.galaxies):
        galaxy = draw_observation(SMALL, number).galaxy
        if galaxy.gas == STAR_FORMING and not galaxy.stars and abs(galaxy.misalignment) < 20:
            return number
    raise AssertionError("forty galaxies, and none forms stars")


@pytest.fixture(scope="module")
def scene(index: int) -> Scene:
    return scene_of(SMALL, index)


@pytest.fixture(scope="module")
def plain(index: int) -> Simulated:
    return observe(SMALL, index)


def hosting(kind: str) -> Simulation:
    """The survey in which every galaxy holds one oddity of a kind."""
    return replace(SMALL, oddities={kind: SMALL.galaxies})


def noise_free(scene: Scene, plants: list[Plant]) -> np.ndarray:
    """(wave, y, x)"""
    reached = scene.reached()
    cube = np.zeros((MANGA_GRID.size, scene.inside.size), np.float32)
    cube[:, reached] = recorded(scene, plants, reached)
    return cube.reshape(-1, *scene.inside.shape)


ORDINARY: dict[str, np.ndarray] = {}  # noise-free flux of scenes without plants, by plateifu


def grown(scene: Scene, kind: str, strength: float, seed: int = 3) -> tuple[Plant, np.ndarray, np.ndarray]:
    """A plant of a strength, and the noise-free flux with it and without, (wave, y, x)."""
    plant = PLANTS[kind](replace(scene, strengths=(strength, strength)), np.random.default_rng(seed))
    assert plant.strength == pytest.approx(strength)
    if scene.seen.plateifu not in ORDINARY:
        ORDINARY[scene.seen.plateifu] = noise_free(scene, [])
    plain = ORDINARY[scene.seen.plateifu]
    return plant, noise_free(scene, [plant]), plain


def at(cube: np.ndarray, plant: Plant) -> np.ndarray:
    """The spectrum in the plant's spaxel."""
    return np.asarray(cube[:, int(np.rint(plant.y)), int(np.rint(plant.x))])


# What truth says


@pytest.mark.parametrize("kind", PLANTS)
def test_an_oddity_is_in_the_cube_where_and_as_strong_as_truth_says(
    kind: str, index: int, scene: Scene, plain: Simulated
) -> None:
    odd = observe(hosting(kind), index)
    told = [entry for entry in odd.truth if entry["kind"] == kind]
    assert len(told) == len(odd.truth) - len(plain.truth) == 1
    entry = told[0]
    low, high = STRENGTHS[kind]
    assert low <= entry["strength"] <= high
    y, x = int(np.rint(entry["y"])), int(np.rint(entry["x"]))
    assert scene.inside[y, x] > 0
    change = odd.clean - plain.clean
    if kind == "wrong_redshift":
        assert not change.any()
        true = odd.observation.galaxy.redshift
        assert entry["amplitude"] == pytest.approx(odd.cube.redshift - true)
        assert abs(entry["amplitude"]) == pytest.approx(entry["strength"])
        assert np.isnan(entry["snr"])
        return
    assert odd.cube.redshift == plain.cube.redshift
    assert entry["amplitude"] == pytest.approx(change.flat[np.argmax(np.abs(change))], rel=1e-3)
    touched = np.abs(change).max(axis=0)
    assert touched[y - 2 : y + 3, x - 2 : x + 3].max() > 0.1 * touched.max()
    # Signal-to-noise, from nothing but the two cubes and the errors, which truth knows to be wrong.
    (plant,) = plants_in(hosting(kind), scene)
    box = scene.box(plant.y, plant.x, plant.spread)
    with np.errstate(divide="ignore"):
        variance = odd.observation.error_factor**2 / odd.cube.ivar
    assert entry["snr"] == pytest.approx(
        matched_signal_to_noise(change[:, *box], variance[:, *box], SMALL.channel_correlation), rel=1e-3
    )
    if kind in ("background_line", "cosmic_ray"):
        assert entry["snr"] == pytest.approx(entry["strength"], rel=0.03)
    if np.isfinite(entry["wavelength"]) and kind not in ("flux_step", "post_starburst", "supernova"):
        spectrum = np.abs(change[:, y, x])
        channel = int(MANGA_GRID.channel(entry["wavelength"]))
        assert spectrum[channel - 12 : channel + 13].max() > 1.2 * np.median(spectrum)
    flags = odd.cube.bits & ~plain.cube.bits
    expected = {"foreground_star": FORESTAR | DONOTUSE, "dead_fibre": DEADFIBER}.get(kind, 0)
    assert flags[:-5, y, x].max() == expected
    assert (flags.max() > 0) == (expected > 0)


def test_matched_filter_counts_the_noise_that_neighbours_share() -> None:
    rng = np.random.default_rng(2)
    y, x = np.indices((13, 13)) - 6
    signal = 0.5 * np.exp(-0.5 * (y**2 + x**2) / 2.2**2)[None].repeat(3, axis=0)
    weight = signal[0]
    sums = np.tensordot(shared_noise(rng, 20_000, 13), weight, axes=2)
    expected = np.sqrt(3) * np.sum(weight * signal[0]) / sums.std()
    assert matched_signal_to_noise(signal, np.ones(signal.shape)) == pytest.approx(expected, rel=0.03)


def test_the_noise_of_a_matched_filter_is_what_it_is_in_the_noisy_cube(plain: Simulated) -> None:
    with np.errstate(divide="ignore"):
        variance = (plain.observation.error_factor**2 / plain.cube.ivar)[:, 11:24, 11:24]
    noise = (plain.cube.flux - plain.clean)[:, 11:24, 11:24]
    y, x = np.indices((13, 13)) - 6
    line = np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)
    signal = line[:, None, None] * np.exp(-0.5 * (y**2 + x**2) / 2.2**2)
    rho = correlation(13)
    pulls = []
    for first in range(0, 3680, 5):
        if abs(WAVE[first] - 5579) < 25:
            continue
        there = slice(first, first + 9)
        weight = signal / variance[there]
        scaled = signal / np.sqrt(variance[there])
        found, gain = np.sum(weight * noise[there], axis=(1, 2)), np.sum(weight * signal, axis=(1, 2))
        gain /= np.sum(scaled * (rho @ scaled @ rho), axis=(1, 2))
        strong = matched_signal_to_noise(signal, variance[there], SMALL.channel_correlation)
        # How bright a line seems to be where there is none, over how sure one may be.
        pulls.append(np.sum(gain * found) / np.sum(gain * np.sum(weight * signal, axis=(1, 2))) * strong)
    assert np.std(pulls) == pytest.approx(1, abs=0.08)


# How strong, in the unit of each kind


def magnitude(kind: str, scene: Scene, strength: float) -> float:
    _, odd, plain = grown(scene, kind, strength)
    total = (odd - plain)[R_BAND].sum(axis=(1, 2)).mean() / 1e17
    return float(-2.5 * np.log10(total * 6231.0**2 / (SPEED_OF_LIGHT * 1e13)) - 48.60)


@pytest.mark.parametrize("kind", ["foreground_star", "unflagged_star", "second_galaxy", "quasar"])
def test_what_stands_before_or_behind_has_its_magnitude(kind: str, scene: Scene) -> None:
    # Some of it falls outside of the bundle.
    assert magnitude(kind, scene, 17.0) == pytest.approx(17.0, abs=0.35)
    assert magnitude(kind, scene, 19.5) - magnitude(kind, scene, 17.0) == pytest.approx(2.5, abs=0.02)


def test_a_broad_line_has_its_equivalent_width_over_the_nucleus(scene: Scene) -> None:
    plant, odd, plain = grown(scene, "broad_lines", 200.0)
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
        plant, odd, plain = grown(scene, "power_law", ratio)
        assert at(odd - plain, plant)[R_BAND].mean() == pytest.approx(
            ratio * at(plain, plant)[R_BAND].mean(), rel=0.015
        )


def velocities(scene: Scene, kind: str, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """What is added around [O III] 5008 at the nucleus, and km/s from it in the galaxy's frame."""
    plant, odd, plain = grown(scene, kind, strength)
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
    plant, odd, plain = grown(scene, "supernova", -19.0)
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
    plant, odd, plain = grown(scene, "post_starburst", 1.0)
    z = scene.galaxy.redshift
    assert balmer(at(odd, plant), z) > max(balmer(at(plain, plant), z) + 1.5, 4.5)
    alpha = int(MANGA_GRID.channel(6564.61 * (1 + z)))
    assert at(odd - plain, plant)[alpha] < 0
    assert at(odd, plant)[R_BAND].mean() == pytest.approx(at(plain, plant)[R_BAND].mean(), rel=0.1)
    half = grown(scene, "post_starburst", 0.5)[1] - plain
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
        plant, odd, plain = grown(scene, "starburst_region", width)
        assert halpha_width(at(odd, plant), at(odd - plain, plant), z) == pytest.approx(width, rel=0.03)
        _, odd, _ = grown(scene, "starburst_galaxy", width)
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
        _, odd, plain = grown(scene, "misaligned_gas", angle)
        pair = np.array([gas_velocity(cube, z) for cube in (odd, plain)])
        pair = pair[:, np.isfinite(pair).all(axis=0)]
        likeness.append(np.corrcoef(pair)[0, 1])
    assert likeness[1] < -0.8
    assert likeness[1] < likeness[0] - 0.5


def test_misplaced_spectra_are_ordinary_and_as_much_light_as_before(scene: Scene) -> None:
    for kind, small, large in (("swapped_patches", 1.5, 2.5), ("ring", 3.0, 4.0), ("offset_nucleus", 2, 4)):
        changed = []
        for strength in (small, large):
            plant, odd, plain = grown(scene, kind, float(strength))
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
        plant, odd, plain = grown(scene, "dead_fibre", lost)
        assert at(odd, plant).sum() / at(plain, plant).sum() == pytest.approx(1 - lost, abs=0.05)


def test_a_cosmic_ray_is_sharper_than_a_line_and_as_wide_as_a_fibre(scene: Scene) -> None:
    plant, odd, plain = grown(scene, "cosmic_ray", 30.0)
    spectrum = at(odd - plain, plant)
    assert np.sum(spectrum > 0.2 * spectrum.max()) <= 3
    image = (odd - plain)[int(np.argmax(spectrum))]
    x = np.arange(image.shape[1])
    sigma = np.sqrt(np.sum(image * (x - plant.x) ** 2) / image.sum())
    assert 1.3 < sigma < 1.8  # the seeing's is 2.2


def test_over_subtracted_sky_is_the_same_everywhere_and_has_the_skys_lines(scene: Scene) -> None:
    _, odd, plain = grown(scene, "sky_oversubtraction", 0.1)
    change = (odd - plain).reshape(len(odd), -1)[:, scene.reached()]
    np.testing.assert_allclose(change, change[:, :1].repeat(change.shape[1], axis=1), atol=1e-3)
    dark = change[MANGA_GRID.between(5400, 5500), 0]
    assert np.median(dark) == pytest.approx(-0.1 * DARK_SKY, rel=0.1)
    assert change[WAVE > 8300].min() < 3 * np.median(dark)


def test_a_flux_step_leaves_the_blue_arm_alone(scene: Scene) -> None:
    plant, odd, plain = grown(scene, "flux_step", 0.4)
    ratio = at(odd, plant) / at(plain, plant)
    assert ratio[WAVE < 5800] == pytest.approx(1, abs=1e-3)
    assert np.abs(ratio[WAVE > 6200] - 1) == pytest.approx(0.4, abs=0.03)


def test_scattered_light_is_smooth(scene: Scene) -> None:
    plant, odd, plain = grown(scene, "scattered_light", 0.4)
    change = odd - plain
    assert at(change, plant)[R_BAND].mean() == pytest.approx(0.4 * DARK_SKY, rel=0.1)
    step = np.diff(at(change, plant))
    assert np.abs(step).max() < 1e-3 * at(change, plant).max()


@pytest.mark.parametrize("seed", [1, 2])
def test_wavelengths_are_off_by_so_many_kilometres_a_second(seed: int, scene: Scene) -> None:
    for speed in (15.0, 30.0):
        plant, odd, plain = grown(scene, "wavelength_shift", speed, seed)
        before, change = at(plain, plant), at(odd - plain, plant)
        slope = np.gradient(before)
        found = -np.sum(change * slope) / np.sum(slope**2) * CHANNEL
        assert abs(found) == pytest.approx(speed, rel=0.2)


# Which, where and in how many observations


def test_the_same_seed_plants_the_same_and_another_seed_another(scene: Scene) -> None:
    for kind in PLANTS:
        (one,), (same,) = (plants_in(hosting(kind), scene) for _ in range(2))
        (other,) = plants_in(replace(hosting(kind), seed=8), scene)
        assert (one.y, one.x, one.strength) == (same.y, same.x, same.strength), kind
        assert one.strength != other.strength, kind


def test_repeats_share_what_is_in_the_sky_and_nothing_else() -> None:
    settings = replace(SMALL, galaxies=2, repeats=1, oddities=dict.fromkeys(PLANTS, 1))
    scenes = [scene_of(settings, number) for number in (0, 1)]
    first, repeat = ({plant.kind: plant for plant in plants_in(settings, scene)} for scene in scenes)
    assert set(LASTING) <= set(repeat) < set(first)
    assert not set(PASSING) & set(repeat)
    assert scenes[0].canvas.offset != scenes[1].canvas.offset
    for kind, plant in repeat.items():
        there = scenes[0].arcsec(first[kind].y, first[kind].x)
        assert scenes[1].arcsec(plant.y, plant.x) == pytest.approx(there, abs=1e-9), kind
        assert plant.strength == first[kind].strength
        if plant.light is not None:
            lights = [made.light(s.canvas) for made, s in zip((first[kind], plant), scenes, strict=True)]  # type: ignore[misc]
            np.testing.assert_array_equal(lights[0].spectra, lights[1].spectra)
            assert lights[0].maps.sum() == pytest.approx(lights[1].maps.sum(), rel=0.01)


def test_kinds_are_planted_at_their_rates() -> None:
    many = replace(SMALL, galaxies=800, oddities={"ring": 0.2, "flux_step": 0.05, "quasar": 7})
    looks = [draw_observation(many, n) for n in range(800)]
    found = Counter(kind for seen in looks for kind in kinds_in(many, seen))
    assert found["quasar"] == 7
    assert found["ring"] == pytest.approx(160, abs=40)
    assert found["flux_step"] == pytest.approx(40, abs=20)
    assert set(found) == {"ring", "flux_step", "quasar"}
    quarter = replace(many, oddities=0.25)
    found = Counter(kind for seen in looks for kind in kinds_in(quarter, seen))
    assert found.total() == pytest.approx(200, abs=45)
    assert len(found) == len(PLANTS) - 1  # foreground stars are part of the sky


def test_by_default_oddities_are_as_rare_as_in_the_sky() -> None:
    assert Simulation().oddities == dict(RATES)
    assert set(RATES) == set(PLANTS) - {"foreground_star"}
    assert set(STRENGTHS) == set(PLANTS)
    assert 0.1 < sum(RATES.values()) < 0.25


def test_an_unknown_kind_is_named() -> None:
    for settings in (replace(SMALL, oddities={"dragon": 1}), replace(SMALL, strengths={"dragon": (1, 2)})):
        with pytest.raises(CubesiftError, match="no oddity is called dragon"):
            kinds_in(settings, draw_observation(settings, 0))


# Files


def test_a_file_of_real_quasars_is_planted_from(shared: Path, scene: Scene, tmp_path: Path) -> None:
    file = shared / "spectra" / "sdss_spectra_on_manga_grid.npz"
    real = replace(scene, settings=replace(SMALL, quasar_file=str(file)))
    given, composites = (
        [PLANTS["quasar"](home, np.random.default_rng(seed)) for seed in range(12)] for home in (real, scene)
    )
    assert {plant.wavelength for plant in given}.isdisjoint(plant.wavelength for plant in composites)
    for plants in (given, composites):
        standing_out = []
        for plant in plants:
            spectrum = plant.light(scene.canvas).spectra[0]  # type: ignore[misc]
            line = spectrum[int(MANGA_GRID.channel(plant.wavelength))]
            around = MANGA_GRID.between(plant.wavelength - 500, plant.wavelength + 500)
            standing_out.append(line > 1.1 * np.median(spectrum[around]))
        assert np.mean(standing_out) > 0.8
    broken = tmp_path / "quasars.npz"
    for text, complaint in ((None, "no such file"), (b"PK", "not a file of quasars")):
        if text is not None:
            broken.write_bytes(text)
        lost = replace(scene, settings=replace(SMALL, quasar_file=str(broken)))
        with pytest.raises(CubesiftError, match=complaint):
            PLANTS["quasar"](lost, np.random.default_rng(1))


def test_a_function_of_ones_own_plants_its_oddity(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    example = dedent(str(own.__doc__).split("beacon.py`:")[1])
    file.write_text(example)
    settings = replace(SMALL, galaxies=1, oddity_file=str(file))
    odd, plain = (observe(s, 0) for s in (settings, replace(settings, oddity_file=None)))
    (entry,) = [entry for entry in odd.truth if entry["kind"] == "beacon"]
    y, x = int(np.rint(entry["y"])), int(np.rint(entry["x"]))
    change = (odd.clean - plain.clean)[:, y, x]
    for step in range(3):
        channel = int(MANGA_GRID.channel(entry["wavelength"] + 100 * step))
        assert change[channel] > 0.3 * change.max()
    assert entry["snr"] > 3
    # Another text of the file is another survey.
    before = settings.fingerprint
    assert before != replace(settings, oddity_file=None).fingerprint
    file.write_text(example.replace("range(3)", "range(4)"))
    assert settings.fingerprint != before


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "no such file"),
        ("x = 1\n", "no function in it"),
        ("import nothing_like_this\n", "line 1: ModuleNotFoundError"),
        ("def f(:\n", "line 1: SyntaxError"),
        ("def mine(scene, rng):\n    return 3\n", "mine returned int, expected a Plant"),
        ("def mine(scene, rng):\n    return 1 / 0\n", "line 2: ZeroDivisionError"),
        ("def ring(scene, rng):\n    return 3\n", "ring is there already"),
    ],
)
def test_a_file_that_plants_nothing_is_told_in_one_line(
    text: str | None, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    (tmp_path / "r.toml").write_text("[simulate]\nifus = [19]\noddities = {}\n")
    words = ["--recipe", tmp_path / "r.toml", "--galaxies", "1", "--workers", "1", "--oddities", file]
    said = refusal("simulate", tmp_path / "run", *words)
    assert complaint in said
    assert str(file) in said
