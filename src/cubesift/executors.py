"""Who does the work: this process, a pool of processes, or a Dask cluster; all behind one interface."""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from threading import Thread

from cubesift.errors import CubesiftError


@contextmanager
def open_executor(where: str | None = None, workers: int | None = None) -> Iterator[Executor | None]:
    """Yield an executor: None for one worker, a process pool, or `dask:ADDRESS`.

    Raises:
        CubesiftError: the words are not understood, or Dask is not installed or does not answer; or a
            worker died within.
    """
    if workers is not None and workers < 1:
        raise CubesiftError(f"--workers {workers}: expected 1 or more")
    workers = workers or available_cores()
    if where is None and workers == 1:
        yield None
    elif where is None or where == "pool":
        # Not fork: Zarr has threads of its own.
        context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_become_worker)
        # All workers at once: one that began while another died was never told, and waited for for ever.
        pool._safe_to_dynamically_spawn_children = False  # type: ignore[attr-defined]
        try:
            yield pool
        except BrokenProcessPool:
            raise CubesiftError(
                "a worker process died (out of memory?). Nothing finished was lost: run the same command "
                "again, with fewer --workers if it was memory."
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    elif where.startswith("dask:"):
        with _dask(where.removeprefix("dask:")) as executor:
            yield executor
    else:
        raise CubesiftError(f"--executor {where}: expected `pool` or `dask:ADDRESS`")


def available_cores() -> int:
    """Cores this process may use: fewer than the machine has, under a batch system."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _become_worker() -> None:
    """Leave Ctrl-C to the parent, and end as soon as it is gone: a pool alone would wait for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.name == "posix":
        # The locks that libraries make here have no name then: a killed worker leaves none behind.
        multiprocessing.set_start_method("fork", force=True)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise CubesiftError("--executor dask: needs Dask. Install cubesift[dask]") from None
    if not re.fullmatch(r"(\w+://)?.+:\d+", address):
        raise CubesiftError(f"--executor dask:{address}: expected HOST:PORT of a scheduler")
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # our line says it without traceback
    try:
        client = Client(address, timeout="10s", set_as_default=False)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise CubesiftError(f"--executor dask:{address}: no Dask scheduler answers there ({error})") from None
    with client:
        try:
            yield client.get_executor(pure=False)  # type: ignore[no-untyped-call]
        except (KilledWorker, CancelledError) as error:
            why = str(error) or "no scheduler any more"
            raise CubesiftError(
                f"{address}: the cluster gave up ({why}). Nothing finished was lost: see to its workers and "
                "run the same command again."
            ) from None
