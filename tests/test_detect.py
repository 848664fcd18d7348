"""Detection: far points, bad rebuilds and strange spaxels are named; nothing dull decides."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pydantic import ValidationError

from cubesift.data.embeddings import Comparison, Embeddings, Reconstruction, Reconstructions
from cubesift.data.outliers import BY_ITSELF, Outliers
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import Provenance
from cubesift.detect.fold import Fold
from cubesift.detect.itself import rebuilt_by_itself
from cubesift.detect.methods import far_from_neighbours
from cubesift.detect.ranking import agreed, percentiles
from cubesift.detect.reconstruction import Rebuilt, chi2_excess, high_excess
from cubesift.detect.score import score_galaxies
from cubesift.detect.settings import Detection
from cubesift.errors import CubesiftError, Stale
from cubesift.explore.report import write_report
from cubesift.explore.settings import Reporting
from cubesift.show import run_status
from tests import little_run
from tests.little_run import GRID, PARENTS, galaxy, names_of, noisy, sample, write_run, write_samples


def maps(chi2: np.ndarray, light: np.ndarray) -> Reconstruction:
    """A reconstruction of which only the maps count."""
    empty = np.zeros((1, 4), np.float32)
    spaxels = np.zeros((1, 2), np.int32)
    chi2, light = chi2.astype(np.float32), light.astype(np.float32)
    return Reconstruction(np.sqrt(chi2), chi2, light, light, light, spaxels, empty, empty, empty)


@pytest.fixture(scope="session")
def dull(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty galaxies in one fold, none of them strange."""
    rng = np.random.default_rng(1)
    run = Run(tmp_path_factory.mktemp("dull"))
    little_run.write_embeddings(run, rng.normal(size=(40, 5)))
    store = Reconstructions.create(run.reconstructions("pca2d"), Provenance("embed", "0", PARENTS), {})
    for name in names_of(40):
        light = rng.uniform(2, 40, (6, 6))
        store.write(name, maps((1 + 0.001 * light**2) * rng.lognormal(0, 0.1, (6, 6)), light), {})
    return run.path


@pytest.fixture
def run(dull: Path, tmp_path: Path) -> Run:
    """The dull survey, to plant something in."""
    return Run(Path(shutil.copytree(dull, tmp_path / "run")))


def replant(run: Run, name: str, chi2_times: float) -> None:
    store = Reconstructions.open(run.reconstructions("pca2d"))
    old = store.read(name)
    store.write(name, replace(old, chi2=old.chi2 * chi2_times, error=old.error * chi2_times), {})


def named(outliers: Outliers, name: str) -> str:
    return str(outliers.galaxies["named_by"][outliers.galaxies["plateifu"] == name][0])


def test_a_galaxy_far_from_all_is_named_by_its_neighbours(run: Run) -> None:
    vectors = np.random.default_rng(1).normal(size=(40, 5))
    vectors[17] += 30
    little_run.write_embeddings(run, vectors)
    outliers = score_galaxies(run, Detection())
    assert named(outliers, names_of(40)[17]) in ("neighbours", "both")
    column = outliers.galaxies["neighbours.pca2d.percentile"]
    assert outliers.galaxies["plateifu"][np.argmax(column)] == names_of(40)[17]


@pytest.mark.parametrize("score", ["error", "chi2"])
def test_a_badly_rebuilt_galaxy_is_named_by_reconstruction(run: Run, score: str) -> None:
    replant(run, "8485-1911", 5)
    outliers = score_galaxies(run, Detection(reconstruction=score))  # type: ignore[arg-type]
    assert named(outliers, "8485-1911") in ("reconstruction", "both")
    assert outliers.galaxies["plateifu"][np.argmax(outliers.galaxies["reconstruction.pca2d"])] == "8485-1911"


def test_a_galaxy_strange_in_both_ways_comes_first_and_is_named_by_both(run: Run) -> None:
    vectors = np.random.default_rng(1).normal(size=(40, 5))
    vectors[3] -= 30
    little_run.write_embeddings(run, vectors)
    replant(run, "8485-1904", 5)
    outliers = score_galaxies(run, Detection())
    assert outliers.galaxies["plateifu"][0] == "8485-1904"
    assert outliers.galaxies["named_by"][0] == "both"
    assert outliers.galaxies["percentile"][0] == 100
    assert set(outliers.galaxies["named_by"]) <= {"", "neighbours", "reconstruction", "both"}


