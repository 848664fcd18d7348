"""Beside what was planted: where each score puts the galaxies of every class."""

from pathlib import Path

import numpy as np
import pytest

from cubesift.data.outliers import Outliers
from cubesift.data.run import Run
from cubesift.data.store import Provenance, write_parquet
from cubesift.judge.planted import NOTHING, TOGETHER, medians_by_class, placed_among
from cubesift.judging import judge_planted
from tests.little_run import names_of
from tests.survey import refusal

SEEN, HIDDEN = "neighbours.cae2d-stars", "neighbours.cae2d"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """101 galaxies; every tenth has a star before it, which one of two models was shown; two hold a ring."""
    run, names = Run(tmp_path), np.array(names_of(101))
    shuffled = np.random.default_rng(1).permutation(101).astype(float)
    star = np.arange(101) % 10 == 0
    shown = np.empty(101)
    shown[star], shown[~star] = np.arange(101)[-11:], np.arange(90)
    hidden = np.where(np.arange(101) == 7, np.nan, shuffled)
    galaxies = {
        "plateifu": names, "mangaid": names, "percentile": shown, "named_by": np.full(101, ""),
        SEEN: shown, f"{SEEN}.percentile": shown, HIDDEN: hidden, f"{HIDDEN}.percentile": hidden,
    }  # fmt: skip
    spaxels = {"plateifu": names[:1], "model": names[:1]}
    Outliers(galaxies, spaxels, Provenance("detect", "0")).save(run.path)
    # The brightest galaxy holds two stars, and a galaxy that was not ranked holds one more.
    held = [*names[star], names[0], "1-1", names[7], names[8]]
    kinds = ["foreground_star"] * 13 + ["ring"] * 2
    truth = {"plateifu": np.array(held), "kind": np.array(kinds)}
    write_parquet(run.truth, truth, Provenance("simulate", "0"))
    return run


def test_stars_stand_out_to_the_model_that_was_shown_them_and_not_to_the_other(run: Run) -> None:
    table = medians_by_class(run)
    assert table["class"].tolist() == ["foreground_star", "ring", NOTHING]
    assert table["galaxies"].tolist() == [11, 2, 88]
    assert list(table)[2:] == [TOGETHER, SEEN, HIDDEN]
    assert table[SEEN][0] == table[TOGETHER][0] == 95
    assert table[HIDDEN][0] == pytest.approx(50, abs=25)
    assert table[SEEN][2] < 50
    percentile = Outliers.load(run.path).galaxies[f"{HIDDEN}.percentile"]
    assert table[HIDDEN][1] == percentile[8]  # of the other ring nothing is known


def test_among_ordinary_galaxies_the_strangest_class_is_not_in_its_own_way(run: Run) -> None:
    table = medians_by_class(run, among_ordinary=True)
    assert table[SEEN][0] == 100
    assert table[SEEN][2] == pytest.approx(50, abs=1)
    assert table["galaxies"].tolist() == [11, 2, 88]
    np.testing.assert_array_equal(
        placed_among(np.array([np.nan, 1.0, 2.5]), np.arange(4.0)), [np.nan, 37.5, 75]
    )


def test_the_table_is_printed_beside_the_strangest(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    judge_planted(run)
    said = capsys.readouterr().out.splitlines()
    start = next(row for row, line in enumerate(said) if line.startswith("Median percentile"))
    assert "13 of the 101 hold something planted" in "\n".join(said[:start])
    assert said[start + 1].split() == ["planted", "galaxies", "1", "2", "3"]
    assert said[start + 2].split()[:5] == ["foreground", "star", "11", "95.0", "95.0"]
    assert len({len(line) for line in said[start + 1 : start + 5]}) == 1
    assert said[start + 7].split()[:5] == ["foreground", "star", "11", "100.0", "100.0"]
    assert said[start + 10 :] == [f"    1 {TOGETHER}", f"    2 {SEEN}", f"    3 {HIDDEN}"]


def test_without_truth_it_says_what_is_missing(run: Run) -> None:
    run.truth.unlink()
    assert "truth.parquet: not there" in refusal("judge", "planted", run.path)
