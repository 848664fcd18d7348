"""What is asked of a training: the paper's schedule by default. Where it runs is not part of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

# Filters of each block. A 3-D convolution keeps 8 maps of an eighth of the cube, so there are few; of the 2D
# CAE nearly all is in the first and the last layer, which go from and to all channels.
WIDTHS = {"cae2d": (64, 128, 64), "cae3d": (8, 16, 32), "cae1d2d": (8, 16, 32)}

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


@dataclass(frozen=True)
class Training:
    """One model and how it learns.

    Defaults are the paper's (section 4.1) where it speaks: Adam, 50 epochs, the rate halved every 10,
    batches of 50 for the 2D CAE and 10 otherwise, the first 2,000 cubes to learn from, then once more on
    all. Where it is silent (figure 3 is lost) they are ours: widths, latent channels, components, first
    rate, weight of the redshift.
    """

    name: Name | Literal[""] = ""  # the folder under models/; "" = as the system
    system: Literal[
        "cae2d", "cae3d", "cae1d2d", "pca2d", "ae2d", "ae", "cube-ae", "linear", "cube-pca", "codes"
    ] = "cae2d"
    samples: Name = "paper"  # the recipe whose samples are learned from
    components: Annotated[int, Field(ge=1)] = 48  # numbers of a spectrum (pca2d, ae2d, ae, linear, codes)
    compressor: Name = "ae"  # ae2d: the model of single spectra, trained before, that compresses
    widths: tuple[int, ...] | None = None  # filters of each block, one block per halving down to 4x4
    latent_channels: Annotated[int, Field(ge=1)] = 8  # the embedding is 4 x 4 of these
    activation: Literal["elu", "relu"] = "elu"
    pooling: Literal["average", "max"] = "average"
    unpooling: Literal["resize", "transposed"] = "resize"
    batch_norm: bool = True
    loss: Literal["mae", "mse", "components"] = "mae"  # "components": squares of the codes (pca2d, ae2d)
    loss_map: Literal["smooth", "report", "flat"] = "smooth"  # weight of a spaxel in the loss, see loss.py
    star_mask: bool = True  # hide foreground-star patches in the input and in the loss
    redshift_weight: Annotated[float, Field(ge=0)] = 0.1  # lambda; the head is off at 0
    epochs: Annotated[int, Field(ge=1)] = 50
    batch: Annotated[int, Field(ge=1)] | None = None  # galaxies per step; None = the paper's
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    halve_every: Annotated[int, Field(ge=1)] = 10  # epochs
    # first: in order of plate; hash: by galaxy, repeats together; crossfit: by galaxy, each held out once.
    split: Literal["first", "hash", "crossfit"] = "first"
    first: Annotated[int, Field(ge=1)] = 2000  # galaxies to learn from, when split = "first"
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.2  # fraction held out, when split = "hash"
    folds: Annotated[int, Field(ge=2)] = 5  # models of a cross-fit, when split = "crossfit"
    retrain_on_all: bool = True
    seed: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.system)

    @property
    def filters(self) -> tuple[int, ...]:
        """Of each block: as set, else ours for the system and 32 spaxels a side."""
        return self.widths or WIDTHS.get(self.system, (128, 128, 64))

    @property
    def chosen(self) -> dict[str, Any]:
        """Those that differ from the defaults: a setting added later leaves finished models finished."""
        return {name: value for name, value in asdict(self).items() if value != getattr(Training, name)}

    @property
    def on_components(self) -> bool:
        """Whether the network is given maps of compressed spectra."""
        return self.system in ("pca2d", "ae2d", "linear")

    @property
    def closed_form(self) -> bool:
        """Whether it is found without epochs: no network."""
        return self.system in ("linear", "cube-pca", "codes")

    @property
    def batch_size(self) -> int:
        """Galaxies per step."""
        return self.batch or (50 if self.system == "cae2d" else 10)

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        return float(self.learning_rate * 0.5 ** (epoch // self.halve_every))
