"""One cube by one recipe: the whole of preparation in the order of one function body."""

from __future__ import annotations

import numpy as np

from cubesift.data.cube import CRITICAL, DEADFIBER, FORESTAR, NOCOV, Cube
from cubesift.data.dust import transmission
from cubesift.data.samples import Sample, SampleRecord
from cubesift.data.wavelength import STEP, WavelengthGrid, redshift_channels
from cubesift.errors import BadFile
from cubesift.prepare import steps
from cubesift.prepare.recipe import Recipe


def prepare_cube(cube: Cube, recipe: Recipe, source_id: str = "") -> Sample:
    """Turn a cube into a sample; the cube is left as it was.

    Flux stays per *original* spaxel, in 1e-17 erg/s/cm2/angstrom, divided by `record.scale`.

    Raises:
        BadFile: the recipe does not take such a cube (too small, redshift off the rest grid, no flux, called
            critical by its pipeline).
    """
    _check(cube, recipe)
    ny = cube.shape[1]
    rest = recipe.frame == "rest" and cube.known_redshift
    whole, fraction = redshift_channels(cube.redshift) if rest else (0, 0.0)
    grid = recipe.grid(cube.grid)
    fine = WavelengthGrid(grid.first, grid.size * recipe.rebin)
    cut = recipe.cut(cube.grid)
    start = cut.first - whole - fine.first
    covered = slice(max(start, 0), min(start + cut.size, fine.size))

    # Space: the linear resize, or the native spaxels as they are. Wavelength: whole channels only.
    native = recipe.side == "native"
    side = ny if recipe.side == "native" else recipe.side

    def placed(spaxels: np.ndarray, fill: int = 0) -> np.ndarray:
        return steps.shifted(spaxels, start, fine.size, fill)

    raw_flux, raw_ivar, raw_bits = (values[: cut.size] for values in (cube.flux, cube.ivar, cube.bits))
    if recipe.fill_bad:
        starlit = ((raw_bits & FORESTAR) > 0) & ((raw_bits & (NOCOV | DEADFIBER)) == 0)  # unused, but seen
        starlit &= raw_flux != 0  # where no number was
        raw_flux = steps.without_bad(raw_flux, (raw_ivar > 0) | starlit)
    if native:
        unclipped, ivar = placed(raw_flux.transpose(1, 2, 0)), placed(raw_ivar.transpose(1, 2, 0))
        bits = placed(raw_bits.transpose(1, 2, 0), NOCOV)
        flux = np.maximum(unclipped, 0) if recipe.clip else unclipped
    else:
        unclipped = placed(steps.resized(raw_flux, side))
        ivar = placed(steps.resized_ivar(raw_ivar, side, cube.noise_sigma))
        bits = placed(steps.resized_bits(raw_bits, side), NOCOV)
        flux = placed(steps.resized(raw_flux, side, clip=True)) if recipe.clip else unclipped

    # Light: our Galaxy's dust taken out, and f_lambda * (1 + z) at rest, so that energy is kept.
    observed = fine.wave * 10 ** (STEP * whole)
    gain = np.full(fine.size, 1 + cube.redshift if rest else 1.0)
    if recipe.extinction != "none":
        gain[covered] /= transmission(observed[covered], cube.ebv, recipe.extinction, recipe.rv)
    scale = steps.mean_flux(unclipped, ivar, gain) if recipe.normalise == "total" else 1.0
    if not scale > 0:
        raise BadFile(f"{cube.plateifu}: its total flux is {scale:.3g}, but it is to be divided out")
    gain /= scale
    if (gain != 1).any():
        unclipped *= gain.astype(np.float32)
        if recipe.clip:
            flux *= gain.astype(np.float32)
        ivar *= (gain**-2).astype(np.float32)

    # What is not the galaxy's: the residual of the sky line, and the stars in front of it.
    low, high = (int(edge) for edge in np.searchsorted(observed, recipe.sky))
    if recipe.fill_sky:
        steps.fill(flux, low, high)
    ivar[:, :, low:high] = 0
    if recipe.mask_stars and (star := (bits & FORESTAR) > 0).any():
        flux[star] = 0
        ivar[star] = 0

    if recipe.rebin > 1:
        rebinned_flux = steps.rebinned(flux, recipe.rebin)
        unclipped = steps.rebinned(unclipped, recipe.rebin) if recipe.clip else rebinned_flux
        flux = rebinned_flux
        ivar = steps.rebinned_ivar(ivar, recipe.rebin, cube.channel_correlation)
        bits = steps.rebinned_bits(bits, recipe.rebin)

    step = 1.0 if native else (ny - 1) / (side - 1)  # original spaxels from one new spaxel to the next
    unknown = recipe.frame == "rest" and not rest
    record = SampleRecord(
        plateifu=cube.plateifu,
        mangaid=cube.mangaid,
        redshift=float(cube.redshift) if cube.known_redshift else None,
        frame="rest" if rest else "observed",
        fraction=fraction,
        scale=float(scale),
        area_ratio=step**2,
        spaxel=cube.spaxel * step,
        psf_fwhm=cube.psf_fwhm,
        ebv=cube.ebv if recipe.extinction != "none" else 0.0,
        ra=cube.ra,
        dec=cube.dec,
        instrument=cube.instrument,
        source=cube.source,
        source_id=source_id,
        side=ny,
        notes=cube.notes + (("no redshift is known: prepared in the observed frame",) if unknown else ()),
    )
    image = steps.colour_image(cube.flux, cube.ivar, cube.grid)
    return Sample(record=record, flux=flux, unclipped=unclipped, ivar=ivar, bits=bits, image=image)


def _check(cube: Cube, recipe: Recipe) -> None:
    _, ny, nx = cube.shape
    if ny != nx:
        raise BadFile(f"{cube.plateifu}: {ny} x {nx} spaxels, but the recipe takes square cubes")
    if ny < recipe.min_side:
        raise BadFile(
            f"{cube.plateifu}: {ny} x {ny} spaxels, but recipe {recipe.name!r} leaves out cubes smaller "
            f"than {recipe.min_side}. Lower min_side to keep it"
        )
    if cube.quality & CRITICAL and not recipe.take_critical:
        raise BadFile(
            f"{cube.plateifu}: its pipeline calls it unusable (DRP3QUAL {cube.quality}, bit 30, CRITICAL). "
            "Set take_critical to prepare it all the same"
        )
    if recipe.frame == "rest" and cube.known_redshift and cube.redshift > recipe.max_redshift:
        raise BadFile(
            f"{cube.plateifu}: redshift {cube.redshift:.4f}, but the rest grid of recipe {recipe.name!r} "
            f"ends at {recipe.max_redshift}. Raise max_redshift"
        )
