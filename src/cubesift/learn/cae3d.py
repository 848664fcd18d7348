"""3D CAE: convolutions over (y, x, wave) of a cube that is one channel deep (paper, section 3.1)."""
# ruff: noqa: F722

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from cubesift.learn.blocks import (
    RedshiftHead,
    check_widths,
    from_latent,
    rectified,
    started_small,
    to_latent,
    unpooled,
)
from cubesift.learn.settings import Training
from cubesift.learn.spaces import FluxSpace
from cubesift.learn.stride import DOWN, STRIDE, Steps, folded, unfolded


class CAE3d(nn.Module):
    """The first layer steps by eight wavelengths, each pooling takes four of these; what is left is folded.

    At 4,096 channels and three widths 8 steps of wavelength are left over the 4 x 4 map; the last layer of
    the encoder mixes them all. A step is undone by a transposed convolution that does not overlap itself.
    """

    def __init__(self, settings: Training, wave: int, side: int):
        super().__init__()
        check_widths(settings.filters, side)
        self.space = FluxSpace(settings, wave, side)
        self.steps = Steps(wave, len(settings.filters))
        first, last = settings.filters[0], settings.filters[-1]
        all_steps = last * self.steps.left
        step = nn.Conv3d(STRIDE, first, (3, 3, 1), padding=(1, 1, 0))
        into = rectified(step, settings, DOWN)
        for before, after in pairwise(settings.filters):
            into += rectified(nn.Conv3d(before, after, 3, padding=1), settings, DOWN)
        self.encoder = nn.Sequential(*into)
        self.latent = nn.Sequential(*to_latent(settings, all_steps))
        self.unfolded = nn.Sequential(*from_latent(settings, all_steps))
        out: list[nn.Module] = []
        for before, after in pairwise(reversed(settings.filters)):
            out += unpooled(settings, nn.Conv3d(before, before, 3, padding=1), DOWN)
            out += rectified(nn.ConvTranspose3d(before, after, 3, padding=1), settings)
        out += unpooled(settings, nn.Conv3d(first, first, 3, padding=1), DOWN)
        back = nn.ConvTranspose3d(first, STRIDE, (3, 3, 1), padding=(1, 1, 0))
        self.decoder = nn.Sequential(*out, started_small(back))
        self.redshift = RedshiftHead(settings.latent_channels)

    def encode(self, maps: Float[Tensor, "batch wave y x"]) -> Float[Tensor, "batch latent 4 4"]:
        latent: Tensor = self.latent(folded(self.encoder(self.steps.of(maps))))
        return latent

    def decode(self, latent: Float[Tensor, "batch latent 4 4"]) -> Float[Tensor, "batch wave y x"]:
        return self.steps.undone(self.decoder(unfolded(self.unfolded(latent), self.steps.left)))
