"""Prepared cubes: what the models learn from, and what they are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cubesift.data.groups import GalaxyStore
from cubesift.data.store import Provenance, fingerprint
from cubesift.data.wavelength import WavelengthGrid

BEFORE = {"fill_bad": False, "take_critical": True}  # what was done before these settings were known
WHICH = ("name", "min_side", "take_critical")  # settings that say which cubes are in


def preparation(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Of a recipe as it is stored: what was done to the cubes, whatever it is called and which they were."""
    return {name: value for name, value in {**BEFORE, **recipe}.items() if name not in WHICH}


@dataclass(frozen=True)
class SampleRecord:
    """What is said of one prepared cube besides its arrays."""

    plateifu: str
    mangaid: str
    redshift: float | None  # None = not known
    frame: str  # "rest" or "observed"
    # Of a channel of MaNGA's lattice, also where rebinned: what lies at i of it belongs at i - fraction.
    fraction: float
    scale: float  # flux and ivar were divided by this (and its inverse square): 1, or the total flux
    area_ratio: float  # original spaxels per spaxel here; flux stays per *original* spaxel
    spaxel: float  # side of a spaxel here, arcsec
    psf_fwhm: float  # arcsec; nan where not known
    ebv: float  # Galactic E(B-V), mag, that was taken out; 0 where it was left in
    ra: float
    dec: float
    instrument: str
    source: str  # the file, as it was named
    source_id: str  # fingerprint of the file's size and time, to see that it changed
    side: int  # of the cube as observed
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One prepared cube. The wavelength is last, so a spaxel is contiguous and Conv2d is channels-last."""

    record: SampleRecord
    flux: np.ndarray  # (y, x, wave) float32, the models' input, 1e-17 erg/s/cm2/angstrom/original spaxel
    unclipped: np.ndarray  # (y, x, wave) float32, to judge by; the same array where nothing was clipped
    ivar: np.ndarray  # (y, x, wave) float32, of `unclipped`; 0 = do not judge
    bits: np.ndarray  # (y, x, wave) uint16, DRP3PIXMASK of every spaxel that went in
    image: np.ndarray  # (y, x, 3) float32, i r g bands of the cube as observed, native size


class Samples:
    """Prepared cubes on disk, `samples/<recipe>.zarr`, one group per galaxy."""

    def __init__(self, store: GalaxyStore):
        self.store = store
        self.grid = WavelengthGrid(**store.about["grid"])
        self.recipe: Mapping[str, Any] = store.about["recipe"]  # the settings of preparation

    @classmethod
    def create(
        cls, path: Path, provenance: Provenance, grid: WavelengthGrid, recipe: Mapping[str, Any]
    ) -> Samples:
        """Make the store, or go on with the one that was made by the same settings."""
        about = {"grid": asdict(grid), "recipe": dict(recipe)}
        return cls(GalaxyStore.create(path, provenance, about))

    @classmethod
    def open(cls, path: Path) -> Samples:
        """Open what was prepared before."""
        return cls(GalaxyStore.open(path))

    @property
    def provenance(self) -> Provenance:
        return self.store.provenance

    @property
    def names(self) -> list[str]:
        """plateifu of every prepared cube, sorted."""
        return self.store.names()

    @property
    def id(self) -> str:
        """Stands for the settings and for the cubes that are in: the parent of what is learned from them."""
        return fingerprint(self.provenance.id, [(name, self.record(name).source_id) for name in self.names])

    def __len__(self) -> int:
        return len(self.store)

    def __contains__(self, plateifu: str) -> bool:
        return plateifu in self.store

    def record(self, plateifu: str) -> SampleRecord:
        """What is said of one sample, without reading its arrays."""
        record = self.store.record(plateifu)
        return SampleRecord(**{**record, "notes": tuple(record["notes"])})

    def read(self, plateifu: str) -> Sample:
        """One sample, whole."""
        arrays = self.store.arrays(plateifu)
        arrays.setdefault("unclipped", arrays["flux"])
        return Sample(record=self.record(plateifu), **arrays)

    def arrays(self, plateifu: str, *names: str) -> dict[str, np.ndarray]:
        """Only the named arrays of one sample: flux, unclipped, ivar, bits, image."""
        clipped = bool(self.recipe.get("clip"))
        stored = {name: "flux" if name == "unclipped" and not clipped else name for name in names}
        arrays = self.store.arrays(plateifu, *set(stored.values()))
        return {name: arrays[stored[name]] for name in names}

    def write(self, sample: Sample) -> None:
        """Write one sample, whole or not at all: flux and ivar as float16 with a scale of their own."""
        names = ["flux", "ivar", "bits", "image", *(["unclipped"] if self.recipe.get("clip") else [])]
        arrays = {name: getattr(sample, name) for name in names}
        self.store.write(sample.record.plateifu, arrays, asdict(sample.record), ("flux", "unclipped", "ivar"))
