"""Fetching from an archive that misbehaves."""

import dataclasses
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from pydantic import ValidationError

from cubesift.data.catalog import Catalog
from cubesift.data.drpall import Selection
from cubesift.data.run import Run
from cubesift.data.store import Provenance
from cubesift.errors import BadFile, CubesiftError, DiskFull
from cubesift.fetch.archive import Fetching, checked_plateifus, checksum_lists, cube_file, read_plateifus
from cubesift.fetch.download import Part, _write
from cubesift.fetch.manifest import Manifest
from cubesift.fetch.survey import fetch_drpall, fetch_survey
from cubesift.line import fetch
from cubesift.settings import Line
from tests.bad_server import BadServer

FOLDER = "dr17/manga/spectro/redux/v3_1_1"
NAMES = ["8485-1901", "8485-12701", "7977-3702"]
LOGCUBE = "manga-8485-1901-LOGCUBE.fits.gz"


def body(name: str, size: int = 200_000) -> bytes:
    """Bytes that do not compress, the same for the same name."""
    return np.random.default_rng(sum(name.encode())).bytes(size)


def drpall() -> bytes:
    names = [*NAMES, "7977-701"]
    rows = len(names)
    table = Table(
        {
            "plate": [int(name.split("-")[0]) for name in names],
            "ifudsgn": [name.split("-")[1] for name in names],
            "plateifu": names,
            "mangaid": [f"1-{number}" for number in range(rows)],
            "ifudesignsize": np.array([19, 127, 37, 7], np.int32),
            "objra": np.linspace(10, 200, rows),
            "objdec": np.linspace(-5, 50, rows),
            "drp3qual": np.array([0, 1 << 30, 0, 0], np.int32),
            "mngtarg1": np.array([1 << 10, 1 << 11, 1 << 10, 0], np.int32),
            "mngtarg2": np.zeros(rows, np.int32),
            "mngtarg3": np.zeros(rows, np.int32),
            "z": [0.02, 0.03, 0.04, -9999.0],
            "nsa_z": [0.02, 0.03, 0.04, -9999.0],
            "ebvgal": np.full(rows, 0.03),
        }
    )
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table, name="MANGA")]).writeto(out)
    return out.getvalue()


DRPALL = drpall()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BadServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("SAS_BASE_DIR", raising=False)
    files = {f"{FOLDER}/{cube_file(name)}": body(name) for name in NAMES}
    with BadServer(files | {f"{FOLDER}/drpall-v3_1_1.fits": DRPALL}) as archive:
        archive.publish(f"{FOLDER}/8485/stack", "dr17_8485.sha1sum")  # plate 7977 publishes none
        yield archive


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run")


def quick(server: BadServer) -> Fetching:
    """As patient as the defaults, in a hurry."""
    return Fetching(
        base=server.base, tries=4, timeout=0.3, slowest=20_000, first_wait=0.005, longest_wait=1.5
    )


def cube(run: Run, name: str = NAMES[0]) -> bytes:
    return (run.cubes / cube_file(name)).read_bytes()


def test_cubes_come_in_the_archives_layout_each_with_its_row(server: BadServer, run: Run) -> None:
    seen: list[tuple[int, int]] = []
    manifest = fetch_survey(run, NAMES, quick(server), progress=lambda *bytes: seen.append(bytes))
    assert (run.cubes / "8485/stack" / LOGCUBE).read_bytes() == body("8485-1901")
    assert all(cube(run, name) == body(name) for name in NAMES)
    assert manifest.count() == {"fetched": 4}
    assert not manifest.failed
    assert manifest.entries[cube_file("8485-1901")].note == "checksum agrees"
    assert manifest.entries[cube_file("7977-3702")].note == "no checksum published"
    assert Catalog.load(run.catalog).plateifu.tolist() == NAMES
    assert Manifest.open(run.cubes / "manifest.parquet", quick(server)).entries == manifest.entries
    assert seen[-1] == (600_000, 600_000)
    assert server.most_at_once <= 2
    assert not [*run.path.rglob("*.part*")]


