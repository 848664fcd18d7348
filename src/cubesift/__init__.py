"""cubesift finds the galaxies and the spaxels that do not belong.

The line in five lines, each doing only what is missing:

    from cubesift import Outliers, Run, make

    if __name__ == "__main__":  # a script needs this line, since worker processes read it too
        make("runs/mine", cubes="cubes")
        print(Outliers.load(Run("runs/mine").path).galaxies["plateifu"][:10])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cubesift.data.door import find_sources
    from cubesift.data.outliers import Outliers
    from cubesift.data.run import Run
    from cubesift.data.samples import Samples
    from cubesift.detect.score import score_galaxies
    from cubesift.explore.report import write_report
    from cubesift.learn.embed import embed_survey
    from cubesift.learn.train import train_model
    from cubesift.making import make
    from cubesift.prepare.survey import prepare_survey
    from cubesift.simulate.survey import simulate_survey

__all__ = [
    "Outliers",
    "Run",
    "Samples",
    "embed_survey",
    "find_sources",
    "make",
    "prepare_survey",
    "score_galaxies",
    "simulate_survey",
    "train_model",
    "write_report",
]

_HOMES = {
    "Outliers": "data.outliers",
    "Run": "data.run",
    "Samples": "data.samples",
    "embed_survey": "learn.embed",
    "find_sources": "data.door",
    "make": "making",
    "prepare_survey": "prepare.survey",
    "score_galaxies": "detect.score",
    "simulate_survey": "simulate.survey",
    "train_model": "learn.train",
    "write_report": "explore.report",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: `import cubesift` must not wait for torch.
    if name not in _HOMES:
        raise AttributeError(f"module 'cubesift' has no attribute {name!r}")
    return getattr(import_module(f"cubesift.{_HOMES[name]}"), name)
