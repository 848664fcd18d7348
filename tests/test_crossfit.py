"""Cross-fitting: whoever scores a galaxy never saw it, and nothing is compared between two models' spaces."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cubesift.data.embeddings import Embeddings, Reconstructions
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import remove
from cubesift.detect.score import score_galaxies
from cubesift.detect.settings import Detection
from cubesift.errors import CubesiftError, Stale
from cubesift.learn.checkpoint import Checkpoint
from cubesift.learn.embed import embed_sample, embed_survey
from cubesift.learn.settings import Training
from cubesift.learn.split import fold_of, folds
from cubesift.learn.train import train_model
from cubesift.show import run_status
from tests.test_learn import QUICK, SHALLOW, Stopped, a_sample, a_survey, weights

CROSS = replace(QUICK, name="cross", split="crossfit", folds=3, epochs=2)
REPEAT = "9003-1902"  # another look at galaxy 3


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def with_a_repeat(path: Path, number: int = 12) -> Run:
    run = a_survey(path, number)
    again = a_sample(3)
    record = replace(again.record, plateifu=REPEAT)
    Samples.open(run.samples("paper")).write(replace(again, record=record))
    return run


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Thirteen observations of twelve galaxies, cross-fitted in three folds, and embedded."""
    run = with_a_repeat(tmp_path_factory.mktemp("crossed"))
    train_model(run, CROSS)
    embed_survey(run, "cross")
    return run


def test_every_galaxy_is_held_out_once_and_never_learned_from_by_the_fold_that_scores_it(
    crossed: Run,
) -> None:
    samples = Samples.open(crossed.samples("paper"))
    stored = Reconstructions.open(crossed.reconstructions("cross"))
    asked = folds(samples, CROSS)
    assert [fold.name for fold in asked] == ["fold-0", "fold-1", "fold-2", "all"]
    held_out = [name for fold in asked for name in fold.validation]
    assert sorted(held_out) == samples.names
    for name in samples.names:
        home = Checkpoint.load(crossed.model("cross", stored.record(name)["fold"]))
        assert name not in home.train
        assert name in home.validation
        rebuilt, said = embed_sample(home, samples.read(name))
        assert np.array_equal(stored.read(name).chi2, rebuilt.chi2, equal_nan=True)
        assert stored.record(name)["vector"] == said["vector"]
    assert sorted(Checkpoint.load(crossed.model("cross", "all")).train) == samples.names


def test_repeats_of_a_galaxy_are_held_out_together(crossed: Run) -> None:
    for fold in folds(Samples.open(crossed.samples("paper")), CROSS)[:-1]:
        assert (REPEAT in fold.validation) == ("8003-1901" in fold.validation)


def test_a_galaxy_stays_held_out_by_its_fold_as_the_survey_grows(tmp_path: Path) -> None:
    few, many = (
        folds(Samples.open(a_survey(tmp_path / str(n), n).samples("paper")), CROSS) for n in (12, 30)
    )
    for small, large in zip(few[:-1], many[:-1], strict=True):
        assert set(small.validation) <= set(large.validation)
        assert not set(small.validation) & set(large.train)


def test_a_fold_has_a_vector_of_everyone_and_each_galaxy_is_asked_once(crossed: Run) -> None:
    said = Embeddings.load(crossed.embeddings("cross"))
    names = Samples.open(crossed.samples("paper")).names
    for fold in ("fold-0", "fold-1", "fold-2", "all"):
        rows = said.fold == fold
        assert sorted(said.plateifu[rows]) == names
        train = set(Checkpoint.load(crossed.model("cross", fold)).train)
        assert [name not in train for name in said.plateifu[rows]] == said.held_out[rows].tolist()
    assert sorted(said.as_scored().plateifu) == names
    assert said.as_scored().held_out.all()
    for one in said.comparisons():
        assert set(said.fold[one.asked]) == set(said.fold[one.among]) == {one.fold}
        assert not set(said.mangaid[one.asked]) & set(said.mangaid[one.among])
        assert len(one.asked) + len(one.among) == len(names)
    assert set(said.comparable().fold) == {"all"}
    parts = said.where(said.fold != "all").comparable()
    assert sorted(parts.plateifu) == names
    assert len(set(parts.fold)) == 1


def test_a_single_model_is_asked_about_everyone_among_everyone(crossed: Run) -> None:
    train_model(crossed, replace(QUICK, name="plain", epochs=1, retrain_on_all=False))
    said = embed_survey(crossed, "plain")
    (only,) = said.comparisons()
    assert only.fold == "split"
    assert np.array_equal(only.asked, only.among)
    assert len(only.asked) == len(said) == 13
    held_out = Checkpoint.load(crossed.model("plain", "split")).validation
    assert said.plateifu[said.held_out].tolist() == held_out


def test_what_only_the_held_out_galaxy_holds_does_not_reach_its_own_fold(
    crossed: Run, tmp_path: Path
) -> None:
    run = with_a_repeat(tmp_path)
    odd = a_sample(5)
    flux = odd.flux[:, :, ::-1].copy()
    Samples.open(run.samples("paper")).write(replace(odd, flux=flux, unclipped=flux))
    train_model(run, CROSS)
    for name in ("fold-0", "fold-1", "fold-2"):
        same = weights(run.model("cross", name)) == weights(crossed.model("cross", name))
        assert same == (name == fold_of("1-5", 3))


