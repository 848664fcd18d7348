"""Between epochs: the state a killed training goes on from, and its history."""

from __future__ import annotations

import csv
import io
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from cubesift.data.store import Provenance, remove, written_beside
from cubesift.errors import CubesiftError

Row = dict[str, int | float]
History = list[Row]  # one per epoch


def save_progress(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, history: History, provenance: Provenance
) -> None:
    """Write, in one rename, all that a training needs to go on after this epoch."""
    state = {
        "id": provenance.id,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": history,
    }
    # Through memory, so that a full disk is an OSError and not an error of torch's own.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with written_beside(folder / "resume.pt") as partial:
        partial.write_bytes(buffer.getbuffer())
    if not (folder / "model.json").exists():  # else history.csv is that of the model from before
        write_history(folder, history)


def load_progress(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, provenance: Provenance, device: str
) -> History:
    """Fill model and optimizer from `resume.pt` if it is of this very training; the epochs done so far.

    Raises:
        CubesiftError: it is damaged, or of a network that is built otherwise by now.
    """
    path = folder / "resume.pt"
    if not path.exists():
        return []
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CubesiftError(
            f"{path}: damaged ({first_line(error)}). Remove it and run `cubesift train` again: this model "
            "begins anew."
        ) from error
    if state["id"] != provenance.id:
        remove(path)
        return []
    fill(model, state["model"], path)
    optimizer.load_state_dict(state["optimizer"])
    history: History = state["history"]
    return history


def fill(model: nn.Module, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Give a model its weights.

    Raises:
        CubesiftError: they are another network's, such as one of an earlier cubesift.
    """
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CubesiftError(
            f"{path}: its weights are of a network that another version of cubesift built. Remove it and run "
            "`cubesift train` again, or go back to that version."
        ) from error


def first_line(error: Exception) -> str:
    """What an error says first, to stand in a line of ours."""
    return str(error).partition("\n")[0].rstrip(".")


def write_history(folder: Path, history: History) -> None:
    """Write history.csv, one row per epoch."""
    text = io.StringIO()
    table = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(history)
    with written_beside(folder / "history.csv") as partial:
        partial.write_text(text.getvalue())


def read_history(folder: Path) -> History:
    """Read history.csv."""
    with (folder / "history.csv").open() as rows:
        return [
            {name: int(value) if name == "epoch" else float(value) for name, value in row.items()}
            for row in csv.DictReader(rows)
        ]
