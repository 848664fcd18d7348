"""What most tests share: where the real data lies, and a small survey with what the line makes of it."""

import os
from pathlib import Path

import pytest

from cubesift.data.run import Run
from tests.survey import cubesift, given, made_once, simulate

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch comes in: a core is what each of two workers has


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real data."""
    folder = Path(os.environ.get("CUBESIFT_SHARED", Path(__file__).parents[2] / "shared")) / "data"
    if not folder.exists():
        pytest.skip("the real data is not here: set CUBESIFT_SHARED")
    return folder


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Ten small simulated cubes; tests copy or link what they change."""
    return Run(made_once(tmp_path_factory, "survey", simulate))


@pytest.fixture(scope="session")
def undisturbed(survey: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole line on the small survey, nothing going wrong; tests copy what they change."""
    words = [*given(survey), "--workers", "2"]
    return Run(made_once(tmp_path_factory, "undisturbed", lambda folder: cubesift("make", folder, *words)))
