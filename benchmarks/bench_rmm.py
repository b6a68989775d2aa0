"""Microseconds an event for rapidity-mass matrices, and from Delphes files to scores.

    python benchmarks/bench_rmm.py FILE ... [--model atlas_ad_rmm] [--repeats 5]

For comparison: ADFilter's program takes 350 to 430 microseconds an event for its matrices, reading and writing
included, measured on one core of another machine of the kind this is run on (400 random events, 376 of them selected).
CPU time of this process after a warm-up, best of the repeats; set OMP_NUM_THREADS=1 for one core.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hepad.bundles.bundle import load_bundle
from hepad.execution.executor import Execution
from hepad.io.reader import read_events
from hepad.objects.selection import apply_selection
from hepad.pipeline.score import ScoreOptions, score
from hepad.samples.selected import blocks

ADFILTER = (350, 430)
"""Microseconds an event."""


def best(job: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):
        start = time.process_time()
        job()
        times.append(time.process_time() - start)
    return min(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--model", default="atlas_ad_rmm")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    bundle = load_bundle(options.model)
    fields = bundle.fields(bundle.card.selection)
    pieces = [apply_selection(chunk.events, bundle.card.selection) for chunk in read_events(options.files, fields)]
    total, n = sum(len(keep) for _, keep, _ in pieces), sum(len(events) for events, _, _ in pieces)
    vector = bundle.input

    def each(of: Callable[[object], object], numbers: int) -> None:
        for events, _, _ in pieces:
            for block in blocks(events, numbers):
                of(block)

    jobs = {
        "whole matrices": lambda: each(vector.table, vector.table_names.size),
        f"the {len(vector.columns)} cells of the network": lambda: each(vector.raw, len(vector.columns)),
        "cells and scores": lambda: each(lambda e: bundle.scorer.scores(vector(e)), len(vector.columns)),
    }
    print(f"{total} events, {n} selected; times are for a selected event")
    rows = {name: best(job, options.repeats) for name, job in jobs.items()}
    with tempfile.TemporaryDirectory() as folder:
        out = ScoreOptions(output=Path(folder) / "scores.root", execution=Execution(force=True))
        names = [str(path) for path in options.files]
        rows["file to scores"] = best(lambda: score(names, options.model, options=out), options.repeats)
    shares = {name: seconds / n for name, seconds in rows.items()}
    shares["file to scores, an event read"] = rows["file to scores"] / total
    for name, seconds in shares.items():
        micro = seconds * 1e6
        low, high = (slow / micro for slow in ADFILTER)
        print(f"{name:<34} {micro:8.2f} us   ADFilter takes {low:5.1f} to {high:5.1f} times as long")


if __name__ == "__main__":
    main()
