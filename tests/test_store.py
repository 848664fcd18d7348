"""How things reach the disk: whole or not at all, and without litter."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cubesift.data.groups import read_arrays, write_group
from cubesift.data.store import read_json, remove, write_json, written_beside
from cubesift.errors import CubesiftError

SLOW_WRITER = """
import sys, time
from pathlib import Path
from cubesift.data.store import written_beside
with written_beside(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    print("half", flush=True)
    time.sleep(60)
"""


def slow_writer(path: Path) -> subprocess.Popen[str]:
    """Another process that has written half of a file, and takes its time."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    return process


def test_two_that_write_the_same_thing_do_not_meet_and_the_dead_one_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "thing.json"
    with slow_writer(path) as other:
        write_json(path, {"whole": 1})
        assert read_json(path) == {"whole": 1}
        assert len(os.listdir(tmp_path)) == 2  # the living one's half is its own business
        other.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # dead, and still listed
        write_json(path, {"whole": 2})
        assert os.listdir(tmp_path) == ["thing.json"]


def test_what_another_machine_writes_stays(tmp_path: Path) -> None:
    theirs = tmp_path / "thing.json.1@another-node.partial"
    theirs.write_text("half")
    write_json(tmp_path / "thing.json", {})
    assert theirs.exists()


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "galaxy"
    write_group(path, {"flux": np.ones((2, 2, 3))}, {})

    def interrupted() -> None:
        with written_beside(path) as partial:
            partial.mkdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == ["galaxy"]
    np.testing.assert_array_equal(read_arrays(path)["flux"], np.ones((2, 2, 3)))


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "galaxy"
    write_group(path, {"flux": np.ones(3), "old": np.ones(3)}, {})
    write_group(path, {"flux": np.full(3, 2.0)}, {})
    assert list(read_arrays(path)) == ["flux"]
    assert os.listdir(tmp_path) == ["galaxy"]
    remove(path)
    assert os.listdir(tmp_path) == []


def test_a_file_that_stays_the_same_keeps_its_time(tmp_path: Path) -> None:
    path = tmp_path / "thing.json"
    write_json(path, {"redshift": 0.1})
    before = path.stat().st_mtime_ns
    time.sleep(0.01)
    write_json(path, {"redshift": 0.1})
    assert path.stat().st_mtime_ns == before
    write_json(path, {"redshift": 0.2})
    assert path.stat().st_mtime_ns > before


def test_where_nothing_can_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CubesiftError, match=r"cannot be written \(File exists\). Choose another"):
        write_json(tmp_path / "file" / "thing.json", {})


def test_the_partial_names_its_writer(tmp_path: Path) -> None:
    with written_beside(tmp_path / "thing") as partial:
        assert partial.name == f"thing.{os.getpid()}@{socket.gethostname()}.partial"
        partial.touch()
