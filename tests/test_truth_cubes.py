"""Noise-free cubes beside the others: true, out of the way, and written only when asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from cubesift.data.cube import DONOTUSE
from cubesift.data.door import find_sources
from cubesift.data.run import Run
from cubesift.data.store import read_json
from cubesift.errors import CubesiftError
from cubesift.making import make
from cubesift.simulate.noise import SKY_LINE
from cubesift.simulate.settings import Simulation
from cubesift.simulate.survey import cube_path, simulate_survey, truth_cube_path
from tests.survey import digests
from tests.test_fitswrite import fitsverify

SETTINGS = Simulation(galaxies=2, seed=21, ifus=(19,), repeats=0, oddities=0.0, truth_cubes=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("truth") / "run")
    simulate_survey(run, SETTINGS)
    return run


def test_what_the_cube_has_over_its_truth_is_noise_of_chi2_one(run: Run) -> None:
    for source in find_sources(run.cubes):
        cube, truth = source.files[0], truth_cube_path(run, source.name)
        assert fitsverify(truth).startswith("verification OK")
        with fits.open(cube) as seen, fits.open(truth) as true:
            assert [hdu.name for hdu in true] == ["PRIMARY", "FLUX", "IVAR", "WAVE"]
            wave = true["WAVE"].data
            np.testing.assert_array_equal(wave, seen["WAVE"].data)
            good = (seen["MASK"].data & DONOTUSE) == 0
            good[np.abs(wave - SKY_LINE) < 8] = False
            noise = seen["FLUX"].data - true["FLUX"].data
            chi2 = np.mean((noise**2 * true["IVAR"].data)[good])
            assert chi2 == pytest.approx(1, abs=0.01)
            factor = true[0].header["ERRFACT"]
            assert np.mean((noise**2 * seen["IVAR"].data)[good]) == pytest.approx(factor**2 * chi2, rel=1e-4)
            for key in ("CTYPE3", "CRVAL1", "CRVAL2", "CRVAL3", "CD1_1", "CD3_3", "CRPIX1", "BUNIT"):
                assert true["FLUX"].header[key] == seen["FLUX"].header[key]
            assert true[0].header["SIMULATE"]
            assert "light before noise" in str(true[0].header["COMMENT"])
            assert list(true[0].header["HISTORY"]) == list(seen[0].header["HISTORY"])


def test_no_reader_takes_a_truth_cube_for_a_cube(run: Run) -> None:
    sources = find_sources(run.cubes)
    assert len(sources) == 2
    assert all("LOGCUBE" in source.files[0].name for source in sources)


def test_a_streamed_survey_has_no_truth_cubes(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("[simulate]\ntruth_cubes = true\n")
    with pytest.raises(CubesiftError, match="no cubes to lie beside"):
        make(tmp_path / "run", recipe=tmp_path / "recipe.toml", stream=True)


def test_truth_cubes_are_added_to_the_same_survey(run: Run, tmp_path: Path) -> None:
    other = Run(tmp_path / "other")
    simulate_survey(other, replace(SETTINGS, truth_cubes=False))
    plain = digests(other.cubes)
    assert not any("TRUTHCUBE" in name for name in plain)
    times = [path.stat().st_mtime_ns for path in sorted(other.cubes.rglob("*LOGCUBE*"))]
    simulate_survey(other, SETTINGS)
    assert digests(other.cubes) == digests(run.cubes)
    assert times == [path.stat().st_mtime_ns for path in sorted(other.cubes.rglob("*LOGCUBE*"))]


def test_the_survey_says_which_version_and_settings_made_it(run: Run) -> None:
    note = read_json(run.path / "simulated" / "survey.json")
    with fits.open(cube_path(run, find_sources(run.cubes)[0].name)) as hdus:
        history = str(hdus[0].header["HISTORY"])
    assert note["settings"]["seed"] == 21
    assert f"cubesift {note['version']}, seed 21, galaxy 0" in history
    assert f"settings {SETTINGS.fingerprint}" in history
