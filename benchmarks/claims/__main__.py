"""The paper's claims, each held against what was measured here: writes `benchmarks/claims.md`.

    python -m benchmarks.claims RUN [--recipe paper] [--switches RUN] [--strange RUN] [--keep]

RUN holds the trained systems (`recipes/paper.toml`); its table 1 is made first where it is missing or older
than a model. Switches are those of `python -m benchmarks.ablations`, strange galaxies those of a simulated
survey with stars and blazars after `cubesift detect`. A claim whose models are not there is called not yet
tested; with --keep it stays as the page has it, marked with a dagger. What counts as held is said in the
test, and was settled before the figures were there.
"""
# ruff: noqa: RUF001

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.claims.evidence import Evidence, Missing
from benchmarks.claims.strange import blazars, by_all_models, stars, whatever_the_method
from benchmarks.claims.switches import checkerboards, dragged_up, mean_and_slope, switch_harms
from benchmarks.claims.systems import (
    attributes,
    better_in_both,
    easier_to_train,
    fixed_first_layer,
    mean_and_slope_first,
    no_peaks,
    redshift,
    repeats,
    spatial_pattern,
)

from cubesift.data.run import Run
from cubesift.data.store import written_beside

UNTESTED = "not yet tested"
KEPT = "† As an earlier call found it, by models that are no longer there: see the history of this page."
Outcome = tuple[str, bool | None]  # the figure; whether the claim held, None = could not be tested here


@dataclass(frozen=True)
class Claim:
    """What the paper says, how it is asked, and who answers."""

    words: str
    test: str  # with what counts as held
    ask: Callable[[Evidence], Outcome]


CLAIMS = (
    Claim(
        "The 3D CAE outperformed the others in both metrics (4.2)",
        "lowest summed MAE and lowest redshift MSE of the paper's four systems",
        better_in_both,
    ),
    Claim(
        "None of these models has captured the emission peak (4.2)",
        "Hα kept, median over galaxies: below 10 % by all four",
        no_peaks,
    ),
    Claim(
        "Redshift: much better than just guessing the mean (4.2, of the 3D CAE)",
        "the 3D CAE's redshift MSE on galaxies held out: below half the constant's",
        redshift,
    ),
    Claim(
        "A reconstructed slice captures the spatial pattern (4.2, of the 3D CAE)",
        "correlation with the observed map at 5690 to 5790 Å, median over galaxies held out: above 0.9",
        spatial_pattern,
    ),
    Claim(
        "The embedding predicts attributes of the galaxy (abstract)",
        "`cubesift judge probes`: columns of the truth read with an R² whose 95 % interval lies above what "
        "S/N, flux and size give: more than half of the columns, by any of the four",
        attributes,
    ),
    Claim(
        "The 1D-2D CAE repeats a local jiggling pattern (4.2)",
        "share of the fine structure of central spectra that repeats every 128 channels: above 10 %, and "
        "highest of the four",
        repeats,
    ),
    Claim(
        "The first two components are mean and slope (4.1)",
        "over spaxels: first code and mean flux |r| > 0.95; slope by the first two codes R² > 0.9",
        mean_and_slope_first,
    ),
    Claim(
        "PCA-2D is a 2D CAE with a fixed first layer (4.2)",
        "components and first convolution multiplied out to one: outputs within 0.1 % off the border",
        fixed_first_layer,
    ),
    Claim(
        "… which reduces the training difficulty a bit (4.2)",
        "summed MAE of PCA-2D below the 2D CAE's",
        easier_to_train,
    ),
    Claim(
        "Unpooling by strided transposed convolution leaves checkerboards (3.1)",
        "pattern of period 2 that reconstructions share: more than twice that with resize, by every system",
        checkerboards,
    ),
    Claim("ELU works better than ReLU (4.1)", "switch thrown: MAE up, certainly", switch_harms("relu")),
    Claim(
        "Average pooling works better than max pooling (4.1)",
        "switch thrown: MAE up, certainly",
        switch_harms("max-pooling"),
    ),
    Claim(
        "Batch norm reaches a much better optimum (4.1)",
        "switch thrown: MAE up, certainly",
        switch_harms("no-batch-norm"),
    ),
    Claim(
        "MSE drags the whole curve up (4.1)",
        "median of the central spectrum over the true one: above 1 with MSE, and certainly above MAE's",
        dragged_up,
    ),
    Claim(
        "MAE has the more accurate mean and slope (4.1)",
        "median |error| of the central spectrum's level and slope: both certainly smaller than with MSE",
        mean_and_slope,
    ),
    Claim(
        "The loss in component space does not work as well (4.1)",
        "switch thrown: MAE up, certainly",
        switch_harms("components", ("pca2d",)),
    ),
    Claim(
        "Foreground stars dominate the outliers until they are masked (4.3)",
        "median percentile of galaxies behind stars, by the paper's two scores (neighbours, reconstruction) "
        "of a network: 95 or more with stars shown and 40 to 60 masked by one of them",
        stars,
    ),
    Claim(
        "A blazar is among the most picked galaxies (4.3)",
        "median percentile of galaxies with a blazar, by the paper's two scores of a network: 98 or more by "
        "one of them",
        blazars,
    ),
    Claim(
        "Several galaxies are far away whatever the method (4.3)",
        "galaxies in the first 5 % by every score of the networks: more than ten times as many as by chance",
        whatever_the_method,
    ),
    Claim(
        "Some galaxies are rebuilt badly by all models (4.3)",
        "galaxies in the worst 5 % of every network: more than ten times as many as by chance",
        by_all_models,
    ),
)


