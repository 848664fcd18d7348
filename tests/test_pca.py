"""Principal components of spectra: in one pass, and where channels are missing."""

import numpy as np
import pytest
import torch

from cubesift.learn.feed import Galaxy
from cubesift.learn.pca import Moments, gap_filling, principal_components

WAVE = 60


def a_galaxy(rng: np.random.Generator, name: str, covered: np.ndarray | None = None) -> Galaxy:
    """Mixtures of four spectra and noise; one spaxel is a foreground star, one saw nothing."""
    channels = np.linspace(0, 1, WAVE)
    shapes = np.stack([1 + channels, np.exp(-3 * channels), np.sin(9 * channels), np.cos(20 * channels)])
    light = rng.gamma(2, size=(8, 8, 4)) * [3, 2, 1, 0.5]
    flux = (light @ shapes + rng.normal(0, 0.05, (8, 8, WAVE))).astype(np.float32)
    good, observed = np.ones((8, 8), bool), np.ones((8, 8), bool)
    good[0, 0] = observed[7, 7] = False
    flux[~good | ~observed] = 1e3
    covered = np.ones(WAVE, bool) if covered is None else covered
    return Galaxy(
        plateifu=name,
        flux=torch.from_numpy(flux * covered),
        good=torch.from_numpy(good),
        observed=torch.from_numpy(observed),
        covered=torch.from_numpy(covered),
        redshift=0.03,
    )


@pytest.fixture(scope="module")
def galaxies() -> list[Galaxy]:
    rng = np.random.default_rng(1)
    return [a_galaxy(rng, str(number)) for number in range(12)]


def spectra_of(galaxies: list[Galaxy]) -> np.ndarray:
    return np.concatenate([galaxy.flux[galaxy.good & galaxy.observed].numpy() for galaxy in galaxies])


def moments_of(galaxies: list[Galaxy]) -> Moments:
    moments = Moments(WAVE)
    for galaxy in galaxies:
        moments.add(galaxy)
    return moments


def test_one_pass_over_the_galaxies_finds_what_all_spectra_at_once_would(galaxies: list[Galaxy]) -> None:
    spectra = spectra_of(galaxies).astype(float)
    found = principal_components(moments_of(galaxies), 6)
    _, singular, directions = np.linalg.svd(spectra - spectra.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(found.mean, spectra.mean(axis=0), rtol=1e-6)
    # The last two are noise, a millionth of the first: products in float32 leave them three digits.
    np.testing.assert_allclose(found.variances, singular[:6] ** 2 / len(spectra), rtol=3e-3)
    np.testing.assert_allclose(found.rest, (singular[6:] ** 2).sum() / len(spectra) / (WAVE - 6), rtol=1e-2)
    # The first four are the four spectra that were mixed; an eigenvector's sign is a convention.
    alike = np.abs((found.components[:4] * directions[:4]).sum(axis=1))
    np.testing.assert_allclose(alike, 1, atol=1e-5)
    assert (found.components.max(axis=1) == np.abs(found.components).max(axis=1)).all()


def test_stars_and_empty_corners_are_no_spectra(galaxies: list[Galaxy]) -> None:
    assert np.abs(moments_of(galaxies).mean).max() < 20  # they hold 1000


def test_the_scale_is_the_mean_light_of_a_voxel(galaxies: list[Galaxy]) -> None:
    assert moments_of(galaxies).scale == pytest.approx(np.abs(spectra_of(galaxies)).mean(), rel=1e-6)


def test_a_missing_channel_counts_as_the_mean() -> None:
    rng = np.random.default_rng(2)
    parts = []
    for number in range(9):
        covered = np.zeros(WAVE, bool)
        covered[5 * (number % 3) : 50 + 5 * (number % 3)] = (
            True  # at rest, each redshift covers other channels
        )
        parts.append(a_galaxy(rng, str(number), covered))
    moments = moments_of(parts)
    spectra = spectra_of(parts).astype(float)
    covered = np.repeat([galaxy.covered.numpy() for galaxy in parts], 62, axis=0)
    mean = spectra.sum(axis=0) / covered.sum(axis=0)
    deviations = np.where(covered, spectra - mean, 0)
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(moments.covariance(), deviations.T @ deviations / len(spectra), atol=1e-4)


def test_a_galaxy_that_covers_everything_is_simply_projected(galaxies: list[Galaxy]) -> None:
    found = principal_components(moments_of(galaxies), 6)
    everything = np.ones(WAVE, bool)
    np.testing.assert_allclose(
        gap_filling(found.components, found.variances, found.rest, everything), np.eye(6), atol=1e-12
    )


def test_codes_come_home_where_channels_are_missing(galaxies: list[Galaxy]) -> None:
    found = principal_components(moments_of(galaxies), 4)
    rng = np.random.default_rng(3)
    codes = rng.normal(size=(100, 4)) * np.sqrt(found.variances)
    light = codes @ found.components
    covered = np.ones(WAVE, bool)
    covered[20:38] = False  # the gap between the blue and the red arm of another instrument
    covered[50:] = False
    plain = (light * covered) @ found.components.T
    of_all = plain @ gap_filling(found.components, found.variances, found.rest, covered).T
    spread = np.sqrt(found.variances)
    assert (np.abs(of_all - codes).mean(axis=0) < 0.05 * spread).all()
    assert (np.abs(plain - codes).mean(axis=0) > 0.1 * spread).any()


def test_poor_coverage_falls_back_on_the_mean_and_does_not_explode(galaxies: list[Galaxy]) -> None:
    found = principal_components(moments_of(galaxies), 6)
    rng = np.random.default_rng(4)
    covered = np.zeros(WAVE, bool)
    covered[[10, 11]] = True  # two channels cannot tell six components apart
    noise = rng.normal(0, np.sqrt(found.rest), (200, WAVE)) * covered
    codes = noise @ found.components.T @ gap_filling(found.components, found.variances, found.rest, covered).T
    assert (codes.std(axis=0) < np.sqrt(found.variances)).all()
    nothing = np.zeros(WAVE, bool)
    empty = gap_filling(found.components, found.variances, found.rest, nothing)
    assert np.isfinite(empty).all()
