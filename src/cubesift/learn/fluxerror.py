"""The loss on flux of a cube given as a product of matrices, without ever holding the cube."""
# ruff: noqa: F722

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cubesift.learn.products import Factors

BLOCK = 512  # spaxels, and channels, of a residual that stays in the cache: 1 MB
WIDE = 1024  # where rows are long: they, and the matrix, are read again for each block


@dataclass(frozen=True)
class Target:
    """What a batch is compared with."""

    flux: Sequence[Float[Tensor, "y x wave"]]
    scale: float  # of one unit of the factors
    weights: Float[Tensor, "batch y x"]
    covered: Sequence[Bool[Tensor, " wave"]]  # channels that count
    squared: bool  # MSE, else MAE


def flux_error(factors: Factors, target: Target) -> Float[Tensor, " batch"]:
    """Sum of weights * |rows @ matrix + offset - flux / scale|, or of its square, over each galaxy.

    Over spaxels and covered channels. It has slopes with respect to rows, matrix and offset.
    """
    errors: Tensor = _FluxError.apply(*factors, target, torch.is_grad_enabled())  # type: ignore[no-untyped-call]
    return errors


class _FluxError(torch.autograd.Function):
    """The residual and its sign are as large as the cubes, what they are made of and their slopes are not.

    All are made in one walk over blocks that stay in the cache, where autograd would write and read each of
    them in memory. The slope of the matrix is a sum over the batch: it is made for the sum, or any multiple,
    of the galaxies' errors, which is what a batch's mean asks for; else the way back walks once more.
    """

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, matrix: Tensor, offset: Tensor, target: Target, learning: bool
    ) -> Tensor:
        ctx.target = target
        ctx.wanted = [learning and wanted for wanted in ctx.needs_input_grad[:3]]
        errors, *slopes = walk(Factors(rows, matrix, offset), target, target.weights, ctx.wanted)
        ctx.save_for_backward(rows, matrix, offset, *slopes)
        return errors

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Any:
        rows, matrix, offset, *slopes = ctx.saved_tensors
        if (above == above[0]).all():
            slopes = [None if slope is None else slope * above[0] for slope in slopes]
        else:
            weights = ctx.target.weights * above[:, None, None]
            _, *slopes = walk(Factors(rows, matrix, offset), ctx.target, weights, ctx.wanted)
        return *slopes, None, None


def walk(
    factors: Factors, target: Target, weights: Tensor, wanted: Sequence[bool]
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """The errors, and the slopes of their sum with respect to the wanted ones of rows, matrix and offset."""
    rows, matrix, offset = (given.detach() for given in factors)
    to_rows, to_matrix, to_offset = (
        given.new_zeros(given.shape) if asked else None for given, asked in zip(factors, wanted, strict=True)
    )
    size = WIDE if matrix.shape[0] > BLOCK else BLOCK
    sums = weights.new_zeros(weights.flatten(1).shape)  # of each spaxel, summed over its channels
    # Taken once: memory that is given back and asked for again comes page by page.
    room = rows.new_empty(2, size * size)
    for channels in blocks(matrix.shape[1], size):
        some, bias = matrix[:, channels], offset[channels]
        for number, flux in enumerate(target.flux):
            covered = target.covered[number][channels]
            for spaxels in blocks(sums.shape[1], size):
                at = rows[number].flatten(0, 1)[spaxels]
                residual, missed = (one[: len(at) * len(bias)].view(len(at), -1) for one in room)
                torch.addmm(bias, at, some, out=residual)
                residual.sub_(flux.flatten(0, 1)[spaxels, channels], alpha=1 / target.scale)
                if not covered.all():
                    residual.mul_(covered)
                (torch.square if target.squared else torch.abs)(residual, out=missed)
                sums[number, spaxels] += missed.sum(dim=1)
                weight = weights[number].flatten()[spaxels, None]
                slope = residual.mul_(2 * weight) if target.squared else residual.sign_().mul_(weight)
                if to_rows is not None:
                    to_rows[number].flatten(0, 1)[spaxels].addmm_(slope, some.T)
                if to_matrix is not None:
                    to_matrix[:, channels].addmm_(at.T, slope)
                if to_offset is not None:
                    to_offset[channels] += slope.sum(dim=0)
    return (sums * weights.flatten(1)).sum(dim=1), to_rows, to_matrix, to_offset


def blocks(length: int, size: int) -> Iterator[slice]:
    """Cut into blocks."""
    return (slice(start, start + size) for start in range(0, length, size))
