"""A disk that fills up: one line, nothing lost, and with some space the same command goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cubesift.data.groups import write_group
from cubesift.data.run import Run
from cubesift.data.store import Provenance, write_json, write_parquet
from cubesift.errors import DiskFull
from tests.survey import cubesift, digests, given


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def leave(disk: Path, room: int) -> Path:
    """Fill a disk but for so many bytes; the file that fills it."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(free - room))
    return ballast


def taken(folder: Path) -> int:
    """Bytes that the files of a folder take on a disk with blocks of 4096."""
    return sum(-(path.stat().st_size // -4096) * 4096 for path in folder.rglob("*") if path.is_file())


def test_preparing_on_a_disk_that_fills_up_goes_on_when_there_is_room(
    survey: Run, undisturbed: Run, disk: Path
) -> None:
    words = ["prepare", disk / "run", *given(survey), "--workers", "2"]
    ballast = leave(disk, room=taken(undisturbed.path / "samples") // 2)
    _, err = cubesift(*words, code=1)
    assert err == (
        f"cubesift: {disk}/run/samples/tiny.zarr: the disk is full. Free some space and run the same command "
        "again: it goes on where it stopped.\n"
    )
    finished = digests(disk / "run" / "samples")
    assert 1 < len(finished) < len(digests(undisturbed.path / "samples"))
    assert finished.items() <= digests(undisturbed.path / "samples").items()
    ballast.unlink()
    out, _ = cubesift(*words)
    assert " 0 there already" not in out
    assert digests(disk / "run" / "samples") == digests(undisturbed.path / "samples")


def test_training_on_a_disk_that_fills_up_goes_on_when_there_is_room(undisturbed: Run, disk: Path) -> None:
    run = Run(disk / "run")
    shutil.copytree(undisturbed.path / "samples", run.path / "samples")
    shutil.copy(undisturbed.path / "run.toml", run.path)
    weights = (undisturbed.model("cae2d", "split") / "weights.safetensors").stat().st_size
    ballast = leave(
        disk, room=9 * weights // 2
    )  # weights and Adam's moments once, but not beside the old ones
    _, err = cubesift("train", run.path, code=1)
    assert err.startswith(f"cubesift: {run.path}/models/")
    assert "the disk is full" in err
    assert err.count("\n") == 1
    assert (run.model("cae2d", "split") / "resume.pt").exists()
    ballast.unlink()
    cubesift("train", run.path)
    assert digests(run.path / "models") == digests(undisturbed.path / "models")


WRITERS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "a record": lambda path, noise: write_json(path, {"noise": noise.tolist()}),
    "a table": lambda path, noise: write_parquet(path, {"noise": noise}, Provenance("test", "0")),
    "a galaxy": lambda path, noise: write_group(path, {"noise": noise}, {}),
}


@pytest.mark.parametrize("what", WRITERS)
def test_every_writer_leaves_what_was_there_and_no_litter(disk: Path, what: str) -> None:
    path, noise = disk / "deep" / "thing", np.random.default_rng(1).normal(size=40_000)
    WRITERS[what](path, noise[:100])
    before = digests(disk)
    leave(disk, room=100_000).rename(disk / "deep" / "ballast")
    with pytest.raises(DiskFull, match="deep: the disk is full"):
        WRITERS[what](path, noise)
    (disk / "deep" / "ballast").unlink()
    assert digests(disk) == before
