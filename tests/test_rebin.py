"""Rebinning to the log grid keeps the light, and knows what it does to the noise."""

import warnings

import numpy as np
import pytest

from cubesift.data.cube import DONOTUSE, NOCOV
from cubesift.data.rebin import Rebinned, channel_correlation, combined, grid_edges, overlap_weights, rebin
from cubesift.data.wavelength import MANGA_GRID, WavelengthGrid, vacuum_from_air

# Width of a channel in angstrom, first edge, number: SAMI blue, SAMI red, MUSE.
FILES = {"blue": (1.0503, 3649.3, 2048), "red": (0.5960, 6239.0, 2048), "muse": (1.25, 4749.3, 3681)}


def edges_of(file: str) -> np.ndarray:
    width, start, size = FILES[file]
    return start + width * np.arange(size + 1)


def one_spaxel(values: np.ndarray) -> np.ndarray:
    return values[:, None, None]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("air", [True, False])
def test_the_light_of_a_line_survives(file: str, air: bool) -> None:
    edges = edges_of(file)
    centres = (edges[1:] + edges[:-1]) / 2
    for wavelength in np.linspace(edges[60], edges[-60], 7):
        line = np.exp(-0.5 * ((centres - wavelength) / 2.3) ** 2)
        out = rebin(overlap_weights(edges, MANGA_GRID, air), one_spaxel(line), one_spaxel(line * 0 + 1))
        light = (out.flux[:, 0, 0] * np.diff(grid_edges(MANGA_GRID))).sum()
        assert light == pytest.approx((line * np.diff(edges)).sum(), rel=1e-5)
        middle = (MANGA_GRID.wave * out.flux[:, 0, 0]).sum() / out.flux.sum()
        expected = vacuum_from_air(np.array(wavelength)) if air else wavelength
        assert middle == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("file", FILES)
def test_white_noise_has_the_variance_and_the_correlation_that_are_recorded(file: str) -> None:
    edges = edges_of(file)[:401]
    weights = overlap_weights(edges, MANGA_GRID, air=True)
    sigma = np.linspace(0.5, 2, 400)
    noise = np.random.default_rng(3).normal(size=(400, 60, 60)) * sigma[:, None, None]
    out = rebin(weights, noise, np.broadcast_to(sigma[:, None, None] ** 2, noise.shape))
    good = out.ivar[:, 0, 0] > 0
    draws = (out.flux * np.sqrt(out.ivar))[good].reshape(good.sum(), -1)
    assert draws.var() == pytest.approx(1, abs=0.03)
    np.testing.assert_allclose(draws.var(axis=1), 1, atol=0.15)
    neighbours = float((draws[1:] * draws[:-1]).mean())
    assert neighbours == pytest.approx(channel_correlation(weights), rel=0.03, abs=2e-3)


def test_a_bad_channel_spoils_what_it_touches_and_nothing_else() -> None:
    edges = edges_of("red")
    flux = np.ones((2048, 2, 3))
    variance = np.ones_like(flux)
    flux[700, 0, 0], variance[700, 0, 1], variance[700, 0, 2] = np.nan, 0, np.inf
    weights = overlap_weights(edges, MANGA_GRID)
    out = rebin(weights, flux, variance)
    touched = weights[:, [700]].toarray()[:, 0] > 1e-3
    assert 1 <= touched.sum() <= 3
    for x in range(3):
        np.testing.assert_array_equal(out.bits[:, 0, x] == DONOTUSE, touched)
        assert not out.ivar[touched, 0, x].any()
        assert not out.flux[touched, 0, x].any()
    np.testing.assert_array_equal(out.ivar[:, 0, 0][~touched], out.ivar[:, 1, 0][~touched])


def test_wavelengths_outside_the_file_are_not_covered() -> None:
    edges = edges_of("muse")
    out = rebin(overlap_weights(edges, MANGA_GRID), np.full((3681, 1, 1), 3.0), np.ones((3681, 1, 1)))
    lattice = grid_edges(MANGA_GRID)
    inside = (lattice[:-1] > edges[0]) & (lattice[1:] < edges[-1])
    np.testing.assert_array_equal(out.ivar[:, 0, 0] > 0, inside)
    np.testing.assert_array_equal(out.bits[:, 0, 0] == NOCOV, ~inside)
    np.testing.assert_allclose(out.flux[inside], 3, rtol=1e-6)
    assert not out.flux[~inside].any()


def test_an_empty_spaxel_has_no_coverage_anywhere() -> None:
    flux = np.full((2048, 1, 2), np.nan)
    flux[:, 0, 1] = 1
    out = rebin(overlap_weights(edges_of("blue"), MANGA_GRID), flux, np.ones_like(flux))
    assert (out.bits[:, 0, 0] == NOCOV).all()
    assert (out.bits[:, 0, 1] == 0).any()


def test_a_cube_on_the_grid_stays_as_it_is() -> None:
    grid = WavelengthGrid(100, 500)
    values = np.random.default_rng(0).random((500, 2, 2))
    out = rebin(overlap_weights(grid_edges(grid) * (1 + 1e-15), grid), values, values)
    np.testing.assert_allclose(out.flux, values, rtol=1e-6)
    np.testing.assert_allclose(out.ivar, 1 / values, rtol=1e-6)
    assert channel_correlation(overlap_weights(grid_edges(grid), grid)) == pytest.approx(0, abs=1e-9)


def test_units_of_1e20_do_not_vanish() -> None:
    flux = np.full((3681, 1, 1), 2e-17)
    out = rebin(overlap_weights(edges_of("muse"), MANGA_GRID), flux, flux**2, scale=1e17)
    good = out.ivar > 0
    np.testing.assert_allclose(out.flux[good], 2, rtol=1e-5)
    assert good.sum() > 2800
    assert out.ivar[good].min() == pytest.approx(1 / 2**2, rel=1e-5)  # within one channel of the file's
    assert np.isfinite(out.ivar).all()


def test_two_arms_are_averaged_where_both_see() -> None:
    def arm(flux: list[float], ivar: list[float], bits: list[int]) -> Rebinned:
        return Rebinned(*(one_spaxel(np.array(v, t)) for v, t in ((flux, "f4"), (ivar, "f4"), (bits, "u2"))))

    blue = arm([1, 2, 0, 0], [4, 1, 0, 0], [0, 0, DONOTUSE, NOCOV])
    red = arm([0, 5, 0, 0], [0, 2, 0, 0], [NOCOV, 0, NOCOV, NOCOV])
    both = combined(blue, red)
    assert both.flux.ravel().tolist() == [1, 4, 0, 0]
    assert both.ivar.ravel().tolist() == [4, 3, 0, 0]
    assert both.bits.ravel().tolist() == [0, 0, DONOTUSE, NOCOV]


def test_specutils_rebins_the_same() -> None:
    u = pytest.importorskip("astropy.units")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # specutils' own, on import
        from specutils import Spectrum
        from specutils.manipulation import FluxConservingResampler
    edges = edges_of("muse")[:801]
    values = np.random.default_rng(5).random(800) + 1
    ours = rebin(overlap_weights(edges, MANGA_GRID), one_spaxel(values), one_spaxel(values * 0 + 1))
    good = ours.ivar[:, 0, 0] > 0
    unit = u.erg / u.s / u.cm**2 / u.AA
    spectrum = Spectrum(flux=values * unit, spectral_axis=(edges[1:] + edges[:-1]) / 2 * u.AA)
    theirs = FluxConservingResampler()(spectrum, MANGA_GRID.wave[good] * u.AA)
    np.testing.assert_allclose(ours.flux[good, 0, 0], theirs.flux.value, rtol=5e-5)
