"""What a model is asked to make small, and the maps that say where it matters."""
# ruff: noqa: F722

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Kind = Literal["mae", "mse"]


def smooth_map(side: int) -> Float[Tensor, "y x"]:
    """Weight of a spaxel in the loss: the centre up, the boundary down, mean 1.

    The paper says no more than that; ours is 0.2 + 1.8 exp(-r^2 / 2 (side / 4)^2), so that a spaxel in the
    centre weighs as much as nine in a corner.
    """
    r = torch.arange(side) - (side - 1) / 2
    weights = 0.2 + 1.8 * torch.exp(-(r[:, None] ** 2 + r**2) / (2 * (side / 4) ** 2))
    return weights / weights.mean()


def report_map(side: int) -> Float[Tensor, "y x"]:
    """Weights of the paper's table 1: 1, and 1/5 within 2 spaxels of the edge."""
    weights = torch.full((side, side), 0.2)
    weights[2:-2, 2:-2] = 1
    return weights


def flat_map(side: int) -> Float[Tensor, "y x"]:
    """Every spaxel alike."""
    return torch.ones(side, side)


LOSS_MAPS = {"smooth": smooth_map, "report": report_map, "flat": flat_map}


def weighted_error(
    model: Float[Tensor, "y x wave"],
    flux: Float[Tensor, "y x wave"],
    weights: Float[Tensor, "y x"],
    covered: Bool[Tensor, " wave"],
    kind: Kind = "mae",
) -> Float[Tensor, ""]:
    """Weighted mean of |model - flux|, or of its square, over the covered channels; weight 0 leaves out."""
    residual = model - flux
    size = residual.abs() if kind == "mae" else residual.square()
    return ((size @ covered.to(size.dtype)) * weights).sum() / voxels(weights, covered)


def voxels(weights: Tensor, covered: Tensor) -> Float[Tensor, ""]:
    """What a weighted sum over a galaxy is divided by to be a mean."""
    return (weights.sum() * covered.sum()).clamp(min=1e-6)


def redshift_error(
    predicted: Float[Tensor, " batch"], redshift: Float[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """Mean squared error over the galaxies whose redshift is known; 0 where there is none."""
    known = torch.isfinite(redshift)
    if not known.any():
        return predicted.new_zeros(())
    return (predicted[known] - redshift[known]).square().mean()


def reduced_chi2(
    model: Float[Tensor, "*spaxels wave"],
    flux: Float[Tensor, "*spaxels wave"],
    ivar: Float[Tensor, "*spaxels wave"],
) -> Float[Tensor, "*spaxels"]:
    """mean((model - flux)^2 ivar) over the channels with ivar: 1 when only noise is left; nan without any."""
    return ((model - flux).square() * ivar).sum(-1) / (ivar > 0).sum(-1)
