"""A training step of each system, as cubesift builds it and as torch's own layers in their defaults do.

    python benchmarks/training.py [batch] [system ...]

The same weights and the same batch at 32 x 32 x 4096 on one thread; each in a process of its own, for its
peak memory. "plain" is contiguous, resizes before it convolves, keeps what lies between norm, activation and
pooling, and makes the cube before its loss. Prints CPU-seconds per galaxy, peak memory less what was there
before the first step, how far the losses of three steps are apart, and the multiply-adds against a matrix
product's rate; then where our time goes.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from cubesift.learn.ae import AE
from cubesift.learn.cae2d import CAE2d
from cubesift.learn.checkpoint import build_model
from cubesift.learn.feed import Galaxy
from cubesift.learn.products import FromMany, ToMany
from cubesift.learn.rectify import Rectified
from cubesift.learn.resize import Resized
from cubesift.learn.settings import Training
from cubesift.learn.train import galaxy_errors

SYSTEMS = ("ae", "cae2d", "cae3d", "cae1d2d")
SIDE, WAVE = 32, 4096
STEPS = 3
PRODUCTS = {
    "aten::mm",
    "aten::addmm",
    "aten::addmm_",
    "aten::mkldnn_convolution",
    "aten::convolution_backward",
}
PARTS = {  # by the name of the function that a piece of work is part of
    "the loss, but for its products": ("_FluxError", "_FluxErrorBackward"),
    "norm, activation, pooling": ("_Rectify", "batch_norm", "elu", "avg_pool"),
    "shifts of the nine taps": ("_Shift",),
    "optimizer": ("Optimizer",),
}


def model_settings(system: str) -> Training:
    """A system at its default sizes, every spaxel alike in its loss."""
    return Training(system=system, loss_map="flat")  # type: ignore[arg-type]


def plain(model: nn.Module) -> nn.Module:
    """The same network of torch's own layers, weights shared, contiguous."""
    for name, layer in list(model.named_children()):
        if isinstance(layer, Resized):
            up = nn.Upsample(scale_factor=tuple(map(float, layer.factor)))
            setattr(model, name, nn.Sequential(up, layer.conv))
        elif isinstance(layer, Rectified):
            pools: Any = {0: None, 2: nn.AvgPool2d, 3: nn.AvgPool3d}[len(layer.pool)]
            several = [layer.norm, nn.ELU(), pools and pools(layer.pool)]
            setattr(model, name, nn.Sequential(*(one for one in several if one is not None)))
        elif isinstance(layer, (FromMany, ToMany)):
            setattr(model, name, layer.conv)
        else:
            plain(layer)
    return model.to(memory_format=torch.contiguous_format)


