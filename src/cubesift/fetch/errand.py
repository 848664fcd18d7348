"""One call to the archive: what is here already, what comes, and the run's record of it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from cubesift.data.catalog import Catalog
from cubesift.data.run import Run
from cubesift.data.store import written_beside
from cubesift.errors import BadFile, CubesiftError
from cubesift.fetch.archive import Fetching, address, in_mirror
from cubesift.fetch.download import Seen, download_file
from cubesift.fetch.manifest import Entry, Manifest
from cubesift.fetch.patience import Patience
from cubesift.fetch.published import Checksums, remote_size


class Errand:
    """One call: where from, where to, and what is known so far."""

    def __init__(self, run: Run, settings: Fetching, rng: np.random.Generator | None):
        self.run = run
        self.settings = settings
        self.patience = Patience(settings, rng or np.random.default_rng())
        self.checksums = Checksums(self.patience)
        self.manifest = Manifest.open(run.cubes / "manifest.parquet", settings)
        self._lock = threading.Lock()
        self.catalog = Catalog.load(run.catalog) if run.catalog.exists() else None
        if self.catalog is not None and self.catalog.provenance.verb == "simulate":
            raise CubesiftError(f"{run.path}: holds a simulated survey. Fetch into another run.")

    def path(self, file: str) -> Path:
        return self.run.cubes / file

    def add(self, entry: Entry) -> Entry:
        """Keep the entry in the run's manifest; the next `save` writes it."""
        with self._lock:
            self.manifest.add(entry)
        return entry

    def save(self) -> None:
        """Write the run's manifest."""
        with self._lock:
            self.manifest.save(self.run.cubes / "manifest.parquet")

    def settled(self, file: str, dry_run: bool) -> Entry | None:
        """The entry of a file that need not be fetched; None for one that must."""
        path, before = self.path(file), self.manifest.entries.get(file)
        size = path.stat().st_size if path.is_file() else 0
        recorded = before is not None and before.here
        if recorded and before is not None and before.bytes == size:
            return before
        if size and not recorded and not path.is_symlink():
            return self.add(Entry(file, "found", size, source=str(path), note="was here before, not checked"))
        mirrored = in_mirror(self.settings, file)
        if mirrored is None:
            return None
        if not dry_run:
            with written_beside(path) as partial:
                partial.symlink_to(mirrored)
        size = mirrored.stat().st_size
        return self.add(Entry(file, "mirror", size, source=str(mirrored), note="not checked"))

    def get(self, file: str, seen: Seen) -> Entry:
        """Fetch a file; its failure is an entry too, so that the others go on."""
        source = address(self.settings, file)
        try:
            published = self.checksums.published(file)
            arrived = download_file(source, self.path(file), published, self.patience, seen)
        except BadFile as error:
            entry = _failed(file, source, error)
        else:
            note = "checksum agrees" if published else "no checksum published"
            entry = Entry(file, "fetched", arrived.bytes, arrived.sha1, source, note)
        self.add(entry)
        self.save()
        return entry

    def size(self, file: str) -> Entry:
        """What fetching a file would take."""
        source = address(self.settings, file)
        try:
            size = remote_size(source, self.patience)
        except BadFile as error:
            return _failed(file, source, error)
        return Entry(file, "to fetch", -1 if size is None else size, source=source)

    def required(self, file: str, seen: Seen) -> Entry:
        """Fetch a file nothing can go on without.

        Raises:
            BadFile: it cannot be had.
        """
        entry = self.settled(file, dry_run=False) or self.get(file, seen)
        if not entry.here:
            raise BadFile(f"{Path(file).name}: {entry.note}")
        return entry


def _failed(file: str, source: str, error: BadFile) -> Entry:
    return Entry(file, "failed", source=source, note=str(error).removeprefix(f"{Path(file).name}: "))
