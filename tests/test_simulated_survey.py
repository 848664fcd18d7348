"""Who is observed is who MaNGA observed: one by one drawn, together the real survey."""

import csv
import runpy
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp, spearmanr

from cubesift.errors import CubesiftError
from cubesift.simulate.cube import simulate_galaxy
from cubesift.simulate.galaxies import MORPHOLOGIES, STAR_FORMING, Galaxy, draw_galaxy
from cubesift.simulate.observation import Observation, draw_observation
from cubesift.simulate.repeats import new_galaxies, real_rate
from cubesift.simulate.settings import Simulation
from cubesift.simulate.spectra import table
from cubesift.simulate.traits import shape

COUNT = 4000
Columns = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def drawn() -> list[Galaxy]:
    """Four thousand galaxies of one survey."""
    return [draw_galaxy(np.random.default_rng([11, number]), (), 0.15) for number in range(COUNT)]


def column(galaxies: list[Galaxy], name: str) -> np.ndarray:
    return np.array([getattr(galaxy, name) for galaxy in galaxies])


@pytest.fixture(scope="module")
def real(shared: Path) -> Columns:
    """The catalogue's rows that have everything, as they are published."""
    with (shared / "catalogue" / "manga_truth_table.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = {"redshift": "nsa_z", "logmass": "logmass", "reff": "reff", "ellipticity": "ell", "pa": "pa"}
    values = {name: np.array([float(row[source] or "nan") for row in rows]) for name, source in names.items()}
    good = np.isfinite(np.stack(list(values.values()))).all(axis=0)
    good &= (values["redshift"] > 0.003) & (values["pa"] >= 0) & (values["reff"] > 0.5)
    values["ifusize"] = np.array([int(row["ifusize"]) for row in rows])
    return {name: column[good] for name, column in values.items()}


@pytest.fixture(scope="module")
def making() -> dict[str, Any]:
    """The functions that made the table."""
    return runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "make_galaxies.py"))


# Who is drawn


def test_redshifts_are_those_of_the_survey(drawn: list[Galaxy]) -> None:
    redshift = column(drawn, "redshift")
    np.testing.assert_allclose(np.percentile(redshift, [25, 50, 75]), [0.0260, 0.0376, 0.0558], rtol=0.05)
    assert np.mean(redshift < 0.14) == pytest.approx(0.99, abs=0.006)
    assert np.var(redshift) == pytest.approx(0.000811, rel=0.1)
    assert redshift.max() < 0.151


def test_every_property_is_distributed_as_in_the_catalogue(drawn: list[Galaxy], real: Columns) -> None:
    for name, values in real.items():
        # Rows with gaps differ a little from complete ones: later plates reach farther.
        assert ks_2samp(column(drawn, name), values).statistic < 0.05, name


def test_bright_big_and_distant_go_together_as_in_the_sky(drawn: list[Galaxy], real: Columns) -> None:
    names = ("redshift", "logmass", "reff", "ifusize", "ellipticity")
    ours = spearmanr(np.stack([column(drawn, name) for name in names], axis=1)).statistic
    theirs = spearmanr(np.stack([real[name] for name in names], axis=1)).statistic
    np.testing.assert_allclose(ours, theirs, atol=0.06)
    assert theirs[0, 1] > 0.5  # the test is worth something: distant ones are massive
    assert theirs[2, 3] > 0.6  # and big ones get big bundles


def test_filled_gaps_look_like_what_was_measured(real: Columns) -> None:
    """A gap takes what a real galaxy alike has, so the whole table is as correlated as the complete rows."""
    rows = table("galaxies")
    assert len(rows["redshift"]) > 10_000  # all usable rows
    assert all(np.isfinite(rows[name]).all() for name in (*real, "p_bar", "p_edgeon", "p_merge", "gas"))
    for one, other in (("logmass", "reff"), ("redshift", "reff"), ("ellipticity", "reff")):
        everyone = spearmanr(rows[one], rows[other]).statistic
        assert everyone == pytest.approx(spearmanr(real[one], real[other]).statistic, abs=0.05)
    # Galaxies that look edge-on are flat, and retired ones are early types.
    assert np.median(rows["ellipticity"][rows["p_edgeon"] > 0.9]) > 0.45
    assert np.mean(rows["morphology"][rows["gas"] == 0] <= 2) > 0.7
    assert np.mean(rows["morphology"][rows["gas"] == 1] >= 3) > 0.85


def test_halpha_is_as_strong_as_the_catalogue_measured_it(drawn: list[Galaxy], shared: Path) -> None:
    with (shared / "catalogue" / "manga_objects_labelled.csv").open() as file:
        objects = [row for row in csv.DictReader(file) if row["maintarg"] == "1"]
    gas = np.array([float(row["bptwhan"]) for row in objects])
    width = np.array([float(row["w_ha"]) for row in objects])
    ours, kind = column(drawn, "halpha"), column(drawn, "gas")
    for number in range(5):
        real = np.maximum(width[(gas == number) & (width > -9)], 0.1)
        assert np.median(ours[kind == number]) == pytest.approx(np.median(real), rel=0.2)
        assert np.percentile(ours[kind == number], 80) == pytest.approx(np.percentile(real, 80), rel=0.3)


