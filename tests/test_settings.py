"""A recipe is read as it is meant, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cubesift.data.wavelength import MANGA_GRID
from cubesift.errors import CubesiftError
from cubesift.learn.checkpoint import build_model
from cubesift.settings import read_settings

RECIPES = Path(__file__).parents[1] / "recipes"


@pytest.mark.parametrize(
    "text",
    [
        '[prepare]\nname = "mine"',
        "prepare = 3",
        "prepare = []",
        "train = 3",
        "train = [3]",
        "simulate = 3",
        "[[simulate]]\ngalaxies = 3",
        '[[prepare]]\nlike = ["a"]',
        "nonsense = 3",
        '[[prepare]]\n[[prepare]]\nlike = "paper"',
        '[[prepare]]\nname = "a/b"',
        "[[prepare]]\nside = 1",
        "[[prepare]]\nchannels = 0",
        "[[prepare]]\nrebin = 0",
        "[[prepare]]\nrv = 0.0",
        "[[train]]\nseed = -1",
        "[simulate]\ngalaxies = 0",
        "[simulate]\nseed = -1",
        '[[train]]\nname = "one"\n[[train]]\nname = "one"',
    ],
)
def test_a_recipe_of_the_wrong_kind_ends_in_one_line(tmp_path: Path, text: str) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text)
    with pytest.raises(CubesiftError) as caught:
        read_settings(recipe)
    assert str(caught.value).startswith(str(recipe))
    assert "\n" not in str(caught.value)


def test_no_model_at_all_may_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("train = []")
    assert read_settings(tmp_path / "recipe.toml").train == ()


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_networks_of_a_published_recipe_fit_its_samples(path: Path) -> None:
    line = read_settings(path)
    samples = {recipe.name: recipe for recipe in line.prepare}
    for training in line.train:
        recipe = samples[training.samples]
        if training.system == "codes":  # of spectra at rest, of any number of spaxels
            assert recipe.frame == "rest"
            assert recipe.rebin == 1
            continue
        assert isinstance(recipe.side, int)
        with torch.device("meta"):  # the largest are slow to fill with numbers
            build_model(training, recipe.grid(MANGA_GRID).size, recipe.side)
