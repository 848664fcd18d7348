"""Strange things to plant: one function per kind, each says what it adds, where, and how strong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cubesift.data.cube import DEADFIBER, DONOTUSE, FORESTAR
from cubesift.data.wavelength import MANGA_GRID
from cubesift.simulate.galaxies import Galaxy, sersic
from cubesift.simulate.light import SPAXEL, Canvas, Part, Sight
from cubesift.simulate.noise import correlation, sky_variance, source_variance
from cubesift.simulate.spectra import dusty, glowing, line_ratios, moving, population, table

WAVE = MANGA_GRID.wave
STILL = np.zeros(1)  # one velocity, at rest with its own redshift


@dataclass(frozen=True)
class Scene:
    """What a plant may look at before it grows."""

    galaxy: Galaxy
    canvas: Canvas
    sight: Sight  # of the galaxy alone
    inside: np.ndarray  # (y, x), spaxels from the edge of the hexagon

    @property
    def centre(self) -> tuple[float, float]:
        """Of the galaxy, (y, x) in spaxels."""
        middle = self.canvas.middle
        return middle + self.canvas.offset[0] / SPAXEL, middle + self.canvas.offset[1] / SPAXEL

    @property
    def sigma(self) -> float:
        """Of the seeing in r, spaxels."""
        return float(self.sight.seeing.at(6231.0)) / 2.3548 / SPAXEL

    @property
    def peak(self) -> float:
        """Share of a point source's light in its brightest spaxel."""
        return 1 / (2 * np.pi * self.sigma**2)

    def spectrum(self, y: float, x: float) -> np.ndarray:
        """The galaxy's own light at a spaxel, (wave,)."""
        index = int(np.rint(y)) * self.canvas.side + int(np.rint(x))
        return np.asarray(self.sight.spectra.T @ self.sight.maps(6231.0)[:, index])

    def elsewhere(
        self, rng: np.random.Generator, edge: float = 3.0, away: float = 4.0
    ) -> tuple[float, float]:
        """A place at least `edge` spaxels inside the hexagon and `away` from the nucleus, (y, x)."""
        y, x = np.indices(self.inside.shape)
        far = np.hypot(y - self.centre[0], x - self.centre[1])
        rows, columns = np.nonzero((self.inside > edge) & (far > away))
        pick = int(rng.integers(len(rows)))
        return float(rows[pick] + rng.uniform(-0.5, 0.5)), float(columns[pick] + rng.uniform(-0.5, 0.5))


@dataclass(frozen=True)
class Plant:
    """One strange thing: light that is added, or data that are spoilt, or a wrong entry in the catalogue."""

    kind: str
    y: float  # spaxels
    x: float
    wavelength: float = float("nan")  # observed, angstrom, vacuum; nan = all of them
    light: Part | None = None
    gain: np.ndarray | None = None  # (wave,): the flux is multiplied by it ...
    where: np.ndarray | None = None  # (y, x): ... in this share
    bits: int = 0
    bits_where: np.ndarray | None = None  # (y, x) bool
    redshift: float | None = None  # what the catalogue says instead of the truth


