"""A recipe is read as it is meant, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cubesift.errors import CubesiftError
from cubesift.settings import read_settings


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
