"""Who does the work: this process, a pool of processes, or a Dask cluster; all behind one interface."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager

from cubesift.errors import CubesiftError


@contextmanager
def open_executor(where: str | None = None, workers: int | None = None) -> Iterator[Executor | None]:
    """Yield an executor: None for one worker, a process pool, or `dask:ADDRESS`.

    Raises:
        CubesiftError: the words are not understood, or Dask is not installed or does not answer.
    """
    workers = workers or available_cores()
    if where is None and workers == 1:
        yield None
    elif where is None or where == "pool":
        # Not fork: Zarr has threads of its own.
        context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
        pool = ProcessPoolExecutor(workers, mp_context=context)
        try:
            yield pool
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


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        raise CubesiftError("--executor dask: needs Dask. Install cubesift[dask]") from None
    try:
        client = Client(address, timeout="10s", set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError) as error:
        raise CubesiftError(f"{address}: no Dask scheduler answers there ({error})") from None
    with client:
        yield client.get_executor(pure=False)  # type: ignore[no-untyped-call]
