"""A redshift is what a spectrum says it is; where it does not say, a person is told."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from cubesift.data.catalog import Catalog
from cubesift.data.cube import Cube
from cubesift.data.door import find_sources
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import read_parquet
from cubesift.data.wavelength import MANGA_GRID
from cubesift.fit.aperture import middle_spectrum
from cubesift.fit.redshift import Redshift, Templates, fit_redshift, noise_factor
from cubesift.fit.stars import stars
from cubesift.judge.redshifts import in_words
from cubesift.judging import judge_redshift
from cubesift.prepare.recipe import PAPER, PUBLISHED
from cubesift.prepare.survey import prepare_survey
from cubesift.redshifts import WithRedshift, redshift_of_cube
from cubesift.simulate.cube import simulate_galaxy
from cubesift.simulate.settings import Simulation
from tests.survey import refusal

SPEED = 299_792.458
LINES = {4862.68: 1.0, 5008.24: 0.6, 4960.30: 0.2, 6564.61: 3.0, 6585.27: 1.0, 6718.30: 0.5, 6732.67: 0.4}


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates(MANGA_GRID)


def a_spectrum(redshift: float, lines: float, seed: int, snr: float) -> tuple[np.ndarray, np.ndarray]:
    """Two stars' light and lines, per channel of a median S/N, at a redshift between channels."""
    rng = np.random.default_rng(seed)
    rest = MANGA_GRID.wave / (1 + redshift)
    mixture = rng.dirichlet(np.ones(3)) @ stars()[rng.choice(len(stars()), 3, replace=False)]
    flux = np.interp(rest, MANGA_GRID.wave, mixture)
    for wave, strength in LINES.items():
        flux += lines * strength * np.exp(-0.5 * ((rest / wave - 1) * SPEED / 120) ** 2)
    noise = 1 / snr
    return flux + noise * rng.standard_normal(flux.size), np.full(flux.size, noise**-2)


@pytest.mark.parametrize("redshift", [0.0, 0.02345, 0.0876, 0.1512, 0.19])
@pytest.mark.parametrize("lines", [0.0, 1.0])
def test_a_redshift_comes_out_as_it_went_in(templates: Templates, redshift: float, lines: float) -> None:
    found = fit_redshift(*a_spectrum(redshift, lines, seed=1, snr=20), templates)
    assert found.sure
    assert abs(found.redshift - redshift) < 4 * found.error
    assert found.error * SPEED < 40


def test_noise_alone_has_no_redshift_and_a_faint_galaxy_is_flagged(templates: Templates) -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        flux = 1 + rng.standard_normal(MANGA_GRID.size)
        assert not fit_redshift(flux, np.ones(MANGA_GRID.size), templates).sure
    faint = [fit_redshift(*a_spectrum(0.05, 0.0, seed, snr=0.3), templates) for seed in range(6)]
    assert not any(one.sure and abs(one.redshift - 0.05) > 0.003 for one in faint)


def test_no_data_is_no_redshift_and_no_error(templates: Templates) -> None:
    nothing = np.zeros(MANGA_GRID.size)
    assert not fit_redshift(nothing, nothing, templates).sure


def test_errors_of_redshifts_are_as_large_as_what_noise_does(templates: Templates) -> None:
    pulls = []
    for seed in range(40):
        true = 0.03 + 0.0007 * seed
        found = fit_redshift(*a_spectrum(true, 0.1, seed, snr=2), templates)
        pulls += [(found.redshift - true) / found.error] if found.sure else []
    assert len(pulls) > 25
    assert 0.75 < np.std(pulls) < 1.35


def test_missing_channels_count_as_nothing(templates: Templates) -> None:
    flux, ivar = a_spectrum(0.0613, 1.0, seed=3, snr=20)
    ivar[:800] = ivar[2000:2300] = 0
    clean, dirty = (fit_redshift(np.where(ivar > 0, flux, junk), ivar, templates) for junk in (0.0, 1e4))
    assert clean == dirty
    assert abs(clean.redshift - 0.0613) < 4 * clean.error


