"""Who is observed: a galaxy drawn from the real catalogue, so that its properties go together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cubesift.errors import CubesiftError
from cubesift.simulate.spectra import table
from cubesift.simulate.traits import (
    bar_length,
    gradients,
    misalignment,
    place,
    reddening,
    rotation,
    shape,
)

RETIRED, STAR_FORMING, COMPOSITE, LINER, SEYFERT, BROAD = range(6)
COLUMNS = (
    *("redshift", "ifusize", "reff", "ellipticity", "pa", "logmass", "morphology", "gas"),
    *("halpha", "p_bar", "p_edgeon", "p_merge", "stars", "mngtarg1", "mngtarg3"),
)
MORPHOLOGIES = ("E", "S0", "S1", "S2")  # S1: early spirals, S2: late ones and irregulars


# log mass and [Z/H] of the stars, which flattens in massive galaxies (Gallazzi+2005, table 2, medians; mass
# raised by 0.25 to the catalogue's).
METALS = (
    (9.15, 9.75, 10.15, 10.35, 10.55, 10.75, 11.15, 11.75),
    (-0.60, -0.60, -0.41, -0.23, -0.11, -0.01, 0.07, 0.13),
)


@dataclass(frozen=True)
class Galaxy:
    """What is true of a galaxy, whoever observes it."""

    redshift: float
    ifusize: int  # fibres of the bundle it was given
    reff: float  # half-light radius, arcsec
    ellipticity: float
    pa: float  # degrees, north through east
    logmass: float  # of the stars, solar
    morphology: str  # E, S0, S1, S2
    gas: int  # RETIRED, STAR_FORMING, COMPOSITE, LINER, SEYFERT
    broad: bool  # the catalogue knows broad lines; they are not in the galaxy's own light
    stars: int  # foreground stars in the field
    mngtarg1: int
    mngtarg3: int
    thickness: float  # shortest over longest axis of the stars
    inclination: float  # degrees, 90 = edge-on; with the thickness it gives the ellipticity
    bar: float  # half its length over reff; 0 = none
    bar_angle: float  # degrees in the disc, from the line of nodes
    lopsided: float  # amplitude of the light's first harmonic over its mean; large in mergers
    bulge: float  # share of the light
    bulge_age: float  # Gyr
    disc_age: float  # of its stars older than a gigayear
    metallicity: float  # [Z/H] of the bulge
    age_gradient: float  # dex per reff, negative = younger outside
    metallicity_gradient: float  # dex per reff
    young: float  # share of the disc's light in r from stars of the last gigayear
    attenuation: float  # A_V of the young stars and the gas
    dust_gradient: float  # of that A_V, mag per reff
    halpha: float  # equivalent width over the whole galaxy, angstrom at rest
    velocity: float  # of rotation, km/s
    dispersion: float  # of the bulge, km/s
    misalignment: float  # degrees from the stars' kinematic axis to the gas', -180 to 180
    ebv: float  # of our own Galaxy in front
    ra: float
    dec: float
    texture: int  # seed of the arms and clumps


def draw_galaxy(rng: np.random.Generator, ifus: tuple[int, ...], max_redshift: float) -> Galaxy:
    """Take one row of the real catalogue, so that size, mass, distance and class go together; draw the rest.

    Of the 10,099 rows 22 % lack size, shape and target class. Such a row took them from one of the ten
    complete galaxies that are most like it in distance, mass and looks, under the same bundle (a hot deck:
    `complete` in `benchmarks/make_galaxies.py`; `classify` says who is an E).

    Args:
        rng: a generator of this galaxy's own.
        ifus: bundle sizes allowed; () = all.
        max_redshift: rows beyond are not drawn.

    Raises:
        CubesiftError: the catalogue has no such galaxy.
    """
    rows = table("galaxies")
    allowed = rows["redshift"] <= max_redshift
    if ifus:
        allowed &= np.isin(rows["ifusize"], ifus)
    if not allowed.any():
        raise CubesiftError(
            f"simulate: the catalogue has no galaxy with a bundle of {ifus or 'any'} fibres and redshift up "
            f"to {max_redshift:g}. Bundles have 19, 37, 61, 91 or 127; redshifts begin at "
            f"{rows['redshift'].min():.4f}."
        )
    row = int(rng.choice(np.flatnonzero(allowed)))
    real = {name: round(rows[name][row].item(), 5) for name in COLUMNS}
    # Moved by about the catalogue's own errors, so that two galaxies drawn from one row are not twins.
    redshift = float(np.clip(real["redshift"] * (1 + rng.normal(0, 0.003)), 0.003, max_redshift))
    mass = real["logmass"] + float(rng.normal(0, 0.03))
    ellipticity = float(np.clip(real["ellipticity"] + rng.normal(0, 0.01), 0.0, 0.95))
    morphology = MORPHOLOGIES[real["morphology"] - 1]
    broad = real["gas"] == BROAD
    gas = SEYFERT if broad else real["gas"]
    bulge = {"E": 0.9, "S0": 0.5, "S1": 0.3, "S2": 0.12}[morphology] * rng.uniform(0.6, 1.1)
    forming = gas in (STAR_FORMING, COMPOSITE) or morphology in ("S1", "S2")
    halpha = float(real["halpha"] * 10 ** rng.normal(0, 0.05))
    # The width tells how much of the light is of young stars (some 180 angstrom where there are no others).
    young = min(0.27 * (halpha / 20) ** 0.6 * 10 ** rng.normal(0, 0.1), 0.7) if forming else 0.0
    thickness, inclination = shape(rng, morphology, 1 - ellipticity, rng.random() < real["p_edgeon"])
    bar = bar_length(rng, real["p_bar"], forming) if morphology != "E" else 0.0
    merging = rng.random() < real["p_merge"]
    age_gradient, metallicity_gradient, dust_gradient = gradients(rng, morphology, mass, forming)
    ra, dec = place(rng)
    return Galaxy(
        redshift=redshift,
        ifusize=real["ifusize"],
        reff=float(real["reff"] * 10 ** rng.normal(0, 0.015)),
        ellipticity=ellipticity,
        pa=float((real["pa"] + rng.normal(0, 5)) % 180),
        logmass=mass,
        morphology=morphology,
        gas=gas,
        broad=broad,
        stars=real["stars"],
        mngtarg1=real["mngtarg1"],
        mngtarg3=real["mngtarg3"],
        thickness=thickness,
        inclination=inclination,
        bar=bar,
        bar_angle=float(rng.uniform(0, 180)),
        # Lopsidedness of ordinary discs has a median of 0.1 (Rix & Zaritsky 1995).
        lopsided=float(rng.uniform(0.3, 0.6) if merging else min(abs(rng.normal(0, 0.13)), 0.3)),
        bulge=float(bulge),
        # As old as gives the five bright early-type spectra of the test data their Dn4000, 1.88 to 1.98.
        bulge_age=float(np.clip(rng.normal(7.5 if not forming else 6, 2), 3, 13.9)),
        disc_age=float(np.clip(rng.normal(4.0 if forming else 6, 1), 0.8, 12)),
        metallicity=float(np.clip(np.interp(mass, *METALS) + rng.normal(0, 0.1), -1.3, 0.34)),
        age_gradient=age_gradient,
        metallicity_gradient=metallicity_gradient,
        young=float(young),
        # Dust goes with star formation: spirals without it have a third.
        attenuation=float(np.clip(rng.normal(0.6 + 0.4 * (mass - 10), 0.3), 0.1, 2.0) * (1 if gas else 0.35))
        if forming
        else 0.1,
        dust_gradient=dust_gradient,
        halpha=halpha,
        velocity=rotation(rng, morphology, mass),
        # Faber-Jackson, rounded (Gallazzi+2006).
        dispersion=float(np.clip(10 ** (2.05 + 0.29 * (mass - 10) + rng.normal(0, 0.06)), 40, 350)),
        misalignment=misalignment(rng, morphology, gas == STAR_FORMING),
        ebv=reddening(rng, ra, dec),
        ra=ra,
        dec=dec,
        texture=int(rng.integers(2**31)),
    )
