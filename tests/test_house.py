"""The house keeps its shape: each heavy library has one home, and the light ones stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "src" / "cubesift"
HOMES = {
    "torch": {"learn"},
    "safetensors": {"learn"},
    "sklearn": {"detect", "judge"},
    "zarr": {"data"},
    "pyarrow": {"data"},
    "isal": {"data"},
    "matplotlib": {"explore", "judge"},
    "umap": {"detect"},
    "pacmap": {"detect"},
    "cyclopts": {"cli.py", "options.py"},
    "distributed": {"executors.py"},
}


def imports_of(path: Path) -> set[str]:
    """Names of the packages a file imports, at its top or inside."""
    tree = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    froms = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return names | froms


@pytest.mark.parametrize("library", HOMES)
def test_each_heavy_library_has_one_home(library: str) -> None:
    users = {
        path.relative_to(HOUSE).parts[0]
        for path in HOUSE.rglob("*.py")
        if any(name.split(".")[0] == library for name in imports_of(path))
    }
    assert users, f"nobody uses {library}: take it out of the list"
    assert users <= HOMES[library]


def test_fits_is_read_and_written_in_data_only() -> None:
    users = {
        path.relative_to(HOUSE).parts[0]
        for path in HOUSE.rglob("*.py")
        if any(name.startswith("astropy.io") or name == "astropy.wcs" for name in imports_of(path))
        or "from astropy.io import fits" in path.read_text()
    }
    assert users == {"data"}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("cubesift", {"numpy", "torch", "astropy", "zarr", "sklearn", "matplotlib"}),
        ("cubesift.cli", {"numpy", "torch", "astropy", "zarr", "sklearn", "matplotlib"}),
        ("cubesift.explore.report", {"torch", "sklearn"}),
        ("cubesift.detect.score", {"torch", "matplotlib"}),
        ("cubesift.settings", {"torch"}),
    ],
)
def test_what_should_be_light_stays_light(module: str, unwanted: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not unwanted & set(loaded.split())


def test_every_file_says_what_it_is_for() -> None:
    for path in HOUSE.rglob("*.py"):
        text = path.read_text()
        assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{path.name} has no first line"
