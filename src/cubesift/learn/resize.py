"""A nearest-neighbour resize and the convolution after it, as one convolution of the small map."""
# ruff: noqa: F722

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cubesift.learn.slabs import channels_last


class Resized(nn.Module):
    """`conv(resize(x))` without the resized map, which is mostly copies of itself.

    After a resize by f every f-th output sees the same neighbours of the small map: the kernel's taps that
    fall on one neighbour are added up once, and each of the f kinds of output (a phase) is a convolution of
    its own. A kernel of 3 needs 2 taps a phase, one of 9 after a resize by 4 needs 3. The phases of the last
    axis are filters of one convolution: with channels last they are already in their place.
    """

    def __init__(self, conv: nn.Conv2d | nn.Conv3d, factor: tuple[int, ...]):
        super().__init__()
        assert conv.padding == tuple(taps // 2 for taps in conv.kernel_size)
        self.conv = conv
        self.factor = factor

    def forward(self, x: Float[Tensor, "batch channel *space"]) -> Float[Tensor, "batch filter *larger"]:
        """`conv` keeps the size of what it is given."""
        assert self.conv.bias is not None
        *around, last = self.factor
        taps = [falling(size, by) for size, by in zip(self.conv.kernel_size, self.factor, strict=True)]
        reach = [along.shape[1] // 2 for along in taps]
        filters = torch.tensordot(self.conv.weight, taps[-1].to(x), dims=([x.dim() - 1], [2]))
        filters = filters.movedim(-2, 0).flatten(0, 1)  # (phase * filter, channel, ..., neighbour)
        bias = self.conv.bias.repeat(last)
        padded = functional.pad(x, (0, 0, *(wide for wide in reversed(reach[:-1]) for _ in range(2))))
        convolve = functional.conv2d if x.dim() == 4 else functional.conv3d
        parts = []
        for phases in product(*map(range, around)):
            kernel, seen = filters, padded
            for axis, phase in enumerate(phases, start=2):
                along = taps[axis - 2][phase]
                used = along.sum(dim=1).nonzero().flatten().tolist()
                along = along[used[0] : used[-1] + 1].to(x)
                kernel = torch.tensordot(kernel, along, dims=([axis], [1])).movedim(-1, axis)
                seen = seen.narrow(axis, used[0], x.shape[axis] + len(along) - 1)
            parts.append(convolve(seen, kernel, bias, padding=(*(0 for _ in around), reach[-1])))
        if len(parts) == 1:  # nothing to interleave: the phases of the last axis are in their place
            rows = parts[0].movedim(1, -1)
            return rows.reshape(*rows.shape[:-2], rows.shape[-2] * last, -1).movedim(-1, 1)
        return _Interleaved.apply(tuple(around), last, *parts)  # type: ignore[no-any-return, no-untyped-call]


def falling(kernel: int, factor: int) -> Tensor:
    """(phase, neighbour, tap): 1 where a tap of the kernel falls on a neighbour, the middle one its own."""
    half = kernel // 2
    reach = -(-half // factor)
    taps = torch.zeros(factor, 2 * reach + 1, kernel)
    for phase, tap in product(range(factor), range(kernel)):
        taps[phase, (phase + tap - half) // factor + reach, tap] = 1
    return taps


class _Interleaved(torch.autograd.Function):
    """Parts, (batch, phase of the last axis * filter, *space), one for each phase of the other axes."""

    @staticmethod
    def forward(ctx: Any, around: tuple[int, ...], last: int, *parts: Tensor) -> Tensor:
        ctx.factors = (around, last)
        batch, several, *space, length = parts[0].shape
        larger = [size * factor for size, factor in zip(space, around, strict=True)]
        whole = parts[0].new_empty(batch, *larger, length * last, several // last).movedim(-1, 1)
        for part, place in zip(parts, _places(whole, around, last), strict=True):
            place.copy_(part.movedim(1, -1))
        return whole

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Any:
        places = _places(channels_last(above), *ctx.factors)
        return None, None, *(channels_last(place.movedim(-1, 1)) for place in places)


def _places(whole: Tensor, around: tuple[int, ...], last: int) -> list[Tensor]:
    """Where each part belongs: views of the whole, (batch, *space, phase of the last axis * filter)."""
    rows = whole.movedim(1, -1)
    rows = rows.view(*rows.shape[:-2], rows.shape[-2] // last, -1)
    return [
        rows[(slice(None), *(slice(phase, None, by) for phase, by in zip(phases, around, strict=True)))]
        for phases in product(*map(range, around))
    ]
