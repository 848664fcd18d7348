"""The settings of preparation: how a cube becomes a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from cubesift.data.dust import Law
from cubesift.data.samples import BEFORE
from cubesift.data.wavelength import WavelengthGrid, rest_grid

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


@dataclass(frozen=True)
class Recipe:
    """Defaults are the paper's (section 2). `CUBESIFT` is our own; a TOML file changes fields of either."""

    name: Name = "paper"  # of the folder under samples/
    frame: Literal["observed", "rest"] = "observed"
    max_redshift: Annotated[float, Field(ge=0)] = (
        0.2  # the rest grid reaches this far; only in the rest frame
    )
    min_side: Annotated[int, Field(ge=0)] = 34  # cubes smaller than this are left out; a cube of 34 stays
    take_critical: bool = False  # cubes that the survey's pipeline calls unusable: DRP3QUAL, bit 30
    clip: bool = True  # negative flux becomes 0 in the models' input (the unclipped flux is kept too)
    side: Annotated[int, Field(ge=2)] | Literal["native"] = 32  # spaxels along a side after the linear resize
    channels: Annotated[int, Field(ge=2)] | Literal["all"] = 4096  # the first so many
    rebin: Annotated[int, Field(ge=1)] = 1  # channels averaged into one, after the cut
    sky: tuple[float, float] = (5574.0, 5585.0)  # angstrom, vacuum, observed: residual of the sky line
    fill_sky: bool = True  # interpolate across it in the input; it is never judged by
    mask_stars: bool = True  # FORESTAR spaxels: 0 in the input, ivar 0
    fill_bad: bool = True  # voxels with ivar 0 and no star: bridged along the spectrum, 0 where nobody saw
    extinction: Law | Literal["none"] = "none"  # remove the dust of our Galaxy by this law
    rv: Annotated[float, Field(gt=0)] = 3.1
    normalise: Literal["none", "total"] = "none"  # divide by the mean flux of the covered spaxels

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Recipe:
        """A recipe as samples and models keep it, those of before a setting was known too."""
        return cls(**{**BEFORE, **stored})

    @property
    def told(self) -> dict[str, Any]:
        """What samples are known by: a setting added later leaves those finished that are as before it."""
        return {name: value for name, value in asdict(self).items() if (name, value) not in BEFORE.items()}

    def cut(self, observed: WavelengthGrid) -> WavelengthGrid:
        """The channels of a cube that are used."""
        return observed if self.channels == "all" else observed.cut(self.channels)

    def grid(self, observed: WavelengthGrid) -> WavelengthGrid:
        """The channels of the samples that come from cubes on the `observed` grid."""
        cut = self.cut(observed)
        if self.frame == "rest":
            cut = rest_grid(cut, self.max_redshift)
        return cut.rebinned(self.rebin) if self.rebin > 1 else cut


PAPER = Recipe()
CUBESIFT = Recipe(
    name="cubesift",
    frame="rest",
    min_side=0,
    clip=False,
    side="native",
    channels="all",
    sky=(5570.0, 5586.0),  # what MaNGA's analysis pipeline masks
    fill_sky=False,
    mask_stars=False,
    extinction="odonnell94",
)
PUBLISHED = {"paper": PAPER, "cubesift": CUBESIFT}
