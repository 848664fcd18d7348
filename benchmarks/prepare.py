"""The paper's recipe: ours against the obvious pipeline, from the file to the arrays.

    python benchmarks/prepare.py CUBE.fits.gz ...

Each side runs in a fresh process of one thread; the smallest of three CPU times is printed, and the peak
memory. The obvious pipeline is what one writes first: astropy, numpy, `scipy.ndimage.zoom(order=1)` in
float32.
It makes the flux and a (wrong) ivar; ours makes the clipped and the unclipped flux, the ivar with its
covariance, and the bits.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
FORESTAR = 1 << 3


def obvious(path: Path) -> None:
    import numpy as np
    from astropy.io import fits
    from scipy.ndimage import zoom

    with fits.open(path) as hdus:
        flux = hdus["FLUX"].data[:4096].astype(np.float32)
        ivar = hdus["IVAR"].data[:4096].astype(np.float32)
        mask = hdus["MASK"].data[:4096]
        wave = hdus["WAVE"].data[:4096]
    flux[(mask & FORESTAR) > 0] = 0
    ivar[mask > 0] = 0
    flux = np.clip(flux, 0, None)
    start, stop = np.searchsorted(wave, [5574, 5585])
    step = (np.arange(1, stop - start + 1) / (stop - start + 1))[:, None, None].astype(np.float32)
    flux[start:stop] = flux[start - 1] + (flux[stop] - flux[start - 1]) * step
    factor = (1, 32 / flux.shape[1], 32 / flux.shape[2])
    for cube in (flux, ivar):
        np.ascontiguousarray(zoom(cube, factor, order=1).transpose(1, 2, 0))


def ours(path: Path) -> None:
    from cubesift.data.door import Source
    from cubesift.prepare.cube import prepare_cube
    from cubesift.prepare.recipe import PAPER

    prepare_cube(Source(path.name, (path,)).read(channels=4096), PAPER)


def measured(side: str, path: Path) -> tuple[float, float]:
    """CPU seconds beyond an empty call's, and peak memory in MB, the best of three fresh processes."""
    seconds, peaks = [], []
    for _ in range(3):
        command = [sys.executable, __file__, "--one", side, str(path)]
        out = subprocess.run(
            command, env={**os.environ, **THREADS}, capture_output=True, text=True, check=True
        )
        second, peak = map(float, out.stdout.split())
        seconds.append(second)
        peaks.append(peak)
    return min(seconds), min(peaks)


def one(side: str, path: Path) -> None:
    import astropy.io.fits  # noqa: F401  what is imported is not compared
    import scipy.ndimage  # noqa: F401

    import cubesift.data.door
    import cubesift.prepare.cube  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF)
    {"obvious": obvious, "ours": ours}[side](path)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(cpu, after.ru_maxrss / 1000)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one(sys.argv[2], Path(sys.argv[3]))
    else:
        print(f"{'cube':<36} {'obvious':>16} {'ours':>16} {'times':>6}")
        for path in map(Path, sys.argv[1:]):
            (slow, fat), (fast, slim) = measured("obvious", path), measured("ours", path)
            print(
                f"{path.name:<36} {slow:7.2f}s {fat:5.0f}MB {fast:7.2f}s {slim:5.0f}MB {slow / fast:6.1f}",
                flush=True,
            )