def _near(scene: Scene, y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.indices(scene.inside.shape)
    return np.asarray(np.hypot(rows - y, columns - x) <= radius)


def _point(scene: Scene, spectrum: np.ndarray, y: float, x: float) -> Part:
    return Part(spectrum[None].astype(np.float32), scene.canvas.point(y, x))


def star(scene: Scene, rng: np.random.Generator, flagged: bool) -> Plant:
    """A star of our Galaxy in front, r = 16.5 to 20; flagged stars carry FORESTAR over the seeing's reach."""
    y, x = scene.elsewhere(rng, edge=2.0)
    stars = table("stars")["flux"]
    spectrum = stars[int(rng.integers(len(stars)))]
    spectrum = spectrum / spectrum[MANGA_GRID.between(5600, 6900)].mean()
    magnitude = rng.uniform(16.5, 20.0)
    # AB zero point in 1e-17 erg/s/cm2/angstrom at 6231 angstrom.
    total = 10 ** (-0.4 * (magnitude + 48.60)) * 2.99792458e18 / 6231.0**2 * 1e17
    light = _point(scene, total * spectrum, y, x)
    if not flagged:
        return Plant("unflagged_star", y, x, light=light)
    # Out to where its light drowns in the sky's noise.
    faint = np.sqrt(np.median(sky_variance())) / (total * scene.peak)
    reach = scene.sigma * np.sqrt(2 * max(-np.log(faint), 1))
    bits = FORESTAR | DONOTUSE
    return Plant("foreground_star", y, x, light=light, bits=bits, bits_where=_near(scene, y, x, reach))


def foreground_star(scene: Scene, rng: np.random.Generator) -> Plant:
    """A star that the pipeline knew of."""
    return star(scene, rng, flagged=True)


def unflagged_star(scene: Scene, rng: np.random.Generator) -> Plant:
    """A star that nobody flagged."""
    return star(scene, rng, flagged=False)


def power_law(scene: Scene, rng: np.random.Generator) -> Plant:
    """A blazar: featureless light at the nucleus, 0.5 to 3 times the galaxy's own there."""
    y, x = scene.centre
    nucleus = float(np.median(scene.spectrum(y, x)))
    spectrum = (WAVE / 6231.0) ** rng.uniform(-2.0, -0.5)
    return Plant(
        "power_law",
        y,
        x,
        light=_point(scene, rng.uniform(0.5, 3.0) * nucleus / scene.peak * spectrum, y, x),
    )


def broad_lines(scene: Scene, rng: np.random.Generator) -> Plant:
    """A type 1 nucleus: Balmer lines 2,500 to 6,000 km/s wide over a blue continuum."""
    y, x = scene.centre
    z = scene.galaxy.redshift
    nucleus = float(np.median(scene.spectrum(y, x))) / scene.peak
    sigma = rng.uniform(2500, 6000) / 2.3548
    alpha = rng.uniform(60, 200) * nucleus  # equivalent width over the nucleus' own light
    ratios = {"Halpha": 1.0, "Hbeta": 0.33, "Hgamma": 0.14, "Hdelta": 0.07, "HeI": 0.05}
    lines = glowing({name: alpha * ratio for name, ratio in ratios.items()}, sigma, STILL, z)[0]
    blue = 0.4 * nucleus * (WAVE / 6231.0) ** -1.5
    return Plant("broad_lines", y, x, 6564.61 * (1 + z), light=_point(scene, lines + blue, y, x))


def background_line(scene: Scene, rng: np.random.Generator) -> Plant:
    """A faint galaxy far behind, of which only the [O II] doublet (two in three) or Lyman alpha is seen."""
    y, x = scene.elsewhere(rng)
    wavelength = rng.uniform(5700, 8800) if rng.random() < 2 / 3 else rng.uniform(3900, 5500)
    if wavelength > 5600:
        z = wavelength / 3728.5 - 1
        shape = glowing({"OII3727": 0.43, "OII3729": 0.57}, 70.0, STILL, z)[0]
    else:
        z = wavelength / 1215.67 - 1
        shape = glowing({"1215.67": 1.0}, 120.0, STILL, z)[0]
    # The line's total for a wanted matched-filter S/N: neighbours' noise is shared, so a point source
    # has as much noise as its peak spaxel within a factor of order one.
    variance = sky_variance() + source_variance() * scene.spectrum(y, x)
    unit = np.sqrt(np.sum((shape * scene.peak) ** 2 / variance))
    total = rng.uniform(6.0, 25.0) / unit
    return Plant("background_line", y, x, float(wavelength), light=_point(scene, total * shape, y, x))


def second_galaxy(scene: Scene, rng: np.random.Generator) -> Plant:
    """A small star-forming galaxy at another redshift, superposed off the nucleus."""
    y, x = scene.elsewhere(rng, edge=4.0, away=6.0)
    z = float(rng.uniform(0.02, 0.18))
    while abs(z - scene.galaxy.redshift) < 0.01:
        z = float(rng.uniform(0.02, 0.18))
    old, young = population(3.0, -0.3), population(0.05, -0.3)
    spectrum = dusty(0.6 * old + 0.4 * young, 0.4)
    stars = moving(spectrum, 80.0, STILL, z)[0]
    ratios = line_ratios(-0.6, 0.1, 0.6)
    lines = glowing({name: 25.0 * ratio for name, ratio in ratios.items()}, 50.0, STILL, z)[0]
    place = scene.canvas
    middle = place.middle
    down = place.y + place.offset[0] - (y - middle) * SPAXEL
    right = place.x + place.offset[1] - (x - middle) * SPAXEL
    ratio = rng.uniform(0.4, 0.9)
    size = rng.uniform(0.8, 1.6)
    light = sersic(np.hypot(down, right / ratio), size, 1.0, ratio, place.cell**2)
    # As bright at its own middle as the galaxy is there, times 1 to 4, or enough to be seen in the dark.
    peak = max(float(np.median(scene.spectrum(y, x))) * rng.uniform(1.0, 4.0), 0.03)
    total = peak / (0.25 * light.max() * 9 * 0.25 + 0.75 * scene.peak * 0.5)
    combined = total * (stars + lines).astype(np.float32)
    return Plant(
        "second_galaxy", y, x, 6564.61 * (1 + z), light=Part(combined[None], light[None].astype(np.float32))
    )


def dead_fibre(scene: Scene, rng: np.random.Generator) -> Plant:
    """A fibre that lost its light: a hole one fibre wide; the spaxels around carry DEADFIBER."""
    y, x = scene.elsewhere(rng, edge=2.0, away=2.0)
    rows, columns = np.indices(scene.inside.shape)
    hole = np.exp(-0.5 * (np.hypot(rows - y, columns - x) / 1.7) ** 2)
    gain = np.full(MANGA_GRID.size, rng.uniform(0.1, 0.5))
    return Plant(
        "dead_fibre", y, x, gain=gain, where=hole, bits=DEADFIBER, bits_where=_near(scene, y, x, 2.5)
    )


def flux_step(scene: Scene, rng: np.random.Generator) -> Plant:
    """The red arm's flux calibration is off in one patch: a step near 6000 angstrom, not flagged."""
    y, x = scene.elsewhere(rng, edge=3.0, away=0.0)
    rows, columns = np.indices(scene.inside.shape)
    patch = np.exp(-0.5 * (np.hypot(rows - y, columns - x) / 3.0) ** 2)
    step = float(rng.choice([-1, 1]) * rng.uniform(0.3, 0.6))
    gain = 1 + step / (1 + np.exp(-(WAVE - 6000.0) / 15.0))
    return Plant("flux_step", y, x, 6000.0, gain=gain, where=patch)


def wrong_redshift(scene: Scene, rng: np.random.Generator) -> Plant:
    """The catalogue's redshift is another galaxy's; the cube itself is ordinary."""
    z = scene.galaxy.redshift
    wrong = z
    while abs(wrong - z) < 0.01:
        wrong = float(rng.uniform(0.01, 0.14))
    y, x = scene.centre
    return Plant("wrong_redshift", y, x, redshift=wrong)


PLANTS: dict[str, Callable[[Scene, np.random.Generator], Plant]] = {
    "foreground_star": foreground_star,
    "unflagged_star": unflagged_star,
    "power_law": power_law,
    "broad_lines": broad_lines,
    "background_line": background_line,
    "second_galaxy": second_galaxy,
    "dead_fibre": dead_fibre,
    "flux_step": flux_step,
    "wrong_redshift": wrong_redshift,
}


def added(plant: Plant, scene: Scene, truth: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
    """What the plant changed in a box of spaxels, (wave, box y, box x), noise-free."""
    if plant.light is not None:
        sight = Sight([plant.light], scene.canvas, scene.sight.seeing)
        maps = sight.maps(6231.0).reshape(-1, *scene.inside.shape)[:, *box]
        return np.asarray(np.tensordot(sight.spectra.T, maps, axes=1))
    if plant.gain is not None and plant.where is not None:
        factor = 1 + (plant.gain[:, None, None] - 1) * plant.where[box]
        return np.asarray(truth[:, *box] * (1 - 1 / factor))
    return np.zeros((1, 1, 1))


def matched_signal_to_noise(signal: np.ndarray, variance: np.ndarray) -> float:
    """S/N of the sum weighted by signal / variance, with the noise that neighbours share.

    (Σ w t)² / Σ w_i σ_i rho_ij w_j σ_j with w = t / σ², per channel, added over channels.

    Args:
        signal: (wave, y, x), noise-free.
        variance: (wave, y, x); inf = do not use.
    """
    weight = signal / variance
    scaled = weight * np.sqrt(np.where(np.isfinite(variance), variance, 0))
    rows, columns = correlation(signal.shape[1]), correlation(signal.shape[2])
    found = np.sum(weight * signal, axis=(1, 2)) ** 2
    noise = np.einsum("wyx,yv,wvu,ux->w", scaled, rows, scaled, columns, optimize=True)
    usable = noise > 0
    return float(np.sqrt(np.sum(found[usable] / noise[usable])))
