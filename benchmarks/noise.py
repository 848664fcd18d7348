"""Simulated noise beside the real: `noise.py DATA [SEED]` prints S/N, variance, chi2 and correlation."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from astropy.io import fits
from make_templates import G_BAND

from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.cube import simulate_galaxy
from cubesift.simulate.noise import SKY_LINE, distance_inside, residual_share, shared_noise
from cubesift.simulate.settings import Simulation

CUBES = 24
WAVE = MANGA_GRID.wave
INSIDE = distance_inside(37, 42)
BAND = WAVE * np.interp(WAVE, *G_BAND, left=0, right=0)
BAND = (BAND / BAND.sum()).astype(np.float32)
FLUXES = (0.05, 0.08, 0.12, 0.2, 0.35, 0.6, 1.0, 2.0)
EDGES = (0, 0.5, 1, 2, 3, 5, 8, 12, 20)


def real_maps(data: Path) -> np.ndarray:
    """Flux, variance and S/N of 7815-3702 in the g band, (3, y, x)."""
    with fits.open(data / "manga" / "manga-7815-3702-SNRG.fits.gz") as hdus:
        table = hdus["SPECTRUM"].data
    maps = np.zeros((3, 42, 42))
    for plane, name in zip(maps, ("SIGNAL", "VARIANCE", "SNR"), strict=True):
        plane[table["DRP_INDEX"][:, 1], table["DRP_INDEX"][:, 0]] = table[name]
    return maps


def simulated_maps(seed: int) -> np.ndarray:
    """The same of simulated cubes of its bundle, formal errors, (cube, 3, y, x); prints chi2 on the way."""
    settings = Simulation(galaxies=CUBES, seed=seed, ifus=(37,), oddities=0.0, repeats=0)
    share, near = residual_share(settings.sky_residual), np.abs(WAVE - SKY_LINE) < 8
    kinds = {
        "all but the sky line": ~near,
        "below 8500 angstrom": ~near & (WAVE < 8500),
        "sky lines above": share > 0.1,
        "sky line at 5578.9": near,
    }
    squares: dict[str, list[float]] = {kind: [] for kind in [*kinds, "bright half", "dim half", "edge"]}
    maps, factors, negative = [], [], []
    for index in range(CUBES):
        simulated = simulate_galaxy(settings, index)
        cube, factor = simulated.cube, simulated.observation.error_factor
        with np.errstate(divide="ignore"):
            sigma = np.where(cube.ivar > 0, 1 / np.sqrt(cube.ivar), np.nan)
        square = ((cube.flux - simulated.clean) / sigma / factor) ** 2
        for kind, where in kinds.items():
            squares[kind].append(np.nanmean(square[where]))
        faint = simulated.clean < np.median(simulated.clean[:, INSIDE > 1])
        rim = np.broadcast_to((INSIDE >= 0) & (INSIDE < 2), square.shape)
        for kind, voxels in (("bright half", ~faint), ("dim half", faint), ("edge", rim)):
            squares[kind].append(np.nanmean(square[~near][voxels[~near]]))
        used = np.isfinite(sigma)
        negative.append(np.mean(cube.flux[used] < 0))
        factors.append(factor)
        terms = (cube.flux, np.nan_to_num(sigma) ** 2, np.nan_to_num(cube.flux / sigma))
        maps.append([np.tensordot(BAND, term, 1) for term in terms])
    print(f"factors {min(factors):.2f} to {max(factors):.2f}, negative voxels {np.mean(negative):.3f}")
    print("chi2 of the truth after the factor: mean of the cubes, lowest, highest")
    for kind, values in squares.items():
        print(f"  {kind:22} {np.mean(values):7.3f} {min(values):7.3f} {max(values):7.3f}")
    return np.array(maps)


def quantiles(values: np.ndarray) -> str:
    """Median and the middle two thirds."""
    return "{1:7.2f} [{0:6.2f} {2:6.2f}]".format(*np.percentile(values, [16, 50, 84]))


def main(data: Path, seed: int) -> None:
    real, ours = real_maps(data), simulated_maps(seed)
    print("S/N at a flux in g (more than 2 spaxels inside): 7815-3702, simulated, ratio")
    for low, high in pairwise(FLUXES):
        one, all_ = (
            maps[2][(maps[0] >= low) & (maps[0] < high) & (maps[2] > 0) & (inside > 2)]
            for maps, inside in ((real, INSIDE), (np.moveaxis(ours, 1, 0), np.array([INSIDE] * CUBES)))
        )
        ratio = np.median(all_) / np.median(one)
        print(f"  {low:4.2f}-{high:4.2f} {quantiles(one)} {quantiles(all_)} {ratio:6.2f}")
    print("variance over sky + source * flux, spaxels inside the edge: 7815-3702, simulated")
    relative, depth = [], INSIDE
    for flux, variance, _ in (real, *ours):
        used = (INSIDE > 2) & (variance > 0)
        terms = np.stack([np.ones(used.sum()), flux[used]], axis=1) / variance[used, None]
        sky, source = np.linalg.lstsq(terms, np.ones(used.sum()))[0]
        relative.append(np.where(variance > 0, variance / (sky + source * flux), np.nan))
    for low, high in pairwise(EDGES):
        where = (depth >= low) & (depth < high)
        one = relative[0][where]
        all_ = np.concatenate([each[where] for each in relative[1:]])
        print(f"  {low:4}-{high:<4} {quantiles(one[one > 0])} {quantiles(all_[all_ > 0])}")
    print("rho(d): real CORREL, drawn noise, exp(-d**2 / 2 1.92**2)")
    with fits.open(data / "manga" / "manga-7815-3702-SNRG.fits.gz") as hdus:
        pairs = hdus["CORREL"].data
    square = (pairs["INDXI_C1"] - pairs["INDXJ_C1"]) ** 2 + (pairs["INDXI_C2"] - pairs["INDXJ_C2"]) ** 2
    noise = shared_noise(np.random.default_rng(seed), 4000, 34)
    for d in range(1, 6):
        drawn = np.mean(noise[:, d:] * noise[:, :-d])
        expected = np.exp(-0.5 * (d / 1.92) ** 2)
        print(f"  {d} {pairs['RHOIJ'][square == d**2].mean():.3f} {drawn:.3f} {expected:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 202)
