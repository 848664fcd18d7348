"""The report: one page that opens from disk and tells what was found."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata, resources
from pathlib import Path
from string import Template

import numpy as np

from cubesift.data.maps import MDS_MOST
from cubesift.data.run import Run
from cubesift.data.store import version, written_beside
from cubesift.explore.charts import embedding_maps, plane_of, training_curves
from cubesift.explore.pictures import Pictures, data_uri, pictures_of
from cubesift.explore.printed import printed_figures, save_figure
from cubesift.explore.reading import Findings, histories, origins, trainings
from cubesift.explore.sections import card, galaxy_table, image, sheet, spaxel_table, table, text
from cubesift.explore.settings import Reporting

NAMED_ON_MAP = 12  # more names hide the points
MOST_REJECTED = 500  # rows
# Sections 2.2 and 4.1 of the paper.
PAPER = {"epochs": 50, "galaxies": 2000, "side": 32, "channels": 4096}
SOFTWARE = ("numpy", "scipy", "astropy", "scikit-learn", "torch", "zarr", "matplotlib")


def write_report(run: Run, settings: Reporting) -> Path:
    """Write `report.html` of a run that went through detection; it needs no network and no other file.

    Raises:
        CubesiftError: nothing was detected, or what the ranking was made of is gone.
    """
    findings = Findings.read(run, settings.model)
    names = findings.galaxies[: settings.galaxies]
    simulated = findings.is_simulated()
    # A figure takes memory until it is an image: one galaxy at a time.
    shown: list[tuple[str, Pictures]] = []
    cards = []
    for name in names:
        pictures = pictures_of(findings, name)
        cards.append(card(findings, name, pictures, simulated))
        shown.append((name, pictures))
    sections = {
        "galaxies": (
            "Strange galaxies" if findings.models else "The cubes",
            _galaxies(findings, shown, cards),
        ),
        "spaxels": ("Strange spaxels", _spaxels(findings, settings.spaxels)),
        "embedding": ("Map of the embedding", _map(findings)),
        "figures": ("The paper's figures", _printed(findings, settings)),
        "training": ("Training", _training(findings)),
        "rejected": ("Left out", _rejected(run)),
        "settings": ("Settings and origins", _settings(findings)),
    }
    sections = {name: said for name, said in sections.items() if said[1]}
    page = resources.files("cubesift.explore") / "page"
    filled = Template((page / "report.html").read_text()).substitute(
        version=text(version()),
        title=text(settings.title or run.path.resolve().name),
        style=(page / "report.css").read_text(),
        summary=_summary(findings, simulated),
        caution=_caution(run),
        contents=" ".join(f'<a href="#{name}">{title}</a>' for name, (title, _) in sections.items()),
        sections="\n".join(
            f'<section id="{name}"><h2>{title}</h2>\n{body}\n</section>'
            for name, (title, body) in sections.items()
        ),
    )
    with written_beside(run.report) as partial:
        partial.write_text(filled, encoding="utf-8")
    return run.report


def _summary(findings: Findings, simulated: bool) -> str:
    galaxies = findings.outliers.galaxies
    ranked = len(galaxies["plateifu"])
    kind = " simulated" if simulated else ""
    if ranked:
        by = {
            one: int((galaxies["named_by"] == one).sum())
            for one in ("both", "neighbours", "reconstruction", "itself")
        }
        words = (
            f"{ranked:,}{kind} galaxies ranked by {_listed(findings.models)}. "
            f"{by['both']} named by both methods, {by['neighbours']} by their neighbours alone, "
            f"{by['reconstruction']} by their reconstruction alone."
        )
        words += f" {by['itself']} more by their own spaxels." if by["itself"] else ""
    else:
        count = len(findings.reconstructions.names)
        alone = (
            "a single galaxy has none to be compared with" if count == 1 else "too few galaxies to compare"
        )
        words = f"{_counted(count, f'{kind.strip()} cube'.strip())}, no ranking of galaxies: {alone}."
    words += f" {_counted(len(findings.outliers.spaxels['plateifu']), 'spaxel')} ranked."
    if rejected := len(findings.run.rejected()):
        words += f" {_counted(rejected, 'file')} left out."
    return text(words)


def _caution(run: Run) -> str:
    """What of the training is not as published; "" where all is, or nothing was trained here."""
    items = []
    for name, training in trainings(run).items():
        differs = []
        if training["epochs"] != PAPER["epochs"]:
            differs.append(f"{training['epochs']} epochs (paper: {PAPER['epochs']})")
        if (training["side"], training["channels"]) != (PAPER["side"], PAPER["channels"]):
            side = f"{training['side']} × {training['side']} × {training['channels']}"  # noqa: RUF001
            differs.append(f"{side} (paper: 32 × 32 × 4096)")  # noqa: RUF001
        if training["galaxies"] < PAPER["galaxies"]:
            differs.append(f"learned from {training['galaxies']} galaxies (paper: {PAPER['galaxies']:,})")
        if differs:
            items.append(f"<li><b>{text(name)}</b>: {text(', '.join(differs))}</li>")
    if not items:
        return ""
    return f'<div class="caution">This is not the paper\'s schedule. <ul>{"".join(items)}</ul></div>'


def _galaxies(findings: Findings, shown: Sequence[tuple[str, Pictures]], cards: Sequence[str]) -> str:
    if not findings.models:
        said = (
            "Each cube was rebuilt from its own spaxels by a low-rank model that leaves the strangest out. "
            "A spaxel is strange by what the model cannot explain, or by an unusual mixture of components, "
            "each measured against spaxels of the same S/N in the same cube."
        )
        return f"<p>{said}</p>{_legend()}{''.join(cards)}"
    if not len(findings.outliers.galaxies["plateifu"]):
        return f"{_legend()}{''.join(cards)}"
    said = (
        "A percentile says how many percent of the other galaxies this one is stranger than. "
        "<b>Far from its neighbours</b>: the mean distance to the nearest galaxies in a model's embedding. "
        "<b>Badly rebuilt</b>: how far the model's cube is from the observed one. Places by several scores "
        "are joined by their geometric mean."
    )
    if crossed := findings.cross_fitted():
        by = "" if len(crossed) == len(findings.models) else f"Of {text(_listed(crossed))}: "
        said += (
            f" {by}{'each' if by else 'Each'} galaxy was scored by a model that had not learned from it, and "
            "its percentile is among those that the same model had not."
        )
    if any(column.startswith("itself.") for column in findings.outliers.galaxies):
        said += (
            " <b>Odd within itself</b>: how far the oddest twentieth of its spaxels is from a linear model "
            "of the same cube; no network and no other galaxy is asked."
        )
    ranking = galaxy_table(findings, [name for name, _ in shown])
    ranking = f"<details><summary>The ranking as a table</summary>{ranking}</details>"
    return f"<p>{said}</p>{sheet(findings, shown)}{ranking}{_legend()}{''.join(cards)}"


def _legend() -> str:
    return (
        '<p class="note">Colour images are i, r, g of the cube as observed, each stretched by its own '
        "brightness. Maps are mean flux over the good channels, in the spaxels the model sees. Rings mark "
        "the spaxels whose spectra are shown; of the few spectra that are kept, W is the strangest. A square "
        "marks the strangest spaxel of the cube where that is another one. A spaxel's y, x count from 0 in "
        "the cube as observed. Strangeness is the excess of chi² in spreads, above what is usual at that "
        "S/N. Marks above a spectrum: emission lines in grey, absorption in brown.</p>"
    )


def _spaxels(findings: Findings, most: int) -> str:
    if not most or not len(findings.outliers.spaxels["plateifu"]):
        return ""
    many = len(findings.reconstructions.names) > 1
    which = "The strangest spaxel of each cube" if many else "The strangest spaxels of the cube"
    return (
        f"<p>{which}, by {text(findings.model or 'its own low-rank model')}. "
        "y, x count from 0 in the cube as observed. All stand in <code>spaxels.parquet</code>, there in the "
        "spaxels the model sees.</p>" + spaxel_table(findings, most)
    )


def _map(findings: Findings) -> str:
    embeddings, maps = findings.embeddings(), findings.maps()
    if embeddings is None or not maps:
        return ""
    names = maps[0].plateifu.tolist()
    rows = {name: row for row, name in enumerate(names)}
    known = dict(zip(embeddings.plateifu.tolist(), embeddings.redshift.tolist(), strict=True))
    redshift = np.array([known[name] for name in names])
    strangest = [name for name in findings.galaxies if name in rows][: min(NAMED_ON_MAP, len(rows) // 3 + 1)]
    figure = embedding_maps(
        [plane_of(one) for one in maps], redshift, {rows[name]: name for name in strangest}
    )
    said = (
        f"The embedding of {len(names):,} galaxies by {text(findings.model)} "
        f"({text(maps[0].about['fold'])}), laid flat in several ways. Rings: the strangest, named where "
        f"there is room. Distances are measured in all {embeddings.vectors.shape[1]} latents, so a strange "
        "galaxy may lie in the crowd here."
    )
    if len(names) > MDS_MOST:
        said += f" Multidimensional scaling looks at every pair, and is left out above {MDS_MOST:,} galaxies."
    return image(data_uri(figure), "galaxies on maps of the embedding", said, wide=True)


def _printed(findings: Findings, settings: Reporting) -> str:
    """The figures of the paper, each also written beside the report as PNG and PDF."""
    for path in findings.run.figures.glob("figure-*.p??"):  # of a report of before, which may show others
        path.unlink()
    if not settings.figures:
        return ""
    shown = []
    for name, figure, said in printed_figures(findings, settings.typical):
        save_figure(figure, findings.run.figures, name)
        shown.append(image(data_uri(figure), said.partition(". ")[0], text(said), wide=True))
    if not shown:
        return ""
    where = "Each lies in <code>figures/</code> too, as PNG and PDF."
    return f'<p class="note">{where}</p>{"".join(shown)}'


def _training(findings: Findings) -> str:
    found = histories(findings.run)
    if not found:
        what = "The models were trained in another run." if findings.models else "Nothing was trained."
        return f"<p>{what}</p>"
    caption = (
        "Losses are in units of the mean |flux| of the galaxies learned from. “Always the mean” is what a "
        "constant guess of the redshift would have."
    )
    return image(data_uri(training_curves(found)), "training curves", caption, wide=True)


def _rejected(run: Run) -> str:
    rejected = run.rejected()
    if not rejected:
        return "<p>Every file could be used.</p>"
    rows = [[text(record["file"]), text(record["reason"])] for record in rejected[:MOST_REJECTED]]
    more = (
        f"<p>And {len(rejected) - MOST_REJECTED:,} more, in <code>rejected/</code>.</p>"
        if len(rejected) > MOST_REJECTED
        else ""
    )
    return table(["file", "why"], rows, ["", "wrap"]) + more


def _settings(findings: Findings) -> str:
    rows = []
    for name, origin in origins(findings):
        parents = ", ".join(f"{parent} {key}" for parent, key in origin.parents.items())
        rows.append(
            [
                text(name),
                text(origin.verb),
                f"<code>{text(origin.id)}</code>",
                text(parents),
                text(origin.version),
            ]
        )
    made = table(["artefact", "verb", "id", "made from", "cubesift"], rows, ["", "", "", "wrap", ""])
    software = [f"Python {platform.python_version()}"]
    for package in SOFTWARE:
        software.append(f"{package} {metadata.version(package)}")
    toml = findings.run.path / "run.toml"
    said = (
        f"<details open><summary>run.toml</summary><pre>{text(toml.read_text())}</pre></details>"
        if toml.exists()
        else ""
    )
    return f'<p class="note">{text(", ".join(software))}</p>{made}{said}'


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
