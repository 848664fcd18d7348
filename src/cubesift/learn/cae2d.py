"""2D CAE: the wavelengths are the channels of an image (paper, section 3.1)."""
# ruff: noqa: F722

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cubesift.learn.blocks import check_widths, decoder, encoder, redshift_head
from cubesift.learn.feed import Galaxy
from cubesift.learn.loss import LOSS_MAPS, weighted_error
from cubesift.learn.pca import Moments
from cubesift.learn.settings import Training


class CAE2d(nn.Module):
    """Maps are flux in units of the training set's mean |flux|, one per wavelength."""

    scale: Tensor
    mean: Tensor
    weights: Tensor
    needs_covariance = False

    def __init__(self, settings: Training, wave: int, side: int):
        super().__init__()
        check_widths(settings.widths, side)
        self.kind = settings.loss
        self.encoder = encoder(wave, settings.widths, settings.latent_channels)
        self.decoder = decoder(wave, settings.widths, settings.latent_channels)
        self.head = redshift_head(settings.latent_channels)
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("mean", torch.zeros(wave))
        self.register_buffer("weights", LOSS_MAPS[settings.loss_map](side), persistent=False)

    def measure(self, moments: Moments) -> None:
        """Take the scale and the mean spectrum from the training set."""
        self.scale.fill_(moments.scale)
        self.mean.copy_(torch.from_numpy(moments.mean))

    def maps(self, galaxies: Sequence[Galaxy]) -> Float[Tensor, "batch wave y x"]:
        """What the network sees; missing channels hold the mean spectrum, as bright as the spaxel."""
        flux = torch.stack([self.filled(galaxy) for galaxy in galaxies])
        return flux.div_(self.scale).permute(0, 3, 1, 2)  # (y, x, wave) in memory is channels-last: no copy

    def filled(self, galaxy: Galaxy) -> Float[Tensor, "y x wave"]:
        """Flux, with what is not covered guessed."""
        if galaxy.covered.all():
            return galaxy.flux
        seen = self.mean * galaxy.covered
        brightness = (galaxy.flux @ seen) / (seen @ seen).clamp(min=1e-20)
        return galaxy.flux + brightness[..., None] * (self.mean - seen)

    def encode(self, maps: Float[Tensor, "batch wave y x"]) -> Float[Tensor, "batch latent 4 4"]:
        latent: Tensor = self.encoder(maps)
        return latent

    def decode(self, latent: Float[Tensor, "batch latent 4 4"]) -> Float[Tensor, "batch wave y x"]:
        maps: Tensor = self.decoder(latent)
        return maps

    def forward(self, galaxies: Sequence[Galaxy]) -> Float[Tensor, "batch wave y x"]:
        return self.decode(self.encode(self.maps(galaxies)))

    def redshift(self, latent: Float[Tensor, "batch latent 4 4"]) -> Float[Tensor, " batch"]:
        """Redshift in standard deviations from the training set's mean."""
        predicted: Tensor = self.head(latent)
        return predicted[:, 0]

    def flux(self, maps: Float[Tensor, "wave y x"]) -> Float[Tensor, "y x wave"]:
        """One galaxy's maps as flux."""
        return maps.permute(1, 2, 0) * self.scale

    def errors(
        self, maps: Float[Tensor, "batch wave y x"], galaxies: Sequence[Galaxy]
    ) -> Float[Tensor, " batch"]:
        """The reconstruction loss of each galaxy, in units of the mean |flux| (its square for MSE)."""
        losses = [
            weighted_error(
                one.permute(1, 2, 0),
                galaxy.flux / self.scale,
                self.weights * galaxy.good,
                galaxy.covered,
                self.kind,
            )
            for one, galaxy in zip(maps, galaxies, strict=True)
        ]
        return torch.stack(losses)