def test_what_is_here_is_not_asked_for_again(server: BadServer, run: Run) -> None:
    before = fetch_survey(run, NAMES[:2], quick(server))
    server.log.clear()
    after = fetch_survey(run, NAMES, quick(server))
    assert not server.requests(LOGCUBE)
    assert len(server.requests("manga-7977-3702-LOGCUBE.fits.gz")) == 1
    assert before.entries.items() <= after.entries.items()
    assert len(Catalog.load(run.catalog)) == 3
    (run.cubes / cube_file(NAMES[0])).write_bytes(b"damaged since")
    fetch_survey(run, NAMES, quick(server))
    assert cube(run) == body(NAMES[0])


NEEDS_CHECKSUM = ("corrupt", "truncate", "no length")  # no other sign tells
PASSING = {
    "drop": ["drop"],
    "three drops": ["drop", "drop", "drop"],
    "silence in mid-body": ["silence"],
    "slow trickle": ["trickle"],
    "too many requests": ["429", "429"],
    "busy": ["503"],
    "server error": ["500", "502"],
    "hang-up": ["hang up"],
    "wrong checksum": ["corrupt"],
    "truncated by a proxy": ["truncate"],
    "no length": ["no length"],
    "wrong length": ["too long"],
    "no range support": ["drop", "no ranges"],
    "wrong range": ["drop", "wrong range"],
    "range refused": ["drop", "416"],
    "no validator": ["drop", "no validator"],
    "login page": ["web page"],
}


@pytest.mark.parametrize("moods", PASSING.values(), ids=PASSING)
def test_a_trouble_that_passes_leaves_the_cube_as_it_is_in_the_archive(
    server: BadServer, run: Run, moods: list[str]
) -> None:
    # Plate 7977 publishes no checksums, so that nothing else mends what resuming spoiled.
    name = "8485-1901" if moods[0] in NEEDS_CHECKSUM else "7977-3702"
    server.moods[f"manga-{name}-LOGCUBE.fits.gz"] = troubles = list(moods)
    manifest = fetch_survey(run, [name], quick(server))
    assert not troubles, "the trouble was not met"
    assert not manifest.failed
    assert cube(run, name) == body(name)
    assert not [*run.path.rglob("*.part*")]


LASTING = {
    "404": "the archive has no such file (404)",
    "403": "the archive will not give it (403)",
    "500": "the archive has an error of its own (500), 4 times in a row",
    "silence": "the connection broke (silence), 4 times in a row",
    "trickle": "slower than 20000 bytes per second, 4 times in a row",
    "too long": "the connection ended at byte 200,000 of 200,007, 4 times in a row",
    "corrupt": "checksum",
    "truncate": "checksum",
    "web page": "a web page came instead of the file",
    "no ranges": "",  # no trouble by itself
}


@pytest.mark.parametrize("mood", LASTING)
def test_a_trouble_that_lasts_is_named_in_one_line_and_the_others_go_on(
    server: BadServer, run: Run, mood: str
) -> None:
    server.always[LOGCUBE] = mood
    manifest = fetch_survey(run, NAMES, quick(server))
    assert cube(run, NAMES[1]) == body(NAMES[1])
    assert cube(run, NAMES[2]) == body(NAMES[2])
    if not LASTING[mood]:
        assert cube(run) == body(NAMES[0])
        return
    (failed,) = manifest.failed
    assert failed.note.startswith(LASTING[mood])
    assert "\n" not in failed.note
    assert not (run.cubes / cube_file(NAMES[0])).exists()
    assert Catalog.load(run.catalog).plateifu.tolist() == NAMES[1:]
    server.always.clear()
    assert not fetch_survey(run, NAMES, quick(server)).failed
    assert cube(run) == body(NAMES[0])


def test_without_length_and_checksum_nobody_can_tell_whether_a_cube_is_whole(
    server: BadServer, run: Run
) -> None:
    server.always["manga-7977-3702-LOGCUBE.fits.gz"] = "no length"
    (failed,) = fetch_survey(run, ["7977-3702"], quick(server)).failed
    assert "came without a length" in failed.note


def test_a_long_cube_on_a_bad_line_goes_on_as_long_as_it_grows(server: BadServer, run: Run) -> None:
    server.files[f"{FOLDER}/{cube_file('8485-1902')}"] = whole = body("8485-1902", 10 << 20)
    name = "manga-8485-1902-LOGCUBE.fits.gz"
    server.moods[name] = ["drop"] * 3
    settings = dataclasses.replace(quick(server), tries=2)
    assert not fetch_survey(run, ["8485-1902"], settings).failed
    assert cube(run, "8485-1902") == whole
    assert sum(request.sent for request in server.requests(name)) == len(whole)


