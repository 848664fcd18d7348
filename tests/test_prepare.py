"""What preparation does to light and noise."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from cubesift.data.cube import CRITICAL, DEADFIBER, DONOTUSE, FORESTAR, NOCOV, Cube
from cubesift.data.dust import transmission
from cubesift.data.samples import BEFORE
from cubesift.data.wavelength import MANGA_GRID, WavelengthGrid, redshift_channels
from cubesift.errors import BadFile
from cubesift.prepare import steps
from cubesift.prepare.cube import prepare_cube
from cubesift.prepare.recipe import CUBESIFT, PAPER, Recipe

HALPHA = 6564.61


def cube_of(side: int = 34, redshift: float = 0.05, seed: int = 0, ebv: float = 0.0) -> Cube:
    """A noisy cube on MaNGA's grid with one Halpha line in every spaxel."""
    rng = np.random.default_rng(seed)
    shape = (MANGA_GRID.size, side, side)
    flux = rng.normal(0.1, 0.3, shape).astype(np.float32)
    channel = MANGA_GRID.channel(HALPHA * (1 + redshift))
    flux += 5 * np.exp(-0.5 * ((np.arange(len(flux)) - channel) / 1.5) ** 2)[:, None, None].astype(np.float32)
    ivar = np.full(shape, 1 / 0.3**2, np.float32)
    bits = np.zeros(shape, np.uint16)
    ivar[:, 0, 0], bits[:, 0, 0] = 0, NOCOV
    return Cube("1-1901", "1-1", flux, ivar, bits, redshift=redshift, ebv=ebv)


def test_the_paper_recipe_is_32_by_32_by_4096_and_never_negative() -> None:
    sample = prepare_cube(cube_of(), PAPER)
    assert sample.flux.shape == sample.ivar.shape == sample.bits.shape == (32, 32, 4096)
    assert sample.flux.min() >= 0
    assert sample.unclipped.min() < 0


def test_the_resize_is_plain_linear_interpolation() -> None:
    flux = np.random.default_rng(1).normal(size=(5, 74, 74)).astype(np.float32)
    expected = zoom(flux, (1, 32 / 74, 32 / 74), order=1).transpose(1, 2, 0)
    np.testing.assert_allclose(steps.resized(flux, 32), expected, atol=1e-5)


@pytest.mark.parametrize("side", [34, 42, 54, 74])
def test_the_resized_ivar_knows_that_neighbours_share_noise(side: int) -> None:
    rng = np.random.default_rng(side)
    level = 1 + 0.5 * rng.random((side, side))
    white = rng.normal(size=(4000, side + 20, side + 20))
    noise = gaussian_filter(white, (0, 1.92 / np.sqrt(2), 1.92 / np.sqrt(2)))[:, 10:-10, 10:-10]
    noise = (noise / noise.std() * level).astype(np.float32)
    claimed = 1 / steps.resized_ivar(np.broadcast_to(1 / level**2, (2, side, side)).astype("f4"), 32, 1.92)
    seen = steps.resized(noise, 32).var(axis=2)
    assert np.mean(seen / claimed[:, :, 0]) == pytest.approx(1, abs=0.03)
    # Without the covariance the variance would be claimed far too small.
    if side > 34:
        alone = 1 / steps.resized_ivar(np.broadcast_to(1 / level**2, (1, side, side)).astype("f4"), 32, 0.0)
        assert np.mean(seen / alone[:, :, 0]) > 1.3


def test_one_bad_neighbour_makes_a_new_spaxel_bad() -> None:
    ivar = np.ones((1, 66, 66), np.float32)
    ivar[0, 33, 33] = 0
    weights = steps.linear_weights(66, 32)[0] > 0
    touched = np.outer(weights[:, 33], weights[:, 33])
    np.testing.assert_array_equal(steps.resized_ivar(ivar, 32, 1.92)[:, :, 0] == 0, touched)


def test_bits_of_every_spaxel_that_went_in_are_kept() -> None:
    bits = np.zeros((1, 50, 50), np.uint16)
    bits[0, 20, 20], bits[0, 21, 20] = FORESTAR, NOCOV
    out = steps.resized_bits(bits, 32)[:, :, 0]
    weights = steps.linear_weights(50, 32)[0] > 0
    np.testing.assert_array_equal((out & FORESTAR) > 0, np.outer(weights[:, 20], weights[:, 20]))
    np.testing.assert_array_equal((out & NOCOV) > 0, np.outer(weights[:, 21], weights[:, 20]))


def test_the_sky_line_is_bridged_in_the_input_and_never_judged() -> None:
    cube = cube_of()
    window = MANGA_GRID.between(5574, 5585)
    cube.flux[window] = 1000
    sample = prepare_cube(cube, PAPER)
    assert sample.flux[:, :, window].max() < 10
    assert sample.ivar[:, :, window].max() == 0
    blue, red = sample.flux[9, 9, window.start - 1], sample.flux[9, 9, window.stop]
    inside = sample.flux[9, 9, window]
    np.testing.assert_allclose(np.diff(inside), (red - blue) / (len(inside) + 1), atol=1e-4)


