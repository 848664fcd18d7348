"""Where stars and blazars land, against how bright they are: `python benchmarks/strange.py RUN [RUN ...]`.

The runs are of `recipes/strange.toml` and its seeds. Prints, pooled over them, the scores that were named in
advance beside a random ranking and two that need no model; draws `benchmarks/strange.png`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from cubesift.data.outliers import Outliers
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import read_parquet
from cubesift.judge.planted import placed_among

NAMED = {  # in advance, on seed 77: see the recipe
    ("foreground_star", "lopsided.linear-shown"): "stars, masks off",
    ("foreground_star", "lopsided.linear-masked"): "stars, masks on",
    ("power_law", "lof.linear-shown"): "blazars",
}
COLOURS = ("#0072b2", "#999999", "#d55e00")  # told apart by colour-blind readers (Wong 2011)
BINS = {"foreground_star": (13, 17, 19, 20.5, 25), "power_law": (0.3, 1, 2, 3)}
UNIT = {
    "foreground_star": "magnitude of the star in r",
    "power_law": "light of the blazar over the nucleus' in r",
}


def told(path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Of a run: percentiles among the ordinary by score, and kind and strength of what each galaxy holds."""
    run = Run(path)
    galaxies = Outliers.load(run.path).galaxies
    names = galaxies["plateifu"].tolist()
    truth, _ = read_parquet(run.truth)
    planted = dict(
        zip(truth["plateifu"].tolist(), zip(truth["kind"], truth["strength"], strict=True), strict=True)
    )
    kind = np.array([planted.get(name, ("", 0))[0] for name in names])
    strength = np.array([planted.get(name, ("", np.nan))[1] for name in names])
    scores = {
        key.removesuffix(".percentile"): value
        for key, value in galaxies.items()
        if key.endswith(".percentile")
    }
    samples = Samples.open(run.samples("shown"))
    white = [samples.arrays(name, "flux")["flux"].mean(axis=-1) for name in names]
    scores["total flux, no model"] = np.array([image.sum() for image in white])
    scores["brightest spaxel over the median, no model"] = np.array(
        [one.max() / np.median(one[one > 0]) for one in white]
    )
    scores["a random ranking"] = np.random.default_rng(0).random(len(names))
    among = {score: placed_among(value, value[kind == ""]) for score, value in scores.items()}
    return among, {"kind": kind, "strength": strength}


def main(paths: list[Path]) -> None:
    """Print the tables and draw the figure."""
    of_each = [told(path) for path in paths]
    kind = np.concatenate([held["kind"] for _, held in of_each])
    strength = np.concatenate([held["strength"] for _, held in of_each])
    scores = {score: np.concatenate([among[score] for among, _ in of_each]) for score in of_each[0][0]}
    print(f"{len(paths)} runs: {', '.join(path.name for path in paths)}; {len(kind)} galaxies, "
          f"{(kind == 'foreground_star').sum()} stars, {(kind == 'power_law').sum()} blazars")  # fmt: skip
    print("Median percentile among the galaxies with nothing planted (each run's beside it):")
    for score, value in sorted(scores.items()):
        cells = []
        for one in UNIT:
            each = [np.nanmedian(among[score][held["kind"] == one]) for among, held in of_each]
            cells.append(
                f"{np.nanmedian(value[kind == one]):6.1f} ({', '.join(f'{median:.1f}' for median in each)})"
            )
        print(f"  {score:<44} stars {cells[0]:<22} blazars {cells[1]}")
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    print("By strength:")
    for colour, ((one, score), label) in zip(COLOURS, NAMED.items(), strict=True):
        there, axis = kind == one, axes[int(one == "power_law")]
        axis.plot(
            strength[there], scores[score][there], "o", ms=5, mfc=colour, mec="white", mew=0.5, label=label
        )
        axis.set_xlabel(UNIT[one])
        for low, high in zip(BINS[one], BINS[one][1:], strict=False):
            inside = there & (strength >= low) & (strength < high)
            median = np.nanmedian(scores[score][inside]) if inside.any() else np.nan
            print(f"  {label:<18} {score:<24} {low:>4} to {high:<4} {inside.sum():>3} galaxies {median:6.1f}")
    axes[0].set_ylabel("percentile among ordinary galaxies")
    for axis in axes:
        axis.axhline(50, color="0.7", lw=0.8, zorder=0)
        axis.legend(frameon=True, loc="lower left" if axis is axes[0] else "lower right", fontsize=9)
        axis.set_ylim(-3, 103)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=150)


if __name__ == "__main__":
    main([Path(one) for one in sys.argv[1:]])
