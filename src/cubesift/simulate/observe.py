"""One simulated observation: a galaxy, its oddities, the seeing, the fibres and the noise, in that order."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass
from threadpoolctl import threadpool_limits

from cubesift.data.catalog import MISSING
from cubesift.data.cube import DONOTUSE, LOWCOV, Cube
from cubesift.data.dust import transmission
from cubesift.data.fitswrite import Release
from cubesift.data.wavelength import MANGA_GRID
from cubesift.errors import CubesiftError
from cubesift.simulate.anomalies import PLANTS, Plant, Scene, added, matched_signal_to_noise
from cubesift.simulate.galaxies import Galaxy, draw_galaxy, parts_of
from cubesift.simulate.light import BANDS, Canvas, Part, Seeing, Sight, pieces
from cubesift.simulate.noise import (
    RIM,
    SIDES,
    coverage_bits,
    coverage_variance,
    distance_inside,
    residual_share,
    shared_noise,
    sky_line,
    sky_variance,
    source_variance,
)

PLATE_SIZE = 17  # bundles on a plate
ODD = tuple(kind for kind in PLANTS if kind != "foreground_star")  # flagged stars are part of the sky


@dataclass(frozen=True)
class Simulation:
    """What to simulate. Defaults follow the survey, with more oddities than the sky has."""

    galaxies: Annotated[int, Field(ge=1)] = 48
    seed: Annotated[int, Field(ge=0)] = 1
    # share of galaxies with one planted, or how many of each kind
    oddities: Annotated[float, Field(ge=0, le=1)] | dict[str, Annotated[int, Field(ge=0)]] = 0.25
    # the last so many are the first ones again: same mangaid, other plateifu, seeing, noise
    repeats: Annotated[int, Field(ge=0)] = 0
    ifus: tuple[int, ...] = ()  # bundle sizes allowed, 19 37 61 91 127; () = as in the survey
    max_redshift: Annotated[float, Field(gt=0)] = 0.15
    psf: Annotated[float, Field(gt=0)] | None = None  # FWHM in r, arcsec; None = drawn, 2.2 to 3.0
    pointing: Annotated[float, Field(ge=0)] = 0.3  # arcsec, scatter of the galaxy's place in the cube
    error_factor: Annotated[float, Field(gt=0)] = 1.0  # true noise over formal error
    sky_residual: Annotated[float, Field(ge=0, le=1)] = (
        0.4  # share of the noise above 8500 angstrom that the whole bundle has in common
    )
    release: Release = "DR17"


@plain_dataclass
class Simulated:
    """One simulated observation."""

    cube: Cube
    row: dict[str, Any]  # its columns in drpall
    truth: list[dict[str, Any]]  # one entry per planted thing
    galaxy: Galaxy
    clean: np.ndarray | None = field(default=None, repr=False)  # (wave, y, x) float32, noise-free flux


def simulate_galaxy(settings: Simulation, index: int, keep_clean: bool = False) -> Simulated:
    """Observation number `index` of the survey; it depends on nothing but the settings and the index.

    The cube is as a reader gives it: what is not to be used has ivar 0. `clean` is the flux before noise
    (with what was planted) when `keep_clean`.
    """
    simulated = observe(settings, index, keep_clean)
    simulated.cube.ivar[(simulated.cube.bits & DONOTUSE) > 0] = 0
    return simulated


def _source(settings: Simulation, index: int) -> int:
    """Number of the galaxy that observation `index` looks at."""
    first = settings.galaxies - settings.repeats
    return index - first if index >= first else index


def drawn(settings: Simulation, index: int) -> tuple[Galaxy, str, str]:
    """The galaxy, its plateifu and its mangaid."""
    source = _source(settings, index)
    rng = np.random.default_rng([settings.seed, source, 0])
    galaxy = draw_galaxy(rng, settings.ifus, settings.max_redshift)
    plate, place = divmod(index, PLATE_SIZE)
    return galaxy, f"{9001 + plate}-{galaxy.ifusize}{place + 1:02d}", f"99-{source:06d}"


def _kinds(settings: Simulation, index: int) -> list[str]:
    """Oddities that go into observation `index`."""
    source = _source(settings, index)
    if source != index:
        return []
    if not isinstance(settings.oddities, dict):
        rng = np.random.default_rng([settings.seed, source, 2])
        return [str(rng.choice(ODD))] if rng.random() < settings.oddities else []
    unknown = sorted(set(settings.oddities) - set(PLANTS))
    if unknown:
        raise CubesiftError(f"no oddity is called {', '.join(unknown)}; there are {', '.join(PLANTS)}")
    wanted = [kind for kind in PLANTS for _ in range(settings.oddities.get(kind, 0))]
    hosts = settings.galaxies - settings.repeats
    order = np.random.default_rng([settings.seed, 3]).permutation(hosts)
    return [kind for number, kind in enumerate(wanted) if order[number % hosts] == index]


def observe(settings: Simulation, index: int, keep_clean: bool = False) -> Simulated:
    """As `simulate_galaxy`, but with the ivar of a file: above 0 in stars and at the rim, with DONOTUSE."""
    with threadpool_limits(1):  # one unit of work, one core: the executor says how many run side by side
        return _observed(settings, index, keep_clean)


def _observed(settings: Simulation, index: int, keep_clean: bool) -> Simulated:
    galaxy, plateifu, mangaid = drawn(settings, index)
    rng = np.random.default_rng([settings.seed, index, 1])
    side = int(rng.choice(SIDES[galaxy.ifusize]))
    offset = rng.normal(0, settings.pointing, 2) if settings.pointing else np.zeros(2)
    canvas = Canvas(side, (float(offset[0]), float(offset[1])))
    # Rounded as the header is, so that a cube from memory and one from its file are the same.
    seeing = Seeing(round(float(settings.psf or np.clip(rng.normal(2.54, 0.15), 2.2, 3.0)), 5))
    dust = transmission(MANGA_GRID.wave, galaxy.ebv).astype(np.float32)
    sight = Sight([Part(part.spectra * dust, part.maps) for part in parts_of(galaxy, canvas)], canvas, seeing)

    inside = distance_inside(galaxy.ifusize, side)
    scene = Scene(galaxy, canvas, sight, inside)
    growing = np.random.default_rng([settings.seed, index, 4])
    kinds = ["foreground_star"] * galaxy.stars + _kinds(settings, index)
    plants = [PLANTS[kind](scene, growing) for kind in kinds]
    lights = [plant.light for plant in plants if plant.light is not None]
    everything = sight.joined(Sight(lights, canvas, seeing)) if lights else sight

    flux, ivar, clean = _exposed(settings, rng, everything, plants, inside)
    bits = np.repeat(coverage_bits(inside)[None], MANGA_GRID.size, axis=0)
    bits[-5:, inside >= 0] |= LOWCOV | DONOTUSE  # as in the real spectra
    ivar[-5:] = 0
    for plant in plants:
        if plant.bits_where is not None:
            bits[:, plant.bits_where & (inside >= 0)] |= np.uint16(plant.bits)
    redshift = next((plant.redshift for plant in plants if plant.redshift is not None), galaxy.redshift)
    cube = Cube(
        plateifu=plateifu,
        mangaid=mangaid,
        flux=flux,
        ivar=ivar,
        bits=bits,
        redshift=redshift,
        ra=galaxy.ra,
        dec=galaxy.dec,
        psf_fwhm=seeing.fwhm,
        ebv=galaxy.ebv,
    )
    truth = [_told(plant, cube, scene, clean, settings) for plant in plants]
    return Simulated(cube, _row(cube, galaxy, seeing, settings), truth, galaxy, clean if keep_clean else None)


def _exposed(
    settings: Simulation, rng: np.random.Generator, sight: Sight, plants: list[Plant], inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flux with noise, formal ivar and flux without noise, each (wave, y, x) float32."""
    side = len(inside)
    flux, ivar, clean = (np.zeros((MANGA_GRID.size, side * side), np.float32) for _ in range(3))
    reached = np.flatnonzero(inside >= -RIM)
    cover = coverage_variance(inside).astype(np.float32).flat[reached]
    share = residual_share(settings.sky_residual)
    # Observations differ in depth: by eye, from 7815-3702 and the eight real spectra.
    sky = sky_variance() * np.float32(np.exp(rng.normal(0, 0.15)))
    source = source_variance() * np.float32(np.exp(rng.normal(0.15, 0.25)))
    leftover = share * rng.standard_normal(MANGA_GRID.size, dtype=np.float32)
    line = np.outer(8 * sky_line(), 1 + 0.3 * shared_noise(rng, 1, side).flat[reached])
    spoilt = [
        (plant.gain[:, None] - 1, plant.where.flat[reached])
        for plant in plants
        if plant.gain is not None and plant.where is not None
    ]
    for piece in pieces():
        light = sight.flux(piece, reached)
        for change, where in spoilt:
            light *= (1 + change[piece] * where).astype(np.float32)
        variance = np.maximum(light, 0)
        variance *= source[piece, None]
        variance += sky[piece, None]
        variance *= cover
        noise = shared_noise(rng, len(light), side).reshape(len(light), -1)[:, reached]
        # Left-over sky is the same in the whole bundle; the sum keeps variance 1.
        noise *= np.sqrt(1 - share[piece, None] ** 2)
        noise += leftover[piece, None]
        noise += line[piece].astype(np.float32)
        noise *= settings.error_factor * np.sqrt(variance)
        clean[piece, reached] = light
        flux[piece, reached] = light + noise
        ivar[piece, reached] = 1 / variance
    shape = (MANGA_GRID.size, side, side)
    return flux.reshape(shape), ivar.reshape(shape), clean.reshape(shape)


