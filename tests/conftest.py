"""What most tests share: where the real data lies."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real data."""
    folder = Path(os.environ.get("CUBESIFT_SHARED", Path(__file__).parents[2] / "shared")) / "data"
    if not folder.exists():
        pytest.skip("the real data is not here: set CUBESIFT_SHARED")
    return folder