def test_the_shipped_table_is_what_the_script_makes(making: dict[str, Any], shared: Path) -> None:
    made, shipped = making["galaxies"](shared), table("galaxies")
    assert made.keys() == shipped.keys()
    for name, values in made.items():
        assert np.mean(values == shipped[name]) > 0.99, name  # a last digit may choose another donor


def test_a_hidden_size_is_filled_from_galaxies_alike(making: dict[str, Any], shared: Path) -> None:
    rng = np.random.default_rng(6)
    everyone = making["read_columns"](making["catalogue"](shared))
    known = np.isfinite([everyone[name] for name in ("redshift", "reff", "ellipticity")]).all(axis=0)
    columns = {name: values[known] for name, values in everyone.items()}
    hidden = rng.random(known.sum()) < 0.2
    true = {name: columns[name][hidden].copy() for name in ("reff", "ellipticity", "p_edgeon")}
    for name in ("reff", "ellipticity"):
        columns[name][hidden] = np.nan
    making["complete"](columns, rng)
    for name, least in (("reff", 0.7), ("ellipticity", 0.5)):
        filled = columns[name][hidden]
        assert ks_2samp(filled, true[name]).statistic < 0.08
        assert spearmanr(filled, true[name]).statistic > least


def test_the_table_tells_nobodys_name_or_place() -> None:
    rows = table("galaxies")
    assert not {"plateifu", "mangaid", "ra", "dec"} & set(rows)
    assert all(values.dtype.kind in "if" for values in rows.values())
    # The order is that of the values, not of plates or of the sky.
    assert (np.diff(rows["redshift"]) >= 0).all()


def test_bundles_and_distances_may_be_limited() -> None:
    few = [draw_galaxy(np.random.default_rng(seed), (19, 61), 0.03) for seed in range(100)]
    assert {galaxy.ifusize for galaxy in few} == {19, 61}
    redshifts = [galaxy.redshift for galaxy in few]
    assert max(redshifts) <= 0.03
    assert redshifts.count(max(redshifts)) == 1  # drawn within, not cut to it
    for ifus, farthest in (((20,), 0.15), ((19,), 0.001)):
        with pytest.raises(CubesiftError, match="the catalogue has no galaxy"):
            draw_galaxy(np.random.default_rng(1), ifus, farthest)


# What the catalogue does not tell


def test_thickness_and_inclination_give_the_axis_ratio_that_is_seen(drawn: list[Galaxy]) -> None:
    inclination = np.deg2rad(column(drawn, "inclination"))
    thickness = column(drawn, "thickness")
    seen = np.sqrt(np.cos(inclination) ** 2 + (thickness * np.sin(inclination)) ** 2)
    np.testing.assert_allclose(seen, 1 - column(drawn, "ellipticity"), atol=1e-3)
    discs = column(drawn, "morphology") != "E"
    assert np.median(thickness[discs]) < 0.25 < np.median(thickness[~discs])


def test_what_looks_edge_on_is_edge_on() -> None:
    rng = np.random.default_rng(4)
    for axis_ratio in (0.15, 0.3, 0.5):
        angles = [shape(rng, "S2", axis_ratio, edge_on=True)[1] for _ in range(50)]
        assert min(angles) > 79


def test_gas_turns_another_way_as_often_as_it_does_in_manga(drawn: list[Galaxy]) -> None:
    turned = np.abs(column(drawn, "misalignment"))
    assert turned.max() <= 180
    odd = turned > 30
    early = np.isin(column(drawn, "morphology"), ("E", "S0"))
    forming = column(drawn, "gas") == STAR_FORMING
    assert np.mean(odd) == pytest.approx(0.05, abs=0.015)  # Xu+2022
    assert 0.08 < np.mean(odd[early & ~forming]) < 0.36  # to Davis+2011
    assert 0.005 < np.mean(odd[forming]) < 0.025  # Chen+2016
    assert np.mean(turned[odd] > 150) == pytest.approx(0.6, abs=0.12)


def test_bars_are_where_the_pictures_show_them(drawn: list[Galaxy]) -> None:
    barred = column(drawn, "bar") > 0
    morphology = column(drawn, "morphology")
    assert not barred[morphology == "E"].any()
    rows = table("galaxies")
    expected = np.mean(rows["p_bar"][rows["morphology"] > 1])
    assert np.mean(barred[morphology != "E"]) == pytest.approx(expected, abs=0.03)


def test_late_types_are_younger_outside_and_all_are_poorer_in_metals(drawn: list[Galaxy]) -> None:
    late = np.isin(column(drawn, "morphology"), ("S1", "S2"))
    assert np.median(column(drawn, "age_gradient")[late]) == pytest.approx(-0.11, abs=0.01)
    assert np.median(column(drawn, "age_gradient")[~late]) == pytest.approx(0, abs=0.01)
    for kind in (late, ~late):
        assert -0.16 < np.median(column(drawn, "metallicity_gradient")[kind]) < -0.05


