"""What is said of a survey's realism must be right: on known input, and on surveys that are wrong."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from cubesift.data.revealed import Revealed
from cubesift.data.run import Run
from cubesift.data.store import read_json, read_parquet, write_json, write_parquet
from cubesift.data.wavelength import MANGA_GRID
from cubesift.judge.anchors import read_anchors
from cubesift.judge.emission import HALPHA, HBETA, NII, OIII, emission_of
from cubesift.judge.noise import spectra_of
from cubesift.judge.profiles import break_at_4000, elliptical_radius
from cubesift.judge.realism import judge_realism
from cubesift.judge.verdicts import galaxy_row, survey_row
from cubesift.prepare.recipe import Recipe
from cubesift.simulate.gas import glowing, line_ratios
from cubesift.simulate.settings import Simulation
from cubesift.simulate.spectra import moving, population
from cubesift.simulate.survey import simulate_survey
from cubesift.streaming import Revealer, stream_survey
from tests.survey import cubesift, refusal

SETTINGS = Simulation(galaxies=2, seed=5, ifus=(19,), oddities=0.0)
ANCHORS = read_anchors()
WAVE = MANGA_GRID.wave


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two small galaxies, simulated and prepared in memory."""
    run = Run(tmp_path_factory.mktemp("streamed"))
    stream_survey(run, SETTINGS, [Recipe(side=8, rebin=16)])
    return run


@pytest.fixture(scope="module")
def printed(run: Run) -> str:
    """What the verb says of them."""
    return cubesift("judge", "realism", run.path, "--workers", "1")[0]


