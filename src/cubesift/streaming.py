"""A simulated survey that never touches the disk as cubes: simulated, prepared, dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from cubesift.data.catalog import Catalog
from cubesift.data.cube import Cube
from cubesift.data.revealed import Revealed
from cubesift.data.run import Run
from cubesift.data.store import fingerprint, read_json, version
from cubesift.errors import CubesiftError
from cubesift.prepare.recipe import Recipe
from cubesift.prepare.survey import Prepared, prepare_survey
from cubesift.simulate.cube import simulate_galaxy
from cubesift.simulate.observation import draw_observation
from cubesift.simulate.settings import Simulation
from cubesift.simulate.survey import claim, note_down, provenance_of, write_tables


@dataclass(frozen=True)
class SimulatedSource:
    """A cube that comes into being when it is read; its record of truth is written then."""

    run: Run
    settings: Simulation
    index: int
    name: str  # plateifu
    files: tuple[Path, ...] = ()

    def identity(self) -> str:
        """Stands for the settings and for the simulator's version."""
        return fingerprint(self.settings.fingerprint, version(), self.index)

    def read(self, catalog: Catalog | None, channels: int) -> Cube:
        """The first `channels` of the cube, as a reader would give it from its file."""
        simulated = simulate_galaxy(self.settings, self.index)
        note_down(self.run, simulated)
        cube = simulated.cube
        return replace(
            cube,
            flux=cube.flux[:channels],
            ivar=cube.ivar[:channels],
            bits=cube.bits[:channels],
            grid=cube.grid.cut(channels),
            source=f"simulated in memory, seed {self.settings.seed}, galaxy {self.index}",
        )


@dataclass(frozen=True)
class Revealer:
    """Makes the observations of a simulated survey again, each with its noise-free flux."""

    settings: Simulation

    def __call__(self, index: int) -> Revealed:
        """Observation number `index`."""
        simulated = simulate_galaxy(self.settings, index)
        return Revealed(simulated.cube, simulated.clean)


def revealer_of(run: Run) -> Revealer:
    """Of the survey in a run.

    Raises:
        CubesiftError: there is none, or its cubes cannot be made again: another version simulated it, or a
            file that its settings name is gone or has changed.
    """
    note = run.path / "simulated" / "survey.json"
    if not note.exists():
        raise CubesiftError(f"{run.path}: holds no simulated survey. Make one with `cubesift simulate`.")
    record = read_json(note)
    made = record["version"]
    if made == version():
        with suppress(ValidationError):
            settings = Simulation(**record["settings"])
            if provenance_of(settings).id != record["id"]:
                files = " or ".join(filter(None, (settings.oddity_file, settings.quasar_file)))
                raise CubesiftError(
                    f"{run.path}: its cubes cannot be made again: {files or 'a setting'} has changed since. "
                    "Change it back, or simulate the survey again."
                )
            return Revealer(settings)
    raise CubesiftError(
        f"{run.path}: simulated by cubesift {made}, whose cubes this one ({version()}) cannot make again. "
        "Simulate the survey again."
    )


def stream_survey(
    run: Run,
    settings: Simulation,
    recipes: Sequence[Recipe],
    *,
    executor: Executor | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Prepared:
    """Simulate and prepare every galaxy in one go, one a unit of work; again only what is missing.

    Leaves what `simulate_survey` and `prepare_survey` leave, but for `cubes/`.

    Raises:
        CubesiftError: the folder holds another survey, or the disk is full.
    """
    run = Run(run.path.absolute())
    claim(run, settings)
    sources = [
        SimulatedSource(run, settings, index, draw_observation(settings, index).plateifu)
        for index in range(settings.galaxies)
    ]
    prepared = prepare_survey(run, sources, recipes, executor=executor, progress=progress)
    write_tables(run, settings)
    return prepared
