"""The gas: its lines, their ratios by what makes it glow, their shape as the spectrograph sees it."""

from __future__ import annotations

import numpy as np

from cubesift.data.dust import transmission
from cubesift.data.wavelength import MANGA_GRID, SPEED_OF_LIGHT, STEP
from cubesift.simulate.spectra import CHANNEL, line_spread

# Vacuum wavelengths, angstrom: MaNGA's analysis pipeline, ELPMPL11; [Ne V], [O III] 4364, weak He I: NIST.
LINES = {
    "NeV3347": 3346.79,
    "NeV3427": 3426.85,
    "OII3727": 3727.09,
    "OII3729": 3729.88,
    "H12": 3751.22,
    "H11": 3771.70,
    "H10": 3798.98,
    "H9": 3836.47,
    "NeIII": 3869.86,
    "HeI3890": 3889.75,
    "H8": 3890.15,
    "NeIII3969": 3968.59,
    "Hepsilon": 3971.20,
    "Hdelta": 4102.89,
    "Hgamma": 4341.68,
    "OIII4364": 4364.44,
    "HeI4473": 4472.73,
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
    "HeI6680": 6679.99,
    "SII6718": 6718.30,
    "SII6732": 6732.67,
    "HeI7067": 7067.66,
    "ArIII": 7137.76,
    "ArIII7753": 7753.24,
    "P10": 9017.38,
    "SIII9071": 9071.10,
    "P9": 9231.55,
    "SIII9533": 9533.20,
    "P8": 9548.59,
}

# Recombination at 10,000 K, 100 per cm3, case B, over Hbeta (Osterbrock & Ferland 2006, tables 4.4 and 4.6).
HYDROGEN = {
    "Halpha": 2.86,
    "Hbeta": 1.0,
    "Hgamma": 0.468,
    "Hdelta": 0.259,
    "Hepsilon": 0.159,
    "H8": 0.105,
    "H9": 0.0731,
    "H10": 0.0530,
    "H11": 0.0397,
    "H12": 0.0305,
    "P8": 0.0366,
    "P9": 0.0254,
    "P10": 0.0184,
}
HELIUM = {"HeI": 0.12, "HeI3890": 0.08, "HeI4473": 0.042, "HeI6680": 0.034, "HeI7067": 0.022}  # over Hbeta


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


def star_forming_ridge(nitrogen: float) -> float:
    """log [O III]/Hbeta of H II regions with this log [N II]/Halpha: Kewley+2013, eq. 2 at z = 0."""
    return max(0.61 / (nitrogen + 0.08) + 1.1, -0.8) if nitrogen < -0.2 else -0.8


def activity(nitrogen: float, hardness: float) -> float:
    """Place in the BPT diagram: 0 up to the line of Kauffmann+2003, 1 from that of Kewley+2001 on."""
    if nitrogen >= 0.3:
        return 1.0
    above_kewley = hardness - (0.61 / (nitrogen - 0.47) + 1.19)
    if above_kewley >= 0:
        return 1.0
    if nitrogen >= 0.0:
        return float(np.clip(1 + above_kewley, 0, 1))
    above_kauffmann = hardness - (0.61 / (nitrogen - 0.05) + 1.3)
    return float(np.clip(above_kauffmann / (above_kauffmann - above_kewley), 0, 1))


def line_ratios(
    nitrogen: float, hardness: float, attenuation: float, density: float = 100.0, diffuse: float = 0.0
) -> dict[str, float]:
    """Observed fluxes of all lines with Halpha = 1, from two coordinates of the BPT diagram.

    The lines of low ionisation follow the loci of Kewley+2006, read by eye: star forming, then LI(N)ER or
    Seyfert by `hardness`. Doublets of [S II] and [O II] follow the density (Sanders+2016, eq. 6 and table 1).

    Args:
        nitrogen: log [N II] 6585 / Halpha.
        hardness: log [O III] 5008 / Hbeta.
        attenuation: A_V of the gas, mag, O'Donnell (1994).
        density: electrons per cm3.
        diffuse: dex by which [S II], [O I] and [N I] are stronger than on these loci.
    """
    nii, oiii = 10**nitrogen, 10**hardness
    active = activity(nitrogen, hardness)
    seyfert = active * float(np.clip((hardness - 0.5) / 0.4, 0, 1))
    poor = nitrogen + 0.65  # below 0: metal-poor regions, where [N II] is weak for another reason than [S II]

    def level(forming: float, liner: float, strong: float) -> float:
        hard = liner + seyfert * (strong - liner)
        return float(10 ** (forming + active * (hard - forming)))

    low = 10**diffuse
    sii = low * level(-0.50 - 0.3 * poor**2 - 0.2 * max(poor, 0), 0.0, -0.2)
    oi = low * level(-1.85 - 0.5 * poor, -0.75, -1.0)
    oii = level(0.5 - 1.2 * max(poor, 0), 0.65, 0.45)
    red, blue = 0.4315 * (2107 + density) / (627.1 + density), 0.3771 * (2468 + density) / (638.4 + density)
    over_alpha = {
        "NII6585": nii,
        "NII6549": 0.34 * nii,
        "SII6718": sii * red / (1 + red),
        "SII6732": sii / (1 + red),
        "OI6302": oi,
        "OI6365": 0.32 * oi,
        "ArIII": 0.03,
        "ArIII7753": 0.03 * 0.24,
    }
    neon = (0.08 + 0.04 * active) * oiii
    over_beta = {
        **HYDROGEN,
        **HELIUM,
        "OIII5008": oiii,
        "OIII4960": 0.35 * oiii,
        "OIII4364": 0.006 * oiii,
        "OII3727": oii / (1 + blue),
        "OII3729": oii * blue / (1 + blue),
        "NeIII": neon,
        "NeIII3969": 0.30 * neon,
        "NeV3427": 0.06 * seyfert * oiii,
        "NeV3347": 0.022 * seyfert * oiii,
        "HeII": 0.004 + 0.02 * active * oiii,
        "NI5199": low * (0.008 + 0.06 * active),
        "NI5201": low * (0.006 + 0.05 * active),
        "SIII9071": 0.20,
        "SIII9533": 0.20 * 2.44,
    }
    lines = {name: ratio * HYDROGEN["Halpha"] for name, ratio in over_alpha.items()} | over_beta
    names = list(lines)
    dust = transmission(np.array([LINES[name] for name in names]), attenuation / 3.1)
    seen = np.array([lines[name] for name in names]) * dust
    seen /= seen[names.index("Halpha")]
    return dict(zip(names, seen.tolist(), strict=True))
