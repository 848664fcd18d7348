"""One pass's settings: a small TOML file that overrides a few fields of each verb."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from cubesift.data.drpall import Selection
from cubesift.data.store import written_beside
from cubesift.detect.settings import Detection
from cubesift.errors import CubesiftError
from cubesift.explore.settings import Reporting
from cubesift.fetch.archive import Fetching
from cubesift.learn.settings import Training
from cubesift.prepare.recipe import PUBLISHED, Recipe
from cubesift.simulate.settings import Simulation


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Line:
    """Every verb's settings. The defaults are the paper's: two of its systems and the linear baseline,
    cross-fitted, so that every galaxy is scored by models that have not seen it, and once more on all."""

    simulate: Simulation | None = None  # only asked for, never by default
    fetch: Fetching = field(default_factory=Fetching)
    select: Selection = field(default_factory=Selection)
    prepare: tuple[Recipe, ...] = (Recipe(),)
    train: tuple[Training, ...] = (
        Training(name="linear", system="linear", split="crossfit", folds=2),
        Training(name="cae2d", system="cae2d", split="crossfit", folds=2),
        Training(name="pca2d", system="pca2d", split="crossfit", folds=2),
    )
    detect: Detection = field(default_factory=Detection)
    report: Reporting = field(default_factory=Reporting)


def read_settings(*paths: Path) -> Line:
    """The settings in TOML files, tables of later ones in place of earlier ones'; the defaults without any.

    A `[[prepare]]` table may say `like = "cubesift"` to start from a published recipe (default "paper").

    Raises:
        CubesiftError: no such file, not TOML, or a field that is not known or not of its kind.
    """
    tables: dict[str, Any] = {}
    for path in paths:
        tables.update(_tables(path))
    path = paths[-1] if paths else Path()
    try:
        line = TypeAdapter(Line).validate_python(tables)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CubesiftError(f"{path}: {place}: {first['msg']} (it says {first['input']!r})") from None
    _check_once(path, "prepare", [recipe.name for recipe in line.prepare])
    _check_once(path, "train", [training.name for training in line.train])
    return line


def _tables(path: Path) -> dict[str, Any]:
    """What one file says, every name in it known."""
    try:
        tables = tomllib.loads(path.read_text())
    except OSError as error:
        raise CubesiftError(f"{path}: no such recipe ({error.strerror}). Name a TOML file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CubesiftError(f"{path}: not TOML: {error}") from None
    _check_kinds(path, tables)
    if "prepare" in tables:
        tables["prepare"] = [_from_published(path, table) for table in tables["prepare"]]
    _check_names(path, tables)
    for name in ("oddity_file", "quasar_file"):  # named as seen from the recipe; workers stand elsewhere
        if isinstance(named := tables.get("simulate", {}).get(name), str):
            tables["simulate"][name] = str((path.parent / named).absolute())
    return tables


def write_settings(line: Line, path: Path) -> None:
    """Write all settings, defaults included, as TOML that `read_settings` reads."""
    # An empty list must be said, or the defaults would come back; TOML wants it before the first table.
    blocks = [f"{entry.name} = []" for entry in fields(line) if getattr(line, entry.name) == ()]
    for entry in fields(line):
        value = getattr(line, entry.name)
        tables = value if isinstance(value, tuple) else (value,) if value is not None else ()
        header = f"[[{entry.name}]]" if isinstance(value, tuple) else f"[{entry.name}]"
        blocks += ["\n".join([header, *_lines(asdict(table))]) for table in tables]
    with written_beside(path) as partial:
        partial.write_text("\n\n".join(blocks) + "\n")


def _lines(table: Mapping[str, Any]) -> list[str]:
    # JSON's strings, numbers, booleans and lists are TOML too; a None is left out: it is the default.
    return [f"{name} = {_toml(value)}" for name, value in table.items() if value is not None]


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(str(k))} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(list(value) if isinstance(value, (tuple, set, frozenset)) else value)


def _from_published(path: Path, table: dict[str, Any]) -> dict[str, Any]:
    like = table.pop("like", "paper")
    if not isinstance(like, str) or like not in PUBLISHED:
        raise CubesiftError(f"{path}: prepare: like = {like!r}, but there are {sorted(PUBLISHED)}")
    return {**asdict(PUBLISHED[like]), **table}


def _check_kinds(path: Path, tables: Mapping[str, Any]) -> None:
    """A verb's settings are a table, those of prepare and train one table for each recipe and model."""
    verbs = [entry.name for entry in fields(Line)]
    for name, given in tables.items():
        if name not in verbs:
            raise CubesiftError(f"{path}: [{name}] is not a verb; there are {verbs}")
        several = name in ("prepare", "train")
        if several and not (isinstance(given, list) and all(isinstance(table, dict) for table in given)):
            raise CubesiftError(f"{path}: {name} is not a list of tables. Write [[{name}]] above each.")
        if not several and not isinstance(given, dict):
            raise CubesiftError(
                f"{path}: {name} = {given!r} is not a table. Write [{name}] above its settings."
            )
    if tables.get("prepare") == []:
        raise CubesiftError(f"{path}: prepare = [] prepares nothing. Leave it out, or write [[prepare]].")


def _check_once(path: Path, verb: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise CubesiftError(
                f"{path}: {names.count(name)} tables [[{verb}]] have the name {name!r}. Name each otherwise."
            )


def _check_names(path: Path, tables: Mapping[str, Any]) -> None:
    """A misspelt field would silently leave the default in place: name it instead."""
    line = Line(simulate=Simulation())
    for name, given in tables.items():
        example = getattr(line, name)
        example = example[0] if isinstance(example, tuple) else example
        assert is_dataclass(example)
        known = [f.name for f in fields(example)]
        for table in given if isinstance(given, list) else [given]:
            for key in set(table) - set(known):
                raise CubesiftError(f"{path}: {name} has no setting {key!r}; it has {', '.join(known)}")
