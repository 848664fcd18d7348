"""The paper's figures: drawn from what a run holds, on the scales they claim, the same twice."""
# ruff: noqa: RUF001

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure
from PIL import Image

from cubesift.data.embeddings import Embeddings, Reconstructions
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import write_json
from cubesift.detect.score import score_galaxies
from cubesift.detect.settings import Detection
from cubesift.errors import CubesiftError
from cubesift.explore.blocks import Network, building_blocks
from cubesift.explore.charts import Plane, embedding_maps
from cubesift.explore.choosing import model_to_draw, typical_error
from cubesift.explore.figures import BLUE, GREEN, INK, ORANGE, QUIET, VERMILLION, Panel, Spectrum, map_row
from cubesift.explore.lines import ABSORPTION, EMISSION
from cubesift.explore.paper import GREY, Redshifts, redshift_panels, spectrum_by_models
from cubesift.explore.printed import edge_spaxel, printed_figures, save_figure
from cubesift.explore.reading import Findings, histories
from cubesift.explore.report import write_report
from cubesift.explore.settings import Reporting
from cubesift.learn.embed import LINE, PAPERS, channel_to_keep
from tests.little_run import GRID, SIDE, names_of, write_run


def words(figure: Figure) -> str:
    figure.draw_without_rendering()
    legends = [legend.get_texts() for axes in figure.axes if (legend := axes.get_legend())]
    return " ".join(text.get_text() for group in legends for text in group)


# Wong's palette, and greys; viridis, and red to blue: told apart by the colour-blind.
TOLD_APART = {ORANGE, BLUE, VERMILLION, GREEN, INK, QUIET, GREY, "viridis", "RdBu_r"}
TOLD_APART |= {EMISSION, ABSORPTION, "#ffffff", "#000000"}
UNITS = ("arcsec", "Å", "erg/s/cm²/Å", "redshift")  # a redshift has none


def colours_in(axes: Axes) -> set[str]:
    """Of lines and points, and names of colour maps."""
    lines = ((one, one.get_linestyle() == "None") for one in axes.lines)
    found = {to_hex(one.get_markeredgecolor() if ring else one.get_color()) for one, ring in lines}
    points = (one for one in axes.collections if isinstance(one, PathCollection))
    found |= {to_hex(colour) for one in points for colour in one.get_facecolors()}
    return found | {image.get_cmap().name for image in axes.images if image.get_array().ndim == 2}