def passed(model: Any, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Latent and cube by torch's own layers, one after the other."""
    if isinstance(model, AE | CAE2d):
        return (latent := model.encoder(maps)), model.decoder(latent)
    return (latent := model.encode(maps)), model.decode(latent)


def measure(system: str, kind: str, batch: int) -> None:
    """Print seconds, memory and losses of a few steps, then, of ours, the profile of one more."""
    torch.set_num_threads(1)
    model: Any = build_model(model_settings(system), WAVE, SIDE)
    maps = torch.empty(batch, SIDE, SIDE, WAVE).permute(0, 3, 1, 2)
    if kind == "plain":
        plain(model)
        maps = torch.empty(batch, WAVE, SIDE, SIDE)
    generator = torch.Generator().manual_seed(1)
    for one in maps:
        one.copy_(torch.rand(SIDE, SIDE, WAVE, generator=generator).permute(2, 0, 1))
    good, covered = torch.ones(SIDE, SIDE, dtype=torch.bool), torch.ones(WAVE, dtype=torch.bool)
    galaxies = [Galaxy("", one.permute(1, 2, 0), good, good, covered, 0.0) for one in maps]
    optimizer = torch.optim.Adam(model.train().parameters())

    def step() -> float:
        if kind == "plain":
            loss = (passed(model, maps)[1] - maps).abs().mean()
        else:
            loss = galaxy_errors(model, model.encode(maps), galaxies).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    losses, seconds = [], []
    for _ in range(STEPS):
        started = time.process_time()
        losses.append(step())
        seconds.append(time.process_time() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(min(seconds[1:]) / batch, peak / 1e6, *losses)
    if kind == "ours":
        with profile(activities=[ProfilerActivity.CPU]) as watched:
            step()
        print(", ".join(f"{part} {share:.1%}" for part, share in shares(watched.events()).items()))


def shares(events: Any) -> dict[str, float]:
    """Of a step's time, by what it is spent on."""
    spent = dict.fromkeys(["products", *PARTS, "the rest"], 0.0)
    for event in events:
        part = "products" if event.name in PRODUCTS else part_of(event)
        spent[part] += event.self_cpu_time_total
    return {part: time / sum(spent.values()) for part, time in spent.items()}


def part_of(event: Any) -> str:
    """The part that an event, or the nearest event it lies in, is named for."""
    while event is not None:
        for part, names in PARTS.items():
            if any(name in event.name for name in names):
                return part
        event = event.cpu_parent
    return "the rest"


def product_rate() -> float:
    """Multiply-adds a second of a large matrix product on one thread."""
    torch.set_num_threads(1)
    a, b = torch.rand(2048, 4096), torch.rand(4096, 2048)
    best = 1e9
    for _ in range(5):
        started = time.process_time()
        a @ b
        best = min(best, time.process_time() - started)
    return 2048 * 4096 * 2048 / best


def multiply_adds(system: str) -> tuple[int, int, int]:
    """Parameters; multiply-adds per galaxy of a pass forward; and of a training step, as ours does them.

    A step is three passes, less the slope of the input, which nobody asks for.
    """
    model: Any = build_model(model_settings(system), WAVE, SIDE)
    done: list[tuple[nn.Module, int]] = []

    def count(layer: Any, _: Any, out: Tensor) -> None:
        if isinstance(layer, nn.Linear):
            done.append((layer, layer.weight.numel()))
            return
        at_each = layer.weight.numel() // layer.out_channels
        done.append((layer, at_each * out[0].numel()))

    convolutions = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)
    for layer in plain(model).modules():
        if isinstance(layer, convolutions):
            layer.register_forward_hook(count)
    settings = model_settings(system)
    maps = torch.rand(1, settings.components if settings.on_components else WAVE, SIDE, SIDE)
    with torch.no_grad():
        latent, _ = passed(model.eval(), maps)
        model.redshift(latent)
    forward = sum(one for _, one in done)
    return sum(one.numel() for one in model.parameters()), forward, 3 * forward - done[0][1]


def main(batch: int, systems: Sequence[str]) -> None:
    print(f"batch {batch}, one thread")
    for system in systems:
        parameters, forward, step = multiply_adds(system)
        said, rates = {}, [product_rate()]
        for kind in ("plain", "ours"):
            words = [sys.executable, __file__, system, kind, str(batch)]
            done = subprocess.run(words, check=True, capture_output=True, text=True)
            rates.append(product_rate())
            numbers, *where = done.stdout.splitlines()
            said[kind] = [float(word) for word in numbers.split()]
        (slow, large, *expected), (fast, small, *losses) = said["plain"], said["ours"]
        apart = max(abs(one - other) / other for one, other in zip(losses, expected, strict=True))
        print(
            f"{system}: {parameters:,} parameters, {forward / 1e9:.2f} G multiply-adds forward; "
            f"CPU-s per galaxy {fast:.3f} of {slow:.3f} ({fast / slow:.2f}); "
            f"peak {small:.2f} of {large:.2f} GB ({small / large:.2f}); losses within {apart:.1e}; "
            f"{step / fast / max(rates):.0%} of a matrix product's "
            f"{max(rates) / 1e9:.0f} G multiply-adds/s, had it done all {step / 1e9:.1f} G of a step"
        )
        print(f"    of our time: {where[0]}")


if __name__ == "__main__":
    words = sys.argv[1:] or ["10"]
    if "plain" in words or "ours" in words:
        measure(words[0], words[1], int(words[2]))
    else:
        main(int(words[0]), words[1:] or SYSTEMS)
