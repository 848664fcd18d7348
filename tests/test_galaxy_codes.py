"""A galaxy's code: a family of galaxies whose differences are known comes back from a few numbers."""

from dataclasses import replace

import numpy as np
import pytest

from cubesift.fit.codes import LINES, Codes, Measured
from cubesift.fit.galaxies import PARITIES, STORED, Galaxies, Placed, learn_galaxies, placed, quadrants, whole
from cubesift.fit.lines import NAMES
from cubesift.fit.pose import Fisheye, Pose, pose_of
from cubesift.fit.relative import Relative, Values, learn_relative

COUNT = 3 + len(NAMES) + 4  # three continua
HALPHA = NAMES.index("Halpha")
RELATIVE = Relative(
    usual=np.array([1.0, 0.2, 0.0]),
    light=np.array([1.0, 0.0, 0.0]),
    into=np.array([[-0.2, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    back=np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
)
NUMBERS = 13
KIND = slice(len(STORED), len(STORED) + 3)  # the three modes in which the family differs


def spaxels() -> tuple[np.ndarray, np.ndarray]:
    """Half an arcsec apart within 8 arcsec, (spaxel,) each."""
    y, x = (np.indices((33, 33)) - 16) * 0.5
    inside = np.hypot(x, y) < 8
    return x[inside], y[inside]


def galaxy(
    rng: np.random.Generator, angle: float = 0.4, brightness: float = 1.0, noise: float = 1e-3
) -> tuple[Values, np.ndarray]:
    """A turning disc with a gradient of colour and of Halpha: three numbers say all of it but the pose."""
    x, y = spaxels()
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius = np.hypot(along, across / 0.6)
    fall, colour, speed = rng.uniform(2, 3), rng.normal(0, 0.1), rng.uniform(50, 200)
    values = np.zeros((len(x), COUNT))
    values[:, 0] = np.log(brightness) - radius / fall
    values[:, 1] = colour * radius
    values[:, 3 + HALPHA] = 20 * np.exp(-radius / 4)
    values[:, -4] = speed * np.tanh(along)
    truth = values.copy()
    scale = np.full(COUNT, noise)
    scale[LINES], scale[-4:] = 100 * noise, 1e3 * noise
    values += scale * rng.normal(size=values.shape)
    return Values(values, np.tile(scale**-2.0, (len(x), 1))), truth


def place(values: Values) -> Placed:
    return placed(values, *spaxels(), size=4.0, psf=2.5, fisheye=Fisheye(16))


@pytest.fixture(scope="module")
def learned() -> Galaxies:
    rng = np.random.default_rng(1)
    family = (place(galaxy(rng, angle=rng.uniform(0, 6), brightness=rng.lognormal())[0]) for _ in range(60))
    return learn_galaxies(family, RELATIVE, Fisheye(16), NUMBERS)


def test_a_galaxy_that_was_not_learned_from_is_rebuilt_by_eight_amounts_and_its_pose(
    learned: Galaxies,
) -> None:
    for seed in range(5):
        values, truth = galaxy(np.random.default_rng([2, seed]), angle=1.0 + seed, brightness=3.0)
        code = learned.encode(place(values))
        assert code.shape == (NUMBERS,)
        rebuilt, expected = learned.decode(code, *spaxels()), RELATIVE.codes(truth)
        bright = truth[:, 0] > truth[:, 0].max() - 2
        bright &= np.hypot(*spaxels()) > 0.7  # no map has the cusp
        light = expected.continuum[bright, :1]
        np.testing.assert_allclose(
            rebuilt.continuum[bright] / light, expected.continuum[bright] / light, atol=0.1
        )
        kept = rebuilt.flux[:, HALPHA].sum() / expected.flux[:, HALPHA].sum()
        assert kept == pytest.approx(1, abs=0.03)
        assert np.abs(rebuilt.velocity - expected.velocity)[bright].max() < 25


def test_brightness_is_one_number_of_the_code_and_the_position_angle_another(learned: Galaxies) -> None:
    first, _ = galaxy(np.random.default_rng(3))
    brighter, _ = galaxy(np.random.default_rng(3), brightness=7.0)
    turned, _ = galaxy(np.random.default_rng(3), angle=0.4 + np.pi / 2)
    one, other, third = (learned.encode(place(values)) for values in (first, brighter, turned))
    assert other[0] - one[0] == pytest.approx(np.log(7), abs=1e-3)
    np.testing.assert_allclose(other[1:], one[1:], atol=1e-4)
    assert third[STORED.index("angle")] - one[STORED.index("angle")] == pytest.approx(np.pi / 2, abs=0.01)
    np.testing.assert_allclose(third[KIND], one[KIND], atol=0.1)


def test_a_galaxy_with_a_hole_has_nearly_the_same_code(learned: Galaxies) -> None:
    values, _ = galaxy(np.random.default_rng(4))
    x, y = spaxels()
    hole = np.hypot(x - 3, y + 2) < 1.5
    garbage = np.where(hole[:, None], 50.0, values.values)
    holed = Values(garbage, values.weights * ~hole[:, None])
    whole_code, code = learned.encode(place(values)), learned.encode(place(holed))
    np.testing.assert_allclose(code[KIND], whole_code[KIND], atol=0.15)


def test_one_oddity_among_those_learned_from_is_not_learned() -> None:
    def family(odd: bool) -> list[Placed]:
        rng = np.random.default_rng(5)
        made = [galaxy(rng)[0] for _ in range(40)]
        if odd:
            made[7].values[:, 3] += 1e3
        return [place(one) for one in made]

    values, truth = galaxy(np.random.default_rng(6))
    missed = []
    for odd in (False, True):
        model = learn_galaxies(family(odd), RELATIVE, Fisheye(16), NUMBERS)
        rebuilt = model.decode(model.encode(place(values)), *spaxels())
        missed.append(np.abs(rebuilt.continuum - RELATIVE.codes(truth).continuum).mean())
    assert missed[1] < 1.5 * missed[0]


def test_few_galaxies_leave_modes_of_nothing_and_the_code_as_long(learned: Galaxies) -> None:
    rng = np.random.default_rng(7)
    model = learn_galaxies((place(galaxy(rng)[0]) for _ in range(2)), RELATIVE, Fisheye(16), 40)
    assert len(model.modes) == 40 - len(STORED)
    assert not model.modes[-20:].any()
    assert model.encode(place(galaxy(rng)[0])).shape == (40,)


def test_modes_are_even_or_odd_about_both_axes(learned: Galaxies) -> None:
    for mode in learned.modes:
        parts = quadrants(mode, 16)
        ratios = [np.sign((part * parts[0]).sum()) for part in parts]
        assert any(np.array_equal(ratios, parity) for parity in PARITIES)
        for ratio, part in zip(ratios, parts, strict=True):
            np.testing.assert_allclose(part, ratio * parts[0], atol=1e-5)


def test_quadrants_make_the_map_they_are_of() -> None:
    maps = np.random.default_rng(8).normal(size=(2, 36, COUNT))
    parts = np.stack([quadrants(one, 6) for one in maps], axis=1)
    np.testing.assert_array_equal(whole(parts, 6), maps)


def test_a_pose_is_found_and_its_sense_is_that_of_the_receding_side() -> None:
    x, y = spaxels()
    for angle in (0.3, 2.0, -2.5):
        at = Pose(1.2, -0.7, angle, 4.0)
        along, across = at.along(x, y)
        values = np.zeros((len(x), COUNT))
        values[:, 0] = -2 * np.hypot(along, across / 0.5)
        values[:, -4] = 100 * np.tanh(along)
        found = pose_of(Values(values, np.ones_like(values)), x, y, 4.0, 2.5)
        assert (found.x, found.y) == pytest.approx((1.2, -0.7), abs=0.05)
        assert np.angle(np.exp(1j * (found.angle - angle))) == pytest.approx(0, abs=0.03)


def test_maps_hold_what_was_put_in_and_are_smooth_where_nothing_was() -> None:
    fisheye, rng = Fisheye(16), np.random.default_rng(9)
    along, across = rng.uniform(-2, 2, (2, 3000))
    cells = fisheye.cells(along, across)
    np.testing.assert_allclose(cells.sum(axis=1), 1)
    values = np.stack([1 + 0.1 * along, np.full(len(along), 7.0)], axis=1)
    weights = np.ones_like(values)
    gone = along > 1
    values[gone], weights[gone] = 1e3, 0
    maps, _ = fisheye.maps(Values(values, weights), cells)
    np.testing.assert_allclose((cells @ maps)[~gone], values[~gone], atol=0.02)
    np.testing.assert_allclose(maps[:, 1], 7, atol=0.1)


def test_values_are_codes_per_light_and_go_back() -> None:
    rng, count = np.random.default_rng(10), 400
    light = rng.lognormal(2, 1, (count, 1))
    continuum = light * np.concatenate([np.ones((count, 1)), rng.normal((0.2, 0), 0.1, (count, 2))], axis=1)
    flux, motions = light * rng.uniform(1, 5, (count, len(NAMES))), rng.normal((0, 90, 0, 0), 20, (count, 4))
    mixed = rng.normal(size=(COUNT, COUNT))
    covariance = 1e-4 * (np.eye(COUNT) + 0.002 * mixed @ mixed.T)
    covariance[:3] *= 1e-2  # light is surer than any line
    covariance[:, :3] *= 1e-2
    codes = Measured(
        np.concatenate([continuum, flux, motions], axis=1),
        np.tile(covariance, (count, 1, 1)).astype(np.float32),
    )
    relative = learn_relative([codes])
    told = relative.values(codes)
    np.testing.assert_allclose(relative.codes(told.values).numbers, codes.numbers, rtol=1e-6, atol=1e-6)
    drawn = rng.multivariate_normal(np.zeros(COUNT), covariance, count)
    moved = relative.values(replace(codes, numbers=codes.numbers + drawn)).values - told.values
    pulls = (moved * np.sqrt(told.weights)).std(axis=0)
    np.testing.assert_allclose(pulls, 1, atol=0.15)
    faint = replace(codes, numbers=codes.numbers * np.r_[[1e-6] * 3, [1] * (COUNT - 3)])
    assert not relative.values(faint).weights.any()


def test_codes_of_values_never_have_lines_narrower_than_any_are() -> None:
    values = np.zeros((1, COUNT))
    values[:, -3] = -500
    found: Codes = RELATIVE.codes(values)
    assert found.sigma[0] == 15
