"""A small survey for the tests of the whole line, and the real command line to run on it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import partial
from io import StringIO
from pathlib import Path

import pytest

from cubesift.cli import main
from cubesift.data.run import Run
from cubesift.simulate.settings import Simulation
from cubesift.simulate.survey import simulate_survey

SIMULATION = Simulation(galaxies=10, ifus=(19,), seed=3, oddities=0.25)  # 19-fibre bundles: 20 MB a cube
RECIPE = """
[[prepare]]
name = "tiny"
min_side = 20
side = 8
rebin = 16

[[train]]
name = "cae2d"
system = "cae2d"
samples = "tiny"
widths = [4]
batch = 4
epochs = 6
split = "hash"

[[train]]
name = "pca2d"
system = "pca2d"
samples = "tiny"
components = 6
widths = [4]
batch = 4
epochs = 6
split = "hash"

[report]
galaxies = 2
spaxels = 2
figures = false
"""
COMMAND = Path(sys.executable).with_name("cubesift")
# One thread: what is compared bit for bit must not hang on how busy the machine is.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder that `make` fills, once a session however many processes test."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / f"{name}.made").exists():
            make(shared / name)
            (shared / f"{name}.made").touch()
    return shared / name


def simulate(folder: Path) -> None:
    """Ten cubes in the archive's own files, drpall, the catalogue and the recipe `tiny.toml`."""
    simulate_survey(Run(folder), SIMULATION)
    (folder / "tiny.toml").write_text(RECIPE)


def given(survey: Run, cubes: Path | None = None) -> list[str | Path]:
    """The options that hand the survey's cubes (or others), all of them, and the tiny recipe to a verb."""
    return [
        "--cubes",
        cubes or survey.cubes,
        "--catalog",
        survey.catalog,
        "--recipe",
        survey.path / "tiny.toml",
    ]


def begin(*words: str | Path, where: Path | None = None) -> subprocess.Popen[str]:
    """Start `cubesift ...` in a process group of its own, in some working directory."""
    return subprocess.Popen(
        [COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        cwd=where,
        start_new_session=True,
        # A shell's background jobs ignore Ctrl-C, and their children with them.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def cubesift(*words: str | Path, code: int = 0, where: Path | None = None) -> tuple[str, str]:
    """Run `cubesift ...` to its end, which must be of that exit code: standard output and error."""
    process = begin(*words, where=where)
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, f"{out}\n{err}"
    return out, err


def refusal(*words: str | Path) -> str:
    """Run `cubesift ...` here, which must end with exit code 1 and one line of error: that line."""
    err = StringIO()
    with redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert ended.value.code == 1
    assert err.getvalue().count("\n") == 1
    return err.getvalue().removeprefix("cubesift: ")


def digests(folder: Path) -> dict[str, str]:
    """What is in every file of a folder, by its name; of histories all but what they took."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.name == "history.csv":
                content = b"\n".join(row.rsplit(b",", 3)[0] for row in content.splitlines())
            found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found
