"""What `ablations.py` found, as a page: the bases, and what each switch changes."""
# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from benchmarks.ablations.measured import MEAN, TRUTH
from benchmarks.ablations.table import BLURRED, HOME, MEASURES, Changes, Measured, Switch, changes_of

ABOUT = """\
{galaxies} simulated galaxies that were held out, {stars} of them behind a flagged star, at 16 × 16 × 1,024
in the observed frame (`recipes/ablations.toml`, seed 303). The networks learned from 192 others for the
paper's 50 epochs, in batches of 10, though its 2D CAE has 50: 1,000 steps, where the paper made 10,000.
Filters 128 and 64; three seeds of the weights and of the order. `python -m benchmarks.ablations
runs/ablations` makes all of this.

![What each switch changes](ablations.png)

- Summed MAE: the paper's, |model − input| over a cube, the boundary of 2 spaxels divided by 5, no star
  patches.
- Error: mean of (model − noise-free truth)² over the true variance; 1 is an error as large as the noise.
- Hα kept: its flux over the true one, in galaxies where it has an S/N above 20.
- Redshift MSE: of the redshift head, against the catalogue."""
READING = """\
Changes are in per cent of the base, of Hα in points of per cent. Less is better, but for Hα. Of MAE, error
and Hα it is the median over pairs of a galaxy and a seed, of the redshift that of the means. In brackets is
the 95 % interval of 4,000 draws with replacement, each of as many galaxies and, independently, as many
seeds: it reaches about as far as the three seeds themselves, which are few. **Bold**: no change at all lies
outside the interval, as it would for one in twenty of switches that do nothing. Where a switch changes the
samples (rest frame, other channels), voxels are not those of the base: there MAE and error of each galaxy
are shares of what the mean cube of the same samples leaves of it. With stars shown, samples differ in the
star patches alone, which are not measured. Channels of 1,100 km/s (256) cannot tell of Hα. At rest, which
channels a galaxy covers tells its redshift: the redshift MSE there is no achievement."""


def page(measured: Measured, switches: Mapping[str, Switch], bases: Sequence[str]) -> str:
    """The whole page, in Markdown."""
    about = ABOUT.format(galaxies=len(measured.galaxies), stars=measured.stars)
    bases, waiting = (
        [base for base in bases if bool(len(measured.seeds(f"{base}-base", "mae"))) == there]
        for there in (True, False)
    )
    blocks = ["# The paper's switches, one thrown at a time", about]
    blocks += [
        "## Before any switch",
        values_table(measured, bases),
        against_linear(measured, switches, bases),
    ]
    for base in bases:
        found = changes_of(measured, base, switches)
        blocks += [f"## {base}: what a switch changes", changes_table(found, switches)]
        shares = shares_of_linear(measured, switches, base, "mae")
        blocks += [verdict(found, switches, shares), not_run(found, base, switches)]
    blocks += [f"## {base}: not run to its end; the command goes on with it" for base in waiting]
    blocks += ["## How to read it", READING]
    return "\n\n".join(filter(None, blocks)) + "\n"


def values_table(measured: Measured, bases: Sequence[str]) -> str:
    """The values that differences are of, and what can be had and must be beaten."""
    rows = {
        "noise-free truth": TRUTH + HOME,
        "**linear baseline**": f"linear-{HOME}",
        **{f"{base}, as it stands": f"{base}-base" for base in bases},
        "mean cube, mean redshift": MEAN + HOME,
    }
    lines = [row("", *(head for head, _ in MEASURES.values())), row(*["---"] * (1 + len(MEASURES)))]
    for words, name in rows.items():
        cells = []
        for measure, form in zip(MEASURES, ("{:,.0f}", "{:.1f}", "{:.0%}", "{:.5f}"), strict=True):
            values = np.sort(measured.value(name, measure))
            ends = dict.fromkeys(form.format(one).replace("-0%", "0%") for one in (values[0], values[-1]))
            cells.append("" if np.isnan(values).any() else " to ".join(ends).replace("-", "−"))
        lines.append(row(words, *cells))
    return "\n".join(lines)


