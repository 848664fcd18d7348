"""Convolutions between thousands of channels and a few, as matrix products of whole batches."""
# ruff: noqa: F722

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

TAPS = list(product(range(3), repeat=2))  # (down, across) of a 3 x 3 kernel
Shift = Callable[[Tensor], Tensor]


class Factors(NamedTuple):
    """Maps of very many channels, as the product that makes them; `fluxerror` never multiplies all of it."""

    rows: Float[Tensor, "batch y x few"]
    matrix: Float[Tensor, "few many"]
    offset: Float[Tensor, " many"]

    def maps(self) -> Float[Tensor, "batch many y x"]:
        """Multiplied out, channels last in memory."""
        many = torch.addmm(self.offset, self.rows.flatten(0, 2), self.matrix)
        return many.view(*self.rows.shape[:3], -1).movedim(-1, 1)


def pixelwise(conv: nn.Conv2d, maps: Float[Tensor, "batch before y x"]) -> Factors:
    """A 1 x 1 convolution: each pixel is its row."""
    assert conv.bias is not None
    return Factors(maps.movedim(1, -1), conv.weight.flatten(1).T, conv.bias)


def around(conv: nn.ConvTranspose2d, maps: Float[Tensor, "batch few y x"]) -> Factors:
    """A 3 x 3 transposed convolution: each pixel's nine neighbours are its row."""
    assert conv.bias is not None
    rows: Tensor = _Shift.apply(maps.movedim(1, -1), neighbours, gathered)  # type: ignore[no-untyped-call]
    taps = conv.weight.permute(2, 3, 0, 1).flatten(0, 2)  # (tap * few, many)
    return Factors(rows.flatten(3), taps, conv.bias)


class FromMany(nn.Module):
    """A 3 x 3 convolution of very many channels into few.

    Every pixel is multiplied with all nine taps at once, and the few channels that come out are shifted and
    added up, where the usual way shifts the many that go in.
    """

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.conv = conv

    def forward(self, maps: Float[Tensor, "batch many y x"]) -> Float[Tensor, "batch few y x"]:
        """Channels last in memory, on both sides."""
        assert self.conv.bias is not None
        taps = self.conv.weight.permute(2, 3, 0, 1).flatten(0, 2)  # (tap * few, many)
        rows = maps.movedim(1, -1)
        of_taps = (rows.flatten(0, 2) @ taps.T).view(*rows.shape[:3], len(TAPS), -1)
        summed: Tensor = _Shift.apply(of_taps, gathered, neighbours)  # type: ignore[no-untyped-call]
        return (summed + self.conv.bias).movedim(-1, 1)


class ToMany(nn.Module):
    """A 3 x 3 transposed convolution of few channels into very many: nine neighbours, one product."""

    def __init__(self, conv: nn.ConvTranspose2d):
        super().__init__()
        self.conv = conv

    def forward(self, maps: Float[Tensor, "batch few y x"]) -> Float[Tensor, "batch many y x"]:
        """Channels last in memory, on both sides."""
        return around(self.conv, maps).maps()


def neighbours(rows: Tensor) -> Tensor:
    """(batch, y, x, few) to (batch, y, x, tap, few): what a pixel gets by each tap, 0 from outside.

    By the tap above that is the pixel below, for a transposed convolution sends out by its taps.
    """
    y, x = rows.shape[1:3]
    padded = functional.pad(rows, (0, 0, 1, 1, 1, 1))
    return torch.stack([padded[:, 2 - d : 2 - d + y, 2 - a : 2 - a + x] for d, a in TAPS], dim=3)


def gathered(of_taps: Tensor) -> Tensor:
    """(batch, y, x, tap, few) to (batch, y, x, few): `neighbours` undone, all that a pixel gave summed up."""
    batch, y, x, _, few = of_taps.shape
    total = of_taps.new_zeros(batch, y + 2, x + 2, few)
    for tap, (d, a) in enumerate(TAPS):
        total[:, 2 - d : 2 - d + y, 2 - a : 2 - a + x] += of_taps[:, :, :, tap]
    return total[:, 1:-1, 1:-1]


class _Shift(torch.autograd.Function):
    """`neighbours` or `gathered`: each is the other's way back, its transposed matrix."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, there: Shift, back: Shift) -> Tensor:
        ctx.back = back
        return there(given)

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Any:
        return ctx.back(above), None, None