def test_errors_that_are_too_small_are_found_out_by_neighbouring_channels() -> None:
    rng = np.random.default_rng(4)
    noise = rng.standard_normal(4000)
    assert noise_factor(5 + 3 * noise, np.ones(4000)) == pytest.approx(3, rel=0.06)
    assert noise_factor(5 + 0.5 * noise, np.ones(4000)) == 1  # never below what was said
    assert noise_factor(noise[:50], np.ones(50)) == 1


def test_the_middle_is_the_brightest_place_and_no_star() -> None:
    y, x = np.indices((40, 40))
    galaxy = np.exp(-np.hypot(y - 22, x - 18) / 4)[..., None] * np.ones(50)
    bits = np.zeros(galaxy.shape, np.uint16)
    galaxy[5:8, 30:33] += 100
    bits[5:8, 30:33] = 1 << 3
    ivar = np.ones(galaxy.shape)
    ivar[22, 18, 10] = 0
    ivar[20:, :, 20] = 0
    flux, weight = middle_spectrum(galaxy, ivar, bits, spaxel=0.5)
    near = np.hypot(y - 22, x - 18) * 0.5 <= 4
    assert flux[0] == pytest.approx(galaxy[near][:, 0].sum())
    assert weight[0] == pytest.approx(1 / near.sum())
    assert flux[10] == pytest.approx(flux[9])  # the others stand for the one that lacks it
    assert weight[20] == 0  # half of the light is missing
    assert not middle_spectrum(galaxy, 0 * ivar, bits, 0.5)[1].any()


def test_seven_real_spectra_have_the_redshifts_of_the_catalogue(shared: Path, templates: Templates) -> None:
    from astropy.io import fits

    sky = MANGA_GRID.between(5570, 5586)
    sure = 0
    with fits.open(shared / "manga" / "MaNGA_test_spectra.fits.gz") as file:
        spectra = zip(*(file[name].data for name in ("FLUX", "IVAR", "MASK", "Z")), strict=True)
        for flux, ivar, mask, catalogue in spectra:
            ivar = np.where(mask > 0, 0, ivar).astype(float)
            ivar[sky] = 0
            found = fit_redshift(flux.astype(float), ivar, templates)
            if (ivar > 0).any():  # single spaxels: they turn with their galaxies
                assert abs(found.redshift - catalogue) * SPEED < 100
            sure += found.sure
    assert sure == 6  # one is masked, one has a S/N of 1.5


def test_quasars_and_stars_of_sdss_are_not_taken_for_galaxies(shared: Path, templates: Templates) -> None:
    kept = np.load(shared / "spectra" / "sdss_spectra_on_manga_grid.npz")
    found, failed = 0, 0
    for flux, ivar, true in zip(kept["flux"][::4], kept["ivar"][::4], kept["z"][::4], strict=True):
        one = fit_redshift(flux.astype(float), np.where(flux != 0, ivar, 0).astype(float), templates)
        right = abs(one.redshift - true) / (1 + true) < 0.003
        found += one.sure and right
        failed += one.sure and not right
    assert found >= 2
    assert failed == 0


@pytest.mark.parametrize(("folder", "catalogue"), [("sami", None), ("muse", 0.0860)])
def test_cubes_of_other_instruments_say_their_redshift(
    shared: Path, folder: str, catalogue: float | None
) -> None:
    """Abell 478's brightest galaxy is at 0.086, the cluster at 0.088."""
    source = find_sources(shared / folder)[0]
    cube = source.read(None, 4563)
    found = redshift_of_cube(cube)
    assert found.sure
    assert abs(found.redshift - (catalogue or cube.redshift)) < 3e-4


@dataclass(frozen=True)
class Untold:
    """A source of a simulated cube that does not say its redshift."""

    change: Callable[[Cube], Cube]
    name: str = "9001-1901"
    files: tuple[Path, ...] = ()

    def identity(self) -> str:
        return "untold"

    def read(self, catalog: Catalog | None, channels: int) -> Cube:
        made = simulate_galaxy(Simulation(galaxies=4, seed=11, ifus=(19,), oddities=0.0), 1)
        return self.change(replace(made.cube, plateifu=self.name))


