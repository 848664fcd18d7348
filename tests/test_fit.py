"""Spectra become a few numbers with their covariance, and lines come out as strong as they went in."""

from pathlib import Path

import numpy as np
import pytest

from cubesift.data.linespread import line_spread
from cubesift.data.wavelength import MANGA_GRID, WavelengthGrid, redshift_channels
from cubesift.errors import CubesiftError
from cubesift.fit.basis import Basis
from cubesift.fit.codes import Codes, Measured
from cubesift.fit.learning import GAP, Learning, learn_basis
from cubesift.fit.lines import HARD, LINES, NAMES, near_lines
from cubesift.fit.profiles import Setting, line_profiles
from cubesift.fit.spaxels import fit_spaxels, spectra_of
from cubesift.fit.stars import filled_by_stars, stars
from cubesift.fit.together import drawn_together

GRID = WavelengthGrid(first=-100, size=4400)
REDSHIFT = 0.0203
AT = Setting(GRID, REDSHIFT, redshift_channels(REDSHIFT)[1])


@pytest.fixture(scope="module")
def basis() -> Basis:
    """Five continua that real stars have."""
    shapes = np.zeros((5, GRID.size), np.float32)
    shapes[:, 100:] = stars()[[3, 20, 33, 47, 60], : GRID.size - 100]
    shapes[:, :100] = shapes[:, 100:101]
    shapes[1:] -= shapes[0]
    return Basis(GRID, shapes, np.ones(5))


def spaxels(basis: Basis, count: int, seed: int, strength: float = 40.0) -> tuple[np.ndarray, Codes]:
    """Noise-free spectra, of continua and lines, and what they were made of."""
    rng = np.random.default_rng(seed)
    numbers = [
        rng.uniform(2, 4, (count, 1)),
        rng.normal(0, 0.3, (count, 4)),
        rng.uniform(0.5, 2, (count, len(NAMES))) * strength,
        rng.uniform(-300, 300, (count, 1)),
        rng.uniform(60, 150, (count, 1)),
        rng.uniform(-40, 40, (count, 2)),
    ]
    truth = Codes(np.concatenate(numbers, axis=1))
    return spectra_of(truth, basis, AT), truth


def test_lines_and_continua_come_out_as_they_went_in(basis: Basis) -> None:
    flux, truth = spaxels(basis, 20, seed=1)
    found = fit_spaxels(flux, np.full_like(flux, 1e6), basis, AT)
    np.testing.assert_allclose(found.flux, truth.flux, rtol=2e-3)
    np.testing.assert_allclose(found.velocity, truth.velocity, atol=0.3)
    np.testing.assert_allclose(found.sigma, truth.sigma, atol=1)
    np.testing.assert_allclose(found.continuum, truth.continuum, atol=0.02)  # the prior draws a little
    np.testing.assert_allclose(spectra_of(found, basis, AT), flux, atol=0.02)


def test_errors_are_as_large_as_what_noise_does(basis: Basis) -> None:
    flux, truth = spaxels(basis, 200, seed=2, strength=25.0)
    ivar = np.full_like(flux, 1.0)
    noisy = flux + np.random.default_rng(3).standard_normal(flux.shape).astype(np.float32)
    found = fit_spaxels(noisy, ivar, basis, AT)
    numbers = found.numbers
    true = np.concatenate(
        [
            getattr(truth, name).reshape(200, -1)
            for name in ("continuum", "flux", "velocity", "sigma", "hard")
        ],
        axis=1,
    )
    pulls = (numbers - true) / np.sqrt(np.diagonal(found.covariance, axis1=1, axis2=2))
    assert 0.93 < pulls[:, :-1].std() < 1.07
    whitened = np.linalg.solve(
        np.linalg.cholesky(found.covariance.astype(float)), (numbers - true)[..., None]
    )
    assert 0.9 < np.median(np.square(whitened).sum(axis=(1, 2))) / numbers.shape[1] < 1.1
    assert abs(pulls.mean(axis=0)[5:-2]).max() < 0.3  # 200 spaxels: 0.07 is chance


