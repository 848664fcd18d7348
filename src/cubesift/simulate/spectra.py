"""The light of stars and gas as MaNGA's spectrograph sees it: populations, lines, kinematics, redshift."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from cubesift.data.dust import transmission
from cubesift.data.wavelength import MANGA_GRID, SPEED_OF_LIGHT, STEP, WavelengthGrid

CHANNEL = SPEED_OF_LIGHT * np.log(10) * STEP  # km/s, 69.03
BLUER = 830  # channels by which the populations are continued: z = 0.2 and some room
REST = WavelengthGrid(first=-BLUER, size=BLUER + MANGA_GRID.size + 60)


@cache
def table(name: str) -> dict[str, np.ndarray]:
    """A compact table of `templates/`, read once: populations, stars, instrument or galaxies."""
    with (
        (files("cubesift.simulate") / "templates" / f"{name}.npz").open("rb") as file,
        np.load(file) as stored,
    ):
        return {key: stored[key] for key in stored.files}


@cache
def populations() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ages (Gyr), [Z/H], and spectra (age, metallicity, wave) on `REST`, each 1 at 7480 angstrom."""
    given = table("populations")
    ages, metals = np.unique(given["age"]), np.unique(given["metallicity"])
    order = np.lexsort((given["metallicity"], given["age"]))
    flux = given["flux"][order].astype(np.float64)
    red = np.repeat(flux[:, -60:].mean(axis=1, keepdims=True), REST.size - flux.shape[1], axis=1)
    full = np.concatenate([flux, red], axis=1)
    full /= full[:, REST.between(7380, 7580)].mean(axis=1, keepdims=True)
    return ages, metals, full.reshape(len(ages), len(metals), -1)


def population(age: float, metallicity: float) -> np.ndarray:
    """Spectrum of a simple stellar population on `REST`, 1 at 7480 angstrom.

    Linear between the MaStar populations in log age and [Z/H] (Maraston+2020). Bluer than 3622 angstrom
    the shape is of other models of the same age: see `benchmarks/make_populations.py`.

    Args:
        age: Gyr, 0.003 to 14.
        metallicity: [Z/H], -1.35 to 0.35.
    """
    ages, metals, spectra = populations()
    spectrum = np.zeros(REST.size)
    for i, age_weight in _neighbours(np.log10(ages), np.log10(age)):
        for j, metal_weight in _neighbours(metals, metallicity):
            spectrum += age_weight * metal_weight * spectra[i, j]
    return spectrum


def _neighbours(knots: np.ndarray, value: float) -> list[tuple[int, float]]:
    place = float(np.interp(value, knots, np.arange(len(knots))))
    low = min(int(place), len(knots) - 2)
    return [(low, 1 - (place - low)), (low + 1, place - low)]


def dusty(spectrum: np.ndarray, attenuation: float) -> np.ndarray:
    """A spectrum on `REST` behind a screen of `attenuation` = A_V magnitudes, O'Donnell (1994), Rv 3.1."""
    return np.asarray(spectrum * transmission(np.maximum(REST.wave, 3040), attenuation / 3.1))


def line_spread(wave: np.ndarray) -> np.ndarray:
    """Sigma of MaNGA's line spread in km/s at observed wavelengths (SRES of real spectra)."""
    return np.asarray(np.interp(wave, MANGA_GRID.wave, table("instrument")["sigma"]))


def moving(rest: np.ndarray, sigma: float, velocities: np.ndarray, redshift: float) -> np.ndarray:
    """A population as observed on MANGA_GRID at each line-of-sight velocity, (velocity, wave) float32.

    Shifted by a phase in log wavelength, so nothing is interpolated. The templates have about MaNGA's own
    resolution at rest, 91 km/s in the blue to 53 in the red: only what they lack at (1 + z) is added.

    Args:
        rest: on `REST`; the observed flux density is this divided by (1 + redshift).
        sigma: dispersion, km/s.
        velocities: km/s, away from us positive.
        redshift: of the systemic velocity.
    """
    wave = MANGA_GRID.wave
    given = table("populations")["sigma"]
    template = np.interp(wave / (1 + redshift), REST.wave[BLUER : BLUER + len(given)], given)
    # Where a template is the broader one, its excess counts as part of the stars' dispersion.
    wanted = np.maximum(sigma**2 + line_spread(wave) ** 2 - template**2, 0) / CHANNEL**2  # channels**2
    low, high = float(wanted.min()), float(wanted.max())
    # A ramp closes the circle of the transform without a step.
    room = next_fast_len(REST.size + 200, real=True) - REST.size
    closed = np.concatenate([rest, np.linspace(rest[-1], rest[0], room)])
    frequency = 2 * np.pi * rfftfreq(len(closed))
    shift = (np.log10(1 + redshift) + np.log10(1 + velocities / SPEED_OF_LIGHT)) / STEP
    phase = rfft(closed) * np.exp(-1j * frequency * shift[:, None])
    window = slice(BLUER, BLUER + MANGA_GRID.size)

    def broadened(variance: float) -> np.ndarray:
        return np.asarray(
            irfft(phase * np.exp(-0.5 * frequency**2 * variance), len(closed), axis=1)[:, window]
        )

    sharp = broadened(low)
    if high - low > 1e-3:
        # To first order a Gaussian is linear in its variance: the width may follow the wavelength.
        sharp = sharp + (broadened(high) - sharp) * ((wanted - low) / (high - low))
    return np.asarray(sharp / (1 + redshift), dtype=np.float32)


def flux_at_magnitude(magnitude: float, wave: float) -> float:
    """Flux density of an AB magnitude at a wavelength in angstrom, 1e-17 erg/s/cm2/angstrom."""
    return float(10 ** (-0.4 * (magnitude + 48.60)) * SPEED_OF_LIGHT * 1e13 / wave**2 * 1e17)
