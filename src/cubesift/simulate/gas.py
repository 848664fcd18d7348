"""The gas: its lines, their ratios by what makes it glow, their shape as the spectrograph sees it."""

from __future__ import annotations

import numpy as np

from cubesift.data.dust import transmission
from cubesift.data.wavelength import MANGA_GRID, SPEED_OF_LIGHT, STEP
from cubesift.simulate.spectra import CHANNEL, line_spread

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
