"""The networks' fused layers do what torch's own do, one by one."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cubesift.learn import fluxerror, rectify
from cubesift.learn.ae import AE
from cubesift.learn.batchnorm import Statistics
from cubesift.learn.blocks import rectified
from cubesift.learn.cae2d import CAE2d
from cubesift.learn.checkpoint import build_model
from cubesift.learn.feed import Galaxy
from cubesift.learn.loss import Kind
from cubesift.learn.products import FromMany, ToMany
from cubesift.learn.rectify import Rectified
from cubesift.learn.resize import Resized
from cubesift.learn.settings import Training


def maps_like(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Random maps, channels last in memory, far from zero as a galaxy's light is."""
    numbers = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    rows = (5 + 3 * numbers).movedim(1, -1).contiguous()
    return rows.movedim(-1, 1).requires_grad_()


def both(ours: nn.Module, torchs: nn.Module, shape: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
    """What the two make of the same maps, and the slopes they send back."""
    one, other = maps_like(shape), maps_like(shape)
    made, expected = ours(one), torchs(other)
    above = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    slopes = []
    for layer, maps, out in ((ours, one, made), (torchs, other, expected)):
        learned = list(layer.parameters())
        slopes.append(torch.autograd.grad((out * above).sum(), [maps, *learned]))
    return [(made, expected), *zip(*slopes, strict=True)]


def distance(made: Tensor, expected: Tensor) -> float:
    """Relative, over all numbers."""
    return float((made - expected).detach().norm() / expected.detach().norm())


@pytest.mark.parametrize("activation", ["elu", "relu"])
@pytest.mark.parametrize("normed", [True, False], ids=["batch norm", "no batch norm"])
@pytest.mark.parametrize(
    ("shape", "pool"),
    [
        ((3, 5, 6, 4), (2, 2)),
        ((3, 5, 6, 4), ()),
        ((2, 3, 4, 6, 8), (2, 2, 4)),
        ((2, 3, 4, 6, 8), ()),
        ((2, 3, 32, 32, 64), (2, 2, 4)),  # several slabs
    ],
)
def test_one_walk_does_what_norm_activation_and_pooling_do(
    shape: tuple[int, ...],
    pool: tuple[int, ...],
    normed: bool,
    activation: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rectify, "LARGE", 0)
    flat = len(shape) == 4
    norms: list[Any] = [
        (nn.BatchNorm2d if flat else nn.BatchNorm3d)(shape[1], momentum=1.0) for _ in range(2)
    ]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 2, generator=torch.Generator().manual_seed(2))
        nn.init.normal_(norm.bias, generator=torch.Generator().manual_seed(3))
    layers: list[nn.Module] = [norms[1]] if normed else []
    layers.append(nn.ELU() if activation == "elu" else nn.ReLU())
    if pool:
        layers.append((nn.AvgPool2d if flat else nn.AvgPool3d)(pool))  # type: ignore[arg-type]
    ours, plain = Rectified(norms[0] if normed else None, activation, pool), nn.Sequential(*layers)
    for made, expected in both(ours, plain, shape):
        # Rounding may decide on which side of 0 a number lies, and with it the slope of a ReLU.
        assert distance(made, expected) < (5e-5 if activation == "elu" else 5e-3)
    if normed:  # what is made again on the way back is not counted twice
        for name, value in norms[0].state_dict().items():
            torch.testing.assert_close(value, norms[1].state_dict()[name], rtol=1e-4, atol=1e-5)
    maps = maps_like(shape, 4)
    assert distance(ours.eval()(maps), plain.eval()(maps)) < 1e-4


