"""What a person sees while work goes on: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tick = Callable[[int, int, str], None]  # how many ended, of how many, what the last one was


def say(line: str) -> None:
    """One line to standard output, at once."""
    print(line, flush=True)


def nobody_reads() -> bool:
    """Whether whoever read standard output, such as `head`, is gone; then what is still said goes nowhere."""
    try:
        print(flush=True)  # only a write can tell
    except BrokenPipeError:
        # Python flushes once more when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


@contextmanager
def watching(what: str, every: float = 10.0) -> Iterator[Tick]:
    """Yield a function to call as things end: a bar on a terminal, else a line every so many seconds."""
    if sys.stderr.isatty():
        from rich.progress import Progress

        with Progress(transient=True) as progress:
            bar = progress.add_task(what, total=None)
            yield lambda ended, total, last: progress.update(
                bar, completed=ended, total=total, description=f"{what} {last}"
            )
    else:
        spoken = time.monotonic()

        def tick(ended: int, total: int, last: str) -> None:
            nonlocal spoken
            if ended == total or time.monotonic() - spoken > every:
                spoken = time.monotonic()
                say(f"{what} {ended}/{total} {last}")

        yield tick