def test_a_storm_of_refusals_ends_with_a_line_and_goes_on_later(server: BadServer, run: Run) -> None:
    fetch_survey(run, NAMES[:1], quick(server))
    server.always["*"] = "429"
    begun = len(server.log)
    with pytest.raises(
        CubesiftError, match=r"too many requests \(429\), 4 times in a row\. What was"
    ) as line:
        fetch_survey(run, NAMES, quick(server))
    assert "\n" not in str(line.value)
    assert len(server.log) - begun < 12
    assert cube(run) == body(NAMES[0])
    server.always.clear()
    assert not fetch_survey(run, NAMES, quick(server)).failed


def test_all_connections_wait_as_long_as_the_archive_asks(server: BadServer, run: Run) -> None:
    fetch_drpall(run, quick(server))
    server.retry_after = "1"
    server.moods[LOGCUBE] = ["429"]
    before = time.monotonic()
    fetch_survey(run, NAMES[:1], quick(server))
    assert 1.0 <= time.monotonic() - before < 2.0
    (run.cubes / cube_file(NAMES[0])).unlink()
    server.retry_after = format_datetime(datetime.now(UTC) + timedelta(hours=2))
    server.moods[LOGCUBE] = ["503"]
    with pytest.raises(CubesiftError, match=r"busy \(503\), come back in 1(19|20) minutes"):
        fetch_survey(run, NAMES[:1], quick(server))


def test_an_archive_that_is_not_there_is_said_at_once(server: BadServer, run: Run) -> None:
    settings = dataclasses.replace(quick(server), base="http://127.0.0.1:1/sas", tries=100)
    with pytest.raises(CubesiftError, match=r"127.0.0.1:1: no answer \(Connection refused\), 3 times"):
        fetch_survey(run, NAMES, settings)


@pytest.mark.parametrize("mood", ["", "ignores If-Range"])
def test_a_part_of_a_cube_that_changed_since_is_thrown_away(server: BadServer, run: Run, mood: str) -> None:
    name = "manga-7977-3702-LOGCUBE.fits.gz"  # its plate publishes no checksums
    server.moods[name] = ["drop"]
    assert fetch_survey(run, ["7977-3702"], dataclasses.replace(quick(server), tries=1)).failed
    assert Part(run.cubes / cube_file("7977-3702")).size == 100_000
    server.files[f"{FOLDER}/{cube_file('7977-3702')}"] = changed = body("other")
    server.moods[name] = [mood]
    assert not fetch_survey(run, ["7977-3702"], quick(server)).failed
    assert cube(run, "7977-3702") == changed


def test_a_cube_that_lacked_only_its_name_is_not_sent_again(server: BadServer, run: Run) -> None:
    fetch_survey(run, NAMES[:1], dataclasses.replace(quick(server), tries=1))
    path = run.cubes / cube_file(NAMES[0])
    part = Part(path)
    etag = '"any"'
    part.begin(f"{server.base}/{FOLDER}/{cube_file(NAMES[0])}", etag, path.stat().st_size)
    path.rename(part.data)
    server.log.clear()
    assert not fetch_survey(run, NAMES[:1], quick(server)).failed
    assert cube(run) == body(NAMES[0])
    assert not server.requests(LOGCUBE)


SCRIPT = """
import sys
from cubesift.data.run import Run
from cubesift.data.store import Provenance
from cubesift.fetch.archive import Fetching
from cubesift.fetch.survey import fetch_survey
try:
    fetch_survey(Run(sys.argv[1]), sys.argv[3:], Fetching(base=sys.argv[2]))
except KeyboardInterrupt:
    sys.exit("stopped")
"""


