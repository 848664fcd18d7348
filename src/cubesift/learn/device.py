"""Where the networks compute."""

from __future__ import annotations

import ctypes
import sys

import torch

from cubesift.errors import CubesiftError


def usable_device(name: str) -> str:
    """The name of a device, "cpu", "cuda", "cuda:1", "mps", ..., on which numbers can really be kept.

    Raises:
        CubesiftError: torch knows no such device, or there is none here.
    """
    try:
        torch.zeros(1, device=name).item()  # "meta" keeps none
    except (
        RuntimeError,
        AssertionError,
        NotImplementedError,
    ):  # a torch without CUDA says so by AssertionError
        has = "cpu, cuda" if torch.cuda.is_available() else "cpu"
        raise CubesiftError(f"{name!r} is no device to compute on here. Usable: {has}.") from None
    return name


def keep_freed_memory() -> None:
    """Ask the C library to keep large blocks that were freed for the next ones (glibc; nothing elsewhere).

    A training step takes and frees the same gigabyte every time. Handed back to the system and given out
    again page by page it costs a third of the step.
    """
    trim_threshold, most_mapped = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(trim_threshold, -1)
        mallopt(most_mapped, 0)
