"""The same bits whoever does the work: a pool, a Dask cluster, parts of a job array."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from cubesift.data.run import Run
from tests.survey import begin, cubesift, digests, given, refusal


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A scheduler and two worker processes with nannies that bring them back."""
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        local_directory=tmp_path_factory.mktemp("dask"),
    ) as cluster:
        yield cluster


def test_a_cluster_prepares_the_same_bits_as_a_pool(
    survey: Run, undisturbed: Run, cluster: LocalCluster, tmp_path: Path
) -> None:
    words = ["--executor", f"dask:{cluster.scheduler_address}"]
    # Named from where the workers are not.
    cubesift("prepare", "run", *given(survey), *words, where=tmp_path)
    assert digests(tmp_path / "run" / "samples") == digests(undisturbed.path / "samples")


def test_a_cluster_that_loses_a_worker_prepares_the_same_bits(
    survey: Run, undisturbed: Run, cluster: LocalCluster, tmp_path: Path
) -> None:
    with Client(cluster) as client:
        workers = list(client.run(os.getpid).values())
    process = begin("prepare", tmp_path, *given(survey), "--executor", f"dask:{cluster.scheduler_address}")
    while process.poll() is None and len(list(tmp_path.glob("samples/tiny.zarr/*"))) < 4:
        time.sleep(0.002)
    assert process.poll() is None
    os.kill(workers[0], signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, f"{out}\n{err}"
    assert digests(tmp_path / "samples") == digests(undisturbed.path / "samples")


def test_two_shards_side_by_side_prepare_the_whole(survey: Run, undisturbed: Run, tmp_path: Path) -> None:
    words = ["prepare", tmp_path, *given(survey), "--workers", "1"]
    parts = [begin(*words, "--shard", f"{part}/2") for part in (1, 2)]
    for part in parts:
        out, err = part.communicate(timeout=120)
        assert part.returncode == 0, f"{out}\n{err}"
        assert "prepare: 5 done, 0 there already, 0 rejected" in out
    assert digests(tmp_path / "samples") == digests(undisturbed.path / "samples")
    assert digests(tmp_path).keys() <= digests(undisturbed.path).keys()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--executor", "ray"], "--executor ray: expected `pool` or `dask:ADDRESS`"),
        (["--executor", "dask:somewhere"], "--executor dask:somewhere: expected HOST:PORT of a scheduler"),
        (["--workers", "0"], "--workers 0: expected 1 or more"),
        (["--shard", "3/2"], "--shard 3/2: expected i/n, as in 1/8 for the first of eight parts"),
        (["--shard", "0/2"], "--shard 0/2: expected i/n"),
        (["--shard", "one"], "--shard one: expected i/n"),
    ],
)
def test_words_that_name_no_executor_are_named(
    survey: Run, tmp_path: Path, words: list[str], said: str
) -> None:
    assert refusal("prepare", tmp_path, *given(survey), *words).startswith(said)
