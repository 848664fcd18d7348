"""A trained model on disk: weights, settings and history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import safetensors
import safetensors.torch
import torch
from pydantic import TypeAdapter
from torch import nn

from cubesift.data.run import Run
from cubesift.data.samples import Samples, preparation
from cubesift.data.store import Provenance, read_json, remove, write_json, written_beside
from cubesift.data.wavelength import WavelengthGrid
from cubesift.errors import CubesiftError, Stale
from cubesift.learn.ae import AE, CubeAE
from cubesift.learn.cae1d2d import CAE1d2d
from cubesift.learn.cae2d import CAE2d
from cubesift.learn.cae3d import CAE3d
from cubesift.learn.compressed2d import Compressed2d
from cubesift.learn.linear import Linear
from cubesift.learn.resume import History, fill, first_line, read_history, write_history
from cubesift.learn.settings import Training

# Raised when a default of `Training` or a layer changes: models of before are then trained again, not loaded.
ARCHITECTURE = 3
System = AE | CubeAE | CAE2d | CAE3d | CAE1d2d | Compressed2d | Linear
SYSTEMS: Mapping[str, type[System]] = {
    "ae": AE,
    "cube-ae": CubeAE,
    "cae2d": CAE2d,
    "cae3d": CAE3d,
    "cae1d2d": CAE1d2d,
    "pca2d": Compressed2d,
    "ae2d": Compressed2d,
    "linear": Linear,
    "cube-pca": Linear,
}


def build_model(settings: Training, wave: int, side: int) -> System:
    """The network the settings ask for, with random weights drawn from their seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = SYSTEMS[settings.system](settings, wave, side)
    # Channels-last weights for channels-last input: up to ten times as fast on a CPU.
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        elif isinstance(layer, (nn.Conv3d, nn.ConvTranspose3d)):
            layer.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return model


@dataclass
class Checkpoint:
    """A model and what it was made of, `models/<name>/<fold>/`; `model.json` is written last."""

    model: System
    settings: Training
    fold: str  # "split", or "fold-0", ... of a cross-fit: learned from a part; "all": from every galaxy
    grid: WavelengthGrid
    side: int  # spaxels
    recipe: Mapping[str, Any]  # how its samples were prepared
    train: list[str]  # plateifu it learned from
    validation: list[str]  # plateifu it was watched on
    redshift: tuple[float, float]  # mean and standard deviation of the training set's; nan = no redshift head
    history: History
    provenance: Provenance

    def save(self, folder: Path) -> None:
        """Write weights.safetensors, history.csv and, last, model.json: a model of before stays until now."""
        tensors = {name: value.contiguous() for name, value in self.model.state_dict().items()}
        remove(folder / "model.json")  # so that new weights never stand beside an old model.json
        with written_beside(folder / "weights.safetensors") as partial:
            partial.write_bytes(safetensors.torch.save(tensors))
        write_history(folder, self.history)
        record = {name: getattr(self, name) for name in _RECORDED}
        record |= {"filters": self.settings.filters}  # for whoever draws the network without torch
        record |= {"settings": asdict(self.settings), "grid": asdict(self.grid), "redshift": self.redshift}
        write_json(folder / "model.json", {"provenance": self.provenance.to_dict(), **record})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Rebuild the model from its settings and fill in its weights.

        Raises:
            CubesiftError: there is no finished model in the folder, or it is damaged.
        """
        if not (folder / "model.json").exists():
            raise CubesiftError(
                f"{folder}: no finished model here (no model.json). Run `cubesift train` first."
            )
        record = read_json(folder / "model.json")
        settings = TypeAdapter(Training).validate_python(record["settings"])
        grid = WavelengthGrid(**record["grid"])
        model = build_model(settings, grid.size, record["side"])
        try:
            weights = safetensors.torch.load_file(folder / "weights.safetensors")
        except (OSError, safetensors.SafetensorError, RuntimeError) as error:
            raise CubesiftError(
                f"{folder}: its weights are damaged ({first_line(error)}). Remove that folder and run "
                "`cubesift train` again."
            ) from error
        fill(model, weights, folder)
        return cls(
            model=model.eval(),
            settings=settings,
            grid=grid,
            provenance=Provenance.from_dict(record["provenance"], str(folder)),
            redshift=tuple(record["redshift"]),
            history=read_history(folder),
            **{name: record[name] for name in _RECORDED},
        )

    def check(self, samples: Samples) -> None:
        """Refuse samples the model was not made for.

        Raises:
            Stale: another wavelength grid or another preparation.
        """
        refuse_others(samples, self.settings.name, self.grid, self.recipe)


def refuse_others(samples: Samples, model: str, grid: WavelengthGrid, recipe: Mapping[str, Any]) -> None:
    """Refuse samples that are not like those a model learned from.

    Raises:
        Stale: another wavelength grid or another preparation.
    """
    if samples.grid != grid:
        raise Stale(
            f"{samples.store.path}: {samples.grid.size} channels from {samples.grid.wave[0]:.1f} A, but "
            f"model {model} has {grid.size} from {grid.wave[0]:.1f}. "
            "Prepare with the recipe of the model, or train again."
        )
    ours, theirs = (preparation(one) for one in (recipe, samples.recipe))
    differing = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
    if differing:
        said = ", ".join(f"{key} = {theirs.get(key)} (model: {ours.get(key)})" for key in differing)
        raise Stale(
            f"{samples.store.path}: prepared with {said}. "
            f"Prepare with the recipe of model {model}, or train again."
        )


_RECORDED = ("fold", "side", "recipe", "train", "validation")


def made_of(folder: Path) -> str:
    """The id of the finished model in a folder, whatever network it is; "" without one."""
    path = folder / "model.json"
    return Provenance.from_dict(read_json(path)["provenance"], str(folder)).id if path.exists() else ""


def settings_of_model(folder: Path) -> Training:
    """Of a finished model, whatever it is."""
    return TypeAdapter(Training).validate_python(read_json(folder / "model.json")["settings"])


def find_model(path: Path, name: str = "") -> Path:
    """The folder of a finished model: `path` itself, a model's folder, or a run that has it.

    Trained on all where there is such a fold, else on the split.

    Raises:
        CubesiftError: none there, or several to choose from.
    """
    path = Path(path)
    models = Run(path).models()
    if models:
        if name not in models and len(models) > 1:
            raise CubesiftError(
                f"{path}: has models {', '.join(models)}. Name one: {path / 'models' / models[0]}"
            )
        path = path / "models" / (name if name in models else models[0])
    for folder in (path, path / "all", path / "split"):
        if (folder / "model.json").exists():
            return folder
    if folds := sorted(part.parent.name for part in path.glob("fold-*/model.json")):
        raise CubesiftError(
            f"{path}: a cross-fit without a model of all galaxies (only {', '.join(folds)}). Train it with "
            "retrain_on_all, or name one of these."
        )
    raise CubesiftError(f"{path}: no finished model here (no model.json). Run `cubesift train` first.")
