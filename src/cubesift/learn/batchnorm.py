"""Batch norm in use after training: what its batches had in the middle, not on average."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class Statistics:
    """Mean and variance of every batch norm in each batch of an epoch, and their medians for use.

    torch's default, a running mean, is that of the brightest: galaxies differ in brightness by a factor of
    ten and more, so a few batches have most of the variance, and a model that divides by it shows all others
    too faint. A batch norm with momentum = 1 holds those of its last batch (`blocks.normalising`).
    """

    def __init__(self, model: nn.Module):
        self._layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
        self._seen: list[list[torch.Tensor]] = [[] for _ in self._layers]

    def add(self) -> None:
        """Count in the batch that the model has just seen."""
        for layer, seen in zip(self._layers, self._seen, strict=True):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            seen.append(torch.stack([layer.running_mean, layer.running_var]))

    def settle(self) -> None:
        """Give the model the medians over the batches, channel by channel."""
        for layer, seen in zip(self._layers, self._seen, strict=True):
            mean, variance = torch.stack(seen).quantile(0.5, dim=0)
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.copy_(mean)
            layer.running_var.copy_(variance)
