"""How often each oddity is planted, and how strong it is: the defaults, and where they come from."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

# Share of galaxies that hold one. The "fields" are the 10,130 with a human look at each object (Fu+2018,
# Steffen+2021). Foreground stars and broad lines are planted where the catalogue's rows have them (1,212 of
# these fields and 84 of their objects): broad lines said here come on top, foreground stars in their place.
RATES = MappingProxyType(
    {
        "unflagged_star": 0.012,  # guess: one field with stars in ten holds one that was not flagged
        "background_line": 0.01,  # guess
        "second_galaxy": 0.0445,  # 451 objects at another redshift in the fields
        "quasar": 0.0023,  # 23 background quasars in the fields
        "broad_lines": 0.0,
        "power_law": 0.0003,  # guess
        "double_peaked_lines": 0.003,  # one in a hundred active galaxies (Lyu & Liu 2016), a third of all
        "outflow": 0.005,  # guess
        "supernova": 0.00014,  # 100 in some 700,000 spectra of SDSS (Graur & Maoz 2013)
        "post_starburst": 0.018,  # 94 in centres, 85 in rings, of 10,010 galaxies (arXiv 2312.03616)
        "starburst_region": 0.001,  # guess
        "starburst_galaxy": 0.001,  # guess
        "misaligned_gas": 0.0,  # galaxies are drawn with it: the rate is in `traits.py`
        "swapped_patches": 0.001,  # these three test a method, and are rare in the sky: guesses
        "ring": 0.001,
        "offset_nucleus": 0.001,
        "wrong_redshift": 0.0017,  # 17 main targets of the fields
        "dead_fibre": 0.01,  # guesses, from here on
        "cosmic_ray": 0.02,
        "sky_oversubtraction": 0.005,
        "flux_step": 0.005,
        "scattered_light": 0.005,
        "wavelength_shift": 0.002,
    }
)

# The range that a strength is drawn from, evenly (magnitudes: as the catalogue's within the range).
STRENGTHS = MappingProxyType(
    {
        "foreground_star": (13.5, 24.8),  # magnitude in r
        "unflagged_star": (13.5, 24.8),  # magnitude in r
        "background_line": (3.0, 20.0),  # S/N of a matched filter
        "second_galaxy": (17.0, 24.8),  # magnitude in r
        "quasar": (18.5, 24.8),  # magnitude in r
        "broad_lines": (60.0, 300.0),  # observed angstrom of Halpha over the nucleus' own continuum
        "power_law": (0.3, 3.0),  # times the nucleus' own light in r, in its spaxel
        "double_peaked_lines": (350.0, 600.0),  # km/s between the peaks
        "outflow": (200.0, 700.0),  # km/s towards us
        "supernova": (-19.5, -16.5),  # absolute magnitude in B
        "post_starburst": (0.6, 1.0),  # share of the light replaced in the middle of the patch
        "starburst_region": (500.0, 1500.0),  # angstrom at rest of Halpha in its brightest spaxel
        "starburst_galaxy": (500.0, 1500.0),  # the same of the whole galaxy
        "misaligned_gas": (60.0, 180.0),  # degrees between the axes of stars and gas
        "swapped_patches": (1.5, 2.5),  # radius of a patch, arcsec
        "ring": (3.0, 5.0),  # radius, arcsec
        "offset_nucleus": (2.0, 4.0),  # arcsec
        "wrong_redshift": (0.01, 0.1),  # between the catalogue's and the true one, either sign
        "dead_fibre": (0.5, 0.9),  # share of the light lost
        "cosmic_ray": (10.0, 60.0),  # S/N of a matched filter
        "sky_oversubtraction": (0.02, 0.1),  # of the sky's brightness
        "flux_step": (0.2, 0.6),  # of the flux redward of the step, either sign
        "scattered_light": (0.1, 0.5),  # of the dark sky's brightness
        "wavelength_shift": (30.0, 150.0),  # km/s, either sign; a channel is 69
    }
)

# Quantiles of the r magnitudes (psfmag_r) of objects in the same fields.
LEVELS = (0.0, 0.05, 0.25, 0.50, 0.75, 0.95, 1.0)
MAGNITUDES = MappingProxyType(
    {
        "second_galaxy": (17.15, 18.49, 19.76, 20.62, 21.28, 22.27, 24.8),  # 435 at another redshift
        "quasar": (18.55, 18.78, 19.87, 20.56, 21.60, 22.93, 24.8),  # 21
    }
)


def magnitude(rng: np.random.Generator, kind: str, ends: tuple[float, float]) -> float:
    """One r magnitude of a kind of `MAGNITUDES`, as the catalogue's between two ends; evenly beyond it."""
    quantiles = MAGNITUDES[kind]
    if ends[1] <= quantiles[0] or ends[0] >= quantiles[-1]:
        return float(rng.uniform(*ends))
    low, high = np.interp(ends, quantiles, LEVELS)
    return float(np.interp(rng.uniform(low, high), LEVELS, quantiles))
