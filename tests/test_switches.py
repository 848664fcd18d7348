"""Every system with every switch thrown: its shapes, what is hidden from it, and what it can learn."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from jaxtyping import install_import_hook

from cubesift.data.store import Provenance
from cubesift.data.wavelength import WavelengthGrid
from cubesift.learn.settings import Training
from tests.test_learn import QUICK, SIDE, WAVE, a_sample, as_seen, with_star

with install_import_hook("cubesift.learn", "beartype.beartype"):
    from cubesift.learn.ae import AE
    from cubesift.learn.checkpoint import Checkpoint, build_model
    from cubesift.learn.feed import Galaxy
    from cubesift.learn.pca import Moments
    from cubesift.learn.spaces import ComponentSpace
    from cubesift.learn.train import galaxy_errors, redshift_error, standardised

NETWORKS = ("ae", "cae2d", "cae3d", "cae1d2d", "pca2d", "ae2d")
SWITCHES: dict[str, dict[str, Any]] = {
    "as it stands": {},
    "relu": {"activation": "relu"},
    "max pooling": {"pooling": "max"},
    "strided": {"unpooling": "transposed"},
    "no batch norm": {"batch_norm": False},
    "mse": {"loss": "mse"},
    "components": {"loss": "components"},
    "report map": {"loss_map": "report"},
    "no loss map": {"loss_map": "flat"},
    "stars shown": {"star_mask": False},
    "lambda 0": {"redshift_weight": 0.0},
    "lambda 1": {"redshift_weight": 1.0},
}
OF_BLOCKS = ("relu", "max pooling", "strided", "no batch norm")  # which a single layer has not
# The widths of `test_learn`'s sky, and enough of them to learn four galaxies of 16 x 16 x 256 by heart.
SMALL = {"cae3d": (4,), "cae1d2d": (4,)}
AMPLE = {"cae3d": (16, 16), "cae1d2d": (16, 16)}


def thrown() -> list[Any]:
    """Each network with each switch that it has."""
    return [
        pytest.param(system, changes, id=f"{system}, {switch}")
        for system in NETWORKS
        for switch, changes in SWITCHES.items()
        if not (switch == "components" and system not in ("pca2d", "ae2d"))
        and not (switch in OF_BLOCKS and system == "ae")
    ]


PAIRS = pytest.mark.parametrize(("system", "changes"), thrown())


def moments_of(galaxies: Sequence[Galaxy]) -> Moments:
    moments = Moments(galaxies[0].flux.shape[-1])
    for galaxy in galaxies:
        moments.add(galaxy)
    return moments


def ready(settings: Training, galaxies: Sequence[Galaxy]) -> Any:
    """A network with random weights, its scale and its compression taken from these galaxies."""
    side, _, wave = galaxies[0].flux.shape
    torch.manual_seed(0)
    model: Any = build_model(settings, wave, side)
    moments = moments_of(galaxies)
    if settings.system == "ae2d":
        compress(model.space, moments, settings.components)
    else:
        model.space.measure(moments)
    return model


def compress(space: ComponentSpace, moments: Moments, codes: int) -> None:
    """Take a shallow autoencoder that is as good as one gets: principal components, mixed with each other."""
    shallow: Any = build_model(Training(system="ae", components=codes), len(moments.mean), SIDE)
    assert isinstance(shallow, AE)
    vectors = torch.linalg.eigh(torch.from_numpy(moments.covariance())).eigenvectors[:, -codes:].float()
    mixed = vectors @ torch.linalg.qr(torch.randn(codes, codes)).Q
    mean = torch.from_numpy(moments.mean).float() / moments.scale
    with torch.no_grad():
        shallow.encoder.weight.copy_(mixed.T[:, :, None, None])
        shallow.decoder.weight.copy_(mixed[:, :, None, None])
        shallow.encoder.bias.copy_(-mixed.T @ mean)
        shallow.decoder.bias.copy_(mean)
    space.take(moments, shallow.encoder, shallow.decoder, float(moments.scale))


def quick(system: str, changes: dict[str, Any]) -> Training:
    return replace(QUICK, name="one", system=system, widths=SMALL.get(system, (16,)), **changes)  # type: ignore[arg-type]


@PAIRS
def test_a_switch_keeps_the_shapes(system: str, changes: dict[str, Any]) -> None:
    galaxies = [as_seen(a_sample(number)) for number in range(5)]
    model = ready(quick(system, changes), galaxies).eval()
    maps = model.space.maps(galaxies)
    latent = model.encode(maps)
    side = SIDE if system == "ae" else 4  # of the one-layer autoencoder every spaxel is a code
    assert latent.shape == (5, QUICK.components if system == "ae" else QUICK.latent_channels, side, side)
    rebuilt = model.decode(latent)
    assert rebuilt.shape == maps.shape
    assert model.space.flux(rebuilt[0]).shape == (SIDE, SIDE, WAVE)
    assert model.space.errors(rebuilt, galaxies).shape == model.redshift(latent).shape == (5,)


@PAIRS
def test_with_any_switch_a_hidden_star_counts_nowhere(system: str, changes: dict[str, Any]) -> None:
    model = ready(quick(system, changes), [as_seen(a_sample(number)) for number in range(5)]).eval()
    shown = not changes.get("star_mask", True)
    faint, bright = (as_seen(with_star(a_sample(3), light), star_mask=not shown) for light in (1, 1000))
    latents = [model.encode(model.space.maps([galaxy])) for galaxy in (faint, bright)]
    errors = [galaxy_errors(model, latents[0], [galaxy]) for galaxy in (faint, bright)]
    assert torch.equal(*latents) != shown
    assert torch.equal(*errors) != shown


@PAIRS
def test_with_any_switch_an_embedding_stands_alone(system: str, changes: dict[str, Any]) -> None:
    galaxies = [as_seen(a_sample(number)) for number in range(5)]
    model = ready(quick(system, changes), galaxies)
    model.encode(model.space.maps(galaxies))  # batch norm has seen a batch
    model.eval()
    together = model.encode(model.space.maps(galaxies))
    alone = model.encode(model.space.maps(galaxies[2:3]))
    torch.testing.assert_close(together[2:3], alone, rtol=1e-4, atol=1e-5)


@PAIRS
def test_with_any_switch_a_saved_model_says_the_same(
    system: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    galaxies = [as_seen(a_sample(number)) for number in range(5)]
    settings = quick(system, changes)
    model = ready(settings, galaxies)
    model.encode(model.space.maps(galaxies))  # batch norm has seen a batch
    saved = Checkpoint(
        model=model.eval(),
        settings=settings,
        fold="all",
        grid=WavelengthGrid(0, WAVE),
        side=SIDE,
        recipe={"name": "paper"},
        train=[galaxy.plateifu for galaxy in galaxies],
        validation=[],
        redshift=(0.05, 0.02),
        history=[{"epoch": 1, "train_loss": 1.0}],
        provenance=Provenance("train", "0"),
    )
    saved.save(tmp_path / "one")
    loaded: Any = Checkpoint.load(tmp_path / "one")
    assert asdict(loaded.settings) == asdict(settings)
    latent, again = (one.encode(one.space.maps(galaxies)) for one in (model, loaded.model))
    assert torch.equal(latent, again)
    assert torch.equal(model.decode(latent), loaded.model.decode(again))


@pytest.mark.long
@PAIRS
def test_with_any_switch_four_galaxies_are_learned_by_heart(system: str, changes: dict[str, Any]) -> None:
    galaxies = [as_seen(a_sample(number, side=16, wave=256, noise=0)) for number in range(4)]
    settings = Training(
        system=system,  # type: ignore[arg-type]
        widths=AMPLE.get(system, (64, 32)),
        components=8,
        **changes,
    )
    model = ready(settings, galaxies)
    maps = model.space.maps(galaxies)
    constant = model.space.errors(maps.mean(dim=0, keepdim=True).expand_as(maps), galaxies).mean()
    optimizer = torch.optim.Adam(model.train().parameters())
    redshifts = standardised(galaxies, (0.06, 0.03), "cpu")

    steps, shares = 450, []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 4e-3 * (1 - step / steps)
        latent = model.encode(maps)
        rebuilt = galaxy_errors(model, latent, galaxies).mean()
        shares.append(float(rebuilt.detach() / constant))
        if shares[-1] < 0.1:
            return
        missed = redshift_error(model.redshift(latent), redshifts)
        optimizer.zero_grad()
        (rebuilt + settings.redshift_weight * missed).backward()
        optimizer.step()
    pytest.fail(f"{min(shares):.0%} of what the mean cube leaves, after {steps} steps; expected 10 %")
