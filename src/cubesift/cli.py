"""The command line: each verb parses, calls and prints. Heavy libraries are imported inside the verbs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from cubesift.console import nobody_reads
from cubesift.errors import CubesiftError
from cubesift.options import (
    CatalogFile,
    Cubes,
    Device,
    Drpall,
    ModelFolder,
    RecipeFile,
    RunFolder,
    Seed,
    Shard,
    Where,
    Workers,
)

app = App(
    name="cubesift",
    help="Find the galaxies and the spaxels that do not belong, in surveys of spectral cubes.",
    version_flags=["--version"],
    help_format="markdown",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,  # main says that nothing was lost
)


@app.command
def fetch(
    run: RunFolder,
    /,
    *plateifu: Annotated[str, Parameter(help="Names of cubes, as 8485-1901.")],
    names: Annotated[Path | None, Parameter(name="--list", help="File with a plateifu a line.")] = None,
    select: Annotated[bool, Parameter(help="All that the recipe's `[select]` keeps of drpall.")] = False,
    recipe: RecipeFile = None,
    dry_run: Annotated[bool, Parameter(help="Count the bytes and fetch nothing.")] = False,
) -> None:
    """Bring drpall and cubes from the SDSS archive, or use the mirror that SAS_BASE_DIR names.

    Example: `cubesift fetch runs/mine 8485-1901 7815-3702 --dry-run`
    """
    from cubesift import line

    line.fetch(run, plateifu, names, select, line.settings_of(run, recipe), dry_run)


@app.command
def simulate(
    run: RunFolder,
    /,
    *,
    galaxies: Annotated[int | None, Parameter(help="How many.")] = None,
    seed: Seed = None,
    release: Annotated[
        Literal["DR13", "DR14", "DR15", "DR17"] | None,
        Parameter(help="Whose names and HDUs the files have; by default DR17's."),
    ] = None,
    truth_cubes: Annotated[
        bool, Parameter(help="Write the noise-free cube beside each, as manga-...-TRUTHCUBE.fits.gz.")
    ] = False,
    oddities: Annotated[
        Path | None, Parameter(help="Python file whose functions plant oddities of your own.")
    ] = None,
    recipe: RecipeFile = None,
    workers: Workers = None,
) -> None:
    """Make a survey in MaNGA's format, with strange things planted at known places.

    Example: `cubesift simulate runs/demo --galaxies 48 --seed 1`
    """
    from cubesift import line

    line.simulate(
        run,
        line.settings_of(run, recipe),
        galaxies,
        seed,
        workers,
        release=release,
        truth_cubes=truth_cubes,
        oddity_file=oddities,
    )


@app.command
def prepare(
    run: RunFolder,
    /,
    *,
    cubes: Cubes = None,
    drpall: Drpall = None,
    catalog: CatalogFile = None,
    recipe: RecipeFile = None,
    executor: Where = None,
    workers: Workers = None,
    shard: Shard = None,
) -> None:
    """Turn cubes into samples: cleaned, masked, resized or at rest, as the recipe says.

    Example: `cubesift prepare runs/mine --cubes ~/manga --drpall drpall-v3_1_1.fits --shard 1/8`
    """
    from cubesift import line

    settings = line.settings_of(run, recipe)
    line.prepare(run, settings.prepare, cubes, drpall, catalog, settings.select, executor, workers, shard)


@app.command
def train(run: RunFolder, /, *, recipe: RecipeFile = None, device: Device = "cpu") -> None:
    """Train the recipe's models on the samples; what was begun goes on, what is finished stays.

    Example: `cubesift train runs/mine --recipe recipes/demo.toml`
    """
    from cubesift import line

    line.train(run, line.settings_of(run, recipe), device)


@app.command
def embed(run: RunFolder, /, *, model: ModelFolder = None, device: Device = "cpu") -> None:
    """Embed and rebuild every sample by the run's models, or by a model from elsewhere.

    Example: `cubesift embed runs/mine --model runs/demo/models/pca2d`
    """
    from cubesift import line

    line.embed(run, model, device)


@app.command
def detect(run: RunFolder, /, *, recipe: RecipeFile = None) -> None:
    """Rank the galaxies and the spaxels: how far from the others, how badly rebuilt.

    Example: `cubesift detect runs/mine`
    """
    from cubesift import line

    line.detect(run, line.settings_of(run, recipe).detect)


@app.command
def report(run: RunFolder, /, *, recipe: RecipeFile = None) -> None:
    """Write `report.html`: the strangest galaxies, why, and all that was left out.

    Example: `cubesift report runs/mine`
    """
    from cubesift import line

    print(line.report(run, line.settings_of(run, recipe).report))


judge = App(name="judge", help="Hold what was claimed against the truth.", help_format="markdown")
app.command(judge)


@judge.command
def realism(run: RunFolder, /, *, executor: Where = None, workers: Workers = None) -> None:
    """Say how near a simulated survey comes to real data: a table, and `realism.png` and `.pdf`.

    Each row says whether it is anchored in real data. The cubes it needs are made again from their seed.

    Example: `cubesift judge realism runs/demo`
    """
    from cubesift import judging

    for path in judging.judge_realism(run, executor, workers):
        print(path)


@judge.command
def probes(run: RunFolder, /) -> None:
    """Say how well each column of the catalogue is read out of each embedding: a table, `probes.parquet`.

    R2 of ridge regression and of nearest neighbours, cross-validated, beside that of S/N, flux, seeing alone.

    Example: `cubesift judge probes runs/demo`
    """
    from cubesift import judging

    judging.judge_probes(run)


@judge.command
def redshift(
    run: RunFolder,
    /,
    *,
    recipe: Annotated[str, Parameter(help="Whose samples; the first that fit if left out.")] = "",
) -> None:
    """Find each galaxy's redshift by its spectrum, and name the catalogue's that disagree.

    Beside those of a simulated survey stands the truth. Kept as `redshifts.parquet`.

    Example: `cubesift judge redshift runs/demo`
    """
    from cubesift import judging

    print(judging.judge_redshift(run, recipe))


@judge.command
def table1(
    run: RunFolder,
    /,
    *,
    recipe: Annotated[str, Parameter(help="Whose samples; that of most models if left out.")] = "",
) -> None:
    """Say how well each model rebuilds galaxies it held out: the paper's table 1, and what it lacks.

    Beside each figure stands that of the noise-free truth, of the mean cube, or of a constant redshift.

    Example: `cubesift judge table1 runs/paper`
    """
    from cubesift import judging

    print(judging.judge_table1(run, recipe))


@judge.command
def planted(run: RunFolder, /) -> None:
    """Say where each score puts what was planted: the median percentile of every class.

    With two models of one system, one with `star_mask = false`, it compares star masks on and off.

    Example: `cubesift judge planted runs/demo`
    """
    from cubesift import judging

    judging.judge_planted(run)


@app.command
def show(run: RunFolder, /) -> None:
    """Say what a run holds, what each thing was made from, and what is stale.

    Example: `cubesift show runs/mine`
    """
    from cubesift import line

    line.show(run)


@app.command
def make(
    run: RunFolder,
    /,
    *,
    cubes: Cubes = None,
    drpall: Drpall = None,
    catalog: CatalogFile = None,
    recipe: RecipeFile = None,
    model: ModelFolder = None,
    simulate: Annotated[int | None, Parameter(help="Without cubes: simulate so many galaxies.")] = None,
    keep_cubes: Annotated[bool, Parameter(help="Keep simulated cubes once they are prepared.")] = False,
    stream: Annotated[
        bool, Parameter(help="Pass simulated cubes to preparation in memory; none is written.")
    ] = False,
    executor: Where = None,
    workers: Workers = None,
    device: Device = "cpu",
) -> None:
    """Do whatever is missing, from cubes to `report.html`.

    Example: `cubesift make runs/mine --cubes ~/manga --drpall ~/manga/drpall-v3_1_1.fits`
    """
    from cubesift import making

    making.make(
        run,
        cubes=cubes,
        drpall=drpall,
        catalog=catalog,
        recipe=recipe,
        model=model,
        simulate_galaxies=simulate,
        keep_cubes=keep_cubes,
        stream=stream,
        executor=executor,
        workers=workers,
        device=device,
    )


def main(words: Sequence[str] | None = None) -> None:
    """Run these words, by default the command line; what a person can mend is one line and exit code 1."""
    try:
        app(words, result_action="return_value")
        sys.stdout.flush()
    except CubesiftError as error:
        print(f"cubesift: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("cubesift: stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        if not nobody_reads():
            raise
        sys.exit(141)  # 128 + SIGPIPE, as other commands end that `head` has read enough of


if __name__ == "__main__":
    main()