def interrupted(server: BadServer, run: Run, signum: int) -> "subprocess.CompletedProcess[str]":
    """Fetch in another process and send it a signal while one cube is half here."""
    server.pause = 0.02  # a cube of 200 kB takes 13 pieces
    command = [sys.executable, "-c", SCRIPT, str(run.path), server.base, NAMES[0]]
    # A shell's background jobs ignore SIGINT, and their children with them.
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=listen)
    part = Part(run.cubes / cube_file(NAMES[0]))
    give_up = time.monotonic() + 15
    while part.size < 30_000 and time.monotonic() < give_up and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signum)
    _, stderr = process.communicate(timeout=5)
    server.pause = 0.0
    return subprocess.CompletedProcess(command, process.returncode, stderr=stderr)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_a_fetch_that_was_stopped_goes_on_where_it_stopped(server: BadServer, run: Run, signum: int) -> None:
    stopped = interrupted(server, run, signum)
    if signum == signal.SIGINT:
        assert (stopped.returncode, stopped.stderr.strip()) == (1, "stopped")
    else:
        assert stopped.returncode == -signal.SIGKILL
    have = Part(run.cubes / cube_file(NAMES[0])).size
    assert 30_000 <= have < 200_000
    assert Manifest.open(run.cubes / "manifest.parquet", quick(server)).count() == {"fetched": 1}  # drpall
    server.log.clear()
    assert not fetch_survey(run, NAMES[:1], quick(server)).failed
    assert cube(run) == body(NAMES[0])
    (rest,) = server.requests(LOGCUBE)
    assert (rest.range, rest.status, rest.sent) == (f"bytes={have}-", 206, 200_000 - have)
    assert not server.requests("drpall-v3_1_1.fits"), "the finished file stayed"


def test_a_dry_run_counts_the_bytes_and_sends_none(server: BadServer, run: Run) -> None:
    plan = fetch_survey(run, [*NAMES, "8485-9999"], quick(server), dry_run=True)
    assert plan.bytes_to_fetch == 600_000 + len(DRPALL)
    assert plan.count() == {"to fetch": 4, "failed": 1}
    assert {request.method for request in server.log} == {"HEAD"}
    assert sum(request.sent for request in server.log) == 0
    assert not run.path.exists()
    fetch_survey(run, NAMES[:1], quick(server))
    server.always["*"] = "405"  # no HEAD here: then the size is not known
    plan = fetch_survey(run, NAMES, quick(server), dry_run=True)
    assert plan.count() == {"fetched": 2, "to fetch": 2}
    assert plan.bytes_to_fetch == 0


def test_a_fetch_that_brought_no_cube_is_refused(server: BadServer, run: Run) -> None:
    line = Line(fetch=quick(server))
    fetch(run, ["8485-9999", NAMES[0]], None, by_selection=False, line=line, dry_run=False)
    with pytest.raises(CubesiftError, match="none of the cubes could be fetched"):
        fetch(Run(run.path / "other"), ["8485-9999"], None, by_selection=False, line=line, dry_run=False)


