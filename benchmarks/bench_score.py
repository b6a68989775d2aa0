"""Processor time of `hepad score`, whole process, against reading the same branches with bare uproot, side by side.

    python benchmarks/bench_score.py [FILE ...] [--model snn_ae] [--files 1 12] [--repeats 5]

For each number of files (the given ones, copied as often as it takes) three processes alternate, so that a machine
whose speed drifts favours none: bare uproot, hepad with trees read as a whole (HEPAD_LEAN=0), and hepad. The time is
what the kernel counts for the process (user and system), which other processes disturb less than the clock; ratios are
medians over the rounds, with the least and the greatest. Peak memory is of the resident set. The scores of both ways of
hepad are hashed: the sha256 must be the same.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import uproot

BRANCHES = [
    "Jet.PT", "Jet.Eta", "Muon.PT", "Muon.Eta", "Electron.PT", "Electron.Eta", "MissingET.MET", "Weight.Weight",
]  # fmt: skip
BARE = "import sys, uproot\nfor f in sys.argv[2:]:\n    t = uproot.open(f)['Delphes']; t.arrays(sys.argv[1].split(','))"


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time and peak memory in MB of a process that has ended."""

    seconds: float
    memory: float


def spent(command: list[str], **environment: str) -> Spent:
    child = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command[:6])} ... ended with {child.returncode}")
    return Spent(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def copies(files: list[str], count: int, folder: Path) -> list[str]:
    """So many files: the given ones, and copies of them, as no file may be given twice."""
    for number, file in enumerate(islice(cycle(files), len(files), max(count, len(files)))):
        shutil.copy(file, folder / f"{number}_{Path(file).name}")
    return [*files, *sorted(str(path) for path in folder.iterdir())][:count]


def score_hash(path: Path) -> str:
    with uproot.open(path) as file:
        tree = file["Scores"]
        columns = tree.arrays(library="np")
    return hashlib.sha256(b"".join(columns[name].tobytes() for name in sorted(columns))).hexdigest()[:16]


def measure(files: list[str], model: str, repeats: int, folder: Path) -> None:
    events = sum(uproot.open(f)["Delphes"].num_entries for f in files)
    outputs = {name: folder / f"{name}.root" for name in ("whole", "lean")}

    def ours(name: str, switch: str) -> Spent:
        command = [sys.executable, "-m", "hepad", "score", *files, "--model", model, "--json", "--force", "-o"]
        return spent([*command, str(outputs[name])], HEPAD_LEAN=switch)

    bare = [sys.executable, "-c", BARE, ",".join(BRANCHES), *files]
    rounds = [(spent(bare), ours("whole", "0"), ours("lean", "1")) for _ in range(repeats)]
    hashes = {name: score_hash(path) for name, path in outputs.items()}
    print(f"{len(files)} files, {events} events, {repeats} rounds, scores {' '.join(sorted(set(hashes.values())))}")
    for place, name in enumerate(("bare uproot", "hepad, whole", "hepad")):
        times = [each[place].seconds for each in rounds]
        ratios = [each[place].seconds / each[0].seconds for each in rounds]
        print(
            f"  {name:<13} {statistics.median(times):8.2f} s {1e6 * statistics.median(times) / events:8.1f} us/event   "
            f"ratio {statistics.median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})   "
            f"{max(each[place].memory for each in rounds):6.0f} MB",
            flush=True,
        )
    if len(set(hashes.values())) > 1:
        raise SystemExit("the scores differ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("given", nargs="*", metavar="FILE", default=["examples/data/w_lnu.root"])
    parser.add_argument("--model", default="snn_ae")
    parser.add_argument("--files", type=int, nargs="+", default=[1, 12])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    for count in options.files:
        with tempfile.TemporaryDirectory() as folder:
            inputs = Path(folder) / "inputs"
            inputs.mkdir()
            measure(copies(options.given, count, inputs), options.model, options.repeats, Path(folder))


if __name__ == "__main__":
    main()
