"""2D CAE: the wavelengths are the channels of an image (paper, section 3.1)."""
# ruff: noqa: F722

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from cubesift.learn.blocks import RedshiftHead, check_widths, decoder, encoder
from cubesift.learn.products import Factors, ToMany, around
from cubesift.learn.settings import Training
from cubesift.learn.spaces import FluxSpace


class CAE2d(nn.Module):
    """Convolutions over (y, x); over the wavelengths the first layer is fully connected."""

    def __init__(self, settings: Training, wave: int, side: int):
        super().__init__()
        check_widths(settings.filters, side)
        self.space = FluxSpace(settings, wave, side)
        self.encoder = encoder(settings, wave)
        self.decoder = decoder(settings, wave)
        self.redshift = RedshiftHead(settings.latent_channels)

    def encode(self, maps: Float[Tensor, "batch wave y x"]) -> Float[Tensor, "batch latent 4 4"]:
        latent: Tensor = self.encoder(maps)
        return latent

    def decode(self, latent: Float[Tensor, "batch latent 4 4"]) -> Float[Tensor, "batch wave y x"]:
        return self.factors(latent).maps()

    def factors(self, latent: Float[Tensor, "batch latent 4 4"]) -> Factors:
        """What `decode` multiplies out: the last layer is most of the work."""
        *layers, last = self.decoder
        for layer in layers:
            latent = layer(latent)
        conv = last.conv if isinstance(last, ToMany) else last
        assert isinstance(conv, nn.ConvTranspose2d)
        return around(conv, latent)
