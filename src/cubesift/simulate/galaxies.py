"""Who is observed: a galaxy drawn from the real catalogue, so that its properties go together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cubesift.simulate.spectra import table

RETIRED, STAR_FORMING, COMPOSITE, LINER, SEYFERT = range(5)


@dataclass(frozen=True)
class Galaxy:
    """What is true of a galaxy, whoever observes it."""

    redshift: float
    ifusize: int  # fibres of the bundle it was given
    reff: float  # half-light radius, arcsec
    ellipticity: float
    pa: float  # degrees, north through east
    logmass: float  # of the stars, solar
    gas: int  # RETIRED, STAR_FORMING, COMPOSITE, LINER, SEYFERT
    stars: int  # foreground stars in the field
    mngtarg1: int
    bulge: float  # share of the light
    bulge_age: float  # Gyr
    disc_age: float
    metallicity: float  # [Z/H] of the bulge
    young: float  # share of the disc's light from stars of 5 to 50 Myr
    attenuation: float  # A_V of the young stars and the gas
    halpha: float  # equivalent width over the whole galaxy, angstrom at rest
    velocity: float  # of rotation, km/s
    dispersion: float  # of the bulge, km/s
    ebv: float  # of our own Galaxy in front
    ra: float
    dec: float
    texture: int  # seed of the arms and clumps


def draw_galaxy(rng: np.random.Generator, ifus: tuple[int, ...], max_redshift: float) -> Galaxy:
    """Take one row of the real catalogue, so that size, mass, distance and class go together; draw the rest.

    Args:
        rng: a generator of this galaxy's own.
        ifus: bundle sizes allowed; () = all.
        max_redshift: rows beyond are not drawn.
    """
    rows = table("galaxies")
    allowed = rows["redshift"] <= max_redshift
    if ifus:
        allowed &= np.isin(rows["ifusize"], ifus)
    row = int(rng.choice(np.flatnonzero(allowed)))
    mass, gas = float(rows["logmass"][row]), max(int(rows["gas"][row]), 0)
    gas = SEYFERT if gas > SEYFERT else gas
    morphology = ("-", "E", "S0", "S1", "S2")[int(rows["morphology"][row])]
    if morphology == "-":
        morphology = (
            "E" if gas in (RETIRED, LINER) and rng.random() < 0.6 else "S0" if gas == RETIRED else "S2"
        )
    bulge = {"E": 0.9, "S0": 0.5, "S1": 0.3, "S2": 0.12}[morphology] * rng.uniform(0.6, 1.1)
    forming = gas in (STAR_FORMING, COMPOSITE) or morphology in ("S1", "S2")
    # Equivalent width of Halpha falls with mass; retired galaxies keep a faint glow (Cid Fernandes+2011).
    typical = {RETIRED: 0.8, STAR_FORMING: 20, COMPOSITE: 8, LINER: 2.5, SEYFERT: 8}[gas]
    falling = 0.3 * (10.3 - mass) if gas == STAR_FORMING else 0.0
    return Galaxy(
        redshift=float(rows["redshift"][row]),
        ifusize=int(rows["ifusize"][row]),
        reff=float(rows["reff"][row]),
        ellipticity=float(rows["ellipticity"][row]),
        pa=float(rows["pa"][row]),
        logmass=mass,
        gas=gas,
        stars=int(rows["stars"][row]),
        mngtarg1=int(rows["mngtarg1"][row]),
        bulge=float(bulge),
        bulge_age=float(np.clip(rng.normal(10 if not forming else 7, 2), 3, 13.9)),
        disc_age=float(np.clip(rng.normal(2.5 if forming else 7, 1), 0.8, 12)),
        metallicity=float(np.clip(-0.05 + 0.35 * (mass - 10.5) + rng.normal(0, 0.1), -1.3, 0.34)),
        young=float(rng.uniform(0.15, 0.4) if gas == STAR_FORMING else 0.08 if forming else 0.0),
        attenuation=float(np.clip(rng.normal(0.6 + 0.4 * (mass - 10), 0.3), 0.1, 2.0)) if forming else 0.1,
        halpha=float(typical * 10 ** (falling + rng.normal(0, 0.25))),
        # Tully-Fisher and Faber-Jackson, rounded (Reyes+2011; Gallazzi+2006).
        velocity=float(
            10 ** (2.1 + 0.29 * (mass - 10) + rng.normal(0, 0.05)) * (1 - 0.6 * (morphology == "E"))
        ),
        dispersion=float(np.clip(10 ** (2.05 + 0.29 * (mass - 10) + rng.normal(0, 0.06)), 40, 350)),
        ebv=round(float(np.clip(rng.lognormal(np.log(0.03), 0.6), 0.005, 0.3)), 6),
        ra=float(rng.uniform(110, 260)),
        dec=float(rng.uniform(0, 60)),
        texture=int(rng.integers(2**31)),
    )
