"""Learning the continua of a survey: noise-weighted components of spectra with gaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from cubesift.data.wavelength import WavelengthGrid
from cubesift.fit.basis import Basis
from cubesift.fit.lines import near_lines
from cubesift.fit.normal import Products, prior_precision, solved
from cubesift.fit.stars import filled_by_stars

GAP = 9  # channels to each side of a line that are no continuum: 350 km/s and three times a line's sigma
TOGETHER = 1024  # spectra at a time
ODD = 2.0  # reduced chi2 from which a spectrum counts less, as its inverse square
WIDE = 4.0  # times the variance of the amounts found, so that the prior never holds what was seen
TOLD = 200  # spectra by which gaps are filled: several times the components
FILLS = 3  # rounds in which the first components, of spectra with gaps, fill them themselves


@dataclass(frozen=True)
class Learning:
    """How the continua are learned."""

    components: Annotated[int, Field(ge=1)] = (
        29  # with 15 fluxes, two velocities and two widths: 48 numbers a spaxel
    )
    rounds: Annotated[int, Field(ge=1)] = 12
    seed: Annotated[int, Field(ge=0)] = 0


def learn_basis(
    flux: np.ndarray,
    ivar: np.ndarray,
    grid: WavelengthGrid,
    settings: Learning,
    progress: Callable[[int, float], None] = lambda *_: None,
) -> Basis:
    """Components that leave the least chi2, each spectrum with the noise and the gaps it has.

    Alternating least squares (as Tsalmantza & Hogg 2012; Bailey 2012): amounts of every spectrum, then
    components channel by channel. The channels of lines are gaps in every spectrum, and in the end are
    filled by stars. Spectra that do not fit count less: an oddity is not learned.

    Args:
        flux: (spectrum, wave) at rest.
        ivar: (spectrum, wave), 0 = missing.
        grid: at rest.
        settings: how.
        progress: gets the round and the median reduced chi2 before it.
    """
    lines = near_lines(grid, GAP)
    ivar = ivar * ~lines
    components = first_components(flux, ivar, settings.components, settings.seed)
    spread = np.full(settings.components, np.inf)
    for number in range(settings.rounds):
        products = Products(components)
        outer = np.zeros((grid.size, products.pairs), np.float32)
        right = np.zeros((grid.size, settings.components), np.float32)
        amounts, misfits = [], []
        for start in range(0, len(flux), TOGETHER):
            of, weight = flux[start : start + TOGETHER], ivar[start : start + TOGETHER]
            some = amounts_of(of, weight, products, spread)
            misfit = np.square(of - some @ components) * weight
            misfits.append(misfit.sum(axis=1) / np.maximum((weight > 0).sum(axis=1), 1))
            amounts.append(some)
            weight = weight * np.minimum(1, (ODD / np.maximum(misfits[-1], 1e-3)) ** 2)[:, None]
            outer += weight.T @ products.outer(some)
            right += (weight * of).T @ some
        components = refined(components, products.square(outer), right)
        spread = spread_of(np.concatenate(amounts))
        progress(number + 1, float(np.median(np.concatenate(misfits))))
    found = np.concatenate(amounts)
    return Basis(grid, filled_by_stars(components, found[clear(found, ivar)], lines, grid), spread)


def amounts_of(flux: np.ndarray, ivar: np.ndarray, products: Products, spread: np.ndarray) -> np.ndarray:
    """(spectrum, component) float32: what of each component a spectrum has."""
    matrices = products.matrices(ivar)
    right = ((flux * ivar) @ products.components.T).astype(np.float64)
    diagonal = np.arange(len(products.components))
    matrices[:, diagonal, diagonal] += prior_precision(spread, matrices, right) + 1e-20
    return solved(matrices, right).astype(np.float32)


def refined(components: np.ndarray, matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Components channel by channel; where little was seen they stay near what they were.

    Args:
        components: (component, wave) of before.
        matrices: (wave, component, component), sums of the amounts' products over the spectra.
        right: (wave, component), sums of amount times flux.
    """
    seen = np.trace(matrices, axis1=1, axis2=2) / len(components)
    hold = 1e-3 * np.median(seen[seen > 0]) + 1e-4 * seen
    diagonal = np.arange(len(components))
    matrices[:, diagonal, diagonal] += hold[:, None]
    return solved(matrices, right + hold[:, None] * components.T).T.astype(np.float32)


def clear(amounts: np.ndarray, ivar: np.ndarray) -> np.ndarray:
    """Places of up to `TOLD` spectra, evenly among the half that has less noise for its light."""
    signal = amounts[:, 0] * np.sqrt(ivar.sum(axis=1))
    half = np.argsort(-signal, kind="stable")[: (len(signal) + 1) // 2]
    return np.asarray(half[np.linspace(0, len(half) - 1, min(TOLD, len(half))).astype(int)])


def spread_of(amounts: np.ndarray) -> np.ndarray:
    """(component,) variance of the amounts over the first's; by the median, so that oddities do not count."""
    relative = amounts / np.maximum(np.abs(amounts[:, :1]), 1e-20)
    middle = np.median(relative, axis=0)
    return np.asarray(WIDE * (1.4826 * np.median(np.abs(relative - middle), axis=0)) ** 2 + middle**2 + 1e-10)


def first_components(flux: np.ndarray, ivar: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(count, wave) float32: the mean of spectra divided by their brightness, then principal components."""
    good = ivar > 0
    brightness = np.einsum("sw,sw->s", flux, good, optimize=True) / np.maximum(good.sum(axis=1), 1)
    bright = brightness > 0
    flux, good, brightness = flux[bright], good[bright], brightness[bright, None]
    weight = np.sqrt(np.median(np.where(good, ivar[bright], 0), axis=1))[:, None] * brightness
    weight = np.minimum(weight, np.percentile(weight, 90)).astype(np.float32)
    often = good.sum(axis=0)
    mean = np.einsum("sw,sw->w", flux / brightness, good, optimize=True) / np.maximum(often, 1)
    known = np.flatnonzero(often > 0.001 * len(flux))
    mean = np.interp(np.arange(len(mean)), known, mean[known]).astype(np.float32)
    away = np.where(good, flux / brightness - mean, 0).astype(np.float32)
    principal = np.zeros((0, flux.shape[1]), np.float32)
    for _ in range(FILLS if count > 1 else 0):
        principal = _principal(away * weight, count - 1, seed)
        filling = (away @ principal.T) @ principal
        away = np.where(good, away, filling * known_channels(often))
    return np.concatenate([mean[None], principal]).astype(np.float32)


def known_channels(often: np.ndarray) -> np.ndarray:
    """(wave,) float32: 1 where any spectrum has seen the channel; a gap of all is not made up."""
    return (often > 0).astype(np.float32)


def _principal(spectra: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The strongest directions, (count, wave), by random projections (Halko, Martinsson & Tropp 2011)."""
    rng = np.random.default_rng(seed)
    sketch = spectra @ rng.standard_normal((spectra.shape[1], count + 10)).astype(np.float32)
    for _ in range(3):
        sketch, _ = np.linalg.qr(sketch)
        sketch = spectra @ (spectra.T @ sketch)
    sketch, _ = np.linalg.qr(sketch)
    return np.asarray(np.linalg.svd(sketch.T @ spectra, full_matrices=False)[2][:count])
