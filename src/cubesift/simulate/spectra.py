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

# Vacuum wavelengths, angstrom (MaNGA data analysis pipeline, ELPMPL11).
LINES = {
    "OII3727": 3727.09,
    "OII3729": 3729.88,
    "H9": 3836.47,
    "NeIII": 3869.86,
    "H8": 3890.15,
    "Hepsilon": 3971.20,
    "Hdelta": 4102.89,
    "Hgamma": 4341.68,
    "HeII": 4687.02,
    "Hbeta": 4862.68,
    "OIII4960": 4960.30,
    "OIII5008": 5008.24,
    "NI5199": 5199.35,
    "NI5201": 5201.71,
    "HeI": 5877.25,
    "OI6302": 6302.05,
    "OI6365": 6365.54,
    "NII6549": 6549.86,
    "Halpha": 6564.61,
    "NII6585": 6585.27,
    "SII6718": 6718.30,
    "SII6732": 6732.67,
    "ArIII": 7137.76,
    "SIII9071": 9071.10,
    "SIII9533": 9533.20,
}

# Recombination at 10,000 K, case B, over Hbeta (Osterbrock & Ferland 2006, table 4.4).
BALMER = {
    "Halpha": 2.86,
    "Hbeta": 1.0,
    "Hgamma": 0.468,
    "Hdelta": 0.259,
    "Hepsilon": 0.159,
    "H8": 0.105,
    "H9": 0.073,
}


@cache
def table(name: str) -> dict[str, np.ndarray]:
    """A compact table of `templates/`, read once: populations, stars, instrument or galaxies."""
    with (
        (files("cubesift.simulate") / "templates" / f"{name}.npz").open("rb") as file,
        np.load(file) as stored,
    ):
        return {key: stored[key] for key in stored.files}


def population(age: float, metallicity: float) -> np.ndarray:
    """Spectrum of a simple stellar population on `REST`, 1 at 7480 angstrom.

    Linear between the MaStar populations in log age and [Z/H] (Maraston+2020); continued below
    3622 angstrom by a power law whose slope follows the age: the level is right, the features are not there.

    Args:
        age: Gyr, 0.003 to 14.
        metallicity: [Z/H], -1.35 to 0.35.
    """
    given = table("populations")
    ages, metals = np.unique(given["age"]), np.unique(given["metallicity"])
    spectrum = np.zeros(given["flux"].shape[1])
    for i, age_weight in _neighbours(np.log10(ages), np.log10(age)):
        for j, metal_weight in _neighbours(metals, metallicity):
            row = np.flatnonzero((given["age"] == ages[i]) & (given["metallicity"] == metals[j]))[0]
            spectrum += age_weight * metal_weight * given["flux"][row]
    # Slopes between 3000 and 3600 angstrom of published population models, by eye: steep and blue to red.
    slope = np.interp(np.log10(age), [-2.5, -1, 0, 1.15], [-2.3, -1.2, 1.6, 5.0])
    wave = REST.wave
    blue = spectrum[:60].mean() * (wave[:BLUER] / wave[BLUER + 30]) ** slope
    red = np.full(REST.size - BLUER - len(spectrum), spectrum[-60:].mean())
    full = np.concatenate([blue, spectrum, red])
    return np.asarray(full / full[REST.between(7380, 7580)].mean())


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

    Shifted by a phase in log wavelength, so nothing is interpolated. The templates have MaNGA's own
    resolution at rest: only what they lack at (1 + z) is added to the stars' dispersion.

    Args:
        rest: on `REST`; the observed flux density is this divided by (1 + redshift).
        sigma: dispersion, km/s.
        velocities: km/s, away from us positive.
        redshift: of the systemic velocity.
    """
    wave = MANGA_GRID.wave
    template = np.interp(
        wave / (1 + redshift), REST.wave[BLUER : BLUER + 4562], table("populations")["sigma"]
    )
    lacking = np.maximum(line_spread(wave) ** 2 - template**2, 0)
    wanted = (sigma**2 + lacking) / CHANNEL**2  # channels**2
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


def glowing(fluxes: dict[str, float], sigma: float, velocities: np.ndarray, redshift: float) -> np.ndarray:
    """Emission lines as observed on MANGA_GRID at each velocity, (velocity, wave) float32.

    Each line is a Gaussian in log wavelength: gas dispersion and line spread in quadrature.

    Args:
        fluxes: observed flux of each line of `LINES` (or of a wavelength written as a key "1215.67").
        sigma: of the gas, km/s.
        velocities: km/s.
        redshift: systemic.
    """
    spectra = np.zeros((len(velocities), MANGA_GRID.size), dtype=np.float32)
    channels = np.arange(MANGA_GRID.size)
    for name, flux in fluxes.items():
        rest = LINES[name] if name in LINES else float(name)
        observed = rest * (1 + redshift) * (1 + velocities / SPEED_OF_LIGHT)
        centre = MANGA_GRID.channel(observed)
        width = np.sqrt(sigma**2 + line_spread(observed) ** 2) / CHANNEL
        reach = 6 * width.max()
        low, high = int(max(centre.min() - reach, 0)), int(min(centre.max() + reach, MANGA_GRID.size))
        if low >= high:
            continue
        away = (channels[low:high] - centre[:, None]) / width[:, None]
        per_channel = np.exp(-0.5 * away**2) / (np.sqrt(2 * np.pi) * width[:, None])
        angstrom = MANGA_GRID.wave[low:high] * np.log(10) * STEP  # of a channel
        spectra[:, low:high] += flux * per_channel / angstrom
    return spectra


def line_ratios(nitrogen: float, hardness: float, attenuation: float) -> dict[str, float]:
    """Observed fluxes of all lines with Halpha = 1, from two coordinates of the BPT diagram.

    Args:
        nitrogen: log [N II] 6585 / Halpha.
        hardness: log [O III] 5008 / Hbeta.
        attenuation: A_V of the gas, mag, O'Donnell (1994).
    """
    nii, oiii = 10**nitrogen, 10**hardness
    harder = 1 / (1 + np.exp(-4 * (nitrogen + 0.3)))  # 0 star forming, 1 active
    over_alpha = {
        "NII6585": nii,
        "NII6549": 0.34 * nii,
        "SII6718": 0.58 * (0.25 + 0.75 * nii),
        "SII6732": 0.42 * (0.25 + 0.75 * nii),
        "OI6302": 0.02 + 0.15 * harder,
        "OI6365": 0.32 * (0.02 + 0.15 * harder),
        "ArIII": 0.03,
    }
    over_beta = {
        **BALMER,
        "OIII5008": oiii,
        "OIII4960": 0.35 * oiii,
        "OII3727": 1.0 + 0.8 * harder,
        "OII3729": 1.35 + 0.9 * harder,
        "NeIII": 0.08 * oiii,
        "HeII": 0.005 + 0.02 * harder * oiii,
        "NI5199": 0.01 + 0.06 * harder,
        "NI5201": 0.01 + 0.05 * harder,
        "HeI": 0.11,
        "SIII9071": 0.20,
        "SIII9533": 0.50,
    }
    lines = {name: ratio * BALMER["Halpha"] for name, ratio in over_alpha.items()} | over_beta
    names = list(lines)
    dust = transmission(np.array([LINES[name] for name in names]), attenuation / 3.1)
    seen = np.array([lines[name] for name in names]) * dust
    seen /= seen[names.index("Halpha")]
    return dict(zip(names, seen.tolist(), strict=True))