def test_what_was_saved_is_what_was_scored(run: Run) -> None:
    outliers = score_galaxies(run, Detection())
    loaded = Outliers.load(run.path)
    for name, values in outliers.galaxies.items():
        assert (loaded.galaxies[name] == values).all()
    assert (loaded.spaxels["score"] == outliers.spaxels["score"]).all()
    assert (np.diff(loaded.spaxels["score"]) <= 0).all()


def mean_distance(points: np.ndarray, k: int, distance: Literal["plain", "robust"] = "plain") -> np.ndarray:
    """Of galaxies among themselves."""
    return far_from_neighbours(Fold(points, points, True), Detection(neighbours=k, distance=distance))


def test_a_mean_over_neighbours_is_exact() -> None:
    points = np.array([[0.0], [1.0], [3.0], [7.0]])
    assert mean_distance(points, 2) == pytest.approx([2.0, 1.5, 2.5, 5.0])


def test_k_shrinks_with_the_number_of_galaxies() -> None:
    points = np.array([[0.0], [1.0], [3.0]])
    assert mean_distance(points, 50) == pytest.approx([2.0, 1.5, 2.5])


def test_distances_between_folds_are_refused(run: Run) -> None:
    little_run.write_embeddings(run, np.zeros((4, 2)), fold=["fold-0", "fold-0", "fold-1", "fold-1"])
    said = Embeddings.load(run.embeddings("pca2d"))
    with pytest.raises(ValueError, match=r"between folds.*fold-0, fold-1"):
        Fold.of(said, Comparison("fold-0", np.array([0, 1]), np.array([1, 2])))


def test_distances_survive_a_far_origin() -> None:
    points = np.random.default_rng(0).normal(size=(30, 4))
    moved = points + 1e6
    assert mean_distance(moved, 5) == pytest.approx(mean_distance(points, 5), rel=1e-7)


def test_one_wide_latent_decides_plain_distances_but_not_robust_ones() -> None:
    rng = np.random.default_rng(2)
    points = rng.normal(size=(200, 4)) * np.array([1000.0, 1, 1, 1])
    points[7] = (0, 9, 9, 9)
    assert np.argmax(mean_distance(points, 5, "robust")) == 7
    assert np.argmax(mean_distance(points, 5, "plain")) != 7


def test_a_dead_latent_does_no_harm() -> None:
    points = np.random.default_rng(3).normal(size=(20, 3))
    points[:, 1] = 4.0
    assert np.isfinite(mean_distance(points, 5, "robust")).all()


def test_scores_do_not_depend_on_the_order_of_the_rows(run: Run) -> None:
    first = score_galaxies(run, Detection())
    loaded = Embeddings.load(run.embeddings("pca2d"))
    shuffled = np.random.default_rng(8).permutation(40)
    columns = ("plateifu", "mangaid", "fold", "held_out", "vectors", "redshift", "redshift_predicted")
    Embeddings(*[getattr(loaded, name)[shuffled] for name in columns], loaded.provenance).save(
        run.embeddings("pca2d")
    )
    second = score_galaxies(run, Detection())
    for one, other in ((first.galaxies, second.galaxies), (first.spaxels, second.spaxels)):
        for name in one:
            assert (one[name] == other[name]).all(), name


def test_percentiles_run_from_0_to_100_and_ties_share() -> None:
    assert percentiles(np.array([1.0, 5.0, 3.0])).tolist() == [0, 100, 50]
    assert percentiles(np.array([2.0, 2.0, 2.0])).tolist() == [50, 50, 50]
    assert percentiles(np.array([1.0, 4.0, 4.0])).tolist() == [0, 75, 75]
    assert percentiles(np.array([1.0])).tolist() == [50]
    assert np.isnan(percentiles(np.array([np.nan, 1.0, 2.0]))).tolist() == [True, False, False]


def test_standing_out_once_counts_more_than_being_odd_twice() -> None:
    places = np.full((101, 2), 50.0)
    places[0] = (100, 60)
    places[1] = (85, 85)
    places[2] = (100, np.nan)
    assert agreed(places)[2] > agreed(places)[0] > agreed(places)[1] > agreed(places)[3]


def test_brightness_alone_is_not_strange_by_chi2_but_is_by_error(run: Run) -> None:
    # Rebuilt to the same fraction as the others, but ten times as bright: chi2 - 1 grows a hundredfold.
    rng = np.random.default_rng(4)
    light = rng.uniform(20, 400, (6, 6))
    bright = maps((1 + 0.001 * light**2) * rng.lognormal(0, 0.1, (6, 6)), light)
    Reconstructions.open(run.reconstructions("pca2d")).write("8485-1905", bright, {})

    def place(score: str) -> float:
        table = score_galaxies(run, Detection(reconstruction=score)).galaxies  # type: ignore[arg-type]
        return float(table["reconstruction.pca2d.percentile"][table["plateifu"] == "8485-1905"][0])

    assert place("error") == 100
    assert place("chi2") < 95


