"""A simulated survey: the bundle on the sky, and files that are the same whoever made them."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cubesift.data.catalog import Catalog
from cubesift.data.cube import DONOTUSE, NOCOV
from cubesift.data.fits import read_logcube
from cubesift.data.run import Run
from cubesift.data.store import read_parquet
from cubesift.errors import CubesiftError
from cubesift.simulate.cube import Simulated, simulate_galaxy
from cubesift.simulate.noise import (
    DIAMETER,
    SIDES,
    distance_inside,
)
from cubesift.simulate.settings import Simulation
from cubesift.simulate.survey import cube_path, simulate_survey

SMALL = Simulation(galaxies=3, seed=1, ifus=(19,), oddities=0.0)


@pytest.fixture(scope="module")
def plain() -> Simulated:
    """One small galaxy without oddities, with its noise-free flux."""
    return simulate_galaxy(SMALL, 0)


# Geometry and bits


def test_every_bundle_is_a_hexagon_inside_its_cube() -> None:
    for ifusize, sides in SIDES.items():
        for side in sides:
            inside = distance_inside(ifusize, side)
            assert inside[0, 0] < -1.6
            assert inside[side // 2, side // 2] > 10
            assert inside[:, 0].max() < -0.5
            area = (inside > 0).sum()
            assert area == pytest.approx(1.5 * np.sqrt(3) * DIAMETER[ifusize] ** 2, rel=0.03)


def test_nothing_is_measured_outside_the_hexagon(plain: Simulated) -> None:
    cube = plain.cube
    corner = cube.bits[:, 0, 0]
    assert (corner & NOCOV).all()
    assert (corner & DONOTUSE).all()
    assert not cube.ivar[:, 0, 0].any()
    assert not cube.flux[:, 0, 0].any()
    assert (cube.ivar[(cube.bits & DONOTUSE) > 0] == 0).all()
    assert cube.ivar[2000, 17, 17] > 0


# The survey


def test_a_survey_is_written_once_and_the_same_whatever_the_workers(tmp_path: Path) -> None:
    settings = Simulation(galaxies=3, seed=3, ifus=(19,), repeats=1, oddities={"power_law": 1})
    alone, together = Run(tmp_path / "alone"), Run(tmp_path / "together")
    ended: list[tuple[int, int, str]] = []
    catalog = simulate_survey(alone, settings, progress=lambda *step: ended.append(step))
    assert [step[:2] for step in ended] == [(1, 3), (2, 3), (3, 3)]
    with ThreadPoolExecutor(2) as executor:
        simulate_survey(together, settings, executor)
    names = list(catalog.plateifu)
    assert len(set(names)) == 3
    assert len(set(catalog.columns["mangaid"])) == 2  # one is a repeat
    files = [cube_path(alone, name) for name in names] + [alone.cubes / "drpall-v3_1_1.fits", alone.truth]
    for file in files:
        other = together.path / file.relative_to(alone.path)
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (file, other)]
        assert digests[0] == digests[1], file.name

    truth, _ = read_parquet(alone.truth)
    assert "power_law" in truth["kind"]
    assert Catalog.load(alone.catalog).redshift() == pytest.approx(catalog.redshift())

    # Through the file or from memory: the same cube.
    read, kept = read_logcube(files[0]), simulate_galaxy(settings, 0).cube
    for part in ("flux", "ivar", "bits"):
        np.testing.assert_array_equal(getattr(read, part), getattr(kept, part))
    assert (read.ebv, read.psf_fwhm, read.ra, read.dec) == (kept.ebv, kept.psf_fwhm, kept.ra, kept.dec)

    # What is finished is kept; what is gone is made again, the same.
    times = [file.stat().st_mtime_ns for file in files[:3]]
    bytes_before = files[1].read_bytes()
    files[1].unlink()
    simulate_survey(alone, settings)
    assert [file.stat().st_mtime_ns == time for file, time in zip(files[:3], times, strict=True)] == [
        True,
        False,
        True,
    ]
    assert files[1].read_bytes() == bytes_before
    with pytest.raises(CubesiftError, match="other settings"):
        simulate_survey(alone, Simulation(galaxies=3, seed=4, ifus=(19,)))
