"""One-layer autoencoders (paper, figure 2a), two weight matrices: of single spectra, and of whole cubes."""
# ruff: noqa: F722

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from cubesift.learn.blocks import BOTTLENECK, RedshiftHead, started_small
from cubesift.learn.products import Factors, pixelwise
from cubesift.learn.settings import Training
from cubesift.learn.spaces import FluxSpace


class AE(nn.Module):
    """wave to `components` and back, the same for every spaxel: a 1 x 1 convolution each way."""

    def __init__(self, settings: Training, wave: int, side: int):
        super().__init__()
        self.space = FluxSpace(settings, wave, side)
        self.encoder = nn.Conv2d(wave, settings.components, 1)
        self.decoder = started_small(nn.Conv2d(settings.components, wave, 1))
        self.redshift = RedshiftHead(settings.components)

    def encode(self, maps: Float[Tensor, "batch wave y x"]) -> Float[Tensor, "batch component y x"]:
        return pixelwise(self.encoder, maps).maps()

    def decode(self, latent: Float[Tensor, "batch component y x"]) -> Float[Tensor, "batch wave y x"]:
        return self.factors(latent).maps()

    def factors(self, latent: Float[Tensor, "batch component y x"]) -> Factors:
        """What `decode` multiplies out."""
        return pixelwise(self.decoder, latent)


class CubeAE(nn.Module):
    """A whole cube to 4 x 4 x latent numbers and back.

    At 32 x 32 x 4096 and 128 numbers 1.1 billion weights: 17 GB with their gradients and Adam's moments.
    """

    def __init__(self, settings: Training, wave: int, side: int):
        super().__init__()
        self.space = FluxSpace(settings, wave, side)
        self.shape = (wave, side, side)
        voxels, numbers = wave * side * side, settings.latent_channels * BOTTLENECK**2
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(voxels, numbers), nn.Unflatten(1, (-1, BOTTLENECK, BOTTLENECK))
        )
        self.decoder = nn.Sequential(
            nn.Flatten(), started_small(nn.Linear(numbers, voxels)), nn.Unflatten(1, self.shape)
        )
        self.redshift = RedshiftHead(settings.latent_channels)

    def encode(self, maps: Float[Tensor, "batch wave y x"]) -> Float[Tensor, "batch latent 4 4"]:
        latent: Tensor = self.encoder(maps)
        return latent

    def decode(self, latent: Float[Tensor, "batch latent 4 4"]) -> Float[Tensor, "batch wave y x"]:
        maps: Tensor = self.decoder(latent)
        return maps
