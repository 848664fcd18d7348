"""Does a galaxy cost the same in a survey of 50 as in one of 500?

    python benchmarks/scale.py CUBE.fits.gz

The cube is linked under many names and prepared by the paper's recipe, in this process and in the pool.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from cubesift.data.door import find_sources
from cubesift.data.run import Run
from cubesift.executors import open_executor
from cubesift.prepare.survey import prepare_survey


def seconds_per_galaxy(cube: Path, count: int, workers: int) -> float:
    with tempfile.TemporaryDirectory(dir=cube.parent) as folder:
        links = Path(folder) / "cubes"
        links.mkdir()
        for number in range(count):
            os.link(cube, links / f"manga-{8000 + number // 17}-19{number % 17 + 1:02d}-LOGCUBE.fits.gz")
        start = time.perf_counter()
        with open_executor(None, workers) as executor:
            prepared = prepare_survey(Run(Path(folder)), find_sources(links), executor=executor)
        assert prepared.done == count
        return (time.perf_counter() - start) / count


if __name__ == "__main__":
    for workers in (1, 2):
        for count in (50, 500):
            each = seconds_per_galaxy(Path(sys.argv[1]), count, workers)
            print(f"{count:4d} galaxies, {workers} workers: {each:.3f} s per galaxy", flush=True)