def test_a_foreground_star_is_masked_in_the_input_and_not_judged() -> None:
    cube = cube_of()
    cube.flux[:, 5:8, 5:8] += 100
    cube.bits[:, 5:8, 5:8] |= FORESTAR | DONOTUSE
    cube.ivar[:, 5:8, 5:8] = 0  # as the reader of a file leaves it
    sample = prepare_cube(cube, PAPER)
    star = (sample.bits & FORESTAR) > 0
    assert star.any()
    assert sample.flux[star].max() == 0
    assert sample.ivar[star].max() == 0
    assert sample.flux.max() < 50
    assert prepare_cube(cube, replace(PAPER, mask_stars=False)).flux.max() > 90


@pytest.mark.parametrize("recipe", [PAPER, CUBESIFT], ids=["paper", "cubesift"])
def test_what_came_in_bad_voxels_is_in_no_sample(recipe: Recipe) -> None:
    one, other = cube_of(), cube_of()
    for cube, junk in ((one, 1e6), (other, -3.0)):
        for bad in (np.s_[:, 0, 0], np.s_[:, 33, 9:12], np.s_[300:304, 9, 9], np.s_[-40:, 9, 20]):
            cube.flux[bad], cube.ivar[bad] = junk, 0
    first, second = prepare_cube(one, recipe), prepare_cube(other, recipe)
    np.testing.assert_array_equal(first.flux, second.flux)
    np.testing.assert_array_equal(first.unclipped, second.unclipped)
    assert prepare_cube(one, replace(recipe, fill_bad=False)).flux.max() > 1e5


def test_what_no_fiber_saw_of_a_star_is_bridged_and_the_star_is_not() -> None:
    cube = cube_of()
    cube.flux[:, 5:8, 5:8] += 100
    cube.bits[:, 5:8, 5:8] |= FORESTAR | DONOTUSE
    cube.ivar[:, 5:8, 5:8] = 0
    cube.ivar[2000, 6, 6] = 1  # by which the spaxel was seen
    cube.flux[1000, 6, 6] = 0  # the reader's word for NaN
    cube.flux[1500, 6, 6], cube.bits[1500, 6, 6] = -1e6, FORESTAR | DONOTUSE | DEADFIBER
    shown = prepare_cube(cube, replace(PAPER, side=34, mask_stars=False)).flux
    assert shown[6, 6, [900, 1000, 1500]].min() > 90


def test_recipes_of_before_a_setting_are_read_and_known_as_they_were() -> None:
    stored = {name: value for name, value in asdict(PAPER).items() if name not in BEFORE}
    old = Recipe.read(stored)
    assert (old.fill_bad, old.take_critical) == (False, True)
    assert old.told == stored
    assert PAPER.told == {**stored, "fill_bad": True, "take_critical": False}
    assert Recipe.read(asdict(PAPER)) == PAPER


def test_bad_voxels_are_bridged_where_a_spaxel_was_seen() -> None:
    flux = np.arange(60, dtype=np.float32).reshape(10, 2, 3) % 7
    ivar = np.ones_like(flux)
    ivar[4:6, 0, 0] = ivar[8:, 0, 1] = ivar[:, 1, 2] = ivar[2] = 0
    out = steps.without_bad(flux, ivar > 0)
    step = (flux[6, 0, 0] - flux[3, 0, 0]) / 3
    np.testing.assert_allclose(out[4:6, 0, 0], flux[3, 0, 0] + step * np.array([1, 2]), rtol=1e-6)
    np.testing.assert_array_equal(out[8:, 0, 1], flux[7, 0, 1])  # beyond the last good channel
    assert not out[:, 1, 2].any()  # nobody saw the spaxel
    assert not out[2].any()  # nor anybody the channel
    np.testing.assert_array_equal(out[ivar > 0], flux[ivar > 0])


def test_a_cube_that_its_pipeline_calls_unusable_is_left_out_and_says_how_to_keep_it() -> None:
    cube = replace(cube_of(), quality=CRITICAL | 1 << 5)
    with pytest.raises(BadFile, match=r"bit 30, CRITICAL.*take_critical"):
        prepare_cube(cube, PAPER)
    assert prepare_cube(cube, replace(PAPER, take_critical=True)).record.plateifu == "1-1901"
    assert prepare_cube(replace(cube, quality=1 << 14), PAPER).record.plateifu == "1-1901"


@pytest.mark.parametrize("redshift", [0.0, 0.0123, 0.0376, 0.15, 0.2])
def test_a_redshifted_line_comes_home(redshift: float) -> None:
    sample = prepare_cube(cube_of(redshift=redshift), CUBESIFT)
    grid = CUBESIFT.grid(MANGA_GRID)
    spectrum = sample.flux[5, 5]
    near = grid.between(HALPHA - 20, HALPHA + 20)
    weight = np.clip(spectrum[near], 1, None) - 1
    centroid = near.start + np.average(np.arange(len(weight)), weights=weight) - sample.record.fraction
    assert centroid == pytest.approx(grid.channel(HALPHA), abs=0.3)  # channels of 69 km/s


