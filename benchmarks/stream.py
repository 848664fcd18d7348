"""A survey streamed by different numbers of workers: the same bits, how long, how large.

    python benchmarks/stream.py FOLDER [galaxies [seed [workers ...]]]

Writes one run for each number of workers (1,000 galaxies, seed 1000, 1 and 2 workers by default) into
FOLDER by the paper's recipe, compares their tables and every array and record of every sample, and prints
the sizes.
"""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.line import stream_simulated
from cubesift.settings import Line
from cubesift.simulate.settings import Simulation

ARRAYS = ("flux", "unclipped", "ivar", "bits", "image")


def same(job: tuple[Run, Run, str]) -> bool:
    """Whether a sample of two runs has the same bits and the same record."""
    one, other = (Samples.open(run.samples("paper")) for run in job[:2])
    ours, theirs = one.read(job[2]), other.read(job[2])
    equal = all(getattr(ours, name).tobytes() == getattr(theirs, name).tobytes() for name in ARRAYS)
    return equal and ours.record == theirs.record


def size(run: Run, array: str = "") -> float:
    """Of all samples, or of one of their arrays, in GB."""
    files = run.samples("paper").rglob(f"{array}/**/*" if array else "*")
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e9


def main(folder: Path, galaxies: int = 1000, seed: int = 1000, *workers: int) -> None:
    runs = []
    for count in workers or (1, 2):
        run = Run(folder / f"workers-{count}")
        started = time.perf_counter()
        line = Line(simulate=Simulation(galaxies=galaxies, seed=seed))
        stream_simulated(run, line, workers=count)
        print(f"{count} workers: {galaxies} galaxies in {time.perf_counter() - started:.0f} s wall")
        runs.append(run)
    first, *others = runs
    parts = ", ".join(f"{name} {size(first, name):.2f}" for name in ARRAYS)
    print(f"samples: {size(first):.2f} GB ({parts})")
    for other in others:
        with ProcessPoolExecutor(2) as pool:
            jobs = [(first, other, name) for name in Samples.open(first.samples("paper")).names]
            equal = sum(pool.map(same, jobs, chunksize=8))
        tables = ("catalog", "truth", "truth_galaxies")
        alike = all(
            getattr(first, table).read_bytes() == getattr(other, table).read_bytes() for table in tables
        )
        print(
            f"{other.path.name}: {equal} of {len(jobs)} samples are the same bits as {first.path.name}'s; "
            f"tables {'too' if alike else 'DIFFER'}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
