"""The expected limits of the two-body search against the number of simulated events of signal.

    python benchmarks/bench_search_events.py NAME=OUT,OUT... [--sizes 3000,12000,30000] [--regions pb20,pb10]
        [--keep FILE] [-o FIGURE]

OUT are folders of `hepad reinterpret --analysis atlas_2023_ad_two_body`, those of each NAME of one signal, whose events
are taken together in their order. Printed are the median limit in pb of as many samples of each size as there are, and
their range, and the limit of all events; the figure has all of them. A limit that is in FILE is not made again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import uproot
from bench_search_floor import inputs_of
from matplotlib.ticker import NullFormatter
from rich.console import Console
from rich.table import Table

from hepad.pipeline.reinterpret.combine import set_limits

Limits = Mapping[str, Mapping[int, Sequence[float]]]
"""By signal and number of events, in pb."""


def limit_of(outputs: Sequence[Path], region: str, part: slice) -> float | None:
    """The expected limit in pb of some of the events; None if there is none."""
    result = set_limits(inputs_of(outputs, region, part=part)).combined.result
    return None if result is None else float(result.expected[2])


def limits_of(outputs: Sequence[Path], region: str, sizes: Sequence[int], kept: Path | None) -> dict[int, list[float]]:
    """By number of events the limits of all samples of so many, without those that have none."""
    total = sum(uproot.open(path / "scores.root")["Scores"].num_entries for path in outputs)
    known: dict[str, float | None] = json.loads(kept.read_text()) if kept is not None and kept.exists() else {}
    found: dict[int, list[float]] = {}
    for size in [*(size for size in sizes if size < total), total]:
        for start in range(0, total - size + 1, size):
            key = " ".join([region, str(start), str(size), *map(str, outputs)])
            if key not in known:
                known[key] = limit_of(outputs, region, slice(start, start + size))
                if kept is not None:
                    kept.write_text(json.dumps(known, indent=1))
            limit = known[key]
            found.setdefault(size, []).extend([] if limit is None else [limit])
    return found


def draw(path: Path, regions: Mapping[str, Limits]) -> None:
    """All limits, and lines through their medians."""
    figure, axes = plt.subplots(1, len(regions), figsize=(4 * len(regions), 3.6), sharey=True, squeeze=False)
    for ax, (region, signals) in zip(axes[0], regions.items(), strict=True):
        for place, (name, limits) in enumerate(signals.items()):
            colour, marker, dashes = f"C{place}", "os^Dv"[place % 5], ("-", "--", ":", "-.")[place % 4]
            there = {size: own for size, own in limits.items() if own}
            medians = [float(np.median(own)) for own in there.values()]
            ax.plot(list(there), medians, color=colour, ls=dashes, marker=marker, label=name)
            every = [(size, limit) for size, own in there.items() for limit in own]
            ax.plot(*zip(*every, strict=True), color=colour, ls="", marker=marker, ms=4, alpha=0.3)
        ax.set(xscale="log", yscale="log", xlabel="simulated signal events", title=region, xlim=(2400, 80_000))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_xticks([3000, 10_000, 30_000, 60_000], ["3 000", "10 000", "30 000", "60 000"])
    axes[0][0].set_ylabel("expected limit at 95 % CL [pb]")
    axes[0][-1].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print the table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("signals", nargs="+", metavar="NAME=OUT,OUT...")
    parser.add_argument("--sizes", default="3000,12000,30000")
    parser.add_argument("--regions", default="pb20,pb10")
    parser.add_argument("--keep", type=Path, metavar="FILE")
    parser.add_argument("-o", "--output", type=Path, metavar="FIGURE")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    signals = {
        name: [Path(one) for one in outputs.split(",")]
        for name, _, outputs in (text.partition("=") for text in arguments.signals)
    }
    regions: dict[str, Limits] = {}
    table = Table(title="Expected limits in pb")
    for head in ("region", "signal", "events", "samples", "median", "from", "to"):
        table.add_column(head)
    for region in arguments.regions.split(","):
        regions[region] = {name: limits_of(outputs, region, sizes, arguments.keep) for name, outputs in signals.items()}
        for name, limits in regions[region].items():
            for size, own in limits.items():
                numbers = (
                    [f"{value:.3g}" for value in (np.median(own), min(own), max(own))] if own else ["none", "", ""]
                )
                table.add_row(region, name, str(size), str(len(own)), *numbers)
    Console(width=100).print(table)
    if arguments.output is not None:
        draw(arguments.output, regions)


if __name__ == "__main__":
    main()
