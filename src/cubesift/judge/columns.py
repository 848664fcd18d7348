"""What is known of a run's galaxies: columns to read out of an embedding, and what the observation tells."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from cubesift.data.catalog import MISSING, Catalog
from cubesift.data.embeddings import Embeddings, Reconstructions
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import Columns, read_parquet
from cubesift.errors import CubesiftError

MOST_KINDS = 10  # text and whole numbers of no more values are kinds, not quantities
FEWEST_OF_A_KIND = 5  # galaxies of a rarer kind are left out: there is none in some fold
DECADE = 10.0  # a positive column whose 95th percentile is so many times its 5th is read as a logarithm
ANGLES = {"nsa_elpetro_phi": 180, "nsa_sersic_phi": 180, "pa": 180, "bar_angle": 180, "misalignment": 360}

# Names, places, bits and circumstances (data model of drpall; the simulator's draws for one look): not of the
# galaxy. Redshifts and E(B-V) are here because they are asked for once, by themselves.
_NOT_ITS_OWN = re.compile(
    r"(plat|pltt|ifu|mangaid|manga_|catid|vers|srvymode|(obj|cen)?(ra|dec)$|nexp|exptime|drp3|(blue|red)sn2|harname"
    r"|frlplug|cartid|design|airms|see(min|med|max)|trans|mjd|[griz](fwhm|psf)|mngtarg|probs|[eps]{0,2}r?weight"
    r"|nsa_(iauname|subdir|run|camcol|field|version|nsaid|pid|extinction)|\w*ivar|ebv"
    r"|(nsa_)?z$|nsa_zdist$|redshift$|[se]?z(min|max)$"
    r"|source$|look$|texture$|first_ifusize$|side$|offset_|psf_fwhm$|sky_level$|source_level$|error_factor$)"
)


@dataclass(frozen=True)
class Target:
    """One column that a probe is asked for."""

    name: str
    told_by: str  # "catalogue", "truth", or "observation"
    # (n, m) float64, nan where not known: m is 1, or of kinds one of each (1 = it is this), of an angle its
    # cosine and sine, of a vector its components over their spreads.
    values: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """(n,) bool."""
        return np.asarray(np.isfinite(self.values).all(axis=1))


def targets_of(run: Run, embeddings: Embeddings) -> list[Target]:
    """What the catalogue and, of simulated galaxies, the truth say of the embedded ones; redshift first.

    The redshift is the truth's where there is truth (a wrong one may have been planted in the catalogue),
    else the catalogue's as the embeddings keep it. A column that says what an earlier one does (equal
    ranks) is left out, and one that does not vary.
    """
    names = embeddings.plateifu
    told = {"catalogue": Catalog.load(run.catalog).columns} if run.catalog.exists() else {}
    redshift, by = embeddings.redshift.astype(float), "catalogue"
    if run.truth_galaxies.exists():
        told["truth"], _ = read_parquet(run.truth_galaxies)
        redshift, by = _of(told["truth"], names)["redshift"], "truth"
    targets = [target for target in [as_target("redshift", by, redshift)] if target]
    for teller, columns in told.items():
        for name, values in _of(columns, names).items():
            if _NOT_ITS_OWN.match(name):
                continue
            target = as_target(name, teller, values)
            if target is not None and not any(_says_the_same(target, other) for other in targets):
                targets.append(target)
    return targets


def as_target(name: str, told_by: str, values: np.ndarray) -> Target | None:
    """The column as numbers to be read, or None where it does not vary or names each galaxy.

    Args:
        name: of the column.
        told_by: whose column it is.
        values: (n,) or (n, m), as in the catalogue: -9999, nan and "" are not known.
    """
    if values.dtype.kind in "OU" and values.ndim == 1:
        return _kinds(name, told_by, values.astype(str), values.astype(str) != "")
    if values.dtype.kind not in "fiub":
        return None
    numbers = np.where(values.astype(float) > MISSING + 1, values.astype(float), np.nan)
    if numbers.ndim == 1 and values.dtype.kind in "iub" and len(np.unique(values)) <= MOST_KINDS:
        return _kinds(name, told_by, values, np.isfinite(numbers))
    if name in ANGLES:
        angle = numbers * 2 * np.pi / ANGLES[name]
        numbers = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    numbers = numbers[:, None] if numbers.ndim == 1 else numbers
    known = np.isfinite(numbers).all(axis=1)
    spread = numbers[known].std(axis=0) if known.any() else np.zeros(numbers.shape[1])
    if not (spread > 0).any():
        return None
    if values.ndim == 2:
        return Target(name, told_by, numbers[:, spread > 0] / spread[spread > 0])
    low, high = np.percentile(numbers[known], (5, 95))
    if name not in ANGLES and numbers[known].min() > 0 and high > DECADE * low:
        return Target(f"log {name}", told_by, np.log10(numbers))
    return Target(name, told_by, numbers)


def nuisances_of(run: Run, model: str, names: np.ndarray) -> dict[str, np.ndarray]:
    """What tells of the observation more than of the galaxy, each (n,) float64.

    Fibres of the bundle (spaxels along a side, where no catalogue says), log of the median S/N per spaxel and
    channel, log of the total flux in a mean channel, seeing in arcsec, and E(B-V) of our own Galaxy. One that
    is the same for all, or known for less than half of them, is left out; a few unknown ones get the median.

    Raises:
        CubesiftError: the model's reconstructions, or the samples that it rebuilt, are not there.
    """
    rebuilt = Reconstructions.open(run.reconstructions(model))
    stores = [Samples.open(run.samples(recipe)) for recipe in run.recipes()]
    prepared = next(
        (one for one in stores if one.provenance.id == rebuilt.provenance.parents.get("preparation")), None
    )
    if prepared is None:
        raise CubesiftError(
            f"{run.path}: the samples that {model} rebuilt are not there. Run `cubesift prepare` again."
        )
    rows = []
    for name in names.tolist():
        maps = rebuilt.store.arrays(name, "signal_to_noise", "white")
        record = prepared.record(name)
        rows.append(
            {
                "IFU size": record.side,
                "S/N": _log(float(np.nanmedian(maps["signal_to_noise"]))),
                "flux": _log(float(np.nansum(maps["white"])) * record.scale * record.area_ratio),
                "seeing": record.psf_fwhm,
                "E(B-V)": record.ebv,
            }
        )
    found = {key: np.array([row[key] for row in rows], float) for key in rows[0]}
    if run.catalog.exists():
        catalog = _of(Catalog.load(run.catalog).columns, names)
        for key, column in (("IFU size", "ifudesignsize"), ("E(B-V)", "ebvgal")):
            if column in catalog:
                found[key] = np.where(catalog[column] > MISSING + 1, catalog[column], np.nan)
    known = {key: values for key, values in found.items() if np.isfinite(values).mean() > 0.5}
    filled = {
        key: np.where(np.isfinite(values), values, np.nanmedian(values)) for key, values in known.items()
    }
    return {key: values for key, values in filled.items() if np.ptp(values) > 0}


def _of(columns: Columns, names: np.ndarray) -> Columns:
    """The rows of these observations; one that has none is nan, or "" where the column is text."""
    row = {name: place for place, name in enumerate(columns["plateifu"].tolist())}
    place = np.array([row.get(name, -1) for name in names.tolist()])
    found = {}
    for name, values in columns.items():
        chosen = values[place]
        if (place < 0).any():
            chosen = chosen.astype(str if values.dtype.kind in "OU" else float)
            chosen[place < 0] = "" if values.dtype.kind in "OU" else np.nan
        found[name] = chosen
    return found


def _kinds(name: str, told_by: str, values: np.ndarray, known: np.ndarray) -> Target | None:
    kinds, count = np.unique(values[known], return_counts=True)
    if len(kinds) <= MOST_KINDS:
        kinds = kinds[count >= FEWEST_OF_A_KIND]
        known = np.isin(values, kinds)
    if not 2 <= len(kinds) <= MOST_KINDS:
        return None
    is_it = (values[:, None] == kinds).astype(float)
    return Target(name, told_by, np.where(known[:, None], is_it, np.nan))


def _says_the_same(one: Target, other: Target) -> bool:
    if one.values.shape != other.values.shape or (one.known != other.known).any():
        return False
    ranks = [rankdata(target.values[target.known], axis=0) for target in (one, other)]
    return all(abs(np.corrcoef(a, b)[0, 1]) > 0.9999 for a, b in zip(ranks[0].T, ranks[1].T, strict=True))


def _log(value: float) -> float:
    return float(np.log10(value)) if value > 0 else np.nan
