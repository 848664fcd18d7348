"""Galaxies out of the samples, as tensors: stars hidden, coverage found, kept while there is room."""
# ruff: noqa: F722

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cubesift.data.cube import FORESTAR
from cubesift.data.samples import Samples
from cubesift.errors import CubesiftError

MEMORY = 2e9  # bytes of flux kept between epochs


@dataclass(frozen=True)
class Galaxy:
    """One galaxy as a model sees it."""

    plateifu: str
    flux: Float[Tensor, "y x wave"]  # 0 in hidden patches and in channels that are not covered
    good: Bool[Tensor, "y x"]  # counts in the loss: not a hidden star
    observed: Bool[Tensor, "y x"]  # has a channel to judge by: corners outside the hexagon have none
    covered: Bool[Tensor, " wave"]  # the channels this galaxy has in any spaxel
    redshift: float  # nan = not known

    def to(self, device: str) -> Galaxy:
        """The same, on another device."""
        if device == "cpu":
            return self
        moved = {name: getattr(self, name).to(device) for name in ("flux", "good", "observed", "covered")}
        return Galaxy(plateifu=self.plateifu, redshift=self.redshift, **moved)


class Feed:
    """Reads galaxies and keeps the first `memory` bytes of them; the others are read each time."""

    def __init__(self, samples: Samples, star_mask: bool, memory: float = MEMORY):
        self.samples = samples
        self.star_mask = star_mask
        self.sky_filled = bool(samples.recipe.get("fill_sky"))
        self.room = memory
        self.side = len(samples.arrays(samples.names[0], "bits")["bits"])
        self._kept: dict[str, Galaxy] = {}

    def galaxy(self, plateifu: str) -> Galaxy:
        """One galaxy, from memory or from disk: the same bits either way."""
        if plateifu in self._kept:
            return self._kept[plateifu]
        arrays = self.samples.arrays(plateifu, "flux", "ivar", "bits")
        redshift = self.samples.record(plateifu).redshift
        if arrays["flux"].shape[:2] != (self.side, self.side):
            raise CubesiftError(
                f"{plateifu}: {arrays['flux'].shape[0]} spaxels a side, but {self.samples.names[0]} has "
                f"{self.side}. A network takes one size: use a recipe that resizes."
            )
        galaxy = as_galaxy(
            plateifu, **arrays, redshift=redshift, star_mask=self.star_mask, sky_filled=self.sky_filled
        )
        if galaxy.flux.nbytes <= self.room:
            self.room -= galaxy.flux.nbytes
            self._kept[plateifu] = galaxy
        return galaxy

    def batches(self, names: Sequence[str], size: int, device: str = "cpu") -> Iterator[list[Galaxy]]:
        """The named galaxies in batches, in the order given; the next one is read while this one is used."""
        groups = [names[start : start + size] for start in range(0, len(names), size)]
        with ThreadPoolExecutor(1) as reader:
            waiting = None
            for group in [*groups, []]:
                following = reader.submit(self._read, group)
                if waiting is not None:
                    yield [galaxy.to(device) for galaxy in waiting.result()]
                waiting = following

    def _read(self, names: Sequence[str]) -> list[Galaxy]:
        return [self.galaxy(name) for name in names]


def as_galaxy(
    plateifu: str,
    flux: np.ndarray,
    ivar: np.ndarray,
    bits: np.ndarray,
    redshift: float | None,
    star_mask: bool,
    sky_filled: bool,
) -> Galaxy:
    """A sample's arrays, (y, x, wave), as a model sees them.

    A channel without ivar in any spaxel is not covered: another instrument, or another redshift at rest.
    Where the recipe filled the sky line in, those channels have flux but no ivar, and are learned too.
    """
    judged = ivar > 0
    star = ((bits & FORESTAR) != 0).any(axis=-1) if star_mask else np.zeros(flux.shape[:2], bool)
    covered = judged.any(axis=(0, 1))
    if sky_filled:
        covered |= (flux != 0).any(axis=(0, 1))
    if star.any() or not covered.all():
        flux = flux * covered
        flux[star] = 0
    return Galaxy(
        plateifu=plateifu,
        flux=torch.from_numpy(flux),
        good=torch.from_numpy(~star),
        observed=torch.from_numpy(judged.any(axis=-1)),
        covered=torch.from_numpy(covered),
        redshift=float("nan") if redshift is None else redshift,
    )
