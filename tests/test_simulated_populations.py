"""What shines in simulated galaxies, and where: stars of all ages, gas of all kinds."""

from dataclasses import replace

import numpy as np
import pytest

from cubesift.data.wavelength import MANGA_GRID, SPEED_OF_LIGHT
from cubesift.simulate.galaxies import COMPOSITE, LINER, RETIRED, SEYFERT, STAR_FORMING, Galaxy, draw_galaxy
from cubesift.simulate.gas import activity
from cubesift.simulate.spectra import CHANNEL, REST, line_spread, moving, population, table
from tests.spiral import SPIRAL, WAVE, dn4000, line, radii, seen

# Stars


def test_a_redshifted_moving_star_is_where_doppler_puts_it() -> None:
    absorbed = np.ones(REST.size)
    at = REST.channel(6000.0)
    absorbed -= 0.8 * np.exp(-0.5 * ((np.arange(REST.size) - at) / 1.5) ** 2)
    for velocity in (-150.0, 0.0, 222.0):
        found = moving(absorbed, 100.0, np.array([velocity]), 0.04)[0].astype(float) * 1.04
        depth = 1 - found
        depth[: int(MANGA_GRID.channel(6200.0))] = 0
        depth[int(MANGA_GRID.channel(6280.0)) :] = 0
        channels = np.arange(len(depth))
        centre = np.sum(depth * channels) / depth.sum()
        expected = 6000.0 * 1.04 * (1 + velocity / SPEED_OF_LIGHT)
        assert centre == pytest.approx(float(MANGA_GRID.channel(expected)), abs=0.02)
        width = np.sqrt(np.sum(depth * (channels - centre) ** 2) / depth.sum())
        template = np.interp(6000.0, WAVE[:4562], table("populations")["sigma"])
        lacking = line_spread(np.array([6000.0 * 1.04]))[0] ** 2 - template**2
        assert width * CHANNEL == pytest.approx(np.sqrt((1.5 * CHANNEL) ** 2 + 100**2 + lacking), rel=0.005)


def test_old_populations_are_redder_than_young_ones_and_reach_3020_angstrom() -> None:
    colours = []
    for age in (0.003, 0.1, 1.0, 5.0, 13.0):
        spectrum = population(age, 0.0)
        assert REST.wave[0] < 3020
        assert np.isfinite(spectrum).all()
        assert spectrum.min() > 0
        join = spectrum[REST.between(3600, 3621)].mean() / spectrum[REST.between(3623, 3645)].mean()
        assert 0.75 < join < 1.1  # iron and CN make old stars fainter on the blue side
        colours.append(spectrum[REST.between(4000, 5400)].mean())
    assert (np.diff(colours) < 0).all()


def test_the_break_at_4000_angstrom_grows_with_age_as_published() -> None:
    # Solar metallicity, Kauffmann+2003 (figure 2, Bruzual & Charlot models).
    for age, low, high in (
        (0.01, 0.95, 1.12),
        (0.1, 1.0, 1.2),
        (1.0, 1.25, 1.55),
        (3.0, 1.5, 1.8),
        (12.0, 1.8, 2.15),
    ):
        assert low < dn4000(population(age, 0.0), wave=REST.wave) < high, age
    metals = [float(dn4000(population(9.0, metal), wave=REST.wave)) for metal in (-1.0, -0.33, 0.0, 0.35)]
    assert (np.diff(metals) > 0).all()


def test_a_galaxy_at_redshift_0_2_has_light_at_every_channel() -> None:
    for galaxy in (SPIRAL, replace(SPIRAL, morphology="E", gas=RETIRED, bulge=0.9, young=0.0)):
        stars = seen(replace(galaxy, redshift=0.2, reff=2.0), gas=False, side=34)
        middle = stars[:, 17, 17]
        assert middle.min() > 0.02 * np.median(middle)
        # Where no template of MaStar reaches there are lines of metals, not a power law.
        blue = middle[MANGA_GRID.between(4010, 4330)]
        smooth = np.convolve(blue, np.ones(31) / 31, "valid")
        assert np.std(blue[15:-15] / smooth) > 0.01


def test_half_of_the_light_is_inside_the_half_light_radius() -> None:
    band = MANGA_GRID.between(5600 * 1.03, 6750 * 1.03)
    for morphology, bulge in (("E", 0.85), ("S0", 0.5), ("S1", 0.3), ("S2", 0.1)):
        galaxy = replace(SPIRAL, morphology=morphology, bulge=bulge, reff=4.0, bar=0.5 * (morphology == "S1"))
        image = seen(galaxy, gas=False, side=90, fwhm=1.0)[band].mean(axis=0)
        share = image[radii(galaxy, 90) < 1].sum() / image.sum()
        assert share == pytest.approx(0.5, abs=0.06), (
            morphology
        )  # 0.03 of an elliptical lies outside the cube


