"""The claims about switches, of the models of `ablations.py`: a figure in words, and whether it held."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from benchmarks.ablations import BASES, SEEDS, SWITCHES
from benchmarks.ablations_table import Measured, changes_of
from benchmarks.claims_evidence import Evidence, Missing, interval
from benchmarks.claims_measured import checkerboard, level_and_slope, rebuilt

from cubesift.data.samples import Samples
from cubesift.learn.checkpoint import Checkpoint


def switch_harms(switch: str, bases: Sequence[str] = BASES) -> Callable[[Evidence], tuple[str, bool]]:
    """Whether throwing a switch makes the summed MAE worse, of all these systems."""

    def ask(evidence: Evidence) -> tuple[str, bool]:
        measured = Measured(evidence.measured_switches)
        said, held = [], []
        for base in bases:
            change = changes_of(measured, base, SWITCHES).get(switch, {}).get("mae")
            if change is None:
                raise Missing(f"{base} with {SWITCHES[switch].words} is not measured with all seeds")
            before = measured.value(f"{base}-base", "mae").mean()
            said.append(
                f"{base} {before:,.0f} {change.value:+.1f} % ({change.low:+.1f} to {change.high:+.1f})"
            )
            held.append(change.certain and change.value > 0)
        linear = measured.value("linear-small", "mae").mean()
        return f"{'; '.join(said)}; the linear baseline leaves {linear:,.0f}", all(held)

    return ask


def checkerboards(evidence: Evidence) -> tuple[str, bool]:
    said, held = [], []
    for base in BASES:
        found = {}
        for switch in ("base", "transposed"):
            models = _models(evidence, base, switch)
            samples = Samples.open(evidence.switches.samples("small"))
            found[switch] = np.mean([checkerboard(rebuilt(one, samples, one.validation)) for one in models])
        said.append(f"{base} {found['transposed']:.2f} % of the flux against {found['base']:.2f} %")
        held.append(found["transposed"] > 2 * found["base"])
    names = models[0].validation
    seen = checkerboard([samples.arrays(name, "unclipped")["unclipped"] for name in names])
    linear = Checkpoint.load(evidence.switches.model("linear-small", "split"))
    baseline = checkerboard(rebuilt(linear, samples, names))
    return f"{'; '.join(said)}; linear baseline {baseline:.2f} %, observed {seen:.2f} %", all(held)


def dragged_up(evidence: Evidence) -> tuple[str, bool]:
    said, held = [], []
    for base in BASES:
        mae, mse = (_off(evidence, base, switch)[:, 0] for switch in ("base", "mse"))
        low, high = interval(mse - mae)
        said.append(
            f"{base} MSE {100 * np.median(mse):+.1f} %, MAE {100 * np.median(mae):+.1f} % "
            f"(difference {100 * low:+.1f} to {100 * high:+.1f})"
        )
        held.append(np.median(mse) > 0 and low > 0)
    linear = np.median(_linear_off(evidence)[:, 0])
    return f"{'; '.join(said)}; linear baseline {100 * linear:+.1f} %", all(held)


def mean_and_slope(evidence: Evidence) -> tuple[str, bool]:
    said, held = [], []
    for base in BASES:
        mae, mse = (np.abs(_off(evidence, base, switch)) for switch in ("base", "mse"))
        parts = []
        for column, words in enumerate(("level", "slope")):
            low, _ = interval(mse[:, column] - mae[:, column])
            medians = [100 * np.median(one[:, column]) for one in (mae, mse)]
            parts.append(f"{words} {medians[0]:.1f} % with MAE, {medians[1]:.1f} % with MSE")
            held.append(low > 0)
        said.append(f"{base} {', '.join(parts)}")
    level, slope = 100 * np.median(np.abs(_linear_off(evidence)), axis=0)
    return f"{'; '.join(said)}; linear baseline {level:.1f} % and {slope:.1f} %", all(held)


def _models(evidence: Evidence, base: str, switch: str) -> list[Checkpoint]:
    names = [f"{base}-{switch}-{seed}" for seed in SEEDS]
    there = set(evidence.switches.models())
    if absent := [name for name in names if name not in there]:
        raise Missing(f"models {', '.join(absent)} are not trained to their end")
    return [Checkpoint.load(evidence.switches.model(name, "split")) for name in names]


def _off(evidence: Evidence, base: str, switch: str) -> np.ndarray:
    """(galaxy, 2): level and slope of each galaxy's central spectrum, their means over the seeds."""
    return np.mean([_off_by(evidence, one) for one in _models(evidence, base, switch)], axis=0)


def _linear_off(evidence: Evidence) -> np.ndarray:
    return _off_by(evidence, Checkpoint.load(evidence.switches.model("linear-small", "split")))


def _off_by(evidence: Evidence, checkpoint: Checkpoint) -> np.ndarray:
    samples = Samples.open(evidence.switches.samples("small"))
    names = checkpoint.validation
    cubes = rebuilt(checkpoint, samples, names)
    return np.array(
        [level_and_slope(cube, samples.read(name)) for cube, name in zip(cubes, names, strict=True)]
    )
