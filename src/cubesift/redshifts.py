"""Redshifts by the spectrum itself: for cubes that come without one, and beside those of a catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from cubesift.data.catalog import Catalog
from cubesift.data.cube import Cube
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import Columns
from cubesift.data.wavelength import WavelengthGrid
from cubesift.errors import CubesiftError
from cubesift.fit.aperture import middle_spectrum
from cubesift.fit.redshift import Redshift, Templates, fit_redshift
from cubesift.prepare.recipe import CUBESIFT, Recipe
from cubesift.prepare.survey import Source

BY_SPECTRUM = "no redshift came with it; by its spectrum"  # how the note of such a cube begins


def with_redshifts(sources: Sequence[Source], recipes: Sequence[Recipe]) -> Sequence[Source]:
    """The sources, such that every cube a recipe brings to rest has a redshift, if it is to be had."""
    at_rest = any(recipe.frame == "rest" for recipe in recipes)
    return [WithRedshift(source) for source in sources] if at_rest else sources


@dataclass(frozen=True)
class WithRedshift:
    """A source whose cubes have a redshift: their own, the catalogue's, or their middle's by its spectrum."""

    source: Source

    @property
    def name(self) -> str:
        """Of the observation."""
        return self.source.name

    @property
    def files(self) -> tuple[Path, ...]:
        """What it is read from."""
        return self.source.files

    def identity(self) -> str:
        """The source's."""
        return self.source.identity()

    def read(self, catalog: Catalog | None, channels: int) -> Cube:
        """The cube; one whose spectrum is not sure stays without a redshift, and a note says so."""
        cube = self.source.read(catalog, channels)
        if cube.known_redshift:
            return cube
        found = redshift_of_cube(cube)
        if not found.sure:
            unsure = f"its spectrum does not tell: {found.redshift:.4f} or {found.second:.4f}"
            return replace(cube, notes=(*cube.notes, f"no redshift came with it, and {unsure}"))
        notes = (*cube.notes, f"{BY_SPECTRUM} {found.redshift:.5f} ± {found.error:.5f}")
        return replace(cube, redshift=found.redshift, notes=notes)


def redshift_of_cube(cube: Cube) -> Redshift:
    """By the spectrum of a cube's middle, the sky line's residual left out."""
    flux, ivar, bits = (one.transpose(1, 2, 0) for one in (cube.flux, cube.ivar, cube.bits))
    flux, ivar = middle_spectrum(flux, ivar, bits, cube.spaxel)
    ivar[cube.grid.between(*CUBESIFT.sky)] = 0
    return fit_redshift(flux, ivar, templates_of(cube.grid))


def observed_samples(run: Run, recipe: str = "") -> Samples:
    """Samples as observed, channel by channel, whose spectra can be asked; of a recipe, or the first such.

    Raises:
        CubesiftError: there are none.
    """
    for path in sorted(run.path.glob(f"samples/{recipe or '*'}.zarr")):
        samples = Samples.open(path)
        if samples.recipe["frame"] == "observed" and samples.grid.width == 1 and len(samples):
            return samples
    raise CubesiftError(
        f"{run.path}: no samples {recipe or ''} in the observed frame with all channels apart. Add "
        '[[prepare]] with name = "observed" to the recipe, and run `cubesift prepare`.'
    )


def redshifts_of_samples(samples: Samples, progress: Callable[[int, int, str], None]) -> Columns:
    """Of every sample: plateifu, the catalogue's redshift (nan = none), and what its spectrum says."""
    rows: list[dict[str, object]] = []
    for number, plateifu in enumerate(samples.names, start=1):
        record = samples.record(plateifu)
        arrays = samples.arrays(plateifu, "unclipped", "ivar", "bits")
        flux, ivar = middle_spectrum(arrays["unclipped"], arrays["ivar"], arrays["bits"], record.spaxel)
        found = fit_redshift(flux, ivar, templates_of(samples.grid))
        ours = any(note.startswith(BY_SPECTRUM) for note in record.notes)
        known = np.nan if record.redshift is None or ours else record.redshift
        rows.append(
            {
                "plateifu": plateifu,
                "catalogue": known,
                **asdict(found),
                "sure": found.sure,
                "agrees": bool(np.isnan(known)) or found.agrees(known),
            }
        )
        progress(number, len(samples), plateifu)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@lru_cache(maxsize=2)
def templates_of(grid: WavelengthGrid) -> Templates:
    """Made once for all cubes of a grid."""
    return Templates(grid)