def test_populations_and_dust_change_outwards_as_the_gradients_say() -> None:
    radius = radii(SPIRAL)
    centre, edge = radius < 0.4, (radius > 1.4) & (radius < 1.8)

    def outwards(galaxy: Galaxy) -> float:
        breaks = dn4000(seen(galaxy, gas=False), 0.03)
        return float(np.median(breaks[edge]) - np.median(breaks[centre]))

    elliptical = replace(SPIRAL, morphology="E", gas=RETIRED, bulge=0.9, young=0.0, metallicity_gradient=0.0)
    assert outwards(replace(elliptical, age_gradient=-0.3)) < -0.05
    assert outwards(replace(elliptical, age_gradient=0.2)) > 0.02
    assert outwards(replace(elliptical, age_gradient=0.0, metallicity_gradient=-0.3)) < -0.05
    assert outwards(SPIRAL) < -0.05
    for gradient, low, high in ((-0.4, -2.0, -0.2), (0.0, -0.1, 0.1)):
        gas = seen(replace(SPIRAL, dust_gradient=gradient, velocity=20.0), gas=True)
        decrement = line(gas, "Halpha", 0.03) / line(gas, "Hbeta", 0.03)
        assert low < np.median(decrement[edge]) - np.median(decrement[centre]) < high


def test_discs_are_blue_around_red_bulges() -> None:
    redder = []
    for seed in range(12):
        galaxy = draw_galaxy(np.random.default_rng(seed), (), 0.1)
        if galaxy.gas != STAR_FORMING or galaxy.bulge < 0.1:
            continue
        stars = seen(galaxy, gas=False)
        green, infra = MANGA_GRID.between(4000, 5400), MANGA_GRID.between(6900, 8200)
        colours = stars[green].mean(axis=0) / stars[infra].mean(axis=0)
        redder.append(colours[27, 27] < np.median(colours[radii(galaxy) > 1.5]))
    assert len(redder) > 2
    assert all(redder)


# What glows where


@pytest.mark.parametrize("kind", [RETIRED, STAR_FORMING, COMPOSITE, LINER, SEYFERT])
def test_the_kind_of_ionisation_follows_class_and_radius(kind: int) -> None:
    for texture in (5, 8, 11):
        galaxy = replace(SPIRAL, gas=kind, texture=texture, velocity=20.0, dispersion=60.0)
        if kind == RETIRED:
            galaxy = replace(galaxy, morphology="E", bulge=0.85, young=0.0, halpha=1.0)
        gas, radius = seen(galaxy, gas=True), radii(galaxy)
        ratios = np.log10(line(gas, "NII6585", 0.03) / line(gas, "Halpha", 0.03))
        hardness = np.log10(line(gas, "OIII5008", 0.03, 14) / line(gas, "Hbeta", 0.03, 14))
        centre, edge = (
            (float(np.median(ratios[where])), float(np.median(hardness[where])))
            for where in (radius < 0.15, (radius > 1.4) & (radius < 1.7))
        )
        inside, outside = activity(*centre), activity(*edge)
        if kind == STAR_FORMING:
            assert inside < 0.35
            assert outside < 0.2
            assert edge[0] < centre[0]  # the abundance falls outwards
            assert edge[1] > centre[1]
        elif kind == RETIRED:
            assert inside == outside == 1
            assert centre[1] < 0.6
        else:
            assert inside > 0.1
            assert outside < inside
            if kind == SEYFERT:
                assert inside == 1
                assert centre[1] > 0.5
            if kind == LINER:
                assert inside > 0.6
                assert centre[1] < 0.6


def test_retired_galaxies_glow_faintly_everywhere() -> None:
    galaxy = replace(SPIRAL, gas=RETIRED, morphology="E", bulge=0.85, young=0.0, halpha=1.5, velocity=20.0)
    stars, gas = seen(galaxy, gas=False), seen(galaxy, gas=True)
    level = stars[MANGA_GRID.between(6480 * 1.03, 6640 * 1.03)].mean(axis=0)
    width = line(gas, "Halpha", 0.03) / level / 1.03
    here = width[radii(galaxy) < 1.5]
    assert here.min() > 0.5
    assert here.max() < 4.5
    assert np.median(here) == pytest.approx(1.5, rel=0.4)
