"""The parts of the report as HTML. Every word from outside is escaped by `text`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote

import numpy as np

from cubesift.data.samples import SampleRecord
from cubesift.explore.pictures import Pictures
from cubesift.explore.reading import Findings

METHODS = {
    "neighbours": "far from its neighbours",
    "lof": "thinly surrounded (local outlier factor)",
    "forest": "soon alone (isolation forest)",
    "mahalanobis": "far from the middle (Mahalanobis)",
    "reconstruction": "badly rebuilt",
    "lopsided": "rebuilt worse on one side",
    "itself": "odd within itself",
}
NAMED = {
    "neighbours": "its neighbours",
    "reconstruction": "its reconstruction",
    "both": "its neighbours and its reconstruction",
    "itself": "its own spaxels",
}
MOST_ROWS = 200  # of the table of all galaxies; those that are named always stand in it


def text(value: object) -> str:
    """Anything, safe to stand in a page or in an attribute."""
    return escape(str(value), quote=True)


def anchor(plateifu: str) -> str:
    """The id of a galaxy's place in the page, as it stands in an attribute."""
    return text("g-" + quote(plateifu, safe=""))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], classes: Sequence[str] = ()) -> str:
    """A table of cells that are HTML already; `classes`, one a column: "n" for numbers, "wrap" for prose."""
    kinds = [f' class="{kind}"' if kind else "" for kind in classes] or [""] * len(header)
    head = "".join(f"<th{kind}>{cell}</th>" for kind, cell in zip(kinds, header, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def image(uri: str, alternative: str, caption: str = "", wide: bool = False) -> str:
    """A figure; a wide one can be pushed sideways on a phone instead of shrinking beyond reading."""
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    kind = "scroll wide" if wide else "scroll"
    return f'<figure><div class="{kind}"><img src="{uri}" alt="{text(alternative)}"></div>{below}</figure>'


def sheet(findings: Findings, shown: Sequence[tuple[str, Pictures]]) -> str:
    """All shown galaxies at a glance."""
    galaxies = findings.outliers.galaxies
    items = []
    for name, pictures in shown:
        place = findings.place(name)
        named = galaxies["named_by"][place] if place is not None else ""
        items.append(
            f'<li><a href="#{anchor(name)}"><img src="{pictures.small}" alt="colour image of {text(name)}">'
            f"<b>{text(name)}</b><span>{text(named)}</span></a></li>"
        )
    return f'<ul class="sheet">{"".join(items)}</ul>'


def card(findings: Findings, plateifu: str, pictures: Pictures, simulated: bool) -> str:
    """One galaxy: what is said of it, its scores, its pictures."""
    record = findings.samples.record(plateifu)
    place = findings.place(plateifu)
    named = str(findings.outliers.galaxies["named_by"][place]) if place is not None else ""
    chip = f'<span class="chip">named by {NAMED[named]}</span>' if named else ""
    rank = f'<span class="rank">{place + 1}</span> ' if place is not None else ""
    links = " · ".join(
        f'<a href="{text(to)}" rel="noopener">{text(what)}</a>' for what, to in links_of(record, simulated)
    )
    notes = f'<p class="note">{text("; ".join(record.notes))}</p>' if record.notes else ""
    model = text(findings.model or "the cube's own spaxels")
    maps = image(pictures.maps, f"maps of {plateifu}: observed, model, residual, strangeness", wide=True)
    return f"""<article id="{anchor(plateifu)}">
<div class="head"><h3>{rank}{text(plateifu)}</h3>{chip}</div>
<p class="facts">{facts(record)}{" · " + links if links else ""}</p>
{scores(findings, place)}
<div class="pictures">
<div class="colour">{image(pictures.colour, f"colour image of {plateifu}")}</div>
{maps}
</div>
{image(pictures.spectra, f"spectra of {plateifu} over their model", f"Model: {model}.", wide=True)}
{notes}
</article>"""


def facts(record: SampleRecord) -> str:
    """What is known of a galaxy, in one line."""
    redshift = "redshift not known" if record.redshift is None else f"z = {record.redshift:.4f}"
    words = [record.mangaid, redshift, f"{record.frame} frame", record.instrument]
    words.append(f"{record.side} × {record.side} spaxels as observed")  # noqa: RUF001
    if np.isfinite(record.ra) and np.isfinite(record.dec):
        words.append(f"{record.ra:.5f} {record.dec:+.5f}")
    return " · ".join(text(word) for word in words if word)


def scores(findings: Findings, place: int | None) -> str:
    """Every score of a galaxy as a percentile with a bar; nothing for one that was not ranked."""
    if place is None:
        return ""
    galaxies = findings.outliers.galaxies
    items = []
    for score in findings.scores:
        method, model = score.split(".", 1)
        percentile = float(galaxies[f"{score}.percentile"][place])
        if not np.isfinite(percentile):
            continue
        named = ' class="named"' if galaxies["named_by"][place] in (method, "both") else ""
        said = f"{METHODS.get(method, text(method))}, {text(model)}"
        bar = f'<span class="bar"><i{named} style="width:{percentile:.1f}%"></i></span>'
        value = f"score {galaxies[score][place]:.4g}"
        items.append(f'<div title="{value}"><dt>{said}</dt><dd>{bar}<span>{percentile:.1f}</span></dd></div>')
    return f'<dl class="scores">{"".join(items)}</dl>'


def links_of(record: SampleRecord, simulated: bool) -> list[tuple[str, str]]:
    """Where else to look at a galaxy, (name, address); none where it is on no sky, or its place not known."""
    if simulated or not (np.isfinite(record.ra) and np.isfinite(record.dec)):
        return []
    ra, dec = f"{record.ra:.6f}", f"{record.dec:.6f}"
    both = quote(f"{record.ra:.6f} {record.dec:+.6f}")
    links = [
        ("SkyServer", f"https://skyserver.sdss.org/dr17/VisualTools/explore/summary?ra={ra}&dec={dec}"),
        ("Legacy Surveys", f"https://www.legacysurvey.org/viewer?ra={ra}&dec={dec}&layer=ls-dr10&zoom=15"),
        ("SIMBAD", f"https://simbad.cds.unistra.fr/simbad/sim-coo?Coord={both}&Radius=30&Radius.unit=arcsec"),
    ]
    numbers = record.plateifu.split("-")
    if record.instrument == "MaNGA" and len(numbers) == 2 and all(part.isdigit() for part in numbers):
        links.insert(0, ("Marvin", f"https://dr17.sdss.org/marvin/galaxy/{record.plateifu}/"))
    return links


def galaxy_table(findings: Findings, shown: Sequence[str]) -> str:
    """The ranking: the first rows, and every galaxy that is named."""
    galaxies = findings.outliers.galaxies
    rows = []
    for place, name in enumerate(galaxies["plateifu"].tolist()):
        if place >= MOST_ROWS and not galaxies["named_by"][place]:
            continue
        linked = f'<a href="#{anchor(name)}">{text(name)}</a>' if name in shown else text(name)
        values = [f"{galaxies[f'{score}.percentile'][place]:.1f}" for score in findings.scores]
        overall = f"{galaxies['percentile'][place]:.1f}"
        rows.append([str(place + 1), linked, overall, *values, text(galaxies["named_by"][place])])
    header = [
        "",
        "galaxy",
        "all",
        *[text(score.replace(".", ", ", 1)) for score in findings.scores],
        "named by",
    ]
    return table(header, rows, ["n", "", "n", *["n"] * len(findings.scores), ""])


def spaxel_table(findings: Findings, most: int) -> str:
    """The strangest spaxels; of several cubes one each, which is at 100 percent in its own."""
    spaxels = findings.strangest_spaxels(most)
    columns = {"score": "strangeness", "percentile": "percentile in the cube", "signal_to_noise": "S/N"}
    if len(set(spaxels["plateifu"].tolist())) > 1:
        columns.pop("percentile")
    rows = []
    places = zip(*(spaxels[column].tolist() for column in ("plateifu", "y", "x")), strict=True)
    for row, (name, y, x) in enumerate(places):
        if name not in findings.samples:  # gone since it was ranked: its grid is not known
            continue
        spaxel = text(findings.spaxel_name(name, y, x))
        rows.append([spaxel, *(f"{spaxels[column][row]:.1f}" for column in columns)])
    return table(["spaxel (y, x)", *columns.values()], rows, ["", *["n"] * len(columns)])
