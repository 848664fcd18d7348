"""The noise is MaNGA's: as loud, as shared between neighbours, and as the truth says it is."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from pydantic import ValidationError
from scipy.ndimage import median_filter

from cubesift.data.cube import DONOTUSE, LOWCOV, MANGA_CHANNEL_CORRELATION, NOCOV
from cubesift.data.wavelength import MANGA_GRID
from cubesift.prepare.steps import rebinned, rebinned_ivar
from cubesift.simulate.cube import Simulated, simulate_galaxy
from cubesift.simulate.exposure import formal_variance
from cubesift.simulate.noise import (
    SKY_LINE,
    correlation,
    coverage_variance,
    distance_inside,
    noise_planes,
    quality_bits,
    residual_share,
    shared_noise,
    sky_line,
    sky_variance,
    source_variance,
)
from cubesift.simulate.observation import draw_observation
from cubesift.simulate.settings import Simulation

WAVE = MANGA_GRID.wave
AT_SKY_LINE = np.abs(WAVE - SKY_LINE) < 8
SMALL = Simulation(galaxies=1, seed=11, ifus=(19,), oddities=0.0)


@pytest.fixture(scope="module")
def three() -> list[Simulated]:
    """Three small galaxies without oddities, each with its own error factor."""
    return [simulate_galaxy(replace(SMALL, seed=seed), 0) for seed in (11, 12, 13)]


def noise_of(simulated: Simulated) -> np.ndarray:
    """(wave, y, x): noise over its true sigma, factor / sqrt(ivar); nan where nothing may be used."""
    cube = simulated.cube
    noise = (cube.flux - simulated.clean) * np.sqrt(cube.ivar) / simulated.observation.error_factor
    noise[cube.ivar == 0] = np.nan
    return np.asarray(noise)


# What neighbours share


def test_noise_is_shared_by_neighbours_as_in_manga() -> None:
    noise = shared_noise(np.random.default_rng(5), 400, 34).astype(float)
    assert np.var(noise) == pytest.approx(1, abs=0.01)
    for distance in (1, 2, 3, 4):
        expected = np.exp(-0.5 * (distance / 1.92) ** 2)
        for pair in (
            noise[:, distance:] * noise[:, :-distance],
            noise[:, :, distance:] * noise[:, :, :-distance],
        ):
            assert pair.mean() == pytest.approx(expected, abs=0.015)
    edge, middle = noise[:, 0, 0], noise[:, 17, 17]
    assert np.var(edge) == pytest.approx(1, abs=0.25)
    assert np.var(middle) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("channels", [(), (0.3,), MANGA_CHANNEL_CORRELATION])
def test_channels_share_noise_as_asked_also_from_piece_to_piece(channels: tuple[float, ...]) -> None:
    pieces = noise_planes(np.random.default_rng(6), [150, 1, 2, 300], 34, channels)
    noise = np.concatenate(list(pieces)).astype(float)
    assert len(noise) == 453
    assert np.var(noise) == pytest.approx(1, abs=0.02)
    for lag, expected in zip(range(1, 5), (*channels, 0, 0, 0, 0), strict=False):
        assert np.mean(noise[lag:] * noise[:-lag]) == pytest.approx(expected, abs=0.02)
    seam = np.mean(noise[150] * noise[149]) + np.mean(noise[153] * noise[152])
    assert seam / 2 == pytest.approx(channels[0] if channels else 0, abs=0.25)


def test_simulated_channels_share_as_much_noise_as_those_of_faint_real_spectra(
    shared: Path, three: list[Simulated]
) -> None:
    with fits.open(shared / "manga" / "MaNGA_test_spectra.fits.gz") as hdus:
        flux, ivar = (hdus[name].data[[6, 7]].astype(float) for name in ("FLUX", "IVAR"))
    real = np.mean([shared_by_channels(*pair) for pair in zip(flux, ivar, strict=True)], axis=0)
    faint = []
    for cube in (one.cube for one in three):
        signal_to_noise = np.median(cube.flux * np.sqrt(cube.ivar), axis=0)
        y, x = np.nonzero((signal_to_noise > 1) & (signal_to_noise < 20))
        faint += [
            shared_by_channels(cube.flux[:, a, b], cube.ivar[:, a, b]) for a, b in zip(y, x, strict=True)
        ]
    assert len(faint) > 50
    assert np.mean(faint, axis=0) == pytest.approx(real, abs=0.08)


def shared_by_channels(flux: np.ndarray, ivar: np.ndarray) -> list[float]:
    """Correlation of a channel's noise with the next three, where the spectrum is smooth and the sky dark."""
    piece = MANGA_GRID.between(5700, 8300)
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = np.clip((flux - median_filter(flux, 25)) * np.sqrt(ivar), -4, 4)[piece]
    return [float(np.corrcoef(noise[lag:], noise[:-lag])[0, 1]) for lag in (1, 2, 3)]