def test_a_velocity_is_as_sure_as_its_lines_allow(basis: Basis) -> None:
    """Cramer-Rao: sigma sqrt(2) / (S/N) for a Gaussian of known width, less for several together."""
    flux, truth = spaxels(basis, 200, seed=4, strength=20.0)
    noisy = flux + np.random.default_rng(5).standard_normal(flux.shape).astype(np.float32)
    found = fit_spaxels(noisy, np.ones_like(flux), basis, AT)
    information = np.zeros(200)
    for name, together in LINES.items():
        only = Codes(truth.numbers * np.concatenate([np.zeros(5), np.array(NAMES) == name, np.ones(4)]))
        for rest, _ in together[:1]:
            width = np.hypot(truth.sigma, float(line_spread("MaNGA", rest * (1 + REDSHIFT))))
            signal = np.sqrt(np.square(spectra_of(only, basis, AT)).sum(axis=1))
            information += (signal / (np.sqrt(2) * width)) ** 2
    scatter = np.std((found.velocity - truth.velocity) * np.sqrt(information))
    assert 0.8 < scatter < 1.2


def test_hard_ions_may_move_and_spread_as_they_like(basis: Basis) -> None:
    """As in a nucleus: their own fluxes come out right, and nothing is taken from the others' motion."""
    flux, truth = spaxels(basis, 100, seed=12, strength=60.0)
    apart = Codes(truth.numbers.copy())
    apart.hard[:] = -60, 60
    lines = spectra_of(apart, basis, AT)
    noisy = lines + np.random.default_rng(13).standard_normal(flux.shape).astype(np.float32)
    found = fit_spaxels(noisy, np.ones_like(flux), basis, AT)
    for name in HARD:
        place = NAMES.index(name)
        assert abs(np.median(found.flux[:, place] / truth.flux[:, place]) - 1) < 0.03
    assert np.median(found.hard, axis=0) == pytest.approx((-60, 60), abs=15)  # the prior draws to 0
    assert abs(np.median(found.velocity - truth.velocity)) < 2
    assert abs(np.median(found.sigma - truth.sigma)) < 3


