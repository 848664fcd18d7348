"""The code of a galaxy: its brightness, its place on the bundle, and what it is like, in a few numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cubesift.fit.coder import Field
from cubesift.fit.codes import Codes
from cubesift.fit.pose import Fisheye, Pose, pose_of
from cubesift.fit.relative import Relative, Values

STORED = ("ln light", "x", "y", "angle", "size")  # first in a code, before the amounts of modes
LEAST = 1e-3  # of a value's usual weight: where it is rarely seen
FAR = 6.0  # times its spread: farther from the mean, a value is an oddity and is not learned


@dataclass(frozen=True)
class Galaxies:
    """Modes in which galaxies of a survey differ, in the frame of each: maps of all values together."""

    relative: Relative
    fisheye: Fisheye
    mean: np.ndarray  # (cell, number) float32
    modes: np.ndarray  # (mode, cell, number) float32, each as large as it usually is

    def place(self, field: Field, size: float) -> Placed:
        """A galaxy in its own frame, `size` in arcsec."""
        return placed(self.relative.values(field.codes), *on_sky(field), size, field.psf, self.fisheye)

    def encode(self, galaxy: Placed) -> np.ndarray:
        """(number,): `STORED`, then what the galaxy has of each mode, least squares with N(0, 1) before."""
        light = brightness(galaxy.values)
        seen = galaxy.values.values.astype(np.float32)
        seen[:, 0] -= light
        weights = galaxy.values.weights.astype(np.float32)
        modes = self._at(galaxy)
        weighted = (modes * weights).reshape(len(modes), -1)
        matrix = (weighted @ modes.reshape(len(modes), -1).T).astype(np.float64)
        away = (seen - galaxy.cells @ self.mean).ravel()
        amounts = np.linalg.solve(matrix + np.eye(len(modes)), (weighted @ away).astype(np.float64))
        pose = galaxy.pose
        return np.concatenate([[light, pose.x, pose.y, pose.angle, pose.size], amounts])

    def decode(self, code: np.ndarray, x: np.ndarray, y: np.ndarray) -> Codes:
        """What a code says of spaxels at (x, y), arcsec from the middle of the bundle."""
        light, *pose = code[: len(STORED)]
        cells = self.fisheye.cells(*Pose(*map(float, pose)).along(x, y))
        maps = self.mean + np.tensordot(code[len(STORED) :].astype(np.float32), self.modes, 1)
        values = np.asarray(cells @ maps, np.float64)
        values[:, 0] += light
        return self.relative.codes(values)

    def _at(self, galaxy: Placed) -> np.ndarray:
        """(mode, spaxel, number) float32."""
        return np.stack([galaxy.cells @ mode for mode in self.modes]).astype(np.float32)


@dataclass(frozen=True)
class Placed:
    """Values of a galaxy's spaxels, and where these lie on maps in its own frame."""

    values: Values
    pose: Pose
    cells: np.ndarray  # (spaxel, cell), sparse


def placed(values: Values, x: np.ndarray, y: np.ndarray, size: float, psf: float, fisheye: Fisheye) -> Placed:
    """Spaxels at (x, y), in the frame of their galaxy; all in arcsec."""
    pose = pose_of(values, x, y, size, psf)
    return Placed(values, pose, fisheye.cells(*pose.along(x, y)))


def on_sky(field: Field) -> tuple[np.ndarray, np.ndarray]:
    """Arcsec from the middle of the bundle, (spaxel,) each."""
    middle = (field.side - 1) / 2
    return (field.x - middle) * field.spaxel, (field.y - middle) * field.spaxel


def brightness(values: Values) -> float:
    """Mean of ln(light), each spaxel as sure as it is."""
    weight = values.weights[:, 0]
    return float(weight @ values.values[:, 0] / max(weight.sum(), 1e-30))


def learn_galaxies(
    galaxies: Iterable[Placed], relative: Relative, fisheye: Fisheye, numbers: int
) -> Galaxies:
    """The strongest modes of maps of galaxies, each galaxy in four reflections; `numbers` of a code.

    Principal components, values weighted by what they usually count. What a galaxy lacks is smooth. Modes
    that few galaxies cannot tell are 0.
    """
    rows, usual = [], 0.0
    for galaxy in galaxies:
        maps, weights = fisheye.maps(galaxy.values, galaxy.cells)
        maps[:, 0] -= brightness(galaxy.values)
        usual = usual + weights / max(galaxy.values.weights.sum(), 1e-30)
        rows += reflected(maps, fisheye.side)
    side = fisheye.side
    usual = np.mean([np.abs(one) for one in reflected(np.asarray(usual), side)], axis=0)
    usual = np.sqrt(usual + LEAST * usual.mean(axis=0)).ravel().astype(np.float32)
    stacked = np.stack([row.ravel() for row in rows])
    mean = np.median(stacked, axis=0)
    away = stacked - mean
    spread = 1.4826 * np.median(np.abs(away), axis=0)
    away = np.clip(away, -FAR * spread, FAR * spread) * usual
    _, mixed = np.linalg.eigh((away @ away.T).astype(np.float64))
    mixed = mixed[:, ::-1][:, : numbers - len(STORED)]
    modes = np.zeros((numbers - len(STORED), stacked.shape[1]), np.float32)
    modes[: mixed.shape[1]] = (mixed / np.sqrt(len(rows))).T.astype(np.float32) @ away / usual
    shape = (-1, side**2, stacked.shape[1] // side**2)
    return Galaxies(relative, fisheye, mean.reshape(shape[1:]), modes.reshape(shape))


def reflected(maps: np.ndarray, side: int) -> list[np.ndarray]:
    """A galaxy's maps, (cell, number), as they are and mirrored; along the axis velocities change sign."""
    square = maps.reshape(side, side, -1)
    turned = square[:, ::-1].copy()
    turned[..., -4] *= -1
    return [one.reshape(maps.shape) for one in (square, square[::-1], turned, turned[::-1])]
