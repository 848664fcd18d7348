"""Which model is drawn: networks judged by galaxies that they did not learn from."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence

import numpy as np

from cubesift.data.embeddings import Embeddings, Reconstructions
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import read_json

LINEAR = ("linear", "cube-pca")  # systems in closed form
FEW_HUNDRED = 200  # galaxies are enough to tell which model rebuilds best


def model_to_draw(run: Run, rebuilt: Mapping[str, Reconstructions], given: Mapping[str, Samples]) -> str:
    """The best of the models whose samples have the most channels: a network that held galaxies out, if any.

    Losses of two models may be of two kinds; `typical_error` is the same for all.
    """
    most = max(samples.grid.size for samples in given.values())
    finest = sorted(name for name, samples in given.items() if samples.grid.size == most)
    networks = [name for name in finest if not is_linear(run, name)] or finest
    if len(networks) == 1:
        return networks[0]
    unseen = {name: held_out(run, name) for name in networks}
    fair = [name for name in networks if unseen[name]]
    names = set.intersection(*(unseen[name] for name in fair)) if fair else set()
    names = names or set(rebuilt[networks[0]].names)
    return min(fair or networks, key=lambda name: typical_error(rebuilt[name], sorted(names)))


def typical_error(rebuilt: Reconstructions, names: Sequence[str]) -> float:
    """Mean |model - flux| over a galaxy, the median over these galaxies, or over a few hundred of many."""
    means = []
    for name in names[:: max(1, len(names) // FEW_HUNDRED)]:
        error = rebuilt.store.arrays(name, "error")["error"]
        if np.isfinite(error).any():
            means.append(np.nanmean(error) * rebuilt.record(name).get("scale", 1.0))
    return float(np.median(means)) if means else np.inf


def held_out(run: Run, model: str) -> set[str]:
    """The galaxies that were rebuilt by a model that had not learned from them."""
    rows = Embeddings.load(run.embeddings(model)).as_scored()
    return set(rows.plateifu[rows.held_out].tolist())


def is_linear(run: Run, model: str) -> bool:
    """Whether a model is a linear baseline; one that was trained in another run counts as a network."""
    paths = sorted(run.path.glob(f"models/{glob.escape(model)}/*/model.json"))
    return bool(paths) and read_json(paths[0])["settings"]["system"] in LINEAR
