"""The methods of detection beside each other: each finds what it is for, in one fold or across several."""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from cubesift.data.embeddings import Reconstructions
from cubesift.data.outliers import Outliers
from cubesift.data.run import Run
from cubesift.data.store import Columns, Provenance, read_parquet
from cubesift.detect.consensus import agreement, as_text, said_of
from cubesift.detect.fold import Fold
from cubesift.detect.methods import METHODS, far_from_the_middle, thinly_surrounded
from cubesift.detect.reconstruction import Rebuilt, lopsidedness
from cubesift.detect.score import score_galaxies
from cubesift.detect.settings import Detection
from cubesift.explore.reading import Findings, histories
from cubesift.line import detect
from tests import little_run
from tests.little_run import PARENTS, galaxy, names_of, noisy
from tests.test_detect import maps

EVERY = Detection(methods=("neighbours", "lof", "forest", "mahalanobis", "reconstruction", "lopsided"))
OF_VECTORS = pytest.mark.parametrize("method", ["neighbours", "lof", "forest", "mahalanobis"])
COUNT = 40


def among_themselves(vectors: np.ndarray) -> Fold:
    return Fold(vectors, vectors, True)


def a_run(path: Path, models: tuple[str, ...] = ("pca2d",)) -> Run:
    """Forty galaxies, none of them strange, as each model rebuilt them."""
    run = Run(path)
    for model in models:
        rng = np.random.default_rng(5)
        store = Reconstructions.create(run.reconstructions(model), Provenance("embed", "0", PARENTS), {})
        for name in names_of(COUNT):
            light = rng.uniform(2, 40, (4, 4))
            store.write(name, maps((1 + 0.001 * light**2) * rng.lognormal(0, 0.1, (4, 4)), light), {})
        little_run.write_embeddings(run, rng.normal(size=(COUNT, 5)), model)
    return run


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One model's; tests write the embeddings they want."""
    return a_run(tmp_path_factory.mktemp("base"))


def percentile(outliers: Outliers, name: str, column: str) -> float:
    return float(outliers.galaxies[column][outliers.galaxies["plateifu"] == name][0])


@OF_VECTORS
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_galaxy_far_from_all_is_the_strangest_by_every_method(method: str, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(COUNT, 5))
    vectors[17] += 8
    assert np.argmax(METHODS[method](among_themselves(vectors), EVERY)) == 17


@OF_VECTORS
def test_more_latents_than_galaxies_leave_the_strange_one_strange(method: str) -> None:
    vectors = np.random.default_rng(4).normal(size=(50, 128))
    vectors[31, ::3] += 6
    score = METHODS[method](among_themselves(vectors), EVERY)
    assert np.isfinite(score).all()
    assert np.argmax(score) == 31


@OF_VECTORS
def test_a_galaxy_held_out_is_compared_with_the_others_only(method: str) -> None:
    rng = np.random.default_rng(6)
    among = rng.normal(size=(COUNT, 5))
    asked = rng.normal(size=(8, 5))
    asked[5] += 9
    alone = METHODS[method](Fold(asked[5:6], among, False), EVERY)
    together = METHODS[method](Fold(asked, among, False), EVERY)
    assert np.argmax(together) == 5
    # Nobody who is asked about with it makes it more usual, nor does it make them.
    assert alone[0] == pytest.approx(together[5])
    twins = METHODS[method](Fold(np.repeat(asked[5:6], 30, axis=0), among, False), EVERY)
    assert twins == pytest.approx(np.full(30, together[5]))


@OF_VECTORS
def test_the_same_galaxies_have_the_same_scores_every_time(method: str) -> None:
    fold = among_themselves(np.random.default_rng(7).normal(size=(COUNT, 5)))
    assert np.array_equal(METHODS[method](fold, EVERY), METHODS[method](fold, EVERY))


def test_a_galaxy_between_a_dense_and_a_thin_crowd_is_found_by_its_local_density() -> None:
    rng = np.random.default_rng(8)
    dense = rng.normal(0, 0.05, (30, 2))
    thin = rng.normal(0, 2, (30, 2)) + 20
    vectors = np.concatenate([dense, thin, [[1.0, 1.0]]])
    fold = among_themselves(vectors)
    assert np.argmax(thinly_surrounded(fold, EVERY)) == 60
    assert np.argmax(METHODS["neighbours"](fold, EVERY)) != 60


def test_a_direction_in_which_galaxies_do_not_scatter_counts_by_mahalanobis() -> None:
    rng = np.random.default_rng(9)
    along = rng.normal(0, 10, 200)
    vectors = np.stack([along, along + rng.normal(0, 0.3, 200)], axis=1)
    vectors[3] = (6, -6)  # off the ridge, but no farther out than many on it
    fold = among_themselves(vectors)
    assert np.argmax(far_from_the_middle(fold, EVERY)) == 3
    assert np.argmax(np.linalg.norm(vectors, axis=1)) != 3


