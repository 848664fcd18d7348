"""Maps of the embedding: what is near stays near, the seed decides, and no score hangs on them."""

import sys
from pathlib import Path

import numpy as np
import pytest

from cubesift.data.maps import MDS_MOST, EmbeddingMap
from cubesift.data.outliers import Outliers
from cubesift.data.run import Run
from cubesift.detect import manifold
from cubesift.detect.manifold import MAPS, draw_maps, map_of, maps_left_out
from cubesift.detect.score import score_galaxies
from cubesift.detect.settings import Detection
from cubesift.errors import CubesiftError
from tests.little_run import names_of, write_embeddings, write_run

CORE = [name for name in MAPS if name not in manifold.PACKAGES]


def rolled(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Galaxies along a curve that comes back near its beginning, and how far along each is."""
    along = np.sort(rng.uniform(0, 1, count))
    turn = 1.7 * np.pi * along
    return np.stack([np.cos(turn), np.sin(turn), *(0.01 * rng.normal(size=(4, count)))], axis=1), along


def test_galaxies_all_in_one_place_have_no_map(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    settings = Detection(maps=("pca", "mds", "tsne"))
    draw_maps(run, settings, ["pca2d"])
    assert len(list(run.path.glob("maps/*.parquet"))) == 3
    write_embeddings(run, np.ones((12, 6)))
    draw_maps(run, settings, ["pca2d"])
    assert not list(run.path.glob("maps/*.parquet"))


@pytest.mark.parametrize("method", CORE)
@pytest.mark.parametrize("count", [8, 60])
def test_two_kinds_of_galaxy_lie_apart_on_every_map(method: str, count: int) -> None:
    rng = np.random.default_rng(2)
    kind = np.arange(count) % 2
    vectors = rng.normal(size=(count, 12)) + 6 * kind[:, None]
    places, used = map_of(vectors, method, 10, 0)
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    if method in manifold.ON_A_GRAPH and used["pieces"] == 2 and method != "isomap":
        return  # what no edge joins has no place among the others
    apart = np.linalg.norm(places[kind == 0].mean(axis=0) - places[kind == 1].mean(axis=0))
    assert apart > np.mean([places[kind == one].std(axis=0).mean() for one in (0, 1)])


def test_isomap_unrolls_what_the_components_fold() -> None:
    vectors, along = rolled(np.random.default_rng(1), 80)
    flat, _ = map_of(vectors, "isomap", 6, 0)
    assert abs(np.corrcoef(flat[:, 0], along)[0, 1]) > 0.99
    folded, used = map_of(vectors, "pca", 6, 0)
    assert abs(np.corrcoef(folded[:, 0], along)[0, 1]) < 0.95
    assert sum(used["shares"]) > 0.99


def test_mds_keeps_the_distances_of_a_plane() -> None:
    rng = np.random.default_rng(4)
    plane = rng.normal(size=(30, 2)) @ np.linalg.qr(rng.normal(size=(9, 2)))[0].T
    places, used = map_of(plane, "mds", 10, 0)
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    assert np.allclose(apart, np.linalg.norm(plane[:, None] - plane, axis=2), atol=1e-6)
    assert used["stress"] < 1e-6


def test_a_graph_in_pieces_is_said_instead_of_warned_of() -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 5))
    vectors[:12] += 100
    for method in manifold.ON_A_GRAPH:
        assert map_of(vectors, method, 5, 0)[1]["pieces"] == 2
        assert map_of(vectors, method, 40, 0)[1]["pieces"] == 1


def test_thousands_of_galaxies_have_no_map_that_looks_at_every_pair(tmp_path: Path) -> None:
    run, settings = Run(tmp_path), Detection(maps=("pca", "mds"))
    write_embeddings(run, np.random.default_rng(8).normal(size=(MDS_MOST + 1, 2)))
    run.map("pca2d", "mds").parent.mkdir()
    run.map("pca2d", "mds").write_text("of fewer galaxies, before")
    draw_maps(run, settings, ["pca2d"])
    assert [path.name for path in (run.path / "maps").iterdir()] == ["pca2d.pca.parquet"]
    assert "no map by MDS" in maps_left_out(settings, MDS_MOST + 1)[0]
    assert not maps_left_out(settings, MDS_MOST)


def test_the_seed_and_the_parameters_stay_with_the_map(tmp_path: Path) -> None:
    run = Run(tmp_path)
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(20, 6))
    write_embeddings(run, vectors)
    draw_maps(run, Detection(maps=("tsne", "isomap"), maps_seed=5, neighbours=4), ["pca2d"])
    tsne = EmbeddingMap.load(run.map("pca2d", "tsne"))
    assert tsne.about["seed"] == 5
    assert tsne.about["perplexity"] == pytest.approx(19 / 3)
    assert tsne.plateifu.tolist() == sorted(names_of(20))
    assert tsne.provenance.parents.keys() == {"embeddings"}
    again, _ = map_of(np.float32(vectors)[np.argsort(names_of(20))].astype(float), "tsne", 4, 5)
    assert np.array_equal(again, tsne.places)
    assert EmbeddingMap.load(run.map("pca2d", "isomap")).about["neighbours"] == 4


def test_detection_makes_the_maps_and_its_scores_do_not_hang_on_them(tmp_path: Path) -> None:
    run = write_run(tmp_path, count=9)
    score_galaxies(run, Detection(maps=()))
    assert not (run.path / "maps").exists()
    without = Outliers.load(run.path).galaxies
    score_galaxies(run, Detection(maps=("pca", "mds")))
    assert sorted(path.name for path in (run.path / "maps").iterdir()) == [
        "pca2d.mds.parquet",
        "pca2d.pca.parquet",
    ]
    score_galaxies(run, Detection(maps=("pca",)))
    assert [path.name for path in (run.path / "maps").iterdir()] == ["pca2d.pca.parquet"]
    assert np.array_equal(without["percentile"], Outliers.load(run.path).galaxies["percentile"])


@pytest.mark.parametrize("method", manifold.PACKAGES)
def test_a_package_that_is_missing_is_named(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, method, None)  # as Python says of what cannot be imported
    with pytest.raises(CubesiftError, match=r"is not installed. `pip install 'cubesift\[maps\]'`"):
        map_of(np.ones((8, 3)), method, 3, 0)


@pytest.mark.long  # numba compiles for half a minute
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("method", manifold.PACKAGES)
def test_the_extra_methods_keep_two_kinds_apart(method: str) -> None:
    rng = np.random.default_rng(2)
    kind = np.arange(40) % 2
    vectors = rng.normal(size=(40, 12)) + 6 * kind[:, None]
    places, _ = map_of(vectors, method, 10, 0)
    assert np.array_equal(places, map_of(vectors, method, 10, 0)[0])
    centres = [places[kind == one].mean(axis=0) for one in (0, 1)]
    own = np.linalg.norm(places - np.array(centres)[kind], axis=1)
    other = np.linalg.norm(places - np.array(centres)[1 - kind], axis=1)
    assert (own < other).all()
    assert np.isfinite(map_of(vectors[:8], method, 10, 0)[0]).all()