def test_the_mean_of_channels_is_as_noisy_as_what_they_share_says() -> None:
    (noise,) = noise_planes(np.random.default_rng(7), [4096], 8, MANGA_CHANNEL_CORRELATION)
    spaxels = noise.transpose(1, 2, 0)
    for width in (2, 4, 16):
        ivar = rebinned_ivar(np.ones_like(spaxels), width, MANGA_CHANNEL_CORRELATION)
        assert np.mean(rebinned(spaxels, width) ** 2 * ivar) == pytest.approx(1, abs=0.05)


def test_correlations_that_no_noise_has_are_refused() -> None:
    with pytest.raises(ValueError, match="no noise has these correlations"):
        Simulation(channel_correlation=(0.8,))


def test_neighbours_share_as_much_as_the_real_correlation_matrix_says(shared: Path) -> None:
    with fits.open(shared / "manga" / "manga-7815-3702-SNRG.fits.gz") as hdus:
        table = hdus["CORREL"].data
    away = (table["INDXI_C1"] - table["INDXJ_C1"]) ** 2 + (table["INDXI_C2"] - table["INDXJ_C2"]) ** 2
    ours = correlation(7)
    for y, x in ((0, 1), (1, 1), (0, 2), (1, 2), (0, 3), (0, 4), (3, 4)):
        real = table["RHOIJ"][away == y**2 + x**2].mean()
        assert ours[0, y] * ours[0, x] == pytest.approx(real, abs=0.025)


def test_a_sum_of_spaxels_is_as_noisy_as_their_covariance_says(three: list[Simulated]) -> None:
    along = correlation(3)
    rho = np.kron(along, along)  # the Gaussian separates
    usable = (residual_share(SMALL.sky_residual) == 0) & ~AT_SKY_LINE
    ratios, independent = [], []
    for simulated in three:
        noise = noise_of(simulated)[usable, 8:26, 8:26]
        with np.errstate(divide="ignore"):
            sigma = 1 / np.sqrt(simulated.cube.ivar[usable, 8:26, 8:26])
        noise, sigma = (
            each.reshape(-1, 6, 3, 6, 3).swapaxes(2, 3).reshape(-1, 9) for each in (noise * sigma, sigma)
        )
        good = np.isfinite(noise).all(axis=1)
        noise, sigma = noise[good], sigma[good]
        # Σ w_i w_j σ_i σ_j rho_ij with w = 1, and what it would be without neighbours
        expected = np.einsum("bi,ij,bj->b", sigma, rho, sigma)
        ratios.append(np.mean(noise.sum(axis=1) ** 2 / expected))
        independent.append(np.mean(expected / (sigma**2).sum(axis=1)))
    assert np.mean(ratios) == pytest.approx(1, abs=0.02)
    assert np.mean(independent) > 5  # neighbours share most of their noise


# The formal errors, and how wrong they are


def test_the_truth_has_a_chi2_of_one_after_the_recorded_factor(three: list[Simulated]) -> None:
    factors = [simulated.observation.error_factor for simulated in three]
    assert max(np.abs(np.log(factors))) > 0.1
    for simulated in three:
        noise = noise_of(simulated)[~AT_SKY_LINE]
        assert np.nanmean(noise**2) == pytest.approx(1, abs=0.01)
        assert abs(np.nanmean(noise)) < 0.02


