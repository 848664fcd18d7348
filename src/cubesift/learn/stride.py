"""How the systems that convolve over wavelengths shorten the spectrum, and make it fit."""
# ruff: noqa: F722

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

STRIDE = 8  # wavelengths that the first layer steps by
POOL = 4  # steps of wavelength that each pooling takes
DOWN = (2, 2, POOL)  # one pooling, over (y, x, wave)


class Steps:
    """Eight wavelengths make a step, a pixel of eight channels: in memory they already lie like that.

    Zeros after the last channel bring the spectrum to a length that all poolings divide; 4,096 needs none.
    """

    def __init__(self, wave: int, blocks: int):
        factor = STRIDE * POOL**blocks
        self.wave = wave
        self.left = -(-wave // factor)  # steps of wavelength that are left after the last pooling
        self.missing = self.left * factor - wave

    def of(self, maps: Float[Tensor, "batch wave y x"]) -> Float[Tensor, "batch 8 y x step"]:
        """The cube as steps."""
        cube = functional.pad(maps.permute(0, 2, 3, 1), (0, self.missing))
        return cube.reshape(*cube.shape[:-1], -1, STRIDE).movedim(-1, 1)

    def undone(self, steps: Float[Tensor, "batch 8 y x step"]) -> Float[Tensor, "batch wave y x"]:
        """The cube again."""
        return steps.movedim(1, -1).flatten(-2)[..., : self.wave].permute(0, 3, 1, 2)


def folded(maps: Float[Tensor, "batch filter y x step"]) -> Float[Tensor, "batch folded y x"]:
    """What is left of the wavelengths, as more channels of a map."""
    return maps.permute(0, 1, 4, 2, 3).flatten(1, 2)


def unfolded(maps: Float[Tensor, "batch folded y x"], left: int) -> Float[Tensor, "batch filter y x step"]:
    """The wavelengths again."""
    return maps.reshape(len(maps), -1, left, *maps.shape[2:]).permute(0, 1, 3, 4, 2)
