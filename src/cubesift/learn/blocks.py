"""The paper's building blocks: halve and find patterns on the way in, undo both on the way out."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from cubesift.errors import CubesiftError

BOTTLENECK = 4  # the embedding is a 4 x 4 map (paper, section 4.1)


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


def encoder(channels: int, widths: tuple[int, ...], latent: int) -> nn.Sequential:
    """(batch, channels, y, x) to (batch, latent, 4, 4).

    Blocks of convolution, batch norm, ELU and average pooling. The last convolution has batch norm but no
    ELU: every latent then has unit variance over the training set, so that a distance weighs them alike.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise((channels, *widths)):
        layers += [*_rectified(nn.Conv2d(before, after, 3, padding=1), after), nn.AvgPool2d(2)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], latent, 3, padding=1), nn.BatchNorm2d(latent))


def decoder(channels: int, widths: tuple[int, ...], latent: int) -> nn.Sequential:
    """(batch, latent, 4, 4) to (batch, channels, y, x), the encoder in reverse.

    A pooling is undone by a nearest-neighbour resize and a convolution, which leave no checkerboard (the
    paper's [6]); a convolution by a transposed one. The output itself is linear, and starts small: near
    the mean spectrum (PCA) or no light at all, where random light would first have to be unlearned.
    """
    layers = _rectified(nn.ConvTranspose2d(latent, widths[-1], 3, padding=1), widths[-1])
    outward = tuple(reversed((channels, *widths)))
    for before, after in pairwise(outward):
        layers += [nn.Upsample(scale_factor=2), *_rectified(nn.Conv2d(before, before, 3, padding=1), before)]
        last = nn.ConvTranspose2d(before, after, 3, padding=1)
        layers += _rectified(last, after)
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.mul_(0.1)
    return nn.Sequential(*layers[:-2])


def redshift_head(latent: int) -> nn.Sequential:
    """(batch, latent, 4, 4) to (batch, 1): two fully connected layers."""
    return nn.Sequential(nn.Flatten(), nn.Linear(latent * BOTTLENECK**2, 64), nn.ELU(), nn.Linear(64, 1))


def _rectified(layer: nn.Conv2d | nn.ConvTranspose2d, channels: int) -> list[nn.Module]:
    return [layer, nn.BatchNorm2d(channels), nn.ELU()]
