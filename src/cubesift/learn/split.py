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

    name: str  # "split" or "all"
    train: list[str]
    validation: list[str]


def folds(samples: Samples, settings: Training) -> list[Fold]:
    """The trainings that the settings ask for, in order: on a part, then on all.

    Where nothing is left to watch, the part is all, and is trained once.

    Raises:
        CubesiftError: fewer than two galaxies to learn from.
    """
    train, validation = split_galaxies(samples, settings)
    if len(train) < 2:
        raise CubesiftError(
            f"{samples.store.path}: {len(train)} of {len(samples)} galaxies to learn from. Prepare more, "
            "hold out fewer (validation), or use a model that was trained before."
        )
    whole = Fold("all", train + validation, [])
    part = Fold("split", train, validation)
    if not settings.retrain_on_all:
        return [part]
    return [part, whole] if validation else [whole]


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


def place_of(mangaid: str) -> float:
    """A number in [0, 1) that stands for a galaxy, whatever else is in the survey."""
    return int.from_bytes(hashlib.sha256(mangaid.encode()).digest()[:6], "big") / 2**48
