"""What a galaxy looks like by radius, read the same way from real maps and from simulated cubes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cubesift.data.cube import Cube
from cubesift.data.dust import transmission
from cubesift.data.wavelength import vacuum_from_air
from cubesift.judge.emission import HALPHA, HBETA, NII, OIII, emission_of

EDGES = np.arange(0, 2.01, 0.25)  # of the annuli, in effective radii
REACH = 1.5  # effective radii, of the velocity's amplitude
FAINTEST = 3.0  # angstrom, equivalent width of Halpha below which line ratios are not told
# SDSS's g as MaNGA's pipelines have it (J. Gunn, June 2001), by a few points: wavelengths, response.
G_BAND = (
    [3780.0, 3880, 4000, 4150, 4300, 4700, 5120, 5230, 5330, 5430, 5480],
    [0.0, 0.033, 0.13, 0.22, 0.262, 0.329, 0.361, 0.345, 0.184, 0.03, 0.0],
)
DN4000 = ((3850.0, 3950.0), (4000.0, 4100.0))  # angstrom in air (Balogh+1999)


@dataclass(frozen=True)
class Maps:
    """Values of the good spaxels, (spaxel,), each nan where it was not measured."""

    radius: np.ndarray  # elliptical, in effective radii
    snr: np.ndarray  # per channel, weighted by the g band
    dn4000: np.ndarray
    lines: Mapping[str, np.ndarray]  # flux, 1e-17 erg/s/cm2/spaxel
    continuum: np.ndarray  # at Halpha, at rest
    velocity: np.ndarray  # of the gas, km/s
    halpha_snr: np.ndarray


def elliptical_radius(
    shape: tuple[int, int], centre: tuple[float, float], pa: float, ellipticity: float, spaxel: float = 0.5
) -> np.ndarray:
    """Semi-major axis of the ellipse through each spaxel, (y, x) arcsec; north is up, east is left.

    Args:
        shape: (y, x).
        centre: of the galaxy, (y, x) in spaxels.
        pa: of the major axis, degrees, north through east.
        ellipticity: 1 - b/a.
        spaxel: side of a spaxel, arcsec.
    """
    rows, columns = np.indices(shape)
    y, x = (rows - centre[0]) * spaxel, (columns - centre[1]) * spaxel
    angle = np.deg2rad(pa)
    major, minor = -x * np.sin(angle) + y * np.cos(angle), x * np.cos(angle) + y * np.sin(angle)
    return np.asarray(np.hypot(major, minor / (1 - ellipticity)))


def signal_to_noise(flux: np.ndarray, ivar: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """Mean S/N per channel weighted by the g band, as SPX_SNR of MaNGA's maps, (spaxel,).

    Args:
        flux: (wave, spaxel).
        ivar: (wave, spaxel).
        wave: (wave,), angstrom.
    """
    response = np.interp(wave, *G_BAND, left=0, right=0)[:, None] * (ivar > 0)
    weight = response.sum(axis=0)
    return np.asarray(np.sum(response * flux * np.sqrt(ivar), axis=0) / np.where(weight > 0, weight, np.nan))


def break_at_4000(flux: np.ndarray, ivar: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Dn4000: mean f_nu redward over blueward, (spaxel,); `flux` per wavelength, (wave, spaxel)."""
    means = []
    for band in DN4000:
        low, high = vacuum_from_air(np.array(band))
        inside = (rest >= low) & (rest <= high)
        good = ivar[inside] > 0
        count = good.sum(axis=0)
        per_frequency = np.sum(flux[inside] * good * rest[inside, None] ** 2, axis=0)
        means.append(per_frequency / np.where(count > 0, count, np.nan))
    blue, red = means
    return np.asarray(red / np.where(blue > 0, blue, np.nan))


