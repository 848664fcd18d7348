"""Remake the real figures that simulations are judged by: `make_anchors.py DATA [OUT]`.

Needs `src/cubesift/judge/` only for its measures: real maps and spectra go through the same functions as
simulated ones. Numbers are rounded to five digits; no map and no spectrum of a galaxy is kept.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from cubesift.data.cube import DONOTUSE
from cubesift.data.wavelength import MANGA_START, SPEED_OF_LIGHT
from cubesift.judge.emission import HALPHA, HBETA, NII, OIII, VELOCITIES, WINDOWS
from cubesift.judge.noise import REACH, distances, spectra_of
from cubesift.judge.profiles import EDGES, Maps, figures_of, profiles_of

HERE = Path(__file__).parents[1] / "src" / "cubesift" / "judge" / "anchors.json"
LINES = {"Hb-4862": HBETA, "OIII-5008": OIII, "Ha-6564": HALPHA, "NII-6585": NII}
# Age in Gyr and [Z/H] of the populations that are taken out under the lines.
POPULATIONS = ((0.1, 0.0), (0.3, 0.0), (2.0, 0.0), (9.0, 0.0), (9.0, 0.35), (9.0, -0.66))
BROADENING = 80.0  # km/s, of the populations: about that of a disc


def galaxy_anchor(data: Path) -> dict[str, Any]:
    """7815-3702 by radius, from its maps (MaNGA data analysis pipeline, HYB10-GAU-MILESHC)."""
    row = next(row for row in rows_of(data) if row["plateifu"] == "7815-3702")
    with fits.open(data / "manga" / "manga-7815-3702-MAPS-HYB10-GAU-MILESHC.fits.gz") as hdus:
        channel = {
            name: {str(hdus[name].header[f"C{i + 1:02d}"]).strip(): i for i in range(len(hdus[name].data))}
            for name in ("EMLINE_GFLUX", "SPECINDEX")
        }

        def map_of(name: str, which: str) -> np.ndarray:
            group = "SPECINDEX" if name == "SPECINDEX" else "EMLINE_GFLUX"
            index = channel[group][which]
            bad = hdus[f"{name}_MASK"].data[index] != 0
            return np.where(bad, np.nan, hdus[name].data[index])

        snr = hdus["SPX_SNR"].data
        good = (snr > 0) & (hdus["SPX_ELLCOO"].data[0] / float(row["reff"]) < EDGES[-1])
        flux = map_of("EMLINE_GFLUX", "Ha-6564")
        halpha_ivar = hdus["EMLINE_GFLUX_IVAR"].data[channel["EMLINE_GFLUX"]["Ha-6564"]]
        maps = Maps(
            radius=(hdus["SPX_ELLCOO"].data[0] / float(row["reff"]))[good],
            snr=snr[good],
            dn4000=map_of("SPECINDEX", "Dn4000")[good],
            lines={name: map_of("EMLINE_GFLUX", line)[good] for line, name in LINES.items()},
            continuum=(flux / map_of("EMLINE_GEW", "Ha-6564"))[good],
            velocity=map_of("EMLINE_GVEL", "Ha-6564")[good],
            halpha_snr=(flux * np.sqrt(halpha_ivar))[good],
        )
    return {
        "source": "7815-3702, MAPS-HYB10-GAU-MILESHC of the MaNGA data analysis pipeline 2.2.3dev",
        "redshift": float(row["nsa_z"]),
        "logmass": float(row["logmass"]),
        "reff": float(row["reff"]),
        "ifusize": int(row["ifusize"]),
        "ellipticity": float(row["ell"]),
        "gas": int(float(row["main_bptwhan"])),  # 1 = star forming
        "figures": figures_of(maps),
        "profiles": {name: values.tolist() for name, values in profiles_of(maps).items()},
    }


def correlation_anchor(data: Path) -> dict[str, Any]:
    """Correlation of the noise of 7815-3702's spaxels by distance, among those well covered."""
    with fits.open(data / "manga" / "manga-7815-3702-SNRG.fits.gz") as hdus:
        table, spectrum = hdus["CORREL"].data, hdus["SPECTRUM"].data
        side = int(np.sqrt(len(spectrum)))
        usable = spectrum["FGOODPIX"].reshape(side, side) > 0.8
        pairs = np.zeros((side, side, side, side), np.float32)
        one, other = (table[f"INDXI_C{i}"] for i in (1, 2)), (table[f"INDXJ_C{i}"] for i in (1, 2))
        (a, b), (c, d) = tuple(one), tuple(other)
        pairs[a, b, c, d] = pairs[c, d, a, b] = table["RHOIJ"]
    values, which = distances()
    found: list[list[np.ndarray]] = [[] for _ in values]
    for row, column in np.argwhere(usable):
        for dy in range(-REACH, REACH + 1):
            for dx in range(-REACH, REACH + 1):
                y, x = row + dy, column + dx
                place = which[dy + REACH, dx + REACH]
                if place >= 0 and 0 <= y < side and 0 <= x < side and usable[y, x]:
                    found[place].append(pairs[row, column, y, x])
    low, high = ([float(np.percentile(rho, share)) for rho in found] for share in (16, 84))
    return {
        "source": "7815-3702, CORREL at 4636 angstrom of the MaNGA data analysis pipeline's SNRG",
        "distance": values.tolist(),
        "mean": [float(np.mean(rho)) for rho in found],
        "low": low,
        "high": high,
    }


