"""The paper's figures of a run: which galaxies they show, and how they get to files."""
# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from cubesift.data.embeddings import Embeddings
from cubesift.data.store import read_json, written_beside
from cubesift.data.wavelength import STEP
from cubesift.errors import CubesiftError
from cubesift.explore.beside import Baseline, baseline, how_good, learned, typical_galaxy
from cubesift.explore.blocks import Network, building_blocks
from cubesift.explore.choosing import LINEAR
from cubesift.explore.figures import FLUX_UNIT, Panel, Spectrum, map_row, symmetric
from cubesift.explore.paper import Look, Redshifts, images_with_spectra, redshift_panels, spectrum_by_models
from cubesift.explore.pictures import DPI, marks_of, spectra_to_show
from cubesift.explore.reading import Findings

Printed = tuple[str, Figure, str]  # name of the file, figure, caption


def printed_figures(findings: Findings, typical: str = "") -> Iterator[Printed]:
    """The figures of the paper that the run has the numbers for, one at a time.

    Args:
        findings: of a run with models.
        typical: plateifu of the galaxy of figures 1, 4 and 5b; "" = one from the middle of the ranking.

    Raises:
        CubesiftError: that galaxy is not in the ranking.
    """
    names = findings.galaxies
    if not findings.models or not names:
        return
    if typical and typical not in names:
        raise CubesiftError(
            f"{findings.run.path}: report.typical = {typical!r} is not in the ranking. Name one that is, "
            f"such as {names[len(names) // 2]!r}, or leave it out."
        )
    chosen = typical or typical_galaxy(findings, names)
    looks = [_centre_and_edge(findings, name) for name in dict.fromkeys((chosen, names[-1]))]
    yield (
        "figure-1",
        images_with_spectra(looks),
        f"Figure 1. Images and spectra of {chosen} and {names[-1]} (the least strange) at the centre and at "
        "the edge. Letters mark the spaxels.",
    )
    if networks := _networks(findings):
        yield (
            "figure-2",
            building_blocks(networks),
            "Figure 2b-d. What the networks are built of, and the sizes used: spaxels × spaxels × channels "
            "of the input (and components, where spectra are compressed first), after every block of "
            "convolution and pooling, and of the embedding.",
        )
    yield _figure_4(findings, chosen)
    if shown := _redshifts(findings):
        yield (
            "figure-5a",
            redshift_panels([one for one, _ in shown]),
            f"Figure 5a. Redshift by the head on the embedding against the catalogue's. {_seen(shown)} "
            "Dashed: the guess that knows only the mean redshift of the galaxies learned from. MSE: mean "
            "squared error.",
        )
    linear = baseline(findings)
    said = how_good(findings, linear)
    if (figure := _figure_5b(findings, chosen, linear, said)) is not None:
        yield figure
    yield _figure_6(findings, names[:2], said)


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write `<name>.png` and `<name>.pdf`; the same figure gives the same bytes."""
    for kind, said in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        with written_beside(folder / f"{name}.{kind}") as partial:
            figure.savefig(partial, format=kind, dpi=DPI, facecolor="white", metadata=said)


def edge_spaxel(ivar: np.ndarray) -> tuple[int, int]:
    """(y, x) of the spaxel farthest from the centre that has most of its channels.

    Args:
        ivar: (y, x, wave), 0 = bad.
    """
    good = (ivar > 0).sum(axis=2)
    y, x = np.nonzero(2 * good > good.max())
    away = np.hypot(y - (ivar.shape[0] - 1) / 2, x - (ivar.shape[1] - 1) / 2)
    far = int(np.argmax(away)) if len(away) else 0
    return (int(y[far]), int(x[far])) if len(away) else (0, 0)


def _centre_and_edge(findings: Findings, name: str) -> Look:
    record = findings.samples.record(name)
    arrays = findings.samples.arrays(name, "unclipped", "ivar")
    flux, ivar = arrays["unclipped"], arrays["ivar"]
    side = flux.shape[0]
    marks, spectra = [], []
    for letter, what, (y, x) in (
        ("C", "centre", (side // 2, side // 2)),
        ("E", "edge", edge_spaxel(ivar)),
    ):
        marks.append((*((place - (side - 1) / 2) * record.spaxel for place in (x, y)), letter))
        said = f"{letter}  {what}, {findings.spaxel_name(name, y, x)}"
        nothing = np.full(flux.shape[2], np.nan)
        spectra.append(Spectrum(said, flux[y, x] * record.scale, ivar[y, x] / record.scale**2, nothing))
    return _look(findings, name, tuple(marks), tuple(spectra))


def _look(
    findings: Findings, name: str, marks: tuple[tuple[float, float, str], ...], spectra: tuple[Spectrum, ...]
) -> Look:
    record = findings.samples.record(name)
    image = findings.samples.arrays(name, "image")["image"]
    side = findings.samples.arrays(name, "ivar")["ivar"].shape[0]
    native = record.spaxel * (side - 1) / max(record.side - 1, 1)
    wave = findings.samples.grid.wave * 10 ** (-STEP * record.fraction)
    return Look(image, native, marks, wave, spectra, record.frame, record.redshift)


def _networks(findings: Findings) -> list[Network]:
    found = []
    for name in findings.models:
        for path in sorted(findings.run.path.glob(f"models/{name}/*/model.json"))[:1]:
            record = read_json(path)
            settings = record["settings"]
            if filters := record.get("filters", settings.get("widths")):
                found.append(
                    Network(
                        name,
                        settings["system"],
                        record["side"],
                        record["grid"]["size"],
                        settings["components"] if settings["system"] in ("pca2d", "ae2d") else 0,
                        tuple(filters),
                        settings["latent_channels"],
                        settings["pooling"],
                        settings["unpooling"],
                    )
                )
    # Fully connected layers, or no layers at all: nothing of the drawing is in them.
    return [one for one in found if one.system not in ("ae", "cube-ae", *LINEAR)]


def _figure_4(findings: Findings, name: str) -> Printed:
    waves, spectra, frames, redshift = [], [], [], None
    for model, (rebuilt, samples) in findings.by_model().items():
        if name not in rebuilt or name not in samples:
            continue
        record, one = samples.record(name), rebuilt.read(name)
        waves.append(samples.grid.wave * 10 ** (-STEP * record.fraction))
        frames.append(record.frame)
        redshift = record.redshift
        scale = record.scale
        spectra.append(Spectrum(model, one.flux[0] * scale, one.ivar[0] / scale**2, one.model[0] * scale))
    figure = spectrum_by_models(waves, spectra, frames, redshift)
    return (
        "figure-4",
        figure,
        f"Figure 4. The spectrum at the centre of {name} and its reconstructions. {learned(findings, name)}",
    )


def _redshifts(findings: Findings) -> list[tuple[Redshifts, bool]]:
    """Of each model with a redshift head, and whether it did not learn from the galaxies shown.

    Each galaxy once: where a model held galaxies out, those alone; else all, by the model of all.
    """
    shown = []
    for name in findings.models:
        every = Embeddings.load(findings.run.embeddings(name))
        unseen = bool(every.held_out.any())
        one = every.as_scored() if unseen else every.comparable()
        rows = one.held_out if unseen else np.ones(len(one), bool)
        rows = rows & np.isfinite(one.redshift) & np.isfinite(one.redshift_predicted)
        if not rows.any():
            continue
        one = one.where(rows)
        means = {fold: findings.training_redshift(name, fold) for fold in np.unique(one.fold).tolist()}
        own = float(one.redshift.mean())  # where it was trained in another run, which alone knows its mean
        constant = np.array([own if (mean := means[fold]) is None else mean for fold in one.fold.tolist()])
        shown.append((Redshifts(name, one.redshift, one.redshift_predicted, constant), unseen))
    return shown


def _seen(shown: Sequence[tuple[Redshifts, bool]]) -> str:
    """Whether what is drawn was learned from, in words."""
    learned = [one.title for one, unseen in shown if not unseen]
    if not learned:
        return "Only galaxies that the model did not learn from."
    if len(learned) == len(shown):
        return "No galaxy of this run was held out: the models learned from every one that is drawn."
    return (
        f"Only galaxies that the model did not learn from, but {', '.join(learned)} learned from all of them."
    )


def _figure_5b(findings: Findings, name: str, linear: Baseline | None, left_by: str) -> Printed | None:
    rebuilt, record = findings.reconstructions.read(name), findings.samples.record(name)
    if rebuilt.line is None or rebuilt.line_model is None:
        return None
    wave = findings.reconstructions.record(name)["line_wave"]
    # What the sky covers but this channel lacks, and what lies beside the bundle, has no colour in any.
    line = rebuilt.line * record.scale
    there = np.isfinite(line)
    model = np.where(there, rebuilt.line_model * record.scale, np.nan)
    left = {findings.model: line - model}
    if linear and name in linear[1] and (own := linear[1].read(name).line_model) is not None:
        left[linear[0]] = line - np.where(there, own * record.scale, np.nan)
    papers = {"original": line, f"by {findings.model}": model, f"original − {findings.model}": line - model}
    flux, rest = np.array([*papers.values()]), np.array([*left.values()])
    limits = (float(flux[:, there].min()), float(flux[:, there].max())) if there.any() else (0.0, 1.0)
    apart = symmetric(rest, 1.0)
    panels = [Panel(title, one, FLUX_UNIT, limits=limits) for title, one in papers.items()]
    panels += [Panel(f"original − {title}", one, FLUX_UNIT, "RdBu_r", apart) for title, one in left.items()]
    said = (
        f"Figure 5b. {name} at {wave:.1f} Å ({record.frame} frame, vacuum; Hα where it can be had): flux and "
        "its reconstruction and the difference on one scale of colour, then the difference on a scale of its "
        f"own about 0; grey: not observed. {learned(findings, name)} {left_by}"
    )
    return "figure-5b", map_row(panels, record.spaxel), said


def _figure_6(findings: Findings, names: list[str], left_by: str) -> Printed:
    looks = []
    for name in names:
        record, rebuilt = findings.samples.record(name), findings.reconstructions.read(name)
        score = findings.score_map(name, (rebuilt.white.shape[0], rebuilt.white.shape[1]))
        letter, index = spectra_to_show(rebuilt, score, 1)[-1]
        y, x = rebuilt.spaxels[index].tolist()
        marks = marks_of(
            rebuilt, [(letter, index)], {"y": np.array([], int), "x": np.array([], int)}, record.spaxel
        )
        scale = record.scale
        spectrum = Spectrum(
            f"{letter}  {findings.spaxel_name(name, y, x)}, S/N {rebuilt.signal_to_noise[y, x]:.1f}",
            rebuilt.flux[index] * scale,
            rebuilt.ivar[index] / scale**2,
            rebuilt.model[index] * scale,
        )
        looks.append(_look(findings, name, tuple(marks), (spectrum,)))
    said = (
        f"Figure 6. The strangest galaxies, {' and '.join(names)}: images, and the spectrum of the strangest "
        f"spaxel that is kept, with its reconstruction by {findings.model}. {left_by}"
    )
    return "figure-6", images_with_spectra(looks), said
