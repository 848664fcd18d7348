"""Where the networks compute."""

from __future__ import annotations

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
