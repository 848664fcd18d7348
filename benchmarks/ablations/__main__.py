"""The paper's switches, one thrown at a time: trains, and measures every model on the galaxies it held out.

    python -m benchmarks.ablations RUN [--bases pca2d cae2d] [--finished]

The samples, where they are missing, are made by `recipes/ablations.toml` (as `cubesift make RUN --recipe ...
--stream` makes them). Each of some 80 trainings goes on where it was killed and is not done again once it is
finished; --finished trains nothing and measures what there is. Measures of every galaxy are kept in
`RUN/ablations.parquet`; from it come `ablations.md` and `ablations.png` beside this file.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.ablations.figure import draw
from benchmarks.ablations.measured import measure_models
from benchmarks.ablations.page import applies, page
from benchmarks.ablations.table import Measured, Switch, changes_of

from cubesift.data.run import Run
from cubesift.data.store import written_beside
from cubesift.learn.settings import Training
from cubesift.learn.train import train_model
from cubesift.line import settings_of, stream_simulated, train
from cubesift.missing import are_prepared

RECIPE = Path(__file__).parents[2] / "recipes" / "ablations.toml"
SEEDS = (0, 1, 2)
# Batches of 10 for both, though the paper's 2D CAE has 50: 192 galaxies would give it 200 steps in all.
BASE = Training(samples="small", widths=(128, 64), batch=10, first=192, retrain_on_all=False)
BASES = ("pca2d", "cae2d")
LARGEST = "small-4096"  # samples whose trainings take longest, and so come last
# In the order of the paper's own emphasis (its sections 3.2 and 4.1); "worse" is what it found or expects.
SWITCHES = {
    "base": Switch("as it stands"),
    "relu": Switch("ReLU for ELU", {"activation": "relu"}, "worse"),
    "max-pooling": Switch("maximum for average pooling", {"pooling": "max"}, "worse"),
    "no-batch-norm": Switch("no batch norm", {"batch_norm": False}, "worse"),
    "transposed": Switch(
        "strided transposed convolutions for resizes", {"unpooling": "transposed"}, "checkerboards"
    ),
    "mse": Switch("MSE for MAE", {"loss": "mse"}, "worse"),
    "components": Switch("MSE of the components for MAE of the flux", {"loss": "components"}, "worse"),
    "flat-loss-map": Switch("no loss map", {"loss_map": "flat"}),
    "stars-shown": Switch("flagged stars shown", {"samples": "small-stars", "star_mask": False}),
    "lambda-0": Switch("λ = 0 (no redshift head)", {"redshift_weight": 0.0}),
    "rest-frame": Switch("rest frame", {"samples": "small-rest"}, "better"),
    "channels-256": Switch("256 channels for 1,024", {"samples": "small-256"}),
    "lambda-1": Switch("λ = 1 for 0.1 (redshift head)", {"redshift_weight": 1.0}),
    "channels-4096": Switch("4,096 channels for 1,024", {"samples": "small-4096"}),
}


def trainings(base: str, **changes: Any) -> Iterator[Training]:
    """Every training of one base: its own and each switch's, each of three seeds."""
    for name, switch in SWITCHES.items():
        for seed in SEEDS if applies(base, switch) else ():
            named = {"name": f"{base}-{name}-{seed}", "system": base, "seed": seed}
            yield replace(BASE, **{**named, **switch.changes, **changes})


def make_samples(run: Run, recipe: Path = RECIPE) -> None:
    """Simulate, prepare and fit the linear baselines, where that is not done yet."""
    line = settings_of(run, recipe)
    if not are_prepared(run, line.prepare):
        stream_simulated(run, line)
    train(run, line)


def train_all(run: Run, bases: list[str], **changes: Any) -> None:
    """Train what is not finished yet."""
    asked = [settings for base in bases for settings in trainings(base, **changes)]
    for settings in sorted(asked, key=lambda one: one.samples == LARGEST):
        done = train_model(run, settings)
        loss, seconds = done.history[-1]["validation_loss"], sum(row["seconds"] for row in done.history)
        print(f"{settings.name}: loss {loss:.4f} on galaxies held out, {seconds:.0f} s", flush=True)


def write_page(run: Run, bases: Sequence[str], folder: Path) -> None:
    """Measure the switches of which all seeds are trained, and write page and figure."""
    there = set(run.models())
    names: list[str] = []
    for base in bases:
        for name, switch in SWITCHES.items():
            seeds = [f"{base}-{name}-{seed}" for seed in SEEDS]
            if there.issuperset(seeds):
                names += [*seeds, f"linear-{switch.samples}"]
    measured = Measured(measure_models(run, sorted(set(names))))
    with written_beside(folder / "ablations.md") as partial:
        partial.write_text(page(measured, SWITCHES, bases), encoding="utf-8")
    found = {base: changes for base in bases if (changes := changes_of(measured, base, SWITCHES))}
    draw(found, SWITCHES, folder / "ablations.png")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--bases", nargs="+", choices=BASES, default=list(BASES))
    parser.add_argument("--finished", action="store_true")
    said = parser.parse_args()
    run = Run(said.run)
    if not said.finished:
        make_samples(run)
        train_all(run, said.bases)
    write_page(run, said.bases, Path(__file__).parents[1])


if __name__ == "__main__":
    main()
