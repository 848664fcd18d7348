"""Who does not belong: score the galaxies and the spaxels of a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cubesift.data.embeddings import Embeddings, Reconstructions
from cubesift.data.outliers import BY_ITSELF, Outliers
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import Columns, Provenance, fingerprint, write_parquet
from cubesift.detect.consensus import agreement
from cubesift.detect.fold import Fold
from cubesift.detect.itself import each_by_itself
from cubesift.detect.manifold import draw_maps
from cubesift.detect.methods import METHODS
from cubesift.detect.ranking import percentiles
from cubesift.detect.reconstruction import Rebuilt, chi2_excess
from cubesift.detect.settings import FEW, Detection
from cubesift.detect.spaxels import spaxel_rows, strangest_first
from cubesift.detect.table import galaxy_table
from cubesift.errors import CubesiftError, Stale


def score_galaxies(run: Run, settings: Detection, models: Sequence[str] | None = None) -> Outliers:
    """Rank the galaxies and the spaxels of a run and save the two tables.

    Every fold's galaxies are ranked among themselves, of a cross-fit by how they differ from those that the
    fold learned from, and only percentiles are joined. How far the scores agree goes to `agreement.parquet`.
    Without a model
    every cube is rebuilt from its own spaxels, written to `reconstructions/by-itself.zarr`,
    and no galaxy is ranked; nor is a single galaxy.

    Args:
        run: with samples, and per model embeddings and reconstructions.
        settings: how.
        models: by name; None = all that were embedded, () = judge every cube by itself.

    Raises:
        CubesiftError: something is missing, or does not belong together.
    """
    if models is None:
        models = _embedded(run)
        if not models and (count := _prepared(run)) >= FEW:
            raise CubesiftError(f"{run.path}: {count} galaxies but no embeddings. Run train and embed first.")
    outliers = _by_models(run, settings, models) if models else _by_themselves(run, settings)
    draw_maps(run, settings, models)
    write_parquet(run.agreement, agreement(outliers.galaxies), outliers.provenance)
    outliers.save(run.path)
    return outliers


def is_scored(run: Run, settings: Detection, models: Sequence[str]) -> bool:
    """Whether the two tables are there, whole, and made with these settings by what these models say now."""
    try:
        return Outliers.load(run.path).provenance.id == _provenance(run, settings, models).id
    except CubesiftError:
        return False


def _embedded(run: Run) -> list[str]:
    return sorted(path.stem for path in run.path.glob("embeddings/*.parquet"))


def _provenance(run: Run, settings: Detection, models: Sequence[str]) -> Provenance:
    parents = {}
    if settings.by_itself or not models:
        samples = _finest(run)
        parents[f"samples/{samples.store.path.stem}"] = samples.id
    for model in models:
        parents[f"embeddings/{model}"] = Embeddings.load(run.embeddings(model)).provenance.id
        parents[f"reconstructions/{model}"] = Reconstructions.open(run.reconstructions(model)).provenance.id
    return Provenance("detect", fingerprint(settings), parents)


def _by_models(run: Run, settings: Detection, models: Sequence[str]) -> Outliers:
    mangaids: dict[str, str] = {}
    scores: dict[str, dict[str, tuple[float, float]]] = {}  # "method.model" -> plateifu -> score, percentile
    spaxels: list[Columns] = []
    for model in models:
        embeddings = Embeddings.load(run.embeddings(model))
        reconstructions = Reconstructions.open(run.reconstructions(model))
        _check_partners(model, embeddings, reconstructions)
        mangaids.update(zip(embeddings.plateifu.tolist(), embeddings.mangaid.tolist(), strict=True))
        for one in embeddings.comparisons():
            names = embeddings.plateifu[one.asked].tolist()
            rebuilt = [Rebuilt.read(reconstructions, name) for name in names]
            excess = chi2_excess(rebuilt, settings.min_signal_to_noise)
            for galaxy, score in zip(rebuilt, excess, strict=True):
                kept = settings.spaxels_per_cube
                spaxels.append(spaxel_rows(galaxy.plateifu, score, galaxy.signal_to_noise, model, kept))
            fold = Fold.of(embeddings, one, rebuilt, excess)
            for method in settings.methods:
                column = scores.setdefault(f"{method}.{model}", {})
                if len(one.among) > 1:
                    score = METHODS[method](fold, settings)
                    both = zip(score.tolist(), percentiles(score).tolist(), strict=True)
                    column.update(zip(names, both, strict=True))
    if settings.by_itself:
        samples = _finest(run)
        high: dict[str, float] = {}
        for name, own in each_by_itself(samples, settings):
            light = own.reconstruction.signal_to_noise
            spaxels.append(spaxel_rows(name, own.score, light, "", settings.spaxels_per_cube))
            ranked = own.score[np.isfinite(own.score)]
            high[name] = float(np.quantile(ranked, settings.own_quantile)) if len(ranked) else np.nan
        score = np.array([high.get(name, np.nan) for name in mangaids])
        pairs = zip(score.tolist(), percentiles(score).tolist(), strict=True)
        scores["itself." + samples.store.path.stem] = dict(zip(mangaids, pairs, strict=True))
    provenance = _provenance(run, settings, models)
    return Outliers(galaxy_table(scores, mangaids, settings), strangest_first(spaxels), provenance)


def _check_partners(model: str, embeddings: Embeddings, reconstructions: Reconstructions) -> None:
    """Refuse halves of two different passes.

    Raises:
        CubesiftError: they come from different models or samples, or one lacks galaxies, or has no numbers.
    """
    again = f"Run embed again for {model}."
    if embeddings.provenance.parents.get("model") != reconstructions.provenance.parents.get("model"):
        raise Stale(f"{model}: embeddings and reconstructions were not made together. {again}")
    missing = sorted(set(embeddings.plateifu.tolist()) - set(reconstructions.names))
    if missing:
        raise CubesiftError(f"{model}: {len(missing)} galaxies are not rebuilt ({missing[0]}, ...). {again}")
    broken = embeddings.plateifu[~np.isfinite(embeddings.vectors).all(axis=1)]
    if len(broken):
        raise CubesiftError(
            f"{model}: {len(broken)} embeddings are not numbers ({broken[0]}, ...): training went astray. "
            "Train again at a lower rate."
        )


def _by_themselves(run: Run, settings: Detection) -> Outliers:
    samples = _finest(run)
    provenance = _provenance(run, settings, ())
    about = {"samples": samples.store.path.name}
    made = Provenance("detect", fingerprint(settings), {"samples": samples.id})
    reconstructions = Reconstructions.create(run.reconstructions(BY_ITSELF), made, about)
    spaxels = []
    for name, own in each_by_itself(samples, settings):
        reconstructions.write(name, own.reconstruction, {})
        light = own.reconstruction.signal_to_noise
        spaxels.append(spaxel_rows(name, own.score, light, "", settings.spaxels_per_cube))
    return Outliers(galaxy_table({}, {}, settings), strangest_first(spaxels), provenance)


def _finest(run: Run) -> Samples:
    """The samples to judge cubes by themselves: of several recipes, the one with the most channels.

    Raises:
        CubesiftError: nothing was prepared.
    """
    prepared = [Samples.open(run.samples(recipe)) for recipe in run.recipes()]
    if not any(len(samples) for samples in prepared):
        raise CubesiftError(f"{run.path}: no samples. Run prepare first.")
    return max(prepared, key=lambda samples: (len(samples) > 0, samples.grid.size))


def _prepared(run: Run) -> int:
    """How many galaxies were prepared, by the recipe that has the most."""
    return max((len(Samples.open(run.samples(recipe))) for recipe in run.recipes()), default=0)
