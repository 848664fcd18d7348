"""A survey of simulated galaxies: the same folder as `fetch` leaves, and the truth beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cubesift.data.catalog import Catalog
from cubesift.data.fitswrite import DRP_VERSIONS, Extras, write_drpall, write_logcube
from cubesift.data.run import Run
from cubesift.data.store import Columns, Provenance, fingerprint, version, write_json, write_parquet
from cubesift.data.wavelength import MANGA_GRID
from cubesift.errors import CubesiftError
from cubesift.simulate.observe import Simulated, Simulation, drawn, observe, simulate_galaxy
from cubesift.simulate.spectra import line_spread

__all__ = ["TRUTH", "Simulated", "Simulation", "simulate_galaxy", "simulate_survey"]

TRUTH = {  # columns of truth.parquet, one row per planted thing
    "plateifu": str,
    "mangaid": str,
    "kind": str,
    "y": float,  # spaxels
    "x": float,
    "wavelength": float,  # observed, angstrom, vacuum; nan = all of them
    "amplitude": float,  # largest change of flux in a voxel; of a redshift: wrong - true
    "snr": float,  # of a matched filter, see `matched_signal_to_noise`
}


def simulate_survey(
    run: Run,
    settings: Simulation,
    executor: Executor | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Catalog:
    """Write every cube of the survey, drpall, the catalogue and the truth; what is finished is kept.

    Args:
        run: the folder.
        settings: what to simulate.
        executor: anything of the `concurrent.futures` interface, one galaxy a task; None works here.
        progress: called with how many ended, of how many, and the plateifu of the last.

    Raises:
        CubesiftError: the folder holds a survey of other settings, or there are more repeats than galaxies.
        DiskFull: no space is left; the same call goes on later.
    """
    if 2 * settings.repeats > settings.galaxies:
        raise CubesiftError(
            f"{settings.repeats} repeats of {settings.galaxies} galaxies: each repeats one of the others, so "
            "ask for half as many at most."
        )
    provenance = Provenance("simulate", fingerprint(asdict(settings)))
    _claim(run, settings, provenance)
    records: dict[int, dict[str, Any]] = {}
    for index, record in _finished(run, settings, executor):
        records[index] = record
        if progress:
            progress(len(records), settings.galaxies, str(record["row"]["plateifu"]))
    rows = [records[index]["row"] for index in range(settings.galaxies)]
    planted = [entry for index in range(settings.galaxies) for entry in records[index]["truth"]]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    catalog = Catalog(columns, provenance)
    write_drpall(run.cubes / f"drpall-{DRP_VERSIONS[settings.release]}.fits", columns, settings.release)
    truth: Columns = {
        name: np.array([entry[name] for entry in planted], kind) for name, kind in TRUTH.items()
    }
    write_parquet(run.truth, truth, provenance)
    catalog.save(run.catalog)
    return catalog


def cube_path(run: Run, plateifu: str) -> Path:
    """Where the archive's layout puts a cube."""
    return run.cubes / plateifu.split("-")[0] / "stack" / f"manga-{plateifu}-LOGCUBE.fits.gz"


def _claim(run: Run, settings: Simulation, provenance: Provenance) -> None:
    """Note whose folder this is, or refuse one that is someone else's."""
    note = run.path / "simulated" / "survey.json"
    if note.exists():
        found = json.loads(note.read_text())
        if found["id"] != provenance.id:
            raise CubesiftError(
                f"{run.path}: holds a survey simulated with other settings (seed "
                f"{found['settings']['seed']}, {found['settings']['galaxies']} galaxies). "
                "Choose another folder, or remove this one."
            )
    else:
        write_json(note, {**provenance.to_dict(), "settings": asdict(settings)})


def _finished(
    run: Run, settings: Simulation, executor: Executor | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    if executor is None:
        for index in range(settings.galaxies):
            yield index, finish_galaxy(run.path, settings, index)
        return
    tasks = {executor.submit(finish_galaxy, run.path, settings, i): i for i in range(settings.galaxies)}
    try:
        for task in as_completed(tasks):
            yield tasks[task], task.result()
    finally:
        for task in tasks:
            task.cancel()


def finish_galaxy(path: Path, settings: Simulation, index: int) -> dict[str, Any]:
    """Write one cube and its record, unless both are there: `row` of drpall, and `truth`.

    The record lies in `simulated/`, so that the cubes' folder holds nothing the archive's would not.
    """
    run = Run(path)
    _, plateifu, _ = drawn(settings, index)
    cube, note = cube_path(run, plateifu), run.path / "simulated" / f"{plateifu}.json"
    if not (cube.exists() and note.exists()):
        simulated = observe(settings, index)
        write_simulated(cube, simulated, settings, index)
        write_json(note, {"row": simulated.row, "truth": simulated.truth})
    # Read back in either case: a resumed survey has the same last digits as an undisturbed one.
    record: dict[str, Any] = json.loads(note.read_text())
    return record


def write_simulated(path: Path, simulated: Simulated, settings: Simulation, index: int) -> None:
    """Write a cube as a LOGCUBE whose header says that, and from what, it was simulated."""
    row = simulated.row
    extras = Extras(
        sigma=line_spread(MANGA_GRID.wave),
        fwhm={band: row[f"{band}fwhm"] for band in "griz"},
        keywords={
            name.upper(): row[name] for name in ("mngtarg1", "mngtarg2", "mngtarg3", "exptime", "nexp")
        },
        history=(
            f"simulated by cubesift {version()}, seed {settings.seed}, galaxy {index}",
            f"settings {fingerprint(asdict(settings))}, true noise over formal {settings.error_factor:g}",
            "stars: MaStar populations (Maraston+2020) and stars (Yan+2019)",
        ),
        release=settings.release,
    )
    write_logcube(path, simulated.cube, extras)
