"""Every planted thing is where, what and as strong as the truth says it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from cubesift.data.cube import DEADFIBER, DONOTUSE, FORESTAR
from cubesift.data.wavelength import MANGA_GRID
from cubesift.errors import CubesiftError
from cubesift.simulate import own
from cubesift.simulate.cube import Simulated, observe
from cubesift.simulate.matched import matched_signal_to_noise
from cubesift.simulate.noise import correlation, shared_noise
from cubesift.simulate.observation import draw_observation
from cubesift.simulate.planting import LASTING, PASSING, PLANTS, kinds_in, plants_in
from cubesift.simulate.rates import RATES, STRENGTHS
from cubesift.simulate.scene import Scene, scene_of
from cubesift.simulate.settings import Simulation
from tests.scenes import SMALL, hosting, ordinary, ordinary_scene
from tests.survey import refusal

WAVE = MANGA_GRID.wave


@pytest.fixture(scope="module")
def scene() -> Scene:
    return ordinary_scene()


@pytest.fixture(scope="module")
def bare() -> Simulated:
    """The ordinary galaxy without oddities."""
    return observe(SMALL, ordinary())


# What truth says


@pytest.mark.parametrize("kind", PLANTS)
def test_an_oddity_is_in_the_cube_where_and_as_strong_as_truth_says(
    kind: str, scene: Scene, bare: Simulated
) -> None:
    odd = observe(hosting(kind), ordinary())
    told = [entry for entry in odd.truth if entry["kind"] == kind]
    assert len(told) == len(odd.truth) - len(bare.truth) == 1
    entry = told[0]
    low, high = STRENGTHS[kind]
    assert low <= entry["strength"] <= high
    y, x = int(np.rint(entry["y"])), int(np.rint(entry["x"]))
    assert scene.inside[y, x] > 0
    change = odd.clean - bare.clean
    if kind == "wrong_redshift":
        assert not change.any()
        true = odd.observation.galaxy.redshift
        assert entry["amplitude"] == pytest.approx(odd.cube.redshift - true)
        assert abs(entry["amplitude"]) == pytest.approx(entry["strength"])
        assert np.isnan(entry["snr"])
        return
    assert odd.cube.redshift == bare.cube.redshift
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
    flags = odd.cube.bits & ~bare.cube.bits
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


def test_the_noise_of_a_matched_filter_is_what_it_is_in_the_noisy_cube(bare: Simulated) -> None:
    with np.errstate(divide="ignore"):
        variance = (bare.observation.error_factor**2 / bare.cube.ivar)[:, 11:24, 11:24]
    noise = (bare.cube.flux - bare.clean)[:, 11:24, 11:24]
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


@pytest.mark.parametrize("said", [None, 0, 2])
def test_as_many_foreground_stars_as_said_stand_in_place_of_the_catalogues(said: int | None) -> None:
    own = {} if said is None else {"foreground_star": said}
    settings = replace(SMALL, galaxies=12, oddities=own)
    seen = [draw_observation(settings, number) for number in range(12)]
    hosts = [number for number, one in enumerate(seen) if one.galaxy.stars or kinds_in(settings, one)]
    kinds = [plant.kind for number in hosts for plant in plants_in(settings, scene_of(settings, number))]
    catalogue = sum(one.galaxy.stars for one in seen)
    assert catalogue not in (0, 2)
    assert kinds.count("foreground_star") == (catalogue if said is None else said)


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


# Of one's own


def test_what_ones_own_function_spoils_is_not_in_a_repeat(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from cubesift.simulate.plants import Plant\n"
        "def dark(scene, rng):\n"
        "    return Plant('', *scene.centre, spoilt=lambda flux, spaxels: 0.5 * flux, spread=float('inf'))\n"
    )
    settings = replace(SMALL, galaxies=2, repeats=1, oddity_file=str(file))
    first, repeat = ([plant.kind for plant in plants_in(settings, scene_of(settings, n))] for n in (0, 1))
    assert "dark" in first
    assert "dark" not in repeat


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