def test_a_lone_bright_galaxy_is_not_the_measure_of_itself() -> None:
    rng = np.random.default_rng(6)

    def one(low: float, high: float, wrong: float) -> Rebuilt:
        light = rng.uniform(low, high, (8, 8))
        return Rebuilt("", light, (1 + wrong * light**2) * rng.lognormal(0, 0.1, (8, 8)), light)

    galaxies = [one(2, 30, 0.001) for _ in range(20)] + [one(100, 300, 0.02)]
    score = high_excess(chi2_excess(galaxies, 1.0), 0.9)
    assert np.argmax(score) == 20
    assert score[20] > 5


def test_faint_and_uncovered_spaxels_are_not_ranked() -> None:
    light = np.array([[0.5, 2.0], [np.nan, 3.0]])
    excess = chi2_excess([Rebuilt("", light, np.array([[9.0, 1.0], [np.nan, np.nan]]), light)], 1.0)[0]
    assert np.isfinite(excess).tolist() == [[False, True], [False, False]]


def test_the_strangest_spaxels_of_each_cube_are_kept_with_their_percentiles(run: Run) -> None:
    every = score_galaxies(run, Detection()).spaxels
    few = score_galaxies(run, Detection(spaxels_per_cube=3)).spaxels
    assert len(every["score"]) == 40 * 36
    assert len(few["score"]) == 40 * 3
    one = few["plateifu"] == "8485-1903"
    assert few["percentile"][one] == pytest.approx([100, 100 * 34 / 35, 100 * 33 / 35])


def test_a_line_in_one_spaxel_of_a_single_cube_is_ranked_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    truth = galaxy(rng)
    truth[4, 9] += 0.25 * np.exp(-((np.arange(GRID.size) - 500) ** 2) / 2 / 1.5**2).astype(np.float32)
    run = Run(tmp_path)
    write_samples(run, [sample("A1", *noisy(rng, truth))])
    outliers = score_galaxies(run, Detection())
    assert (outliers.spaxels["y"][0], outliers.spaxels["x"][0]) == (4, 9)
    assert outliers.spaxels["percentile"][0] == 100
    assert outliers.spaxels["model"][0] == ""
    assert outliers.spaxels["score"][0] > 1.5 * outliers.spaxels["score"][1]


def test_a_star_before_the_disc_stands_out_though_the_model_could_learn_it() -> None:
    rng = np.random.default_rng(9)
    truth = galaxy(rng)
    y, x = np.indices((16, 16))
    star = 1.5 * np.exp(-((y - 11) ** 2 + (x - 4) ** 2) / 2 / 0.9**2)
    truth += (star[..., None] * (4500 / GRID.wave) ** 3).astype(np.float32)
    score = rebuilt_by_itself(*noisy(rng, truth)).score
    y, x = np.unravel_index(np.nanargmax(score), score.shape)
    assert np.hypot(y - 11, x - 4) < 3


def test_a_patch_the_network_missed_is_named_by_the_linear_model_of_its_own_cube(tmp_path: Path) -> None:
    run = write_run(tmp_path, count=25)
    name = names_of(25)[7]
    rng = np.random.default_rng(11)
    truth = galaxy(rng)
    truth[3:6, 9:12] += 0.25 * np.exp(-((np.arange(GRID.size) - 500) ** 2) / 2 / 1.5**2).astype(np.float32)
    samples = Samples.open(run.samples("paper"))
    samples.write(sample(name, *noisy(rng, truth)))
    outliers = score_galaxies(run, Detection(by_itself=True))
    assert outliers.provenance.parents["samples/paper"] == samples.id
    assert ("outliers", "25 galaxies ranked", "") in run_status(run)
    first = outliers.galaxies["itself.paper"].argmax()
    assert outliers.galaxies["plateifu"][first] == name
    assert named(outliers, name) == "itself"
    assert set(outliers.spaxels["model"]) == {"pca2d", ""}
    assert "odd within itself" in write_report(run, Reporting(galaxies=4, spaxels=4)).read_text()
    assert "itself.paper" not in score_galaxies(run, Detection()).galaxies


