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
NOTHING = 1e-8  # of the strongest mode's power: less is rounding
ROUNDS = 8
HOLD = 0.05  # galaxies' worth of a mode staying as it is where few have seen a value
TOGETHER = 1024  # values whose modes are found at a time
TINY = 1e-9
DARK = -9.0  # ln(light) of a galaxy of which nothing is seen
VELOCITY = -4  # in a code: odd about the minor axis
PARITIES = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])  # (kind, quadrant)


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
    return float(weight @ values.values[:, 0] / weight.sum()) if weight.any() else DARK


def learn_galaxies(
    galaxies: Iterable[Placed], relative: Relative, fisheye: Fisheye, numbers: int, rounds: int = ROUNDS
) -> Galaxies:
    """The modes that rebuild maps of galaxies best, each value as sure as it is; `numbers` of a code.

    Principal components of smooth maps first, then alternating least squares on what was seen. Galaxies have
    no handedness: every mode is even or odd about both axes (velocities the other way about the minor one),
    so that each galaxy stands for its three mirror images too. Modes that few galaxies cannot tell are 0.
    """
    maps, weights = [], []
    for galaxy in galaxies:
        values, sure = fisheye.maps(galaxy.values, galaxy.cells)
        values[:, 0] -= brightness(galaxy.values)
        maps.append(quadrants(values, fisheye.side))
        weights.append(np.abs(quadrants(sure, fisheye.side)) / len(galaxy.values.weights))
    seen, sure = np.stack(maps), np.stack(weights)  # (galaxy, quadrant, cell, number)
    mean = np.median(seen, axis=(0, 1))
    away = seen - mean
    spread = 1.4826 * np.median(np.abs(away), axis=(0, 1))
    np.clip(away, -FAR * spread, FAR * spread, out=away)
    modes, parity = principal_modes(away, sure.mean(axis=(0, 1)), numbers - len(STORED))
    for _ in range(rounds):
        modes = better_modes(modes, parity, away, sure)
    full = whole(modes[None] * PARITIES.T[:, parity][..., None, None], fisheye.side)
    found = np.zeros((numbers - len(STORED), *full.shape[1:]), np.float32)
    found[: len(full)] = full
    return Galaxies(relative, fisheye, whole(np.stack([mean] * 4)[:, None], fisheye.side)[0], found)


def principal_modes(away: np.ndarray, sure: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The strongest modes in a quadrant, (mode, cell, number), as large as they usually are; each's parity.

    Args:
        away: (galaxy, quadrant, cell, number), maps less their mean.
        sure: (cell, number), what each value usually counts.
        most: modes.
    """
    usual = np.sqrt(sure + LEAST * sure.mean(axis=0))
    found, power, parities = [], [], []
    for parity, signs in enumerate(PARITIES):
        rows = (np.einsum("q,gqcn->gcn", signs / 4, away) * usual).reshape(len(away), -1)
        strength, mixed = np.linalg.eigh((rows @ rows.T).astype(np.float64))
        found.append((mixed / np.sqrt(len(rows))).T.astype(np.float32) @ rows)
        power.append(strength)
        parities.append(np.full(len(rows), parity))
    strength = np.concatenate(power)
    first = np.argsort(-strength, kind="stable")[:most]
    first = first[strength[first] > NOTHING * strength.max()]
    modes = np.concatenate(found)[first].reshape(len(first), *usual.shape) / usual
    return modes.astype(np.float32), np.concatenate(parities)[first]


def better_modes(modes: np.ndarray, parity: np.ndarray, away: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """One round of alternating least squares: amounts of every galaxy, then modes cell by cell.

    Args:
        modes: (mode, cell, number).
        parity: (mode,), a row of `PARITIES`.
        away: (galaxy, quadrant, cell, number), maps less their mean.
        sure: the same shape, inverse variances.
    """
    count = len(modes)
    flat, signs = modes.reshape(count, -1), PARITIES[parity].T  # (quadrant, mode)
    amounts = np.empty((len(away), count))
    for galaxy, (values, weights) in enumerate(zip(away, sure, strict=True)):
        matrix, right = np.eye(count), np.zeros(count)
        for sign, value, weight in zip(signs, values, weights, strict=True):
            weighted = flat * weight.ravel()
            matrix += np.outer(sign, sign) * (weighted @ flat.T)
            right += sign * (weighted @ value.ravel())
        amounts[galaxy] = np.linalg.solve(matrix, right)
    mirrored = (amounts[:, None] * signs).reshape(-1, count).astype(np.float32)
    one, other = np.triu_indices(count)
    pairs = mirrored[:, one] * mirrored[:, other]
    rows = len(mirrored)
    weights, values = sure.reshape(rows, -1), away.reshape(rows, -1)
    total = sure.sum(axis=(0, 1))
    hold = HOLD * np.broadcast_to(total.mean(axis=0), total.shape).ravel()
    better = np.empty_like(flat)
    for start in range(0, flat.shape[1], TOGETHER):
        some = slice(start, start + TOGETHER)
        matrices = np.empty((len(hold[some]), count, count))
        upper = weights[:, some].T @ pairs
        matrices[:, one, other] = matrices[:, other, one] = upper
        diagonal = np.arange(count)
        matrices[:, diagonal, diagonal] += hold[some, None] + TINY
        right = (weights[:, some] * values[:, some]).T @ mirrored + hold[some, None] * flat[:, some].T
        better[:, some] = np.linalg.solve(matrices, right[..., None].astype(np.float64))[..., 0].T
    # Amounts of a parity are of variance 1 and independent again: the prior of the next round.
    for kind in np.unique(parity):
        own = parity == kind
        shared = amounts[:, own].T @ amounts[:, own] / len(amounts)
        better[own] = np.linalg.cholesky(shared + TINY * np.eye(len(shared))).T @ better[own]
    return better.reshape(modes.shape)


def quadrants(maps: np.ndarray, side: int) -> np.ndarray:
    """(quadrant, cell, number): those of maps, (cell, number), each mirrored onto the first."""
    square = maps.reshape(side, side, -1)
    half = side // 2
    turned = square[:, ::-1].copy()
    turned[..., VELOCITY] *= -1
    every = [one[:half, :half] for one in (square, square[::-1], turned, turned[::-1])]
    return np.stack([one.reshape(half**2, -1) for one in every])


def whole(parts: np.ndarray, side: int) -> np.ndarray:
    """(map, cell, number) from quadrants that were mirrored onto the first, (quadrant, map, cell, number)."""
    half = side // 2
    first, down, right, both = parts.reshape(4, parts.shape[1], half, half, -1).copy()
    for one in (right, both):
        one[..., VELOCITY] *= -1
    upper = np.concatenate([first, right[:, :, ::-1]], axis=2)
    lower = np.concatenate([down, both[:, :, ::-1]], axis=2)[:, ::-1]
    return np.concatenate([upper, lower], axis=1).reshape(parts.shape[1], side**2, -1)
