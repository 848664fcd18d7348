"""Who is learned from, and who is only watched."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from cubesift.data.samples import Samples
from cubesift.errors import CubesiftError
from cubesift.learn.settings import Training


@dataclass(frozen=True)
class Fold:
    """One training of a model: its name, and plateifu of the galaxies."""

    name: str  # "split", "fold-0", "fold-1", ..., or "all"
    train: list[str]
    validation: list[str]


def folds(samples: Samples, settings: Training) -> list[Fold]:
    """The trainings that the settings ask for, in order: on a part (of a cross-fit on each), then on all.

    Where nothing is left to watch, the part is all, and is trained once.

    Raises:
        CubesiftError: fewer than two galaxies to learn from.
    """
    if settings.split == "crossfit":
        parts = cross_fit(samples, settings.folds)
    else:
        parts = [Fold("split", *split_galaxies(samples, settings))]
    fewest = min((len(part.train) for part in parts), default=0)
    if fewest < 2:
        raise CubesiftError(
            f"{samples.store.path}: {fewest} of {len(samples)} galaxies to learn from. Prepare more, "
            "hold out fewer (validation, or more folds), or use a model that was trained before."
        )
    last = parts[-1]
    # The last part's first, so that its sums over spectra can go on: see `train_model`.
    whole = Fold("all", last.train + last.validation, [])
    if not settings.retrain_on_all:
        return parts
    return [*parts, whole] if last.validation else [whole]


def cross_fit(samples: Samples, count: int) -> list[Fold]:
    """Every galaxy is held out once, with its repeats, by the fold that its name says; see `fold_of`.

    A fold that would hold out nobody is left out: it would learn what `all` learns.
    """
    homes = {plateifu: fold_of(samples.record(plateifu).mangaid, count) for plateifu in samples.names}
    return [
        Fold(
            name,
            [plateifu for plateifu, home in homes.items() if home != name],
            [plateifu for plateifu, home in homes.items() if home == name],
        )
        for name in sorted(set(homes.values()))
    ]


def split_galaxies(samples: Samples, settings: Training) -> tuple[list[str], list[str]]:
    """plateifu to learn from and plateifu held out, each sorted.

    "first" is the paper's: the first 2,000 of a list in order of plate. "hash" goes by the galaxy's name, so
    that a galaxy stays held out as the survey grows and its repeats stay on its side.
    """
    if settings.split == "first":
        names = sorted(samples.names, key=_plate_and_ifu)
        return sorted(names[: settings.first]), sorted(names[settings.first :])
    train: list[str] = []
    validation: list[str] = []
    for plateifu in samples.names:
        held_out = place_of(samples.record(plateifu).mangaid) < settings.validation
        (validation if held_out else train).append(plateifu)
    return train, validation


def _plate_and_ifu(plateifu: str) -> tuple[bool, int, int, str]:
    """What orders the galaxies by plate, then bundle, as numbers; other names come after, as text."""
    numbers = re.fullmatch(r"(\d+)-(\d+)", plateifu)
    plate, ifu = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    return numbers is None, plate, ifu, plateifu


def fold_of(mangaid: str, count: int) -> str:
    """The one of `count` folds that holds a galaxy out: "fold-0", ..."""
    return f"fold-{int(place_of(mangaid) * count)}"


def place_of(mangaid: str) -> float:
    """A number in [0, 1) that stands for a galaxy, whatever else is in the survey."""
    return int.from_bytes(hashlib.sha256(mangaid.encode()).digest()[:6], "big") / 2**48
