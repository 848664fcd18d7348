"""2D CAE on compressed spectra: a code for each spectrum, then convolutions over the codes' maps."""
# ruff: noqa: F722

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from cubesift.learn.blocks import RedshiftHead, check_widths, decoder, encoder
from cubesift.learn.settings import Training
from cubesift.learn.spaces import ComponentSpace


class Compressed2d(nn.Module):
    """Stage 1 (principal components, or a shallow autoencoder) is fixed before stage 2 learns."""

    def __init__(self, settings: Training, wave: int, side: int):
        super().__init__()
        check_widths(settings.filters, side)
        self.space = ComponentSpace(settings, wave, side)
        self.encoder = encoder(settings, settings.components)
        self.decoder = decoder(settings, settings.components)
        self.redshift = RedshiftHead(settings.latent_channels)

    def encode(self, maps: Float[Tensor, "batch component y x"]) -> Float[Tensor, "batch latent 4 4"]:
        # By their share of the light, as a fixed first layer of the 2D CAE would give them (the paper's
        # remark): in units of their own the noise in the last ones drowns the first, and the redshift too.
        latent: Tensor = self.encoder(maps * self.space.share[:, None, None])
        return latent

    def decode(self, latent: Float[Tensor, "batch latent 4 4"]) -> Float[Tensor, "batch component y x"]:
        maps: Tensor = self.decoder(latent)
        return maps