def test_every_row_is_printed_and_the_page_is_drawn(run: Run, printed: str) -> None:
    rows = [
        "S/N per spaxel", "fall of log S/N", "Dn4000", "EW of Halpha", "[N II] / Halpha", "[O III] / Hbeta",
        "gas velocity", "noise correlation", "formal error by wavelength", "scatter of next channels",
        "channels below 0", "voxels below 0", "redshift", "effective radius", "fibres of the bundle",
    ]  # fmt: skip
    assert [row for row in rows if row not in printed] == []
    chi2 = next(line for line in printed.splitlines() if line.startswith("chi²"))
    assert float(chi2.split("mean ")[1].split(",")[0]) == pytest.approx(1, abs=0.01)
    assert "not anchored" in chi2
    assert chi2.endswith("within")
    assert (run.path / "realism.png").read_bytes().startswith(b"\x89PNG")
    assert (run.path / "realism.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.long
def test_cubes_in_files_are_judged_as_streamed_ones_are(printed: str, tmp_path: Path) -> None:
    filed = Run(tmp_path)
    simulate_survey(filed, SETTINGS)
    assert (filed.path / "cubes").exists()
    table = judge_realism(filed, Revealer(SETTINGS), ifus=SETTINGS.ifus).table().split("\n\n", 1)[1]
    assert table in printed


def test_a_wrong_error_factor_and_white_noise_are_beyond(run: Run, printed: str, tmp_path: Path) -> None:
    truth, provenance = read_parquet(run.truth_galaxies)
    planted, _ = read_parquet(run.truth)
    wrong = Run(tmp_path)
    write_parquet(wrong.truth_galaxies, {**truth, "error_factor": 1.05 * truth["error_factor"]}, provenance)
    write_parquet(wrong.truth, planted, provenance)

    def white(index: int) -> Revealed:
        revealed = Revealer(SETTINGS)(index)
        cube, clean = revealed.cube, revealed.clean
        noise = np.random.default_rng(index).standard_normal(clean.shape, dtype=np.float32)
        sigma = np.where(cube.ivar > 0, 1 / np.sqrt(np.where(cube.ivar > 0, cube.ivar, 1)), 0)
        return Revealed(replace(cube, flux=clean + noise * sigma), clean)

    said = {row.what: row.verdict for row in judge_realism(wrong, white).rows}
    for what in (
        "chi² of the noise-free truth, after the factor",
        "noise correlation 1, 2, 3, 4 spaxels apart",
    ):
        assert said[what] == "beyond"
        assert next(line for line in printed.splitlines() if line.startswith(what)).endswith("within")


@pytest.mark.parametrize(("age", "width"), [(0.3, 40.0), (2.0, 40.0), (9.0, 10.0)])
def test_lines_are_measured_on_top_of_the_stars(age: float, width: float) -> None:
    """The stars' own Balmer lines are not taken for gas, at S/N 20, 60 km/s off the redshift."""
    redshift, velocity = 0.03, np.array([60.0])
    stars = moving(population(age, -0.3), 60.0, velocity, redshift)[0]
    stars = stars / stars[MANGA_GRID.between(6480 * 1.03, 6650 * 1.03)].mean()
    ratios = line_ratios(-0.36, -0.3, 1.0)
    fluxes = {name: ratio * width * (1 + redshift) for name, ratio in ratios.items()}
    spectrum = stars + glowing(fluxes, 30.0, velocity, redshift)[0]
    noise = np.random.default_rng(1).standard_normal((MANGA_GRID.size, 50)) / 20
    found = emission_of(
        spectrum[:, None] + noise,
        np.full(noise.shape, 400.0),
        MANGA_GRID,
        redshift,
        0.0,
        ANCHORS.populations(),
    )
    total = {name: values.sum() for name, values in found.flux.items()}
    assert total[HALPHA] / found.continuum.sum() == pytest.approx(width, rel=0.05)
    assert np.median(found.velocity) == pytest.approx(60, abs=3)
    assert np.log10(total[NII] / total[HALPHA]) == pytest.approx(np.log10(ratios["NII6585"]), abs=0.03)
    expected = np.log10(ratios["OIII5008"] / ratios["Hbeta"])
    assert np.log10(total[OIII] / total[HBETA]) == pytest.approx(expected, abs=0.06)


def test_the_break_is_that_of_two_flat_levels() -> None:
    rest = np.arange(3800.0, 4200.0)
    step = np.where(rest < 3980, 1.0, 1.7)[:, None] / rest[:, None] ** 2  # flat in frequency
    assert break_at_4000(step, np.ones_like(step), rest)[0] == pytest.approx(1.7)


def test_independent_channels_scatter_as_their_errors_say_and_mixed_ones_less() -> None:
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((100, len(WAVE)))
    ivar = np.ones_like(noise)
    alone = spectra_of(10 + noise, ivar, WAVE, 0.03)
    mixed = spectra_of(10 + (noise + np.roll(noise, 1, axis=1)) / np.sqrt(2), ivar, WAVE, 0.03)
    assert np.median(alone.scatter) == pytest.approx(1, abs=0.02)
    # Neighbours share half of their variance: 1.5 - 2 * 0.5 is left of 1.5.
    assert np.median(mixed.scatter) == pytest.approx(np.sqrt(0.5 / 1.5), abs=0.02)
    assert np.median(mixed.scatter_apart) == pytest.approx(1, abs=0.02)
    assert np.median(spectra_of(1 + noise, ivar, WAVE, 0.03).negative) == pytest.approx(0.159, abs=0.01)


def test_a_survey_further_away_than_the_real_one_is_beyond() -> None:
    values, weights = ANCHORS.catalogue("redshift")
    rng = np.random.default_rng(3)
    drawn = rng.choice(values, 1000, p=weights)
    assert survey_row("z", 3, (values, weights), drawn, 1000).verdict == "within"
    assert survey_row("z", 3, (values, weights), 1.2 * drawn, 1000).verdict == "beyond"


def test_a_galaxy_more_extreme_than_all_simulated_ones_is_beyond() -> None:
    simulated = np.arange(20.0)
    assert galaxy_row("x", "", 1, 5.5, simulated, "nearest").verdict == "within"
    assert galaxy_row("x", "", 1, 20.0, simulated, "nearest").verdict == "beyond"
    assert galaxy_row("x", "", 1, -1.0, simulated, "nearest").verdict == "beyond"
    assert galaxy_row("x", "", 1, 5.5, np.array([]), "nearest").verdict == "-"


def test_only_a_survey_of_this_version_can_be_judged(run: Run, tmp_path: Path) -> None:
    assert "no simulated survey" in refusal("judge", "realism", tmp_path)
    note = read_json(run.path / "simulated" / "survey.json")
    write_json(tmp_path / "simulated" / "survey.json", {**note, "version": "0.0.1"})
    assert "0.0.1" in refusal("judge", "realism", tmp_path)


def test_a_cube_that_comes_out_otherwise_is_refused(run: Run) -> None:
    with pytest.raises(Exception, match="made again from its seed"):
        judge_realism(run, Revealer(replace(SETTINGS, seed=6)))


def test_the_anchors_are_remade_from_the_real_data(shared: Path, tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "benchmarks" / "make_anchors.py"
    subprocess.run([sys.executable, script, shared, tmp_path / "anchors.json"], check=True)
    made = json.loads((tmp_path / "anchors.json").read_text())
    for group, kept in vars(ANCHORS).items():
        assert_alike(made[group], kept, group)


def assert_alike(one: object, other: object, where: str) -> None:
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_alike(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and one and isinstance(one[0], dict | list):
        for i, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_alike(left, right, f"{where}.{i}")
    else:
        assert one == (other if isinstance(other, str) else pytest.approx(other, rel=1e-3, abs=1e-6)), where


def test_radii_are_those_of_the_real_maps(shared: Path) -> None:
    with fits.open(shared / "manga" / "manga-7815-3702-MAPS-HYB10-GAU-MILESHC.fits.gz") as hdus:
        header, real = hdus[0].header, hdus["SPX_ELLCOO"].data[0]
        seen = hdus["SPX_SNR"].data > 0
    ours = elliptical_radius((42, 42), (21.0, 21.0), header["ECOOPA"], header["ECOOELL"])
    np.testing.assert_allclose(ours[seen], real[seen], atol=0.02)
