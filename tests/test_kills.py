"""Nothing is lost: whatever is killed, whenever, the same command goes on to the same bits."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from cubesift.data.run import Run
from tests.survey import begin, cubesift, digests, given

HOW = ("worker", "alone", "group")  # which process is killed: one of the pool, the verb's own, all of them


def traces(folder: Path) -> set[tuple[str, int]]:
    """What one sees of the work from outside: names and times of files and folders."""
    seen = set()
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in (*folders, *files)):
            try:
                seen.add((str(path), path.stat().st_mtime_ns))
            except FileNotFoundError:
                continue  # a partial that has just got its name
        if place.endswith(".zarr"):
            folders.clear()
    return seen


def wait_some(process: subprocess.Popen[str], folder: Path, rng: np.random.Generator) -> None:
    """Until a random moment of the start, or a random one after some steps of the work."""
    before = traces(folder)
    steps = steps_wanted = int(rng.integers(0, 8))
    while steps and process.poll() is None:
        if (now := traces(folder)) != before:
            before, steps = now, steps - 1
        time.sleep(0.002)
    time.sleep(float(rng.uniform(0, 0.1 if steps_wanted else 1.5)))


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Its pool's: children of the server that forks them. Waits for them where there are none yet."""
    found: list[psutil.Process] = []
    while not found and process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(process.pid).children()
            found = [worker for child in children for worker in child.children()]
        time.sleep(0.002)
    return found


def kill(process: subprocess.Popen[str], how: str, rng: np.random.Generator) -> bool:
    """Kill; False where nothing was left to kill. A worker's death ends the verb in one line."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        if how == "group" and process.poll() is None:  # ended and waited for, its number may be another's
            os.killpg(process.pid, signal.SIGKILL)
        elif how == "alone":
            process.kill()
        elif how == "worker" and (workers := workers_of(process)):
            workers[int(rng.integers(len(workers)))].kill()
    # Returns when the last that could write is gone: nobody works on alone.
    _, err = process.communicate(timeout=60)
    if process.returncode == 1:
        assert how == "worker"
        assert err.startswith("cubesift: a worker process died")
        assert err.count("\n") == 1
    return process.returncode != 0


def disturbed(
    words: list[str | Path], folder: Path, kills: int, rng: np.random.Generator, how: tuple[str, ...] = HOW
) -> int:
    """Run a verb with up to so many kills, then to its end: how many it took."""
    killed = 0
    while True:
        process = begin(*words)
        if killed < kills:
            wait_some(process, folder, rng)
            if not kill(process, how[killed % len(how)], rng):
                return killed
            killed += 1
        else:
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, f"{out}\n{err}"
            return killed


def prepare_amid_kills(survey: Run, undisturbed: Run, path: Path, kills: int) -> None:
    rng = np.random.default_rng(kills)
    while kills > 0:
        run = Run(path / str(kills))
        words = ["prepare", run.path, *given(survey), "--workers", "2"]
        kills -= disturbed(words, run.path, kills, rng)
        assert digests(run.path / "samples") == digests(undisturbed.path / "samples")
        assert digests(run.path).keys() <= digests(undisturbed.path).keys()  # no litter either


def train_amid_kills(undisturbed: Run, path: Path, kills: int) -> None:
    rng = np.random.default_rng(kills)
    while kills > 0:
        run = Run(path / str(kills))
        shutil.copytree(undisturbed.path / "samples", run.path / "samples")
        shutil.copy(undisturbed.path / "run.toml", run.path)
        kills -= disturbed(["train", run.path], run.path / "models", kills, rng, ("alone",))
        assert digests(run.path / "models") == digests(undisturbed.path / "models")


def test_preparing_amid_kills_ends_in_the_same_samples(survey: Run, undisturbed: Run, tmp_path: Path) -> None:
    prepare_amid_kills(survey, undisturbed, tmp_path, kills=3)


def test_training_amid_kills_ends_in_the_same_weights(undisturbed: Run, tmp_path: Path) -> None:
    train_amid_kills(undisturbed, tmp_path, kills=3)


def test_the_old_model_stays_until_the_new_one_is_finished(undisturbed: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(undisturbed.path, tmp_path / "run"))
    before = digests(run.path / "models")
    shutil.rmtree(run.samples("tiny") / "9001-1903")
    process = begin("train", run.path)
    while process.poll() is None and not list(run.path.glob("models/*/*/resume.pt")):
        time.sleep(0.002)
    process.kill()
    process.communicate()
    now = digests(run.path / "models")
    assert any(name.endswith("resume.pt") for name in now)
    assert before.items() <= now.items()


def test_a_person_who_stops_a_verb_is_told_that_it_goes_on(
    survey: Run, undisturbed: Run, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    words: list[str | Path] = ["prepare", run.path, *given(survey), "--workers", "2"]
    process = begin(*words)
    while process.poll() is None and not list(run.path.glob("samples/*/9001-*")):
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGINT)  # a terminal's Ctrl-C reaches the workers too
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "cubesift: stopped; the same command goes on from here\n")
    cubesift(*words)
    assert digests(run.path / "samples") == digests(undisturbed.path / "samples")


@pytest.mark.long
def test_preparing_amid_twenty_kills(survey: Run, undisturbed: Run, tmp_path: Path) -> None:
    prepare_amid_kills(survey, undisturbed, tmp_path, kills=20)


@pytest.mark.long
def test_training_amid_twenty_kills(undisturbed: Run, tmp_path: Path) -> None:
    train_amid_kills(undisturbed, tmp_path, kills=20)


@pytest.mark.long
def test_a_worker_that_dies_as_the_pool_begins_is_noticed(survey: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    for number in range(10):
        process = begin("prepare", tmp_path / str(number), *given(survey), "--workers", "2")
        assert kill(process, "worker", rng)
