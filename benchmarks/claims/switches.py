"""The claims about switches, of the models of `ablations.py`: a figure in words, and whether it held."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from benchmarks.ablations.__main__ import BASES, SEEDS, SWITCHES
from benchmarks.ablations.table import Measured
from benchmarks.claims.evidence import Evidence, Missing, interval
from benchmarks.claims.measured import checkerboard, level_and_slope, rebuilt

from cubesift.data.samples import Samples
from cubesift.learn.checkpoint import Checkpoint


def switch_harms(switch: str, bases: Sequence[str] = BASES) -> Callable[[Evidence], tuple[str, bool]]:
    """Whether throwing a switch makes the summed MAE worse, of all these systems that are measured."""

    def ask(evidence: Evidence) -> tuple[str, bool]:
        measured = Measured(evidence.measured_switches)
        said, held = [], []
        for base in bases:
            # Without its base there is nothing to compare with.
            ready = len(measured.seeds(f"{base}-base", "mae")) and len(
                measured.seeds(f"{base}-{switch}", "mae")
            )
            change = (
                measured.change(f"{base}-base", f"{base}-{switch}", "mae", SWITCHES[switch].samples)
                if ready
                else None
            )
            if change is None:
                said.append(f"{base} not tested")
                continue
            before = measured.value(f"{base}-base", "mae").mean()
            thrown = SWITCHES[switch].words.split(",")[0]
            said.append(
                f"{base} leaves {before:,.0f}, with {thrown} {change.value:+.1f} % "
                f"({change.low:+.1f} to {change.high:+.1f})"
            )
            held.append(change.certain and change.value > 0)
        if not held:
            raise Missing(f"{SWITCHES[switch].words}: not measured with all seeds")
        linear = measured.value("linear-small", "mae").mean()
        return f"{'; '.join(said)}; the linear baseline leaves {linear:,.0f}", all(held)

    return ask


def checkerboards(evidence: Evidence) -> tuple[str, bool]:
    said, held = [], []
    for base, before, after in _pairs(evidence, "transposed"):
        samples, names = _small(evidence), before[0].validation
        resized, strided = (
            np.mean([checkerboard(rebuilt(one, samples, names)) for one in models])
            for models in (before, after)
        )
        said.append(f"{base} {strided:.2f} % of the flux against {resized:.2f} %")
        held.append(strided > 2 * resized)
    seen = checkerboard([samples.arrays(name, "unclipped")["unclipped"] for name in names])
    baseline = checkerboard(rebuilt(_linear(evidence), samples, names))
    return f"{'; '.join(said)}; linear baseline {baseline:.2f} %, observed {seen:.2f} %", all(held)


def dragged_up(evidence: Evidence) -> tuple[str, bool]:
    said, held = [], []
    for base, before, after in _pairs(evidence, "mse"):
        mae, mse = (_off(evidence, models)[:, 0] for models in (before, after))
        low, high = interval(mse - mae)
        said.append(
            f"{base} MSE {100 * np.median(mse):+.1f} %, MAE {100 * np.median(mae):+.1f} % "
            f"(difference {100 * low:+.1f} to {100 * high:+.1f})"
        )
        held.append(np.median(mse) > 0 and low > 0)
    linear = np.median(_off(evidence, [_linear(evidence)])[:, 0])
    return f"{'; '.join(said)}; linear baseline {100 * linear:+.1f} %", all(held)


def mean_and_slope(evidence: Evidence) -> tuple[str, bool]:
    said, held = [], []
    for base, before, after in _pairs(evidence, "mse"):
        mae, mse = (np.abs(_off(evidence, models)) for models in (before, after))
        parts = []
        for column, words in enumerate(("level", "slope")):
            low, _ = interval(mse[:, column] - mae[:, column])
            medians = [100 * np.median(one[:, column]) for one in (mae, mse)]
            parts.append(f"{words} {medians[0]:.1f} % with MAE, {medians[1]:.1f} % with MSE")
            held.append(low > 0)
        said.append(f"{base} {', '.join(parts)}")
    level, slope = 100 * np.median(np.abs(_off(evidence, [_linear(evidence)])), axis=0)
    return f"{'; '.join(said)}; linear baseline {level:.1f} % and {slope:.1f} %", all(held)


Pair = tuple[str, list[Checkpoint], list[Checkpoint]]  # a base, its models, those with the switch thrown


def _pairs(evidence: Evidence, switch: str) -> list[Pair]:
    """Of the bases whose models are trained to their end, all seeds; raises Missing where there is none."""
    there, pairs = set(evidence.switches.models()), []
    for base in BASES:
        names = [[f"{base}-{one}-{seed}" for seed in SEEDS] for one in ("base", switch)]
        if there.issuperset(names[0] + names[1]):
            before, after = ([_model(evidence, name) for name in each] for each in names)
            pairs.append((base, before, after))
    if not pairs:
        raise Missing(f"{SWITCHES[switch].words}: not trained with all seeds")
    return pairs


def _model(evidence: Evidence, name: str) -> Checkpoint:
    return Checkpoint.load(evidence.switches.model(name, "split"))


def _linear(evidence: Evidence) -> Checkpoint:
    return _model(evidence, "linear-small")


def _small(evidence: Evidence) -> Samples:
    return Samples.open(evidence.switches.samples("small"))


def _off(evidence: Evidence, models: Sequence[Checkpoint]) -> np.ndarray:
    """(galaxy, 2): level and slope of each galaxy's central spectrum, their means over models."""
    samples, names = _small(evidence), models[0].validation
    found = []
    for one in models:
        cubes = rebuilt(one, samples, names)
        pairs = zip(cubes, names, strict=True)
        found.append([level_and_slope(cube, samples.read(name)) for cube, name in pairs])
    return np.mean(found, axis=0)
