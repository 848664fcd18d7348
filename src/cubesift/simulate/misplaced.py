"""Ordinary spectra in the wrong place: only who looks at where they are can find these."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from cubesift.simulate.light import SPAXEL, Canvas, Part
from cubesift.simulate.plants import Plant
from cubesift.simulate.scene import Scene


def swapped_patches(scene: Scene, rng: np.random.Generator) -> Plant:
    """Two round patches that changed places, one near the nucleus and one further out."""
    radius = scene.strength(rng)
    inner = scene.elsewhere(rng, away=radius / SPAXEL, within=2 * radius / SPAXEL)
    places = [scene.elsewhere(rng, 0.7 * radius / SPAXEL, away=1.5 * radius / SPAXEL) for _ in range(30)]
    outer = max(places, key=lambda place: np.hypot(place[0] - inner[0], place[1] - inner[1]))
    (down, right), (low, far) = scene.arcsec(*outer), scene.arcsec(*inner)

    def altered(parts: list[Part], canvas: Canvas) -> list[Part]:
        step = tuple(int(np.rint(way / canvas.cell)) for way in (down - low, right - far))
        here = np.hypot(canvas.y - low, canvas.x - far) < radius
        there = np.roll(here, step, axis=(0, 1))
        back = (-step[0], -step[1])

        def swapped(maps: np.ndarray) -> np.ndarray:
            brought = np.where(there, np.roll(maps, step, axis=(1, 2)), maps)
            return np.where(here & ~there, np.roll(maps, back, axis=(1, 2)), brought)

        return [Part(part.spectra, swapped(part.maps)) for part in parts]

    return Plant("", *outer, strength=radius, altered=altered, spread=float("inf"))


def ring(scene: Scene, rng: np.random.Generator) -> Plant:
    """The galaxy turned inside out within a radius: its nucleus lies on a ring, what was there inside."""
    y, x = scene.centre
    radius = scene.strength(rng)

    def altered(parts: list[Part], canvas: Canvas) -> list[Part]:
        r = np.maximum(np.hypot(canvas.y, canvas.x), 0.5 * canvas.cell)
        turned = r < radius
        inward = np.where(turned, (radius - r) / r, 1)
        first = (canvas.y[0, 0], canvas.x[0, 0])
        places = [
            (axis * inward - start) / canvas.cell
            for axis, start in zip((canvas.y, canvas.x), first, strict=True)
        ]
        # The light of a circle is spread over another: as much light as before, but for the very middle.
        share = np.where(turned, np.minimum(inward, 4), 1).astype(np.float32)
        return [
            Part(part.spectra, np.array([share * map_coordinates(m, places, order=1) for m in part.maps]))
            for part in parts
        ]

    return Plant("", y, x, strength=radius, altered=altered, spread=float("inf"))


def offset_nucleus(scene: Scene, rng: np.random.Generator) -> Plant:
    """The light that the nucleus has above its surroundings lies some arcsec off."""
    away, angle = scene.strength(rng), rng.uniform(0, 2 * np.pi)
    down, right = away * np.sin(angle), away * np.cos(angle)
    core = 1.2  # arcsec

    def altered(parts: list[Part], canvas: Canvas) -> list[Part]:
        r = np.hypot(canvas.y, canvas.x)
        edge, within = np.abs(r - core) < canvas.cell, r < core
        step = tuple(int(np.rint(way / canvas.cell)) for way in (down, right))

        def moved(maps: np.ndarray) -> np.ndarray:
            level = maps[:, edge].mean(axis=1)[:, None, None]
            excess = np.where(within, maps - level, 0)
            return np.asarray(maps - excess + np.roll(excess, step, axis=(1, 2)), np.float32)

        return [Part(part.spectra, moved(part.maps)) for part in parts]

    y, x = scene.centre
    return Plant("", y + down / SPAXEL, x + right / SPAXEL, strength=away, altered=altered, spread=12)
