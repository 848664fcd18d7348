"""What is asked of a detection: the paper's by default, where it says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

FEW = 8  # galaxies; with fewer nothing is trained, and every cube is judged by itself

Fraction = Annotated[float, Field(gt=0, lt=1)]
Method = Literal["neighbours", "lof", "forest", "mahalanobis", "reconstruction", "lopsided"]
MapMethod = Literal["pca", "isomap", "mds", "lle", "spectral", "tsne", "umap", "pacmap"]


@dataclass(frozen=True)
class Detection:
    """How strangeness is measured. Defaults are the paper's (section 4.3) where it says."""

    # The paper's two; also "lof", "forest" and "mahalanobis", which ask the embedding, and "lopsided", which
    # asks whether one side is rebuilt worse than the other: see methods.py.
    methods: Annotated[tuple[Method, ...], Field(min_length=1)] = ("neighbours", "reconstruction")
    neighbours: Annotated[int, Field(ge=1)] = 10  # k, of "lof" too; the paper does not say
    distance: Literal["plain", "robust"] = "plain"  # "robust" divides every latent by its spread first
    # The paper's mean |model - flux| follows brightness and noise. "chi2" asks how unusual a spaxel's chi2
    # is at its S/N, and takes a high quantile of that over the galaxy.
    reconstruction: Literal["error", "chi2"] = "error"
    quantile: Fraction = 0.9  # of the spaxels' excess, for "chi2"
    named_above: Annotated[float, Field(ge=0, le=100)] = 95.0  # percentile
    min_signal_to_noise: Annotated[float, Field(gt=0)] = 1.0  # per channel: fainter spaxels are not ranked
    spaxels_per_cube: Annotated[int, Field(ge=1)] | None = None  # rows kept a cube, strangest; None = all
    # A linear model of each cube's own spaxels, beside the networks: what it finds they have to beat.
    by_itself: bool = False
    own_quantile: Fraction = 0.95  # of the spaxels' scores within a cube, for the galaxy's
    # Maps of the embedding to look at, never to score in; "umap" and "pacmap" need the extra "maps".
    maps: tuple[MapMethod, ...] = ("pca", "isomap", "mds")
    maps_seed: Annotated[int, Field(ge=0)] = 0  # of "tsne", "umap" and "pacmap"
    # The rest is for cubes judged by themselves, with or without a network.
    components: Annotated[int, Field(ge=1)] = 8  # of the low-rank model
    trimmed: Fraction = 0.05  # of the spaxels, left out of its second fit
    min_good: Fraction = 0.5  # of the channels: spaxels with fewer are not ranked
