"""A training step of each system, as cubesift builds it and as torch's own layers in their defaults do.

    python benchmarks/training.py [batch]

The same weights and the same batch at 32 x 32 x 4096 on one thread; each in a process of its own, for its
peak memory. "plain" is contiguous, resizes before it convolves, and keeps what lies between norm, activation
and pooling. Prints CPU-seconds per galaxy, peak memory less what was there before the first step, and the
losses of three steps. For cae2d also the multiply-adds against a matrix product's rate.
"""

import resource
import subprocess
import sys
import time
from typing import Any

import torch
from torch import Tensor, nn

from cubesift.learn.checkpoint import build_model
from cubesift.learn.products import FromMany, ToMany
from cubesift.learn.rectify import Rectified
from cubesift.learn.resize import Resized
from cubesift.learn.settings import Training

SYSTEMS = ("cae2d", "cae3d", "cae1d2d")
SIDE, WAVE = 32, 4096
STEPS = 3


def model_settings(system: str) -> Training:
    """A system at its default sizes."""
    return Training(system=system)  # type: ignore[arg-type]


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


def measure(system: str, kind: str, batch: int) -> None:
    """Print seconds, memory and losses of a few steps."""
    torch.set_num_threads(1)
    model: Any = build_model(model_settings(system), WAVE, SIDE)
    maps = torch.empty(batch, SIDE, SIDE, WAVE).permute(0, 3, 1, 2)
    if kind == "plain":
        plain(model)
        maps = torch.empty(batch, WAVE, SIDE, SIDE)
    generator = torch.Generator().manual_seed(1)
    for one in maps:
        one.copy_(torch.rand(SIDE, SIDE, WAVE, generator=generator).permute(2, 0, 1))
    optimizer = torch.optim.Adam(model.train().parameters())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    losses, seconds = [], []
    for _ in range(STEPS):
        started = time.process_time()
        loss = (model.decode(model.encode(maps)) - maps).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(time.process_time() - started)
        losses.append(loss.item())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(min(seconds[1:]) / batch, peak / 1e6, *losses)


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
        model.eval().redshift(latent := model.encode(maps))
        model.decode(latent)
    forward = sum(one for _, one in done)
    return sum(one.numel() for one in model.parameters()), forward, 3 * forward - done[0][1]


def main(batch: int) -> None:
    rate = product_rate()
    print(f"batch {batch}, one thread; a matrix product does {rate / 1e9:.0f} G multiply-adds/s")
    for system in SYSTEMS:
        parameters, forward, step = multiply_adds(system)
        said = {}
        for kind in ("plain", "ours"):
            words = [sys.executable, __file__, system, kind, str(batch)]
            done = subprocess.run(words, check=True, capture_output=True, text=True)
            said[kind] = [float(word) for word in done.stdout.split()]
        (slow, large, *expected), (fast, small, *losses) = said["plain"], said["ours"]
        apart = max(abs(one - other) / other for one, other in zip(losses, expected, strict=True))
        print(
            f"{system}: {parameters:,} parameters, {forward / 1e9:.2f} G multiply-adds forward; "
            f"CPU-s per galaxy {fast:.3f} of {slow:.3f} ({fast / slow:.2f}); "
            f"peak {small:.2f} of {large:.2f} GB ({small / large:.2f}); losses within {apart:.1e}; "
            f"{step / fast / rate:.0%} of the product's rate, had it done all {step / 1e9:.1f} G of a step"
        )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
