"""How near a simulated survey comes to real MaNGA data, row by row."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from cubesift.data.revealed import Revealed
from cubesift.data.run import Run
from cubesift.data.store import Columns, read_parquet
from cubesift.errors import CubesiftError
from cubesift.judge.anchors import Anchors, read_anchors
from cubesift.judge.noise import Noise, Spectra, noise_of, together
from cubesift.judge.profiles import elliptical_radius, figures_of, maps_of, profiles_of
from cubesift.judge.rows import galaxy_rows, noise_rows, survey_rows
from cubesift.judge.verdicts import Row, table_of
from cubesift.tasks import as_they_end

NEIGHBOURS = 20  # simulated galaxies that the real one is held against
OTHERS = 8  # more cubes whose noise is measured: four from all over the survey, four of the brightest
BUNDLES = (19, 37, 61, 91, 127)


@dataclass(frozen=True)
class Task:
    """One unit of work: one observation, made again and measured."""

    index: int  # its row in the table of truth
    plateifu: str
    centre: tuple[float, float]  # arcsec, y and x of the galaxy from the cube's middle
    pa: float
    ellipticity: float
    reff: float  # arcsec
    error_factor: float
    redshift: float
    mapped: bool  # whether its maps are measured, too
    targets: tuple[float, ...]  # S/N of the real spectra


@dataclass(frozen=True)
class Measured:
    """What is kept of one observation."""

    task: Task
    noise: Noise
    figures: dict[str, float]  # empty where no maps were measured
    profiles: dict[str, np.ndarray]  # by annulus


@dataclass(frozen=True)
class Realism:
    """The verdicts, and what they were drawn from."""

    name: str  # of the survey
    about: str  # what was compared with what
    rows: list[Row]
    near: list[Measured]  # the galaxies nearest to the real one
    alike: list[Measured]  # the nearest of its class
    measured: list[Measured]  # all, with others for their noise
    galaxies: Columns  # the table of truth without repeats
    like: list[Spectra]  # simulated spaxels with the S/N of each real spectrum
    ifus: tuple[int, ...]  # sizes of bundle that the survey was allowed
    anchors: Anchors

    def table(self) -> str:
        """As text."""
        return table_of(self.rows, f"{self.name}: {self.about}")


def judge_realism(
    run: Run,
    reveal: Callable[[int], Revealed],
    *,
    ifus: tuple[int, ...] = (),
    name: str = "",
    executor: Executor | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Realism:
    """Measure a simulated survey against the real figures that came with this version.

    Args:
        run: with the two tables of truth.
        reveal: makes observation number so many (its row of `truth-galaxies.parquet`) again, with its
            noise-free flux; called in the executor's processes.
        ifus: bundles that the survey was allowed, (): all; the catalogue is cut alike.
        name: of the survey, as the table and the plots call it.
        executor: anything of the `concurrent.futures` interface; None works in this process.
        progress: called with how many ended, of how many, and the plateifu of the last.

    Raises:
        CubesiftError: there is no table of truth, or a cube made again is another.
    """
    anchors = read_anchors()
    truth, _ = read_parquet(run.truth_galaxies)
    planted, _ = read_parquet(run.truth)
    _, first = np.unique(truth["mangaid"], return_index=True)
    odd = np.isin(truth["plateifu"], planted["plateifu"])
    clean = np.setdiff1d(first, np.flatnonzero(odd))
    if not len(clean):
        raise CubesiftError(f"{run.path}: something is planted in every galaxy. Simulate more of them.")
    distance = distance_from(anchors, truth)
    order = clean[np.argsort(distance[clean], kind="stable")]
    near = order[:NEIGHBOURS]
    alike = order[truth["gas"][order] == anchors.galaxy["gas"]][:NEIGHBOURS]
    mapped = np.union1d(near, alike)
    targets = tuple(float(snr) for snr in anchors.spectra["snr"])
    tasks = [
        Task(
            index=int(i),
            plateifu=str(truth["plateifu"][i]),
            centre=(float(truth["offset_y"][i]), float(truth["offset_x"][i])),
            pa=float(truth["pa"][i]),
            ellipticity=float(truth["ellipticity"][i]),
            reff=float(truth["reff"][i]),
            error_factor=float(truth["error_factor"][i]),
            redshift=float(truth["redshift"][i]),
            mapped=bool(i in mapped),
            targets=targets,
        )
        for i in [*mapped, *others_among(truth, np.setdiff1d(clean, mapped))]
    ]
    found = {}
    for ended, one in enumerate(as_they_end(partial(measure_one, reveal), tasks, executor), start=1):
        found[one.task.index] = one
        if progress:
            progress(ended, len(tasks), one.task.plateifu)
    measured = [found[task.index] for task in tasks]
    noise = [one.noise for one in measured]
    like = [together([one.like[i] for one in noise]) for i in range(len(targets))]
    galaxies = {name: values[first] for name, values in truth.items()}
    nearest, forming = ([found[int(i)] for i in which] for which in (near, alike))
    rows = [
        row
        for words, group in (("nearest", nearest), ("star-forming", forming))
        for row in galaxy_rows(anchors, [one.figures for one in group], words)
        if group
    ]
    rows += [*noise_rows(anchors, noise, like), *survey_rows(anchors, galaxies, ifus)]
    about = (
        f"{len(truth['plateifu'])} observations of {len(first)} galaxies, noise of {len(measured)} cubes.\n"
        f"Real 7815-3702 against the {len(near)} galaxies nearest in redshift, mass, size and bundle (median "
        f"distance {_median(distance[near])} sigma)\nand the {len(alike)} nearest that form stars as it does "
        f"({_median(distance[alike])})."
    )
    return Realism(
        name or run.path.name, about, rows, nearest, forming, measured, galaxies, like, ifus, anchors
    )


def distance_from(anchors: Anchors, truth: Columns) -> np.ndarray:
    """How far each galaxy is from 7815-3702, (n,).

    Root of the summed squares of the differences in redshift, log mass and log size, each over its scatter
    in the catalogue, and in the bundle's place among the five sizes.
    """
    real = anchors.galaxy
    squares = np.zeros(len(truth["plateifu"]))
    for name in ("redshift", "logmass", "reff"):
        values, weights = anchors.catalogue(name)
        ours, theirs = truth[name], real[name]
        if name == "reff":
            values, ours, theirs = (np.log10(sizes) for sizes in (values, ours, theirs))
        sigma = np.sqrt(np.sum(weights * (values - np.sum(weights * values)) ** 2))
        squares += ((ours - theirs) / sigma) ** 2
    places = np.searchsorted(BUNDLES, truth["ifusize"]) - BUNDLES.index(real["ifusize"])
    return np.asarray(np.sqrt(squares + places**2))


def others_among(truth: Columns, rest: np.ndarray) -> np.ndarray:
    """Rows of half of `OTHERS` evenly through the survey and as many of the highest surface brightness."""
    half = OTHERS // 2
    if len(rest) <= OTHERS:
        return rest
    bright = truth["logmass"] - 2 * np.log10(truth["reff"]) - 2 * np.log10(truth["redshift"])
    brightest = rest[np.argsort(-bright[rest], kind="stable")[:half]]
    left = np.setdiff1d(rest, brightest)
    even = left[np.linspace(0, len(left) - 1, half).astype(int)]
    return np.concatenate([even, brightest])


def measure_one(reveal: Callable[[int], Revealed], task: Task) -> Measured:
    """Make one observation again and measure it."""
    with threadpool_limits(1):
        revealed = reveal(task.index)
        cube = revealed.cube
        if (cube.plateifu, cube.redshift) != (task.plateifu, task.redshift):
            raise CubesiftError(
                f"{task.plateifu}, redshift {task.redshift:.5f}: made again from its seed it is "
                f"{cube.plateifu}, {cube.redshift:.5f}. Simulate the survey again with this version."
            )
        noise = noise_of(revealed, task.error_factor, np.array(task.targets))
        if not task.mapped:
            return Measured(task, noise, {}, {})
        _, height, width = cube.shape
        centre = (height / 2 + task.centre[0] / cube.spaxel, width / 2 + task.centre[1] / cube.spaxel)
        arcsec = elliptical_radius((height, width), centre, task.pa, task.ellipticity, cube.spaxel)
        maps = maps_of(cube, arcsec / task.reff, read_anchors().populations())
        return Measured(task, noise, figures_of(maps), profiles_of(maps))


def _median(values: np.ndarray) -> str:
    return f"{np.median(values):.2f}" if len(values) else "-"
