"""The whole line on a small survey: what is missing is done, what is bad is named, the rest comes through."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from cubesift.data.embeddings import Embeddings
from cubesift.data.outliers import Outliers
from cubesift.data.run import Run
from cubesift.settings import read_settings
from tests.damaged import DAMAGES, PHRASES
from tests.logcubes import logcube, write_logcube
from tests.survey import RECIPE, cubesift, digests, given, made_once, refusal


@pytest.fixture
def copied(undisturbed: Run, tmp_path: Path) -> Run:
    """A run that went well, to be changed."""
    return Run(shutil.copytree(undisturbed.path, tmp_path / "run"))


def stamps(run: Run) -> dict[Path, tuple[int, int]]:
    """Which file is where, and when it was written."""
    files = (path for path in run.path.rglob("*") if path.is_file())
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def test_a_second_make_does_nothing(survey: Run, copied: Run) -> None:
    before = stamps(copied)
    out, _ = cubesift("make", copied.path, *given(survey))
    assert "prepare: 0 done, 10 there already, 0 rejected" in out
    assert "train" not in out
    assert "detect" not in out
    assert stamps(copied) == before


@pytest.fixture(scope="session")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all kinds of damaged files."""

    def damage_all(folder: Path) -> None:
        folder.mkdir()
        good = tmp_path_factory.mktemp("good") / "manga-8485-1901-LOGCUBE.fits.gz"
        write_logcube(good, logcube(4))
        for damage in DAMAGES.values():
            damage(good, folder)

    return made_once(tmp_path_factory, "damaged", damage_all)


