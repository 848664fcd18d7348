"""Codes as brightness and kind: what a spaxel has of everything per unit of its light."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cubesift.fit.codes import LINES, MOTIONS, Codes, Measured
from cubesift.fit.spaxels import SIGMA

SEEN = 3.0  # S/N of all light, below which a spaxel says nothing of its kind
CLEAR = 30.0  # from which it says what is usual
NARROWEST = 15.0  # km/s, of sigma


@dataclass(frozen=True)
class Values:
    """ln(light), and per unit of light the continuum's departures and the lines' fluxes; motions as they are.

    Nearly independent of each other: the metric of the codes is close to diagonal in them.
    """

    values: np.ndarray  # (spaxel, number)
    weights: np.ndarray  # (spaxel, number): inverse variances; 0 = not known


@dataclass(frozen=True)
class Relative:
    """What light is in a survey, and which departures from its usual spectrum are equally visible."""

    usual: np.ndarray  # (component,) per unit of light
    light: np.ndarray  # (component,): of amounts, what a matched filter of the usual spectrum finds
    into: np.ndarray  # (component - 1, component): departures of amounts per light
    back: np.ndarray  # (component, component - 1)

    def values(self, codes: Measured) -> Values:
        """Of each spaxel, with the precision of each value where the others are as they are."""
        count = len(self.usual)
        precision = np.linalg.inv(codes.covariance.astype(np.float64))
        of_continuum, own = precision[:, :count, :count], np.einsum("sii->si", precision)
        light = codes.continuum @ self.light
        certain = np.einsum("i,sij,j->s", self.usual, of_continuum, self.usual, optimize=True)
        seen = light * np.sqrt(np.maximum(certain, 0)) > SEEN
        light = np.where(seen, light, 1.0)
        departures = (codes.continuum / light[:, None] - self.usual) @ self.into.T
        values = np.concatenate(
            [np.log(light)[:, None], departures, codes.flux / light[:, None], codes.numbers[:, -MOTIONS:]],
            axis=1,
        )
        values[:, -3] -= SIGMA[0]
        turned = of_continuum @ self.back
        weights = np.concatenate(
            [certain[:, None], np.einsum("ki,ski->si", self.back, turned), own[:, LINES]], axis=1
        )
        weights = np.concatenate([weights * light[:, None] ** 2, own[:, -MOTIONS:]], axis=1)
        return Values(values, weights * seen[:, None])

    def codes(self, values: np.ndarray) -> Codes:
        """Back, of (spaxel, number)."""
        count = len(self.usual)
        light = np.exp(values[:, :1])
        continuum = light * (self.usual + values[:, 1:count] @ self.back.T)
        motions = values[:, -MOTIONS:].copy()
        motions[:, 1] = np.maximum(motions[:, 1] + SIGMA[0], NARROWEST)
        return Codes(np.concatenate([continuum, light * values[:, LINES], motions], axis=1))


def learn_relative(galaxies: Iterable[Measured]) -> Relative:
    """From the codes of some galaxies: the usual spectrum, and the metric of the codes of a unit of light."""
    metric: np.ndarray | float = 0.0
    usual = []
    for codes in galaxies:
        count = codes.continuum.shape[1]
        precision = np.linalg.inv(codes.covariance[:, :count, :count].astype(np.float64))
        of_first = precision[:, 0, 0]
        metric = metric + (precision / of_first[:, None, None]).sum(axis=0)
        clear = codes.continuum[:, 0] * np.sqrt(of_first) > CLEAR
        if clear.any():
            usual.append(np.median(codes.continuum[clear] / codes.continuum[clear, :1], axis=0))
    middle = np.median(usual, axis=0)
    factor = np.linalg.cholesky(metric)  # of the metric, factor factorᵀ: codes times it count alike
    across = np.linalg.svd((factor.T @ middle)[:, None])[0][:, 1:]
    light = metric @ middle / (middle @ metric @ middle)
    return Relative(middle, light, across.T @ factor.T, np.linalg.solve(factor.T, across))
