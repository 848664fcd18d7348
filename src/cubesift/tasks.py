"""Units of work, in this process or in an executor: what each gives, as they end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, as_completed
from typing import TypeVar

Task = TypeVar("Task")
Done = TypeVar("Done")


def as_they_end(
    work: Callable[[Task], Done], tasks: Iterable[Task], executor: Executor | None
) -> Iterator[Done]:
    """What `work` gives of every task; without an executor in order, else as they end.

    Whoever stops listening, or an error in one of them, takes those that have not begun out of the queue.
    """
    if executor is None:
        yield from map(work, tasks)
        return
    futures = [executor.submit(work, task) for task in tasks]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()
