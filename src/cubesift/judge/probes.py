"""What an embedding tells of each column of the catalogue, beside what the observation alone gives away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cubesift.data.embeddings import Embeddings
from cubesift.data.run import Run
from cubesift.data.store import Columns, Provenance, fingerprint, write_parquet
from cubesift.errors import CubesiftError
from cubesift.judge.columns import Target, nuisances_of, targets_of
from cubesift.judge.reading import (
    Probing,
    means_out_of_fold,
    methods_of,
    of_one_size,
    out_of_fold,
    r_squared,
)

FROM = ("embedding", "nuisances", "both")
NOTES = (
    "R2: 1 = every galaxy right, 0 = no better than one number for all, the mean of those learned from.",
    "In brackets: 95 % of resamplings of the galaxies, the probes not fitted anew for each.",
    "Nearest neighbours out of both weigh both the same: they can do worse than out of the better one.",
    "Where there is truth the redshift is the truth's: a wrong one may have been planted in the catalogue.",
)


@dataclass(frozen=True)
class Probes:
    """R2 of every column: a row per model, column and method.

    readings: model, column, told_by ("truth", "catalogue", "observation"), method ("ridge", "knn"), galaxies,
        and out of each of embedding, nuisances, both: R2, `<from>.low` and `<from>.high` (95 %); nan where
        it was not asked.
    nuisances: names of what "nuisances" is, per model.
    taught: models whose redshift head learned the catalogue's redshifts.
    """

    readings: Columns
    nuisances: Mapping[str, Sequence[str]]
    taught: Sequence[str]
    provenance: Provenance

    def save(self, run: Run) -> None:
        """Write `probes.parquet` into the run."""
        write_parquet(run.path / "probes.parquet", self.readings, self.provenance)

    def table(self) -> str:
        """As text: a block per model, two lines per column."""
        models = dict.fromkeys(self.readings["model"].tolist())
        return "\n".join([*(line for model in models for line in self._block(model)), *NOTES])

    def _block(self, model: str) -> Iterator[str]:
        read = {name: values[self.readings["model"] == model] for name, values in self.readings.items()}
        width = max(map(len, read["column"].tolist()))
        nuisances = ", ".join(self.nuisances[model])
        yield f"{model}: R2 out of the embedding; out of the nuisances ({nuisances}); out of both"
        if model in self.taught:
            yield "Its redshift head was taught the redshifts of the galaxies that it learned from."
        head = "  ".join(f"{source:<19}" for source in FROM)
        yield f"{'column':<{width}}  {'told by':<11}  {'galaxies':>8}  {'by':<5}  {head}".rstrip()
        for row, method in enumerate(read["method"].tolist()):
            named = [
                read[name][row] if method == "ridge" else "" for name in ("column", "told_by", "galaxies")
            ]
            cells = "  ".join(f"{_cell(*(read[source + end][row] for end in ENDS)):<19}" for source in FROM)
            yield f"{named[0]:<{width}}  {named[1]:<11}  {named[2]:>8}  {method:<5}  {cells}".rstrip()
        yield ""


ENDS = ("", ".low", ".high")


def _cell(value: float, low: float, high: float) -> str:
    return f"{value:5.2f} [{low:5.2f},{high:5.2f}]" if np.isfinite(value) else "    -"


def probe_run(run: Run, settings: Probing, progress: Callable[[int, int, str], None] | None = None) -> Probes:
    """How well ridge regression and nearest neighbours read each column out of each model's embedding.

    Of a cross-fit only the rows of one space count (`Embeddings.comparable`). See `probe` and `targets_of`.

    Raises:
        CubesiftError: no embeddings, or too few galaxies.
    """
    models = sorted(path.stem for path in run.path.glob("embeddings/*.parquet"))
    if not models:
        raise CubesiftError(f"{run.path}: no embeddings to probe. Run `cubesift embed` first.")
    rows: list[dict[str, Any]] = []
    nuisances, taught, parents = {}, [], {}
    for count, model in enumerate(models, start=1):
        embeddings = Embeddings.load(run.embeddings(model))
        parents[f"embeddings/{model}"] = embeddings.provenance.id
        embeddings = embeddings.comparable()
        embeddings = embeddings.where(np.argsort(embeddings.plateifu))
        galaxies = len(np.unique(embeddings.mangaid))
        if galaxies < settings.fewest:
            raise CubesiftError(
                f"{run.path}: {galaxies} galaxies embedded by {model}, but a probe is learned from at least "
                f"{settings.fewest}. Embed more of them."
            )
        known = nuisances_of(run, model, embeddings.plateifu)
        nuisances[model] = list(known)
        if np.isfinite(embeddings.redshift_predicted).any():
            taught.append(model)
        rows += [
            {"model": model, **row} for row in probe(embeddings, known, targets_of(run, embeddings), settings)
        ]
        if progress is not None:
            progress(count, len(models), model)
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Probes(columns, nuisances, taught, Provenance("judge", fingerprint("probes", settings), parents))


def probe(
    embeddings: Embeddings, nuisances: Mapping[str, np.ndarray], targets: Sequence[Target], settings: Probing
) -> list[dict[str, Any]]:
    """Rows of `Probes.readings` of one model: the columns in their order, then the nuisances themselves.

    The same galaxies are read in the same folds out of the embedding as it is, the nuisances, each over its
    spread, and both side by side, as blocks of one size (settled on all galaxies, before any column is read).
    The redshift has rows of its own for the galaxies that the model did not learn from, if they are enough.

    Args:
        embeddings: n rows of one space.
        nuisances: (n,) each.
        targets: columns of n rows; those known of too few galaxies are left out.
        settings: folds, choices, seed.
    """
    blocks = {"embedding": of_one_size(embeddings.vectors)}
    if nuisances:
        blocks["nuisances"] = of_one_size(np.stack([v / v.std() for v in nuisances.values()], axis=1))
        blocks["both"] = np.hstack([blocks["embedding"], blocks["nuisances"]])
    own = [Target(name, "observation", values[:, None]) for name, values in nuisances.items()]
    galaxy = embeddings.mangaid
    asked = [one for one in [*targets, *own] if len(np.unique(galaxy[one.known])) >= settings.fewest]
    everyone = np.ones(len(galaxy), bool)
    rows = []
    for target, read in zip(asked, read_targets(blocks, asked, galaxy, settings), strict=True):
        judged = {target.name: everyone}
        if target.name == "redshift" and len(np.unique(galaxy[embeddings.held_out])) >= settings.fewest:
            judged["redshift, not learned from"] = embeddings.held_out
        for name, whose in judged.items():
            keep = whose & target.known
            for method in methods_of(settings):
                row = {
                    "column": name,
                    "told_by": target.told_by,
                    "method": method,
                    "galaxies": len(np.unique(galaxy[keep])),
                }
                for source in FROM:
                    found = (np.nan, np.nan, np.nan)
                    # A nuisance is not read out of itself.
                    if source == "embedding" or (source in blocks and target.told_by != "observation"):
                        made, constant = read[method, source][keep], read["mean", ""][keep]
                        found = r_squared(target.values[keep], made, constant, galaxy[keep], settings)
                    row |= {source + end: value for end, value in zip(ENDS, found, strict=True)}
                rows.append(row)
    return rows


def read_targets(
    blocks: Mapping[str, np.ndarray], targets: Sequence[Target], galaxy: np.ndarray, settings: Probing
) -> list[dict[tuple[str, str], np.ndarray]]:
    """Of each target what it is read as, (n, m), nan where not known: by method and block, and the mean."""
    reads: list[dict[tuple[str, str], np.ndarray]] = [{} for _ in targets]
    # Columns known of the same galaxies are read together: one fit serves all.
    for pattern in {target.known.tobytes() for target in targets}:
        known = np.frombuffer(pattern, bool)
        places = [place for place, target in enumerate(targets) if target.known.tobytes() == pattern]
        values = np.hstack([targets[place].values[known] for place in places])
        column = np.concatenate([[place] * targets[place].values.shape[1] for place in places])
        made = {("mean", ""): means_out_of_fold(values, galaxy[known], settings)}
        for name, method in methods_of(settings).items():
            for source, block in blocks.items():
                made[name, source] = out_of_fold(
                    block[known], values, column, galaxy[known], method, settings
                )
        for place in places:
            for key, read in made.items():
                reads[place][key] = np.full(targets[place].values.shape, np.nan)
                reads[place][key][known] = read[:, column == place]
    return reads
