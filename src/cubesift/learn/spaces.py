"""What a network is given of a galaxy, and how far its answer is from it: flux, or codes of spectra."""
# ruff: noqa: F722

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cubesift.errors import CubesiftError
from cubesift.learn.feed import Galaxy
from cubesift.learn.fluxerror import Target, flux_error
from cubesift.learn.loss import LOSS_MAPS, Kind, voxels, weighted_error
from cubesift.learn.pca import Moments, gap_filling, principal_components
from cubesift.learn.products import Factors
from cubesift.learn.settings import Training

BOOST = 5.0  # weight of the first two components, mean and slope, in the loss on components; ours


class FluxSpace(nn.Module):
    """Maps are flux in units of the training set's mean |flux|, one per wavelength."""

    scale: Tensor
    mean: Tensor
    weights: Tensor

    def __init__(self, settings: Training, wave: int, side: int):
        super().__init__()
        if settings.loss == "components":
            raise CubesiftError(
                f'model {settings.name}: loss = "components" compares codes of spectra, but system '
                f'{settings.system} works on flux. Use "mae" or "mse", or system = "pca2d".'
            )
        self.kind: Kind = settings.loss
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("mean", torch.zeros(wave))
        self.register_buffer("weights", LOSS_MAPS[settings.loss_map](side), persistent=False)

    def measure(self, moments: Moments) -> None:
        """Take the scale and the mean spectrum from the training set."""
        self.scale.fill_(moments.scale)
        self.mean.copy_(torch.from_numpy(moments.mean))

    def maps(self, galaxies: Sequence[Galaxy]) -> Float[Tensor, "batch wave y x"]:
        """What the network sees; missing channels hold the mean spectrum, as bright as the spaxel."""
        maps = self.mean.new_empty(len(galaxies), *galaxies[0].flux.shape)
        for one, galaxy in zip(maps, galaxies, strict=True):
            torch.div(filled(galaxy, self.mean), self.scale, out=one)
        return maps.permute(0, 3, 1, 2)  # (y, x, wave) in memory is channels-last: no copy

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

    def errors_of(self, factors: Factors, galaxies: Sequence[Galaxy]) -> Float[Tensor, " batch"]:
        """The same, of maps that need not be multiplied out."""
        return flux_errors(factors, galaxies, self.weights, float(self.scale), self.kind)


