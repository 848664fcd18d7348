"""Where the planted things stand among their cubes' spaxels: by each model, and by the cube alone.

python benchmarks/spaxels.py RUN     a simulated run after `cubesift detect`, with its samples
"""

import sys
import time
from pathlib import Path

import numpy as np

from cubesift.data.outliers import Outliers
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import read_parquet
from cubesift.detect.itself import rebuilt_by_itself
from cubesift.detect.ranking import percentiles

NEAR = 2.0  # arcsec: one seeing disc
HIDDEN = {"foreground_star", "wrong_redshift"}  # masked as in the paper, or of no place


def best_percentile(y: np.ndarray, x: np.ndarray, score: np.ndarray, radius: float) -> float:
    """The highest percentile among the spaxels within `radius` of the origin; nan where none is ranked."""
    near = np.hypot(y, x) < radius
    return float(percentiles(score)[near].max()) if near.any() else np.nan


def main(run: Run, recipe: str = "paper") -> None:
    truth, _ = read_parquet(run.truth)
    table = Outliers.load(run.path).spaxels
    models = sorted(set(table["model"].tolist()))
    stores = {model: Samples.open(run.samples(recipe_of(run, model, recipe))) for model in models}
    alone = Samples.open(run.samples(recipe))
    found: dict[str, list[float]] = {name: [] for name in [*models, "alone"]}
    print(
        f"{'planted':<18}{'cube':<13}{'S/N':>8}" + "".join(f"{name:>9}" for name in found) + f"{'seconds':>9}"
    )
    for kind, name, y0, x0, light in zip(
        *(truth[c] for c in ("kind", "plateifu", "y", "x", "snr")), strict=True
    ):
        if kind in HIDDEN or name not in alone:
            continue
        row = {}
        for model, samples in stores.items():
            record = samples.record(name)
            mine = (table["plateifu"] == name) & (table["model"] == model)
            y, x = table["y"][mine], table["x"][mine]
            side = len(samples.arrays(name, "bits")["bits"])
            step = (side - 1) / (record.side - 1)
            radius = NEAR / record.spaxel
            row[model] = best_percentile(y - y0 * step, x - x0 * step, table["score"][mine], radius)
        arrays = alone.arrays(name, "unclipped", "ivar")
        record = alone.record(name)
        started = time.perf_counter()
        score = rebuilt_by_itself(arrays["unclipped"], arrays["ivar"]).score
        seconds = time.perf_counter() - started
        y, x = np.nonzero(np.isfinite(score))
        step = (len(score) - 1) / (record.side - 1)
        row["alone"] = best_percentile(y - y0 * step, x - x0 * step, score[y, x], NEAR / record.spaxel)
        for one, value in row.items():
            found[one].append(value)
        print(
            f"{kind:<18}{name:<13}{light:>8.0f}"
            + "".join(f"{v:>9.1f}" for v in row.values())
            + f"{seconds:>9.2f}"
        )
    total = len(found["alone"])
    for one, values in found.items():
        print(f"{one}: {sum(value >= 99 for value in values)} of {total} in the top 1 % of their cube")


def recipe_of(run: Run, model: str, default: str) -> str:
    """The recipe whose samples a model was given, by the side and the channels of its spectra."""
    from cubesift.data.embeddings import Reconstructions

    parent = Reconstructions.open(run.reconstructions(model)).provenance.parents.get("preparation")
    for recipe in run.recipes():
        if Samples.open(run.samples(recipe)).provenance.id == parent:
            return recipe
    return default


if __name__ == "__main__":
    main(Run(Path(sys.argv[1])))
