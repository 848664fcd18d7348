"""How the systems that convolve over wavelengths shorten the spectrum, and make it fit."""
# ruff: noqa: F722

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

STRIDE = 4  # wavelengths that the first layer steps by
POOL = 4  # wavelengths that each pooling takes


class WavePadding:
    """Zeros after the last channel, up to a length that all steps divide; 4,096 needs none."""

    def __init__(self, wave: int, blocks: int):
        factor = STRIDE * POOL**blocks
        self.wave = wave
        self.left = -(-wave // factor)  # steps of wavelength that are left after the last pooling
        self.length = self.left * factor

    def added(self, maps: Float[Tensor, "batch wave y x"]) -> Float[Tensor, "batch padded y x"]:
        """With zeros at the end."""
        if self.length == self.wave:
            return maps
        return functional.pad(maps, (0, 0, 0, 0, 0, self.length - self.wave))

    def taken(self, maps: Float[Tensor, "batch padded y x"]) -> Float[Tensor, "batch wave y x"]:
        """Without them."""
        return maps[:, : self.wave]
