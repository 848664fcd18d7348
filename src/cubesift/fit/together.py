"""Lines of a galaxy's spaxels, each drawn to what the others have: to rebuild with, not to measure."""

from __future__ import annotations

import numpy as np

from cubesift.fit.codes import LINES, Codes, Measured
from cubesift.fit.lines import NAMES

ROUNDS = 20
STEADY = 4.0  # lines' worth of being as bright as usual
LEAST = 1e-8  # of the strongest direction's variance: what no spaxel has stays possible


def drawn_together(codes: Measured) -> Codes:
    """Codes whose fluxes are the most likely ones where spaxels are alike but for brightness.

    Fluxes are N(0, brightness² C): brightness is a spaxel's own, C the galaxy's, both found with the fluxes
    by expectation and maximisation (Dempster, Laird & Rubin 1977). What noise leaves open about a line's
    ratio to the others is told by other spaxels. That biases fluxes, by less than their errors: measure
    with the codes as they came.

    Args:
        codes: of one galaxy.
    """
    noise = codes.covariance[:, LINES, LINES].astype(np.float64)
    flux = codes.flux.astype(np.float64)
    seen = np.square(flux).mean(axis=0)
    prior = np.diag(np.maximum(seen, LEAST * seen.max()))
    scale, mean = np.ones(len(flux)), flux
    for _ in range(ROUNDS):
        given = scale[:, None, None] * prior
        gain = np.linalg.solve(given + noise, given).transpose(0, 2, 1)
        mean = (gain @ flux[..., None])[..., 0]
        second = mean[:, :, None] * mean[:, None, :] + given - gain @ given
        inverse = np.linalg.inv(prior)
        own = np.einsum("ij,sij->s", inverse, second)
        scale = (own + STEADY) / (len(NAMES) + STEADY)
        prior = (second / scale[:, None, None]).mean(axis=0)
        prior += LEAST * np.trace(prior) * np.eye(len(NAMES))
    numbers = codes.numbers.copy()
    numbers[:, LINES] = mean
    return Codes(numbers)
