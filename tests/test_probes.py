"""What can be read out of an embedding: what is in it, by galaxies that the reader has not seen."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cubesift.data.catalog import Catalog
from cubesift.data.embeddings import Embeddings
from cubesift.data.run import Run
from cubesift.data.store import Provenance, read_parquet, write_parquet
from cubesift.judge.columns import Target, as_target, targets_of
from cubesift.judge.probes import probe, probe_run
from cubesift.judge.reading import Probing
from cubesift.judging import judge_probes
from tests.little_run import names_of, write_embeddings, write_run
from tests.survey import begin, refusal

QUICK = Probing(folds=4, alphas=(1e-3, 0.1, 10.0), neighbours=(1, 4, 16), resamples=200)


def embedded(vectors: np.ndarray, mangaid: Sequence[str] | None = None, held_out: int = 0) -> Embeddings:
    count = len(vectors)
    return Embeddings(
        plateifu=np.array(names_of(count)),
        mangaid=np.array([f"1-{one}" for one in range(count)] if mangaid is None else mangaid),
        fold=np.full(count, "split"),
        held_out=np.arange(count) < held_out,
        vectors=vectors.astype(np.float32),
        redshift=np.full(count, np.nan),
        redshift_predicted=np.full(count, np.nan),
        provenance=Provenance("embed", "0"),
    )


def column(name: str, values: np.ndarray) -> Target:
    return Target(name, "truth", values.reshape(len(values), -1))


def read(rows: list[dict[str, float]], name: str, method: str, source: str = "embedding") -> float:
    (row,) = (row for row in rows if (row["column"], row["method"]) == (name, method))
    return row[source]


def test_a_column_is_read_where_it_lies_and_nowhere_else() -> None:
    rng = np.random.default_rng(1)
    vectors, seeing, flux = rng.normal(size=(160, 8)), rng.normal(size=160), rng.normal(size=160)
    age = vectors[:, 0] + 0.2 * rng.normal(size=160)
    size = seeing + 0.2 * rng.normal(size=160)
    mass = (vectors[:, 1] + flux) / np.sqrt(2)
    targets = [
        column("age", age),
        column("size", size),
        column("mass", mass),
        column("luck", rng.normal(size=160)),
    ]
    rows = probe(embedded(vectors), {"seeing": seeing, "flux": flux}, targets, QUICK)
    assert read(rows, "age", "ridge") > 0.9
    assert read(rows, "age", "ridge", "nuisances") < 0.05
    assert read(rows, "size", "ridge", "nuisances") > 0.9
    assert read(rows, "size", "ridge") < 0.05
    assert read(rows, "size", "knn", "nuisances") > 0.8
    assert read(rows, "size", "knn") < 0.05
    assert read(rows, "mass", "ridge", "both") > 0.9
    assert max(read(rows, "mass", "ridge"), read(rows, "mass", "ridge", "nuisances")) < 0.7
    for source in ("embedding", "nuisances", "both"):
        assert max(read(rows, "luck", method, source) for method in ("ridge", "knn")) < 0.05
    assert read(rows, "luck", "ridge", "embedding.low") < 0 < read(rows, "age", "ridge", "embedding.low")
    assert np.isnan(read(rows, "seeing", "ridge", "nuisances"))
    assert read(rows, "seeing", "ridge") < 0.05


def test_what_bends_is_read_by_neighbours_and_not_by_a_line() -> None:
    vectors = np.random.default_rng(2).normal(size=(200, 2))
    rows = probe(embedded(vectors), {}, [column("radius", np.hypot(*vectors.T))], QUICK)
    assert read(rows, "radius", "knn") > 0.7
    assert read(rows, "radius", "ridge") < 0.1
    assert np.isnan(read(rows, "radius", "knn", "both"))


def test_a_galaxy_is_not_read_off_its_own_repeat() -> None:
    rng = np.random.default_rng(3)
    codes, luck = np.repeat(rng.normal(size=(60, 4)), 2, axis=0), np.repeat(rng.normal(size=60), 2)
    mangaid = np.repeat([f"1-{one}" for one in range(60)], 2)
    rows = probe(embedded(codes, mangaid), {}, [column("luck", luck)], QUICK)
    assert read(rows, "luck", "knn") < 0.2  # 1 if a repeat were among the neighbours
    assert read(rows, "luck", "knn", "galaxies") == 60


def test_the_redshift_of_galaxies_new_to_the_model_stands_by_itself() -> None:
    rng = np.random.default_rng(4)
    redshift = rng.uniform(0.01, 0.15, 100)
    vectors = rng.normal(size=(100, 4))
    vectors[30:, 0] = 100 * redshift[30:]  # taught
    rows = probe(embedded(vectors, held_out=30), {}, [column("redshift", redshift)], QUICK)
    assert read(rows, "redshift", "ridge") > read(rows, "redshift, not learned from", "ridge") + 0.3
    assert read(rows, "redshift, not learned from", "ridge", "galaxies") == 30


def test_mass_is_read_as_a_logarithm_and_an_angle_around_its_circle() -> None:
    mass = as_target("nsa_elpetro_mass", "catalogue", np.array([1e9, 3e10, 1e11, -9999.0]))
    assert mass is not None
    assert mass.name == "log nsa_elpetro_mass"
    np.testing.assert_allclose(mass.values[:, 0], [9, 10.4771, 11, np.nan], rtol=1e-4)
    angle = as_target("nsa_elpetro_phi", "catalogue", np.array([0.5, 179.5, 90.0]))
    assert angle is not None
    assert np.hypot(*(angle.values[0] - angle.values[1])) < 0.04
    kinds = as_target("morphology", "truth", np.array(["E"] * 6 + ["S2"] * 7 + [""] + ["ring"]))
    assert kinds is not None
    assert kinds.values.shape == (15, 2)
    assert kinds.known.tolist() == [True] * 13 + [False] * 2
    magnitudes = np.array([[-9999.0, -20, 0], [-16, -18, 0], [-21, -22, 0], [-17, -19, 0]])
    vector = as_target("nsa_elpetro_absmag", "catalogue", magnitudes)
    assert vector is not None
    assert vector.values.shape == (4, 2)  # the last band is the same for all
    assert vector.known.tolist() == [False, True, True, True]
    assert as_target("nsa_version", "catalogue", np.full(5, 1.0)) is None
    assert as_target("name", "catalogue", np.array(names_of(30))) is None


def simulated(path: Path, count: int = 24) -> Run:
    """A little run with a catalogue, in which one redshift is wrong, and the truth."""
    run = write_run(path, count)
    vectors = Embeddings.load(run.embeddings("pca2d")).vectors
    redshift = 0.05 + 0.01 * vectors[:, 0].astype(float)
    wrong = redshift.copy()
    wrong[3] += 0.4
    names, rng = np.array(names_of(count)), np.random.default_rng(6)
    told = {"plateifu": names, "mangaid": np.char.add("1-", names)}
    size = rng.uniform(2, 9, count)
    catalog = {"z": wrong, "nsa_elpetro_th50_r": size, "objra": rng.uniform(0, 360, count)}
    Catalog({**told, **catalog}, Provenance("simulate", "0")).save(run.catalog)
    truth = {**told, "redshift": redshift, "reff": size, "bulge": rng.uniform(0, 1, count)}
    write_parquet(run.truth_galaxies, truth, Provenance("simulate", "0"))
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return simulated(tmp_path_factory.mktemp("probes") / "run")


def test_a_wrong_redshift_of_the_catalogue_is_not_asked_for(run: Run) -> None:
    targets = targets_of(run, Embeddings.load(run.embeddings("pca2d")))
    assert [(target.name, target.told_by) for target in targets] == [
        ("redshift", "truth"), ("nsa_elpetro_th50_r", "catalogue"), ("bulge", "truth"),
    ]  # fmt: skip
    assert targets[0].values.max() < 0.2


def test_the_table_is_printed_and_kept(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    judge_probes(run)
    printed = capsys.readouterr().out
    kept, provenance = read_parquet(run.path / "probes.parquet")
    first = dict(zip(kept, (values[0] for values in kept.values()), strict=True))
    assert (first["column"], first["told_by"], first["method"], first["galaxies"]) == (
        "redshift",
        "truth",
        "ridge",
        24,
    )
    assert first["embedding"] > 0.8 > 0.3 > first["nuisances"]
    assert f"redshift            truth              24  ridge  {first['embedding']:5.2f} [" in printed
    assert "nuisances (IFU size, S/N" not in printed  # all are of one size, and none varies in seeing
    assert "nuisances (S/N, flux)" in printed
    assert set(provenance.parents) == {"embeddings/pca2d"}


def test_rows_of_another_space_are_left_alone(run: Run, tmp_path: Path) -> None:
    """Of a cross-fit the fold that learned from all is probed; the rows of the others are no more points."""
    crossed = Run(tmp_path / "crossed")
    shutil.copytree(run.path, crossed.path)
    vectors = Embeddings.load(run.embeddings("pca2d")).vectors
    write_embeddings(
        crossed,
        np.concatenate([3 * vectors[::-1], vectors]),
        fold=["fold-0"] * 24 + ["all"] * 24,
        held_out=[True] * 24 + [False] * 24,
        names=names_of(24) * 2,
    )
    alone, among = (probe_run(one, QUICK).readings for one in (run, crossed))
    for name, values in alone.items():
        np.testing.assert_array_equal(values, among[name])


def test_a_handful_of_galaxies_is_refused_in_one_line(tmp_path: Path) -> None:
    write_embeddings(Run(tmp_path), np.zeros((8, 2)))
    line = refusal("judge", "probes", tmp_path)
    assert "8 galaxies embedded by pca2d" in line
    assert "at least 20" in line
    assert "no embeddings" in refusal("judge", "probes", tmp_path / "none")


def test_who_has_read_enough_of_a_table_is_told_of_no_error(run: Run) -> None:
    process = begin("show", run.path)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()  # as `head` does
    assert (process.stderr.read(), process.wait(60)) == ("", 141)
    process.stderr.close()