def test_a_killed_cross_fit_goes_on_and_ends_in_the_same_weights(crossed: Run, tmp_path: Path) -> None:
    run = with_a_repeat(tmp_path)
    for at in ("fold-1", "all"):

        def stop(said: dict[str, Any], at: str = at) -> None:
            if said["fold"] == at and said.get("epoch") == 1:
                raise Stopped

        with pytest.raises(Stopped):
            train_model(run, CROSS, progress=stop)
        if at == "fold-1":
            with pytest.raises(
                CubesiftError, match=r"no fold-[12], which holds .* out. Run `cubesift train`"
            ):
                embed_survey(run, "cross")
    train_model(run, CROSS)
    for name in ("fold-0", "fold-1", "fold-2", "all"):
        assert weights(run.model("cross", name)) == weights(crossed.model("cross", name))


def test_only_what_is_new_is_embedded_again(crossed: Run) -> None:
    def written() -> dict[str, int]:
        return {path.parent.name: path.stat().st_mtime_ns for path in stored.glob("*/zarr.json")}

    stored = crossed.reconstructions("cross")
    whole = Embeddings.load(crossed.embeddings("cross"))
    (stored / "8002-1901" / "zarr.json").unlink()  # as if killed there
    before = written()
    again = embed_survey(crossed, "cross")
    assert {name for name, time in written().items() if before.get(name) != time} == {"8002-1901"}
    assert np.array_equal(again.vectors, whole.vectors)
    assert not any(stale for _, _, stale in run_status(crossed))


def test_a_galaxy_that_nobody_learned_from_is_asked_once_and_compared_with_by_nobody(tmp_path: Path) -> None:
    run = a_survey(tmp_path, 12)
    train_model(run, replace(CROSS, epochs=1))
    Samples.open(run.samples("paper")).write(a_sample(12))
    said = embed_survey(run, "cross")
    assert set(said.fold[said.plateifu == "8012-1901"]) == {fold_of("1-12", 3), "all"}
    asked = [name for one in said.comparisons() for name in said.plateifu[one.asked]]
    among = {name for one in said.comparisons() for name in said.plateifu[one.among]}
    assert sorted(asked) == Samples.open(run.samples("paper")).names
    assert "8012-1901" not in among


def test_a_fold_whose_galaxies_have_left_the_survey_asks_about_nobody(tmp_path: Path) -> None:
    run = a_survey(tmp_path, 12)
    train_model(run, replace(CROSS, epochs=1))
    samples = Samples.open(run.samples("paper"))
    gone = Checkpoint.load(run.model("cross", "fold-0")).validation
    for name in gone:
        remove(samples.store.path / name)
    said = embed_survey(run, "cross")
    assert [one.fold for one in said.comparisons()] == ["fold-1", "fold-2"]
    ranked = score_galaxies(run, Detection(methods=("neighbours", "lof", "forest", "mahalanobis"))).galaxies
    assert sorted(ranked["plateifu"]) == sorted(set(said.plateifu))


def test_folds_of_other_settings_do_not_stay(tmp_path: Path) -> None:
    run = a_survey(tmp_path, 12)
    one = replace(CROSS, epochs=1)
    train_model(run, replace(one, retrain_on_all=False))
    with pytest.raises(CubesiftError, match=r"a cross-fit without a model of all galaxies \(only fold-0, "):
        embed_survey(run, "cross", model=run.path)
    train_model(run, replace(one, split="first", first=8))
    assert sorted(path.name for path in (run.path / "models" / "cross").iterdir()) == ["all", "split"]
    assert set(embed_survey(run, "cross").fold) == {"all"}


def test_a_galaxy_that_has_changed_its_name_is_not_scored_by_who_learned_from_it(tmp_path: Path) -> None:
    run = a_survey(tmp_path, 12)
    train_model(run, replace(CROSS, epochs=1, retrain_on_all=False))
    samples = Samples.open(run.samples("paper"))
    sample = samples.read("8004-1901")
    home = fold_of(sample.record.mangaid, 3)
    other = next(name for name in map(str, range(99)) if fold_of(name, 3) != home)
    samples.write(replace(sample, record=replace(sample.record, mangaid=other)))
    with pytest.raises(Stale, match=r"fold-\d should hold 8004-1901 out \(mangaid .*\), but learned from it"):
        embed_survey(run, "cross")


def test_a_compressor_may_not_have_seen_who_is_held_out(crossed: Run) -> None:
    one = replace(CROSS, name="two", system="ae2d", compressor="shallow", epochs=1, retrain_on_all=False)
    shallow = replace(SHALLOW, name="shallow", split="crossfit", folds=3, epochs=1)
    train_model(crossed, shallow)
    train_model(crossed, one)
    train_model(crossed, replace(shallow, folds=2))
    with pytest.raises(
        CubesiftError, match=r"its compressor 'shallow' learned from .* that fold 'fold-1' holds"
    ):
        train_model(crossed, replace(one, seed=1))


def test_a_setting_that_comes_later_leaves_finished_models_finished() -> None:
    assert Training(name="one").chosen == {"name": "one"}
    assert replace(CROSS, folds=4).chosen["folds"] == 4
