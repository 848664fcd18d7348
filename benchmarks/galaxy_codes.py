"""How well 128 numbers a galaxy say what 48 numbers a spaxel do: against the truth, and a linear baseline.

    python benchmarks/galaxy_codes.py BASIS.npz FIELDS code SEED GALAXIES [odd]
    python benchmarks/galaxy_codes.py BASIS.npz FIELDS judge LEARNED_SEED GALAXIES JUDGED_SEED GALAXIES
    python benchmarks/galaxy_codes.py BASIS.npz FIELDS repeats LEARNED_SEED GALAXIES SEED GALAXIES PAIRS

BASIS.npz and BASIS.json are of `spaxel_codes.py learn`. `code` simulates a galaxy at a time, codes its
spaxels and keeps the codes alone in the folder FIELDS (5 MB each; what is there is not done again), with
oddities or without. `judge` learns modes from the ones and asks about the others, which are simulated once
more for their noise-free spectra. The baseline is a galaxy's amounts on 32 x 32 places of its bundle, each
by what it usually counts, as the mean and first principal components of the eight rotations and reflections.
`repeats` asks of a survey in which some galaxies were observed twice how many of these are their repeat's
nearest, by the amounts of the modes. Modes that were learned are kept in FIELDS, and not learned again.
"""

import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import spaxel_codes as of_spaxels
from scipy.ndimage import map_coordinates
from scipy.spatial.distance import cdist

from cubesift.coding import size_of
from cubesift.data.store import read_json, read_npz, write_npz
from cubesift.errors import BadFile
from cubesift.fit.basis import Basis
from cubesift.fit.coder import Coder, Field
from cubesift.fit.codes import MOTIONS, Codes, Measured
from cubesift.fit.galaxies import STORED, Galaxies, Placed, learn_galaxies, on_sky
from cubesift.fit.noise import NoiseModel
from cubesift.fit.pose import Fisheye
from cubesift.fit.relative import Relative, learn_relative
from cubesift.prepare.cube import prepare_cube
from cubesift.simulate.cube import simulate_galaxy
from cubesift.simulate.scene import scene_of
from cubesift.simulate.settings import Simulation

NUMBERS = 128
SIDE = 32  # of the baseline's maps
STRONG = 20.0  # S/N of a galaxy's Halpha from which it is asked for
DARK = 1e-6  # light of a spaxel that the baseline says has none
FASTEST = 600.0  # km/s, that it may say
USUAL = 40  # galaxies that say what is usual
PAIRS = np.triu_indices(48)
HALPHA = of_spaxels.NAMES.index("Halpha")


def coder_of(path: Path) -> Coder:
    """What `spaxel_codes.py learn` left."""
    return Coder(Basis.load(path), {"MaNGA": NoiseModel(**read_json(path.with_suffix(".json")))})


def code(task: tuple[Path, Path, int, int, bool]) -> str:
    """Simulate a galaxy and keep the codes of its spaxels, with their precision."""
    path, folder, seed, index, odd = task
    out = folder / f"{seed}-{index}.npz"
    if out.exists() or (made := of_spaxels.simulated(seed, index, odd)) is None:
        return out.name
    coder = coder_of(path)
    spectra = coder.spectra(made[0])
    field = coder.field(spectra)
    precision = np.linalg.inv(field.codes.covariance.astype(np.float64))
    diagonal = np.sqrt(np.maximum(np.einsum("sii->si", precision), 1e-30))
    together = (precision / diagonal[:, :, None] / diagonal[:, None, :])[:, *PAIRS]
    arrays = {"codes": field.codes.numbers.astype(np.float32), "diag": diagonal.astype(np.float32)}
    arrays |= {"P": together.astype(np.float16), "y": field.y, "x": field.x}
    single = {"side": field.side, "spaxel": field.spaxel, "psf": field.psf}
    single |= {"reff": scene_of(made[3], index).galaxy.reff, "nchan": (spectra.ivar > 0).sum(axis=1)}
    write_npz(out, {**arrays, **{name: np.array(value) for name, value in single.items()}})
    return out.name


def field_of(path: Path) -> tuple[Field, float]:
    """What `code` kept, and the galaxy's half-light radius, arcsec."""
    kept = read_npz(path)
    precision = np.zeros((len(kept["codes"]), 48, 48))
    precision[:, PAIRS[0], PAIRS[1]] = precision[:, PAIRS[1], PAIRS[0]] = kept["P"]
    precision *= kept["diag"][:, :, None].astype(float) * kept["diag"][:, None, :]
    codes = Measured(kept["codes"].astype(float), np.linalg.inv(precision).astype(np.float32))
    single = (float(kept[name]) for name in ("spaxel", "psf"))
    return Field(codes, kept["y"], kept["x"], int(kept["side"]), *single), float(kept["reff"])


