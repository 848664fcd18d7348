"""The linear baseline: principal components of whole galaxies, which a network has to beat."""
# ruff: noqa: F722

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cubesift.errors import CubesiftError
from cubesift.learn.blocks import BOTTLENECK
from cubesift.learn.settings import Training
from cubesift.learn.spaces import ComponentSpace, FluxSpace

PENALTIES = tuple(10.0**power for power in range(-3, 5))  # of the redshift's ridge regression
NOTHING = 1e-10  # of the first component's power: less is rounding
BLOCK = 1 << 16  # numbers of every galaxy multiplied at a time, in float64


class Linear(nn.Module):
    """A galaxy as the mean galaxy and 4 x 4 x latent numbers times as many principal components.

    "linear" works on the maps of a spectrum's components (spectral PCA x spatial PCA), "cube-pca" on the cube
    itself. What is found in closed form needs no epochs: a galaxy's numbers are in units of their spread over
    the training set, the redshift is a ridge regression on them.
    """

    components: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, settings: Training, wave: int, side: int):
        super().__init__()
        self.space: FluxSpace | ComponentSpace
        self.space = (ComponentSpace if settings.on_components else FluxSpace)(settings, wave, side)
        self.shape = (settings.components if settings.on_components else wave, side, side)
        numbers = settings.latent_channels * BOTTLENECK**2
        self.register_buffer("mean", torch.zeros(self.shape))
        self.register_buffer("components", torch.zeros(numbers, *self.shape))
        self.register_buffer("spread", torch.ones(numbers))
        self.redshift = LinearRedshift(numbers)

    def encode(self, maps: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch latent 4 4"]:
        away = (maps * self.light - self.mean).flatten(1)
        latent = away @ self.components.flatten(1).T / self.spread
        return latent.view(len(maps), -1, BOTTLENECK, BOTTLENECK)

    def decode(self, latent: Float[Tensor, "batch latent 4 4"]) -> Float[Tensor, "batch channel y x"]:
        away = (latent.flatten(1) * self.spread) @ self.components.flatten(1)
        maps: Tensor = (away.view(-1, *self.shape) + self.mean) / self.light
        return maps

    @property
    def light(self) -> Tensor:
        """(channel, 1, 1): what brings the maps to a common unit of light; noise must not count like it."""
        if isinstance(self.space, FluxSpace):
            return self.mean.new_ones(1, 1, 1)
        return self.space.share.clamp(min=1e-6)[:, None, None]

    @torch.no_grad()
    def fit(self, galaxies: Iterable[Tensor], redshifts: Tensor) -> None:
        """Learn from the maps of each galaxy, (channel, y, x), and its standardised redshift (nan = unknown).

        On components every galaxy counts in its eight rotations and reflections: no side of the sky is
        special, and there are few galaxies; cubes themselves are too large for that.
        """
        count = len(redshifts)
        if count < 2:
            raise CubesiftError(f"{count} galaxies: a linear model needs two or more to learn from")
        sides = 8 if isinstance(self.space, ComponentSpace) else 1
        # The galaxies are held once: as cubes they are most of the memory there is.
        rows = self.mean.new_empty(count, sides, *self.shape)
        for number, maps in enumerate(galaxies):
            seen = maps * self.light
            for side, turned in enumerate(around(seen) if sides > 1 else [seen]):
                rows[number, side] = turned
        self.mean.copy_(rows.mean(dim=(0, 1)))
        rows = rows.sub_(self.mean).view(count * sides, -1)
        # Fewer galaxies than numbers in a map: the products between galaxies hold all there is.
        products = rows.new_zeros(len(rows), len(rows), dtype=torch.float64)
        for part in torch.split(rows, BLOCK, dim=1):
            part = part.double()
            products += part @ part.T
        values, vectors = torch.linalg.eigh(products)
        found = min(len(self.spread), int((values > NOTHING * values[-1]).sum()))
        values, vectors = values.flip(0)[:found], vectors.flip(1)[:, :found]
        self.components.zero_()
        components = self.components.flatten(1)[:found]
        torch.mm((vectors / values.sqrt()).to(rows).T, rows, out=components)
        self.spread.fill_(1)
        self.spread[:found] = (values / len(rows)).sqrt()
        latent = rows.new_zeros(count, len(self.spread))
        latent[:, :found] = rows[::sides] @ components.T / self.spread[:found]
        self.redshift.fit(latent, redshifts)


def around(maps: Tensor) -> list[Tensor]:
    """The eight rotations and reflections of (channel, y, x)."""
    mirrored = maps.flip(-1)
    return [torch.rot90(one, turns, (-2, -1)) for one in (maps, mirrored) for turns in range(4)]


class LinearRedshift(nn.Module):
    """Redshift in standard deviations from the training set's mean, by ridge regression."""

    def __init__(self, numbers: int):
        super().__init__()
        self.layer = nn.Linear(numbers, 1)

    def forward(self, latent: Float[Tensor, "batch latent y x"]) -> Float[Tensor, " batch"]:
        predicted: Tensor = self.layer(latent.flatten(1))
        return predicted[:, 0]

    @torch.no_grad()
    def fit(self, latent: Float[Tensor, "galaxy number"], redshifts: Float[Tensor, " galaxy"]) -> None:
        """The penalty is the one with the least error on galaxies left out one by one (Golub+1979)."""
        known = torch.isfinite(redshifts)
        self.layer.weight.zero_()
        self.layer.bias.zero_()
        if known.sum() < 3:
            return
        x, y = latent[known].double(), redshifts[known].double()
        offset, middle = x.mean(dim=0), y.mean()
        u, s, vt = torch.linalg.svd(x - offset, full_matrices=False)
        least = torch.inf
        for penalty in PENALTIES:
            kept = s.square() / (s.square() + penalty)
            fitted = u @ (kept * (u.T @ (y - middle))) + middle
            leverage = (u.square() @ kept) + 1 / len(y)
            error = float(((y - fitted) / (1 - leverage).clamp(min=1e-6)).square().mean())
            if error < least:
                least = error
                weight = vt.T @ ((s / (s.square() + penalty)) * (u.T @ (y - middle)))
        self.layer.weight.copy_(weight[None])
        self.layer.bias.copy_((middle - weight @ offset)[None])
