"""The claims about strange galaxies, asked of a survey in which they were planted."""

from __future__ import annotations

import numpy as np
from benchmarks.claims_evidence import Evidence, Missing

from cubesift.data.outliers import Outliers
from cubesift.data.store import read_json
from cubesift.judge.planted import medians_by_class
from cubesift.learn.settings import Training

STAR, BLAZAR = "foreground_star", "power_law"


def stars(evidence: Evidence) -> tuple[str, bool]:
    found = _medians(evidence, STAR)
    shown = {model: value for model, value in found.items() if not _hides_stars(evidence, model)}
    masked = {model: value for model, value in found.items() if model not in shown}
    if not _networks(evidence, shown) or not _networks(evidence, masked):
        raise Missing("a network with stars shown and one with stars masked are needed")
    figure = f"shown: {_said(evidence, shown)}; masked: {_said(evidence, masked)}"
    held = min(_networks(evidence, shown).values()) >= 95
    return figure, held and all(40 <= one <= 60 for one in _networks(evidence, masked).values())


def blazars(evidence: Evidence) -> tuple[str, bool]:
    found = _medians(evidence, BLAZAR)
    return _said(evidence, found), min(_networks(evidence, found).values()) >= 98


def whatever_the_method(evidence: Evidence) -> tuple[str, bool]:
    return _always_first(evidence, ("neighbours", "lof", "forest", "mahalanobis"))


def by_all_models(evidence: Evidence) -> tuple[str, bool]:
    return _always_first(evidence, ("reconstruction",))


def _always_first(evidence: Evidence, methods: tuple[str, ...]) -> tuple[str, bool]:
    """How many galaxies are in the first 5 % by every score of these methods and of the networks."""
    galaxies = Outliers.load(evidence.strange.path).galaxies
    scores = [
        name
        for name in galaxies
        if name.endswith(".percentile")
        and name.split(".")[0] in methods
        and not _settings(evidence, _model(name)).closed_form
    ]
    if len(scores) < 2:
        raise Missing(f"{len(scores)} score by {' or '.join(methods)} of a network, where two are needed")
    first = np.all([galaxies[name] > 95 for name in scores], axis=0)
    chance = len(first) * 0.05 ** len(scores)
    figure = f"{first.sum()} of {len(first)} by all {len(scores)} scores, by chance {chance:.2g}"
    return figure, bool(first.sum() > 10 * max(chance, 0.1))


def _medians(evidence: Evidence, kind: str) -> dict[str, float]:
    """Median percentile of the galaxies that hold this, by the reconstruction of every model."""
    table = medians_by_class(evidence.strange)
    rows = np.flatnonzero(table["class"] == kind)
    if not len(rows):
        raise Missing(f"the survey holds no {kind.replace('_', ' ')}")
    scores = [name for name in table if name.startswith("reconstruction.")]
    return {_model(name): float(table[name][rows[0]]) for name in scores}


def _model(score: str) -> str:
    return score.split(".", 1)[1].removesuffix(".percentile")


def _settings(evidence: Evidence, model: str) -> Training:
    path = next(iter(sorted(evidence.strange.path.glob(f"models/{model}/*/model.json"))))
    return Training(**read_json(path)["settings"])


def _hides_stars(evidence: Evidence, model: str) -> bool:
    return _settings(evidence, model).star_mask


def _networks(evidence: Evidence, found: dict[str, float]) -> dict[str, float]:
    return {model: one for model, one in found.items() if not _settings(evidence, model).closed_form}


def _said(evidence: Evidence, found: dict[str, float]) -> str:
    """The networks first, then the linear baselines, called so."""
    networks = _networks(evidence, found)
    said = [f"{model} {value:.1f}" for model, value in networks.items()]
    said += [
        f"linear baseline {model} {value:.1f}" for model, value in found.items() if model not in networks
    ]
    return ", ".join(said)
