"""Events per second of `hepad score` against reading the same branches with bare uproot, side by side in one run.

    python benchmarks/bench_score.py [FILE ...] [--model snn_ae] [--repeats 7]

Both are measured in this process after a warm-up (no imports in the figures) and as whole processes (with them).
The runs alternate, so that a machine whose speed drifts does not favour one.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uproot

from hepad.bundles.bundle import load_bundle
from hepad.execution.executor import Execution
from hepad.pipeline.score import ScoreOptions, score

BRANCHES = [
    "Jet.PT", "Jet.Eta", "Muon.PT", "Muon.Eta", "Electron.PT", "Electron.Eta", "MissingET.MET", "Weight.Weight",
]  # fmt: skip
BARE = "import sys, uproot\nfor f in sys.argv[2:]:\n    t = uproot.open(f)['Delphes']; t.arrays(sys.argv[1].split(','))"


def seconds(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def alternate(ours: Callable[[], object], bare: Callable[[], object], repeats: int) -> tuple[list[float], list[float]]:
    ours(), bare()
    pairs = [(seconds(ours), seconds(bare)) for _ in range(repeats)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def row(name: str, events: int, ours: list[float], bare: list[float]) -> str:
    ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
    a, b = statistics.median(ours), statistics.median(bare)
    return f"{name:<16} {a:8.3f} s {events / a:10.0f} ev/s   {b:8.3f} s {events / b:10.0f} ev/s   {ratio:6.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", default=["examples/data/w_lnu.root"])
    parser.add_argument("--model", default="snn_ae")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    events = sum(uproot.open(f)["Delphes"].num_entries for f in options.files)
    load_bundle(options.model)  # imports torch before anything is timed
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.root"
        in_process = alternate(
            lambda: score(
                options.files, options.model, options=ScoreOptions(output=out, execution=Execution(force=True))
            ),
            lambda: [uproot.open(f)["Delphes"].arrays(BRANCHES) for f in options.files],
            options.repeats,
        )
        command = [
            sys.executable,
            "-m",
            "hepad",
            "score",
            *options.files,
            "--model",
            options.model,
            "-o",
            str(out),
            "--force",
        ]
        bare = [sys.executable, "-c", BARE, ",".join(BRANCHES), *options.files]
        whole = alternate(
            lambda: subprocess.run([*command, "--json"], check=True, capture_output=True),
            lambda: subprocess.run(bare, check=True),
            options.repeats,
        )
    print(f"{events} events, medians of {options.repeats} alternating runs")
    print(f"{'':<16} {'hepad score':^26}   {'bare uproot':^26}   ratio")
    print(row("in one process", events, *in_process))
    print(row("whole processes", events, *whole))


if __name__ == "__main__":
    main()
