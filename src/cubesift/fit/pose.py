"""Where a galaxy lies on its bundle, and maps of it in a frame of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, diags_array, eye_array, kron
from scipy.sparse.linalg import splu

from cubesift.fit.relative import Values

INNER = 4.0  # arcsec from the middle of the bundle, within which the galaxy's middle is sought
SHARP = 0.6  # of the seeing's FWHM: the window in which the middle is found
ROUNDS = 20
STEADY = 15.0  # km/s: velocities surer than this count alike
SMOOTH = 0.02  # of a cell's usual weight: how much neighbours ought to be alike
ANY = 1e-6


@dataclass(frozen=True)
class Pose:
    """The frame of a galaxy: its middle, the direction that recedes along its major axis, its size."""

    x: float  # arcsec from the middle of the bundle
    y: float
    angle: float  # radians, from x to y
    size: float  # arcsec

    def along(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places in arcsec, in this frame and units of the size."""
        x, y = x - self.x, y - self.y
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return (x * cosine + y * sine) / self.size, (y * cosine - x * sine) / self.size


def pose_of(values: Values, x: np.ndarray, y: np.ndarray, size: float, psf: float) -> Pose:
    """By the light's first and second moments, and the sense of the velocities.

    Args:
        values: of the spaxels.
        x: (spaxel,) arcsec from the middle of the bundle.
        y: (spaxel,).
        size: of the galaxy, arcsec.
        psf: FWHM, arcsec.
    """
    light = np.where(values.weights[:, 0] > 0, np.exp(values.values[:, 0]), 0.0)
    inner = np.where(np.hypot(x, y) < INNER, light, 0)
    peak = np.argmax(inner if inner.any() else light)
    at = np.array([x[peak], y[peak]])
    for _ in range(ROUNDS):
        near = light * np.exp(-0.5 * ((x - at[0]) ** 2 + (y - at[1]) ** 2) / (SHARP * psf) ** 2)
        at = np.array([near @ x, near @ y]) / max(near.sum(), 1e-30)
    away, angle, ratio = np.stack([x - at[0], y - at[1]]), 0.0, 1.0
    for _ in range(ROUNDS):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        along, across = turn @ away
        near = light * np.exp(-0.5 * (along**2 + (across / ratio) ** 2) / size**2)
        spread, axes = np.linalg.eigh((away * near) @ away.T / max(near.sum(), 1e-30))
        angle = float(np.arctan2(axes[1, 1], axes[0, 1]))
        ratio = float(np.clip(np.sqrt(spread[0] / max(spread[1], 1e-30)), 0.3, 1))
    velocity, sure = values.values[:, -4], values.weights[:, -4]
    sure = sure / (1 + sure * STEADY**2)
    if sure * velocity @ (away[0] * np.cos(angle) + away[1] * np.sin(angle)) < 0:
        angle += np.pi
    return Pose(float(at[0]), float(at[1]), float(np.angle(np.exp(1j * angle))), size)


@dataclass(frozen=True)
class Fisheye:
    """Square maps of a galaxy in its own frame, finer in the middle: asinh of the distance."""

    side: int = 32  # cells
    soft: float = 0.3  # sizes: the distance from which cells grow
    reach: float = 5.0  # sizes, to the middle of an edge

    def cells(self, along: np.ndarray, across: np.ndarray) -> csr_array:
        """(place, cell): by which linear interpolation takes values at places out of a map."""
        away = np.maximum(np.hypot(along, across), 1e-9)
        shrunk = np.arcsinh(away / self.soft) / np.arcsinh(self.reach / self.soft) / away
        last = self.side - 1
        column, row = (np.clip((one * shrunk + 1) / 2 * last, 0, last - 1e-6) for one in (along, across))
        left, low = column.astype(int), row.astype(int)
        right, up = column - left, row - low
        places = np.tile(np.arange(len(away)), 4)
        corner = low * self.side + left
        cells = np.concatenate([corner, corner + 1, corner + self.side, corner + self.side + 1])
        shares = np.concatenate([(1 - right) * (1 - up), right * (1 - up), (1 - right) * up, right * up])
        return csr_array((shares, (places, cells)), (len(away), self.side**2))

    @property
    def roughness(self) -> csr_array:
        """(cell, cell): the sum of squares of differences between neighbours, as a matrix."""
        last = self.side - 1
        steps = diags_array([-np.ones(last), np.ones(last)], offsets=[0, 1], shape=(last, self.side))
        across, down = kron(eye_array(self.side), steps), kron(steps, eye_array(self.side))
        return csr_array(across.T @ across + down.T @ down)

    def maps(self, values: Values, cells: csr_array) -> tuple[np.ndarray, np.ndarray]:
        """Least squares, smooth where nothing is known: maps and their weights, (cell, number) float32."""
        rough = self.roughness
        maps = np.zeros((self.side**2, values.values.shape[1]), np.float32)
        for number, weight in enumerate(values.weights.T):
            weighted = diags_array(weight) @ cells
            matrix = cells.T @ weighted
            usual = weight.sum() / max(np.count_nonzero(matrix.diagonal()), 1) + 1e-12
            held = matrix + SMOOTH * usual * rough + ANY * usual * eye_array(self.side**2)
            maps[:, number] = splu(held.tocsc()).solve(weighted.T @ values.values[:, number])
        return maps, np.asarray(cells.T @ values.weights, np.float32)