def against_linear(measured: Measured, switches: Mapping[str, Switch], bases: Sequence[str]) -> str:
    """How the networks, whatever the switch, do beside the linear baseline of the same samples."""
    lines = []
    for measure, (head, _) in MEASURES.items():
        shares = {
            f"{base}, {switches[name].words}": share
            for base in bases
            for name, share in shares_of_linear(measured, switches, base, measure).items()
        }
        if not shares:
            continue
        most = measure == "halpha"  # is best
        best = (max if most else min)(shares, key=lambda name: shares[name])
        ahead = sum(share > 1 if most else share < 1 for share in shares.values())
        lines.append(
            f"- {head}: {ahead} of {len(shares)} networks do better than the linear baseline; "
            f"the best of them ({best}) has {shares[best]:.2f} times its value."
        )
    return "\n".join(lines)


def shares_of_linear(
    measured: Measured, switches: Mapping[str, Switch], base: str, measure: str
) -> dict[str, float]:
    """Switch -> its mean value over seeds, in units of the linear baseline's of the same samples."""
    shares = {}
    for name, switch in switches.items():
        if len(measured.seeds(f"{base}-{name}", measure)):
            value = measured.value(f"{base}-{name}", measure).mean()
            shares[name] = float(value / measured.value(f"linear-{switch.samples}", measure)[0])
    blurred = measure == "halpha"
    return {
        name: share
        for name, share in shares.items()
        if np.isfinite(share) and not (blurred and switches[name].samples == BLURRED)
    }


def changes_table(found: Changes, switches: Mapping[str, Switch]) -> str:
    """A row a switch."""
    heads = [f"{head}, %" for head, _ in MEASURES.values()]
    lines = [row("switch", "the paper", *heads), row(*["---"] * (2 + len(MEASURES)))]
    for name, changes in found.items():
        cells = []
        for change in changes.values():
            if change is None:
                cells.append("")
                continue
            words = f"{signed(change.value)} ({signed(change.low)} to {signed(change.high)})"
            cells.append(f"**{words}**" if change.certain else words)
        lines.append(row(switches[name].words, switches[name].paper, *cells))
    return "\n".join(lines)


def verdict(found: Changes, switches: Mapping[str, Switch], shares: Mapping[str, float]) -> str:
    """Which switches make the summed MAE worse or better, beside the linear baseline and the paper."""
    groups: dict[str, list[str]] = {"worse": [], "better": [], "no difference that can be told": []}
    against = []
    for name, changes in found.items():
        mae, words = changes["mae"], switches[name].words
        assert mae is not None
        outcome = (
            "no difference that can be told" if not mae.certain else "worse" if mae.value > 0 else "better"
        )
        groups[outcome].append(words)
        if (switches[name].paper, outcome) in (("worse", "better"), ("better", "worse")):
            against.append(words)
    said = "; ".join(f"**{outcome}**: {', '.join(words)}" for outcome, words in groups.items() if words)
    otherwise = f" The paper says otherwise of: {', '.join(against)}." if against else ""
    lost = sum(share > 1 for share in shares.values())
    return (
        f"By the summed MAE, in which {lost} of these {len(shares)} networks (the one as it stands is among "
        f"them) lose to the linear baseline: {said}.{otherwise}"
    )


def not_run(found: Changes, base: str, switches: Mapping[str, Switch]) -> str:
    """Which were not, or not with all seeds."""
    left = [
        switch.words
        for name, switch in switches.items()
        if name not in (*found, "base") and applies(base, switch)
    ]
    return f"Not run to its end with three seeds: {', '.join(left)}." if left else ""


def applies(base: str, switch: Switch) -> bool:
    """Whether a base has such a switch: only those on codes can compare codes."""
    return switch.changes.get("loss") != "components" or base == "pca2d"


def signed(percent: float) -> str:
    """With its sign, two digits or the whole number."""
    digits = 0 if abs(percent) >= 9.95 else 1
    return f"{percent:+,.{digits}f}".replace("-", "−")


def row(*cells: str) -> str:
    """Of a table in Markdown."""
    return f"| {' | '.join(cells)} |"
