"""Redshifts by the spectra, against the catalogue's and, where it is known, the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cubesift.data.aligned import aligned
from cubesift.data.store import Columns
from cubesift.data.wavelength import SPEED_OF_LIGHT

FAR = 0.003  # |dz| / (1 + z), 900 km/s: another redshift
MOST = 20  # galaxies named


def in_words(columns: Columns, truth: Mapping[str, float] | None) -> str:
    """What a person reads: who disagrees with the catalogue, and how right the fits are.

    Args:
        columns: `plateifu`, `catalogue`, the fields of `fit.redshift.Redshift`, `sure`, `agrees`; a row each.
        truth: plateifu -> redshift of a simulated survey.
    """
    sure, known = columns["sure"], np.isfinite(columns["catalogue"])
    against = sure & known & ~columns["agrees"]
    lines = [
        f"{len(sure)} galaxies: {sure.sum()} redshifts are sure, {(~sure).sum()} flagged; "
        f"{against.sum()} of the sure ones disagree with the catalogue, which has {known.sum()}."
    ]
    if against.any():
        lines += ["", *_named(columns, np.flatnonzero(against))]
    if truth is not None:
        lines += [
            "",
            *_against_truth(columns, np.array([truth.get(name, np.nan) for name in columns["plateifu"]])),
        ]
    return "\n".join(lines)


def _named(columns: Columns, rows: np.ndarray) -> list[str]:
    first = rows[np.argsort(-columns["explained"][rows])][:MOST]
    table = [["", "catalogue", "its spectrum", "±", "second best", "explains"]]
    for row in first:
        share = columns["second_explained"][row] / columns["explained"][row]
        cells = (columns[name][row] for name in ("catalogue", "redshift", "error", "second"))
        table.append(
            [str(columns["plateifu"][row]), *(f"{one:.5f}" for one in cells), f"{share:.0%} as much"]
        )
    more = [f"and {len(rows) - MOST} more"] if len(rows) > MOST else []
    return [*aligned(table, right=True), *more]


def _against_truth(columns: Columns, true: np.ndarray) -> list[str]:
    sure, off = columns["sure"], (columns["redshift"] - true) / (1 + true)
    told_of = np.isfinite(true)
    pulls = off * (1 + true) / columns["error"]
    failed = told_of & ~(np.abs(off) <= FAR)  # no redshift at all is a failure too
    known = np.isfinite(columns["catalogue"])
    wrong = known & (np.abs(columns["catalogue"] - true) / (1 + true) > FAR)
    told = sure & ~columns["agrees"]
    constant = (np.nanmedian(true) - true) / (1 + true)
    return [
        f"Against the truth: sigma_NMAD {_spread(off):.1e} ({_spread(off) * SPEED_OF_LIGHT:.0f} km/s), where "
        f"the median redshift of all has {_spread(constant):.1e}; pulls {_spread(pulls):.2f} wide.",
        f"|dz| / (1 + z) > {FAR}: {(failed & sure).sum()} of {sure.sum()} sure ones, "
        f"{(failed & ~sure).sum()} of {(~sure).sum()} flagged ones.",
        f"Wrong in the catalogue: {wrong.sum()}, of which {(wrong & told).sum()} disagree with a sure fit; "
        f"of the {(known & ~wrong).sum()} right ones {(known & ~wrong & told).sum()} do.",
    ]


def _spread(values: np.ndarray) -> float:
    """Standard deviation, by the median of the distances from the median."""
    values = values[np.isfinite(values)]
    return float(1.4826 * np.median(np.abs(values - np.median(values)))) if len(values) else float("nan")
