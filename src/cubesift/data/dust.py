"""Dust of our own Galaxy: how much of the light at each wavelength it takes away."""

from __future__ import annotations

from typing import Literal

import numpy as np

Law = Literal["odonnell94", "ccm89"]

# Coefficients of a(x) and b(x) in y = x - 1.82, x in 1/micron, for 1.1 <= x <= 3.3.
_OPTICAL: dict[str, tuple[list[float], list[float]]] = {
    "odonnell94": (  # O'Donnell (1994), ApJ 422, 158, eq. 8 and 9
        [1, 0.104, -0.609, 0.701, 1.137, -1.718, -0.827, 1.647, -0.505],
        [0, 1.952, 2.908, -3.989, -7.985, 11.102, 5.491, -10.805, 3.347],
    ),
    "ccm89": (  # Cardelli, Clayton & Mathis (1989), ApJ 345, 245, eq. 3
        [1, 0.17699, -0.50447, -0.02427, 0.72085, 0.01979, -0.77530, 0.32999],
        [0, 1.41338, 2.28305, 1.07233, -5.38434, -0.62251, 5.30260, -2.09002],
    ),
}


def transmission(wave: np.ndarray, ebv: float, law: Law = "odonnell94", rv: float = 3.1) -> np.ndarray:
    """Fraction of the light that reaches us, 10**(-0.4 A(wave)); same shape as `wave`.

    Args:
        wave: observed wavelengths in vacuum, 3030 to 33,000 angstrom.
        ebv: Galactic E(B-V), mag.
        law: the extinction curve; MaNGA's analysis pipeline uses O'Donnell (1994).
        rv: total to selective extinction, A(V) / E(B-V).

    Raises:
        ValueError: a wavelength lies outside the law.
    """
    x = 1e4 / np.asarray(wave, dtype=np.float64)  # 1/micron
    if x.min() < 0.3 or x.max() > 3.3:
        raise ValueError(f"{law} is defined from 3030 to 33,000 angstrom")
    a_coefficients, b_coefficients = _OPTICAL[law]
    y = x - 1.82
    optical = np.polynomial.polynomial.polyval
    infrared = x**1.61  # CCM89, eq. 2; O'Donnell keeps it
    a = np.where(x < 1.1, 0.574 * infrared, optical(y, a_coefficients))
    b = np.where(x < 1.1, -0.527 * infrared, optical(y, b_coefficients))
    return np.asarray(10 ** (-0.4 * (a + b / rv) * rv * ebv))
