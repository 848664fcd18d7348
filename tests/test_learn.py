"""Training and embedding on a small sky: two spectral shapes, redder with redshift, and noise."""

import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pytest
import safetensors.torch
import torch
from jaxtyping import install_import_hook
from torch import nn

from cubesift.data.cube import FORESTAR
from cubesift.data.embeddings import Embeddings, Reconstructions
from cubesift.data.run import Run
from cubesift.data.samples import Sample, SampleRecord, Samples
from cubesift.data.store import Provenance, fingerprint
from cubesift.data.wavelength import WavelengthGrid
from cubesift.errors import CubesiftError, Stale
from cubesift.learn.settings import Training
from cubesift.show import run_status

with install_import_hook("cubesift.learn", "beartype.beartype"):
    from cubesift.learn import loss
    from cubesift.learn.blocks import unpooled
    from cubesift.learn.checkpoint import SYSTEMS, Checkpoint, build_model, find_model
    from cubesift.learn.embed import embed_sample, embed_survey, spectra_to_keep
    from cubesift.learn.feed import Feed, Galaxy, as_galaxy
    from cubesift.learn.pca import Moments
    from cubesift.learn.split import folds, split_galaxies
    from cubesift.learn.train import train_model

Which = Literal["ae", "cube-ae", "cae2d", "cae3d", "cae1d2d", "pca2d", "ae2d", "linear", "cube-pca"]
SIDE, WAVE = 8, 64
NOISE = 0.05
QUICK = Training(
    name="quick",
    system="pca2d",
    components=4,
    widths=(16,),
    latent_channels=4,
    epochs=4,
    batch=4,
    split="hash",
)
SHALLOW = replace(
    QUICK, name="ae", system="ae", epochs=40, halve_every=15, learning_rate=3e-3, retrain_on_all=False
)
BOTH = pytest.mark.parametrize("system", ["cae2d", "pca2d"])
EVERY = pytest.mark.parametrize("system", get_args(Which))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def a_sample(
    number: int, redshift: float | None = None, side: int = SIDE, wave: int = WAVE, noise: float = NOISE
) -> Sample:
    """Galaxy `number`: brighter or fainter, round or long, and the redder the higher its redshift."""
    rng = np.random.default_rng(number)
    z = float(rng.uniform(0.01, 0.11))
    x, y = np.meshgrid(np.arange(side) - side / 2, np.arange(side) - side / 2)
    light = rng.uniform(1, 3) * np.exp(-np.hypot(y * rng.uniform(1, 1.5), x) / 2)
    channels = np.linspace(0, 1, wave)
    spectrum = 10 * z * (0.5 + channels) + (1.1 - 10 * z) * np.exp(-2 * channels)
    flux = (light[..., None] * spectrum + rng.normal(0, noise, (side, side, wave))).astype(np.float32)
    record = SampleRecord(
        plateifu=f"{8000 + number}-1901",
        mangaid=f"1-{number}",
        redshift=redshift if redshift is not None else z,
        frame="observed",
        fraction=0.0,
        scale=1.0,
        area_ratio=1.0,
        spaxel=0.5,
        psf_fwhm=2.5,
        ebv=0.0,
        ra=0.0,
        dec=0.0,
        instrument="MaNGA",
        source="",
        source_id=str(number),
        side=side,
    )
    ivar = np.full(flux.shape, NOISE**-2, np.float32)
    bits = np.zeros(flux.shape, np.uint16)
    return Sample(record, flux, flux, ivar, bits, np.zeros((side, side, 3), np.float32))


def a_survey(path: Path, number: int = 14, **changes: Any) -> Run:
    recipe = {"name": "paper", "frame": "observed", "side": SIDE, "clip": False, "fill_sky": False, **changes}
    run = Run(path)
    provenance = Provenance("prepare", fingerprint(recipe))
    samples = Samples.create(run.samples("paper"), provenance, WavelengthGrid(0, WAVE), recipe)
    for galaxy in range(number):
        samples.write(a_sample(galaxy, side=int(recipe["side"])))
    return run


