"""True noise over formal error, found in spectra by nothing but the scatter of neighbouring channels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from cubesift.data.cube import DONOTUSE, MANGA_CHANNEL_CORRELATION
from cubesift.data.door import find_sources
from cubesift.data.wavelength import MANGA_GRID
from cubesift.fit.basis import Basis
from cubesift.fit.codes import Codes
from cubesift.fit.lines import NAMES
from cubesift.fit.noise import NoiseModel, learn_noise, scatter
from cubesift.fit.profiles import Setting
from cubesift.fit.spaxels import fit_spaxels, spectra_of
from cubesift.fit.stars import stars
from cubesift.simulate.noise import running

WAVE = MANGA_GRID.wave
CORRELATION = (0.23, -0.17)
SHAPE = NoiseModel((1.1, 1.05, 1.0, 0.95, 0.9))


def noise(rng: np.random.Generator, count: int, correlation: tuple[float, ...] = CORRELATION) -> np.ndarray:
    """(spectrum, wave) of variance 1."""
    return running(rng.standard_normal((len(WAVE) + len(correlation), count)), correlation).T


def galaxy(seed: int, factor: float, brightness: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forty stars of some S/N, whose formal error is 1 and whose noise is not."""
    rng = np.random.default_rng(seed)
    light = stars()[rng.choice(len(stars()), 40)] * rng.uniform(0.3, 2, (40, 1)) * brightness
    flux = light + factor * SHAPE.at(WAVE) * noise(rng, 40)
    ivar = np.ones(flux.shape, np.float32)
    ivar[:, 2000:2010] = 0
    flux[:, 2000:2010] = 1e6
    return flux.astype(np.float32), ivar, WAVE


def galaxies() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    for seed, factor in enumerate((0.8, 1.0, 1.3, 0.9, 1.1)):
        yield galaxy(seed, factor, 2.0)


def test_shape_and_correlation_of_an_instrument_are_learned_whatever_each_galaxy_has() -> None:
    learned = learn_noise(galaxies())
    np.testing.assert_allclose(learned.correlation, CORRELATION, atol=0.02)
    np.testing.assert_allclose(learned.shape, SHAPE.shape, atol=0.02)
    assert len(learned.shape) + len(learned.correlation) <= 8


@pytest.mark.parametrize(("brightness", "within"), [(0.5, 0.02), (5.0, 0.02), (30.0, 0.07)])
def test_the_factor_of_a_galaxy_is_found_however_bright_it_is(brightness: float, within: float) -> None:
    """At a S/N of 30 a channel what stars have between channels is no longer little."""
    model = NoiseModel(SHAPE.shape, CORRELATION)
    found = model.factor(*galaxy(9, 1.25, brightness))
    np.testing.assert_allclose(found, 1.25 * SHAPE.at(WAVE), rtol=within)


def test_a_spectrum_without_channels_keeps_its_errors() -> None:
    flux, ivar, wave = galaxy(9, 1.25, 1.0)
    assert np.isnan(scatter(flux, 0 * ivar, 1))
    np.testing.assert_array_equal(SHAPE.factor(flux, 0 * ivar, wave), SHAPE.at(wave))


def test_wavelengths_that_nobody_covers_have_no_say() -> None:
    learned = learn_noise((flux, ivar * (wave < 7000), wave) for flux, ivar, wave in galaxies())
    assert learned.shape[-1] == 1
    np.testing.assert_allclose(learned.correlation, CORRELATION, atol=0.02)


def test_real_errors_are_nearly_right(shared: Path) -> None:
    """The formal errors of seven MaNGA spectra and six SAMI observations."""
    with fits.open(shared / "manga" / "MaNGA_test_spectra.fits.gz") as hdus:
        flux, ivar, mask = (hdus[name].data.astype("f4") for name in ("FLUX", "IVAR", "MASK"))
    usable = np.where(mask.astype(int) & DONOTUSE, 0, ivar)
    model = NoiseModel(correlation=MANGA_CHANNEL_CORRELATION)
    spectra = [
        (one[None], weight[None], WAVE) for one, weight in zip(flux, usable, strict=True) if weight.any()
    ]
    manga = [np.median(model.factor(*one)) for one in spectra]
    cubes = [source.read(None, WAVE.size) for source in find_sources(shared / "sami")]
    observed = [(rows(cube.flux), rows(cube.ivar), cube.grid.wave) for cube in cubes]
    learned = learn_noise(observed)
    sami = [np.median(learned.factor(*one)) for one in observed]
    assert len(manga) == 7
    assert len(sami) == 6
    assert 0.95 < min(manga) < max(manga) < 1.2
    assert 0.75 < min(sami) < max(sami) < 1.05
    assert 0.4 < learned.correlation[0] < 0.55  # resampled twice


def rows(values: np.ndarray) -> np.ndarray:
    """(wave, y, x) as (spectrum, wave), 0 where nothing was observed."""
    return np.nan_to_num(values.reshape(len(values), -1).T)


def test_errors_know_of_noise_that_channels_share() -> None:
    """In lines and continua, of noise that is correlated more than any real one and larger than is said."""
    rng, correlation, factor, count = np.random.default_rng(4), (0.6, 0.2), 1.3, 400
    components = np.stack([stars()[3], stars()[40] - stars()[3]]).astype(np.float32)
    basis, at = Basis(MANGA_GRID, components, np.ones(2)), Setting(MANGA_GRID, 0.0, 0.0)
    numbers = [
        rng.uniform(2, 4, (count, 1)),
        rng.normal(0, 0.3, (count, 1)),
        rng.uniform(60, 120, (count, len(NAMES))),
        rng.uniform(-200, 200, (count, 1)),
        rng.uniform(40, 120, (count, 1)),
        rng.normal(0, 30, (count, 2)),
    ]
    truth = Codes(np.concatenate(numbers, axis=1))
    flux = (spectra_of(truth, basis, at) + factor * noise(rng, count, correlation)).astype(np.float32)
    ivar, pulls = np.ones(flux.shape, np.float32), {}
    learned = NoiseModel(correlation=correlation)
    corrected = learned.corrected(flux, ivar, MANGA_GRID.wave)
    for known, weight, said in ((True, corrected, correlation), (False, ivar, (0.0, 0.0))):
        codes = fit_spaxels(flux, weight, basis, at, said)
        errors = np.sqrt(np.diagonal(codes.covariance, axis1=1, axis2=2))
        off = (codes.numbers - truth.numbers)[:, :-3]  # all but what the prior draws
        pulls[known] = np.std(off / errors[:, : off.shape[1]], axis=0)
    np.testing.assert_allclose(pulls[True], 1, atol=0.12)
    assert pulls[False].min() > 1.4