def labelled(axes: Axes) -> bool:
    return bool(axes.xaxis.get_tick_params().get("labelbottom", True))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Nine galaxies, of which the model keeps maps at a line and guesses redshifts, three of them unseen."""
    run: Run = write_run(tmp_path_factory.mktemp("figures") / "sky", count=9)
    store = Reconstructions.open(run.reconstructions("pca2d"))
    rng = np.random.default_rng(0)
    for name in names_of(9):
        line = rng.normal(1, 0.1, (SIDE, SIDE)).astype(np.float32)
        line[0] = np.nan
        kept = replace(store.read(name), line=line, line_model=0.5 * np.nan_to_num(line))
        store.write(name, kept, {"line_wave": 6761.5})
    embeddings = Embeddings.load(run.embeddings("pca2d"))
    guess = embeddings.redshift + 0.01
    held_out = np.arange(9) < 3
    replace(embeddings, redshift_predicted=guess, held_out=held_out).save(run.embeddings("pca2d"))
    score_galaxies(run, Detection(maps=("pca",)))
    return Findings.read(run)


def test_every_figure_has_units_and_is_written_twice_alike(found: Findings, tmp_path: Path) -> None:
    names = []
    for name, figure, caption in printed_figures(found):
        names.append(name)
        assert caption.startswith(f"Figure {name.removeprefix('figure-')}")
        for axes in figure.axes:
            assert axes.get_xlabel() or not axes.axison or not labelled(axes), name
            for label in (axes.get_xlabel(), axes.get_ylabel()):
                assert not label or any(unit in label for unit in UNITS), f"{name}: {label}"
            assert colours_in(axes) <= TOLD_APART, name
        if name == "figure-5b":
            for folder in ("one", "two"):
                save_figure(figure, tmp_path / folder, name)
    assert names == ["figure-1", "figure-4", "figure-5a", "figure-5b", "figure-6"]  # no model lies in the run
    for kind in ("png", "pdf"):
        one, two = (tmp_path / folder / f"figure-5b.{kind}" for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    assert Image.open(tmp_path / "one" / "figure-5b.png").width > 1000


def test_the_flux_its_reconstruction_and_the_difference_share_one_scale_of_colour(found: Findings) -> None:
    figure = next(figure for name, figure, _ in printed_figures(found) if name == "figure-5b")
    images = [axes.images[0] for axes in figure.axes if axes.images]
    original, rebuilt, left, apart = images
    assert original.get_clim() == rebuilt.get_clim() == left.get_clim()
    assert {one.get_cmap().name for one in images[:3]} == {"viridis"}
    assert apart.get_clim()[0] == -apart.get_clim()[1]
    seen, model, missed, again = (np.ma.filled(one.get_array(), np.nan) for one in images)
    assert np.allclose(seen - model, missed, equal_nan=True)
    assert np.array_equal(missed, again, equal_nan=True)
    assert np.isnan(model[0]).all()  # where nothing was observed there is nothing to compare
    low, high = original.get_clim()
    assert low == min(np.nanmin(one) for one in (seen, model, missed))
    assert high == max(np.nanmax(one) for one in (seen, model, missed))
    bars = [axes for axes in figure.axes if not axes.images]
    assert len(bars) == 2
    assert all("erg/s/cm²/Å" in axes.get_xlabel() for axes in bars)
    assert isinstance(original.norm, Normalize)


def test_maps_on_two_scales_keep_two_bars() -> None:
    ones = np.ones((4, 4))
    panels = [Panel("a", ones, "", limits=(0, 1)), Panel("b", ones, "", limits=(0, 2))]
    assert len(map_row(panels, 0.5).axes) == 4


def test_redshifts_are_of_unseen_galaxies_where_there_are_any(found: Findings) -> None:
    said = {name: (figure, caption) for name, figure, caption in printed_figures(found)}
    figure, caption = said["figure-5a"]
    assert "did not learn from" in caption
    assert figure.axes[0].get_title("left") == "pca2d, 3 galaxies"
    assert "pca2d: MSE 0.0001" in words(figure)


@pytest.mark.long
def test_a_cross_fit_shows_each_redshift_once_beside_a_model_that_saw_all(tmp_path: Path) -> None:
    for model in ("cross", "plain"):
        run = write_run(tmp_path, count=9, model=model)
    plain = Embeddings.load(run.embeddings("plain"))
    replace(plain, redshift_predicted=plain.redshift + 0.01).save(run.embeddings("plain"))
    cross = Embeddings.load(run.embeddings("cross"))
    # Three rows of each galaxy: of the fold that held it out, of the other, and of all.
    rows = cross.where(np.repeat(np.arange(9), 3))
    home = np.repeat(np.arange(9) % 2, 3)
    part = np.tile(np.arange(3), 9)
    fold = np.where(part == 2, "all", np.char.add("fold-", np.minimum(part, 1).astype(str)))
    held_out = part == home
    guess = rows.redshift + np.where(held_out, 0.01, 0.0)
    changed = replace(rows, fold=fold, held_out=held_out, redshift_predicted=guess)
    changed.save(run.embeddings("cross"))
    for part, mean in (("fold-0", 0.03), ("fold-1", 0.05)):
        record = {"settings": {"system": "cube-ae"}, "redshift": [mean, 0.01]}
        write_json(run.model("cross", part) / "model.json", record)
    score_galaxies(run, Detection(maps=()))
    said = {name: (figure, caption) for name, figure, caption in printed_figures(Findings.read(run))}
    figure, caption = said["figure-5a"]
    assert figure.axes[0].get_title("left") == "cross, 9 galaxies"
    assert "cross: MSE 0.0001" in words(figure)
    guessed = np.where(np.arange(9) % 2, 0.05, 0.03) - plain.redshift
    assert f"always 0.030 to 0.050: MSE {np.mean(guessed**2):.2g}" in words(figure)
    assert "but plain learned from all of them" in caption


def test_the_typical_galaxy_is_one_that_the_model_had_not_learned_from(found: Findings) -> None:
    captions = {name: caption for name, _, caption in printed_figures(found)}
    assert any(name in captions["figure-4"] for name in names_of(9)[:3])
    assert "None had learned from it" in captions["figure-4"]
    assert "in 3 galaxies that it had not learned from" in captions["figure-6"]


def test_a_typical_galaxy_that_is_not_there_is_not_silently_another(found: Findings) -> None:
    with pytest.raises(CubesiftError, match="'8485-9999' is not in the ranking"):
        list(printed_figures(found, "8485-9999"))


def test_what_has_no_layers_is_not_drawn_as_a_network(found: Findings) -> None:
    folder = found.run.model("pca2d", "all")
    settings = {"components": 8, "latent_channels": 4, "pooling": "average", "unpooling": "resize"}
    record = {"side": SIDE, "grid": {"size": GRID.size}, "filters": [8, 4], "redshift": [0.03, 0.01]}
    drawn = {}
    for system in ("pca2d", "linear"):
        write_json(folder / "model.json", {**record, "settings": {**settings, "system": system}})
        drawn[system] = "figure-2" in [name for name, *_ in printed_figures(found)]
    (folder / "model.json").unlink()
    assert drawn == {"pca2d": True, "linear": False}


def test_a_guess_that_knows_only_the_mean_stands_beside_the_model() -> None:
    known = np.array([0.02, 0.04, 0.06])
    shown = Redshifts("cae2d", known, known + 0.001, np.full(3, 0.04))
    assert shown.errors == (pytest.approx(1e-6), pytest.approx(0.0008 / 3))
    assert "always 0.040: MSE 0.00027" in words(redshift_panels([shown, shown]))


def test_a_redshift_beyond_all_reason_is_counted_at_the_edge() -> None:
    known = np.array([0.02, 0.04, 0.06])
    figure = redshift_panels([Redshifts("cae2d", known, np.array([0.02, 3.0, 0.06]), np.full(3, 0.04))])
    assert "1 above the frame" in words(figure)
    assert figure.axes[0].get_ylim()[1] < 0.1


def test_the_best_network_is_drawn_whatever_the_baseline_does(tmp_path: Path) -> None:
    for model in ("bad", "good", "linear"):
        run = write_run(tmp_path, count=2, model=model)
        system = "linear" if model == "linear" else "pca2d"
        write_json(run.model(model) / "model.json", {"settings": {"system": system}})
    rebuilt = {model: Reconstructions.open(run.reconstructions(model)) for model in ("bad", "good", "linear")}
    for model, factor in (("bad", 3), ("good", 2)):
        for name in names_of(2):
            one = rebuilt[model].read(name)
            rebuilt[model].write(name, replace(one, error=factor * one.error), {})
    bad, linear = (typical_error(rebuilt[model], names_of(2)) for model in ("bad", "linear"))
    assert bad == pytest.approx(3 * linear)
    given = dict.fromkeys(rebuilt, Samples.open(run.samples("paper")))
    assert model_to_draw(run, rebuilt, given) == "good"
    unseen = Embeddings.load(run.embeddings("bad"))
    replace(unseen, held_out=np.array([True, False])).save(run.embeddings("bad"))
    assert model_to_draw(run, rebuilt, given) == "bad"  # what a model learned from tells nothing
    assert model_to_draw(run, rebuilt, {"linear": given["linear"]}) == "linear"


def test_what_was_found_in_closed_form_has_no_training_curve(tmp_path: Path) -> None:
    for model, rate in (("linear", 0.0), ("pca2d", 0.001)):
        folder = tmp_path / "models" / model / "split"
        folder.mkdir(parents=True)
        (folder / "history.csv").write_text(f"epoch,learning_rate,train_loss\n1,{rate},0.5\n")
    assert list(histories(Run(tmp_path))) == ["pca2d, split"]


def test_reconstructions_of_one_spectrum_share_the_scale_of_flux() -> None:
    flux = 1 + np.sin(GRID.wave / 500)
    spectra = [
        Spectrum(name, flux, np.ones(GRID.size), factor * flux) for name, factor in (("a", 1), ("b", 3))
    ]
    figure = spectrum_by_models([GRID.wave] * 2, spectra, ["observed"] * 2, 0.03)
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[0].get_ylim()[1] > 6
    halpha = [line for line in figure.axes[1].lines if np.allclose(line.get_xdata(), 6564.61 * 1.03)]
    assert len(halpha) == 1


def test_the_sizes_of_a_network_are_those_of_its_settings() -> None:
    network = Network("mine", "pca2d", 32, 4096, 48, (256, 128, 64), 8, "max", "transposed")
    assert network.sizes() == ["32×32×4,096", "32×32×48", "16×16×256", "8×8×128", "4×4×64", "4×4×8"]
    figure = building_blocks([network])
    assert "max pooling" in " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_the_edge_is_the_farthest_spaxel_with_a_spectrum() -> None:
    ivar = np.zeros((9, 9, 10))
    ivar[2:7, 2:7] = 1
    ivar[8, 8, :3] = 1  # a corner with a third of the channels
    assert edge_spaxel(ivar) == (2, 2)


def test_the_map_that_is_kept_is_at_halpha_or_where_the_paper_has_it() -> None:
    ivar = np.ones((2, 2, GRID.size), np.float32)
    observed = channel_to_keep(GRID.wave, ivar, 0.05, "observed")
    assert abs(GRID.wave[observed] / (LINE * 1.05) - 1) < 5e-4
    assert abs(GRID.wave[channel_to_keep(GRID.wave, ivar, 0.05, "rest")] / LINE - 1) < 5e-4
    assert abs(GRID.wave[channel_to_keep(GRID.wave, ivar, None, "observed")] / PAPERS - 1) < 5e-4
    assert abs(GRID.wave[channel_to_keep(GRID.wave, ivar, 0.6, "observed")] / PAPERS - 1) < 5e-4
    ivar[:, :, observed] = 0
    assert abs(channel_to_keep(GRID.wave, ivar, 0.05, "observed") - observed) == 1


def test_the_strangest_are_ringed_on_every_map_and_named_where_there_is_room() -> None:
    rng = np.random.default_rng(1)
    planes = [Plane(name, rng.normal(size=(12, 2)), ("x", "y")) for name in ("Isomap", "MDS")]
    figure = embedding_maps(planes, np.full(12, np.nan), {3: "8485-1901", 5: "8485-1902"})
    for axes in figure.axes:
        assert len(axes.collections[-1].get_offsets()) == 2
    assert "8485-1901" in {text.get_text() for text in figure.axes[0].texts}


@pytest.mark.long
def test_the_report_shows_the_figures_and_writes_them_beside_itself(found: Findings) -> None:
    page = write_report(found.run, Reporting(galaxies=0)).read_text()
    for name in ("figure-1", "figure-4", "figure-5a", "figure-5b", "figure-6"):
        assert (found.run.figures / f"{name}.png").exists()
        assert (found.run.figures / f"{name}.pdf").read_bytes()[:5] == b"%PDF-"
        assert f'alt="Figure {name.removeprefix("figure-")}"' in page
    write_report(found.run, Reporting(galaxies=0, figures=False))
    assert not list(found.run.figures.iterdir())