@pytest.fixture(scope="session")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Fourteen galaxies, prepared; tests write models under names of their own."""
    return a_survey(tmp_path_factory.mktemp("sky"))


def as_seen(sample: Sample, star_mask: bool = True, sky_filled: bool = False) -> Galaxy:
    record = sample.record
    return as_galaxy(
        record.plateifu, sample.flux, sample.ivar, sample.bits, record.redshift, star_mask, sky_filled
    )


def with_star(sample: Sample, brightness: float) -> Sample:
    flux, bits = sample.flux.copy(), sample.bits.copy()
    flux[:2, :2] += brightness
    bits[:2, :2] |= FORESTAR
    return replace(sample, flux=flux, unclipped=flux, bits=bits)


def weights(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


# The loss.


def test_the_centre_counts_more_than_the_boundary() -> None:
    smooth = loss.smooth_map(32)
    assert smooth.mean() == pytest.approx(1)
    assert (smooth.diagonal()[:15].diff() > 0).all()
    assert 8 < smooth[16, 16] / smooth[0, 0] < 10
    assert torch.equal(smooth, smooth.flip(0))
    assert torch.equal(smooth, smooth.T)


def test_the_report_map_weighs_two_spaxels_of_boundary_by_a_fifth() -> None:
    report = loss.report_map(32)
    assert report[2:-2, 2:-2].min() == 1
    assert (report == 0.2).sum() == pytest.approx(32**2 - 28**2)
    assert report[1, 16] == pytest.approx(0.2)


def test_pure_noise_has_a_reduced_chi2_of_one() -> None:
    rng = torch.Generator().manual_seed(1)
    ivar = torch.rand(50, 50, 400, generator=rng) * 10
    ivar[:, :, ::7] = 0
    ivar[0, 0] = 0
    truth = torch.ones(50, 50, 400)
    noise = torch.randn(50, 50, 400, generator=rng) / ivar.sqrt()
    flux = torch.where(ivar > 0, truth + noise, 1e3)
    chi2 = loss.reduced_chi2(truth, flux, ivar)
    assert torch.isnan(chi2[0, 0])
    assert chi2.nanmean() == pytest.approx(1, abs=0.005)


def test_an_unknown_redshift_is_left_out_of_the_loss() -> None:
    known = loss.redshift_error(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 2.0]))
    with_unknown = loss.redshift_error(torch.tensor([1.0, 9.0, 2.0]), torch.tensor([0.0, torch.nan, 2.0]))
    assert known == with_unknown == 0.5
    assert loss.redshift_error(torch.tensor([1.0]), torch.tensor([torch.nan])) == 0


# The models.


def measured(sky: Run, system: Which, **changes: Any) -> Any:
    settings = replace(QUICK, system=system, **changes)
    feed = Feed(Samples.open(sky.samples("paper")), True)
    moments = Moments(WAVE)
    for name in feed.samples.names:
        moments.add(feed.galaxy(name))
    model: Any = build_model(settings, WAVE, SIDE)
    if system == "ae2d":
        compressor: Any = train_model(sky, SHALLOW).model
        model.space.take(moments, compressor.encoder, compressor.decoder, float(compressor.space.scale))
    else:
        model.space.measure(moments)
    if system in ("linear", "cube-pca"):
        galaxies = [feed.galaxy(name) for name in feed.samples.names]
        redshifts = torch.tensor([galaxy.redshift for galaxy in galaxies])
        model.fit((model.space.maps([galaxy])[0] for galaxy in galaxies), redshifts)
    return model.eval()


@EVERY
@pytest.mark.parametrize("kind", ["mae", "mse"])
def test_the_loss_is_the_weighted_error_of_the_flux(sky: Run, system: Which, kind: loss.Kind) -> None:
    model = measured(sky, system, loss=kind)
    sample = with_star(a_sample(3), 5)
    sample.ivar[..., 20:30] = 0
    galaxy = as_seen(sample)
    maps = model.decode(model.encode(model.space.maps([galaxy]))).detach().requires_grad_()
    errors = model.space.errors(maps, [galaxy])
    (slope,) = torch.autograd.grad(errors.sum(), maps)
    again = maps.detach().clone().requires_grad_()
    weight = loss.smooth_map(SIDE) * galaxy.good
    plain = loss.weighted_error(
        model.space.flux(again[0]) / model.space.scale,
        galaxy.flux / model.space.scale,
        weight,
        galaxy.covered,
        kind,
    )
    (expected,) = torch.autograd.grad(plain, again)
    torch.testing.assert_close(errors[0], plain)
    torch.testing.assert_close(slope, expected, rtol=1e-4, atol=1e-7)


@EVERY
def test_a_hidden_star_changes_neither_loss_nor_embedding(sky: Run, system: Which) -> None:
    model = measured(sky, system)
    faint, bright = (as_seen(with_star(a_sample(3), light)) for light in (1, 1000))
    seen = as_seen(with_star(a_sample(3), 1000), star_mask=False)
    latents = [model.encode(model.space.maps([galaxy])) for galaxy in (faint, bright, seen)]
    assert torch.equal(latents[0], latents[1])
    assert not torch.allclose(latents[0], latents[2])
    rebuilt = model.decode(latents[0])
    assert torch.equal(model.space.errors(rebuilt, [faint]), model.space.errors(rebuilt, [bright]))


@EVERY
def test_an_embedding_does_not_depend_on_its_neighbours_in_the_batch(sky: Run, system: Which) -> None:
    model = measured(sky, system)
    feed = Feed(Samples.open(sky.samples("paper")), True)
    galaxies = [feed.galaxy(name) for name in feed.samples.names[:4]]
    together = model.encode(model.space.maps(galaxies))
    alone = model.encode(model.space.maps(galaxies[2:3]))
    torch.testing.assert_close(together[2:3], alone, rtol=1e-4, atol=1e-5)


@EVERY
def test_channels_another_instrument_lacks_are_filled_and_not_judged(sky: Run, system: Which) -> None:
    model = measured(sky, system)
    whole = a_sample(3)
    ivar = whole.ivar.copy()
    ivar[..., 20:30] = ivar[..., 50:] = 0
    gappy = [replace(whole, flux=whole.flux + np.float32(junk) * (ivar == 0), ivar=ivar) for junk in (0, 1e4)]
    known, junky = (as_seen(sample) for sample in gappy)
    full = as_seen(whole)
    maps = model.space.maps([full]), model.space.maps([known]), model.space.maps([junky])
    assert torch.equal(maps[1], maps[2])
    there, filled = (model.space.flux(one[0])[2:6, 2:6, 20:30] for one in maps[:2])
    assert (filled - there).abs().mean() < 0.2 * there.mean()
    errors = model.space.errors(maps[0], [known]), model.space.errors(maps[0], [junky])
    assert torch.equal(*errors)


def test_filled_in_sky_is_learned_though_nothing_judges_it() -> None:
    sample = a_sample(0)
    sample.ivar[..., 30:33] = 0
    assert as_seen(sample, sky_filled=True).covered.all()
    assert (~as_seen(sample).covered).sum() == 3


def test_a_width_too_few_is_said_in_one_line() -> None:
    with pytest.raises(CubesiftError, match=r"widths \(16,\) bring 8 spaxels a side down to 4, but .* 32\."):
        build_model(QUICK, WAVE, 32)


# Who is learned from.


def test_repeats_of_a_galaxy_stay_on_one_side_as_the_survey_grows(tmp_path: Path) -> None:
    few = folds(Samples.open(a_survey(tmp_path / "few", 10).samples("paper")), QUICK)[0]
    run = a_survey(tmp_path / "many", 30)
    samples = Samples.open(run.samples("paper"))
    for number in range(10):
        again = a_sample(number)
        samples.write(replace(again, record=replace(again.record, plateifu=f"{9000 + number}-1902")))
    many, whole = folds(samples, QUICK)
    assert set(few.validation) == set(many.validation) & {*few.train, *few.validation}
    repeated = [f"{8000 + number}-1901" in many.validation for number in range(10)]
    assert [f"{9000 + number}-1902" in many.validation for number in range(10)] == repeated
    assert any(repeated)
    assert sorted(whole.train) == samples.names
    assert not whole.validation


def test_a_device_that_is_not_here_is_told_in_one_line(sky: Run) -> None:
    for name in ("nonsense", "cuda:99", "meta"):
        with pytest.raises(CubesiftError, match=f"'{name}' is no device to compute on here. Usable: .*cpu"):
            train_model(sky, QUICK, device=name)


def test_plates_are_counted_not_spelt(tmp_path: Path) -> None:
    samples = Samples.open(a_survey(tmp_path, 1).samples("paper"))
    one = a_sample(0)
    for name in ("10001-701", "9999-12701", "9999-1901", "a_galaxy"):
        samples.write(replace(one, record=replace(one.record, plateifu=name)))
    train, held_out = split_galaxies(samples, replace(QUICK, split="first", first=3))
    assert train == ["8000-1901", "9999-12701", "9999-1901"]
    assert held_out == ["10001-701", "a_galaxy"]


def test_the_paper_learns_from_the_first_of_the_list(sky: Run) -> None:
    samples = Samples.open(sky.samples("paper"))
    part, _ = folds(samples, replace(QUICK, split="first", first=10))
    assert part.train == samples.names[:10]
    assert part.validation == samples.names[10:]
    assert [fold.name for fold in folds(samples, replace(QUICK, split="first"))] == ["all"]


# Training.


@EVERY
def test_a_trained_model_beats_the_mean_cube_and_reads_the_redshift(sky: Run, system: Which) -> None:
    settings = replace(
        QUICK,
        name=f"trained-{system}",
        system=system,
        epochs=80,
        halve_every=30,
        learning_rate=3e-3,
        retrain_on_all=False,
    )
    if system == "ae2d":
        train_model(sky, SHALLOW)
    part = train_model(sky, settings)
    feed = Feed(Samples.open(sky.samples("paper")), True)
    model = part.model
    mean = torch.cat([model.space.maps([feed.galaxy(name)]) for name in part.train]).mean(dim=0, keepdim=True)
    constant = [float(model.space.errors(mean, [feed.galaxy(name)]).detach()) for name in part.validation]
    last = part.history[-1]
    assert last["validation_loss"] < 0.85 * np.mean(constant)
    if system != "cube-pca":  # colour is a ratio: no sum of a few cubes' light
        assert last["redshift_mse"] < 0.5 * last["constant_redshift_mse"]


@pytest.mark.long
@pytest.mark.parametrize("system", ["cube-ae", "linear", "cube-pca"])
def test_four_galaxies_without_noise_are_learned_by_heart(system: Which) -> None:
    """The others by `test_switches`, with every switch."""
    galaxies = [as_seen(a_sample(number, side=16, wave=256, noise=0)) for number in range(4)]
    settings = Training(system=system, components=8, redshift_weight=0)
    model: Any = build_model(settings, 256, 16)
    moments = Moments(256)
    for galaxy in galaxies:
        moments.add(galaxy)
    model.space.measure(moments)
    maps = model.space.maps(galaxies)
    constant = model.space.errors(maps.mean(dim=0, keepdim=True).expand_as(maps), galaxies).mean()
    if system in ("linear", "cube-pca"):
        model.fit(list(maps), torch.full((4,), torch.nan))
    else:
        optimizer = torch.optim.Adam(model.train().parameters())
        steps = 200
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = 4e-3 * 0.5 ** (8 * step // steps)
            error = model.space.errors(model.decode(model.encode(maps)), galaxies).mean()
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
    assert model.space.errors(model.decode(model.encode(maps)), galaxies).mean() < 0.1 * constant


@pytest.mark.parametrize("system", ["cae2d", "cae3d", "cae1d2d", "pca2d"])
@pytest.mark.parametrize(
    "switch",
    [{"activation": "relu"}, {"pooling": "max"}, {"unpooling": "transposed"}, {"batch_norm": False}],
    ids=lambda switch: next(iter(switch)),
)
def test_a_switch_makes_another_network_of_the_same_shape(
    sky: Run, system: Which, switch: dict[str, Any]
) -> None:
    plain, switched = (measured(sky, system, **changes).train() for changes in ({}, switch))
    galaxy = as_seen(a_sample(3))
    rebuilt = [model.decode(model.encode(model.space.maps([galaxy]))) for model in (plain, switched)]
    assert rebuilt[0].shape == rebuilt[1].shape
    assert not torch.allclose(rebuilt[0], rebuilt[1])
    switched.space.errors(rebuilt[1], [galaxy]).sum().backward()
    layers = nn.ModuleList([switched.encoder, switched.decoder])
    assert all(parameter.grad is not None for parameter in layers.parameters())


def test_the_first_two_components_count_more_in_the_loss_on_components(sky: Run) -> None:
    model = measured(sky, "pca2d", loss="components")
    galaxy = as_seen(a_sample(3))
    maps = model.space.maps([galaxy])
    assert model.space.errors(maps, [galaxy]).item() == pytest.approx(0, abs=1e-9)
    wrong = [maps.clone() for _ in range(2)]
    wrong[0][:, 0] += 1
    wrong[1][:, 3] += 1
    first, fourth = (model.space.errors(one, [galaxy]).item() for one in wrong)
    assert first == pytest.approx(5 * fourth)
    with pytest.raises(CubesiftError, match="compares codes of spectra, but system cae2d works on flux"):
        build_model(replace(QUICK, system="cae2d", loss="components"), WAVE, SIDE)


@BOTH
@pytest.mark.parametrize("name", ["smooth", "report", "flat"])
def test_a_loss_map_says_how_much_a_corner_counts_beside_the_centre(
    sky: Run, system: Which, name: Literal["smooth", "report", "flat"]
) -> None:
    model = measured(sky, system, loss="mse", loss_map=name)
    galaxy = as_seen(a_sample(3))
    right = model.space.maps([galaxy])
    wrong = [right.clone() for _ in range(2)]
    wrong[0][:, :, 0, 0] += 10
    wrong[1][:, :, 4, 4] += 10
    none, corner, centre = (model.space.errors(one, [galaxy]).item() for one in (right, *wrong))
    weights = loss.LOSS_MAPS[name](SIDE)
    assert (corner - none) / (centre - none) == pytest.approx(float(weights[0, 0] / weights[4, 4]), rel=0.2)


@BOTH
def test_the_redshift_moves_a_network_by_its_lambda_and_not_at_0(sky: Run, system: Which) -> None:
    settings = replace(QUICK, name="head", system=system, epochs=1, retrain_on_all=False)
    off, slight, strong = (
        train_model(sky, replace(settings, name=f"head-{weight}", redshift_weight=weight))
        for weight in (0.0, 0.1, 10.0)
    )
    untrained: Any = build_model(settings, WAVE, SIDE)

    def moved(one: Checkpoint, other: Any, part: str) -> float:
        pairs = zip(getattr(one.model, part).parameters(), getattr(other, part).parameters(), strict=True)
        return sum(float((a - b).detach().abs().sum()) for a, b in pairs)

    assert np.isnan(off.redshift).all()
    assert np.isnan(off.history[-1]["redshift_mse"])
    assert moved(off, untrained, "redshift") == 0
    assert moved(slight, untrained, "redshift") > 0
    assert 0 < moved(slight, off.model, "encoder") < moved(strong, off.model, "encoder")


def test_a_resized_map_has_no_checkerboard_and_a_strided_one_has(sky: Run) -> None:
    flat = torch.ones(1, 2, 8, 8)
    roughness = []
    for unpooling in ("resize", "transposed"):
        torch.manual_seed(1)
        settings = replace(QUICK, unpooling=unpooling, batch_norm=False)
        grown = nn.Sequential(*unpooled(settings, nn.Conv2d(2, 2, 3, padding=1), (2, 2)))
        middle = grown(flat).detach()[0, :, 4:12, 4:12]
        roughness.append(float(middle.std(dim=(1, 2)).mean() / middle.abs().mean()))
    assert roughness[0] == pytest.approx(0, abs=1e-6)
    assert roughness[1] > 0.1


def test_a_spectrum_that_no_step_divides_is_padded_and_cut_again(sky: Run) -> None:
    for system in ("cae3d", "cae1d2d"):
        model = build_model(replace(QUICK, system=system), 70, SIDE)
        assert model.decode(model.encode(torch.rand(2, 70, SIDE, SIDE))).shape == (2, 70, SIDE, SIDE)


def test_spectra_are_compressed_only_by_a_shallow_autoencoder_that_was_trained(sky: Run) -> None:
    missing = replace(QUICK, name="alone", system="ae2d", compressor="nobody")
    with pytest.raises(CubesiftError, match=r"model alone: no model 'nobody' of fold 'split'"):
        train_model(sky, missing)
    train_model(sky, replace(QUICK, name="other", epochs=1))
    with pytest.raises(CubesiftError, match="'other' is no shallow AE"):
        train_model(sky, replace(missing, compressor="other"))


def test_a_model_without_a_name_is_called_by_its_system() -> None:
    assert (Training().name, Training(system="linear").name, Training(system="ae", name="mine").name) == (
        "cae2d",
        "linear",
        "mine",
    )


def test_the_rate_is_halved_every_ten_epochs_and_the_history_says_so(sky: Run) -> None:
    assert [Training().rate(epoch) / Training().rate(0) for epoch in (9, 10, 49)] == [1, 0.5, 1 / 16]
    assert (Training().batch_size, Training(system="pca2d").batch_size) == (50, 10)
    assert (Training().epochs, Training().first, Training().retrain_on_all) == (50, 2000, True)
    history = train_model(sky, replace(QUICK, name="rates", halve_every=2, retrain_on_all=False)).history
    assert [row["learning_rate"] for row in history] == [1e-3, 1e-3, 5e-4, 5e-4]


class Stopped(Exception):
    """As if a person pressed Ctrl-C."""


@BOTH
def test_four_epochs_are_two_and_two_more_bit_for_bit(sky: Run, system: Which) -> None:
    settings = replace(QUICK, name=f"straight-{system}", system=system)
    train_model(sky, settings)

    def stop(said: dict[str, Any]) -> None:
        if said.get("epoch") == 2 and said["fold"] == "all":
            raise Stopped

    broken = replace(settings, name=f"broken-{system}")
    with pytest.raises(Stopped):
        train_model(sky, broken, progress=stop)
    assert not (sky.model(broken.name) / "model.json").exists()
    said: list[dict[str, Any]] = []
    checkpoint = train_model(sky, broken, progress=said.append)
    assert [row["epoch"] for row in said if "epoch" in row] == [3, 4]
    assert [row["epoch"] for row in checkpoint.history] == [1, 2, 3, 4]
    for fold in ("split", "all"):
        assert weights(sky.model(broken.name, fold)) == weights(sky.model(settings.name, fold))
    assert not (sky.model(broken.name) / "resume.pt").exists()


KILLED = """
import sys, torch
from cubesift.data.run import Run
from cubesift.learn.settings import Training
from cubesift.learn.train import train_model
from pydantic import TypeAdapter
torch.set_num_threads(1)
settings = TypeAdapter(Training).validate_json(sys.argv[2])
train_model(Run(sys.argv[1]), settings, progress=lambda said: print(said.get("epoch"), flush=True))
"""


def test_a_killed_training_ends_in_the_same_weights(sky: Run) -> None:
    from pydantic import TypeAdapter

    settings = replace(QUICK, name="undisturbed", epochs=20, retrain_on_all=False)
    train_model(sky, settings)
    killed = replace(settings, name="killed")
    command = [sys.executable, "-c", KILLED, str(sky.path), TypeAdapter(Training).dump_json(killed).decode()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if line.strip() == "3":
                os.kill(process.pid, signal.SIGKILL)
    folder = sky.model("killed", "split")
    assert not (folder / "model.json").exists()
    assert (folder / "resume.pt").exists()
    train_model(sky, killed)
    assert weights(folder) == weights(sky.model("undisturbed", "split"))


@pytest.mark.parametrize("file", ["weights.safetensors", "resume.pt"])
def test_weights_of_a_network_built_otherwise_are_not_called_damaged(tmp_path: Path, file: str) -> None:
    run = a_survey(tmp_path)
    settings = replace(QUICK, epochs=2, retrain_on_all=False)
    folder = run.model(settings.name, "split")

    def stop(said: dict[str, Any]) -> None:
        if said.get("epoch") == 1 and file == "resume.pt":
            raise Stopped

    with suppress(Stopped):
        train_model(run, settings, progress=stop)
    if file == "resume.pt":
        state = torch.load(folder / file, weights_only=True)
        state["model"] = {f"older.{name}": value for name, value in state["model"].items()}
        torch.save(state, folder / file)
    else:
        held = safetensors.torch.load_file(folder / file)
        older = {f"older.{name}": value for name, value in held.items()}
        (folder / file).write_bytes(safetensors.torch.save(older))
    with pytest.raises(CubesiftError, match=r"another version of cubesift built\. Remove it and run"):
        train_model(run, settings)


def test_galaxies_read_each_time_train_the_same_weights_as_those_kept_in_memory(sky: Run) -> None:
    kept = train_model(sky, replace(QUICK, name="kept", retrain_on_all=False))
    read = train_model(sky, replace(QUICK, name="read", retrain_on_all=False), memory=0.0)
    assert kept.model.state_dict().keys() == read.model.state_dict().keys()
    assert weights(sky.model("kept", "split")) == weights(sky.model("read", "split"))


def test_a_linear_model_keeps_no_more_cubes_than_there_is_memory_for(
    sky: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[int] = []
    there: weakref.WeakSet[Galaxy] = weakref.WeakSet()

    def counted(*given: Any, **named: Any) -> Galaxy:
        galaxy = as_galaxy(*given, **named)
        there.add(galaxy)
        alive.append(len(there))
        return galaxy

    monkeypatch.setattr("cubesift.learn.feed.as_galaxy", counted)
    settings = replace(QUICK, name="short", system="linear", widths=None, retrain_on_all=False)
    checkpoint = train_model(sky, settings, memory=0.0)
    assert 2 * max(alive) < len(checkpoint.train)


def test_no_epochs_are_shown_of_a_model_that_has_none(tmp_path: Path) -> None:
    run = a_survey(tmp_path)
    one = train_model(run, replace(QUICK, name="flat", system="linear", widths=None, retrain_on_all=False))
    assert ("models/flat/split", f"linear, on {len(one.train)} galaxies", "") in run_status(run)


def test_what_is_finished_is_not_done_again_and_other_settings_start_afresh(sky: Run) -> None:
    train_model(sky, replace(QUICK, name="once"))
    before = (sky.model("once") / "model.json").stat().st_mtime_ns
    said: list[dict[str, Any]] = []
    train_model(sky, replace(QUICK, name="once"), progress=said.append)
    assert (sky.model("once") / "model.json").stat().st_mtime_ns == before
    assert not said
    other = train_model(sky, replace(QUICK, name="once", seed=1))
    assert other.settings.seed == 1
    assert Checkpoint.load(sky.model("once")).settings.seed == 1


# Embedding.


@BOTH
def test_the_same_seed_gives_the_same_embedding_and_a_reloaded_model_too(sky: Run, system: Which) -> None:
    def embedded(name: str, seed: int) -> Embeddings:
        settings = replace(QUICK, name=f"{name}-{system}", system=system, seed=seed, epochs=2)
        assert train_model(sky, settings).fold == "all"
        return embed_survey(sky, settings.name)

    one, two, other = embedded("one", 0), embedded("two", 0), embedded("other", 5)
    assert one.vectors.shape == (14, 4 * 4 * QUICK.latent_channels)
    assert np.array_equal(one.vectors, two.vectors)
    assert np.array_equal(one.redshift_predicted, two.redshift_predicted)
    assert not np.allclose(one.vectors, other.vectors)
    assert set(one.fold) == {"all"}
    assert (np.abs(one.redshift - one.redshift_predicted) < 0.3).all()


def test_only_galaxies_that_are_new_or_changed_are_embedded(tmp_path: Path) -> None:
    run = a_survey(tmp_path, 6)
    train_model(run, replace(QUICK, split="first", name="m"))
    first = embed_survey(run, "m")
    stored = run.reconstructions("m")
    samples = Samples.open(run.samples("paper"))
    samples.write(a_sample(6))
    changed = a_sample(2)
    samples.write(replace(changed, record=replace(changed.record, source_id="mended")))
    before = {path.parent.name: path.stat().st_mtime_ns for path in stored.glob("8*/zarr.json")}
    second = embed_survey(run, "m")
    after = {path.parent.name: path.stat().st_mtime_ns for path in stored.glob("8*/zarr.json")}
    assert {name for name in after if after[name] != before.get(name)} == {"8002-1901", "8006-1901"}
    assert np.array_equal(second.vectors[:6], first.vectors)
    assert len(second) == 7


def test_a_model_may_come_from_another_run_if_the_samples_are_alike(sky: Run, tmp_path: Path) -> None:
    train_model(sky, replace(QUICK, name="lent"))
    other = a_survey(tmp_path / "other", 3, min_side=0)
    for place in (sky.path, sky.path / "models" / "lent", sky.model("lent", "split")):
        embeddings = embed_survey(other, "lent", model=place)
        assert len(embeddings) == 3
    assert set(embeddings.fold) == {"split"}
    unlike = a_survey(tmp_path / "unlike", 3, clip=True)
    with pytest.raises(Stale, match=r"prepared with clip = True \(model: False\)"):
        embed_survey(unlike, "lent", model=sky.path)
    with pytest.raises(CubesiftError, match="no finished model here"):
        find_model(tmp_path)
    with pytest.raises(Stale, match="16 spaxels a side, but model lent was trained on 8"):
        embed_sample(Checkpoint.load(find_model(sky.path, "lent")), a_sample(0, side=16))


def test_cubes_of_several_sizes_are_refused_in_one_line(tmp_path: Path) -> None:
    run = a_survey(tmp_path, 3)
    Samples.open(run.samples("paper")).write(a_sample(5, side=16))
    with pytest.raises(CubesiftError, match="8005-1901: 16 spaxels a side, but 8000-1901 has 8"):
        train_model(run, replace(QUICK, split="first"))


def test_a_reconstruction_says_how_well_each_spaxel_was_rebuilt(sky: Run) -> None:
    checkpoint = train_model(sky, replace(QUICK, name="judge", epochs=1))
    sample = with_star(a_sample(3), 100)
    sample.ivar[7, 7] = 0
    rebuilt, said = embed_sample(checkpoint, sample)
    nothing = np.zeros((SIDE, SIDE), bool)
    nothing[:2, :2] = nothing[7, 7] = True
    assert np.array_equal(np.isnan(rebuilt.error), nothing)
    assert np.array_equal(np.isnan(rebuilt.chi2), nothing)
    assert np.isnan(rebuilt.signal_to_noise[7, 7])
    assert rebuilt.signal_to_noise[4, 4] == pytest.approx(np.median(sample.flux[4, 4]) / NOISE, rel=0.05)
    assert rebuilt.white[4, 4] == pytest.approx(sample.flux[4, 4].mean(), rel=1e-5)
    y, x = rebuilt.spaxels[1]
    residual = (rebuilt.model[1] - sample.flux[y, x]) / NOISE
    assert rebuilt.chi2[y, x] == pytest.approx((residual**2).mean(), rel=1e-4)
    assert len(said["vector"]) == 4 * 4 * QUICK.latent_channels


def test_a_star_that_the_model_was_shown_counts_in_its_error_and_a_hidden_one_does_not(sky: Run) -> None:
    sample = with_star(a_sample(3), 100)
    sample.ivar[:2, :2] = 0  # MaNGA's own mask says DONOTUSE there
    for shown in (True, False):
        settings = replace(QUICK, name=f"shown-{shown}", epochs=1, retrain_on_all=False, star_mask=not shown)
        rebuilt, _ = embed_sample(train_model(sky, settings), sample)
        assert np.isfinite(rebuilt.error[:2, :2]).all() == shown
        assert np.isfinite(rebuilt.error[2:, 2:]).all()
        assert np.isnan(rebuilt.chi2[:2, :2]).all()
        if shown:
            assert rebuilt.error[:2, :2].min() > 10 * np.median(rebuilt.error[2:, 2:])


def test_the_strangest_spaxel_is_kept_whatever_is_usual_at_its_signal_to_noise() -> None:
    signal_to_noise = np.full((32, 32), 0.4)
    signal_to_noise[8:24, 8:24] = np.linspace(5, 60, 256).reshape(16, 16)
    chi2 = 1 + 0.01 * signal_to_noise**2  # right to a tenth everywhere
    chi2[10, 12] *= 1.5  # a faint spaxel with something in it, its chi2 below that of the bright ones
    chi2[0, 0] = 100.0  # nothing but noise
    chi2[9, 9] = np.nan
    spaxels = spectra_to_keep(chi2, signal_to_noise).tolist()
    assert spaxels[0] == [16, 16]
    assert [10, 12] in spaxels
    assert [0, 0] not in spaxels
    assert len(spaxels) < 25
    assert len({tuple(place) for place in spaxels}) == len(spaxels)


def test_every_reconstruction_can_be_read_without_the_model(sky: Run) -> None:
    train_model(sky, replace(QUICK, name="kept-apart", epochs=1))
    embed_survey(sky, "kept-apart")
    stored = Reconstructions.open(sky.reconstructions("kept-apart"))
    assert stored.names == Samples.open(sky.samples("paper")).names
    assert stored.read("8003-1901").model.shape == stored.read("8003-1901").flux.shape
    assert SYSTEMS.keys() == set(get_args(Which))