def test_the_rest_frame_keeps_energy_and_signal_to_noise() -> None:
    cube = cube_of(redshift=0.1)
    sample = prepare_cube(cube, CUBESIFT)
    whole, _ = redshift_channels(0.1)
    grid = CUBESIFT.grid(MANGA_GRID)
    channel = 2000 - whole - grid.first
    np.testing.assert_allclose(sample.flux[4, 4, channel], cube.flux[2000, 4, 4] * 1.1, rtol=1e-6)
    np.testing.assert_allclose(
        sample.flux[4, 4, channel] * np.sqrt(sample.ivar[4, 4, channel]),
        cube.flux[2000, 4, 4] * np.sqrt(cube.ivar[2000, 4, 4]),
        rtol=1e-5,
    )
    assert (sample.ivar[4, 4] > 0).sum() == (cube.ivar[:, 4, 4] > 0).sum() - np.ptp(
        np.searchsorted(MANGA_GRID.wave, CUBESIFT.sky)
    )


def test_galactic_dust_is_taken_out_of_flux_and_ivar() -> None:
    clean = prepare_cube(cube_of(redshift=0.0), CUBESIFT)
    dusty = cube_of(redshift=0.0, ebv=0.3)
    dim = transmission(MANGA_GRID.wave, 0.3).astype(np.float32)[:, None, None]
    dusty.flux *= dim
    dusty.ivar /= dim**2
    sample = prepare_cube(dusty, CUBESIFT)
    np.testing.assert_allclose(sample.flux, clean.flux, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(sample.ivar, clean.ivar, rtol=1e-4)
    assert sample.record.ebv == 0.3


@pytest.mark.parametrize(("law", "model"), [("odonnell94", "O94"), ("ccm89", "CCM89")])
def test_the_dust_laws_are_those_of_the_library(law: str, model: str) -> None:
    import astropy.units as u
    from dust_extinction import parameter_averages

    wave = MANGA_GRID.wave
    expected = getattr(parameter_averages, model)(Rv=2.7).extinguish(wave * u.AA, Ebv=0.2)
    np.testing.assert_allclose(transmission(wave, 0.2, law, rv=2.7), expected, rtol=1e-6)  # type: ignore[arg-type]


def test_without_a_redshift_a_cube_stays_in_the_observed_frame_and_says_so() -> None:
    sample = prepare_cube(cube_of(redshift=float("nan")), CUBESIFT)
    assert sample.record.frame == "observed"
    assert sample.record.redshift is None
    assert any("no redshift" in note for note in sample.record.notes)


def test_the_total_flux_can_be_divided_out() -> None:
    faint = cube_of()
    bright = replace(faint, flux=faint.flux * 7, ivar=faint.ivar / 49)
    recipe = replace(PAPER, normalise="total")
    one, seven = prepare_cube(faint, recipe), prepare_cube(bright, recipe)
    np.testing.assert_allclose(one.flux, seven.flux, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(one.ivar, seven.ivar, rtol=1e-3)
    assert seven.record.scale == pytest.approx(7 * one.record.scale, rel=1e-4)


def test_channels_can_be_rebinned_and_the_noise_follows() -> None:
    recipe = replace(PAPER, side=16, rebin=4, clip=False)
    cube = cube_of()
    cube.flux[:] = np.random.default_rng(3).normal(0, 0.3, cube.flux.shape)
    sample = prepare_cube(cube, recipe)
    assert sample.flux.shape == (16, 16, 1024)
    good = sample.ivar > 0
    # White spaxels here, so the claimed variance (with shared noise) is an upper bound that a
    # cube with noise_sigma 0 meets.
    sample = prepare_cube(replace(cube, noise_sigma=0.0), recipe)
    assert np.mean(sample.flux[good] ** 2 * sample.ivar[good]) == pytest.approx(1, abs=0.02)
    assert WavelengthGrid(0, 1024, 4).channel(recipe.grid(MANGA_GRID).wave[10]) == pytest.approx(10)


def test_small_cubes_are_named_and_left_out() -> None:
    with pytest.raises(BadFile, match="1-1901: 32 x 32 spaxels"):
        prepare_cube(cube_of(side=32), PAPER)
    assert prepare_cube(cube_of(side=34), PAPER).record.area_ratio == pytest.approx((33 / 31) ** 2)


def test_the_cube_is_left_as_it_was() -> None:
    cube = cube_of(ebv=0.1)
    before = cube.flux.copy(), cube.ivar.copy(), cube.bits.copy()
    for recipe in (PAPER, CUBESIFT):
        prepare_cube(cube, recipe)
    for array, copy in zip((cube.flux, cube.ivar, cube.bits), before, strict=True):
        np.testing.assert_array_equal(array, copy)
