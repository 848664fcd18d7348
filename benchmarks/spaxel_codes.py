"""How well 48 numbers a spaxel say what is in a spectrum: continua, lines and motions against their truth.

    python benchmarks/spaxel_codes.py learn BASIS.npz [galaxies] [seed]
    python benchmarks/spaxel_codes.py judge BASIS.npz [galaxies] [seed]

`learn` takes up to 160 spaxels of each of 128 simulated galaxies, with their oddities, and the noise of the
first 16, which goes to BASIS.json; `judge` asks about all spaxels of others, without. S/N is that of a
matched filter on the true line and the true noise.
"""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from cubesift.data.cube import FORESTAR
from cubesift.data.linespread import line_spread
from cubesift.data.samples import Sample
from cubesift.data.store import read_json, write_json
from cubesift.data.wavelength import WavelengthGrid
from cubesift.errors import BadFile
from cubesift.fit.basis import Basis
from cubesift.fit.learning import Learning, learn_basis
from cubesift.fit.lines import LINES, NAMES, REACH
from cubesift.fit.noise import NoiseModel, learn_noise
from cubesift.fit.profiles import Setting, line_profiles
from cubesift.fit.spaxels import fit_spaxels, spectra_of
from cubesift.fit.together import drawn_together
from cubesift.prepare.cube import prepare_cube
from cubesift.prepare.recipe import PUBLISHED
from cubesift.simulate.cube import simulate_galaxy
from cubesift.simulate.emission import emission_of
from cubesift.simulate.scene import scene_of
from cubesift.simulate.settings import Simulation

RECIPE = PUBLISHED["cubesift"]
SURVEY = 10_000  # galaxies, of which the first are taken
SPAXELS = 160  # of a galaxy, to learn from
LEAST = 2.0  # median S/N of a channel, of these
SURE = 5.0  # S/N of a line from which it is asked for
NOISES = 16  # galaxies by which the noise is learned
NEAR = 8  # channels
ASKED = ("Halpha", "Hbeta", "OIII5008", "NII6585", "SII6718", "SII6732", "OII3727", "OII3729")


def simulated(seed: int, index: int, odd: bool) -> tuple[Sample, Sample, float, Simulation] | None:
    """A galaxy as prepared, its noise-free twin, and its true noise over the formal one."""
    settings = Simulation(galaxies=SURVEY, seed=seed, repeats=0)
    settings = settings if odd else replace(settings, oddities=0.0)
    made = simulate_galaxy(settings, index)
    try:
        sample = prepare_cube(made.cube, RECIPE)
    except BadFile:
        return None
    made.cube.flux = made.clean
    return sample, prepare_cube(made.cube, RECIPE), made.observation.error_factor, settings


