"""The claims about the paper's four systems: each function gives a figure in words, and whether it held."""

from __future__ import annotations

import numpy as np
from benchmarks.claims.evidence import FOUR, Evidence, Missing, listed
from benchmarks.claims.measured import (
    as_one_layer,
    centre,
    first_components,
    rebuilt,
    repeated,
    slice_match,
)

from cubesift.data.store import read_parquet


def better_in_both(evidence: Evidence) -> tuple[str, bool]:
    mae, mse = evidence.measures("recon MAE"), evidence.measures("z MSE")
    figure = (
        f"MAE {listed(mae, ',.0f')}, linear baseline {evidence.linear('recon MAE'):,.0f}; "
        f"redshift MSE {listed(mse, '.5f')}, linear baseline {evidence.linear('z MSE'):.5f}"
    )
    return figure, min(mae, key=lambda one: mae[one]) == "3D" == min(mse, key=lambda one: mse[one])


def no_peaks(evidence: Evidence) -> tuple[str, bool]:
    kept = evidence.measures("Ha median")
    figure = f"{listed(kept, 'z.0%')}; the linear baseline keeps {evidence.linear('Ha median'):z.0%}"
    return figure, max(kept.values()) < 0.1


def redshift(evidence: Evidence) -> tuple[str, bool]:
    mse, constant = evidence.measures("z MSE", ["cae3d"]), evidence.table["mean redshift"]["z MSE"]
    shares = {words: value / constant for words, value in mse.items()}
    linear = evidence.linear("z MSE") / constant
    figure = f"of the constant's {constant:.5f}: {listed(shares, '.0%')}, linear baseline {linear:.0%}"
    return figure, mse["3D"] < 0.5 * constant


def spatial_pattern(evidence: Evidence) -> tuple[str, bool]:
    evidence.name("cae3d")
    wave = evidence.samples.grid.wave
    found = {}
    for system, words in [*FOUR.items(), ("linear", "linear baseline")]:
        if system in evidence.models:
            checkpoint = evidence.checkpoint(system)
            names = evidence.asked(checkpoint)
            samples = (evidence.samples.read(name) for name in names)
            cubes = rebuilt(checkpoint, evidence.samples, names)
            matches = [slice_match(cube, one, wave) for cube, one in zip(cubes, samples, strict=True)]
            found[words] = float(np.nanmedian(matches))
    return listed(found, ".3f"), found["3D"] > 0.9


def attributes(evidence: Evidence) -> tuple[str, bool]:
    evidence = evidence.probed
    path = evidence.run.path / "probes.parquet"
    if not path.exists():
        raise Missing("the run has no `probes.parquet` (`cubesift embed`, then `cubesift judge probes`)")
    columns, _ = read_parquet(path)
    ours = (columns["told_by"] == "truth") & (columns["method"] == "ridge")
    ours &= ~np.char.endswith(columns["column"].astype(str), "not learned from")  # a column once more
    found = {}
    for system, words in [*FOUR.items(), ("linear", "linear baseline")]:
        rows = ours & (columns["model"] == evidence.models.get(system))
        if rows.any():
            above = columns["embedding.low"][rows] > columns["nuisances"][rows]
            found[words] = f"{above.sum()} of {rows.sum()}", float(above.mean())
    networks = {words: share for words, (_, share) in found.items() if words in FOUR.values()}
    if not networks:
        raise Missing("none of the four is among the models that were probed")
    return ", ".join(f"{words} {said}" for words, (said, _) in found.items()), max(networks.values()) > 0.5


def repeats(evidence: Evidence) -> tuple[str, bool]:
    evidence.name("cae1d2d")
    found = {}
    for system, words in [*FOUR.items(), ("linear", "linear baseline")]:
        if system in evidence.models:
            checkpoint = evidence.checkpoint(system)
            cubes = rebuilt(checkpoint, evidence.samples, evidence.asked(checkpoint))
            found[words] = float(np.median([repeated(centre(cube)) for cube in cubes]))
    names = evidence.samples.names[:32]
    observed = [repeated(centre(evidence.samples.arrays(one, "unclipped")["unclipped"])) for one in names]
    networks = {words: share for words, share in found.items() if words in FOUR.values()}
    best = max(networks, key=lambda one: networks[one])
    figure = f"{listed(found, 'z.0%')}, observed {np.median(observed):z.0%}"
    return figure, best == "1D-2D" and found["1D-2D"] > 0.1


def mean_and_slope_first(evidence: Evidence) -> tuple[str, bool]:
    checkpoint = evidence.checkpoint("pca2d")
    r, slope = first_components(checkpoint, evidence.samples, evidence.asked(checkpoint))
    said = ", ".join(f"by {count} {value:.3f}" for count, value in slope.items())
    return f"|r| {r:.3f}; R² of the slope {said}", r > 0.95 and slope[2] > 0.9


def fixed_first_layer(evidence: Evidence) -> tuple[str, bool]:
    checkpoint = evidence.checkpoint("pca2d")
    apart = as_one_layer(checkpoint, evidence.samples.read(evidence.asked(checkpoint)[0]))
    return f"largest difference {apart:.1e} of the root mean square", apart < 1e-3


def easier_to_train(evidence: Evidence) -> tuple[str, bool]:
    needed = evidence.measures("recon MAE", ("pca2d", "cae2d"))
    pca2d, cae2d = needed["PCA-2D"], needed["2D"]
    figure = (
        f"{pca2d:,.0f} against {cae2d:,.0f}; the linear baseline leaves {evidence.linear('recon MAE'):,.0f}"
    )
    return figure, pca2d < cae2d