def test_noise_variance_is_the_factor_squared_over_ivar_in_every_kind_of_voxel(
    three: list[Simulated],
) -> None:
    inside = distance_inside(19, 34)
    share = residual_share(SMALL.sky_residual)
    channels = {
        "blue": (WAVE < 4500) & ~AT_SKY_LINE,
        "middle": (WAVE > 4500) & (WAVE < 8500) & ~AT_SKY_LINE,
        "between the sky's lines": (WAVE > 8500) & (share == 0),
        "at the sky's lines": share > 0.1,
    }
    noises = [noise_of(simulated) for simulated in three]
    for kind, where in channels.items():
        found = np.mean([np.nanmean(noise[where] ** 2) for noise in noises])
        # Left-over sky is one number per channel and bundle: few numbers where it is strong.
        allowed = 0.04 if kind == "at the sky's lines" else 0.015
        assert found == pytest.approx(1, abs=allowed), kind
    for low, high in ((0, 1), (1, 3), (3, 6), (6, 12)):
        where = (inside >= low) & (inside < high)
        found = np.mean([np.nanmean(noise[~AT_SKY_LINE][:, where] ** 2) for noise in noises])
        assert found == pytest.approx(1, abs=0.02), (low, high)
    bright, dim = [], []
    for simulated, noise in zip(three, noises, strict=True):
        level = np.median(simulated.clean[:, inside > 1])
        good = ~AT_SKY_LINE[:, None, None] & np.isfinite(noise)
        bright.append(np.mean(noise[good & (simulated.clean > level)] ** 2))
        dim.append(np.mean(noise[good & (simulated.clean <= level)] ** 2))
    assert np.mean(bright) == pytest.approx(1, abs=0.015)
    assert np.mean(dim) == pytest.approx(1, abs=0.015)


def test_each_observation_draws_its_error_factor_and_the_truth_records_it() -> None:
    settings = Simulation(galaxies=300, seed=2, ifus=(19,))
    drawn = np.array([draw_observation(settings, index).error_factor for index in range(300)])
    assert drawn.min() >= 0.8
    assert drawn.max() <= 1.3
    assert np.median(drawn) == pytest.approx(np.sqrt(0.8 * 1.3), abs=0.04)
    assert np.std(drawn) > 0.1
    seen = draw_observation(replace(settings, error_factor=1.25), 0)
    assert seen.truth()["error_factor"] == seen.error_factor == pytest.approx(1.25)
    for wrong in (0.0, (1.3, 0.8), (-1.0, 1.0)):
        with pytest.raises(ValidationError, match="factor above 0"):
            Simulation(error_factor=wrong)


def test_faint_spaxels_go_below_zero(three: list[Simulated]) -> None:
    negative = [np.mean(simulated.cube.flux[simulated.cube.ivar > 0] < 0) for simulated in three]
    assert 0.001 < max(negative) < 0.5


# Level and shape, held against the real thing


def test_a_spaxel_of_given_flux_has_the_signal_to_noise_of_7815_3702(
    three: list[Simulated], shared: Path
) -> None:
    with fits.open(next((shared / "manga").glob("manga-7815-3702-MAPS-*.fits.gz"))) as hdus:
        flux, snr = hdus["SPX_MFLUX"].data, hdus["SPX_SNR"].data
    inside = distance_inside(37, 42)
    simulated = three[0]
    typical = replace(simulated.observation, sky_level=1.0, source_level=1.0)
    g = MANGA_GRID.between(4000, 5350)  # the middle of the band in which the maps were made
    spectrum = simulated.clean[g, 17, 17] / simulated.clean[g, 17, 17].mean()
    light = spectrum[:, None] * flux.ravel()  # a simulated spectrum as bright as each real spaxel
    variance = formal_variance(typical, light, coverage_variance(inside).ravel(), g)
    ours = (light / np.sqrt(variance)).mean(axis=0).reshape(42, 42)
    for low, high in ((0.05, 0.08), (0.08, 0.12), (0.12, 0.2), (0.2, 0.35), (0.35, 0.6), (0.6, 1), (1, 2)):
        where = (flux > low) & (flux < high) & (inside > 2)
        assert np.median(ours[where]) == pytest.approx(np.median(snr[where]), rel=0.06), (low, high)


