"""Eight real MaNGA spectra through the real door and our recipe: masking and the rest frame."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from cubesift.data.catalog import Catalog
from cubesift.data.cube import Cube
from cubesift.data.door import find_sources
from cubesift.data.fitswrite import Extras, write_logcube
from cubesift.data.run import Run
from cubesift.data.samples import Samples
from cubesift.data.store import Provenance
from cubesift.data.wavelength import SPEED_OF_LIGHT, redshift_channels
from cubesift.prepare.recipe import CUBESIFT
from cubesift.prepare.survey import prepare_survey

LINES = {"Halpha": 6564.61, "[N II]": 6585.27}  # angstrom, vacuum
MASKED = 5  # the fully masked one


@pytest.fixture(scope="module")
def run(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which each real spectrum fills a cube of 2 x 2 spaxels, prepared by our recipe."""
    run = Run(tmp_path_factory.mktemp("real"))
    with fits.open(shared / "manga" / "MaNGA_test_spectra.fits.gz") as hdus:
        flux, ivar, mask, redshift = (hdus[name].data for name in ("FLUX", "IVAR", "MASK", "Z"))
    names = [f"7495-100{i}" for i in range(len(flux))]
    for name, *spectrum in zip(names, flux, ivar, mask, strict=True):
        one, weight, bits = (
            np.tile(np.asarray(values, kind)[:, None, None], (1, 2, 2))
            for values, kind in zip(spectrum, ("f4", "f4", "u2"), strict=True)
        )
        extras = Extras(np.full(len(one), 70.0), dict.fromkeys("griz", 2.5), {}, ("a real spectrum",))
        path = run.cubes / f"manga-{name}-LOGCUBE.fits.gz"
        write_logcube(path, Cube(name, f"1-{name}", one, weight, bits, ra=180.0, dec=30.0), extras)
    columns = {"plateifu": np.array(names), "nsa_z": redshift.astype(float)}
    Catalog(columns, Provenance("fetch", "")).save(run.catalog)
    prepare_survey(run, find_sources(run.cubes), [CUBESIFT], catalog=run.catalog)
    return run


def test_the_fully_masked_spectrum_is_named_and_left_out(run: Run) -> None:
    (rejected,) = run.rejected()
    assert rejected["name"] == f"7495-100{MASKED}"
    assert "no voxel may be used" in rejected["reason"]
    assert len(Samples.open(run.samples("cubesift"))) == 7


def test_the_stronger_of_halpha_and_nii_stands_at_its_rest_wavelength(run: Run) -> None:
    samples = Samples.open(run.samples("cubesift"))
    emitting = {}
    for name in samples.names:
        sample = samples.read(name)
        flux, ivar = sample.flux[0, 0], sample.ivar[0, 0]
        # A feature stored at channel i belongs at i - fraction.
        wave = 10 ** (np.log10(samples.grid.wave) - 1e-4 * sample.record.fraction)
        peaks = {}
        for line, rest in LINES.items():
            velocity = (wave / rest - 1) * SPEED_OF_LIGHT
            beside = (np.abs(velocity) > 1800) & (np.abs(velocity) < 3500) & (ivar > 0)
            near = (np.abs(velocity) < 450) & (ivar > 0)
            above = np.where(near, (flux - np.median(flux[beside])) * np.sqrt(ivar), -np.inf)
            peaks[line] = float(above.max()), float(velocity[above.argmax()])
        strength, velocity_of_peak = max(peaks.values())
        if strength > 4:
            emitting[name] = velocity_of_peak
    assert len(emitting) == 5
    assert max(map(abs, emitting.values())) < 250  # km/s


def test_masked_channels_of_a_real_spectrum_are_not_judged(run: Run, shared: Path) -> None:
    with fits.open(shared / "manga" / "MaNGA_test_spectra.fits.gz") as hdus:
        ivar, mask, redshift = hdus["IVAR"].data[0], hdus["MASK"].data[0], float(hdus["Z"].data[0])
    samples = Samples.open(run.samples("cubesift"))
    sample = samples.read("7495-1000")
    start = -redshift_channels(redshift)[0] - samples.grid.first
    kept = sample.ivar[0, 0, start : start + len(ivar)] > 0
    assert not kept[(mask & (1 << 10)) > 0].any()
    sky = np.isclose(np.arange(len(ivar)), 1880, atol=12)  # where 5570-5586 angstrom lie
    np.testing.assert_array_equal(kept[~sky], ((ivar > 0) & ((mask & 1025) == 0))[~sky])
