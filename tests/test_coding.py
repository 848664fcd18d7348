"""Codes as a system of the line: learned, killed and resumed, embedded, taken to cubes of another run."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from cubesift.coding import CodeModel, embed_codes, sizes_of, train_codes
from cubesift.data.embeddings import Embeddings, Reconstructions
from cubesift.data.groups import GalaxyStore
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import read_json
from cubesift.errors import CubesiftError
from cubesift.fit.coder import Coder
from cubesift.fit.lines import NAMES
from cubesift.learn.settings import Training
from tests.survey import cubesift, given, made_once, refusal

SETTINGS = Training(
    name="codes", system="codes", samples="rest", components=25, latent_channels=2, split="hash",
    validation=0.4, retrain_on_all=False,
)  # fmt: skip
RECIPE = """
[[prepare]]
name = "rest"
like = "cubesift"

[[train]]
name = "codes"
system = "codes"
samples = "rest"
components = 25
latent_channels = 2
split = "hash"
validation = 0.4
retrain_on_all = false

[report]
galaxies = 1
spaxels = 1
figures = false
"""


@pytest.fixture(scope="module")
def coded(survey: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The small survey through the line by codes alone."""

    def make(folder: Path) -> None:
        recipe = tmp_path_factory.mktemp("recipe") / "codes.toml"
        recipe.write_text(RECIPE)
        cubesift("make", folder, *given(survey)[:-1], recipe, "--workers", "2")

    return Run(made_once(tmp_path_factory, "coded", make))


MADE = ("models", "embeddings", "reconstructions", "codes")


def copied(run: Run, path: Path, *without: str) -> Run:
    shutil.copytree(run.path, path, ignore=shutil.ignore_patterns(*without), copy_function=os.link)
    return Run(path)


def test_the_line_by_codes_leaves_embeddings_codes_and_a_report(coded: Run) -> None:
    embeddings = Embeddings.load(coded.embeddings("codes"))
    samples = Samples.open(coded.samples("rest"))
    assert embeddings.plateifu.tolist() == samples.names
    assert embeddings.vectors.shape == (len(samples), 32 - 5)
    assert embeddings.held_out.any()
    store = GalaxyStore.open(coded.codes("codes") / "split")
    for name in samples.names:
        kept, said = store.arrays(name), store.record(name)
        assert kept["numbers"].shape == kept["error"].shape == (len(kept["y"]), 25)
        assert (kept["error"] > 0).all()
        assert len(said["code"]) == 32
        ivar = samples.arrays(name, "ivar")["ivar"]
        assert (ivar[kept["y"], kept["x"]] > 0).any(axis=1).all()
    halpha = store.about["continua"] + store.about["lines"].index("Halpha")
    errors = [np.median(store.arrays(name)["error"][:, halpha]) for name in samples.names]
    assert 0.001 < np.median(errors) < 1  # 1e-17 erg/s/cm2
    page = coded.report.read_text(encoding="utf-8")
    assert "Model: codes." in page
    assert "not the paper's schedule" not in page
    assert sizes_of(coded).keys() == set(samples.names)


def test_a_galaxy_that_was_held_out_is_rebuilt_far_better_than_by_nothing(coded: Run) -> None:
    rebuilt = Reconstructions.open(coded.reconstructions("codes"))
    embeddings = Embeddings.load(coded.embeddings("codes"))
    for name in embeddings.plateifu[embeddings.held_out].tolist():
        one = rebuilt.read(name)
        seen = np.isfinite(one.error)
        assert np.abs(one.white_model - one.white)[seen].sum() < 0.5 * np.abs(one.white)[seen].sum()


@pytest.mark.long
def test_a_killed_training_goes_on_and_ends_the_same(
    coded: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another process has other threads, and with them another order of sums: both are trained here.
    undisturbed, run = (copied(coded, tmp_path / name, *MADE) for name in ("undisturbed", "run"))
    train_codes(undisturbed, SETTINGS)
    coding, calls = Coder.field, []

    def counted(self: Coder, spectra):  # type: ignore[no-untyped-def]
        calls.append(spectra.record.plateifu)
        if len(calls) == dies:
            raise KeyboardInterrupt
        return coding(self, spectra)

    monkeypatch.setattr(Coder, "field", counted)
    record = read_json(coded.model("codes", "split") / "model.json")
    learned = len(record["train"])
    dies = learned + 3  # every galaxy says what is usual first; then the third is coded
    with pytest.raises(KeyboardInterrupt):
        train_codes(run, SETTINGS)
    dies, calls[:] = 0, []
    train_codes(run, SETTINGS)
    assert len(calls) == learned - 2
    one, other = (CodeModel.load(of.model("codes", "split")) for of in (undisturbed, run))
    assert one.provenance.id == other.provenance.id
    np.testing.assert_array_equal(one.galaxies.modes, other.galaxies.modes)
    assert not list(run.model("codes", "split").glob("*.zarr"))
    calls.clear()
    train_codes(run, SETTINGS)
    assert not calls


def test_a_model_codes_the_cubes_of_another_run_as_it_would_its_own(coded: Run, tmp_path: Path) -> None:
    other = copied(coded, tmp_path / "other", "models", "embeddings", "reconstructions", "codes", "*.parquet")
    embeddings = embed_codes(other, "codes", model=coded.path)
    model = CodeModel.load(coded.model("codes", "split"))
    name = str(Embeddings.load(coded.embeddings("codes")).as_scored().plateifu[0])
    code = model.coded(Samples.open(other.samples("rest")).read(name))[2]  # the catalogue is not there
    np.testing.assert_allclose(embeddings.vectors[embeddings.plateifu == name][0], code[5:], rtol=1e-5)
    assert "model: " in refusal("embed", tmp_path_with_others(coded, tmp_path), "--model", coded.path)


def tmp_path_with_others(coded: Run, tmp_path: Path) -> Path:
    """A run whose samples were prepared otherwise than the model's."""
    run = copied(coded, tmp_path / "otherwise", "models", "embeddings", "reconstructions", "codes")
    path = run.samples("rest") / "store.json"
    words = path.read_text().replace('"extinction": "odonnell94"', '"extinction": "none"')
    path.unlink()
    path.write_text(words)
    return run.path


def test_a_galaxy_without_a_redshift_is_left_out_and_named(
    coded: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(coded, tmp_path / "run", "embeddings", "reconstructions")
    first, *others = Samples.open(run.samples("rest")).names
    path = run.samples("rest") / first / "zarr.json"
    words = path.read_text().replace('"frame": "rest"', '"frame": "observed"')
    path.unlink()
    path.write_text(words)
    assert embed_codes(run, "codes").plateifu.tolist() == others
    assert f"1 galaxy without a redshift is left out: {first}" in capsys.readouterr().out


def test_what_cannot_be_coded_is_said_in_a_line(coded: Run, undisturbed: Run, tmp_path: Path) -> None:
    few = Training(name="few", system="codes", samples="rest", components=len(NAMES) + 4, split="hash")
    run = copied(coded, tmp_path / "run", "models")
    with pytest.raises(CubesiftError, match="ask for 20 or more"):
        train_codes(run, few)
    observed = Training(name="observed", system="codes", samples="tiny", split="hash")
    seen = copied(undisturbed, tmp_path / "seen", "models")
    with pytest.raises(CubesiftError, match=r"0 galaxies at rest to learn from.*frame = \"rest\""):
        train_codes(seen, observed)
