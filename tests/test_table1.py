"""The paper's table 1, asked of things whose answer is known."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cubesift.contenders import contender, contenders_of
from cubesift.data.cube import FORESTAR
from cubesift.data.run import Run
from cubesift.data.samples import Sample
from cubesift.data.store import read_json, write_json
from cubesift.errors import CubesiftError
from cubesift.judge.lineflux import line_flux
from cubesift.judge.rebuilt import Contender, Known, measure_all, report_weights, summed_error
from cubesift.judge.table1 import Comparison, judge_models, under_trained
from cubesift.judging import judge_table1
from cubesift.learn.checkpoint import Checkpoint
from tests.little_run import GRID, SIGMA, galaxy, noisy, sample
from tests.survey import refusal

FACTOR = 1.2
LINE = 6564.61 * 1.03


def known(seed: int) -> Known:
    """A galaxy as observed, its noise 1.2 times its formal error, beside its truth."""
    rng = np.random.default_rng(seed)
    clean = galaxy(rng, brightness=3)
    flux, ivar = noisy(rng, clean)
    ivar *= np.float32(FACTOR**2)
    observed = sample(f"8485-{1901 + seed}", flux, ivar)
    return Known(observed, sample("truth", clean, ivar), FACTOR, 0.03)


def rebuilding(truths: dict[str, np.ndarray], lines: float) -> Contender:
    """Knows the truth, but for the light of H-alpha above its continuum, of which it keeps a part."""
    velocity = 299_792 * (GRID.wave / LINE - 1)
    near, beside = np.abs(velocity) < 900, np.abs(np.abs(velocity) - 1900) < 600

    def rebuild(one: Sample) -> tuple[np.ndarray, float]:
        cube = truths[one.record.plateifu].copy()
        continuum = cube[..., beside].mean(axis=-1, keepdims=True)
        cube[..., near] = continuum + lines * (cube[..., near] - continuum)
        return cube, 0.031

    return Contender(f"keeps {lines}", rebuild)


def test_who_knows_the_truth_has_no_error_and_half_a_line_is_half_a_line() -> None:
    galaxies = [known(seed) for seed in range(3)]
    truths = {one.sample.record.plateifu: one.truth.unclipped for one in galaxies}
    whole, half = rebuilding(truths, 1), rebuilding(truths, 0.5)
    noise = Contender("input", lambda one: (one.flux, float("nan")))
    measured, floor = measure_all(galaxies, [whole, half, noise], GRID.wave, lambda _: None)
    assert max(measured["keeps 1"].error) < 1e-12
    assert measured["keeps 1"].lines["Ha"] == pytest.approx([1, 1, 1])
    assert measured["keeps 0.5"].lines["Ha"] == pytest.approx([0.5] * 3, abs=0.02)
    assert measured["keeps 0.5"].lines["[O III]"] == pytest.approx([1, 1, 1])
    assert measured["keeps 1"].mae == pytest.approx(floor)
    # In units of the noise that is really there, pure noise has an error of one.
    assert np.mean(measured["input"].error) == pytest.approx(1, abs=0.01)
    assert measured["input"].mae == [0, 0, 0]
    mse, nmad, far = measured["keeps 1"].redshift()
    assert (mse, nmad, far) == pytest.approx((1e-6, 0, 0), abs=1e-9)


def test_the_boundary_counts_a_fifth_and_a_star_nothing() -> None:
    one = known(0).sample
    one.bits[8, 8, 100] |= FORESTAR
    weights = report_weights(one)
    assert (weights[8, 8], weights[8, 7], weights[1, 8], weights[2, 2]) == (0, 1, 0.2, 1)
    assert summed_error(one.flux + 1, one.flux, weights) == pytest.approx(weights.sum() * GRID.size, rel=1e-6)


def test_a_line_is_measured_above_a_sloping_continuum() -> None:
    channels = np.arange(GRID.size)
    profile = np.exp(-((channels - GRID.channel(LINE)) ** 2) / 2 / 0.6**2)
    cube = (2 + 1e-3 * (GRID.wave - 6000) + 5 * profile)[None, None]
    good = np.ones(cube.shape, bool)
    flux, weight = line_flux(cube, GRID.wave, good, LINE)
    expected = 5 * (profile * np.gradient(GRID.wave)).sum()
    assert flux[0, 0] == pytest.approx(expected, rel=0.01)
    assert (weight**2).sum() * SIGMA**2 > 0
    good[..., np.abs(GRID.wave / LINE - 1) < 1e-3] = False
    assert np.isnan(line_flux(cube, GRID.wave, good, LINE)[0]).all()


def test_the_table_puts_the_floor_and_the_constant_beside_the_models() -> None:
    galaxies = [known(seed) for seed in range(3)]
    moved = [
        replace(one, sample=at_redshift(one.sample, z))
        for one, z in zip(galaxies, (0.02, 0.03, 0.07), strict=True)
    ]
    mean = Contender("mean cube", lambda one: (np.zeros_like(one.flux), float("nan")), {"numbers": "0"})

    def again() -> Iterator[Known]:
        yield from moved

    asked = Comparison("paper", [mean], again, 3, 9, GRID.wave, mean_redshift=0.04)
    seen: list[tuple[int, int, str]] = []
    table = judge_models(asked, progress=lambda *said: seen.append(said))
    assert [said[:2] for said in seen] == [(1, 3), (2, 3), (3, 3)]
    text = table.text()
    constant = np.mean((np.array([0.02, 0.03, 0.07]) - 0.04) ** 2)
    assert f"{constant:.5f}" in next(line for line in text.splitlines() if line.startswith("mean redshift"))
    assert f"{np.mean(table.floor):.0f}" in next(
        line for line in text.splitlines() if line.startswith("noise-free")
    )
    assert "3 galaxies that were held out, 9 learned from" in text


def at_redshift(one: Sample, redshift: float) -> Sample:
    return replace(one, record=replace(one.record, redshift=redshift))


def test_a_loss_that_still_falls_is_said_to() -> None:
    falling = [1 - 0.01 * epoch for epoch in range(50)]
    assert under_trained(falling)
    assert not under_trained([*falling, *[0.5] * 6])
    assert not under_trained([1.0, 0.5])


def test_a_run_that_was_simulated_and_trained_has_its_table(
    survey: Run, undisturbed: Run, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    shutil.copytree(undisturbed.path, run.path)
    shutil.copytree(survey.path / "simulated", run.path / "simulated")
    shutil.copy(survey.truth_galaxies, run.truth_galaxies)
    text = judge_table1(run).read_text()
    for name in ("mean cube", "cae2d", "pca2d", "noise-free truth", "mean redshift"):
        assert any(line.startswith(name) for line in text.splitlines())
    assert "steps" in text
    with pytest.raises(CubesiftError, match="no model of samples 'nobody' that held galaxies out"):
        judge_table1(run, "nobody")
    assert "no model" in refusal("judge", "table1", run.path, "--recipe", "nobody")


def test_models_that_held_out_nobody_in_common_are_named(undisturbed: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    shutil.copytree(undisturbed.path, run.path)
    first, *_ = models = run.models()
    path = run.model(first, "split") / "model.json"
    record = read_json(path)
    record["train"], record["validation"] = record["validation"], record["train"]
    write_json(path, record)
    with pytest.raises(CubesiftError, match=f"the models {', '.join(models)} held out no galaxy in common"):
        contenders_of(run, "", lambda _: pytest.fail("nobody is asked about"))


def test_two_epochs_are_too_few_to_say_whether_a_loss_still_falls(undisturbed: Run) -> None:
    checkpoint = Checkpoint.load(undisturbed.model("cae2d", "split"))
    row = contender(replace(checkpoint, history=checkpoint.history[:2]))
    assert row.about["under-trained"] == "-"
    assert row.about["steps"].startswith(
        f"{2 * -(-len(checkpoint.train) // checkpoint.settings.batch_size)} "
    )