class ComponentSpace(nn.Module):
    """Maps are codes of the spectra in units of their standard deviation; all 0 is the mean spectrum.

    A code is `analysis @ (flux - mean)`, a spectrum `code @ synthesis + mean`: principal components, where
    both are the same, or the two layers of a shallow autoencoder.
    """

    scale: Tensor
    given: Tensor
    mean: Tensor
    analysis: Tensor
    synthesis: Tensor
    variances: Tensor
    rest: Tensor
    weights: Tensor

    def __init__(self, settings: Training, wave: int, side: int):
        super().__init__()
        self.kind = settings.loss
        codes = settings.components
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("given", torch.zeros(wave))  # the mean of the spectra that come in ...
        self.register_buffer("mean", torch.zeros(wave))  # ... and what a code of 0 gives
        self.register_buffer("analysis", torch.zeros(codes, wave))
        self.register_buffer("synthesis", torch.zeros(codes, wave))
        self.register_buffer("variances", torch.ones(codes))
        self.register_buffer("rest", torch.ones(()))
        self.register_buffer("weights", LOSS_MAPS[settings.loss_map](side), persistent=False)

    def measure(self, moments: Moments) -> None:
        """Take the scale and the principal components from the training set."""
        found = principal_components(moments, len(self.variances))
        self._fill(moments, found.mean, found.components, found.components, found.variances, found.rest)

    def take(self, moments: Moments, encoder: nn.Conv2d, decoder: nn.Conv2d, scale: float) -> None:
        """Take the two layers of a trained autoencoder of spectra: 1 x 1 convolutions on flux / scale.

        Its own codes may be any mixture; they are turned to the principal axes of the spectra it rebuilds,
        which changes nothing of what it can say.
        """
        (analysis, offset), (synthesis, left) = _matrix(encoder), _matrix(decoder)
        analysis, synthesis = analysis / scale, synthesis.T * scale
        mean = (analysis @ moments.mean + offset) @ synthesis + scale * left
        power, directions = np.linalg.eigh(analysis @ moments.covariance() @ analysis.T)
        root = directions * np.sqrt(np.maximum(power, 0))  # of the codes' covariance, root rootᵀ
        _, spread, axes = np.linalg.svd(root.T @ synthesis, full_matrices=False)
        analysis = axes @ synthesis.T @ analysis
        self._fill(moments, mean, analysis, axes, np.maximum(spread, 1e-5 * spread[0]) ** 2, 0.0)

    def _fill(
        self,
        moments: Moments,
        mean: np.ndarray,
        analysis: np.ndarray,
        synthesis: np.ndarray,
        variances: np.ndarray,
        rest: float,
    ) -> None:
        self.scale.fill_(moments.scale)
        self.rest.fill_(rest)
        self.given.copy_(torch.from_numpy(moments.mean))
        for buffer, values in (
            (self.mean, mean),
            (self.analysis, analysis),
            (self.synthesis, synthesis),
            (self.variances, variances),
        ):
            buffer.copy_(torch.from_numpy(np.ascontiguousarray(values)))

    @property
    def share(self) -> Float[Tensor, " component"]:
        """Of the light that a code moves by, relative to the first."""
        light = (self.variances * self.synthesis.square().sum(dim=1)).sqrt()
        return light / light[0].clamp(min=1e-20)

    def maps(self, galaxies: Sequence[Galaxy]) -> Float[Tensor, "batch component y x"]:
        """What the network sees; missing channels are filled from the covered ones."""
        return torch.stack([self.codes(galaxy) for galaxy in galaxies]).permute(0, 3, 1, 2)

    def codes(self, galaxy: Galaxy) -> Float[Tensor, "y x component"]:
        """One galaxy's spectra as codes."""
        if galaxy.covered.all():
            codes = galaxy.flux @ self.analysis.T - self.analysis @ self.given
        elif self.rest > 0:  # principal components fill in what the others say, see `gap_filling`
            seen = self.analysis * galaxy.covered
            of_all = gap_filling(
                self.analysis.double().cpu().numpy(),
                self.variances.double().cpu().numpy(),
                float(self.rest),
                galaxy.covered.cpu().numpy(),
            )
            codes = galaxy.flux @ seen.T - seen @ self.given
            codes = codes @ torch.from_numpy(of_all.T).to(codes)
        else:
            codes = filled(galaxy, self.given) @ self.analysis.T - self.analysis @ self.given
        return codes / self.variances.sqrt()

    def flux(self, maps: Float[Tensor, "component y x"]) -> Float[Tensor, "y x wave"]:
        """One galaxy's maps as flux."""
        return (maps.permute(1, 2, 0) * self.variances.sqrt()) @ self.synthesis + self.mean

    def errors(
        self, maps: Float[Tensor, "batch component y x"], galaxies: Sequence[Galaxy]
    ) -> Float[Tensor, " batch"]:
        """The reconstruction loss of each galaxy's flux, in units of the mean |flux| (its square for MSE).

        With loss = "components" that of its codes: squares in units of their variance, the first two boosted.
        """
        if self.kind == "components":
            pairs = zip(maps, galaxies, strict=True)
            return torch.stack([self._component_error(one, galaxy) for one, galaxy in pairs])
        basis = self.synthesis * (self.variances.sqrt() / self.scale)[:, None]
        factors = Factors(maps.movedim(1, -1), basis, self.mean / self.scale)
        return flux_errors(factors, galaxies, self.weights, float(self.scale), self.kind)

    def _component_error(self, maps: Float[Tensor, "component y x"], galaxy: Galaxy) -> Float[Tensor, ""]:
        boost = torch.ones_like(self.variances)
        boost[:2] = BOOST
        missed = (maps.permute(1, 2, 0) - self.codes(galaxy)).square() @ (boost / boost.sum())
        weights = self.weights * galaxy.good
        return (missed * weights).sum() / weights.sum().clamp(min=1e-6)


def flux_errors(
    factors: Factors, galaxies: Sequence[Galaxy], weights: Float[Tensor, "y x"], scale: float, kind: Kind
) -> Float[Tensor, " batch"]:
    """`weighted_error` of each galaxy, from the factors of its flux / scale."""
    of_each = [weights * galaxy.good for galaxy in galaxies]
    means = [
        weight / voxels(weight, galaxy.covered) for weight, galaxy in zip(of_each, galaxies, strict=True)
    ]
    target = Target(
        flux=[galaxy.flux for galaxy in galaxies],
        scale=scale,
        weights=torch.stack(means),
        covered=[galaxy.covered for galaxy in galaxies],
        squared=kind == "mse",
    )
    return flux_error(factors, target)


def filled(galaxy: Galaxy, mean: Float[Tensor, " wave"]) -> Float[Tensor, "y x wave"]:
    """A galaxy's flux; channels it does not cover hold the mean spectrum, as bright as the spaxel."""
    if galaxy.covered.all():
        return galaxy.flux
    seen = mean * galaxy.covered
    brightness = (galaxy.flux @ seen) / (seen @ seen).clamp(min=1e-20)
    return galaxy.flux + brightness[..., None] * (mean - seen)


def _matrix(layer: nn.Conv2d) -> tuple[np.ndarray, np.ndarray]:
    """Weight, (out, in), and bias, (out,), of a 1 x 1 convolution, float64."""
    assert layer.bias is not None
    weight = layer.weight.detach()[:, :, 0, 0].double().cpu().numpy()
    return weight, layer.bias.detach().double().cpu().numpy()