def coded(folder: Path, seed: int, many: int) -> list[Path]:
    """The first galaxies of a seed that `code` kept."""
    files = [folder / f"{seed}-{index}.npz" for index in range(many)]
    return [file for file in files if file.exists()]


def learned_from(folder: Path, seed: int, many: int) -> Galaxies:
    """Modes of those galaxies."""
    files, kept = coded(folder, seed, many), folder / f"modes-{seed}-{many}.npz"
    relative = learn_relative(field_of(file)[0].codes for file in files[:USUAL])
    fisheye = Fisheye()
    nothing = Galaxies(relative, fisheye, np.zeros((1, 48)), np.zeros((0, 1, 48)))

    def placed(file: Path) -> Placed:
        field, radius = field_of(file)
        return nothing.place(field, size_of(field, radius))

    started = time.process_time()
    if not kept.exists():
        found = learn_galaxies(map(placed, files), relative, fisheye, NUMBERS)
        write_npz(kept, {"mean": found.mean, "modes": found.modes})
        seconds = time.process_time() - started
        print(f"{len(files)} galaxies of seed {seed}, {seconds:.0f} CPU-s to learn", flush=True)
    stored = read_npz(kept)
    return Galaxies(relative, fisheye, stored["mean"], stored["modes"])


def repeats(path: Path, folder: Path, learned: int, many: int, seed: int, count: int, pairs: int) -> None:
    coder, galaxies = coder_of(path), learned_from(folder, learned, many)
    settings = Simulation(galaxies=count, seed=seed, repeats=pairs, oddities=0.0)
    names, amounts = [], []
    for index in range(count):
        made = simulate_galaxy(settings, index)
        try:
            sample = prepare_cube(made.cube, of_spaxels.RECIPE)
        except BadFile:
            continue
        field = coder.field(coder.spectra(sample))
        placed = galaxies.place(field, size_of(field, scene_of(settings, index).galaxy.reff))
        names.append(sample.record.mangaid)
        amounts.append(galaxies.encode(placed)[len(STORED) :])
        print(index, names[-1], flush=True)
    apart = cdist(amounts, amounts)
    np.fill_diagonal(apart, np.inf)
    same = np.array(names)[:, None] == np.array(names)
    np.fill_diagonal(same, False)
    again = np.flatnonzero(same.any(axis=1))
    found = same[again, apart[again].argmin(axis=1)]
    nearest = np.where(same, np.inf, apart).min(axis=1)
    ratio = np.where(same, apart, np.inf).min(axis=1)[again] / np.median(nearest)
    print(
        f"{len(again)} of {len(names)} observations of seed {seed} have another of the same galaxy: "
        f"it is the nearest of {found.mean():.2f} (at random {1 / (len(names) - 1):.3f}); its distance over "
        f"the median of those to the nearest other galaxy: median {np.median(ratio):.2f}"
    )


def judge(path: Path, folder: Path, learned: int, many: int, seed: int, count: int) -> None:
    coder, galaxies = coder_of(path), learned_from(folder, learned, many)
    linear = Linear(galaxies.relative, (field_of(file)[0] for file in coded(folder, learned, many)))
    found = []
    for index in range(count):
        if (made := of_spaxels.simulated(seed, index, odd=False)) is None:
            continue
        sample, truth, factor, settings = made
        spectra = coder.spectra(sample)
        field = coder.field(spectra)
        clean = truth.unclipped[spectra.y, spectra.x]
        weights = spectra.ivar / factor**2
        radius = size_of(field, scene_of(settings, index).galaxy.reff)
        started = time.process_time()
        ours = galaxies.decode(galaxies.encode(galaxies.place(field, radius)), *on_sky(field))
        seconds = time.process_time() - started
        row = [seconds]
        lines = dict(of_spaxels.true_lines(settings, index, of_spaxels.spectra(sample)[2]))
        true = lines["Halpha"][0].sum()
        if true < STRONG * np.sqrt(np.square(field.codes.error("Halpha")).sum()):
            true = np.nan  # too little to say what is kept of it
        for codes in (field.codes, ours, linear.rebuilt(field)):
            missed = np.square(coder.rendered(codes, spectra.at) - clean) * weights
            row += [missed[weights > 0].mean(), codes.flux[:, HALPHA].sum() / true]
        found.append(row)
        print(sample.record.plateifu, len(clean), *(f"{one:.3f}" for one in row), flush=True)
    told = np.array(found)
    rng = np.random.default_rng(0)
    drawn = told[rng.integers(len(told), size=(4000, len(told)))]
    print(
        f"{len(told)} galaxies of seed {seed}; {told[:, 0].mean():.2f} CPU-s to place, encode and decode one"
    )
    asked = ("48 numbers a spaxel", "128 numbers", "128 numbers, linear baseline")
    for place, words in zip((1, 3, 5), asked, strict=True):
        error, kept = told[:, place], told[:, place + 1]
        low, high = np.percentile(drawn[..., place].mean(axis=1), (2.5, 97.5))
        middle, tenth = np.nanpercentile(kept, (50, 10))
        print(
            f"{words}: error mean {error.mean():.3f} ({low:.3f} to {high:.3f}), "
            f"median {np.median(error):.3f}; Halpha median {middle:.3f}, 10 % {tenth:.3f}"
        )