@pytest.mark.parametrize(
    ("shape", "kernel", "factor"),
    [
        ((2, 4, 6, 5), (3, 3), (2, 2)),
        ((2, 3, 4, 5, 6), (3, 3, 3), (2, 2, 4)),
        ((2, 3, 4, 5, 6), (3, 3, 1), (2, 2, 1)),
        ((2, 3, 4, 5, 6), (1, 1, 9), (1, 1, 4)),
        ((2, 3, 4, 5, 6), (5, 3, 7), (2, 3, 2)),
    ],
)
def test_a_convolution_of_a_resized_map_needs_no_resized_map(
    shape: tuple[int, ...], kernel: tuple[int, ...], factor: tuple[int, ...]
) -> None:
    layer: Any = nn.Conv2d if len(shape) == 4 else nn.Conv3d
    torch.manual_seed(0)
    conv = layer(shape[1], 2, kernel, padding=tuple(taps // 2 for taps in kernel))
    plain = nn.Sequential(nn.Upsample(scale_factor=tuple(map(float, factor))), conv)
    for made, expected in both(Resized(conv, factor), plain, shape):
        assert distance(made, expected) < 1e-5


def test_a_convolution_of_thousands_of_channels_is_a_product_of_matrices() -> None:
    torch.manual_seed(0)
    into, out = nn.Conv2d(20, 3, 3, padding=1), nn.ConvTranspose2d(3, 20, 3, padding=1)
    for ours, plain, shape in ((FromMany(into), into, (2, 20, 5, 6)), (ToMany(out), out, (2, 3, 5, 6))):
        for made, expected in both(ours, plain, shape):
            assert distance(made, expected) < 1e-5


def little_galaxies(side: int, wave: int) -> list[Galaxy]:
    """Three: whole, with a star hidden, with channels it does not have."""
    flux = torch.rand(3, side, side, wave, generator=torch.Generator().manual_seed(5)) * 3
    good, covered = torch.ones(3, side, side, dtype=torch.bool), torch.ones(3, wave, dtype=torch.bool)
    good[1, 2:4, 1:3] = False
    covered[2, 10:30] = False
    flux = flux * good[..., None] * covered[:, None, None, :]
    seen = torch.ones(side, side, dtype=torch.bool)
    return [Galaxy(f"8485-190{n}", flux[n], good[n], seen, covered[n], 0.03) for n in range(3)]


@pytest.mark.parametrize("asked", ["the batch's mean", "each galaxy by itself"])
@pytest.mark.parametrize("kind", ["mae", "mse"])
@pytest.mark.parametrize("system", ["ae", "cae2d"])
def test_a_loss_needs_no_cube(system: Any, kind: Kind, asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in ("BLOCK", "WIDE"):
        monkeypatch.setattr(fluxerror, size, 23)  # the last one is shorter, on both axes
    settings = Training(system=system, loss=kind, components=5, widths=(6,), latent_channels=2)
    model = build_model(settings, 600, 8).train()
    assert isinstance(model, AE | CAE2d)
    model.space.scale.fill_(1.7)
    model.space.mean.fill_(0.9)
    galaxies = little_galaxies(8, 600)
    counts = torch.ones(3) if asked == "the batch's mean" else torch.tensor([1.0, 2.0, -0.5])
    learned = {name: one for name, one in model.named_parameters() if not name.startswith("redshift")}
    latent = model.encode(model.space.maps(galaxies))
    whole = model.space.errors(model.decode(latent), galaxies)
    walked = model.space.errors_of(model.factors(latent), galaxies)
    assert distance(walked, whole) < 1e-6
    slopes, expected = (
        torch.autograd.grad(errors @ counts, list(learned.values()), retain_graph=True)
        for errors in (walked, whole)
    )
    for name, made, slope in zip(learned, slopes, expected, strict=True):
        assert (made - slope).norm() <= 1e-5 * slope.norm() + 1e-7, name
    with torch.no_grad():
        assert torch.equal(model.space.errors_of(model.factors(latent), galaxies), walked)


def test_one_bright_batch_does_not_say_what_batch_norm_does_in_use() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(*rectified(nn.Conv2d(3, 4, 1), Training()))
    statistics = Statistics(model.train())
    maps = torch.randn(5, 3, 6, 6)
    for brightness in (1, 1.1, 0.9, 50, 1):
        model(brightness * maps)
        statistics.add()
    statistics.settle()
    (norm,) = (layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d))
    usual = model[0](maps)
    torch.testing.assert_close(norm.running_mean, usual.mean(dim=(0, 2, 3)))
    torch.testing.assert_close(norm.running_var, usual.var(dim=(0, 2, 3)))