@pytest.fixture(scope="session")
def among_damaged(survey: Run, damaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole line again, with the damaged files among the good ones; `make.txt` is what it said."""

    def make(folder: Path) -> None:
        shutil.copytree(damaged, folder / "mixed")
        for cube in survey.cubes.rglob("*LOGCUBE.fits.gz"):
            (folder / "mixed" / cube.name).symlink_to(cube)
        out, err = cubesift("make", folder, *given(survey, folder / "mixed"), "--workers", "1")
        assert err == ""
        (folder / "make.txt").write_text(out)

    return Run(made_once(tmp_path_factory, "among-damaged", make))


def test_among_damaged_files_the_good_ones_come_through(survey: Run, among_damaged: Run) -> None:
    assert len(DAMAGES) >= 20
    said = f"{len(DAMAGES)} rejected"
    assert f"prepare: 10 done, 0 there already, {said}" in (among_damaged.path / "make.txt").read_text()
    reasons = {record["file"]: record["reason"] for record in among_damaged.rejected()}
    assert len(reasons) == len(DAMAGES)
    report = among_damaged.report.read_text()
    for name, phrase in PHRASES.items():
        file = next(file for file in reasons if re.match(f"manga-{name}-LOGCUBE.fits", file))
        assert re.search(phrase, reasons[file])
        assert "\n" not in reasons[file]
        assert f"{file}</td>" in report
    out, _ = cubesift("prepare", among_damaged.path, *given(survey, among_damaged.path / "mixed"))
    assert f"prepare: 0 done, 10 there already, {said}" in out


def test_the_same_seed_finds_the_same(undisturbed: Run, among_damaged: Run) -> None:
    one, other = digests(undisturbed.path), digests(among_damaged.path)
    weights = [name for name in one if name.endswith("weights.safetensors")]
    assert len(weights) == 4
    assert [other[name] for name in weights] == [one[name] for name in weights]
    for model in ("cae2d", "pca2d"):
        here, there = (Embeddings.load(run.embeddings(model)) for run in (undisturbed, among_damaged))
        np.testing.assert_array_equal(here.plateifu, there.plateifu)
        np.testing.assert_array_equal(here.vectors, there.vectors)
    here, there = (Outliers.load(run.path) for run in (undisturbed, among_damaged))
    for table in ("galaxies", "spaxels"):
        for column, values in getattr(here, table).items():
            np.testing.assert_array_equal(getattr(there, table)[column], values)


def test_a_folder_with_no_good_cube_ends_in_one_line(damaged: Path, tmp_path: Path) -> None:
    out, err = cubesift("make", tmp_path / "run", "--cubes", damaged, code=1)
    assert f"prepare: 0 done, 0 there already, {len(DAMAGES)} rejected" in out
    assert err == f"cubesift: {damaged}: none of its cubes can be used, for the reasons above.\n"
    assert len(Run(tmp_path / "run").rejected()) == len(DAMAGES)


def test_a_mended_cube_is_no_longer_rejected(survey: Run, tmp_path: Path) -> None:
    folder, run = tmp_path / "cubes", Run(tmp_path / "run")
    folder.mkdir()
    cube = next(iter(survey.cubes.rglob("*LOGCUBE.fits.gz")))
    (folder / cube.name).write_bytes(cube.read_bytes()[:1_000_000])
    (folder / "nothing.fits").write_bytes(b"")
    words = ["prepare", run.path, "--cubes", folder, "--recipe", survey.path / "tiny.toml"]
    assert "none of its cubes" in refusal(*words)
    assert "cut off" in run.rejected()[0]["reason"]
    shutil.copy(cube, folder)
    (folder / "nothing.fits").unlink()
    out, _ = cubesift(*words)
    assert "prepare: 1 done, 0 there already, 0 rejected" in out
    assert run.rejected() == []


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (
            RECIPE.replace("epochs", "epoch", 1),
            r"train has no setting 'epoch'; it has name, system, .*epochs",
        ),
        (RECIPE.replace("[[train]]", "[[trian]]", 1), r"\[trian\] is not a verb; there are .*train"),
        (RECIPE.replace("epochs = 6", "epochs = 'six'", 1), "train.0.epochs: .*integer.* .it says 'six'"),
        (RECIPE[:22], "not TOML"),
        ('[[prepare]]\nlike = "manga"', r"like = 'manga', but there are \['cubesift', 'paper'\]"),
    ],
)
def test_a_misspelt_recipe_is_named(survey: Run, tmp_path: Path, recipe: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(recipe)
    line = refusal("make", tmp_path / "run", "--cubes", survey.cubes, "--recipe", tmp_path / "mine.toml")
    assert line.startswith(f"{tmp_path / 'mine.toml'}: ")
    assert re.search(said, line)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["make", "run"], "run: no cubes. Give --cubes DIR"),
        (["make", "run", "--cubes", "empty"], "empty: no cubes in it. Expected FITS files"),
        (["make", "run", "--cubes", "nowhere"], "nowhere: not there. Give the folder that holds the cubes."),
        (["make", "run", "--recipe", "nowhere.toml"], "nowhere.toml: no such recipe"),
        (["make", "run", "--cubes", "empty", "--catalog", "nowhere.csv"], "empty: no cubes in it"),
        (["make", "run", "--model", "nowhere"], "nowhere: no finished model here"),
        (["make", "file", "--cubes", "empty"], "file/run.toml: cannot be written (File exists)"),
        (["train", "run"], "run/samples/paper.zarr: not there. Run the verb that makes it first"),
        (["embed", "run"], "run: no trained model. Run `cubesift train` first"),
        (["detect", "run"], "run: no samples. Run prepare first."),
        (["report", "run"], "run/outliers.parquet: not there. Run the verb that makes it first"),
        (["show", "nowhere"], "nowhere: no such run"),
    ],
)
def test_what_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("file").touch()
    assert refusal(*words).startswith(said)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


GALAXY = "9001-1903"
AGAIN = r"Remove .* again|Make it again|make it again"


@pytest.mark.parametrize(
    ("file", "verb"),
    [
        ("catalog.parquet", "prepare"),
        ("samples/tiny.zarr/store.json", "prepare"),
        (f"samples/tiny.zarr/{GALAXY}/zarr.json", "train"),
        (f"samples/tiny.zarr/{GALAXY}/flux/zarr.json", "train"),
        (f"samples/tiny.zarr/{GALAXY}/flux/c/0/0/0", "train"),
        ("models/cae2d/split/resume.pt", "train"),
        ("models/pca2d/all/model.json", "embed"),
        ("models/pca2d/all/weights.safetensors", "embed"),
        ("embeddings/cae2d.parquet", "detect"),
        (f"reconstructions/pca2d.zarr/{GALAXY}/chi2/c/0/0", "detect"),
        ("outliers.parquet", "report"),
        (f"samples/tiny.zarr/{GALAXY}/image/c/0/0/0", "report"),
    ],
)
def test_a_file_cut_in_half_is_named_with_what_to_do(
    survey: Run, copied: Run, file: str, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copied.path.parent)
    if verb == "train":
        fold = copied.model("cae2d", "split")
        shutil.rmtree(copied.path / "models" / "cae2d" / "all")
        (fold / "model.json").unlink()
        (fold / "weights.safetensors").rename(fold / "resume.pt")
        if not file.endswith("resume.pt"):
            (fold / "resume.pt").unlink()
    if verb == "report":  # which reads the galaxies that it shows
        file = file.replace(GALAXY, str(Outliers.load(copied.path).galaxies["plateifu"][0]))
    truncate(copied.path / file)
    words = ["--cubes", survey.cubes / "9001"] if verb == "prepare" else []  # no drpall there to go by
    line = refusal(verb, "run", *words)
    damaged = next(part for part in (file, *map(str, Path(file).parents)) if f"run/{part}: " in line)
    assert damaged
    assert re.search(AGAIN, line)


def test_a_damaged_sample_is_made_anew(survey: Run, undisturbed: Run, copied: Run) -> None:
    truncate(copied.samples("tiny") / GALAXY / "flux/c/0/0/0")
    shutil.rmtree(copied.samples("tiny") / GALAXY)  # as the line says
    out, _ = cubesift("make", copied.path, *given(survey))
    assert "prepare: 1 done, 9 there already, 0 rejected" in out
    assert "train" not in out
    assert digests(copied.path) == digests(undisturbed.path)


def test_a_new_recipe_is_prepared_without_the_others_again(survey: Run, copied: Run) -> None:
    recipe = copied.path.parent / "two.toml"
    recipe.write_text(RECIPE + '\n[[prepare]]\nname = "rest"\nlike = "cubesift"\nside = 8\nrebin = 16\n')
    before = stamps(copied)
    words = ["--cubes", survey.cubes, "--catalog", survey.catalog, "--recipe", recipe]
    out, _ = cubesift("prepare", copied.path, *words)
    assert "prepare: 10 done, 0 there already, 0 rejected" in out
    assert copied.recipes() == ["rest", "tiny"]
    after = stamps(copied)
    assert {path for path in before if before[path] != after[path]} == {copied.path / "run.toml"}


def test_make_empties_only_the_folder_it_filled(tmp_path: Path) -> None:
    """Cubes that were simulated, fetched or put there before stay; those that make simulated go."""
    recipe = tmp_path / "few.toml"
    recipe.write_text(
        "[simulate]\ngalaxies = 1\nifus = [19]\nrepeats = 0\n[[prepare]]\nside = 8\nrebin = 16\n"
    )
    before, temporary = Run(tmp_path / "before"), Run(tmp_path / "temporary")
    cubesift("simulate", before.path, "--recipe", recipe, "--workers", "1")
    for run in (before, temporary):
        cubesift("make", run.path, "--recipe", recipe, "--workers", "1")
    assert len([*before.cubes.rglob("*LOGCUBE.fits.gz")]) == 1
    assert not temporary.cubes.exists()


def test_what_was_said_of_a_survey_is_remembered(tmp_path: Path) -> None:
    recipe, run = tmp_path / "r.toml", Run(tmp_path / "run")
    recipe.write_text(
        '[simulate]\ngalaxies = 3\nifus = [19]\noddity_file = "mine.py"\noddities = 0.0\n'
        "[[prepare]]\nside = 8\nrebin = 16\n[[train]]\nwidths = [4]\n"
    )
    (tmp_path / "mine.py").write_text("def nothing(scene, rng):\n    raise RuntimeError\n")
    cubesift("simulate", run.path, "--recipe", recipe, "--galaxies", "1", "--seed", "4", "--workers", "1")
    settings = read_settings(run.path / "run.toml").simulate
    assert settings is not None
    assert (settings.galaxies, settings.seed) == (1, 4)
    assert settings.oddity_file == str(tmp_path / "mine.py")
    assert "simulate: 1 cubes, seed 4" in cubesift("make", run.path, "--workers", "1")[0]
    assert "--simulate 3, but it is prepared from 1 simulated" in refusal("make", run.path, "--simulate", "3")


def test_with_no_model_named_each_cube_is_judged_alone_however_many(survey: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "alone.toml"
    recipe.write_text("train = []\n[[prepare]]\nside = 8\nrebin = 16\n[report]\ngalaxies = 2\nspaxels = 2\n")
    words = ("make", tmp_path / "run", "--cubes", survey.cubes, "--recipe", recipe)
    assert "names no model" in cubesift(*words)[0]
    again = cubesift("make", tmp_path / "run", "--cubes", survey.cubes)[0]
    assert "0 done" in again
