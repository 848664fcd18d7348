"""The paper's table 1, and beside each of its numbers the one that puts it in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cubesift.judge.lineflux import LINES
from cubesift.judge.rebuilt import FAR, Contender, Known, Measures, measure_all, redshift_measures

FELL = 0.005  # of the validation loss over the last epochs: more than that is called under-trained
LAST = 5  # epochs, all at the last rate


@dataclass(frozen=True)
class Comparison:
    """Who is asked about which galaxies."""

    recipe: str
    contenders: Sequence[Contender]
    galaxies: Callable[[], Iterator[Known]]
    asked: int  # how many galaxies
    trained: int  # galaxies learned from
    wave: np.ndarray  # (wave,) angstrom, of the samples
    mean_redshift: float  # of the galaxies learned from


def judge_models(asked: Comparison, progress: Callable[[int, int, str], None]) -> Table1:
    """Measure all contenders on all galaxies; `progress` gets how many of how many ended, and the last."""
    ended = 0

    def tick(name: str) -> None:
        nonlocal ended
        ended += 1
        progress(ended, asked.asked, name)

    measured, floor = measure_all(asked.galaxies(), asked.contenders, asked.wave, tick)
    catalogue = np.array([true for _, true in measured[asked.contenders[0].name].redshifts])
    constant = redshift_measures(np.full(len(catalogue), asked.mean_redshift), catalogue)
    return Table1(asked.contenders, measured, floor, constant, asked.trained)


@dataclass(frozen=True)
class Table1:
    """What is printed: contenders, their measures, and what nobody can beat or should fall below."""

    contenders: Sequence[Contender]
    measured: dict[str, Measures]
    floor: Sequence[float]  # summed |noise-free truth - input| of each galaxy
    constant: tuple[float, float, float]  # redshift by the mean of the training set
    trained: int  # galaxies learned from

    def text(self) -> str:
        """Rows of aligned text."""
        extra = list(dict.fromkeys(key for one in self.contenders for key in one.about))
        header = ["model", "recon MAE", "z MSE", "z NMAD", "z out", "error", *LINES, *extra]
        rows = [header, *(self._row(one, extra) for one in self.contenders)]
        blank = [""] * (len(header) - 2)
        rows.append(["noise-free truth", f"{np.mean(self.floor):.0f}", *blank])
        mse, nmad, out = self.constant
        rows.append(["mean redshift", "", f"{mse:.5f}", f"{nmad:.4f}", f"{out:.2f}", *blank[3:]])
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([*self._about(), "", *lines])

    def _about(self) -> list[str]:
        asked, known = len(self.floor), self.trained
        return [
            f"{asked} galaxies that were held out, {known} learned from.",
            "recon MAE: |model - input| summed over a cube, the boundary of 2 spaxels over 5, no stars.",
            f"z: against the catalogue's. z out: |dz| / (1 + z) > {FAR}.",
            "error: mean((model - noise-free truth)^2 ivar_true) over good voxels, median over galaxies.",
            "Ha, [O III]: flux over the true one, median over galaxies (10th percentile), and half the range",
            "from 16 to 84 % over spaxels with a true S/N above 5.",
        ]

    def _row(self, contender: Contender, extra: Sequence[str]) -> list[str]:
        measures = self.measured[contender.name]
        mse, nmad, out = measures.redshift()
        row = [contender.name, f"{np.mean(measures.mae):.0f}"]
        row += [f"{mse:.5f}", f"{nmad:.4f}", f"{out:.2f}"] if np.isfinite(mse) else ["-", "-", "-"]
        row.append(f"{np.median(measures.error):.3f}")
        for line in LINES:
            ratios = measures.lines.get(line)
            if ratios:
                row.append(
                    f"{np.median(ratios):.2f} ({np.percentile(ratios, 10):.2f}) {measures.scatter(line):.2f}"
                )
            else:
                row.append("-")
        return [*row, *(contender.about.get(key, "-") for key in extra)]


def under_trained(validation_loss: Sequence[float]) -> bool:
    """Whether the loss on held-out galaxies still fell by more than 0.5 % over the last five epochs."""
    if len(validation_loss) <= LAST:
        return False
    before, after = validation_loss[-1 - LAST], validation_loss[-1]
    return bool((before - after) / before > FELL)
