"""Verbs of `cubesift judge`: what was claimed, held against the truth."""

from __future__ import annotations

from pathlib import Path

from cubesift.console import say, watching
from cubesift.data.run import Run
from cubesift.executors import open_executor
from cubesift.line import as_run
from cubesift.streaming import revealer_of


def judge_realism(
    run: Path | str | Run, executor: str | None = None, workers: int | None = None
) -> tuple[Path, Path]:
    """Print how near the simulated survey comes to real data; returns the page of plots, as PNG and PDF.

    Raises:
        CubesiftError: the run holds no simulated survey, or another version's.
    """
    from cubesift.judge import realism
    from cubesift.judge.realism_plots import write_page

    run = as_run(run)
    reveal = revealer_of(run)
    with open_executor(executor, workers) as pool, watching("judge realism") as tick:
        judged = realism.judge_realism(
            run,
            reveal,
            ifus=reveal.settings.ifus,
            name=f"{run.path.name}, seed {reveal.settings.seed}",
            executor=pool,
            progress=tick,
        )
    say(judged.table())
    return write_page(judged, run.path)


def judge_probes(run: Path | str | Run) -> None:
    """Print what can be read out of each embedding, beside what the observation gives away; keep the table.

    Raises:
        CubesiftError: no embeddings, or too few galaxies to learn from.
    """
    from cubesift.judge.probes import probe_run
    from cubesift.judge.reading import Probing

    run = as_run(run)
    with watching("judge probes") as tick:
        probes = probe_run(run, Probing(), progress=tick)
    probes.save(run)
    say(probes.table())


def judge_planted(run: Path | str | Run) -> None:
    """Print the strangest galaxies beside what was planted, and where each score puts each class of it.

    Raises:
        CubesiftError: the run has no ranking, or no truth.
    """
    from cubesift.judge.planted import beside_planted, class_table

    run = as_run(run)
    say(beside_planted(run))
    say(class_table(run))


def judge_redshift(run: Path | str | Run, recipe: str = "") -> Path:
    """Print redshifts by the spectra beside the catalogue's, and beside the truth of a simulated survey.

    Returns where the table is kept.

    Raises:
        CubesiftError: no samples in the observed frame at the full resolution.
    """
    from cubesift.data.store import Provenance, fingerprint, read_parquet, write_parquet
    from cubesift.judge.redshifts import in_words
    from cubesift.redshifts import observed_samples, redshifts_of_samples

    run = as_run(run)
    samples = observed_samples(run, recipe)
    with watching("judge redshift") as tick:
        columns = redshifts_of_samples(samples, tick)
    truth = None
    if run.truth_galaxies.exists():
        true, _ = read_parquet(run.truth_galaxies)
        truth = dict(zip(true["plateifu"].tolist(), true["redshift"].tolist(), strict=True))
    path = run.path / "redshifts.parquet"
    made = Provenance("judge", fingerprint("redshifts"), {"samples": samples.id})
    write_parquet(path, columns, made)
    say(in_words(columns, truth))
    return path


def judge_table1(run: Path | str | Run, recipe: str = "") -> Path:
    """Print the paper's table 1 for the run's models of one recipe's samples; returns where it is kept.

    Beside the text lie its numbers, as Parquet.

    Only models that held galaxies out are asked, and about those galaxies alone; the others are named. Beside
    them stand the mean cube, a constant redshift, and the noise-free truth ("-" where the survey was not
    simulated, since nobody knows it, nor what the lines and the error are held against).

    Raises:
        CubesiftError: no such models, or a simulated survey that cannot be made again.
    """
    from cubesift.contenders import contenders_of
    from cubesift.data.store import Provenance, fingerprint, write_parquet, written_beside
    from cubesift.judge.table1 import judge_models

    run = as_run(run)
    asked = contenders_of(run, recipe, revealer_of(run) if run.truth_galaxies.exists() else None)
    with watching("judge table1") as tick:
        table = judge_models(asked, progress=tick)
    path = run.path / f"table1-{asked.recipe}.txt"
    with written_beside(path) as partial:
        partial.write_text(table.text() + "\n", encoding="utf-8")
    write_parquet(path.with_suffix(".parquet"), table.columns(), Provenance("judge", fingerprint(path.stem)))
    say(table.text())
    return path
