"""What the catalogue does not tell of a galaxy: shape in space, bar, gradients, turned gas, our dust."""

from __future__ import annotations

import numpy as np

THICKNESS = {"S0": 0.25, "S1": 0.22, "S2": 0.18}  # of discs (Padilla & Strauss 2008), by eye over types


def shape(rng: np.random.Generator, morphology: str, axis_ratio: float, edge_on: bool) -> tuple[float, float]:
    """Thickness and inclination (degrees) of an oblate galaxy that is seen with `axis_ratio`.

    Hubble (1926): cos² i = (b/a² - q²) / (1 - q²), with q the thickness. A galaxy that looks edge-on is
    within 10 degrees of it, unless its axis ratio alone forbids that; what is flatter than a drawn
    thickness is edge-on and thinner.
    """
    if edge_on and axis_ratio < 0.6:
        cosine = min(np.cos(np.deg2rad(rng.uniform(80, 90))), 0.9 * axis_ratio)
        thickness = np.sqrt((axis_ratio**2 - cosine**2) / (1 - cosine**2))
    elif morphology == "E":
        thickness = axis_ratio * rng.uniform(0.6, 0.98)  # E are rarely rounder than 0.9 or flatter than 0.4
        thickness = max(thickness, min(0.4, 0.98 * axis_ratio))
    else:
        thickness = min(rng.normal(THICKNESS[morphology], 0.03), 0.98 * axis_ratio)
    thickness = float(np.clip(thickness, 0.04, 0.98))
    cosine = np.sqrt(max(axis_ratio**2 - thickness**2, 0) / (1 - thickness**2))
    return thickness, float(np.rad2deg(np.arccos(min(cosine, 1.0))))


def rotation(rng: np.random.Generator, morphology: str, logmass: float) -> float:
    """Velocity of rotation, km/s: Tully-Fisher (Reyes+2011), rounded; 0.7 of it in fast ellipticals.

    The more massive an elliptical, the more often it hardly rotates: a few per cent at 10^10.7, half at
    10^11.4, seven in ten beyond (Graham+2018, rounded).
    """
    disc = 10 ** (2.1 + 0.29 * (logmass - 10) + rng.normal(0, 0.05))
    if morphology != "E":
        return float(disc)
    slow = rng.random() < np.clip((logmass - 10.7) / 1.3, 0.03, 0.7)
    return float(disc * (0.1 if slow else 0.7))


def bar_length(rng: np.random.Generator, probability: float, forming: bool) -> float:
    """Half the length of the bar over reff, 0 without one.

    `probability` is the catalogue's, from its pictures. Bars are about half of reff (Erwin 2019), longer
    for their galaxy where stars no longer form (Fraser-McKelvie+2020); scatter 0.13 dex, by eye.
    """
    if rng.random() >= probability:
        return 0.0
    return float(np.clip((0.5 if forming else 0.65) * 10 ** rng.normal(0, 0.13), 0.2, 1.3))


def gradients(
    rng: np.random.Generator, morphology: str, logmass: float, forming: bool
) -> tuple[float, float, float]:
    """Gradients of age and metallicity (dex per reff), weighted by light, and of A_V (mag per reff).

    Ages: flat in early types, -0.11 in late ones (Goddard+2017). Metallicity falls outward in both, more
    in massive and in late ones (Goddard+2017; the figures are rounded, by eye). Dust falls outward in
    spirals (González Delgado+2015), by eye.
    """
    late = morphology in ("S1", "S2")
    age = rng.normal(-0.11 if late else 0.0, 0.08 if late else 0.06)
    massive = np.clip(logmass - 10.5, -1, 1)
    metals = rng.normal(-0.12 - 0.08 * massive if late else -0.08 - 0.04 * massive, 0.07)
    dust = rng.normal(-0.2, 0.1) if forming else rng.normal(-0.02, 0.02)
    return float(age), float(metals), float(np.clip(dust, -0.5, 0.1))


def misalignment(rng: np.random.Generator, morphology: str, forming: bool) -> float:
    """Degrees from the stars' kinematic position angle to the gas', -180 to 180.

    More than 30 in 5 % of MaNGA, mostly quiescent galaxies (456 of 9546: 72 star-forming; Xu+2022), that is
    2 % of the blue ones (Chen+2016); of early types with extended gas more, up to 36 % (Davis+2011). Two in
    three of them turn the other way (303 of 9992: Beom+2024); there are peaks at 90 and 180 degrees.
    """
    share = 0.015 if forming else {"E": 0.12, "S0": 0.10, "S1": 0.04, "S2": 0.02}[morphology]
    sign = rng.choice([-1, 1])
    if rng.random() >= share:
        return float(np.clip(rng.normal(0, 7), -29, 29))
    kind = rng.random()
    if kind < 0.6:
        return float(sign * (180 - min(abs(rng.normal(0, 12)), 60)))
    return float(sign * (np.clip(rng.normal(90, 12), 31, 149) if kind < 0.75 else rng.uniform(31, 150)))


def place(rng: np.random.Generator) -> tuple[float, float]:
    """Right ascension and declination, degrees: about where the survey's galaxies are in the two caps.

    17 % are in the southern cap; in the northern one they crowd towards its eastern and western ends.
    """
    if rng.random() < 0.17:
        return float(rng.uniform(-50, 60) % 360), float(rng.uniform(-8, 16))
    return float(187.5 + 73.5 * np.sin(np.pi * rng.uniform(-0.5, 0.5))), float(rng.triangular(0, 38, 59))


def reddening(rng: np.random.Generator, ra: float, dec: float) -> float:
    """E(B-V) of our own Galaxy at a place: a plane-parallel layer with log-normal clouds.

    0.02 csc |b|, scatter 0.25 dex, by eye: a median of 0.028 over the survey. 7815-3702 has 0.10 at
    |b| = 24, 1.3 sigma above. The galactic pole is at 192.859, 27.128 (J2000).
    """
    delta, pole = np.deg2rad(dec), np.deg2rad(27.128)
    away = np.cos(np.deg2rad(ra - 192.859))
    sine = abs(np.sin(delta) * np.sin(pole) + np.cos(delta) * np.cos(pole) * away)
    # Rounded as the header is, so that a cube from memory and one from its file are the same.
    return round(float(np.clip(0.02 / max(sine, 0.25) * 10 ** rng.normal(0, 0.25), 0.005, 0.5)), 6)
