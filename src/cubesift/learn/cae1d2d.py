"""1D-2D CAE: over the wavelengths, then over the spaxels, in turns (paper, section 3.1)."""
# ruff: noqa: F722

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from cubesift.learn.blocks import (
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

LENGTH = 9  # of a spectral kernel, in steps of wavelength
DOWN = (POOL, 2, 2)  # one pooling


class CAE1d2d(nn.Module):
    """Each 3 x 3 x 3 convolution of the 3D CAE as a spectral one and a spatial one.

    The paper calls this a 3-D convolution whose slices are multiples of each other; that holds for one
    channel and without the activation between the two.
    """

    def __init__(self, settings: Training, wave: int, side: int):
        super().__init__()
        check_widths(settings.filters, side)
        self.space = FluxSpace(settings, wave, side)
        self.padding = WavePadding(wave, len(settings.filters))
        folded = settings.filters[-1] * self.padding.left
        first = settings.filters[0]
        step = nn.Conv3d(1, first, (STRIDE, 1, 1), stride=(STRIDE, 1, 1))
        into = [*rectified(step, settings), *rectified(spatial(first, first), settings)]
        into += [pooled(settings, DOWN)]
        for before, after in pairwise(settings.filters):
            into += rectified(spectral(before, after), settings)
            into += [*rectified(spatial(after, after), settings), pooled(settings, DOWN)]
        self.encoder = nn.Sequential(*into, nn.Flatten(1, 2), *to_latent(settings, folded))
        out = [*from_latent(settings, folded), nn.Unflatten(1, (settings.filters[-1], self.padding.left))]
        for before, after in pairwise(reversed(settings.filters)):
            out += unpooled(settings, spatial(before, before), DOWN)
            out += rectified(spectral_back(before, after), settings)
        out += unpooled(settings, spatial(first, first), DOWN)
        back = nn.ConvTranspose3d(first, 1, (STRIDE, 1, 1), stride=(STRIDE, 1, 1))
        self.decoder = nn.Sequential(*out, started_small(back))
        self.redshift = RedshiftHead(settings.latent_channels)

    def encode(self, maps: Float[Tensor, "batch wave y x"]) -> Float[Tensor, "batch latent 4 4"]:
        latent: Tensor = self.encoder(self.padding.added(maps)[:, None])
        return latent

    def decode(self, latent: Float[Tensor, "batch latent 4 4"]) -> Float[Tensor, "batch wave y x"]:
        maps: Tensor = self.decoder(latent)
        return self.padding.taken(maps[:, 0])


def spectral(before: int, after: int) -> nn.Conv3d:
    """Over the wavelengths of one spaxel."""
    return nn.Conv3d(before, after, (LENGTH, 1, 1), padding=(LENGTH // 2, 0, 0))


def spectral_back(before: int, after: int) -> nn.ConvTranspose3d:
    """A spectral convolution undone."""
    return nn.ConvTranspose3d(before, after, (LENGTH, 1, 1), padding=(LENGTH // 2, 0, 0))


def spatial(before: int, after: int) -> nn.Conv3d:
    """Over the spaxels of one wavelength."""
    return nn.Conv3d(before, after, (1, 3, 3), padding=(0, 1, 1))
