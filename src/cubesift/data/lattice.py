"""Whether a file's channels are MaNGA's: by the header of the flux, or by its WAVE."""

from __future__ import annotations

import numpy as np

from cubesift.data.cards import Header, number
from cubesift.data.wavelength import MANGA_GRID, vacuum_from_air

TOLERANCE = 1e-3  # channels: 0.07 km/s


def on_lattice(header: Header) -> bool:
    """Whether the third axis is MaNGA's: wave = CRVAL exp(CD (p - CRPIX) / CRVAL) (FITS paper III)."""
    start = number(header, "CRVAL3")
    step = number(header, "CD3_3", number(header, "PC3_3", 1.0) * number(header, "CDELT3"))
    if header.get("CTYPE3") != "WAVE-LOG" or not start > 0 or not np.isfinite(step):
        return False
    ends = np.array([1, MANGA_GRID.size])
    log_wave = np.log(start) + step / start * (ends - number(header, "CRPIX3", 1.0))
    return bool(np.abs(log_wave - np.log(MANGA_GRID.wave[ends - 1])).max() < TOLERANCE * 1e-4 * np.log(10))


def trouble_with(wave: np.ndarray) -> str:
    """What is wrong with the wavelengths of WAVE (angstrom), for an error; empty where nothing is."""
    if wave.shape != (MANGA_GRID.size,) or not np.all(np.isfinite(wave)) or not np.all(wave > 0):
        return f"WAVE must be {MANGA_GRID.size} wavelengths in angstrom, and is not. Fetch it again."
    off = _channels_off(wave)
    if off < TOLERANCE:
        return ""
    if _channels_off(vacuum_from_air(wave)) < 0.1:
        return "WAVE is in air, but a LOGCUBE is in vacuum. Fetch it again."
    steps = np.diff(wave)
    if np.ptp(steps) < 1e-3 * abs(steps.mean()):
        return "WAVE is equally spaced in angstrom, but a LOGCUBE is in log10. Is it a LINCUBE?"
    return f"WAVE is off MaNGA's wavelengths by up to {off:.3g} channels. Fetch it again."


def _channels_off(wave: np.ndarray) -> float:
    return float(np.abs(MANGA_GRID.channel(wave) - np.arange(MANGA_GRID.size)).max())