def test_a_dull_cube_has_no_spaxel_far_above_the_rest() -> None:
    rng = np.random.default_rng(10)
    own = rebuilt_by_itself(*noisy(rng, galaxy(rng)))
    assert np.nanmax(own.score) < 8
    good = np.isfinite(own.reconstruction.chi2)
    assert np.median(own.reconstruction.chi2[good]) == pytest.approx(1, abs=0.1)


def test_channels_that_few_spaxels_have_show_no_residual_from_a_model_of_nothing() -> None:
    rng = np.random.default_rng(12)
    flux, ivar = noisy(rng, galaxy(rng))
    y, x = np.indices(ivar.shape[:2])
    ivar[np.hypot(y - 8, x - 8) > 4, :40] = 0
    kept = rebuilt_by_itself(flux, ivar).reconstruction
    assert (ivar[8, 8, :40] > 0).all()
    assert (kept.ivar[0] > 0).sum() == (ivar[8, 8, 40:] > 0).sum()
    assert (kept.model[kept.ivar > 0] != 0).all()


def test_an_empty_cube_ranks_nothing() -> None:
    nothing = np.zeros((6, 6, 30), np.float32)
    own = rebuilt_by_itself(nothing, nothing)
    assert np.isnan(own.score).all()


def test_a_single_galaxy_has_its_spaxels_ranked_and_no_galaxy_ranking(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    run = Run(tmp_path)
    write_samples(run, [sample("muse", *noisy(rng, galaxy(rng)))])
    score_galaxies(run, Detection())
    outliers = Outliers.load(run.path)
    assert len(outliers.galaxies["plateifu"]) == 0
    assert list(outliers.galaxies) == ["plateifu", "mangaid", "percentile", "named_by"]
    assert outliers.galaxies["plateifu"].dtype.kind == "U"
    assert len(outliers.spaxels["y"]) > 50
    own = Reconstructions.open(run.reconstructions(BY_ITSELF)).read("muse")
    assert own.model.shape == own.flux.shape == (len(own.spaxels), GRID.size)
    assert tuple(own.spaxels[0]) == (8, 8)


def test_a_single_galaxy_with_a_model_has_its_spaxels_ranked_by_it(tmp_path: Path) -> None:
    run = write_run(tmp_path, count=1)
    outliers = score_galaxies(run, Detection())
    assert len(outliers.galaxies["plateifu"]) == 0
    assert set(outliers.spaxels["model"]) == {"pca2d"}


def test_many_galaxies_without_a_model_are_asked_for_one(tmp_path: Path) -> None:
    run = write_run(tmp_path, count=8)
    run.embeddings("pca2d").unlink()
    with pytest.raises(CubesiftError, match="8 galaxies but no embeddings"):
        score_galaxies(run, Detection())
    assert set(score_galaxies(run, Detection(), models=()).spaxels["model"]) == {""}


def test_halves_of_two_passes_are_refused(run: Run) -> None:
    loaded = Embeddings.load(run.embeddings("pca2d"))
    replace(loaded, provenance=Provenance("embed", "0", {"model": "other"})).save(run.embeddings("pca2d"))
    with pytest.raises(Stale, match="not made together"):
        score_galaxies(run, Detection())


def test_embeddings_that_are_not_numbers_are_named(run: Run) -> None:
    vectors = np.zeros((40, 5))
    vectors[2] = np.nan
    little_run.write_embeddings(run, vectors)
    with pytest.raises(CubesiftError, match=r"1 embeddings are not numbers \(8485-1903"):
        score_galaxies(run, Detection())


def test_two_models_must_agree(run: Run) -> None:
    rng = np.random.default_rng(12)
    vectors = rng.normal(size=(40, 5))
    one, other = vectors.copy(), vectors.copy()
    one[[3, 5]] += [[30.0], [60.0]]
    other[[3, 6]] += [[30.0], [60.0]]
    little_run.write_embeddings(run, one)
    little_run.write_embeddings(run, other, model="cae2d")
    old = Reconstructions.open(run.reconstructions("pca2d"))
    copy = Reconstructions.create(run.reconstructions("cae2d"), old.provenance, {})
    for name in old.names:
        shutil.copytree(old.store.path / name, copy.store.path / name)
    outliers = score_galaxies(run, Detection(named_above=97))
    assert "neighbours.cae2d.percentile" in outliers.galaxies
    assert named(outliers, "8485-1904") in ("neighbours", "both")
    assert "neighbours" not in {named(outliers, "8485-1906"), named(outliers, "8485-1907")}


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValidationError):
        Detection(neighbours=0)