def test_our_own_dust_follows_galactic_latitude(drawn: list[Galaxy]) -> None:
    ebv = column(drawn, "ebv")
    assert np.median(ebv) == pytest.approx(0.027, abs=0.004)
    pole = np.hypot((column(drawn, "ra") - 192.9) * 0.9, column(drawn, "dec") - 27.1) < 20
    assert np.median(ebv[pole]) < 0.8 * np.median(ebv[~pole])


# Repeats


def observations(settings: Simulation) -> list[Observation]:
    return [draw_observation(settings, index) for index in range(settings.galaxies)]


def test_galaxies_are_repeated_at_the_surveys_own_rate(shared: Path) -> None:
    with (shared / "catalogue" / "manga_truth_table.csv").open() as file:
        times = Counter(row["mangaid_any"] for row in csv.DictReader(file) if row["mangaid_any"])
    assert sum(count > 1 for count in times.values()) == 158
    assert sum(count for count in times.values() if count > 1) == 425
    assert real_rate() == pytest.approx((425 - 158) / sum(times.values()))
    assert 2000 - new_galaxies(Simulation(galaxies=2000)) == round(real_rate() * 2000)


def test_repeats_share_the_galaxy_and_nothing_of_the_look() -> None:
    everyone = observations(Simulation(galaxies=600, seed=8, repeats=200))
    first = {seen.mangaid: seen for seen in everyone[:400]}
    later = everyone[400:]
    assert len(first) == 400
    assert len({seen.plateifu for seen in everyone}) == 600
    for seen in later:
        one = first[seen.mangaid]
        assert one.galaxy == seen.galaxy
        assert (one.look, one.source) == (0, seen.source)
        assert seen.look > 0
        assert seen.offset != one.offset
        assert seen.seeing != one.seeing
    # As in the survey: three in ten under another bundle, some galaxies looked at more than twice.
    assert np.mean([seen.ifusize != seen.galaxy.ifusize for seen in later]) == pytest.approx(0.31, abs=0.1)
    assert all(seen.ifusize == seen.galaxy.ifusize for seen in first.values())
    looks = Counter(seen.mangaid for seen in later)
    assert 0.1 < np.mean([count > 1 for count in looks.values()]) < 0.5
    assert sorted(seen.look for seen in later if seen.mangaid == max(looks, key=looks.__getitem__)) == list(
        range(1, max(looks.values()) + 1)
    )


def test_a_repeated_cube_shows_the_same_galaxy_under_other_noise() -> None:
    settings = Simulation(galaxies=2, seed=3, ifus=(19,), repeats=1, oddities=0.0, pointing=0.0, psf=2.5)
    first, again = simulate_galaxy(settings, 0), simulate_galaxy(settings, 1)
    assert first.cube.mangaid == again.cube.mangaid
    assert first.cube.plateifu != again.cube.plateifu
    np.testing.assert_array_equal(first.clean, again.clean)  # the light; pointing and seeing are held
    assert not np.array_equal(first.cube.flux, again.cube.flux)


def test_even_one_galaxy_may_fill_a_survey() -> None:
    everyone = observations(Simulation(galaxies=5, repeats=4, ifus=(19,)))
    assert {seen.mangaid for seen in everyone} == {"99-000000"}
    assert [seen.look for seen in everyone] == [0, 1, 2, 3, 4]
    assert {seen.ifusize for seen in everyone} == {19}


def test_a_survey_of_repeats_alone_is_refused() -> None:
    with pytest.raises(CubesiftError, match="5 repeats among 5 galaxies: at least one must be new"):
        draw_observation(Simulation(galaxies=5, repeats=5), 0)


def test_an_observation_hangs_on_nothing_but_settings_and_number() -> None:
    settings = Simulation(galaxies=40, seed=2, repeats=10)
    forward = observations(settings)
    backward = [draw_observation(settings, index) for index in reversed(range(40))]
    assert forward == backward[::-1]
    assert forward[0] != draw_observation(replace(settings, seed=3), 0)


def test_the_truth_is_flat_and_says_all_of_the_galaxy() -> None:
    truth = draw_observation(Simulation(galaxies=3, repeats=1), 2).truth()
    assert {type(value) for value in truth.values()} == {str, int, float}
    assert set(asdict(draw_observation(Simulation(), 0).galaxy)) < set(truth)
    assert truth["look"] == 1
    assert truth["morphology"] in MORPHOLOGIES


# Foreground stars


def test_stars_in_front_have_the_catalogues_magnitudes(shared: Path) -> None:
    with (shared / "catalogue" / "manga_objects_labelled.csv").open() as file:
        objects = [row for row in csv.DictReader(file) if row["spname"] == "star" and row["maintarg"] == "0"]
    magnitude = np.array([float(row["psfmag_r"]) for row in objects])
    rows = table("galaxies")
    assert ks_2samp(rows["star_magnitude"], magnitude[magnitude > 0]).statistic < 0.01
    assert rows["star_distance"].max() < 21  # arcsec: inside the largest bundle
    assert np.mean(rows["stars"] > 0) == pytest.approx(0.11, abs=0.01)
