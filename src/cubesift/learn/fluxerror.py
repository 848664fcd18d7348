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
        torch.zeros_like(given) if asked else None for given, asked in zip(factors, wanted, strict=True)
    )
    sizes = torch.zeros_like(weights).flatten(1)  # of each spaxel, summed over its channels
    for channels in blocks(matrix.shape[1]):
        some, bias = matrix[:, channels], offset[channels]
        for number, flux in enumerate(target.flux):
            covered = target.covered[number][channels]
            for spaxels in blocks(sizes.shape[1]):
                at = rows[number].flatten(0, 1)[spaxels]
                residual = torch.addmm(bias, at, some)
                residual.sub_(flux.flatten(0, 1)[spaxels, channels], alpha=1 / target.scale)
                if not covered.all():
                    residual.mul_(covered)
                size = residual.square() if target.squared else residual.abs()
                sizes[number, spaxels] += size.sum(dim=1)
                slope = residual.mul_(2) if target.squared else residual.sign_()
                weight = weights[number].flatten()[spaxels]
                if to_rows is not None:
                    to_rows[number].flatten(0, 1)[spaxels].addcmul_(slope @ some.T, weight[:, None])
                if to_matrix is not None:
                    to_matrix[:, channels].addmm_((at * weight[:, None]).T, slope)
                if to_offset is not None:
                    to_offset[channels].addmv_(slope.T, weight)
    return (sizes * weights.flatten(1)).sum(dim=1), to_rows, to_matrix, to_offset


def blocks(length: int) -> Iterator[slice]:
    """Cut into blocks."""
    return (slice(start, start + BLOCK) for start in range(0, length, BLOCK))
