"""Batch norm, activation and average pooling in one walk over memory, where torch takes a dozen."""
# ruff: noqa: F722

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from cubesift.learn.slabs import Slabs, channels_last

LARGE = 1 << 22  # numbers; smaller maps stay in the cache between torch's own layers


class Rectified(nn.Module):
    """`pool(activation(norm(maps)))`, the norm and the pooling left out where they are not asked for.

    While it learns only its input is kept for the way back: a third of the memory of the layers one by one.
    What lies between is made again from the same sums, so that batch statistics count once.
    """

    def __init__(self, norm: _BatchNorm | None, activation: str, pool: tuple[int, ...] = ()):
        super().__init__()
        self.norm = norm
        self.activation = activation
        self.pool = pool

    def forward(self, maps: Float[Tensor, "batch channel *space"]) -> Float[Tensor, "batch channel *smaller"]:
        """The pooling is an average, and the sides of the maps are multiples of it."""
        if not self.training or maps.numel() < LARGE:
            return self._one_by_one(maps)
        if self.norm is None:
            one, zero = maps.new_ones(maps.shape[1]), maps.new_zeros(maps.shape[1])
            y, _, _ = _Rectify.apply(maps, one, zero, None, self.activation, self.pool)  # type: ignore[no-untyped-call]
        else:
            norm = self.norm
            y, mean, variance = _Rectify.apply(  # type: ignore[no-untyped-call]
                maps, norm.weight, norm.bias, norm.eps, self.activation, self.pool
            )
            follow(norm, mean, variance, maps.numel() // maps.shape[1])
        rectified: Tensor = y
        return rectified

    def _one_by_one(self, maps: Tensor) -> Tensor:
        maps = self.norm(maps) if self.norm is not None else maps
        maps = functional.elu(maps) if self.activation == "elu" else functional.relu(maps)
        if self.pool:
            maps = (functional.avg_pool2d if maps.dim() == 4 else functional.avg_pool3d)(maps, self.pool)
        return maps


@torch.no_grad()
def follow(norm: _BatchNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    """Let the running statistics of a batch norm follow those of a batch, as torch's own does."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(mean.to(norm.running_mean), norm.momentum)
    unbiased = variance * (count / max(count - 1, 1))
    norm.running_var.lerp_(unbiased.to(norm.running_var), norm.momentum)


class _Rectify(torch.autograd.Function):
    """Statistics, then (pool of) activation(a maps + b), slab by slab; on the way back the same again."""

    @staticmethod
    def forward(
        ctx: Any,
        maps: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float | None,
        activation: str,
        pool: tuple[int, ...],
    ) -> tuple[Tensor, Tensor, Tensor]:
        maps = channels_last(maps)
        slabs = Slabs(maps, pool)
        mean, variance = torch.zeros_like(weight), torch.ones_like(weight)
        if eps is not None:
            mean, variance = slabs.statistics()
        spread = torch.rsqrt(variance + (eps or 0.0))
        a = weight * spread
        b = bias - mean * a
        tile_a, tile_b = slabs.tile(a), slabs.tile(b)
        pooled = slabs.empty_pooled()
        out = slabs.pooled_rows(pooled) if slabs.pools else slabs.cut_up(pooled)
        for here, slab in slabs:
            if slabs.pools:
                out[here] = slabs.average(_activate(torch.addcmul(tile_b, slab, tile_a), activation))
            else:
                _activate(torch.addcmul(tile_b, slab, tile_a, out=out[here]), activation)
        ctx.save_for_backward(maps, a, b, mean, spread)
        ctx.about = (eps is not None, activation, pool)
        return pooled, mean, variance

    @staticmethod
    def backward(ctx: Any, above: Tensor, *_: Any) -> Any:
        maps, a, b, mean, spread = ctx.saved_tensors
        normed, activation, pool = ctx.about
        slabs = Slabs(maps, pool)
        tile_a, tile_b = slabs.tile(a), slabs.tile(b)
        below = torch.empty_like(maps)
        out, above = slabs.cut_up(below), slabs.pooled_rows(channels_last(above))
        total, along = (
            torch.zeros_like(mean, dtype=torch.float64),
            torch.zeros_like(mean, dtype=torch.float64),
        )
        for here, slab in slabs:
            before = torch.addcmul(tile_b, slab, tile_a)
            slope = _slope(slabs.shared_out(above[here]), before, activation)
            out[here] = slope
            total += slabs.summed(slope)
            along += slabs.summed(slope.mul_(slab))
        along = (along - total * mean) * spread  # of the normalised maps
        if normed:  # the mean and the spread of the batch moved with every number in it
            count = maps.numel() // maps.shape[1]
            with_maps = -a * spread * along / count
            constant = slabs.tile(-a * total / count - with_maps * mean)
            with_maps = slabs.tile(with_maps)
            for here, slab in slabs:
                out[here].mul_(tile_a).addcmul_(slab, with_maps).add_(constant)
        return below, along.to(maps), total.to(maps), None, None, None


def _activate(maps: Tensor, activation: str) -> Tensor:
    return functional.elu_(maps) if activation == "elu" else maps.relu_()


def _slope(above: Tensor, before: Tensor, activation: str) -> Tensor:
    """The activation's derivative at `before`, times what comes from above."""
    above = above.expand_as(before)
    if activation == "elu":
        slope: Tensor = torch.ops.aten.elu_backward(above, 1, 1, 1, False, before)
        return slope
    return above * (before > 0)
