"""Which pictures a galaxy gets on the page, and how a figure gets into it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imsave

from cubesift.data.embeddings import Reconstruction
from cubesift.data.store import Columns
from cubesift.data.wavelength import STEP
from cubesift.explore.figures import (
    FLUX_UNIT,
    Mark,
    Panel,
    Spectrum,
    colour_picture,
    colours_of,
    map_row,
    spectra,
    symmetric,
)
from cubesift.explore.reading import Findings

DPI = 180  # sharp on a screen of two dots a point, at the page's width
MOST_SPECTRA = 5  # of a cube without a ranking of galaxies


@dataclass(frozen=True)
class Pictures:
    """One galaxy's pictures, each a data URI."""

    small: str  # one dot a spaxel
    colour: str
    maps: str
    spectra: str


def pictures_of(findings: Findings, plateifu: str) -> Pictures:
    """All pictures of one galaxy."""
    record = findings.samples.record(plateifu)
    image = findings.samples.arrays(plateifu, "image")["image"]
    rebuilt = findings.reconstructions.read(plateifu)
    shape = (rebuilt.white.shape[0], rebuilt.white.shape[1])
    score = findings.score_map(plateifu, shape)
    chosen = spectra_to_show(rebuilt, score, 1 if findings.models else MOST_SPECTRA)
    ranked = findings.spaxels(plateifu)
    marks = marks_of(rebuilt, chosen, ranked, record.spaxel)
    scale = record.scale  # back to the units of the sky
    residual = (rebuilt.white - rebuilt.white_model) * scale
    both = np.concatenate([rebuilt.white[None], rebuilt.white_model[None]]) * scale
    known = both[np.isfinite(both)]
    limits = (float(known.min()), float(np.quantile(known, 0.995))) if len(known) else (0.0, 1.0)
    high = float(np.nanquantile(score, 0.995)) if np.isfinite(score).any() else 1.0
    # A cube's own model looks the same as the cube, but for what is strange.
    light = Panel("S/N", rebuilt.signal_to_noise, "per channel", "cividis")
    panels = [
        Panel("observed", both[0], FLUX_UNIT, limits=limits),
        Panel("model", both[1], FLUX_UNIT, limits=limits) if findings.models else light,
        Panel("observed − model", residual, FLUX_UNIT, "RdBu_r", symmetric(residual)),  # noqa: RUF001
        Panel("strangeness", score, "spreads above the usual", "magma_r", (0.0, max(high, 3.0))),
    ]
    native = record.spaxel * (shape[0] - 1) / max(record.side - 1, 1)
    # In the sample, what was at a channel's centre lies up to half a channel beside it.
    wave = findings.samples.grid.wave * 10 ** (-STEP * record.fraction)
    shown = [
        Spectrum(
            f"{letter}  {_titled(findings, plateifu, letter, rebuilt.spaxels[index], rebuilt)}",
            rebuilt.flux[index] * scale,
            rebuilt.ivar[index] / scale**2,
            rebuilt.model[index] * scale,
        )
        for letter, index in chosen
    ]
    return Pictures(
        small=_small(image),
        colour=data_uri(colour_picture(image, native, marks)),
        maps=data_uri(map_row(panels, record.spaxel, marks)),
        spectra=data_uri(spectra(wave, shown, record.frame, record.redshift)),
    )


def spectra_to_show(rebuilt: Reconstruction, score: np.ndarray, most: int) -> list[tuple[str, int]]:
    """Which of the kept spectra to draw: the centre as C, then the strangest as W, or as 1, 2, ...

    Returns:
        Letter and row in `rebuilt.spaxels`.
    """
    y, x = rebuilt.spaxels[1:].T
    strange = np.nan_to_num(score[y, x], nan=-np.inf)
    order = [1 + int(index) for index in np.argsort(-strange, kind="stable") if rebuilt.ivar[1 + index].any()]
    letters = ["W"] if most == 1 else [str(number) for number in range(1, most + 1)]
    return [("C", 0), *zip(letters, order[:most], strict=False)]


def marks_of(
    rebuilt: Reconstruction, chosen: list[tuple[str, int]], ranked: Columns, spaxel: float
) -> list[Mark]:
    """A ring with its letter for each spectrum drawn; a square for the first ranked if it is none of them.

    Args:
        ranked: spaxels of the cube, strangest first.
        spaxel: arcsec.
    """
    places = [(letter, *rebuilt.spaxels[index].tolist()) for letter, index in chosen]
    for y, x in zip(ranked["y"][:1].tolist(), ranked["x"][:1].tolist(), strict=True):
        if (y, x) not in {(a, b) for _, a, b in places}:
            places.append(("", y, x))
    middle_y, middle_x = ((side - 1) / 2 for side in rebuilt.white.shape)
    return [((x - middle_x) * spaxel, (y - middle_y) * spaxel, letter) for letter, y, x in places]


def data_uri(figure: Figure) -> str:
    """A figure as an image that lies in the page itself."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="webp", dpi=DPI, facecolor="white", pil_kwargs={"quality": 82, "method": 4})
    return _uri(buffer.getvalue(), "webp")


def _small(image: np.ndarray) -> str:
    buffer = io.BytesIO()
    imsave(buffer, colours_of(image)[::-1], format="png")
    return _uri(buffer.getvalue(), "png")


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _titled(
    findings: Findings, plateifu: str, letter: str, place: np.ndarray, rebuilt: Reconstruction
) -> str:
    y, x = place.tolist()
    ranked = findings.spaxels(plateifu)
    what = {"C": "centre", "W": "badly rebuilt spaxel"}.get(letter, "strange spaxel")
    said = [f"{what} {findings.spaxel_name(plateifu, y, x)}", f"S/N {rebuilt.signal_to_noise[y, x]:.1f}"]
    # Not every spaxel is ranked, nor need every ranked one stand in the table.
    for row in np.flatnonzero((ranked["y"] == y) & (ranked["x"] == x)):
        than = f"stranger than {ranked['percentile'][row]:.1f} % of its cube"
        said.append("the strangest of its cube" if row == 0 else than)
    return " · ".join(said)
