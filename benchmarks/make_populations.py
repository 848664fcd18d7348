"""Remake the simulator's stellar populations and stars: `make_populations.py DATA TEMPLATES`.

TEMPLATES is mangadap/data/spectral_templates of the package sdss-mangadap 4.5.0: what is bluer than MaStar.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

from cubesift.data.wavelength import MANGA_GRID, SPEED_OF_LIGHT, WavelengthGrid, vacuum_from_air

HERE = Path(__file__).parents[1] / "src" / "cubesift" / "simulate" / "templates"
BLUER = 830  # channels below MaStar's first: z = 0.2 and some room
BC03_AGES = (0.005, 0.025, 0.101, 0.286, 0.640, 0.904, 1.434, 2.5, 5.0, 10.0)  # Gyr
BC03_METALS = (0.004, 0.008, 0.020, 0.050)
MARCS_AGES = (3.0, 5.0, 7.0, 8.0, 10.0, 11.0, 12.0, 13.0)  # Gyr


def make_populations(data: Path, bluer: Path) -> None:
    """54 populations on MaNGA's lattice from channel -830 (2991 angstrom), and their resolution in km/s.

    MaStar ends at 3622 angstrom. From 3327 to there the shape is that of the Bruzual & Charlot (2003)
    population nearest in age and metallicity (2.3 angstrom FWHM = 86 km/s, MaStar has 90); from 3000 to
    3327 it is M11-MARCS (Maraston & Stromback 2011) for 2.5 Gyr and older, and for younger ones, whose hot
    stars have few lines there, the power law of BC03 between 3330 and 3560. Both are in air.
    """
    given = np.load(data / "templates" / "mastar_ssp.npz")
    names = [str(name).split("-", 2)[2] for name in given["name"]]
    ages = np.array([float(name[1:7]) for name in names])
    metals = np.array([float(name.split("Z")[1]) for name in names])
    grid = WavelengthGrid(-BLUER, BLUER + given["flux"].shape[1])
    wave = grid.wave
    flux = np.zeros((len(ages), grid.size))
    flux[:, BLUER:] = given["flux"]
    join, farther, smooth = grid.between(3622, 3660), grid.between(3330, 3400), grid.between(3330, 3560)
    for spectrum, age, metal in zip(flux, ages, metals, strict=True):
        young = f"BC03_z{nearest(BC03_METALS, 0.02 * 10**metal):.3f}_a{nearest(BC03_AGES, age):06.3f}.fits"
        blue = resampled(bluer / "bc03_mpajhu" / young, grid)
        if age >= 2.5:
            old = (
                f"M11_MARCS_res2.7_imf_ss_age_{nearest(MARCS_AGES, age):.2f}_z_{0.35 * (metal > 0.17):.4f}_s"
            )
            far = resampled(bluer / "m11_marcs" / f"{old}.fits", grid)
            far *= blue[farther].mean() / far[farther].mean()
        else:
            slope, level = np.polyfit(np.log(wave[smooth]), np.log(blue[smooth]), 1)
            far = np.exp(level) * wave**slope
        blue = np.where(wave < 3329, far, blue)
        spectrum[:BLUER] = (blue * spectrum[join].mean() / blue[join].mean())[:BLUER]
    np.savez_compressed(
        HERE / "populations.npz",
        flux=flux.astype(np.float32),
        age=ages,  # Gyr
        metallicity=metals,  # [Z/H]
        sigma=(SPEED_OF_LIGHT / 2.3548 / np.median(given["sres"], axis=0)).astype(np.float32),
    )


def nearest(values: tuple[float, ...], wanted: float) -> float:
    """The value whose ratio to the wanted one is nearest 1."""
    return min(values, key=lambda value: abs(np.log(value / wanted)))


def resampled(file: Path, grid: WavelengthGrid) -> np.ndarray:
    """A spectrum in air and linear steps, averaged over each channel (its end values beyond its ends)."""
    with fits.open(file) as hdus:
        header, flux = hdus[0].header, hdus[0].data.astype(float)
    bins = np.arange(len(flux) + 1) + 0.5 - header["CRPIX1"]
    edges = vacuum_from_air(header["CRVAL1"] + header["CDELT1"] * bins)
    light = np.interp(channel_edges(grid), edges, np.concatenate([[0], np.cumsum(flux * np.diff(edges))]))
    width = np.diff(np.clip(channel_edges(grid), edges[0], edges[-1]))
    found = np.diff(light) / np.maximum(width, 1e-9)
    return np.asarray(np.where(width > 0, found, flux[0]))


def channel_edges(grid: WavelengthGrid) -> np.ndarray:
    """Where channels begin and end, angstrom, (size + 1,)."""
    return np.concatenate([grid.wave * 10**-0.5e-4, grid.wave[-1:] * 10**0.5e-4])


def make_stars(data: Path) -> None:
    """Thirty-odd stars with clean spectra; the few channels MaStar lacks repeat the nearest."""
    given = np.load(data / "templates" / "mastar_stars.npz")
    flux = given["flux"]
    clean = np.flatnonzero(flux.min(axis=1) > 0.1)
    first = int(np.rint(np.log10(given["wave"][0] / MANGA_GRID.wave[0]) / 1e-4))
    full = np.pad(flux[clean], ((0, 0), (first, MANGA_GRID.size - first - flux.shape[1])), mode="edge")
    np.savez_compressed(HERE / "stars.npz", flux=full.astype(np.float32))


if __name__ == "__main__":
    data, templates = map(Path, sys.argv[1:3])
    make_populations(data, templates)
    make_stars(data)
