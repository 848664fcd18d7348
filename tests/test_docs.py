"""The docs say what is true: the page of the command line is its help, and each command is understood."""

import re
import shlex
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from cubesift.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language in a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    """Every cubesift command of a page's blocks and examples."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    lines += re.findall(r"Example: `([^`]+)`", page.read_text())
    return [line for line in lines if line.startswith("cubesift ") and "[OPTIONS]" not in line]


def test_the_page_of_the_command_line_is_its_help() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text()
    assert page == app.generate_docs(output_format="markdown"), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_the_docs_is_understood(page: Path) -> None:
    for command in commands(page):
        if command != "cubesift COMMAND" and not re.search(r"cubesift \w+ RUN", command):
            app.parse_args(shlex.split(command)[1:], print_error=False, exit_on_error=False)


def test_a_misspelt_command_would_be_found() -> None:
    with pytest.raises(Exception, match="wurkers"):
        app.parse_args(["make", "runs/x", "--wurkers", "2"], print_error=False, exit_on_error=False)


@pytest.fixture(scope="module")
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment that holds the built wheel and what it asks for, no more."""
    folder = tmp_path_factory.mktemp("clean")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("cubesift-*.whl")
    venv.create(folder / "venv", with_pip=True)
    pip = [str(folder / "venv" / "bin" / "pip"), "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
    subprocess.run([*pip, str(wheel)], check=True)
    return folder / "venv" / "bin"


@pytest.mark.long
def test_the_tour_runs_from_the_wheel(clean_environment: Path, tmp_path: Path) -> None:
    """Every command and every block of Python of the tour, in order: the whole line on eight galaxies."""
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    tour = ROOT / "docs" / "tour.md"
    for command in commands(tour):
        words = shlex.split(command)
        subprocess.run([str(clean_environment / words[0]), *words[1:]], cwd=tmp_path, check=True)
    report = tmp_path / "runs" / "tour" / "report.html"
    assert "9001-" in report.read_text()
    for block in blocks(tour, "python"):
        (tmp_path / "script.py").write_text(block)
        python = [str(clean_environment / "python"), "script.py"]
        out = subprocess.run(python, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
        assert len(re.findall(r"^9001-\d+ \d+", out, flags=re.MULTILINE)) == 8
