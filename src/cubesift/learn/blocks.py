"""The paper's building blocks: halve and find patterns on the way in, undo both on the way out."""
# ruff: noqa: F722

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from cubesift.errors import CubesiftError
from cubesift.learn.products import FromMany, ToMany
from cubesift.learn.rectify import Rectified
from cubesift.learn.resize import Resized
from cubesift.learn.settings import Training

BOTTLENECK = 4  # the embedding is a 4 x 4 map (paper, section 4.1)
MANY = 512  # channels, from which a convolution is faster as a plain product of matrices

AnyLayer = TypeVar("AnyLayer", bound=nn.Module)
Convolution = nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d


def check_widths(widths: tuple[int, ...], side: int) -> None:
    """One block halves the side, and the last one must arrive at 4.

    Raises:
        CubesiftError: the number of widths does not fit the side of the samples.
    """
    if side != BOTTLENECK * 2 ** len(widths):
        raise CubesiftError(
            f"widths {widths} bring {BOTTLENECK * 2 ** len(widths)} spaxels a side down to {BOTTLENECK}, "
            f"but the samples have {side}. Set one width per halving (32 takes three, 16 takes two)."
        )


def dimensions(layer: Convolution) -> int:
    """2 over (y, x), 3 over (y, x, wave)."""
    return layer.weight.dim() - 2


def rectified(layer: Convolution, settings: Training, pool: tuple[int, ...] = ()) -> list[nn.Module]:
    """A convolution, batch norm (where it is on), the activation, and a pooling of `pool` neighbours."""
    norm = normalising(layer) if settings.batch_norm else None
    if settings.pooling == "average" or not pool:
        return [layer, Rectified(norm, settings.activation, pool)]
    largest = nn.MaxPool2d(pool) if dimensions(layer) == 2 else nn.MaxPool3d(pool)
    return [layer, Rectified(norm, settings.activation), largest]


def normalising(layer: Convolution) -> _BatchNorm:
    """Batch norm of what a convolution gives; in use it has the median of its batches, see `batchnorm`."""
    return (nn.BatchNorm2d if dimensions(layer) == 2 else nn.BatchNorm3d)(layer.out_channels, momentum=1.0)


def unpooled(settings: Training, layer: nn.Conv2d | nn.Conv3d, factor: tuple[int, ...]) -> list[nn.Module]:
    """A pooling undone: a nearest-neighbour resize and a convolution, which leave no checkerboard.

    With unpooling = "transposed" by a strided transposed convolution, which the paper rejects: where its
    kernel overlaps itself unevenly there is a checkerboard (its [6], Odena+2016).
    """
    if settings.unpooling == "resize":
        _, rest = rectified(layer, settings)
        if isinstance(layer, nn.Conv3d):
            return [Resized(layer, factor), rest]
        return [nn.Upsample(scale_factor=factor), layer, rest]
    transposed: Any = nn.ConvTranspose2d if dimensions(layer) == 2 else nn.ConvTranspose3d
    kernel = tuple(step + 1 if step > 1 else 1 for step in factor)
    edges = tuple(int(step > 1) for step in factor)
    strided = transposed(
        layer.in_channels, layer.out_channels, kernel, stride=factor, padding=edges, output_padding=edges
    )
    return rectified(strided, settings)


def encoder(settings: Training, channels: int) -> nn.Sequential:
    """(batch, channels, y, x) to (batch, latent, 4, 4).

    Blocks of convolution, batch norm, ELU and average pooling. The last convolution has batch norm but no
    ELU: every latent then has unit variance over the training set, so that a distance weighs them alike.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise((channels, *settings.filters)):
        conv = nn.Conv2d(before, after, 3, padding=1)
        _, *rest = rectified(conv, settings, (2, 2))
        layers += [FromMany(conv) if before > MANY else conv, *rest]
    return nn.Sequential(*layers, *to_latent(settings, settings.filters[-1]))


def to_latent(settings: Training, channels: int) -> list[nn.Module]:
    """The last layer of an encoder, on maps of 4 x 4."""
    layer = nn.Conv2d(channels, settings.latent_channels, 3, padding=1)
    return [layer, normalising(layer)] if settings.batch_norm else [layer]


def from_latent(settings: Training, channels: int) -> list[nn.Module]:
    """The first layer of a decoder."""
    return rectified(nn.ConvTranspose2d(settings.latent_channels, channels, 3, padding=1), settings)


def decoder(settings: Training, channels: int) -> nn.Sequential:
    """(batch, latent, 4, 4) to (batch, channels, y, x), the encoder in reverse.

    A convolution is undone by a transposed one. The output itself is linear, and starts small: near the mean
    spectrum (components) or no light at all, where random light would first have to be unlearned.
    """
    layers = from_latent(settings, settings.filters[-1])
    *outward, last = pairwise(reversed((channels, *settings.filters)))
    for before, after in outward:
        layers += unpooled(settings, nn.Conv2d(before, before, 3, padding=1), (2, 2))
        layers += rectified(nn.ConvTranspose2d(before, after, 3, padding=1), settings)
    layers += unpooled(settings, nn.Conv2d(last[0], last[0], 3, padding=1), (2, 2))
    back = started_small(nn.ConvTranspose2d(*last, 3, padding=1))
    return nn.Sequential(*layers, ToMany(back) if channels > MANY else back)


def started_small(layer: AnyLayer) -> AnyLayer:
    """The layer, its random weights a tenth of what they were."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(0.1)
    return layer


def embedding(latent: Float[Tensor, "batch latent y x"]) -> Float[Tensor, "batch latent 4 4"]:
    """The 4 x 4 map that stands for a galaxy: the latent itself, or its means where it has every spaxel."""
    return functional.adaptive_avg_pool2d(latent, BOTTLENECK)


class RedshiftHead(nn.Module):
    """Redshift in standard deviations from the training set's mean, by two fully connected layers."""

    def __init__(self, latent: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(latent * BOTTLENECK**2, 64), nn.ELU(), nn.Linear(64, 1)
        )

    def forward(self, latent: Float[Tensor, "batch latent y x"]) -> Float[Tensor, " batch"]:
        predicted: Tensor = self.layers(embedding(latent))
        return predicted[:, 0]
