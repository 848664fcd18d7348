"""Remake the simulator's compact templates of instrument and galaxies: `make_templates.py DATA`."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.ndimage import median_filter

HERE = Path(__file__).parents[1] / "src" / "cubesift" / "simulate" / "templates"
CLASSES = ("-", "E", "S0", "S1", "S2")  # visual morphology; "-" is not classified
SPEED_OF_LIGHT = 299_792.458


def make_instrument(data: Path) -> None:
    """Variance of the sky and of the light, and the line spread, from eight real spaxels.

    In the real spectra variance = sky(wave) + source(wave) * flux to a few per cent from S/N 1.5 to 150.
    """
    with fits.open(data / "manga" / "MaNGA_test_spectra.fits.gz") as hdus:
        flux, ivar, sres = (hdus[name].data.astype(float) for name in ("FLUX", "IVAR", "SRES"))
    variance = np.where(ivar > 0, 1 / np.where(ivar > 0, ivar, 1), np.nan)
    dim, bright = [6, 7], [0, 1, 3, 4]
    smooth = np.array([median_filter(row, 151, mode="nearest") for row in flux])
    sky = np.nanmean(variance[dim], axis=0)
    for _ in range(3):  # the dim spectra hold a little light, too
        source = np.nanmedian((variance[bright] - sky) / np.maximum(smooth[bright], 1e-3), axis=0)
        source = np.maximum(fill(source), 1e-5)
        source = median_filter(source, 101, mode="nearest")
        sky = np.nanmean(variance[dim] - source * smooth[dim], axis=0)
    sigma = np.median(SPEED_OF_LIGHT / 2.3548 / sres[[0, 1, 2, 3, 4, 7]], axis=0)
    np.savez_compressed(
        HERE / "instrument.npz",
        sky=fill(sky).astype(np.float32),
        source=source.astype(np.float32),
        sigma=median_filter(sigma, 51, mode="nearest").astype(np.float32),  # km/s
    )


def fill(values: np.ndarray) -> np.ndarray:
    """Replace nan by the interpolation of its neighbours."""
    channel = np.arange(len(values))
    good = np.isfinite(values) & (values > 0)
    return np.asarray(np.interp(channel, channel[good], values[good]))


def make_galaxies(data: Path) -> None:
    """Complete rows of the real catalogue, without names or positions, in an order of their own."""
    with (data / "catalogue" / "manga_truth_table.csv").open() as file:
        rows = list(csv.DictReader(file))

    def number(row: dict[str, str], name: str, missing: float = np.nan) -> float:
        return float(row[name]) if row[name] else missing

    columns: dict[str, list[float]] = {}
    for row in rows:
        record = {
            "redshift": number(row, "nsa_z"),
            "ifusize": number(row, "ifusize"),
            "reff": number(row, "reff"),  # arcsec
            "ellipticity": number(row, "ell"),
            "pa": number(row, "pa"),  # degrees, north through east
            "logmass": number(row, "logmass"),
            "morphology": CLASSES.index(row["morph"]) if row["morph"] in CLASSES else np.nan,
            "gas": number(
                row, "main_bptwhan", -1
            ),  # 0 retired, 1 star forming, 2 composite, 3 LINER, 4 Seyfert
            "stars": number(row, "n_star", 0),
            "mngtarg1": number(row, "mngtarg1"),
        }
        complete = np.isfinite(list(record.values())).all()
        sane = (
            0.003 < record["redshift"] < 0.151
            and 0.5 < record["reff"] < 40
            and 0 <= record["ellipticity"] < 0.95
            and record["pa"] >= 0
            and 8 < record["logmass"] < 12.2
        )
        if complete and sane:
            for name, value in record.items():
                columns.setdefault(name, []).append(value)
    order = np.lexsort(tuple(np.array(values) for values in columns.values()))
    kinds = {
        "ifusize": np.int16,
        "morphology": np.int8,
        "gas": np.int8,
        "stars": np.int8,
        "mngtarg1": np.int32,
    }
    np.savez_compressed(
        HERE / "galaxies.npz",
        allow_pickle=False,
        **{
            name: np.array(values)[order].astype(kinds.get(name, np.float32))
            for name, values in columns.items()
        },
    )


if __name__ == "__main__":
    shared = Path(sys.argv[1])
    for make in (make_instrument, make_galaxies):
        make(shared)
