"""What is asked of a report."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass


@dataclass(frozen=True)
class Reporting:
    """How much the page shows. 40 galaxies stay below 10 MB."""

    galaxies: Annotated[int, Field(ge=0, le=40)] = 12  # shown with pictures, the strangest
    spaxels: Annotated[int, Field(ge=0, le=1000)] = 20  # rows of the table of spaxels
    model: str = ""  # whose reconstructions are drawn; "" = the best network's, see `model_to_draw`
    title: str = ""  # "" = the name of the run's folder
    figures: bool = True  # the paper's figures too, in the page and in `figures/`
    typical: str = ""  # plateifu of the galaxy in figures 1, 4 and 5b; "" = from the middle of the ranking
