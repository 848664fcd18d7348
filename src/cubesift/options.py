"""What the verbs of the command line are given, said once: each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

RunFolder = Annotated[Path, Parameter(help="The run: a folder that holds one pass through the line.")]
RecipeFile = Annotated[
    Path | None, Parameter(help="TOML file with the settings that differ from the paper's.")
]
Workers = Annotated[int | None, Parameter(help="Processes side by side; by default one a core.")]
Where = Annotated[
    str | None, Parameter(name="--executor", help="`pool` (default) or `dask:ADDRESS` of a scheduler.")
]
Shard = Annotated[str | None, Parameter(help="`i/n`: only the i-th of n parts, for job arrays.")]
Cubes = Annotated[
    Path | None, Parameter(help="Folder with cubes (MaNGA, SAMI, MUSE or any with a variance).")
]
Drpall = Annotated[
    Path | None, Parameter(help="MaNGA's drpall: redshifts, and the selection by its columns.")
]
CatalogFile = Annotated[
    Path | None, Parameter(name="--catalog", help="CSV, ECSV, FITS or Parquet with name, redshift, ra, dec.")
]
ModelFolder = Annotated[
    Path | None, Parameter(name="--model", help="Use this trained model (models/NAME) and train none.")
]
Device = Annotated[str, Parameter(help="Where torch works: `cpu`, `cuda`, `mps`.")]
Seed = Annotated[int | None, Parameter(help="Seed of everything random in this verb.")]