def row(claim: Claim, evidence: Evidence) -> tuple[str, str]:
    """A row of the page, and its verdict."""
    try:
        figure, held = claim.ask(evidence)
        verdict = "could not be tested here" if held is None else "held" if held else "did not hold"
    except Missing as missing:
        figure, verdict = f"{missing}", UNTESTED
    cells = (escaped(one) for one in (claim.words, claim.test, figure, f"**{verdict}**"))
    return f"| {' | '.join(cells)} |", verdict


def escaped(words: str) -> str:
    """Words as a cell of a table in Markdown."""
    return words.replace("|", "\\|")


def kept(claim: Claim, before: str) -> tuple[str, str] | None:
    """The row that an earlier page has of a claim, marked, and its verdict; None where it was not tested."""
    start = f"| {escaped(claim.words)} |"
    for line in before.splitlines():
        verdict = re.search(r"\*\*(.+?)\*\*( †)? \|$", line) if line.startswith(start) else None
        if verdict and verdict[1] != UNTESTED:
            return f"{line[: verdict.start()]}**{verdict[1]}** † |", verdict[1]
    return None


def page(evidence: Evidence, before: str = "") -> str:
    """The whole page, in Markdown; a claim that cannot be tested stays as it was on the page `before`."""
    found = [row(claim, evidence) for claim in CLAIMS]
    found = [
        (verdict == UNTESTED and kept(claim, before)) or (cells, verdict)
        for claim, (cells, verdict) in zip(CLAIMS, found, strict=True)
    ]
    rows, verdicts = zip(*found, strict=True)
    counted = ", ".join(f"{verdicts.count(one)} {one}" for one in dict.fromkeys(verdicts))
    return "\n".join(
        [
            "# The paper's claims",
            "",
            f"{len(CLAIMS)} claims of *Dimensionality Reduction of Astronomical Spectroscopic Data using "
            f"Autoencoders*, by section, on simulated galaxies: {counted}.",
            "",
            evidence.about(),
            "",
            "| the paper | test: what counts as held | figure | verdict |",
            "|---|---|---|---|",
            *rows,
            "",
            *([KEPT, ""] if any(cells.endswith("† |") for cells in rows) else []),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--recipe", default="paper", help="whose samples the systems learned from")
    parser.add_argument("--switches", type=Path, help="the run of benchmarks/ablations.py")
    parser.add_argument("--strange", type=Path, help="a simulated survey after `cubesift detect`")
    parser.add_argument(
        "--probed", nargs=2, metavar=("RUN", "RECIPE"), help="after `cubesift judge probes`, if not this run"
    )
    parser.add_argument("--keep", action="store_true", help="leave what cannot be tested now as it was")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "claims.md")
    said = parser.parse_args()
    switches, strange = (one and Run(one) for one in (said.switches, said.strange))
    probed = said.probed and Evidence(Run(Path(said.probed[0])), said.probed[1], None, None)
    before = said.out.read_text(encoding="utf-8") if said.keep and said.out.exists() else ""
    words = page(Evidence(Run(said.run), said.recipe, switches, strange, probed), before)
    with written_beside(said.out) as partial:
        partial.write_text(words, encoding="utf-8")
    print(words)


if __name__ == "__main__":
    main()
