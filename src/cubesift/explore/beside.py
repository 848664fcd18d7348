"""What stands beside a figure: which galaxy it is, who had learned from it, what a linear model leaves."""
# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import Sequence

from cubesift.data.embeddings import Reconstructions
from cubesift.explore.choosing import is_linear, typical_error
from cubesift.explore.figures import FLUX_UNIT
from cubesift.explore.reading import Findings

Baseline = tuple[str, Reconstructions]  # a linear model's name, and what it rebuilt


def baseline(findings: Findings) -> Baseline | None:
    """The linear model of the samples that the drawn network was given.

    Of several the one that had learned from fewest of the galaxies that `how_good` counts, then the better.
    """
    if is_linear(findings.run, findings.model):
        return None
    linear = {
        name: rebuilt
        for name, (rebuilt, samples) in findings.by_model().items()
        if samples.store.path == findings.samples.store.path and is_linear(findings.run, name)
    }
    names = _counted(findings)

    def order(item: Baseline) -> tuple[int, float]:
        return len(set(names) - findings.held_out[item[0]]), typical_error(item[1], names)

    return min(linear.items(), key=order, default=None)


def typical_galaxy(findings: Findings, names: Sequence[str]) -> str:
    """The middle of the ranking, of the galaxies that no model, or not the drawn one, had learned from."""
    by_all = set.intersection(*findings.held_out.values())
    unseen = by_all or findings.held_out[findings.model] or set(names)
    left = [name for name in names if name in unseen] or names
    return left[len(left) // 2]


def learned(findings: Findings, name: str) -> str:
    """Which models learned from a galaxy, in words."""
    models = [model for model, unseen in findings.held_out.items() if name not in unseen]
    if len(models) == len(findings.models):
        return "The models learned from this galaxy." if len(models) > 1 else "The model learned from it."
    return f"Only {' and '.join(models)} had learned from it." if models else "None had learned from it."


def how_good(findings: Findings, linear: Baseline | None) -> str:
    """What the drawn model leaves, beside what the linear one does, of the same galaxies."""
    names, unseen = _counted(findings), bool(findings.held_out[findings.model])
    what = "that it had not learned from" if unseen else "that it had learned from"
    error = typical_error(findings.reconstructions, names)
    said = f"{findings.model} leaves a mean |model − flux| of {error:.3g} in {len(names):,} galaxies {what}"
    if linear:
        seen = len(set(names) - findings.held_out[linear[0]])
        said += f", the linear baseline {linear[0]} {typical_error(linear[1], names):.3g}"
        if unseen == bool(seen):  # unlike the network
            said += f", which had learned from {seen:,} of them"
    return f"{said} ({FLUX_UNIT}, median over galaxies)."


def _counted(findings: Findings) -> list[str]:
    """The galaxies that the drawn model had not learned from; all where there are none."""
    return sorted(findings.held_out[findings.model]) or findings.reconstructions.names