def test_variance_rises_towards_the_edge_of_the_bundle_as_in_7815_3702(shared: Path) -> None:
    with fits.open(shared / "manga" / "manga-7815-3702-SNRG.fits.gz") as hdus:
        table = hdus["SPECTRUM"].data
    flux, variance = np.zeros((2, 42, 42))
    for plane, name in ((flux, "SIGNAL"), (variance, "VARIANCE")):
        plane[table["DRP_INDEX"][:, 1], table["DRP_INDEX"][:, 0]] = table[name]
    real, ours = variance / (1.05e-4 + 3.13e-4 * flux), coverage_variance(distance_inside(37, 42))
    inside = distance_inside(37, 42)
    for low, high in ((0, 1), (1, 2), (2, 4), (4, 8), (8, 20)):
        where = (inside >= low) & (inside < high) & (variance > 0)
        assert np.median(ours[where]) == pytest.approx(np.median(real[where]), abs=0.12), (low, high)
    middle = (inside > 2) & (variance > 0)
    # Fibres and dithers leave a pattern.
    assert 0.7 < np.log(ours[middle]).std() / np.log(real[middle]).std() < 1


def test_variance_has_the_shape_over_wavelength_of_the_real_spectra(shared: Path) -> None:
    with fits.open(shared / "manga" / "MaNGA_test_spectra.fits.gz") as hdus:
        flux, ivar = hdus["FLUX"].data.astype(float), hdus["IVAR"].data.astype(float)
    edges = [4000, 4500, 5000, 5500, 6000, 6500, 7000, 8000, 9000, 9500, 10000]
    for row in (0, 1, 3, 4, 6, 7):  # 2 lies at the rim, 5 is masked
        smooth = median_filter(flux[row], 151, mode="nearest")
        expected = sky_variance() + source_variance() * np.maximum(smooth, 0)
        ratio = 1 / np.maximum(ivar[row], 1e-9) / expected
        bands = [np.median(ratio[MANGA_GRID.between(low, high)]) for low, high in pairwise(edges)]
        assert np.ptp(np.log(bands)) < np.log(1.6), row


# The sky


def test_left_over_sky_is_the_same_in_the_whole_bundle() -> None:
    settings = replace(SMALL, sky_residual=0.8)
    share = residual_share(settings.sky_residual)
    assert not share[WAVE < 8500].any()
    noise = noise_of(simulate_galaxy(settings, 0))
    corners = np.array([noise[:4558, 17, 7], noise[:4558, 17, 27]])  # ten arcsec apart
    usable = np.isfinite(corners).all(axis=0)
    assert usable.mean() > 0.99
    strong, quiet = usable & (share[:4558] > 0.5), usable & (share[:4558] == 0) & ~AT_SKY_LINE[:4558]
    assert np.corrcoef(corners[:, strong])[0, 1] > 0.3
    assert abs(np.corrcoef(corners[:, quiet])[0, 1]) < 0.05


def test_the_sky_line_leaves_more_than_the_formal_errors_say_and_nowhere_else() -> None:
    rng = np.random.default_rng(1)
    profiles = np.array([sky_line(rng) for _ in range(200)])
    assert not np.abs(profiles[:, ~AT_SKY_LINE]).max() > 0.5
    over_error = profiles / np.sqrt(
        sky_variance() / np.median(sky_variance()[MANGA_GRID.between(5540, 5610)])
    )
    peaks = np.abs(over_error).max(axis=1)
    assert 8 < np.median(peaks) < 25  # the real ones: 28, 17, 16, 13, 6, 5, 1
    # Either sign, so that no model learns a line of it.
    assert abs(profiles[:, int(MANGA_GRID.channel(SKY_LINE))].mean()) < 15


# Bits


def test_bits_are_where_the_real_spectra_have_them(shared: Path) -> None:
    with fits.open(shared / "manga" / "MaNGA_test_spectra.fits.gz") as hdus:
        real = hdus["MASK"].data[[0, 1, 2, 3, 4, 6, 7]]
    inside = distance_inside(61, 54)
    bits = quality_bits(np.random.default_rng(3), inside)
    spectra = bits[:, inside > 2].T
    assert set(np.unique(spectra)) == set(np.unique(real)) == {0, LOWCOV | DONOTUSE}
    assert (spectra[:, -5:] > 0).all()
    red = [np.mean((mask[:, -7:] > 0).sum(axis=1)) for mask in (real, spectra)]
    assert red[1] == pytest.approx(red[0], abs=1.5)
    lost = [np.mean(mask[:, :-7] > 0) for mask in (real, spectra)]
    assert lost[1] == pytest.approx(lost[0], rel=0.5)  # two places in the real ones
    assert (bits[:, inside < 0] & DONOTUSE).all()
    assert (bits[:, inside < -2] & NOCOV).all()
    assert not (bits[:, inside > 0] & NOCOV).any()
