"""The paper's table 1, and beside each of its numbers the one that puts it in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cubesift.data.aligned import aligned
from cubesift.data.store import Columns
from cubesift.judge.lineflux import LINES
from cubesift.judge.rebuilt import (
    BRIGHT,
    FAR,
    STRONG,
    Contender,
    Known,
    Measures,
    measure_all,
    redshift_measures,
)

FELL = 0.005  # of the validation loss over the last epochs: more than that is called under-trained
LAST = 5  # epochs, all at one rate
MEASURES = ("recon MAE", "error", "z MSE", "z NMAD", "z out")
DIGITS = (0, 3, 5, 4, 2)
OF_LINE = ("median", "10th", "spaxels")
_OF_LINES = [f"{line} {what}" for line in LINES for what in OF_LINE]


@dataclass(frozen=True)
class Trial:
    """Who is asked about which galaxies, and who is not."""

    recipe: str
    contenders: Sequence[Contender]
    galaxies: Callable[[], Iterator[Known]]
    asked: int  # how many galaxies
    trained: int  # galaxies learned from
    wave: np.ndarray  # (wave,) angstrom, of the samples
    mean_redshift: float  # of the galaxies learned from
    saw_all: Mapping[str, dict[str, str]] = field(default_factory=dict)  # retrained on all: its training
    left_out: Mapping[str, str] = field(default_factory=dict)  # model -> why


def judge_models(trial: Trial, progress: Callable[[int, int, str], None]) -> Table1:
    """Measure all contenders on all galaxies; `progress` gets how many of how many ended, and the last."""
    ended = 0

    def tick(name: str) -> None:
        nonlocal ended
        ended += 1
        progress(ended, trial.asked, name)

    measured, floor = measure_all(trial.galaxies(), trial.contenders, trial.wave, tick)
    catalogue = np.array([true for _, true in measured[trial.contenders[0].name].redshifts])
    constant = redshift_measures(np.full(len(catalogue), trial.mean_redshift), catalogue)
    return Table1(trial, measured, floor, constant)


@dataclass(frozen=True)
class Table1:
    """What is printed: contenders, their measures, and what nobody can beat or should fall below."""

    trial: Trial
    measured: dict[str, Measures]
    floor: Sequence[float]  # summed |noise-free truth - input| of each galaxy whose truth is known
    constant: tuple[float, float, float]  # redshift by the mean of the training set

    def columns(self) -> Columns:
        """A row for every contender, the truth and the mean redshift: what `text` says of them, unrounded."""
        blank = dict.fromkeys((*MEASURES, *_OF_LINES), np.nan)
        rows = [
            {"model": "noise-free truth", "control": True, **blank, "recon MAE": self._floor},
            {"model": "mean redshift", "control": True, **blank, **_by_name(self.constant)},
        ]
        rows += [
            {"model": one.name, "control": one.control, **self._values(one)} for one in self.trial.contenders
        ]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def text(self) -> str:
        """Blocks of aligned text: what was measured, how it was trained, who was not asked."""
        networks = [one for one in self.trial.contenders if not one.control]
        controls = [one for one in self.trial.contenders if one.control]
        blank = [""] * (len(MEASURES) + 3 * len(LINES))
        known = ["", "", *map(_number, self.constant, DIGITS[2:]), *blank[len(MEASURES) :]]
        floor = [_number(self._floor, 0), *blank[1:]]
        header = [[""] + [""] * len(MEASURES), ["", *MEASURES]]
        for line in LINES:
            header[0] += [line, "", ""]
            header[1] += OF_LINE
        rows = [*header, *([["networks", *blank]] if networks else [])]
        rows += [self._row(one) for one in networks]
        rows += [["controls", *blank], ["  mean redshift", *known]]
        rows += [self._row(one) for one in controls]
        rows += [["floor", *blank], ["  noise-free truth", *floor]]
        lines = [*self._about(), "", *aligned(rows, right=True)]
        trained = {one.name: one.about for one in [*networks, *controls] if one.about}
        lines += _trainings("how they were trained", trained)
        lines += _trainings(
            "trained once more on all, so that nobody is left to ask about", self.trial.saw_all
        )
        if self.trial.left_out:
            lines += ["", "not in the table"]
            for why in dict.fromkeys(self.trial.left_out.values()):
                names = [name for name, said in self.trial.left_out.items() if said == why]
                lines.append(f"  {', '.join(names)}: {why}")
        return "\n".join(lines)

    def _about(self) -> list[str]:
        one = self.measured[self.trial.contenders[0].name]
        lines = [
            f"Samples {self.trial.recipe}: {len(one.mae)} galaxies that were held out, "
            f"{self.trial.trained} learned from.",
            "recon MAE: |model - input| summed over a cube, the boundary of 2 spaxels over 5, no stars.",
            f"z: against the catalogue's. z out: |dz| / (1 + z) > {FAR}.",
        ]
        if self.floor:
            counted = ", ".join(
                f"{line} of {len(one.lines.get(line, ())):,} galaxies and {one.bright(line):,} spaxels"
                for line in LINES
            )
            lines += [
                "error: mean((model - noise-free truth)^2 ivar_true) over good voxels, median over galaxies.",
                "Ha, [O III]: flux over the true one: median and 10th percentile over galaxies, and over "
                "spaxels",
                f"half the range from 16 to 84 %. Where the true S/N is above {STRONG:g} in the galaxy, "
                f"{BRIGHT:g} in the spaxel:",
                f"{counted}.",
            ]
        else:
            lines.append("Nobody knows the truth of these galaxies: the error and the lines are not asked.")
        if any("folds" in one.about for one in self.trial.contenders):
            lines.append("folds: of a cross-fit, each galaxy is rebuilt by the fold that held it out.")
        return lines

    @property
    def _floor(self) -> float:
        return float(np.mean(self.floor or [np.nan]))

    def _row(self, contender: Contender) -> list[str]:
        values = self._values(contender)
        digits = (*DIGITS, *[2] * len(_OF_LINES))
        cells = [_number(value, places) for value, places in zip(values.values(), digits, strict=True)]
        return [f"  {contender.name}", *cells]

    def _values(self, contender: Contender) -> dict[str, float]:
        measures = self.measured[contender.name]
        values = {
            "recon MAE": float(np.mean(measures.mae)),
            "error": float(np.median(measures.error or [np.nan])),
        }
        values |= _by_name(measures.redshift())
        for line in LINES:
            ratios = measures.lines.get(line) or [np.nan]
            of_line = (np.median(ratios), np.percentile(ratios, 10), measures.scatter(line))
            values |= {f"{line} {what}": float(one) for what, one in zip(OF_LINE, of_line, strict=True)}
        return values


def _by_name(redshift: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(MEASURES[2:], redshift, strict=True))


def _number(value: float, digits: int) -> str:
    """No "-0.00" either."""
    return f"{value:z.{digits}f}" if np.isfinite(value) else "-"


def _trainings(title: str, trained: Mapping[str, Mapping[str, str]]) -> list[str]:
    """A block with a row for each model and a column for each thing said of any; nothing without models."""
    if not trained:
        return []
    columns = list(dict.fromkeys(column for about in trained.values() for column in about))
    rows = [["", *columns]]
    rows += [[f"  {name}", *(about.get(one, "-") for one in columns)] for name, about in trained.items()]
    return ["", title, *aligned(rows, right=True)]


def under_trained(validation_loss: Sequence[float], rates: Sequence[float]) -> str:
    """Whether the loss on held-out galaxies still fell by more than 0.5 % over the last five epochs.

    "-" where there are fewer, where a loss is not known, or where the rate changed within them.
    """
    if len(validation_loss) <= LAST or len(set(rates[-LAST:])) > 1:
        return "-"
    before, after = validation_loss[-1 - LAST], validation_loss[-1]
    if not np.isfinite(before - after):
        return "-"
    return "yes" if (before - after) / before > FELL else "no"