def spectra_anchor(data: Path) -> dict[str, Any]:
    """The seven of eight real spaxels that are not wholly masked."""
    with fits.open(data / "manga" / "MaNGA_test_spectra.fits.gz") as hdus:
        wave, flux, ivar, mask, redshift = (
            np.asarray(hdus[name].data, float) for name in ("WAVE", "FLUX", "IVAR", "MASK", "Z")
        )
    ivar = np.where((mask.astype(int) & DONOTUSE) > 0, 0, ivar)
    columns: dict[str, list[Any]] = {}
    for one, weight, z in zip(flux, ivar, redshift, strict=True):
        if (weight > 0).any():
            measured = spectra_of(one[None], weight[None], wave, float(z))
            for name in ("snr", "shape", "scatter", "scatter_apart", "negative"):
                columns.setdefault(name, []).append(getattr(measured, name)[0].tolist())
    return {
        "source": "test spectra of sdss-mangadap 4.5.0 (real spaxels, one wholly masked left out)",
        **columns,
    }


def survey_anchor(data: Path) -> dict[str, Any]:
    """Quantiles of the catalogue's columns, bundle by bundle, of rows with a redshift and that column."""
    names = {"redshift": "nsa_z", "reff": "reff", "logmass": "logmass"}
    bundles: dict[str, dict[str, Any]] = {}
    galaxies = [row for row in rows_of(data) if row["nsa_z"] and float(row["nsa_z"]) > 0]
    for size in sorted({row["ifusize"] for row in galaxies}, key=int):
        kept = [row for row in galaxies if row["ifusize"] == size]
        bundles[size] = {"count": len(kept)}
        for name, column in names.items():
            values = np.array([float(row[column]) for row in kept if row[column]])
            # 0 and below: not measured.
            quantiles = np.quantile(values[values > 0], (np.arange(100) + 0.5) / 100)
            bundles[size][name] = quantiles.tolist()
    return {"source": "table of 10,902 real cubes, joined from published tables", "bundles": bundles}


def stars_anchor(data: Path) -> dict[str, Any]:
    """Six MaStar populations around the lines, broadened, at rest."""
    given = np.load(data / "templates" / "mastar_ssp.npz")
    names = [str(name).split("-", 2)[2] for name in given["name"]]
    ages = np.array([float(name[1:7]) for name in names])
    metals = np.array([float(name.split("Z")[1]) for name in names])
    chosen = [
        int(np.argmin(np.abs(np.log10(ages / age)) + np.abs(metals - metal))) for age, metal in POPULATIONS
    ]
    channel = SPEED_OF_LIGHT * np.log(10) * 1e-4
    reach = np.arange(-8, 9)
    kernel = np.exp(-0.5 * (reach * channel / BROADENING) ** 2)
    wave = MANGA_START * 10 ** (1e-4 * np.arange(given["flux"].shape[1]))
    windows = []
    for low, high in WINDOWS:
        room = 1 + 1.5 * abs(VELOCITIES[0]) / SPEED_OF_LIGHT
        inside = np.flatnonzero((wave > low / room) & (wave < high * room))
        spectra = [np.convolve(given["flux"][i], kernel / kernel.sum(), mode="same")[inside] for i in chosen]
        windows.append(
            {"first": float(wave[inside[0]]), "spectra": [(s / s.mean()).tolist() for s in spectra]}
        )
    return {
        "source": "MaStar simple stellar populations (Maraston+2020), sdss-mangadap 4.5.0, BSD-3",
        "ages": ages[chosen].tolist(),  # Gyr
        "metallicities": metals[chosen].tolist(),  # [Z/H]
        "windows": windows,
    }


def rows_of(data: Path) -> list[dict[str, str]]:
    with (data / "catalogue" / "manga_truth_table.csv").open() as file:
        return list(csv.DictReader(file))


def rounded(value: Any) -> Any:
    """Five digits of every number, wavelengths apart."""
    if isinstance(value, dict):
        return {key: kept if key == "first" else rounded(kept) for key, kept in value.items()}
    if isinstance(value, list):
        return [rounded(kept) for kept in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def anchors(data: Path) -> dict[str, Any]:
    """All of them."""
    made = {
        "galaxy": galaxy_anchor(data),
        "correlation": correlation_anchor(data),
        "spectra": spectra_anchor(data),
        "survey": survey_anchor(data),
        "stars": stars_anchor(data),
    }
    kept: dict[str, Any] = rounded(made)
    return kept


if __name__ == "__main__":
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE
    out.write_text(json.dumps(anchors(Path(sys.argv[1])), separators=(",", ":"), indent=None) + "\n")
