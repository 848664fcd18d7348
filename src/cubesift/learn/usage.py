"""What a training uses of the machine, for the columns of its history."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path


class Usage:
    """Seconds since it was made, of the clock and of all cores, and the most memory this process had."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def row(self) -> dict[str, float]:
        """`seconds`, `cpu_seconds`, `peak_bytes`; the last is nan where the system does not tell."""
        return {
            "seconds": time.perf_counter() - self._wall,
            "cpu_seconds": time.process_time() - self._cpu,
            "peak_bytes": peak_memory(),
        }


def peak_memory() -> float:
    """Bytes of memory this process had at most, since `forget_peak` where the system allows."""
    try:
        import resource  # not on Windows
    except ImportError:
        return float("nan")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else most * 1024)


def forget_peak() -> None:
    """Let the peak begin anew, so that a model's is not that of the one before it; Linux only."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