def test_a_tenth_of_the_galaxies_does_not_make_itself_usual() -> None:
    rng = np.random.default_rng(10)
    vectors = rng.normal(size=(100, 4))
    vectors[:10] = rng.normal(0, 0.2, (10, 4)) + np.array([9, 9, 0, 0])
    score = far_from_the_middle(among_themselves(vectors), EVERY)
    assert set(np.argsort(-score)[:10]) == set(range(10))
    assert np.median(score[:10]) > 3 * np.median(score[10:])


def test_the_default_is_the_papers_two_methods() -> None:
    assert Detection().methods == ("neighbours", "reconstruction")
    assert set(EVERY.methods) == set(METHODS)
    for methods in ((), ("pca",)):
        with pytest.raises(ValidationError):
            Detection(methods=methods)  # type: ignore[arg-type]


# A cross-fit.


def crossed(run: Run, odd: int, wide: float = 100.0) -> None:
    """Two folds in unrelated spaces, each galaxy held out by one; `odd` is far from all in both."""
    vectors = np.random.default_rng(1).normal(size=(COUNT, 5))
    vectors[odd] += 8
    names, first = names_of(COUNT), np.arange(COUNT) % 2 == 0
    little_run.write_embeddings(
        run,
        np.concatenate([vectors, vectors * wide + 5000, vectors]),
        fold=["fold-0"] * COUNT + ["fold-1"] * COUNT + ["all"] * COUNT,
        held_out=[*first, *~first, *[False] * COUNT],
        names=names * 3,
    )


def test_an_outlier_is_found_by_the_fold_that_never_saw_it(base: Run) -> None:
    crossed(base, odd=17)
    outliers = score_galaxies(base, EVERY)
    for method in ("neighbours", "lof", "forest", "mahalanobis"):
        assert percentile(outliers, names_of(COUNT)[17], f"{method}.pca2d.percentile") == 100, method
    assert sorted(outliers.galaxies["plateifu"]) == sorted(names_of(COUNT))
    assert len(outliers.spaxels["plateifu"]) == 16 * COUNT


