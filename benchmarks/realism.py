"""Judge the realism of a big survey without simulating all of it: `realism.py RUN GALAXIES SEED`.

Only the tables of truth are written for all galaxies; the few cubes that are measured are made from the seed.
Nothing is planted, but for the catalogue's stars.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from cubesift.data.run import Run
from cubesift.data.store import Provenance, fingerprint, write_parquet
from cubesift.judging import judge_realism
from cubesift.simulate.observation import draw_observation
from cubesift.simulate.settings import Simulation
from cubesift.simulate.survey import TRUTH, claim


def main(run: Run, galaxies: int, seed: int) -> None:
    """Write the tables, print the verdicts, draw the page."""
    settings = Simulation(galaxies=galaxies, seed=seed, oddities=0.0)
    claim(run, settings)
    provenance = Provenance("simulate", fingerprint(asdict(settings)))
    rows = [draw_observation(settings, index).truth() for index in range(galaxies)]
    write_parquet(
        run.truth_galaxies, {name: np.array([row[name] for row in rows]) for name in rows[0]}, provenance
    )
    write_parquet(run.truth, {name: np.array([], kind) for name, kind in TRUTH.items()}, provenance)
    judge_realism(run)


if __name__ == "__main__":
    main(Run(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3]))