def spectra(sample: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flux and ivar, (spaxel, wave), of the spaxels that have any and no star, and which they are."""
    good = (sample.ivar > 0).any(axis=2) & ~((sample.bits & FORESTAR) > 0).any(axis=2)
    return sample.unclipped[good], sample.ivar[good], good


def some_spectra(task: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | None:
    """Up to `SPAXELS` spectra of a galaxy that are bright enough to learn from."""
    if (made := simulated(*task, odd=True)) is None:
        return None
    flux, ivar, _ = spectra(made[0])
    light = np.where(ivar > 0, flux * np.sqrt(ivar), np.nan)
    bright = np.flatnonzero(np.nanmedian(light, axis=1) > LEAST)
    chosen = np.random.default_rng(task).permutation(bright)[:SPAXELS]
    return flux[chosen], ivar[chosen]


def learn(path: Path, galaxies: int, seed: int) -> None:
    with ProcessPoolExecutor(2) as pool:
        found = [one for one in pool.map(some_spectra, [(seed, i) for i in range(galaxies)]) if one]
    flux, ivar = (np.concatenate(parts) for parts in zip(*found, strict=True))
    print(f"{len(flux):,} spectra of {len(found)} galaxies", flush=True)
    started = time.process_time()

    def tell(number: int, chi2: float) -> None:
        print(f"round {number}: chi2 {chi2:.4f}, {time.process_time() - started:.0f} CPU-s", flush=True)

    learn_basis(flux, ivar, grid(), Learning(), tell).save(path)
    write_json(path.with_suffix(".json"), asdict(learn_noise(noises(seed))))


def noises(seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """All spectra of some galaxies, and their wavelengths as observed."""
    for index in range(NOISES):
        if made := simulated(seed, index, odd=True):
            flux, ivar, _ = spectra(made[0])
            yield flux, ivar, grid().wave * (1 + made[0].record.redshift)


def grid() -> WavelengthGrid:
    """At rest, of the recipe."""
    return RECIPE.grid(WavelengthGrid(0, 4563))


def judge(path: Path, galaxies: int, seed: int) -> None:
    basis, noise = Basis.load(path), NoiseModel(**read_json(path.with_suffix(".json")))
    print("noise: shape", *(f"{one:.3f}" for one in noise.shape))
    print("noise: correlation", *(f"{one:.3f}" for one in noise.correlation))
    factors = []
    near = np.zeros(basis.grid.size, bool)
    for rest, _ in (line for name in ASKED for line in LINES[name]):
        middle = int(np.rint(basis.grid.channel(rest)))
        near[middle - NEAR : middle + NEAR + 1] = True
    errors, measured, moved, whole, seconds = [], {name: [] for name in ASKED}, [], [], []
    for index in range(galaxies):
        if (made := simulated(seed, index, odd=False)) is None:
            continue
        sample, truth, factor, settings = made
        flux, ivar, good = spectra(sample)
        record = sample.record
        at = Setting(basis.grid, float(record.redshift), record.fraction)
        started = time.process_time()
        corrected = noise.corrected(flux, ivar, basis.grid.wave * (1 + at.redshift))
        codes = fit_spaxels(flux, corrected, basis, at, noise.correlation)
        seconds.append(time.process_time() - started)
        told = noise.factor(flux, ivar, basis.grid.wave * (1 + at.redshift))
        factors.append(np.median(told) / factor)
        found = []
        for one in (codes, drawn_together(codes)):
            missed = np.square(spectra_of(one, basis, at) - truth.unclipped[good]) * ivar / factor**2
            found += [missed[ivar > 0].mean(), missed[(ivar > 0) & near].mean()]
        errors.append(found)
        for name, true in true_lines(settings, index, good):
            signal, limit = noise_limit(name, true, ivar / factor**2, at)
            place, sure = NAMES.index(name), signal > SURE
            off = codes.flux[:, place] - true[0]
            columns = (off / true[0], off / limit, off / codes.error(name))
            measured[name].append(np.stack(columns, axis=1)[sure])
            if name == "Halpha":
                width = np.hypot(true[2], line_spread("MaNGA", 6564.61 * (1 + at.redshift)))
                sharp = np.sqrt(2) * width / signal
                columns = (signal, (codes.velocity - true[1]) / sharp)
                moved.append(np.stack(columns, axis=1)[sure])
                if true[0].sum() > 20 * np.sqrt(np.square(limit[np.isfinite(limit)]).sum()):
                    whole.append(codes.flux[:, place].sum() / true[0].sum())
    told = np.array(errors)
    print(f"noise factor over the true one: {np.mean(factors):.3f}, {min(factors):.3f} to {max(factors):.3f}")
    print(f"{len(told)} galaxies of seed {seed}, {np.mean(seconds):.2f} CPU-s each to fit")
    for words, place in (("as measured", 0), ("drawn together", 2)):
        everywhere, close = (in_words(told[:, place + part]) for part in (0, 1))
        print(f"error, {words}: {everywhere}; within {NEAR} channels of lines: {close}")
    ends = np.percentile(whole, (50, 10))
    print(f"Halpha of {len(whole)} galaxies over the true one: median {ends[0]:.3f}, 10 % {ends[1]:.3f}")
    print(f"{'line':<9} {'spaxels':>7} {'bias':>7} {'scatter/limit':>14} {'pull width':>11}")
    for name, parts in measured.items():
        bias, limits, pulls = np.concatenate(parts).T
        print(
            f"{name:<9} {len(bias):>7} {np.median(bias):>7.3f} {spread(limits):>14.2f} {spread(pulls):>11.2f}"
        )
    signal, off = np.concatenate(moved).T
    for low, high in ((5, 10), (10, 20), (20, 50), (50, 1000)):
        among = (signal > low) & (signal <= high)
        scatter, count = spread(off[among]), among.sum()
        print(f"velocity, Halpha's S/N {low} to {high}: scatter {scatter:.2f} of the limit ({count})")


def true_lines(settings: Simulation, index: int, good: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Each line asked for: flux (dust of our Galaxy taken out), velocity and sigma, (3, spaxel)."""
    scene = scene_of(settings, index)
    for name in ASKED:
        line = emission_of(scene, name)
        observed = LINES[name][0][0] * (1 + scene.galaxy.redshift)
        let_through = np.interp(observed, WavelengthGrid(0, 4563).wave, scene.dust)
        yield name, np.stack([line.flux[good] / let_through, line.velocity[good], line.sigma[good]])


def noise_limit(name: str, true: np.ndarray, ivar: np.ndarray, at: Setting) -> tuple[np.ndarray, np.ndarray]:
    """S/N of a matched filter on a line alone, and the error of its flux at best, (spaxel,) each."""
    flux, velocity, sigma = true
    windows = at.windows
    middle = int(np.rint(at.grid.channel(LINES[name][0][0])))
    own = np.abs(windows.channels - middle) <= REACH
    profile = line_profiles(at, np.nan_to_num(velocity), np.nan_to_num(sigma))[:, NAMES.index(name), own]
    information = (profile**2 * ivar[:, windows.channels[own]]).sum(axis=1)
    with np.errstate(divide="ignore"):
        limit = 1 / np.sqrt(information)
    return np.where(np.isfinite(velocity), flux / limit, 0), limit


def in_words(values: np.ndarray) -> str:
    """Mean and median in words."""
    return f"mean {values.mean():.4f}, median {np.median(values):.4f}"


def spread(values: np.ndarray) -> float:
    """Standard deviation, by the median of the distances from the median."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


if __name__ == "__main__":
    verb, where, *numbers = sys.argv[1:]
    do, usual = {"learn": (learn, (128, 500)), "judge": (judge, (12, 901))}[verb]
    galaxies, seed = (*map(int, numbers), *usual[len(numbers) :])
    do(Path(where), galaxies, seed)