def test_a_mirror_that_is_no_folder_is_told(
    server: BadServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAS_BASE_DIR", "/not/there")
    with pytest.raises(CubesiftError, match="SAS_BASE_DIR is /not/there, which is not a folder"):
        fetch_survey(run, NAMES[:1], quick(server))


def test_a_mirror_is_used_as_it_is(
    server: BadServer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored = tmp_path / "sas" / FOLDER / cube_file(NAMES[0])
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(b"as it is")
    monkeypatch.setenv("SAS_BASE_DIR", str(tmp_path / "sas"))
    for _ in range(2):
        manifest = fetch_survey(run, NAMES[:2], quick(server))
        assert manifest.entries[cube_file(NAMES[0])].status == "mirror"
    assert cube(run) == b"as it is"
    assert cube(run, NAMES[1]) == body(NAMES[1])
    assert not server.requests(LOGCUBE)
    assert [*(tmp_path / "sas").rglob("*.gz")] == [mirrored], "nothing is written into the mirror"
    assert Catalog.load(run.catalog).plateifu.tolist() == NAMES[:2]
    mirrored.unlink()  # the mirror lost it: the link gives way to the archive's cube
    fetch_survey(run, NAMES[:2], quick(server))
    assert cube(run) == body(NAMES[0])
    assert not mirrored.exists()


def test_a_selection_says_which_cubes_come(server: BadServer, run: Run) -> None:
    manifest = fetch_survey(run, None, quick(server), selection=Selection())
    assert set(manifest.entries) == {"drpall-v3_1_1.fits", cube_file(NAMES[0]), cube_file(NAMES[2])}
    assert sum(manifest.removed.values()) == 2
    listed = fetch_survey(run, [*NAMES[:2], "9999-1901"], quick(server), selection=Selection())
    assert listed.removed["not in drpall"] == 1
    assert set(listed.entries) == {"drpall-v3_1_1.fits", cube_file(NAMES[0])}


def test_cubes_come_even_where_the_catalogue_does_not(server: BadServer, run: Run) -> None:
    server.always["drpall-v3_1_1.fits"] = "404"
    manifest = fetch_survey(run, NAMES, quick(server))
    assert [entry.file for entry in manifest.failed] == ["drpall-v3_1_1.fits"]
    assert cube(run) == body(NAMES[0])
    assert not run.catalog.exists()
    with pytest.raises(BadFile, match="no such file"):
        fetch_survey(run, None, quick(server), selection=Selection())


def test_a_run_holds_one_release_and_one_fetch_at_a_time(server: BadServer, run: Run) -> None:
    server.pause = 0.02
    command = [sys.executable, "-c", SCRIPT, str(run.path), server.base, NAMES[0]]
    with subprocess.Popen(command) as process:
        while not [*run.path.rglob("*.part")] and process.poll() is None:
            time.sleep(0.002)
        with pytest.raises(CubesiftError, match="another fetch is at work there"):
            fetch_survey(run, NAMES, quick(server))
    assert process.returncode == 0
    assert cube(run) == body(NAMES[0])
    with pytest.raises(CubesiftError, match="holds DR17 files, but DR15 is asked for"):
        fetch_survey(run, NAMES, dataclasses.replace(quick(server), release="DR15"))


def test_a_run_keeps_what_is_not_from_the_archive(server: BadServer, run: Run) -> None:
    own = Catalog({"plateifu": np.array(["mine"])}, Provenance("catalog", "by hand"))
    own.save(run.catalog)
    assert not fetch_survey(run, NAMES[:1], quick(server)).failed
    assert Catalog.load(run.catalog).plateifu.tolist() == ["mine"]
    Catalog(own.columns, Provenance("simulate", "")).save(run.catalog)
    with pytest.raises(CubesiftError, match="holds a simulated survey"):
        fetch_survey(run, NAMES, quick(server))


def test_a_full_disk_stops_with_a_line_and_keeps_the_part(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    part = Part(tmp_path / "cube.fits.gz")
    part.data.symlink_to("/dev/full")
    with pytest.raises(DiskFull, match=r"the disk is full\. Free some space"):
        _write(part, "wb", iter([b"flux"]), lambda size: None)
    assert part.data.is_symlink()


def test_releases_lie_where_the_archive_keeps_them() -> None:
    folders = {release: Fetching(release=release).folder for release in ("DR13", "DR14", "DR15", "DR16")}
    assert folders == {
        "DR13": "dr13/manga/spectro/redux/v1_5_4",
        "DR14": "dr14/manga/spectro/redux/v2_1_2",
        "DR15": "dr15/manga/spectro/redux/v2_4_3",
        "DR16": "dr16/manga/spectro/redux/v2_4_3",
    }
    with pytest.raises(ValidationError):
        Fetching(release="DR12")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Fetching(base="ftp://example.org")


def test_the_checksum_list_is_found_by_the_folders_page() -> None:
    page = '<a href="?C=M;O=A">Modified</a> <a href="/sas/x/manga%5F8485.sha1sum">sums</a> <a href="a.gz">'
    assert checksum_lists(page) == ["manga_8485.sha1sum"]
    assert checksum_lists("<html><p>nothing here") == []


def test_a_list_of_names_is_read_and_a_bad_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("# mine\n8485-1901\n\n 7977-12703  # the one with the tail\n8485-1901\n")
    assert read_plateifus(path) == ["8485-1901", "7977-12703"]
    path.write_text("mangaid,plateifu\n1-23,8485-1901\n1-24,8485_1902\n")
    with pytest.raises(CubesiftError, match=r"names.txt, line 3: '8485_1902' is not a plateifu\. Write"):
        read_plateifus(path)
    with pytest.raises(CubesiftError, match="not a readable text file"):
        read_plateifus(tmp_path / "absent.txt")
    for bad in ("8485", "1-209232", "8485-1901/17,20", "../../etc-1901", "8485-1901\n"):
        with pytest.raises(CubesiftError, match="is not a plateifu"):
            checked_plateifus([bad])


def test_nothing_asked_is_said(run: Run) -> None:
    with pytest.raises(CubesiftError, match="No cubes named"):
        fetch_survey(run, None, Fetching())
    assert not run.path.exists()
