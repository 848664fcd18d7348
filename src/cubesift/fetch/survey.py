"""Many files from the archive into a run: plan, fetch, and write down what came."""

from __future__ import annotations

import fcntl
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np

from cubesift.data.catalog import Catalog
from cubesift.data.drpall import Selection, read_drpall, select
from cubesift.data.run import Run
from cubesift.errors import CubesiftError
from cubesift.fetch.archive import Fetching, address, checked_plateifus, cube_file, drpall_file
from cubesift.fetch.download import Seen
from cubesift.fetch.errand import Errand
from cubesift.fetch.manifest import Entry, Manifest
from cubesift.fetch.patience import Patience, Stopped

Progress = Callable[[int, int], None]  # bytes there are, bytes expected


def fetch_survey(
    run: Run,
    plateifus: Sequence[str] | None,
    settings: Fetching,
    *,
    selection: Selection | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    rng: np.random.Generator | None = None,
) -> Manifest:
    """Fetch the release's catalogue (drpall) and cubes into `run.cubes`, in the archive's own layout.

    What is already there is not fetched again. Where the environment names a mirror by `SAS_BASE_DIR`, as
    for `sdss_access` and Marvin, a file that lies in it is used as it is: the run gets a link to it, and it
    is neither fetched nor checked. Unlike `sdss_access`, which downloads into `SAS_BASE_DIR`, we never
    write there, since a mirror is often shared or read-only: what it lacks comes into the run.

    Interrupted in any way, it loses nothing: whole files have their names, the others go on from their
    `.part`. At the end, `run.catalog` holds drpall's row of every cube that is here.

    Args:
        run: the folder to fill.
        plateifus: which cubes; None for all that the selection keeps.
        settings: release, address, manners.
        selection: which rows of drpall to take; with `plateifus`, both must hold.
        dry_run: only ask the archive for sizes. Nothing is written and no file sent, except that a
            selection needs drpall, which is then fetched first.
        progress: called now and then with (bytes there are, bytes expected), first of drpall, then of all
            cubes that must come; the second is an estimate until the last cube has begun.
        rng: for the jitter of the waits.

    Returns:
        One entry for drpall and for each cube; `failed` names those that could not be had, and why.
        The same is kept in `cubes/manifest.parquet`, with those of earlier calls.

    Raises:
        CubesiftError: a bad name, a run of something else, or an archive that refuses everything.
        DiskFull: no space is left.
    """
    if plateifus is None and selection is None:
        raise CubesiftError("No cubes named. Give plateifus, as 8485-1901, or a selection from drpall.")
    names = None if plateifus is None else checked_plateifus(plateifus)
    with _alone(run) if not dry_run else nullcontext():
        errand = Errand(run, settings, rng)
        first = _Tally(1, progress).of(drpall_file(settings))
        drpall, catalog = _catalog(errand, first, needed=selection is not None, dry_run=dry_run)
        removed: dict[str, int] = {}
        if selection is not None and catalog is not None:
            wanted = catalog if names is None else catalog.where(np.isin(catalog.plateifu, names))
            chosen, removed = select(wanted, selection)
            if names is not None and len(wanted) < len(names):
                removed = {"not in drpall": len(names) - len(wanted)} | removed
            names = checked_plateifus(str(name) for name in chosen.plateifu)
        files = [cube_file(name) for name in names or []]
        answer = Manifest({}, errand.manifest.provenance, removed)
        answer.add(drpall)
        missing = []
        for file in files:
            settled = errand.settled(file, dry_run)
            answer.add(settled or Entry(file, "to fetch", source=address(settings, file)))
            if settled is None:
                missing.append(file)
        tally = _Tally(len(missing), progress)

        def work(file: str) -> None:
            entry = errand.size(file) if dry_run else errand.get(file, tally.of(file))
            answer.add(entry)

        try:
            _in_threads(work, missing, settings.connections, errand.patience)
        finally:
            if not dry_run:
                errand.save()
            if catalog is not None and not dry_run:
                _write_catalog(errand, catalog)
    return answer