def _told(plant: Plant, cube: Cube, scene: Scene, clean: np.ndarray, settings: Simulation) -> dict[str, Any]:
    """One row of truth."""
    side = cube.shape[1]
    y, x = (int(np.clip(np.rint(place), 0, side - 1)) for place in (plant.y, plant.x))
    box = (slice(max(y - 6, 0), y + 7), slice(max(x - 6, 0), x + 7))
    change = added(plant, scene, clean, box)
    amplitude, snr = float("nan"), float("nan")
    if change.size > 1:
        ivar = cube.ivar[:, *box]
        variance = np.where(ivar > 0, settings.error_factor**2 / np.where(ivar > 0, ivar, 1), np.inf)
        snr = matched_signal_to_noise(change, variance)
        amplitude = float(change.flat[np.argmax(np.abs(change))])
    elif plant.redshift is not None:
        amplitude = plant.redshift - scene.galaxy.redshift
    return {
        "plateifu": cube.plateifu,
        "mangaid": cube.mangaid,
        "kind": plant.kind,
        "y": plant.y,
        "x": plant.x,
        "wavelength": plant.wavelength,
        "amplitude": amplitude,
        "snr": snr,
    }


def _row(cube: Cube, galaxy: Galaxy, seeing: Seeing, settings: Simulation) -> dict[str, Any]:
    """The observation's columns in drpall (MaNGA data model)."""
    plate, design = cube.plateifu.split("-")
    fwhm = {f"{band}fwhm": float(seeing.at(wave)) for band, wave in BANDS.items()}
    return {
        "plateifu": cube.plateifu,
        "mangaid": cube.mangaid,
        "plate": int(plate),
        "ifudsgn": design,
        "ifudesignsize": galaxy.ifusize,
        "objra": cube.ra,
        "objdec": cube.dec,
        "ifura": cube.ra,
        "ifudec": cube.dec,
        "drp3qual": cube.quality,
        "mngtarg1": galaxy.mngtarg1,
        "mngtarg2": 0,
        "mngtarg3": 0,
        "exptime": 13500.0,
        "nexp": 15,
        "ebvgal": cube.ebv,
        **fwhm,
        "nsa_z": cube.redshift,
        "z": cube.redshift,
        "nsa_zdist": cube.redshift,
        "nsa_elpetro_mass": 10**galaxy.logmass,
        "nsa_elpetro_absmag": [MISSING] * 7,
        "nsa_elpetro_th50_r": galaxy.reff,
        "nsa_elpetro_ba": 1 - galaxy.ellipticity,
        "nsa_elpetro_phi": galaxy.pa,
        "nsa_sersic_n": 1 + 3 * galaxy.bulge,
        "nsa_sersic_th50": galaxy.reff,
    }
