"""The claims about strange galaxies, asked of a survey in which they were planted."""

from __future__ import annotations

import numpy as np
from benchmarks.claims.evidence import Evidence, Missing

from cubesift.data.outliers import Outliers
from cubesift.data.store import read_json
from cubesift.judge.planted import medians_by_class
from cubesift.learn.settings import Training

STAR, BLAZAR = "foreground_star", "power_law"
PAPERS = ("neighbours", "reconstruction")  # its two scores
# Named in `recipes/strange.toml` before these surveys were looked at: what finds them best, no network.
NAMED = {STAR: ("lopsided.linear-shown", "lopsided.linear-masked"), BLAZAR: ("lof.linear-shown",)}


def stars(evidence: Evidence) -> tuple[str, bool]:
    found = _medians(evidence, STAR)
    systems = {name: _settings(evidence, _model(name)) for name in found}
    pairs = {  # of one score of one system, stars shown and masked
        f"{shown.split('.')[0]} {systems[shown].system}": (found[shown], found[masked])
        for shown in found
        for masked in found
        if shown.split(".")[0] == masked.split(".")[0] in PAPERS
        and systems[shown].system == systems[masked].system
        and systems[masked].star_mask > systems[shown].star_mask
    }
    networks = {name: pair for name, pair in pairs.items() if not name.endswith(("linear", "cube-pca"))}
    if not networks:
        raise Missing("a network with stars shown and the same one with stars masked are needed")
    said = ", ".join(f"{name} {shown:.1f} → {masked:.1f}" for name, (shown, masked) in pairs.items())
    held = any(shown >= 95 and 40 <= masked <= 60 for shown, masked in networks.values())
    return f"shown → masked: {said}{_named(found, STAR)}", held


def blazars(evidence: Evidence) -> tuple[str, bool]:
    found = _medians(evidence, BLAZAR)
    papers = {name: value for name, value in found.items() if name.split(".")[0] in PAPERS}
    networks = {
        name: value for name, value in papers.items() if not _settings(evidence, _model(name)).closed_form
    }
    if not networks:
        raise Missing("no network took part in the ranking")
    said = ", ".join(f"{name.replace('.', ' ')} {value:.1f}" for name, value in papers.items())
    return f"{said}{_named(found, BLAZAR)}", max(networks.values()) >= 98


def _named(found: dict[str, float], kind: str) -> str:
    """What the score and the model that were named in advance say, the linear baseline's, in words."""
    there = [f"{found[name]:.1f}" for name in NAMED[kind] if name in found]
    return f"; named in advance ({NAMED[kind][0]}): {' → '.join(there)}" if there else ""


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
    systems = {_settings(evidence, _model(name)).system for name in scores}
    if len(systems) < 2:
        raise Missing(
            f"scores by {' or '.join(methods)} of {len(systems)} network system, where two are needed: "
            "models of one see the same"
        )
    first = np.all([galaxies[name] > 95 for name in scores], axis=0)
    chance = len(first) * 0.05 ** len(scores)
    counted = f"{first.sum()} of {len(first)} by all {len(scores)} scores of {len(systems)} systems"
    return f"{counted}, by chance, were these independent, {chance:.2g}", bool(
        first.sum() > 10 * max(chance, 0.1)
    )


def _medians(evidence: Evidence, kind: str) -> dict[str, float]:
    """Median percentile of the galaxies that hold this, by every score of every model."""
    table = medians_by_class(evidence.strange)
    rows = np.flatnonzero(table["class"] == kind)
    if not len(rows):
        raise Missing(f"the survey holds no {kind.replace('_', ' ')}")
    trained = set(evidence.strange.models())
    return {name: float(table[name][rows[0]]) for name in table if "." in name and _model(name) in trained}


def _model(score: str) -> str:
    return score.split(".", 1)[1].removesuffix(".percentile")


def _settings(evidence: Evidence, model: str) -> Training:
    path = next(iter(sorted(evidence.strange.path.glob(f"models/{model}/*/model.json"))))
    return Training(**read_json(path)["settings"])