def fetch_drpall(run: Run, settings: Fetching, *, rng: np.random.Generator | None = None) -> Path:
    """Fetch the release's catalogue, if it is neither in the run nor in the mirror; where it lies.

    Raises:
        BadFile: it cannot be had.
        CubesiftError, DiskFull: as `fetch_survey`.
    """
    with _alone(run):
        errand = Errand(run, settings, rng)
        entry = errand.required(drpall_file(settings), lambda size, total: None)
        errand.save()
        return errand.path(entry.file)


def _catalog(errand: Errand, seen: Seen, *, needed: bool, dry_run: bool) -> tuple[Entry, Catalog | None]:
    """drpall's entry and rows; without the rows where nobody needs them and they cannot be had."""
    file = drpall_file(errand.settings)
    if needed:
        entry = errand.required(file, seen)
    elif dry_run:
        return errand.settled(file, dry_run=True) or errand.size(file), None
    else:
        entry = errand.settled(file, dry_run=False) or errand.get(file, seen)
    return entry, read_drpall(errand.path(file)) if entry.here else None


def _write_catalog(errand: Errand, drpall: Catalog) -> None:
    """Keep drpall's rows of the cubes that are here, and of those the run's catalogue had before."""
    if errand.catalog is not None and errand.catalog.provenance.verb != "fetch":
        return  # the user's own
    before = set() if errand.catalog is None else {str(name) for name in errand.catalog.plateifu}
    here = {entry.file for entry in errand.manifest.entries.values() if entry.here}
    keep = [name in before or cube_file(name) in here for name in map(str, drpall.plateifu)]
    if any(keep):
        # The id does not depend on which rows: what was prepared of them stays good as more come.
        rows = drpall.where(np.array(keep)).columns
        Catalog(rows, errand.manifest.provenance).save(errand.run.catalog)


class _Tally:
    """Bytes of all downloads together, for the one who watches."""

    def __init__(self, files: int, progress: Progress | None):
        self._files = files
        self._progress = progress
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self._totals: dict[str, int] = {}

    def of(self, file: str) -> Seen:
        """What one download tells its bytes to."""

        def seen(size: int, total: int | None) -> None:
            if self._progress is None:
                return
            with self._lock:
                self._done[file] = size
                self._totals[file] = max(total or 0, size)
                mean = sum(self._totals.values()) / len(self._totals)
                self._progress(sum(self._done.values()), round(mean * self._files))

        return seen


def _in_threads(work: Callable[[str], None], files: Sequence[str], count: int, patience: Patience) -> None:
    """Do the work for each file, `count` at a time; the first exception stops all and is raised here."""
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    for file in files:
        todo.put(file)

    def worker() -> None:
        while not patience.stopped.is_set():
            try:
                work(todo.get_nowait())
                done.put(None)
            except (queue.Empty, Stopped):
                return
            except BaseException as error:
                done.put(error)
                return

    # Daemons, so that Ctrl-C need not wait for one that sits in a silent connection: it holds a `.part`
    # and nothing else, and looks at `stopped` before it writes.
    threads = [threading.Thread(target=worker, daemon=True) for _ in range(min(count, len(files)))]
    try:
        for thread in threads:
            thread.start()
        for _ in files:
            if (error := done.get()) is not None:
                raise error
    finally:
        patience.stopped.set()
        for thread in threads:
            thread.join(timeout=1.0)


@contextmanager
def _alone(run: Run) -> Iterator[None]:
    """Hold the run's cubes for one fetch: two would write into the same `.part`."""
    run.cubes.mkdir(parents=True, exist_ok=True)
    with (run.cubes / ".fetch.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            line = f"{run.cubes}: another fetch is at work there. Let it finish, or stop it."
            raise CubesiftError(line) from None
        except OSError:
            pass  # a file system without locks: then only the user's care helps
        yield
