"""Which galaxies are observed again, how often, and with which bundle: the real survey's habits."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cubesift.errors import CubesiftError
from cubesift.simulate.settings import Simulation
from cubesift.simulate.spectra import table

SIZES = (19, 37, 61, 91, 127)


def real_rate() -> float:
    """Share of the real survey's cubes that are not the first of their mangaid: 267 of 10,896.

    158 mangaids have 425 cubes. 34 of these are fields of other programmes without a redshift, which were
    observed up to seven times; galaxies alone repeat at 1.4 %, half of them under a bundle of other size.
    """
    looks = table("galaxies")["looks"]
    times = np.arange(len(looks))
    return float(np.sum(np.maximum(times - 1, 0) * looks) / np.sum(times * looks))


def new_galaxies(settings: Simulation) -> int:
    """How many of the observations show a galaxy for the first time: they come first.

    Raises:
        CubesiftError: there would be none.
    """
    repeats = settings.repeats
    if repeats is None:
        repeats = round(real_rate() * settings.galaxies)
    if repeats >= settings.galaxies:
        raise CubesiftError(
            f"simulate: {repeats} repeats among {settings.galaxies} galaxies: at least one must be new. Ask "
            f"for {settings.galaxies - 1} repeats at most."
        )
    return settings.galaxies - repeats


def source_of(settings: Simulation, index: int) -> tuple[int, int]:
    """Number of the galaxy that observation `index` shows, and how often it was observed before."""
    new = new_galaxies(settings)
    if index < new:
        return index, 0
    again = _again(settings.seed, new, settings.galaxies - new)
    source = again[index - new]
    return source, 1 + again[: index - new].count(source)


@lru_cache(maxsize=4)
def _again(seed: int, new: int, repeats: int) -> tuple[int, ...]:
    """The galaxy of every repeat. As many looks at one as real repeated targets have, while there are."""
    # Zeros pad a seed to four numbers: the last tells this stream from those of galaxies and observations.
    rng = np.random.default_rng([seed, 0, 0, 6])
    looks = table("galaxies")["looks"][2:]
    again: list[int] = []
    while len(again) < repeats:
        for galaxy in rng.permutation(new):
            more = 1 + int(rng.choice(len(looks), p=looks / looks.sum()))
            again += [int(galaxy)] * more
            if len(again) >= repeats:
                break
    return tuple(int(galaxy) for galaxy in rng.permutation(again[:repeats]))


def bundle_again(rng: np.random.Generator, ifusize: int, ifus: tuple[int, ...]) -> int:
    """Fibres of the bundle of a later look, given the first's: three in ten differ, as in the survey.

    Args:
        rng: of the observation.
        ifusize: of the first look.
        ifus: bundle sizes allowed; () = all.
    """
    chances = table("galaxies")["look_bundles"][SIZES.index(ifusize)]
    chances = np.where(np.isin(SIZES, ifus or SIZES), chances, 0)
    return int(rng.choice(SIZES, p=chances / chances.sum())) if chances.any() else ifusize
