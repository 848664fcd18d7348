"""What the header of a cube with a wavelength axis says: wavelengths, unit, size and place of a spaxel."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from cubesift.data.cards import Header
from cubesift.errors import BadFile

# Keywords that say where the spaxels lie (FITS papers I and II).
PLACE = re.compile(
    r"(CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA)[12]$|(CD|PC)[12]_[12]$|(LON|LAT)POLE|RADESYS|EQUINOX"
)
OUR_UNIT = 1e-17 * u.erg / u.s / u.cm**2 / u.AA


@dataclass(frozen=True)
class SpectralAxis:
    """Where the channels of a file lie."""

    edges: np.ndarray  # (wave + 1,) float64, angstrom, rising
    air: bool  # the edges are wavelengths in air
    notes: tuple[str, ...] = ()


def number(header: Header, *keywords: str, default: float = float("nan")) -> float:
    """The first of the keywords that holds a finite number, else `default`."""
    for keyword in keywords:
        value = header.get(keyword)
        if isinstance(value, int | float) and np.isfinite(value):
            return float(value)
    return default


def spectral_axis(header: Header, name: str) -> SpectralAxis:
    """The third axis of a cube: linear (WAVE, AWAV), logarithmic (-LOG, FITS paper III), or log10 (IRAF).

    Raises:
        BadFile: the third axis is no wavelength.
    """
    kind = str(header.get("CTYPE3", "")).strip().upper()
    start, step = number(header, "CRVAL3"), number(header, "CD3_3", "CDELT3")
    if not (start > 0 and step > 0) or kind[:4] in ("FREQ", "VELO", "VRAD", "VOPT", "STOK"):
        raise BadFile(
            f"{name}: its third axis (CTYPE3 {kind or 'missing'}, CRVAL3 {start:g}, step {step:g}) is no "
            "wavelength. Write CTYPE3 WAVE or AWAV, CRVAL3, CRPIX3, CDELT3 and CUNIT3 into its header."
        )
    pixels = np.arange(int(header["NAXIS3"]) + 1) + 0.5 - number(header, "CRPIX3", default=1.0)
    notes: list[str] = []
    if number(header, "DC-FLAG") == 1 or (start < 10 and not header.get("CUNIT3")):
        edges = 10 ** (start + step * pixels)
    elif kind.endswith("-LOG"):
        edges = start * np.exp(step * pixels / start)
    else:
        edges = start + step * pixels
    edges = edges * _angstrom(header, notes)
    # FITS paper III: AWAV is air, WAVE vacuum. Other names say nothing, and the optical habit is air.
    medium = kind.split("-")[0]
    if medium not in ("WAVE", "AWAV"):
        notes.append(f"CTYPE3 is {kind or 'missing'}: wavelengths taken as in air")
    return SpectralAxis(edges, air=medium != "WAVE", notes=tuple(notes))


def _angstrom(header: Header, notes: list[str]) -> float:
    written = str(header.get("CUNIT3", "")).strip()
    try:
        return float(u.Unit(_spelled(written)).to(u.AA)) if written else 1.0
    except (ValueError, TypeError, u.UnitConversionError):
        notes.append(f"CUNIT3 {written!r} is no length that is known: wavelengths taken as angstrom")
        return 1.0


def flux_scale(header: Header) -> tuple[float, tuple[str, ...]]:
    """The factor from BUNIT to 1e-17 erg/s/cm2/angstrom/spaxel, and what had to be assumed.

    Where BUNIT is missing or no flux density, the factor is 1 and a note says so.
    """
    written = str(header.get("BUNIT", "")).strip()
    # Flux per spaxel and flux in a spaxel are one thing, and astropy knows no spaxel.
    spelled = re.sub(r"\s*(/|\bper\b)\s*(spaxel|spax|pixel|pix)\b", "", _spelled(written), flags=re.I)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", u.UnitsWarning)  # several slashes in a unit: discouraged, clear
            return float(u.Unit(spelled).to(OUR_UNIT)), ()
    except (ValueError, TypeError, u.UnitConversionError):
        return 1.0, (
            f"unit {written or 'missing'} is no flux density that is known: values kept as they are",
        )


def _spelled(unit: str) -> str:
    """The unit as astropy spells it: A is angstrom here, never ampere."""
    unit = re.sub(r"\b(angstroms?|ang|aa|a)\b", "Angstrom", unit, flags=re.I)
    return re.sub(r"\bergs\b", "erg", unit, flags=re.I)


def spaxel_side(header: Header) -> tuple[float, tuple[str, ...]]:
    """The side of a spaxel in arcsec, and a note where the header does not say it."""
    celestial = _celestial(header)
    if celestial is not None:
        return round(float(np.sqrt(np.prod(proj_plane_pixel_scales(celestial)))) * 3600, 4), ()
    side = abs(number(header, "CDELT1"))
    if 0 < side < 0.01:  # degrees, under a name that astropy does not know
        return round(side * 3600, 4), ()
    return 0.5, ("no spaxel size in the header: 0.5 arcsec assumed",)


def centre_of_field(header: Header) -> tuple[float, float]:
    """Right ascension and declination (degrees) of the middle of the cube; nan where not known."""
    celestial = _celestial(header)
    if celestial is None:
        return float("nan"), float("nan")
    middle = (int(header["NAXIS1"]) - 1) / 2, (int(header["NAXIS2"]) - 1) / 2
    ra, dec = celestial.pixel_to_world_values(*middle)
    return float(ra), float(dec)


def _celestial(header: Header) -> WCS | None:
    cards = fits.Header([(key, value) for key, value in header.items() if PLACE.match(key)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CDELT beside CD, missing time scales: nothing a person can mend
        try:
            celestial = WCS(cards).celestial
        except Exception:  # astropy raises many kinds, and a cube without a place on the sky is a cube
            return None
    return celestial if celestial.naxis == 2 else None
