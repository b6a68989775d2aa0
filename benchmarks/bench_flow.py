"""How fast is the conditional flow? Training steps and samples beside zuko's own, side by side in one run.

    python benchmarks/bench_flow.py [--features 8] [--events 400000] [--blocks 5 15] [--width 64 128] [--steps 60]

`step`: the loss of a batch of 500, its gradient and Adam, as zuko's examples have it (`-flow(c).log_prob(x).mean()`,
`torch.optim.Adam`), and as it is trained here; both by turns, the median of each. `sample`: so many events here, and
`flow(c).sample()` of zuko for a tenth of them, times ten. One thread. The weights are the same, and the samples too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import zuko

from hepad.cards.train import OptimizerCard
from hepad.nn.conditional_flow import ConditionalFlow
from hepad.nn.optimizer import Optimizer

BATCH, BLOCK, RATE = 500, 4096, 1e-3


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def steps(ours: ConditionalFlow, theirs: torch.nn.Module, x: torch.Tensor, c: torch.Tensor, count: int) -> None:
    mine = Optimizer(OptimizerCard(), list(ours.parameters()))
    adam = torch.optim.Adam(theirs.parameters(), lr=RATE)

    def here() -> None:
        mine.zero_grad()
        (-ours.log_prob(x, c)).mean().backward()
        mine.step(RATE)

    def zukos() -> None:
        loss = -theirs(c).log_prob(x).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()

    taken: dict[str, list[float]] = {"here": [], "zuko": []}
    for _ in range(count):
        taken["here"].append(seconds(here))
        taken["zuko"].append(seconds(zukos))
    a, b = (1e3 * statistics.median(times[5:]) for times in taken.values())
    print(f"  step: {a:.2f} ms here, {b:.2f} ms zuko: {b / a:.2f} times as long", flush=True)


@torch.no_grad()
def samples(ours: ConditionalFlow, theirs: torch.nn.Module, features: int, count: int) -> None:
    z, c = torch.randn(count, features), torch.rand(count, 1) * 2 - 1
    part = count // 10
    found = []
    here = seconds(lambda: found.append(ours.inverse(z, c)))
    other = []
    zukos = 10 * seconds(
        lambda: other.extend(theirs(c[i : i + BLOCK]).transform.inv(z[i : i + BLOCK]) for i in range(0, part, BLOCK))
    )
    apart = float((found[0][:part] - torch.cat(other)[:part]).abs().max())
    print(
        f"  {count} samples: {here:.1f} s here, {zukos:.1f} s zuko: {zukos / here:.1f} times as long; "
        f"at most {apart:.1e} apart",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=8)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--blocks", type=int, nargs="+", default=[5, 15])
    parser.add_argument("--width", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    for blocks, width in zip(options.blocks, options.width, strict=True):
        print(f"{blocks} blocks of {width}, {options.features} numbers, one thread")
        ours = ConditionalFlow(options.features, 1, blocks, width)
        theirs = zuko.flows.MAF(options.features, 1, transforms=blocks, hidden_features=(width, width))
        with torch.no_grad():
            for parameter in ours.parameters():
                parameter.add_(0.03 * torch.randn_like(parameter))
        for mine, other in zip(ours.steps, theirs.transform.transforms, strict=True):
            other.hyper.load_state_dict(mine.state_dict())
        samples(ours, theirs, options.features, options.events)
        steps(ours, theirs, torch.randn(BATCH, options.features), torch.rand(BATCH, 1), options.steps)


if __name__ == "__main__":
    main()
