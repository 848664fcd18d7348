"""The rows of the table of realism: what is compared with what."""

from __future__ import annotations

import numpy as np

from cubesift.data.store import Columns
from cubesift.judge.anchors import Anchors
from cubesift.judge.noise import Noise, Spectra
from cubesift.judge.verdicts import Row, galaxy_row, shape_row, spectra_row, survey_row

FIGURES = {  # of a galaxy: name, unit, digits
    "snr_inner": ("S/N per spaxel in g, R < 0.5 Re", "", 1),
    "snr_outer": ("S/N per spaxel in g, 1 to 1.5 Re", "", 1),
    "snr_fall": ("fall of log S/N", "per Re", 2),
    "dn4000": ("Dn4000, R < 1 Re", "", 3),
    "dn4000_change": ("Dn4000, 1 to 1.5 Re minus inner 0.5 Re", "", 3),
    "dn4000_far": ("Dn4000, 1.5 to 2 Re", "", 3),
    "halpha_width": ("EW of Halpha, R < 1 Re", "Å", 1),
    "halpha_width_change": ("EW of Halpha, 1 to 1.5 Re minus inner 0.5 Re", "Å", 1),
    "halpha_width_far": ("EW of Halpha, 1.5 to 2 Re", "Å", 1),
    "nitrogen": ("log [N II] / Halpha, R < 1 Re", "", 2),
    "oxygen": ("log [O III] / Hbeta, R < 1 Re", "", 2),
    "balmer": ("Halpha / Hbeta, R < 1 Re", "", 2),
    "speed": ("gas velocity, half of 5 to 95 %, R < 1.5 Re", "km/s", 0),
}


def galaxy_rows(anchors: Anchors, figures: list[dict[str, float]], among: str) -> list[Row]:
    """7815-3702 among simulated galaxies."""
    real = anchors.galaxy["figures"]
    return [
        galaxy_row(what, unit, digits, real[name], np.array([one[name] for one in figures]), among)
        for name, (what, unit, digits) in FIGURES.items()
    ]


def noise_rows(anchors: Anchors, noise: list[Noise], like: list[Spectra]) -> list[Row]:
    """The noise of all measured cubes; `like` holds spaxels with the S/N of each real spectrum."""
    real, spectra = anchors.correlation, anchors.spectra
    snr = np.array(spectra["snr"])
    rho = np.mean([one.correlation for one in noise], axis=0)
    away = np.abs(rho - np.array(real["mean"]))
    at = [real["distance"].index(float(d)) for d in (1, 2, 3, 4)]
    chi2 = np.array([one.chi2 for one in noise])
    worst = chi2[np.argmax(np.abs(chi2 - 1))]
    dim = [i for i in range(len(snr)) if snr[i] < 30]  # above, nothing is negative and the noise is not seen
    return [
        Row(
            "noise correlation 1, 2, 3, 4 spaxels apart",
            ", ".join(f"{real['mean'][i]:.2f}" for i in at),
            ", ".join(f"{rho[i]:.2f}" for i in at),
            f"largest difference {away.max():.3f}, at {real['distance'][int(away.argmax())]:.1f}",
            "correlation",
            True,
            bool(away.max() <= 0.05),
        ),
        shape_row(np.array(spectra["shape"]), [one.shape for one in like]),
        spectra_row(
            "scatter of next channels / formal error",
            np.array(spectra["scatter"]),
            [one.scatter for one in like],
        ),
        # Where S/N is high, channels further apart differ by what stars are made of. The factor of a cube's
        # errors moves both scatters alike: their ratio tells of noise that neighbours share.
        spectra_row(
            "scatter of channels 3 apart / formal error, S/N < 30",
            np.array(spectra["scatter_apart"])[dim],
            [like[i].scatter_apart for i in dim],
        ),
        spectra_row(
            "scatter of next channels / 3 apart, S/N < 30",
            (np.array(spectra["scatter"]) / np.array(spectra["scatter_apart"]))[dim],
            [like[i].scatter / like[i].scatter_apart for i in dim],
        ),
        spectra_row(
            "share of channels below 0, S/N < 30",
            np.array(spectra["negative"])[dim],
            [like[i].negative for i in dim],
        ),
        Row(
            "share of voxels below 0, whole cubes",
            "",
            _spread(np.array([one.negative for one in noise]), 3),
            "",
            "",
            False,
            None,
        ),
        Row(
            "noise shared by the whole bundle, 8500 to 10300 Å",
            "",
            _spread(np.array([one.shared for one in noise]), 3),
            "",
            "",
            False,
            None,
        ),
        Row(
            "chi² of the noise-free truth, after the factor",
            "1",
            _spread(chi2, 4),
            f"mean {chi2.mean():.4f}, worst {worst:.4f} of {len(chi2)}",
            "chi2",
            False,
            bool(abs(chi2.mean() - 1) <= 0.01),
        ),
    ]


def survey_rows(anchors: Anchors, galaxies: Columns, ifus: tuple[int, ...]) -> list[Row]:
    """Who was drawn, against the catalogue; `galaxies` without repeats."""
    count = len(galaxies["plateifu"])
    names = {
        "redshift": ("redshift", 4),
        "reff": ("effective radius, arcsec", 2),
        "ifusize": ("fibres of the bundle", 0),
        "logmass": ("log mass of the stars, solar", 2),
    }
    return [
        survey_row(what, digits, anchors.catalogue(name, ifus), galaxies[name].astype(float), count)
        for name, (what, digits) in names.items()
    ]


def _spread(values: np.ndarray, digits: int) -> str:
    middle, low, high = np.percentile(values, [50, 16, 84])
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
