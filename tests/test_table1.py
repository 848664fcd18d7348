"""The paper's table 1, asked of things whose answer is known."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cubesift.contenders import _one_cross_fit, contender, contenders_of, cross_fit, spectral_pca
from cubesift.data.cube import FORESTAR
from cubesift.data.run import Run
from cubesift.data.samples import Sample, Samples
from cubesift.data.store import read_json, read_parquet, write_json
from cubesift.errors import CubesiftError
from cubesift.judge.lineflux import line_flux
from cubesift.judge.rebuilt import Contender, Known, Truth, measure_all, report_weights, summed_error
from cubesift.judge.table1 import Trial, judge_models, under_trained
from cubesift.judging import judge_table1
from cubesift.learn.checkpoint import Checkpoint, build_model
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
    return Known(observed, Truth(sample("truth", clean, ivar), FACTOR, 0.03))


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
    truths = {one.sample.record.plateifu: one.truth.sample.unclipped for one in galaxies}
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


def test_what_a_model_says_of_channels_that_are_not_covered_is_not_counted() -> None:
    one = known(0)
    for values in (one.sample.flux, one.sample.ivar, one.truth.sample.unclipped):
        values[..., :100] = 0
    right = Contender("right", lambda sample: (sample.flux.copy(), float("nan")))
    beyond = Contender(
        "beyond", lambda sample: (sample.flux + 5 * (np.arange(GRID.size) < 100), float("nan"))
    )
    measured, _ = measure_all([one], [right, beyond], GRID.wave, lambda _: None)
    assert measured["beyond"].mae == measured["right"].mae == [0]
    assert measured["beyond"].error == pytest.approx(measured["right"].error)


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
    mean = Contender("mean cube", lambda one: (np.zeros_like(one.flux), float("nan")), control=True)

    def again() -> Iterator[Known]:
        yield from moved

    asked = Trial("paper", [mean], again, 3, 9, GRID.wave, 0.04, left_out={"old": "a cross-fit"})
    seen: list[tuple[int, int, str]] = []
    table = judge_models(asked, progress=lambda *said: seen.append(said))
    assert [said[:2] for said in seen] == [(1, 3), (2, 3), (3, 3)]
    text = table.text()
    constant = np.mean((np.array([0.02, 0.03, 0.07]) - 0.04) ** 2)
    assert f"{constant:.5f}" in line_of(text, "  mean redshift")
    assert f"{np.mean(table.floor):.0f}" in line_of(text, "  noise-free truth")
    assert "3 galaxies that were held out, 9 learned from" in text
    assert line_of(text, "  mean cube").split()[-6:] == ["0.00", "0.00", "0.00"] * 2  # no -0.00
    assert text.index("controls") < text.index("  mean cube")
    assert "  old: a cross-fit" in text


def line_of(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(name))


def at_redshift(one: Sample, redshift: float) -> Sample:
    return replace(one, record=replace(one.record, redshift=redshift))


def test_a_line_is_looked_for_where_the_shift_to_rest_left_it() -> None:
    """Half a lattice channel off, and by the catalogue's redshift, some thousand km/s off the true one."""
    one, light = known(0), 299_792.458
    here = GRID.wave * 10 ** (-1e-4 * 0.5)
    # A channel 590 km/s from the line: half a lattice channel more, and it would lie beyond 600.
    centre = here[int(GRID.channel(6590))] / (1 + 590 / light)
    shifted_by = (1 + one.truth.redshift) * 6564.61 / centre - 1
    at_rest = replace(one.sample.record, frame="rest", redshift=float(shifted_by), fraction=0.5)
    velocity = light * (here / centre - 1)
    clean = np.exp(-np.square(velocity / 300) / 2).astype(np.float32)
    cube = np.broadcast_to(clean, one.sample.flux.shape)
    truth = replace(one.truth, sample=replace(one.truth.sample, unclipped=cube))
    seen = Known(replace(one.sample, record=at_rest), truth)
    model = Contender("edge", lambda _: (np.where(velocity > 400, cube, 0), float("nan")))
    measured, _ = measure_all([seen], [model], GRID.wave, lambda _: None)
    line = clean * np.gradient(here) * (np.abs(velocity) < 600)
    kept = line[velocity > 400].sum() / line.sum()
    assert measured["edge"].lines["Ha"] == pytest.approx([kept], rel=0.01)


