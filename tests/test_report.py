"""The report: one file that opens anywhere, says what was found, and lets nothing from outside act."""

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cubesift.data.catalog import Catalog
from cubesift.data.outliers import Outliers
from cubesift.data.run import Run
from cubesift.data.store import Provenance, write_json
from cubesift.detect.score import score_galaxies
from cubesift.detect.settings import Detection
from cubesift.errors import CubesiftError
from cubesift.explore.charts import training_curves
from cubesift.explore.figures import Spectrum, colours_of, spectra
from cubesift.explore.lines import rows_apart
from cubesift.explore.pictures import marks_of
from cubesift.explore.report import write_report
from cubesift.explore.sections import links_of
from cubesift.explore.settings import Reporting
from tests.little_run import GRID, galaxy, names_of, noisy, rebuilt, sample, write_run, write_samples

HISTORY = """epoch,train_loss,validation_loss,redshift_mse,constant_redshift_mse,a_new_column
1,2.0,2.1,0.002,0.0008,one
2,1.0,1.2,0.001,0.0008,two
"""


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a ranking, a history, a rejected file and a report."""
    run = write_run(tmp_path_factory.mktemp("told") / "sky", count=9)
    settings: dict[str, Any] = {"system": "pca2d", "epochs": 2}
    model = {"settings": settings, "train": names_of(7), "side": 16, "grid": {"size": 1024}}
    write_json(
        run.model("pca2d") / "model.json", {**model, "provenance": Provenance("train", "0", {}).to_dict()}
    )
    (run.model("pca2d") / "history.csv").write_text(HISTORY)
    run.reject("bad", {"file": "<img src=x>.fits", "reason": "bad: 3 & 4 <b>HDUs</b>, expected 24"})
    (run.path / "run.toml").write_text('[detect]\nneighbours = 10 # <script>alert("no")</script>\n')
    score_galaxies(run, Detection())
    write_report(run, Reporting(galaxies=3, figures=False))
    return run.path


@pytest.fixture
def run(told: Path, tmp_path: Path) -> Run:
    """The same, to change."""
    return Run(Path(shutil.copytree(told, tmp_path / "sky")))


def test_the_page_loads_nothing_from_the_network(told: Path) -> None:
    page = Page(told / "report.html")
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base"}, tag
        assert not any(name.startswith("on") for name in attributes), attributes
        for name in ("src", "href", "srcset", "data", "poster", "action"):
            value = attributes.get(name) or ""
            assert tag == "a" or not value or value.startswith("data:"), (tag, value)
        assert "url(" not in (attributes.get("style") or "")
    style = re.search(r"<style>(.*?)</style>", (told / "report.html").read_text(), re.S)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_the_page_is_small_and_names_every_outlier(told: Path) -> None:
    assert (told / "report.html").stat().st_size < 10e6
    galaxies = Outliers.load(told).galaxies
    page = Page(told / "report.html")
    assert (galaxies["named_by"] != "").any()
    for name in galaxies["plateifu"][galaxies["named_by"] != ""]:
        assert name in page.text
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 3 * 4 + 2  # small, colours, maps and spectra of each; the map; the training
    assert all(attributes["alt"] for attributes in pictures)


def test_links_within_the_page_lead_somewhere(told: Path) -> None:
    page = Page(told / "report.html")
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    inner = [to for tag, attributes in page.tags if tag == "a" and (to := attributes["href"] or "")[0] == "#"]
    assert inner
    assert {to[1:] for to in inner} <= ids


def test_what_comes_from_files_cannot_act_on_the_page(told: Path) -> None:
    source = (told / "report.html").read_text()
    assert "<img src=x>" not in source
    assert "&lt;img src=x&gt;.fits" in source
    assert "3 &amp; 4 &lt;b&gt;HDUs&lt;/b&gt;" in source
    assert "<script" not in source


def test_a_galaxy_named_like_a_tag_is_shown_by_its_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    run = Run(tmp_path)
    name = 'a" onmouseover="b <i>&$title'
    write_samples(run, [sample(name, *noisy(rng, galaxy(rng)), mangaid="<u>")])
    score_galaxies(run, Detection())
    page = Page(write_report(run, Reporting(figures=False)))
    assert name in page.text
    assert not any("onmouseover" in attributes for _, attributes in page.tags)
    assert "u" not in {tag for tag, _ in page.tags}


def test_a_schedule_that_is_not_the_papers_is_said(told: Path) -> None:
    text = Page(told / "report.html").text
    assert "This is not the paper's schedule" in text
    assert "2 epochs (paper: 50)" in text
    assert "16 × 16 × 1024 (paper: 32 × 32 × 4096)" in text  # noqa: RUF001


def test_the_same_run_gives_the_same_page_and_the_truth_is_not_read(run: Run, told: Path) -> None:
    run.truth.write_text("whoever reads this, fails")
    assert (
        write_report(run, Reporting(galaxies=3, figures=False)).read_bytes()
        == (told / "report.html").read_bytes()
    )


def test_simulated_galaxies_are_called_so_and_have_no_links(run: Run) -> None:
    real = Page(run.report)
    assert any("marvin" in (attributes.get("href") or "") for _, attributes in real.tags)
    Catalog({"plateifu": np.array(names_of(9))}, Provenance("simulate", "0")).save(run.catalog)
    page = Page(write_report(run, Reporting(galaxies=1, figures=False)))
    assert "9 simulated galaxies" in page.text
    assert not any((attributes.get("href") or "").startswith("http") for _, attributes in page.tags)


def test_a_single_galaxy_has_its_strangest_spaxels_shown(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    truth = galaxy(rng)
    truth[4, 9] += 0.25 * np.exp(-((np.arange(GRID.size) - 500) ** 2) / 2 / 1.5**2).astype(np.float32)
    run = Run(tmp_path / "muse")
    nowhere = {"ra": float("nan"), "dec": float("nan"), "instrument": "MUSE"}
    write_samples(run, [sample("abell", *noisy(rng, truth), redshift=None, **nowhere)])
    score_galaxies(run, Detection())
    page = Page(write_report(run, Reporting(figures=False)))
    assert "1 cube, no ranking of galaxies" in page.text
    assert "abell/4,9" in page.text
    assert "redshift not known" in page.text
    assert "observed frame" in page.text
    assert not any((attributes.get("href") or "").startswith("http") for _, attributes in page.tags)


def test_a_spaxel_of_a_resized_cube_is_named_as_in_the_cube_as_observed(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    truth = galaxy(rng)
    truth[4, 9] += 0.25 * np.exp(-((np.arange(GRID.size) - 500) ** 2) / 2 / 1.5**2).astype(np.float32)
    run = Run(tmp_path / "resized")
    resized = sample("8485-1901", *noisy(rng, truth), side=34)
    write_samples(run, [replace(resized, image=np.ones((34, 34, 3), np.float32))])  # native size
    score_galaxies(run, Detection())
    assert Outliers.load(run.path).spaxels["y"][0] == 4
    page = Page(write_report(run, Reporting(figures=False)))
    assert "8485-1901/9,20" in page.text  # 4 and 9 of 0..15 are 8.8 and 19.8 of 0..33
    assert "8485-1901/4,9" not in page.text


def test_the_strangest_spaxel_is_marked_where_its_spectrum_is_not_shown() -> None:
    rng = np.random.default_rng(4)
    truth = galaxy(rng)
    one = rebuilt(*noisy(rng, truth), truth)
    y, x = one.spaxels[1].tolist()
    drawn = [("C", 0), ("W", 1)]
    assert [mark[2] for mark in marks_of(one, drawn, {"y": np.array([y]), "x": np.array([x])}, 0.5)] == [
        "C",
        "W",
    ]
    elsewhere = {"y": np.array([2, y]), "x": np.array([7, x])}
    assert marks_of(one, drawn, elsewhere, 0.5)[2] == ((7 - 7.5) * 0.5, (2 - 7.5) * 0.5, "")
    assert len(marks_of(one, drawn, {"y": np.array([], int), "x": np.array([], int)}, 0.5)) == 2


def test_links_need_a_place_on_the_sky() -> None:
    flux, ivar = np.zeros((16, 16, 1024), np.float32), np.zeros((16, 16, 1024), np.float32)
    here = sample("8485-1901", flux, ivar, dec=-1.5).record
    links = dict(links_of(here, simulated=False))
    assert links["Marvin"] == "https://dr17.sdss.org/marvin/galaxy/8485-1901/"
    assert "Coord=232.500000%20-1.500000&" in links["SIMBAD"]
    assert links_of(here, simulated=True) == []
    assert "Marvin" not in dict(links_of(sample("41144", flux, ivar, instrument="SAMI").record, False))
    assert links_of(sample("8485-1901", flux, ivar, ra=float("nan")).record, False) == []


def test_a_run_without_detection_is_asked_for_it(tmp_path: Path) -> None:
    with pytest.raises(CubesiftError, match=r"outliers.parquet: not there"):
        write_report(Run(tmp_path), Reporting(figures=False))


def test_a_model_that_was_not_ranked_is_refused(run: Run) -> None:
    with pytest.raises(CubesiftError, match=r"model = 'cae3d', but the ranking is by \['pca2d'\]"):
        write_report(run, Reporting(model="cae3d"))


@pytest.mark.parametrize("redshift", [0.0, 0.03, 0.14])
def test_labels_of_lines_do_not_overlap(redshift: float) -> None:
    ones = np.ones(GRID.size)
    figure = spectra(GRID.wave, [Spectrum("C", ones, ones, ones)], "observed", redshift)
    figure.draw_without_rendering()
    labels = [text for text in figure.axes[0].texts if text.get_gid() == "line"]
    boxes = [label.get_window_extent() for label in labels]
    assert len(boxes) > 12
    for one in range(len(boxes)):
        assert not any(boxes[one].overlaps(other) for other in boxes[one + 1 :])
        assert boxes[one].y1 <= figure.bbox.y1


def test_lines_are_marked_where_the_redshift_puts_them() -> None:
    ones = np.ones(GRID.size)

    def marks(frame: str, redshift: float | None) -> list[float]:
        axes = spectra(GRID.wave, [Spectrum("", ones, ones, ones)], frame, redshift).axes[0]
        lines = axes.lines[2:]  # after the spectrum and its model
        return [float(np.asarray(line.get_xdata())[0]) for line in lines]

    assert any(wave == pytest.approx(6564.61) for wave in marks("rest", 0.1))
    assert any(wave == pytest.approx(6564.61 * 1.1) for wave in marks("observed", 0.1))
    assert marks("observed", None) == []


def test_spans_take_the_lowest_free_row() -> None:
    assert rows_apart([(0, 10), (5, 15), (11, 20), (16, 30)], gap=1) == [0, 1, 0, 1]
    assert rows_apart([(5, 15), (0, 10)], gap=1) == [1, 0]


def test_an_image_without_light_is_black() -> None:
    assert (colours_of(np.full((4, 4, 3), np.nan)) == 0).all()
    assert colours_of(np.ones((4, 4, 3))).min() > 100


def test_a_history_without_some_columns_is_drawn() -> None:
    figure = training_curves({"cae2d, all": {"train_loss": np.array([2.0, 1.0])}})
    assert len(figure.axes[0].lines) == 1
    assert figure.axes[1].texts[0].get_text() == "not recorded"
