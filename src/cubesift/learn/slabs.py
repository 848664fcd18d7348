"""A map, channels last in memory, cut into pieces of whole pooling windows that stay in the cache."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

NUMBERS = 1 << 18  # in a slab


class Slabs:
    """(batch, channel, y, x[, wave]) as slabs, (windows down, y, windows across, x, wave * channel).

    What differs by channel is tiled over the wavelengths (`tile`): long runs are fast where runs of eight
    channels are not.
    """

    def __init__(self, maps: Tensor, pool: tuple[int, ...]):
        self.maps = maps.detach()
        batch, self.channels, *space = maps.shape
        self.down, self.across, self.along = (*(pool or (1, 1)), 1)[:3]
        self.wave = space[2] if len(space) == 3 else 1
        y, x = space[:2]
        self.run = self.wave * self.channels
        self.cut = (batch * y // self.down, self.down, x // self.across, self.across, self.run)
        self.step = max(1, NUMBERS // (self.down * x * self.run))
        steps = pool or (1,) * len(space)
        self.smaller = (batch, *(size // by for size, by in zip(space, steps, strict=True)), self.channels)
        # The average over neighbouring wavelengths, (wave * channel, channel), is a matrix product.
        window = self.down * self.across * self.along
        self.mixing = (torch.eye(self.channels).repeat(self.along, 1) / window).to(maps)
        self.pools = window > 1

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        rows = self.cut_up(self.maps)
        for start in range(0, len(rows), self.step):
            here = slice(start, start + self.step)
            yield here, rows[here]

    def cut_up(self, maps: Tensor) -> Tensor:
        """All slabs of a map like this one, a view."""
        return maps.movedim(1, -1).view(self.cut)

    def pooled_rows(self, pooled: Tensor) -> Tensor:
        """The pooled map, a view: (windows down, windows across, wave * channel)."""
        return pooled.movedim(1, -1).view(self.cut[0], self.cut[2], self.run // self.along)

    def empty_pooled(self) -> Tensor:
        """Room for the pooled map, channels last."""
        return self.maps.new_empty(self.smaller).movedim(-1, 1)

    def tile(self, values: Tensor) -> Tensor:
        """(channel,) repeated along the wavelengths."""
        return values.to(self.maps).repeat(self.wave)

    def summed(self, slab: Tensor) -> Tensor:
        """(channel,) float64 sum over all else."""
        runs = slab.sum(dim=(0, 1, 2, 3))
        return runs.reshape(self.wave, self.channels).sum(dim=0, dtype=torch.float64)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel over the whole batch, (channel,) float64.

        Float32 within a slab and about a pivot, float64 between: 30 million numbers are too many to add up
        in float32.
        """
        _, first = next(iter(self))
        pivot = self.summed(first) / (first.numel() // self.channels)
        tile = self.tile(pivot)
        total, squares = torch.zeros_like(pivot), torch.zeros_like(pivot)
        for _, slab in self:
            away = slab - tile
            total += self.summed(away)
            squares += self.summed(away.square_())
        count = self.maps.numel() // self.channels
        mean = total / count
        # The pivot as the slabs saw it, in float32.
        return tile[: self.channels].double() + mean, (squares / count - mean.square()).clamp(min=0)

    def average(self, slab: Tensor) -> Tensor:
        """Of each pooling window: (windows down, windows across, wave * channel)."""
        light = slab[:, 0].clone()  # sums of whole runs: far faster than a sum over two axes at once
        for down in range(1, self.down):
            light += slab[:, down]
        across = light[:, :, 0]
        for other in range(1, self.across):
            across += light[:, :, other]
        mixed = across.reshape(-1, self.along * self.channels) @ self.mixing
        return mixed.reshape(*across.shape[:2], -1)

    def shared_out(self, pooled: Tensor) -> Tensor:
        """The average undone for a gradient; broadcasts over the window."""
        if self.pools:
            shared = pooled.reshape(-1, self.channels) @ self.mixing.T
            pooled = shared.reshape(*pooled.shape[:2], self.run)
        return pooled[:, None, :, None]


def channels_last(maps: Tensor) -> Tensor:
    """In memory as (batch, *space, channel)."""
    return maps.movedim(1, -1).contiguous().movedim(-1, 1)