class Linear:
    """The baseline: principal components of amounts on the bundle, each by what it usually counts."""

    def __init__(self, relative: Relative, fields: Iterable[Field]):
        self.relative = relative
        rows: list[np.ndarray] = []
        counts = []
        for field in fields:
            amounts, sure = self.amounts(field)
            counts.append(sure.mean(axis=0))
            rows += around(on_square(amounts, field))
        self.count = np.sqrt(np.mean(counts, axis=0))
        stacked = np.stack([(row * self.count).astype(np.float32).ravel() for row in rows])
        self.mean = stacked.mean(axis=0)
        stacked -= self.mean
        _, mixed = np.linalg.eigh((stacked @ stacked.T).astype(np.float64))
        strongest = mixed[:, : -1 - NUMBERS : -1].astype(np.float32)
        self.components = np.linalg.qr(stacked.T @ strongest)[0]

    def amounts(self, field: Field) -> tuple[np.ndarray, np.ndarray]:
        """(spaxel, number): light, and light times all else; and their inverse variances."""
        told = self.relative.values(field.codes)
        seen = told.weights[:, :1] > 0
        light = np.exp(told.values[:, :1]) * seen
        amounts = np.concatenate([light, light * told.values[:, 1:]], axis=1)
        return amounts, told.weights / np.where(seen, light, 1.0) ** 2

    def rebuilt(self, field: Field) -> Codes:
        """From 128 numbers, at the spaxels."""
        row = (on_square(self.amounts(field)[0], field) * self.count).ravel() - self.mean
        square = (self.mean + self.components @ (self.components.T @ row)).reshape(SIDE, SIDE, -1)
        at = np.stack([field.y, field.x]) * (SIDE - 1) / (field.side - 1)
        found = np.stack([map_coordinates(one, at, order=1) for one in np.moveaxis(square, 2, 0)], axis=1)
        found = found / self.count
        light = np.maximum(found[:, :1], DARK)
        values = np.concatenate([np.log(light), found[:, 1:] / light], axis=1)
        values[:, -MOTIONS:] = np.clip(values[:, -MOTIONS:], -FASTEST, FASTEST)
        return self.relative.codes(values)


def on_square(amounts: np.ndarray, field: Field) -> np.ndarray:
    """(32, 32, number): amounts, (spaxel, number), by linear interpolation; 0 where nothing was seen."""
    square = np.zeros((field.side, field.side, amounts.shape[1]))
    square[field.y, field.x] = amounts
    at = np.meshgrid(*[np.linspace(0, field.side - 1, SIDE)] * 2, indexing="ij")
    return np.stack([map_coordinates(one, at, order=1) for one in np.moveaxis(square, 2, 0)], axis=2)


def around(maps: np.ndarray) -> list[np.ndarray]:
    """The eight rotations and reflections of (y, x, number)."""
    return [np.rot90(one, turns) for one in (maps, maps[:, ::-1]) for turns in range(4)]


def main() -> None:
    path, folder, verb, *words = sys.argv[1:]
    numbers = [int(word) for word in words if word != "odd"]
    if verb == "code":
        seed, galaxies = numbers
        Path(folder).mkdir(parents=True, exist_ok=True)
        tasks = [(Path(path), Path(folder), seed, index, "odd" in words) for index in range(galaxies)]
        with ProcessPoolExecutor(2) as pool:
            for name in pool.map(code, tasks):
                print(name, flush=True)
    else:
        {"judge": judge, "repeats": repeats}[verb](Path(path), Path(folder), *numbers)


if __name__ == "__main__":
    main()
