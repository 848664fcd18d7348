"""2D CAE on compressed spectra: principal components of each spaxel, then convolutions over their maps."""
# ruff: noqa: F722

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cubesift.learn.blocks import check_widths, decoder, encoder, redshift_head
from cubesift.learn.feed import Galaxy
from cubesift.learn.loss import LOSS_MAPS, voxels
from cubesift.learn.pca import Moments, gap_filling, principal_components
from cubesift.learn.settings import Training


class PCA2d(nn.Module):
    """Maps are codes in units of their standard deviation; all 0 is the mean spectrum."""

    scale: Tensor
    mean: Tensor
    components: Tensor
    variances: Tensor
    rest: Tensor
    weights: Tensor
    needs_covariance = True

    def __init__(self, settings: Training, wave: int, side: int):
        super().__init__()
        check_widths(settings.widths, side)
        self.kind = settings.loss
        self.encoder = encoder(settings.components, settings.widths, settings.latent_channels)
        self.decoder = decoder(settings.components, settings.widths, settings.latent_channels)
        self.head = redshift_head(settings.latent_channels)
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("mean", torch.zeros(wave))
        self.register_buffer("components", torch.zeros(settings.components, wave))
        self.register_buffer("variances", torch.ones(settings.components))
        self.register_buffer("rest", torch.ones(()))
        self.register_buffer("weights", LOSS_MAPS[settings.loss_map](side), persistent=False)

    def measure(self, moments: Moments) -> None:
        """Take the scale and the principal components from the training set."""
        found = principal_components(moments, len(self.components))
        self.scale.fill_(moments.scale)
        self.rest.fill_(found.rest)
        for name in ("mean", "components", "variances"):
            getattr(self, name).copy_(torch.from_numpy(np.ascontiguousarray(getattr(found, name))))

    def maps(self, galaxies: Sequence[Galaxy]) -> Float[Tensor, "batch component y x"]:
        """What the network sees; missing channels are filled from the covered ones (see `gap_filling`)."""
        return torch.stack([self.codes(galaxy) for galaxy in galaxies]).permute(0, 3, 1, 2)

    def codes(self, galaxy: Galaxy) -> Float[Tensor, "y x component"]:
        """One galaxy's spectra as codes."""
        seen = self.components * galaxy.covered
        codes = galaxy.flux @ seen.T - seen @ self.mean
        if not galaxy.covered.all():
            of_all = gap_filling(
                self.components.double().cpu().numpy(),
                self.variances.double().cpu().numpy(),
                float(self.rest),
                galaxy.covered.cpu().numpy(),
            )
            codes = codes @ torch.from_numpy(of_all.T).to(codes)
        return codes / self.variances.sqrt()

    def encode(self, maps: Float[Tensor, "batch component y x"]) -> Float[Tensor, "batch latent 4 4"]:
        # By their share of the light, as a fixed first layer of the 2D CAE would give them (the paper's
        # remark): in units of their own the noise in the last ones drowns the first, and the redshift too.
        latent: Tensor = self.encoder(maps * (self.variances / self.variances[0]).sqrt()[:, None, None])
        return latent

    def decode(self, latent: Float[Tensor, "batch latent 4 4"]) -> Float[Tensor, "batch component y x"]:
        maps: Tensor = self.decoder(latent)
        return maps

    def forward(self, galaxies: Sequence[Galaxy]) -> Float[Tensor, "batch component y x"]:
        return self.decode(self.encode(self.maps(galaxies)))

    def redshift(self, latent: Float[Tensor, "batch latent 4 4"]) -> Float[Tensor, " batch"]:
        """Redshift in standard deviations from the training set's mean."""
        predicted: Tensor = self.head(latent)
        return predicted[:, 0]

    def flux(self, maps: Float[Tensor, "component y x"]) -> Float[Tensor, "y x wave"]:
        """One galaxy's maps as flux."""
        return (maps.permute(1, 2, 0) * self.variances.sqrt()) @ self.components + self.mean

    def errors(
        self, maps: Float[Tensor, "batch component y x"], galaxies: Sequence[Galaxy]
    ) -> Float[Tensor, " batch"]:
        """The reconstruction loss of each galaxy's flux, in units of the mean |flux| (its square for MSE)."""
        losses = []
        for one, galaxy in zip(maps, galaxies, strict=True):
            weights = self.weights * galaxy.good
            total: Tensor = _FluxError.apply(  # type: ignore[no-untyped-call]
                one.permute(1, 2, 0).flatten(0, 1),
                self.components * self.variances.sqrt()[:, None] * galaxy.covered,
                self.mean * galaxy.covered,
                galaxy.flux.flatten(0, 1),
                weights.flatten(),
                self.kind == "mse",
            )
            losses.append(total / voxels(weights, galaxy.covered))
        return torch.stack(losses) / (self.scale if self.kind == "mae" else self.scale**2)


class _FluxError(torch.autograd.Function):
    """Weighted sum of |codes @ basis + mean - flux| (or its square) over a galaxy's spaxels.

    The residual is as large as the cube, its gradient with respect to the codes is not: both are made in one
    walk over a few spaxels at a time that stay in the cache, six times as fast as letting autograd keep them.
    """

    CHUNK = 64

    @staticmethod
    def forward(
        ctx: Any, codes: Tensor, basis: Tensor, mean: Tensor, flux: Tensor, weights: Tensor, squared: bool
    ) -> Tensor:
        total = codes.new_zeros(())
        gradient = torch.empty_like(codes)
        for start in range(0, len(codes), _FluxError.CHUNK):
            some = slice(start, start + _FluxError.CHUNK)
            residual = torch.addmm(mean, codes[some], basis).sub_(flux[some])
            size = residual.square() if squared else residual.abs()
            total += (size.sum(-1) * weights[some]).sum()
            slope = residual.mul_(2) if squared else residual.sign_()
            gradient[some] = (slope @ basis.T) * weights[some, None]
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Any:
        (gradient,) = ctx.saved_tensors
        return gradient * above, None, None, None, None, None
