"""3D CAE: convolutions over (wave, y, x) of a cube that is one channel deep (paper, section 3.1)."""
# ruff: noqa: F722

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from cubesift.learn.blocks import (
    BOTTLENECK,
    RedshiftHead,
    check_widths,
    from_latent,
    pooled,
    rectified,
    started_small,
    to_latent,
    unpooled,
)
from cubesift.learn.settings import Training
from cubesift.learn.spaces import FluxSpace
from cubesift.learn.stride import POOL, STRIDE, WavePadding

DOWN = (POOL, 2, 2)  # one pooling


class CAE3d(nn.Module):
    """The first layer steps by four wavelengths, each pooling takes four more; what is left is folded.

    At 4,096 channels and three widths 16 steps of wavelength are left over the 4 x 4 map; the last layer of
    the encoder mixes them all. A step is undone by a transposed convolution that does not overlap itself.
    """

    def __init__(self, settings: Training, wave: int, side: int):
        super().__init__()
        check_widths(settings.filters, side)
        self.space = FluxSpace(settings, wave, side)
        self.padding = WavePadding(wave, len(settings.filters))
        self.fold = (settings.filters[-1], self.padding.left, BOTTLENECK, BOTTLENECK)
        folded = settings.filters[-1] * self.padding.left
        first = settings.filters[0]
        into = [*rectified(stepping(1, first), settings), pooled(settings, DOWN)]
        for before, after in pairwise(settings.filters):
            into += [*rectified(nn.Conv3d(before, after, 3, padding=1), settings), pooled(settings, DOWN)]
        self.encoder = nn.Sequential(*into, nn.Flatten(1, 2), *to_latent(settings, folded))
        out = [*from_latent(settings, folded), nn.Unflatten(1, self.fold[:2])]
        for before, after in pairwise(reversed(settings.filters)):
            out += unpooled(settings, nn.Conv3d(before, before, 3, padding=1), DOWN)
            out += rectified(nn.ConvTranspose3d(before, after, 3, padding=1), settings)
        out += unpooled(settings, nn.Conv3d(first, first, 3, padding=1), DOWN)
        self.decoder = nn.Sequential(*out, started_small(stepping_back(first, 1)))
        self.redshift = RedshiftHead(settings.latent_channels)

    def encode(self, maps: Float[Tensor, "batch wave y x"]) -> Float[Tensor, "batch latent 4 4"]:
        latent: Tensor = self.encoder(self.padding.added(maps)[:, None])
        return latent

    def decode(self, latent: Float[Tensor, "batch latent 4 4"]) -> Float[Tensor, "batch wave y x"]:
        maps: Tensor = self.decoder(latent)
        return self.padding.taken(maps[:, 0])


def stepping(before: int, after: int) -> nn.Conv3d:
    """The first layer: 3 x 3 spaxels, four wavelengths at a time."""
    return nn.Conv3d(before, after, (STRIDE, 3, 3), stride=(STRIDE, 1, 1), padding=(0, 1, 1))


def stepping_back(before: int, after: int) -> nn.ConvTranspose3d:
    """The last layer, the first in reverse: its kernel is as long as its step, so nothing overlaps."""
    return nn.ConvTranspose3d(before, after, (STRIDE, 3, 3), stride=(STRIDE, 1, 1), padding=(0, 1, 1))
