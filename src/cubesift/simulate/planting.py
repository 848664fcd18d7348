"""Which oddities go into which galaxy, and what the truth says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zlib import crc32

import numpy as np

from cubesift.data.cube import Cube
from cubesift.errors import CubesiftError
from cubesift.simulate import artefacts, intruders, misplaced, nuclei, regions, supernova
from cubesift.simulate.matched import change_by, matched_signal_to_noise
from cubesift.simulate.observation import Observation
from cubesift.simulate.own import Planting, own_kinds
from cubesift.simulate.plants import Plant, transported
from cubesift.simulate.rates import STRENGTHS
from cubesift.simulate.repeats import new_galaxies
from cubesift.simulate.scene import Scene, scene_of
from cubesift.simulate.settings import Simulation

# What stays in the sky is in every observation of a galaxy.
LASTING: dict[str, Planting] = {
    "foreground_star": intruders.foreground_star,
    "unflagged_star": intruders.unflagged_star,
    "background_line": intruders.background_line,
    "second_galaxy": intruders.second_galaxy,
    "quasar": intruders.quasar,
    "broad_lines": nuclei.broad_lines,
    "power_law": nuclei.power_law,
    "double_peaked_lines": nuclei.double_peaked_lines,
    "outflow": nuclei.outflow,
    "post_starburst": regions.post_starburst,
    "starburst_region": regions.starburst_region,
    "starburst_galaxy": regions.starburst_galaxy,
    "misaligned_gas": regions.misaligned_gas,
    "swapped_patches": misplaced.swapped_patches,
    "ring": misplaced.ring,
    "offset_nucleus": misplaced.offset_nucleus,
    "wrong_redshift": artefacts.wrong_redshift,
}
# What passes, or happens in the instrument, is in one observation.
PASSING: dict[str, Planting] = {
    "supernova": supernova.supernova,
    "dead_fibre": artefacts.dead_fibre,
    "cosmic_ray": artefacts.cosmic_ray,
    "sky_oversubtraction": artefacts.sky_oversubtraction,
    "flux_step": artefacts.flux_step,
    "scattered_light": artefacts.scattered_light,
    "wavelength_shift": artefacts.wavelength_shift,
}
PLANTS = LASTING | PASSING


def kinds_of(settings: Simulation) -> dict[str, Planting]:
    """All that may be planted, the kinds of one's own file last.

    Raises:
        CubesiftError: the settings name a kind there is not, or the file is not as it should be.
    """
    own = own_kinds(settings.oddity_file) if settings.oddity_file else {}
    if twice := sorted(set(own) & set(PLANTS)):
        raise CubesiftError(
            f"{settings.oddity_file}: {', '.join(twice)} is there already; give it another name."
        )
    kinds = PLANTS | own
    rates = settings.oddities if isinstance(settings.oddities, dict) else {}
    if unknown := sorted((set(rates) | set(settings.strengths)) - set(kinds)):
        raise CubesiftError(f"no oddity is called {', '.join(unknown)}; there are {', '.join(kinds)}")
    return kinds


def kinds_in(settings: Simulation, seen: Observation) -> list[str]:
    """Oddities that are in one observation, each as often as it is there."""
    kinds, first = kinds_of(settings), seen.look == 0
    if not isinstance(settings.oddities, dict):
        rng = np.random.default_rng([settings.seed, seen.source, 2])
        odd = [kind for kind in kinds if kind != "foreground_star"]  # flagged stars are part of the sky
        found = [str(rng.choice(odd))] if rng.random() < settings.oddities else []
        return [kind for kind in found if first or kind not in PASSING]
    own = {kind: 1.0 for kind in kinds if kind not in PLANTS}  # one each, unless it says otherwise
    rates = own | settings.oddities
    hosts = new_galaxies(settings)
    order = np.random.default_rng([settings.seed, 3]).permutation(hosts)
    counted = [kind for kind in kinds for _ in range(int(rates.get(kind, 0)))]
    found = [
        kind
        for number, kind in enumerate(counted)
        if order[number % hosts] == seen.source and (first or kind not in PASSING)
    ]
    for kind in kinds:
        whose = seen.index if kind in PASSING else seen.source
        chance = np.random.default_rng([settings.seed, whose, 2, crc32(kind.encode())]).random()
        if chance < rates.get(kind, 0) < 1:
            found.append(kind)
    return found


def plants_in(settings: Simulation, scene: Scene) -> list[Plant]:
    """All that grows in one observation: the catalogue's foreground stars and broad lines, and its oddities.

    The catalogue's stars give way where `oddities` is a table that names foreground stars.
    What is in the sky grows in the galaxy's first observation, and is carried over from there into others.
    """
    kinds, seen = kinds_of(settings), scene.seen
    # Who says how many foreground stars there are gets so many, and not the catalogue's on top.
    own_stars = isinstance(settings.oddities, dict) and "foreground_star" in settings.oddities
    counted = [] if own_stars else ["foreground_star"] * seen.galaxy.stars
    counted += ["broad_lines"] * bool(seen.galaxy.broad and settings.oddities)
    wanted = counted + kinds_in(settings, seen)
    at_home = seen.look == 0 or all(kind in PASSING for kind in wanted)
    home = scene if at_home else scene_of(settings, seen.source)
    plants = []
    for number, kind in enumerate(wanted):
        of = scene if kind in PASSING else home
        which = wanted[:number].count(kind)
        rng = np.random.default_rng([settings.seed, of.seen.index, 4, crc32(kind.encode()), which])
        ends = settings.strengths.get(kind, STRENGTHS.get(kind, (1.0, 1.0)))
        plant = replace(kinds[kind](replace(of, strengths=ends), rng), kind=kind)
        if of is scene:
            plants.append(plant)
        elif plant.lasts:
            plants.append(transported(plant, home, scene))
    return plants


def told(plant: Plant, plants: list[Plant], cube: Cube, scene: Scene, clean: np.ndarray) -> dict[str, Any]:
    """One row of truth: a plant among all that grow in a scene, the cube of them, and noise-free."""
    amplitude, snr = float("nan"), float("nan")
    if plant.redshift is not None:
        amplitude = plant.redshift - scene.galaxy.redshift
    else:
        box = scene.box(plant.y, plant.x, plant.spread)
        change, ivar = change_by(plant, plants, scene, clean, box), cube.ivar[:, *box]
        with np.errstate(divide="ignore"):
            snr = matched_signal_to_noise(
                change, scene.seen.error_factor**2 / ivar, scene.settings.channel_correlation
            )
        amplitude = float(change.flat[np.argmax(np.abs(change))])
    return {
        "plateifu": cube.plateifu,
        "mangaid": cube.mangaid,
        "kind": plant.kind,
        "y": plant.y,
        "x": plant.x,
        "wavelength": plant.wavelength,
        "strength": plant.strength,
        "amplitude": amplitude,
        "snr": snr,
    }
