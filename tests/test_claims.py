"""What the paper's claims are measured by, asked of spectra and maps whose answer is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.claims.__main__ import CLAIMS, page
from benchmarks.claims.evidence import Evidence, Missing
from benchmarks.claims.measured import (
    as_one_layer,
    checkerboard,
    first_components,
    level_and_slope,
    repeated,
    slice_match,
)
from benchmarks.claims.strange import blazars, by_all_models, stars
from benchmarks.claims.systems import attributes, better_in_both, easier_to_train, no_peaks, redshift

from cubesift.data.outliers import Outliers
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import Provenance, write_json, write_parquet
from cubesift.learn.checkpoint import Checkpoint
from tests.little_run import GRID, galaxy, names_of, noisy, sample


def test_a_checkerboard_is_seen_in_galaxies_of_any_shape_and_none_without_it() -> None:
    rng = np.random.default_rng(1)
    cubes = [galaxy(rng, brightness=float(rng.uniform(0.5, 2))) for _ in range(6)]
    squares = 1 + 0.02 * (-1.0) ** np.add.outer(np.arange(16), np.arange(16))[..., None]
    assert checkerboard(cubes) < 0.2
    assert checkerboard([squares * cube for cube in cubes]) == pytest.approx(2, abs=0.3)


def test_a_pattern_that_repeats_is_told_from_noise() -> None:
    rng = np.random.default_rng(2)
    noise, slope = rng.normal(size=1024), np.linspace(1, 3, 1024)
    assert abs(repeated(slope + noise)) < 0.1
    assert repeated(slope + np.tile(rng.normal(size=32), 32)) > 0.9


def test_a_spectrum_too_high_and_too_red_is_said_to_be_by_how_much() -> None:
    rng = np.random.default_rng(3)
    flux, ivar = noisy(rng, galaxy(rng, brightness=3))
    one = sample("8485-1901", flux, ivar)
    level, slope = level_and_slope(1.1 * flux * (GRID.wave / 6000) ** 0.2, one)
    assert level == pytest.approx(0.1, abs=0.03)
    halves = np.log(GRID.wave[768] / GRID.wave[256])
    assert slope == pytest.approx(0.2 * halves, rel=0.1)


def test_a_slice_of_the_galaxy_itself_matches_and_of_another_place_does_not() -> None:
    rng = np.random.default_rng(4)
    truth = galaxy(rng)
    one = sample("8485-1901", *noisy(rng, truth))
    assert slice_match(truth, one, GRID.wave) > 0.99
    assert slice_match(np.roll(truth, 5, axis=1), one, GRID.wave) < 0.5
    blind = replace(one, ivar=np.where(np.arange(16)[:, None, None] < 8, one.ivar, 0))
    assert slice_match(np.where(np.arange(16)[:, None, None] < 8, truth, 99), blind, GRID.wave) > 0.99


def told(path: Path, **table: tuple[float, float, float]) -> Evidence:
    """Evidence of models whose summed MAE, redshift MSE and Hα kept are these."""
    evidence = Evidence(Run(path), "paper", None, None)
    measures = ("recon MAE", "z MSE", "Ha median")
    evidence.__dict__["models"] = {name: name for name in table}
    evidence.__dict__["table"] = {name: dict(zip(measures, row, strict=True)) for name, row in table.items()}
    evidence.table["mean redshift"] = {"z MSE": 0.0004}
    return evidence


def test_who_is_best_is_read_off_the_table_and_the_baseline_stands_beside(tmp_path: Path) -> None:
    rows = {
        "cae2d": (60.0, 0.0003, 0.0),
        "cae3d": (50.0, 0.0001, 0.05),
        "cae1d2d": (55.0, 0.0002, 0.0),
        "pca2d": (58.0, 0.0004, 0.0),
        "linear": (40.0, 0.0005, 0.8),
    }
    for claim in (better_in_both, no_peaks, redshift, easier_to_train):
        said, held = claim(told(tmp_path, **rows))
        assert held, claim
        assert "linear baseline" in said
    worse = {
        better_in_both: {"cae1d2d": (55.0, 0.00005, 0.0)},  # best in one of both
        no_peaks: {"pca2d": (58.0, 0.0004, 0.11)},
        redshift: {"cae3d": (50.0, 0.00021, 0.0)},  # more than half of the constant's
        easier_to_train: {"pca2d": (61.0, 0.0004, 0.0)},
    }
    for claim, changed in worse.items():
        assert not claim(told(tmp_path, **{**rows, **changed}))[1], claim
    del rows["cae3d"]
    with pytest.raises(Missing, match="no model cae3d"):
        better_in_both(told(tmp_path, **rows))


def test_attributes_count_where_they_are_read_better_than_the_observation_tells(tmp_path: Path) -> None:
    evidence = told(tmp_path, pca2d=(1, 1, 1), linear=(1, 1, 1))
    with pytest.raises(Missing, match=r"probes\.parquet"):
        attributes(evidence)
    low = np.array([0.5, 0.4, 0.1, 0.9, 0.9, 0.9, 0.0])
    columns = {
        "model": np.array(["pca2d"] * 6 + ["linear"]),
        "column": np.array(["z", "reff", "mass", "z", "z", "z, not learned from", "z"]),
        "told_by": np.array(["truth"] * 4 + ["catalogue", "truth", "truth"]),
        "method": np.array(["ridge"] * 3 + ["knn", "ridge", "ridge", "ridge"]),
        "embedding.low": low,
        "nuisances": np.full(7, 0.2),
    }
    made = Provenance("judge", "0")
    write_parquet(tmp_path / "probes.parquet", columns, made)
    assert attributes(evidence) == ("PCA-2D 2 of 3, linear baseline 0 of 1", True)
    write_parquet(tmp_path / "probes.parquet", {**columns, "nuisances": np.full(7, 0.45)}, made)
    assert attributes(evidence) == ("PCA-2D 1 of 3, linear baseline 0 of 1", False)


def test_components_and_the_first_convolution_are_one_layer(undisturbed: Run) -> None:
    checkpoint = Checkpoint.load(undisturbed.model("pca2d", "split"))
    one = Samples.open(undisturbed.samples("tiny")).read(checkpoint.validation[0])
    assert as_one_layer(checkpoint, one) < 1e-3
    maps = checkpoint.model.space.maps
    checkpoint.model.space.maps = lambda galaxies: maps(galaxies).relu()  # no longer linear in the flux
    assert as_one_layer(checkpoint, one) > 0.1


def test_codes_that_are_mean_and_slope_explain_both(undisturbed: Run) -> None:
    checkpoint = Checkpoint.load(undisturbed.model("pca2d", "split"))
    samples, space = Samples.open(undisturbed.samples("tiny")), checkpoint.model.space
    position = np.log(samples.grid.wave) - np.log(samples.grid.wave).mean()
    space.analysis[0] = 1 / samples.grid.size
    space.analysis[1] = torch.from_numpy(position)
    r, slope = first_components(checkpoint, samples, checkpoint.validation)
    assert r == pytest.approx(1, abs=0.01)
    assert slope[1] < slope[2] == pytest.approx(1, abs=0.01)
    space.analysis[1] = space.analysis[0]
    _, without = first_components(checkpoint, samples, checkpoint.validation)
    assert without[2] < 0.9


def test_stars_that_a_network_finds_until_they_are_masked_are_said_to_be(tmp_path: Path) -> None:
    run, names = Run(tmp_path), np.array(names_of(41))
    percentile = np.linspace(0, 100, 41)
    starry, blazing = names[39:], names[[38, 40]]
    scores = {
        "neighbours.net-shown": percentile,
        "neighbours.net-masked": np.roll(percentile, 20),
        "reconstruction.net-shown": percentile[::-1],
        "reconstruction.net-masked": percentile,
        "lof.linear-shown": percentile,
    }
    columns = {f"{name}.percentile": values for name, values in scores.items()}
    made = Provenance("detect", "0")
    Outliers({"plateifu": names, "percentile": percentile, **columns}, {}, made).save(run.path)
    planted = [(name, "foreground_star") for name in starry] + [(name, "power_law") for name in blazing]
    truth = dict(zip(("plateifu", "kind"), np.array(planted).T, strict=True))
    write_parquet(run.truth, truth, made)
    for name in ("net-shown", "net-masked", "linear-shown"):
        system, hidden = ("linear" if name.startswith("linear") else "pca2d"), name.endswith("masked")
        settings = {"system": system, "star_mask": hidden, "widths": [128, 64]}
        write_json(run.model(name) / "model.json", {"settings": settings})
    evidence = Evidence(run, "paper", None, run)
    said, held = stars(evidence)
    assert held
    assert "neighbours pca2d 98.8 → 48.8" in said
    said, held = blazars(evidence)
    assert not held  # 97.5
    assert said.endswith("named in advance (lof.linear-shown): 97.5")


def test_two_models_of_one_system_do_not_say_what_all_do(tmp_path: Path) -> None:
    run, names, percentile = Run(tmp_path), np.array(names_of(41)), np.linspace(0, 100, 41)
    scores = {f"reconstruction.{model}.percentile": percentile for model in ("net", "net-masked", "linear")}
    Outliers({"plateifu": names, "percentile": percentile, **scores}, {}, Provenance("detect", "0")).save(
        run.path
    )
    for name in ("net", "net-masked", "linear"):
        settings = {"system": "linear" if name == "linear" else "pca2d"}
        write_json(run.model(name) / "model.json", {"settings": settings})
    evidence = Evidence(run, "paper", None, run)
    with pytest.raises(Missing, match="of 1 network system, where two are needed"):
        by_all_models(evidence)
    write_json(run.model("net-masked") / "model.json", {"settings": {"system": "cae2d"}})
    assert by_all_models(evidence) == (
        "2 of 41 by all 2 scores of 2 systems, by chance, were these independent, 0.1",
        True,
    )


def test_without_models_no_claim_is_decided(tmp_path: Path) -> None:
    said = page(Evidence(Run(tmp_path), "paper", None, None))
    assert said.count("**not yet tested**") == len(CLAIMS)
    assert "no model cae2d is trained on samples paper to its end" in said


def test_a_claim_that_cannot_be_tested_any_more_keeps_its_row(tmp_path: Path) -> None:
    nothing = Evidence(Run(tmp_path), "paper", None, None)
    words, test = CLAIMS[3].words, CLAIMS[3].test
    before = page(nothing).replace(
        f"| {words} | {test} | no model cae3d is trained on samples paper to its end | **not yet tested** |",
        f"| {words} | {test} | 0.95 | **held** |",
    )
    once = page(nothing, before)
    assert f"| {words} | {test} | 0.95 | **held** † |" in once
    assert "1 held" in once
    assert once.count("**not yet tested**") == len(CLAIMS) - 1
    assert page(nothing, once) == once