def test_a_loss_that_still_falls_is_said_to() -> None:
    falling, rates = [1 - 0.01 * epoch for epoch in range(50)], [1e-3] * 56
    assert under_trained(falling, rates) == "yes"
    assert under_trained([*falling, *[0.5] * 6], rates) == "no"
    assert under_trained([1.0, 0.5], rates) == "-"
    assert under_trained([*falling[:-6], np.nan, *falling[-5:]], rates) == "-"
    assert under_trained(falling, [*rates[:-5], *[5e-4] * 5]) == "yes"
    assert under_trained(falling, [*rates[:-4], *[5e-4] * 4]) == "-"  # it fell for the rate, too


def with_truth(survey: Run, trained: Run, path: Path) -> Run:
    """A trained run beside the truth of the survey that it was prepared from."""
    run = Run(path)
    shutil.copytree(trained.path, run.path)
    shutil.copytree(survey.path / "simulated", run.path / "simulated")
    shutil.copy(survey.truth_galaxies, run.truth_galaxies)
    return run


def test_a_run_that_was_simulated_and_trained_has_its_table(
    survey: Run, undisturbed: Run, tmp_path: Path
) -> None:
    run = with_truth(survey, undisturbed, tmp_path / "run")
    path = judge_table1(run)
    text = path.read_text()
    for name in ("mean cube", "cae2d", "pca2d", "noise-free truth", "mean redshift"):
        assert line_of(text, f"  {name}")
    assert "CPU-s/galaxy/epoch" in text
    assert "(clock)" not in text
    kept, _ = read_parquet(path.with_suffix(".parquet"))
    assert kept["model"].tolist() == [
        "noise-free truth",
        "mean redshift",
        "mean cube",
        "spectral PCA",
        "cae2d",
        "pca2d",
    ]
    assert f"{kept['recon MAE'][4]:.0f}" in line_of(text, "  cae2d")
    with pytest.raises(CubesiftError, match="no model of samples 'nobody' that held galaxies out"):
        judge_table1(run, "nobody")
    assert "no model" in refusal("judge", "table1", run.path, "--recipe", "nobody")


def test_real_cubes_have_the_papers_two_figures_and_the_controls(
    survey: Run, undisturbed: Run, tmp_path: Path
) -> None:
    run = Run(tmp_path / "real")
    shutil.copytree(undisturbed.path, run.path)
    real, _ = read_parquet(judge_table1(run).with_suffix(".parquet"))
    same, _ = read_parquet(
        judge_table1(with_truth(survey, undisturbed, tmp_path / "known")).with_suffix(".parquet")
    )
    assert "Nobody knows the truth" in (run.path / "table1-tiny.txt").read_text()
    assert real["model"].tolist() == same["model"].tolist()
    for column in ("recon MAE", "z MSE"):
        assert np.array_equal(real[column][1:], same[column][1:], equal_nan=True)
    assert np.isfinite(real["recon MAE"][2:]).all()
    assert np.isnan(real["recon MAE"][0])
    for column in ("error", "Ha median", "[O III] spaxels"):
        assert np.isnan(real[column]).all()
    assert np.isfinite(same["error"][2:]).all()


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


