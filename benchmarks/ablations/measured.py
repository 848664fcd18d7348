"""What `ablations.py` measures: each model on each galaxy that it held out, kept in a table of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from cubesift.contenders import contender, known_galaxies, mean_cube
from cubesift.data.cube import FORESTAR
from cubesift.data.run import Run
from cubesift.data.samples import Sample, Samples
from cubesift.data.store import Columns, Provenance, fingerprint, read_parquet, write_parquet
from cubesift.judge.rebuilt import Contender, Known, Truth, measure_all
from cubesift.learn.checkpoint import Checkpoint
from cubesift.streaming import Revealer, revealer_of

MEAN, TRUTH = "mean-", "truth-"  # before the name of samples: their mean cube, their noise-free truth
Row = dict[str, object]


def measure_models(run: Run, names: Sequence[str]) -> Columns:
    """Measure the finished models of these names that are not in the run's table yet; returns the table.

    A row is one model's on one galaxy: `mae` summed |model - input|, `error` against the noise-free truth,
    `halpha` model / truth (nan where its S/N is below 20), `own_redshift` and the catalogue's `redshift`, and
    whether the galaxy has a `star` in front. The mean cube says the mean redshift. Galaxies are asked one by
    one, of all models and samples together.
    """
    path = run.path / "ablations.parquet"
    models = [Checkpoint.load(run.model(name, "split")) for name in names]
    train, asked = models[0].train, models[0].validation
    if any(one.validation != asked for one in models):
        raise SystemExit(f"{run.path}: its models held out other galaxies each. Train them anew.")
    recipes = {name: Samples.open(run.samples(name)) for name in {one.settings.samples for one in models}}
    own = {one.provenance.id: one for one in models}
    means = {fingerprint(MEAN, samples.id, train): name for name, samples in recipes.items()}
    old = read_parquet(path)[0] if path.exists() else None
    there = set() if old is None else set(old["id"].tolist())
    waiting: dict[str, dict[str, Contender]] = {name: {} for name in recipes}  # samples -> id -> who
    for key in set(own) - there:
        waiting[own[key].settings.samples][key] = contender(own[key])
    for key in set(means) - there:
        waiting[means[key]][key] = mean_of(means[key], recipes[means[key]], train)
    if any(waiting.values()):
        reveal = lru_cache(maxsize=1)(revealer_of(run))  # once for the samples of every recipe
        rows: list[Row] = []
        for number, plateifu in enumerate(asked, start=1):
            for name, samples in recipes.items():
                rows += measured(run, samples, plateifu, reveal, waiting[name])
            print(f"measured {number}/{len(asked)} {plateifu}", flush=True)
        table = {key: np.array([row[key] for row in rows]) for key in rows[0]}
        if old is not None:
            table = {key: np.concatenate([old[key], values]) for key, values in table.items()}
        write_parquet(path, table, Provenance("ablations", fingerprint(sorted({*own, *means, *there}))))
        old = table
    assert old is not None
    now = np.isin(old["id"], [*own, *means])  # not those of models that were trained anew since
    return {key: values[now] for key, values in old.items()}


def known_galaxy(run: Run, samples: Samples, plateifu: str, reveal: Revealer) -> Known:
    """A galaxy beside its truth, which is kept in the run: to make it costs most, and models come later."""
    path = run.path / "truths" / f"{samples.recipe['name']}.zarr"
    truths = Samples.create(path, samples.provenance, samples.grid, samples.recipe)
    if plateifu not in truths:
        (known,) = known_galaxies(run, samples, [plateifu], reveal)
        assert known.truth is not None
        truths.write(known.truth.sample)
    truth, _ = read_parquet(run.truth_galaxies)
    (row,) = np.flatnonzero(truth["plateifu"] == plateifu)
    factor, redshift = float(truth["error_factor"][row]), float(truth["redshift"][row])
    return Known(samples.read(plateifu), Truth(truths.read(plateifu), factor, redshift))


def mean_of(name: str, samples: Samples, train: Sequence[str]) -> Contender:
    """The mean cube, which says the mean redshift."""
    mean = mean_cube(samples, train)
    redshift = float(np.mean([samples.record(one).redshift for one in train]))

    def rebuild(sample: Sample) -> tuple[np.ndarray, float]:
        return mean.rebuild(sample)[0], redshift

    return Contender(MEAN + name, rebuild)


def measured(
    run: Run, samples: Samples, plateifu: str, reveal: Revealer, contenders: Mapping[str, Contender]
) -> Iterator[Row]:
    """One galaxy's rows: of the models of one recipe's samples, and of the truth beside the mean cube."""
    if not contenders:
        return
    known = known_galaxy(run, samples, plateifu, reveal)
    found, (floor,) = measure_all([known], list(contenders.values()), samples.grid.wave, lambda _: None)
    star = bool((known.sample.bits & FORESTAR).any())
    for key, one in contenders.items():
        measures = found[one.name]
        ((own_redshift, redshift),) = measures.redshifts
        row: Row = {
            "id": key,
            "model": one.name,
            "plateifu": plateifu,
            "mae": measures.mae[0],
            "error": measures.error[0],
            "halpha": measures.lines.get("Ha", [np.nan])[0],
            "own_redshift": own_redshift,
            "redshift": redshift,
            "star": star,
        }
        yield row
        if one.name.startswith(MEAN):
            truth = {"mae": floor, "error": 0.0, "halpha": 1.0, "own_redshift": np.nan}
            yield row | {"model": one.name.replace(MEAN, TRUTH)} | truth
