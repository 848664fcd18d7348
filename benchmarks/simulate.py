"""CPU seconds and memory of simulating one cube and writing it as gzip: `simulate.py [SEED]`.

Three cubes of the smallest and of the largest bundle, each in a fresh process of one core, with the survey's
oddities; templates read once before.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ONE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def one(fibres: int, seed: int) -> None:
    from cubesift.simulate.cube import observe
    from cubesift.simulate.settings import Simulation
    from cubesift.simulate.survey import write_simulated

    settings = Simulation(galaxies=2, seed=seed, ifus=(fibres,), repeats=0)
    observe(Simulation(galaxies=1, seed=seed, ifus=(19,), repeats=0), 0)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        simulated = observe(settings, 1)
        made = time.process_time() - start
        path = Path(folder) / "cube.fits.gz"
        write_simulated(path, simulated, settings)
        whole, size = time.process_time() - start, path.stat().st_size / 1e6
    side = simulated.cube.shape[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    kinds = ", ".join(entry["kind"] for entry in simulated.truth) or "-"
    print(
        f"{side}x{side}  {made:.2f} s, + {whole - made:.2f} s for {size:.0f} MB, peak {peak:.0f} MB  {kinds}"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(int(sys.argv[2]), int(sys.argv[3]))
    else:
        first = int(sys.argv[1]) if len(sys.argv) > 1 else 1
        for fibres in (19, 127):
            for seed in range(first, first + 3):
                command = [sys.executable, __file__, "--one", str(fibres), str(seed)]
                subprocess.run(command, check=True, env={**os.environ, **dict.fromkeys(ONE, "1")})