def test_models_that_cannot_be_asked_are_named_with_the_reason(undisturbed: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    shutil.copytree(undisturbed.path, run.path)
    lacking_fold(run, "lacking")
    shutil.copytree(run.model("pca2d", "split"), run.model("seen", "all"))
    shutil.copytree(run.model("pca2d", "split"), run.model("elsewhere", "split"))
    path = run.model("elsewhere", "split") / "model.json"
    record = read_json(path)
    record["settings"]["samples"] = "coarse"
    write_json(path, record)
    shutil.copytree(run.model("pca2d", "split"), run.model("begun", "split"))
    (run.model("begun", "split") / "model.json").unlink()
    (run.model("cae2d", "split") / "weights.safetensors").write_bytes(b"torn")
    trial = contenders_of(run, "", lambda _: pytest.fail("nobody is asked yet"))
    assert [one.name for one in trial.contenders] == ["mean cube", "spectral PCA", "pca2d"]
    assert "seen" in trial.saw_all
    assert "held out" in trial.saw_all["seen"]
    said = {"begun": "not trained to its end", "lacking": "did not hold out 1 of the", "seen": "every galaxy"}
    said |= {"elsewhere": "samples 'coarse'", "cae2d": "its weights are damaged"}
    assert set(trial.left_out) == set(said)
    assert all(why in trial.left_out[name] for name, why in said.items())


def lacking_fold(run: Run, name: str, galaxies: int = 1) -> list[str]:
    """Make a cross-fit of one fold that holds out all but the first galaxies of the split's; returns whom."""
    folder = run.model(name, "fold-0")
    shutil.copytree(run.model("pca2d", "split"), folder)
    record = read_json(folder / "model.json")
    record |= {"fold": "fold-0", "validation": record["validation"][galaxies:]}
    record["settings"] |= {"name": name, "split": "crossfit"}
    write_json(folder / "model.json", record)
    return list(record["validation"])


def test_principal_components_of_spectra_are_what_the_model_is_given(undisturbed: Run) -> None:
    models = [Checkpoint.load(undisturbed.model(name, "split")) for name in ("cae2d", "pca2d")]
    assert spectral_pca(models[:1]) == []
    (control,) = spectral_pca(models)
    space, side = models[1].model.space, models[1].side
    one = Samples.open(undisturbed.samples("tiny")).read(models[1].validation[0])
    flux = one.flux.reshape(-1, one.flux.shape[-1]) - space.mean.numpy()
    expected = flux @ space.analysis.numpy().T @ space.synthesis.numpy() + space.mean.numpy()
    rebuilt, redshift = control.rebuild(one)
    assert np.allclose(rebuilt.reshape(expected.shape), expected, atol=1e-4 * np.abs(expected).max())
    assert np.isnan(redshift)
    assert control.about["numbers"] == f"{6 * side**2}"  # components a spaxel


def test_principal_components_are_as_many_as_the_one_layer_autoencoder_has(undisturbed: Run) -> None:
    one = Checkpoint.load(undisturbed.model("pca2d", "split"))

    def numbering(components: int, system: Any = "pca2d") -> Checkpoint:
        settings = replace(one.settings, components=components, system=system)
        model = build_model(settings, one.grid.size, one.side)
        return replace(one, settings=settings, model=model)

    def control(*models: Checkpoint) -> int:
        return int(spectral_pca(models)[0].about["numbers"]) // one.side**2

    assert control(numbering(4), numbering(8), numbering(4, "ae")) == 4
    assert control(numbering(4), numbering(8), numbering(6, "ae")) == 8
    assert control(numbering(4), numbering(8)) == 8


def test_a_galaxy_is_rebuilt_by_the_fold_that_held_it_out(undisturbed: Run) -> None:
    one = Checkpoint.load(undisturbed.model("pca2d", "split"))
    first, second = one.validation[:1], one.validation[1:]
    folds = [
        replace(one, validation=names, settings=replace(one.settings, name="x")) for names in (first, second)
    ]
    folds[1].model = Checkpoint.load(undisturbed.model("cae2d", "split")).model
    samples = Samples.open(undisturbed.samples(one.settings.samples))
    crossed, alone = cross_fit(folds), [contender(fold) for fold in folds]
    for place, names in enumerate((first, second)):
        sample = samples.read(names[0])
        assert np.array_equal(crossed.rebuild(sample)[0], alone[place].rebuild(sample)[0])
        assert not np.array_equal(crossed.rebuild(sample)[0], alone[1 - place].rebuild(sample)[0])
    assert crossed.about["folds"] == "2"
    assert _one_cross_fit(folds)
    assert not _one_cross_fit([one, *folds])  # a galaxy is held out twice
    assert not _one_cross_fit([folds[0], replace(folds[1], history=one.history[:-1])])


def test_a_cross_fit_is_asked_beside_a_model_of_the_split(
    survey: Run, undisturbed: Run, tmp_path: Path
) -> None:
    run = with_truth(survey, undisturbed, tmp_path / "run")
    lacking_fold(run, "crossed", 0)
    text = judge_table1(run).read_text()
    rows = [line.split() for line in text.splitlines() if line.startswith(("  crossed", "  pca2d"))]
    assert rows[0][1:] == rows[1][1:]  # the same weights, asked about the same galaxies
    assert "each galaxy is rebuilt by the fold that held it out" in text
    assert rows[3][-1] == "1"  # fold


def test_two_epochs_are_too_few_to_say_whether_a_loss_still_falls(undisturbed: Run) -> None:
    checkpoint = Checkpoint.load(undisturbed.model("cae2d", "split"))
    row = contender(replace(checkpoint, history=checkpoint.history[:2]))
    assert row.about["under-trained"] == "-"
    assert row.about["steps"] == f"{2 * -(-len(checkpoint.train) // checkpoint.settings.batch_size)}"


def test_steps_stand_beside_the_papers_whatever_was_asked_of_the_model(undisturbed: Run) -> None:
    papers = {}
    for name in ("cae2d", "pca2d"):
        checkpoint = Checkpoint.load(undisturbed.model(name, "split"))
        papers[name] = contender(checkpoint).about["paper's steps"]
        assert (checkpoint.settings.epochs, checkpoint.settings.batch_size) == (6, 4)
    assert papers == {
        "cae2d": "2,000",
        "pca2d": "10,000",
    }  # 2,000 galaxies, 50 epochs, in batches of 50 or 10
