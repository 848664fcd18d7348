"""From measures to verdicts: each row says what was compared, by which rule, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from cubesift.data.aligned import aligned

RULES = {
    "galaxy": "beyond = more extreme than every simulated galaxy: once in ten by chance, of 20; - = of few",
    "correlation": "beyond = off by more than 0.05 at some distance up to 8 spaxels",
    "spectra": "beyond = more real spectra outside 95 % of simulated spaxels of like S/N than chance has",
    "shape": "beyond = more than one real spectrum off by more than 0.05 dex (rms over wavelength)",
    "survey": "beyond = Kolmogorov-Smirnov distance larger than 95 % of samples of this size have",
    "chi2": "beyond = further than 1 % from 1",
}
FEWEST = 15  # simulated galaxies, to say that a real one is beyond them


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    real: str
    simulated: str
    measure: str  # the figure that was judged
    rule: str  # key of `RULES`; "" = none
    anchored: bool  # in real data
    within: bool | None  # None = nothing to judge by

    @property
    def verdict(self) -> str:
        """`within`, `beyond`, or `-` where nothing can be said."""
        return "-" if self.within is None else "within" if self.within else "beyond"


def percentile_of(real: float, simulated: np.ndarray) -> float:
    """Share of the simulated values below the real one, in per cent; equal ones count half."""
    values = simulated[np.isfinite(simulated)]
    if not len(values) or not np.isfinite(real):
        return float("nan")
    return float(100 * (np.mean(values < real) + 0.5 * np.mean(values == real)))


def galaxy_row(what: str, unit: str, digits: int, real: float, simulated: np.ndarray, among: str) -> Row:
    """One property of the real galaxy among its simulated neighbours."""
    values = simulated[np.isfinite(simulated)]
    place = percentile_of(real, values)
    middle, low, high = np.percentile(values, [50, 16, 84]) if len(values) else [np.nan] * 3
    return Row(
        what=f"{what}, {unit}" if unit else what,
        real=f"{real:.{digits}f}",
        simulated=f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})",
        measure=f"percentile {place:.0f} of {len(values)} {among}",
        rule="galaxy",
        anchored=True,
        within=0 < place < 100 if len(values) >= FEWEST and np.isfinite(real) else None,
    )


def spectra_row(what: str, real: np.ndarray, simulated: list[np.ndarray]) -> Row:
    """One measure of each real spectrum among simulated spaxels of like S/N."""
    known = [i for i, values in enumerate(simulated) if len(values) >= 20]
    places = [percentile_of(real[i], simulated[i]) for i in known]
    outside = sum(not 2.5 <= place <= 97.5 for place in places)
    ours = [float(np.median(simulated[i])) for i in known]
    return Row(
        what=what,
        real=_range(real[known]),
        simulated=_range(np.array(ours)),
        measure=f"{outside} of {len(known)} spectra outside",
        rule="spectra",
        anchored=True,
        # One in twenty is outside by chance.
        within=bool(binom.sf(outside - 1, len(known), 0.05) > 0.0501) if known else None,
    )


def _range(values: np.ndarray) -> str:
    return f"{values.min():.2f} to {values.max():.2f}" if len(values) else "none of like S/N"


def survey_row(
    what: str, digits: int, real: tuple[np.ndarray, np.ndarray], simulated: np.ndarray, drawn: int
) -> Row:
    """A distribution of the survey against the catalogue's.

    Args:
        what: name of the row.
        digits: to print of the medians.
        real: values and weights of the catalogue.
        simulated: one value a galaxy, repeats left out.
        drawn: how many that is.
    """
    values, weights = real
    distance = ks_distance(values, weights, simulated)
    # 95 % of samples of so many stay below (Kolmogorov); the catalogue itself is many times larger.
    limit = 1.358 / np.sqrt(drawn)
    middle = float(values[np.searchsorted(np.cumsum(weights), 0.5)])
    return Row(
        what=what,
        real=f"median {middle:.{digits}f}",
        simulated=f"median {np.median(simulated):.{digits}f}, n {drawn}",
        measure=f"KS {distance:.3f}, limit {limit:.3f}",
        rule="survey",
        anchored=True,
        within=bool(distance <= limit),
    )


def ks_distance(values: np.ndarray, weights: np.ndarray, sample: np.ndarray) -> float:
    """Largest difference of the two cumulative distributions; `values` sorted, `weights` add up to 1."""
    edges = np.unique(np.concatenate([values, sample]))
    below = np.concatenate([[0], np.cumsum(weights)])
    real = below[np.searchsorted(values, edges, side="right")]
    ours = np.searchsorted(np.sort(sample), edges, side="right") / len(sample)
    # The catalogue is kept as a hundred quantiles a bundle: between two of them it is not known.
    return float(np.max(np.abs(real - ours)))


def shape_row(real: np.ndarray, simulated: list[np.ndarray]) -> Row:
    """Formal error by wavelength, each real spectrum against the median of simulated ones of like S/N."""
    known = [i for i, shapes in enumerate(simulated) if len(shapes) >= 20]
    away = [
        float(np.sqrt(np.nanmean(np.log10(real[i] / np.nanmedian(simulated[i], axis=0)) ** 2))) for i in known
    ]
    off = sum(value > 0.05 for value in away)
    return Row(
        what="formal error by wavelength, 1 at 6500 Å",
        real="0",
        simulated=f"off by {_range(np.array(away))} dex rms",
        measure=f"{off} of {len(away)} spectra off by 0.05",
        rule="shape",
        anchored=True,
        within=off < 2 if known else None,
    )


def table_of(rows: list[Row], head: str) -> str:
    """All rows as text, then the rules that were used."""
    cells = [("", "real", "simulated (16 to 84 %)", "judged by", "real data", "verdict")]
    cells += [
        (
            row.what,
            row.real,
            row.simulated,
            row.measure,
            "anchored" if row.anchored else "not anchored",
            row.verdict,
        )
        for row in rows
    ]
    lines = [head, "", *aligned(cells)]
    beyond = sum(row.within is False for row in rows)
    judged = sum(row.within is not None for row in rows)
    lines += ["", f"{beyond} of {judged} rows are beyond the real thing."]
    for key, rule in RULES.items():
        used = [row for row in rows if row.rule == key]
        if used:
            lines.append(f"  {key} ({len(used)}): {rule}")
    return "\n".join(lines)
