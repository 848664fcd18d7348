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
    rectified,
    started_small,
    to_latent,
    unpooled,
)
from cubesift.learn.settings import Training
from cubesift.learn.spaces import FluxSpace
from cubesift.learn.stride import DOWN, POOL, STRIDE, Steps, folded, unfolded

LENGTH = 9  # of a spectral kernel, in steps of wavelength


class CAE1d2d(nn.Module):
    """Each 3 x 3 x 3 convolution of the 3D CAE as a spectral one and a spatial one.

    The paper calls this a 3-D convolution whose slices are multiples of each other; that holds for one
    channel and without the activation between the two. The first spatial one takes eight wavelengths at
    once, as in the 3D CAE. On the way out each resize goes with the convolution along its axis: a spectral
    resize without one would leave every line four steps wide.
    """

    def __init__(self, settings: Training, wave: int, side: int):
        super().__init__()
        check_widths(settings.filters, side)
        self.space = FluxSpace(settings, wave, side)
        self.steps = Steps(wave, len(settings.filters))
        first, last = settings.filters[0], settings.filters[-1]
        all_steps = last * self.steps.left
        into = rectified(spatial(STRIDE, first), settings, DOWN)
        for before, after in pairwise(settings.filters):
            into += rectified(spectral(before, after), settings)
            into += rectified(spatial(after, after), settings, DOWN)
        self.encoder = nn.Sequential(*into)
        self.latent = nn.Sequential(*to_latent(settings, all_steps))
        self.unfolded = nn.Sequential(*from_latent(settings, all_steps))
        out: list[nn.Module] = []
        for before, after in pairwise((*reversed(settings.filters), first)):
            out += unpooled(settings, spatial(before, before), (2, 2, 1))
            out += unpooled(settings, spectral(before, after), (1, 1, POOL))
        self.decoder = nn.Sequential(*out, started_small(Pixelwise(first, STRIDE)))
        self.redshift = RedshiftHead(settings.latent_channels)

    def encode(self, maps: Float[Tensor, "batch wave y x"]) -> Float[Tensor, "batch latent 4 4"]:
        latent: Tensor = self.latent(folded(self.encoder(self.steps.of(maps))))
        return latent

    def decode(self, latent: Float[Tensor, "batch latent 4 4"]) -> Float[Tensor, "batch wave y x"]:
        return self.steps.undone(self.decoder(unfolded(self.unfolded(latent), self.steps.left)))


class Pixelwise(nn.Linear):
    """A 1 x 1 x 1 convolution, as the matrix product that it is: torch's own copies the maps twice."""

    def forward(self, maps: Float[Tensor, "batch before y x wave"]) -> Float[Tensor, "batch after y x wave"]:
        """Channels last in memory, on both sides."""
        return super().forward(maps.movedim(1, -1)).movedim(-1, 1)


def spectral(before: int, after: int) -> nn.Conv3d:
    """Over the wavelengths of one spaxel."""
    return nn.Conv3d(before, after, (1, 1, LENGTH), padding=(0, 0, LENGTH // 2))


def spatial(before: int, after: int) -> nn.Conv3d:
    """Over the spaxels of one wavelength."""
    return nn.Conv3d(before, after, (3, 3, 1), padding=(1, 1, 0))