def unknown(cube: Cube) -> Cube:
    return replace(cube, redshift=float("nan"))


def noise_only(cube: Cube) -> Cube:
    rng = np.random.default_rng(5)
    noise = rng.standard_normal(cube.flux.shape) / np.sqrt(np.where(cube.ivar > 0, cube.ivar, 1))
    return replace(cube, redshift=float("nan"), flux=(noise * (cube.ivar > 0)).astype(np.float32))


def test_a_cube_that_came_without_a_redshift_comes_home_all_the_same(tmp_path: Path) -> None:
    recipe = replace(PUBLISHED["cubesift"], name="rest", channels=4096)
    known, told, dark = (Run(tmp_path / name) for name in ("known", "told", "dark"))
    prepare_survey(known, [Untold(lambda cube: cube)], [recipe])
    prepare_survey(told, [WithRedshift(Untold(unknown))], [recipe])
    prepare_survey(dark, [WithRedshift(Untold(noise_only))], [recipe])
    right, found, none = (
        Samples.open(run.samples("rest")).record("9001-1901") for run in (known, told, dark)
    )
    assert right.redshift is not None
    assert found.redshift == pytest.approx(right.redshift, abs=2e-4)
    assert found.frame == "rest"
    assert any("no redshift came with it; by its spectrum" in note for note in found.notes)
    assert (none.redshift, none.frame) == (None, "observed")
    assert any("its spectrum does not tell" in note for note in none.notes)


def test_a_wrong_redshift_in_the_catalogue_is_named(tmp_path: Path) -> None:
    run = Run(tmp_path)
    prepare_survey(run, [Untold(lambda cube: replace(cube, redshift=cube.redshift + 0.02))], [PAPER])
    path = judge_redshift(run)
    columns, _ = read_parquet(path)
    assert columns["sure"].all()
    assert not columns["agrees"].any()
    said = in_words(columns, {"9001-1901": float(columns["redshift"][0])})
    assert "1 of the sure ones disagree with the catalogue" in said
    assert "Wrong in the catalogue: 1, of which 1 disagree with a sure fit" in said
    assert "no samples nobody in the observed frame" in refusal(
        "judge", "redshift", run.path, "--recipe", "nobody"
    )


def test_a_redshift_agrees_within_its_error_or_what_a_galaxy_turns() -> None:
    one = Redshift(0.05, 1e-5, 1000, 0.1, 100, 10, 1.0)
    assert one.agrees(0.0505)
    assert not one.agrees(0.0520)
    assert replace(one, error=1e-3).agrees(0.0540)
    assert not replace(one, second_explained=700).sure
    assert not one.agrees(0.05 + 1.02e-3 * 1.05)
    assert not replace(one, unexplained=2000).sure


@pytest.mark.parametrize("redshift", [0.2005, -0.0055])
def test_a_galaxy_just_beyond_the_range_is_flagged(templates: Templates, redshift: float) -> None:
    assert not fit_redshift(*a_spectrum(redshift, 1.0, seed=6, snr=20), templates).sure


def test_a_spectrum_without_data_fails_and_leaves_the_others_their_figures() -> None:
    columns = {
        "plateifu": np.array(["a", "b", "c", "elsewhere"]),
        "catalogue": np.array([0.05, 0.06, np.nan, 0.07]),
        "redshift": np.array([0.05, 0.0601, np.nan, 0.07]),
        "error": np.array([1e-5, 1e-5, np.inf, 1e-5]),
        "sure": np.array([True, True, False, True]),
        "agrees": np.array([True, True, True, True]),
    }
    said = in_words(columns, {"a": 0.05, "b": 0.06, "c": 0.03})
    assert "nan" not in said
    assert "1 of 1 flagged ones" in said
    assert "0 of 3 sure ones" in said