def maps_of(
    cube: Cube, radius: np.ndarray, stars: Mapping[tuple[float, float], tuple[np.ndarray, np.ndarray]]
) -> Maps:
    """Measure a cube, out to the last annulus.

    Args:
        cube: with its redshift.
        radius: (y, x), effective radii.
        stars: populations of each window, see `emission_of`.
    """
    good = ((cube.ivar > 0).mean(axis=0) > 0.8) & (radius < EDGES[-1])  # as FGOODPIX of the pipeline
    flux, ivar = cube.flux[:, good].astype(float), cube.ivar[:, good].astype(float)
    wave = cube.grid.wave
    dust = transmission(wave, cube.ebv)[:, None]
    gas = emission_of(flux, ivar, cube.grid, cube.redshift, cube.ebv, stars)
    return Maps(
        radius=radius[good],
        snr=signal_to_noise(flux, ivar, wave),
        dn4000=break_at_4000(flux / dust, ivar, wave / (1 + cube.redshift)),
        lines=gas.flux,
        continuum=gas.continuum,
        velocity=gas.velocity,
        halpha_snr=gas.halpha_snr,
    )


def profiles_of(maps: Maps) -> dict[str, np.ndarray]:
    """Each property by annulus, (annulus,): medians of S/N and Dn4000, ratios of summed fluxes."""
    columns: dict[str, list[float]] = {}
    for low, high in pairwise(EDGES):
        for name, value in _within(maps, low, high).items():
            columns.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in columns.items()}


def figures_of(maps: Maps) -> dict[str, float]:
    """The numbers by which two galaxies are compared."""
    inner, middle, outer, far = (
        _within(maps, *edges) for edges in ((0.0, 0.5), (0.0, 1.0), (1.0, 1.5), (1.5, 2.0))
    )
    near = (maps.radius > 0.25) & (maps.radius < 1.75) & (maps.snr > 0)
    fall = np.polyfit(maps.radius[near], np.log10(maps.snr[near]), 1)[0] if near.sum() > 2 else np.nan
    bright = (maps.radius < REACH) & (maps.halpha_snr > 5)
    speed = np.ptp(np.percentile(maps.velocity[bright], [5, 95])) / 2 if bright.sum() > 20 else np.nan
    # Under fainter lines the stars cannot be taken out well enough: ratios go wrong by 0.2 dex.
    lit = middle["halpha_width"] > FAINTEST
    return {
        "snr_inner": inner["snr"],
        "snr_outer": outer["snr"],
        "snr_fall": float(fall),
        "dn4000": middle["dn4000"],
        "dn4000_change": outer["dn4000"] - inner["dn4000"],
        "dn4000_far": far["dn4000"],
        "halpha_width": middle["halpha_width"],
        "halpha_width_change": outer["halpha_width"] - inner["halpha_width"],
        "halpha_width_far": far["halpha_width"],
        "nitrogen": middle["nitrogen"] if lit else float("nan"),
        "oxygen": middle["oxygen"] if lit else float("nan"),
        "balmer": middle["balmer"] if lit else float("nan"),
        "speed": float(speed),
    }


def _within(maps: Maps, low: float, high: float) -> dict[str, float]:
    """Properties of one annulus; nan where it has fewer than five spaxels."""
    inside = (maps.radius >= low) & (maps.radius < high)
    names = ("snr", "dn4000", "halpha_width", "nitrogen", "oxygen", "balmer")
    if inside.sum() < 5:
        return dict.fromkeys(names, float("nan"))
    alpha, beta, nitrogen, oxygen = (
        float(np.nansum(maps.lines[name][inside])) for name in (HALPHA, HBETA, NII, OIII)
    )
    stars = float(np.nansum(maps.continuum[inside]))

    def log_ratio(above: float, below: float) -> float:
        return float(np.log10(above / below)) if above > 0 and below > 0 else float("nan")

    return {
        "snr": float(np.nanmedian(maps.snr[inside])),
        "dn4000": float(np.nanmedian(maps.dn4000[inside])),
        "halpha_width": alpha / stars if stars > 0 else float("nan"),
        "nitrogen": log_ratio(nitrogen, alpha),
        "oxygen": log_ratio(oxygen, beta),
        "balmer": alpha / beta if beta > 0 else float("nan"),
    }
