"""A survey of simulated galaxies: the same folder as `fetch` leaves, and the truth beside it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cubesift.data.catalog import Catalog
from cubesift.data.fitswrite import DRP_VERSIONS, Extras, write_drpall, write_logcube
from cubesift.data.run import Run
from cubesift.data.store import (
    Columns,
    Provenance,
    read_json,
    version,
    write_json,
    write_parquet,
)
from cubesift.data.truthcube import write_truth_cube
from cubesift.data.wavelength import MANGA_GRID
from cubesift.errors import CubesiftError
from cubesift.simulate.cube import Simulated, observe
from cubesift.simulate.observation import draw_observation, drpall_row
from cubesift.simulate.planting import kinds_of
from cubesift.simulate.repeats import new_galaxies
from cubesift.simulate.settings import Simulation
from cubesift.simulate.spectra import line_spread
from cubesift.tasks import as_they_end

TRUTH = {  # columns of truth.parquet, one row per planted thing
    "plateifu": str,
    "mangaid": str,
    "kind": str,
    "y": float,  # spaxels
    "x": float,
    "wavelength": float,  # observed, angstrom, vacuum; nan = all of them
    "strength": float,  # in the unit of its kind, see `rates.py`
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
    claim(run, settings)
    finish = partial(finish_galaxy, run.path, settings)
    for ended, plateifu in enumerate(as_they_end(finish, range(settings.galaxies), executor), start=1):
        if progress:
            progress(ended, settings.galaxies, plateifu)
    return write_tables(run, settings)


def write_tables(run: Run, settings: Simulation) -> Catalog:
    """Write drpall beside the cubes (if any are kept), the catalogue and both tables of truth.

    Args:
        run: every galaxy of it has been simulated.
        settings: by which.
    """
    provenance = provenance_of(settings)
    names = [draw_observation(settings, index).plateifu for index in range(settings.galaxies)]
    records = [read_json(_note(run, plateifu)) for plateifu in names]

    def table(rows: list[dict[str, Any]]) -> Columns:
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    catalog = Catalog(table([record["row"] for record in records]), provenance)
    if run.cubes.exists():
        drpall = run.cubes / f"drpall-{DRP_VERSIONS[settings.release]}.fits"
        write_drpall(drpall, catalog.columns, settings.release)
    planted = [entry for record in records for entry in record["truth"]]
    truth: Columns = {
        name: np.array([entry[name] for entry in planted], kind) for name, kind in TRUTH.items()
    }
    write_parquet(run.truth, truth, provenance)
    write_parquet(run.truth_galaxies, table([record["galaxy"] for record in records]), provenance)
    catalog.save(run.catalog)
    return catalog


def cube_path(run: Run, plateifu: str) -> Path:
    """Where the archive's layout puts a cube."""
    return run.cubes / plateifu.split("-")[0] / "stack" / f"manga-{plateifu}-LOGCUBE.fits.gz"


def truth_cube_path(run: Run, plateifu: str) -> Path:
    """Where the noise-free cube lies, beside the other."""
    return cube_path(run, plateifu).with_name(f"manga-{plateifu}-TRUTHCUBE.fits.gz")


def claim(run: Run, settings: Simulation) -> None:
    """Note whose folder this is.

    Raises:
        CubesiftError: it is another survey's, or the settings ask for what there is not.
    """
    new_galaxies(settings)
    kinds_of(settings)
    note = run.path / "simulated" / "survey.json"
    if note.exists():
        found = read_json(note)
        if found["id"] != provenance_of(settings).id:
            raise CubesiftError(
                f"{run.path}: holds a survey simulated with other settings (seed "
                f"{found['settings']['seed']}, {found['settings']['galaxies']} galaxies). "
                "Choose another folder, or remove this one."
            )
    else:
        write_json(note, {**provenance_of(settings).to_dict(), "settings": asdict(settings)})


def provenance_of(settings: Simulation) -> Provenance:
    """Of a survey with these settings, and of what is in the files that they name."""
    return Provenance("simulate", settings.fingerprint)


def _note(run: Run, plateifu: str) -> Path:
    """The record of one observation.

    It lies in `simulated/`, so that the cubes' folder holds nothing the archive's would not.
    """
    return run.path / "simulated" / f"{plateifu}.json"


def note_down(run: Run, simulated: Simulated) -> None:
    """Write the record of one observation: its rows of drpall and of both tables of truth."""
    seen = simulated.observation
    record = {"row": drpall_row(simulated.cube, seen), "truth": simulated.truth, "galaxy": seen.truth()}
    write_json(_note(run, seen.plateifu), record)


def finish_galaxy(path: Path, settings: Simulation, index: int) -> str:
    """Write one cube and its record, and the noise-free cube if asked for, unless all are there.

    Returns:
        Its plateifu.
    """
    run = Run(path)
    plateifu = draw_observation(settings, index).plateifu
    cube, truth, note = cube_path(run, plateifu), truth_cube_path(run, plateifu), _note(run, plateifu)
    missing = not (cube.exists() and note.exists())
    if missing or (settings.truth_cubes and not truth.exists()):
        simulated = observe(settings, index)
        if settings.truth_cubes:
            seen, history = simulated.observation, _history(simulated, settings)
            write_truth_cube(truth, simulated.cube, simulated.clean, seen.error_factor, history)
        if missing:
            write_simulated(cube, simulated, settings)
            note_down(run, simulated)
    return plateifu


def write_simulated(path: Path, simulated: Simulated, settings: Simulation) -> None:
    """Write a cube as a LOGCUBE whose header says that, and from what, it was simulated."""
    seen = simulated.observation
    row = drpall_row(simulated.cube, seen)
    extras = Extras(
        sigma=line_spread(MANGA_GRID.wave),
        fwhm={band: row[f"{band}fwhm"] for band in "griz"},
        keywords={
            name.upper(): row[name] for name in ("mngtarg1", "mngtarg2", "mngtarg3", "exptime", "nexp")
        },
        history=_history(simulated, settings),
        release=settings.release,
    )
    write_logcube(path, simulated.cube, extras)


def _history(simulated: Simulated, settings: Simulation) -> tuple[str, ...]:
    seen = simulated.observation
    return (
        f"simulated by cubesift {version()}, seed {settings.seed}, galaxy {seen.index}",
        f"settings {settings.fingerprint}, true noise over formal {seen.error_factor:g}",
        "stars: MaStar populations (Maraston+2020) and stars (Yan+2019)",
    )