def test_missing_channels_are_missing_not_zero(basis: Basis) -> None:
    flux, _ = spaxels(basis, 10, seed=6)
    ivar = np.full_like(flux, 1e4)
    ivar[:, 1000:1400] = 0
    ivar[3, GRID.size // 2 :] = 0
    holes, garbage = np.where(ivar > 0, flux, 0), np.where(ivar > 0, flux, 1e3)
    one, other = fit_spaxels(holes, ivar, basis, AT), fit_spaxels(garbage.astype(np.float32), ivar, basis, AT)
    np.testing.assert_allclose(one.flux, other.flux, rtol=1e-6, atol=1e-6)
    good = ivar > 0
    np.testing.assert_allclose(spectra_of(one, basis, AT)[good], flux[good], atol=0.05)
    lost = NAMES.index("Halpha")  # of the spectrum that ends before it
    assert one.error("Halpha")[3] > 100 * one.error("Halpha")[2]
    assert abs(one.flux[3, lost]) < 1e-3


def test_a_spaxel_without_lines_has_none_within_its_errors(basis: Basis) -> None:
    flux, _ = spaxels(basis, 150, seed=7, strength=0.0)
    noisy = flux + np.random.default_rng(8).standard_normal(flux.shape).astype(np.float32)
    found = fit_spaxels(noisy, np.ones_like(flux), basis, AT)
    for line in ("SII6718", "OI6302", "Hbeta"):
        pull = found.flux[:, NAMES.index(line)] / found.error(line)
        assert abs(np.median(pull)) < 0.5
        assert 0.7 < pull.std() < 1.5
    assert np.abs(found.velocity).max() < 700


def test_fluxes_drawn_together_are_nearer_to_the_truth_and_bright_ones_stay() -> None:
    rng, count = np.random.default_rng(8), 300
    ratios = rng.uniform(0.1, 1, len(NAMES)) * (1 + 0.1 * rng.standard_normal((count, len(NAMES))))
    true = rng.lognormal(1.0, 1.2, (count, 1)) * ratios
    true[0] = 0.0
    error = np.full((count, len(NAMES)), 1.0)
    error[1] = 1e6  # a line that nobody saw in it
    error[1, 9] = 1.0
    flux = true + error * rng.standard_normal(error.shape)
    covariance = np.zeros((count, len(NAMES) + 5, len(NAMES) + 5), np.float32)
    places = np.arange(len(NAMES)) + 1
    covariance[:, places, places] = error**2
    motions = np.tile([0.0, 60.0, 0.0, 0.0], (count, 1))
    codes = Measured(np.concatenate([np.ones((count, 1)), flux, motions], axis=1), covariance)
    drawn = drawn_together(codes).flux
    assert np.square(drawn - true)[2:].mean() < 0.4 * np.square(flux - true)[2:].mean()
    assert np.abs(drawn[0]).max() < 1.5
    told = drawn[1, :9] / drawn[1, 9] / (ratios.mean(axis=0)[:9] / ratios.mean(axis=0)[9])
    np.testing.assert_allclose(told, 1, atol=0.15)
    bright = true.min(axis=1) > 20
    np.testing.assert_allclose(drawn[bright], flux[bright], atol=1.0)


def test_stars_fill_in_what_lies_under_a_line() -> None:
    grid = MANGA_GRID
    rng = np.random.default_rng(9)
    tilted = 1 + 0.2 * np.linspace(-1, 1, grid.size)  # as dust and calibration do
    made = (stars()[rng.choice(len(stars()), 6, replace=False)] * tilted).astype(np.float32)
    turned = np.linalg.qr(rng.normal(size=(6, 6)))[0].astype(np.float32)  # no component is a mixture of stars
    components, amounts = turned @ made, rng.dirichlet(np.ones(6), 100) @ turned.T
    gaps = near_lines(grid, GAP)
    filled = filled_by_stars(np.where(gaps, 0, components), amounts, gaps, grid)
    assert (filled[:, ~gaps] == components[:, ~gaps]).all()
    missed = np.abs(amounts @ filled / (amounts @ components) - 1)[:, gaps]
    assert np.median(missed) < 0.002
    assert missed.max() < 0.1


def test_continua_are_learned_around_gaps_and_oddities() -> None:
    grid = WavelengthGrid(first=0, size=4500)
    rng = np.random.default_rng(10)
    true = np.stack([stars()[20], stars()[40], stars()[5]])[:, :4500]
    flux = (rng.dirichlet(np.ones(3), 300) * rng.uniform(2, 20, (300, 1))) @ true
    flux = (flux + 0.2 * rng.standard_normal(flux.shape)).astype(np.float32)
    ivar = np.full_like(flux, 25.0)
    for row, start in zip(range(300), rng.integers(0, 4000, 300), strict=True):
        ivar[row, start : start + 500] = 0
        flux[row, start : start + 500] = 99
    flux[:6, 2000:2200] += 30  # oddities
    basis = learn_basis(flux, ivar, grid, Learning(components=3, rounds=6))
    outside = ~near_lines(grid, GAP)
    amounts, *_ = np.linalg.lstsq(
        basis.components[:, outside].T.astype(float), true[:, outside].T, rcond=None
    )
    missed = amounts.T @ basis.components - true
    assert np.abs(missed[:, outside]).max() < 0.05 * true.max()
    assert np.sqrt(np.mean(np.square(missed[:, ~outside]))) < 0.02


def test_a_basis_is_read_as_it_was_written(basis: Basis, tmp_path: Path) -> None:
    basis.save(tmp_path / "basis.npz")
    again = Basis.load(tmp_path / "basis.npz")
    assert again.grid == basis.grid
    assert (again.components == basis.components).all()
    assert (again.spread == basis.spread).all()
    with pytest.raises(CubesiftError, match="no basis of continua here"):
        Basis.load(tmp_path / "other.npz")


def test_a_line_has_its_flux_wherever_it_lies_on_the_channels() -> None:
    velocity = np.linspace(-200, 200, 9)
    profiles = line_profiles(AT, velocity, np.full(9, 40.0))
    total = (profiles * AT.windows.angstrom).sum(axis=2)
    ratios = [
        sum(ratio for rest, ratio in LINES[name] if 0 <= GRID.channel(rest) < GRID.size) for name in NAMES
    ]
    np.testing.assert_allclose(total, np.tile(ratios, (9, 1)), rtol=2e-3)


def test_an_instrument_nobody_knows_is_refused() -> None:
    with pytest.raises(CubesiftError, match="KCWI: the width of its lines is not known"):
        line_spread("KCWI", 5000.0)
    assert 20 < float(line_spread("SAMI", 6600.0)) < 40
    assert 40 < float(line_spread("MUSE", 6600.0)) < 60