def test_scores_become_percentiles_within_a_fold_before_folds_are_joined(base: Run) -> None:
    crossed(base, odd=17)
    table = score_galaxies(base, Detection()).galaxies
    by_name = np.argsort([names_of(COUNT).index(name) for name in table["plateifu"]])
    score, place = (table[f"neighbours.pca2d{end}"][by_name] for end in ("", ".percentile"))
    for fold in (slice(0, None, 2), slice(1, None, 2)):
        assert sorted(place[fold]) == pytest.approx(np.linspace(0, 100, COUNT // 2))
        assert np.array_equal(np.argsort(score[fold]), np.argsort(place[fold]))
    assert score[1::2].min() > 5 * score[0::2].max()  # joined as they are, one fold would be all outliers


def test_the_spaces_of_two_folds_may_lie_anywhere(base: Run) -> None:
    found = []
    for wide in (1.0, 100.0):
        crossed(base, odd=17, wide=wide)
        found.append(score_galaxies(base, Detection()).galaxies)
    assert found[0]["plateifu"].tolist() == found[1]["plateifu"].tolist()
    assert found[0]["percentile"] == pytest.approx(found[1]["percentile"])


# Do they agree?


def ranking(**percentiles: list[float]) -> Columns:
    columns = {
        f"{name.replace('_', '.')}.percentile": np.array(values) for name, values in percentiles.items()
    }
    return {"plateifu": np.array(names_of(5)), **columns}


def test_methods_that_rank_alike_agree_and_those_that_rank_the_other_way_do_not() -> None:
    nan = np.nan
    table = agreement(
        ranking(
            lof_a=[0, 25, 50, 75, 100],
            lof_b=[0, 1, 2, 3, 100],
            lof_c=[100, 75, 50, 25, 0],
            lof_d=[nan, nan, nan, 0, 100],
            lof_e=[50, 50, 50, 50, 50],
        )
    )
    assert table["score"].tolist() == ["lof.a", "lof.b", "lof.c", "lof.d", "lof.e"]
    assert table["lof.a"] == pytest.approx([1, 1, -1, nan, nan], nan_ok=True)
    assert table["lof.c"][:3] == pytest.approx([-1, -1, 1])
    rows = as_text(table)
    assert len({len(row) for row in rows}) == 1
    assert rows[0].split() == ["1", "2", "3", "4", "5"]
    assert rows[1].split() == ["1", "lof.a", "1.00", "1.00", "-1.00", "-", "-"]


def test_detection_says_how_far_the_scores_agree_and_keeps_it(
    base: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run = base
    little_run.write_embeddings(run, np.random.default_rng(5).normal(size=(COUNT, 5)))
    detect(run, EVERY)
    said = capsys.readouterr().out
    assert said.startswith("detect: 40 galaxies ranked, ")
    assert "agreement of the scores over the galaxies (Spearman):" in said
    assert "far whatever the method: 8485-" in said
    kept, provenance = read_parquet(run.agreement)
    assert kept["score"].tolist() == [f"{method}.pca2d" for method in EVERY.methods]
    assert provenance.id == Outliers.load(run.path).provenance.id
    # Three that ask the same vectors agree; how a cube was rebuilt is drawn apart from them here.
    assert kept["neighbours.pca2d"][3] > 0.6
    assert abs(kept["neighbours.pca2d"][4]) < 0.4
    for row, column in pairwise(kept["score"]):
        assert kept[row][kept["score"] == column] == kept[column][kept["score"] == row]


@pytest.mark.long
def test_a_galaxy_that_all_models_rebuild_badly_comes_before_one_that_a_single_model_does(
    tmp_path: Path,
) -> None:
    run = a_run(tmp_path, models=("cae2d", "pca2d"))
    all_of_them, one_of_them = names_of(COUNT)[11], names_of(COUNT)[12]
    for name, times, models in ((all_of_them, 4, ("cae2d", "pca2d")), (one_of_them, 9, ("cae2d",))):
        for model in models:
            store = Reconstructions.open(run.reconstructions(model))
            old = store.read(name)
            store.write(name, maps(old.chi2 * times, old.signal_to_noise), {})
    outliers = score_galaxies(run, Detection())
    assert percentile(outliers, one_of_them, "reconstruction.cae2d.percentile") == 100
    by_all = outliers.galaxies["rebuilt_badly_by_all"]
    assert outliers.galaxies["plateifu"][np.argmax(by_all)] == all_of_them
    assert percentile(outliers, all_of_them, "rebuilt_badly_by_all") == pytest.approx(100 * 38 / 39)
    assert percentile(outliers, one_of_them, "rebuilt_badly_by_all") < 95
    assert said_of(outliers)[-1].startswith(f"rebuilt badly by all 2 models: {all_of_them} (97.4)")


def test_a_single_cube_has_nothing_to_agree_on(tmp_path: Path) -> None:
    run = little_run.write_run(tmp_path, count=1)
    shutil.rmtree(run.path / "embeddings")
    assert len(said_of(score_galaxies(run, EVERY))) == 1
    assert len(read_parquet(run.agreement)[0]["score"]) == 0


def test_the_report_of_a_cross_fit_says_so_and_joins_its_folds(base: Run) -> None:
    little_run.write_embeddings(base, np.random.default_rng(5).normal(size=(COUNT, 5)))
    score_galaxies(base, Detection())
    rng = np.random.default_rng(1)
    little_run.write_samples(base, [little_run.sample("8485-1901", *noisy(rng, galaxy(rng)))])
    assert Findings.read(base).cross_fitted() == []
    crossed(base, odd=17)
    assert Findings.read(base).cross_fitted() == ["pca2d"]
    shown = Findings.read(base).embeddings()
    assert shown is not None
    assert (len(shown), set(shown.fold)) == (COUNT, {"all"})
    for fold, losses in (("fold-0", (3.0, 1.0)), ("fold-1", (5.0, 2.0)), ("all", (4.0, 1.0))):
        folder = base.model("pca2d", fold)
        folder.mkdir(parents=True)
        rows = [f"{epoch},{loss}" for epoch, loss in enumerate(losses, start=1)]
        (folder / "history.csv").write_text("\n".join(["epoch,train_loss", *rows, ""]))
    found = histories(base)
    assert set(found) == {"pca2d, folds", "pca2d, all"}
    assert found["pca2d, folds"]["train_loss"].tolist() == [4.0, 1.5]


def rebuilt_like_galaxies(count: int) -> np.ndarray:
    """(count, 15, 15) errors: as large on either side, a hundred times larger in bright galaxies' middle."""
    rng = np.random.default_rng(3)
    y, x = np.indices((15, 15)) - 7
    light = rng.uniform(1, 100, count)[:, None, None] * np.exp(-np.hypot(y, x) / 3)
    errors = (1 + light) * rng.lognormal(0, 0.05, (count, 15, 15))
    errors[:, np.hypot(y, x) > 7.5] = np.nan
    return errors


def lopsided(errors: np.ndarray) -> np.ndarray:
    return lopsidedness([Rebuilt("", error, error, error) for error in errors])


def test_a_spot_on_one_side_is_strange_and_a_bright_middle_is_not() -> None:
    errors = rebuilt_like_galaxies(40)
    errors[5] *= 50
    errors[9, 6:9, 6:9] *= 50
    errors[17, 3:5, 4:7] *= 3
    assert lopsided(errors).argmax() == 17
    assert np.delete(lopsided(errors), 17).max() < 0.1 < lopsided(errors)[17]


def test_beside_a_hidden_star_nothing_is_strange() -> None:
    errors = rebuilt_like_galaxies(40)
    errors[17, 2:7, 4:7] *= 3
    errors[17, 3:6, [3, 7]] *= 3
    assert lopsided(errors).argmax() == 17
    errors[17, 3:6, 4:7] = np.nan  # the star is hidden; a ring around it is left
    score = lopsided(errors)
    assert (score < score[17]).mean() < 0.8
    errors[17] = np.nan
    assert np.isnan(lopsided(errors)[17])
