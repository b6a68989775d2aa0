"""How `hepad score` scales: speed and memory against the number of events and of processes, and where the time goes.

    python benchmarks/bench_scale.py [FILE] [--events 1000000] [--files 4] [--workers 1 2] [--repeats 3]

Copies the branches that the model reads of FILE until there are so many events, in so many files with clusters of
100 000 events, reads them with bare uproot (whole processes, the same branches) and scores them on each number of
processes; runs alternate. Then one file each of a tenth, a half and all of the events, for the peak of resident memory.
At last a profile of the command in one process, summed by what the functions are for.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import uproot

BRANCHES = [
    "Jet.PT", "Jet.Eta", "Muon.PT", "Muon.Eta", "Electron.PT", "Electron.Eta", "MissingET.MET", "Weight.Weight",
]  # fmt: skip
CLUSTER = 100_000
BARE = (
    "import sys, uproot\nfor f in sys.argv[2:]:\n"
    "    for _ in uproot.open(f)['Delphes'].iterate(sys.argv[1].split(','), step_size=100_000): pass"
)
PEAK = (
    "import resource, sys\nfrom hepad.cli.main import app\ntry:\n    app()\n"
    "except SystemExit as e:\n"
    "    own, others = (resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))\n"
    "    print(own, others, file=sys.stderr)\n    raise"
)
STAGES = {
    "reading": ("uproot/", "awkward/", "fsspec/", "hepad/io/trees", "hepad/io/delphes", "hepad/io/columns"),
    "selection": ("hepad/objects/",),
    "input": ("hepad/inputs/",),
    "network": ("hepad/nn/", "hepad/models/"),
    "parts and their store": ("hepad/execution/", "safetensors"),
    "output": ("uproot/writing", "hepad/io/scores", "hepad/pipeline/score", "hepad/io/root_file"),
}  # fmt: skip


def enlarge(
    source: Path, target: Path, events: int, change: Callable[[str, ak.Array], ak.Array] = lambda _, values: values
) -> None:
    """Write a file of so many events, in clusters that all branches share; `change` makes their values of a branch."""
    with uproot.open(source) as file:
        one = file["Delphes"].arrays(BRANCHES)
    repeats = -(-CLUSTER // len(one))
    block = ak.concatenate([one] * repeats)[:CLUSTER]
    with uproot.recreate(target) as out:
        types = {name: block[name].type.content for name in BRANCHES}
        tree = out.mktree("Delphes", types, counter_name=lambda key: key.replace(".", "_") + "_size")
        for start in range(0, events, CLUSTER):
            tree.extend({name: change(name, block[name][: min(CLUSTER, events - start)]) for name in BRANCHES})


def timed(command: list[str], **options: Any) -> tuple[float, float]:
    """Seconds by the clock, and of processors, of a whole process; the options are those of `subprocess.run`."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, **options)
    clock, after = time.perf_counter() - start, os.times()
    return clock, after.children_user + after.children_system - before.children_user - before.children_system


def hepad(model: str, files: list[Path], output: Path, workers: int) -> list[str]:
    options = ["--model", model, "-o", str(output), "--workers", str(workers), "--force"]
    return [sys.executable, "-m", "hepad", "score", *map(str, files), *options]


def speed(folder: Path, files: list[Path], events: int, options: argparse.Namespace) -> None:
    jobs = {"bare uproot": [sys.executable, "-c", BARE, ",".join(BRANCHES), *map(str, files)]}
    jobs |= {
        f"hepad, {n} process{'es' * (n > 1)}": hepad(options.model, files, folder / f"{n}.root", n)
        for n in options.workers
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for _ in range(options.repeats):
        for name, command in jobs.items():
            found[name].append(timed(command))
    load = os.getloadavg()[0]
    print(f"\n{events} events in {len(files)} files, medians of {options.repeats} alternating runs; load {load:.1f}")
    print(f"{'':<22} {'clock s':>9} {'processor s':>12} {'events/s':>10} {'processor / bare':>17} {'clock, 1 / n':>13}")
    bare = statistics.median(cpu for _, cpu in found["bare uproot"])
    one = statistics.median(clock for clock, _ in found.get("hepad, 1 process", [(float("nan"), 0)]))
    for name, runs in found.items():
        clock, cpu = statistics.median(c for c, _ in runs), statistics.median(c for _, c in runs)
        print(f"{name:<22} {clock:9.2f} {cpu:12.2f} {events / clock:10.0f} {cpu / bare:17.2f} {one / clock:13.2f}")
    hashes = {hashlib.sha256((folder / f"{n}.root").read_bytes()).hexdigest()[:12] for n in options.workers}
    print(f"sha256 of the outputs: {', '.join(hashes)}")


def memory(folder: Path, source: Path, events: int, model: str) -> None:
    print("\npeak of resident memory, MB: of the command, and of the largest of its processes")
    for count in (events // 10, events // 2, events):
        path = folder / f"m{count}.root"
        enlarge(source, path, count)
        for workers in (1, 2):
            command = [sys.executable, "-c", PEAK, *hepad(model, [path], folder / "m.root", workers)[3:]]
            words = subprocess.run(command, check=True, capture_output=True, text=True).stderr.split()
            own, others = (int(word) / 1000 for word in words[-2:])
            print(f"{count:>9} events, --workers {workers}: {own:6.0f} {others if workers > 1 else 0:6.0f}")
        path.unlink()


def profile(folder: Path, files: list[Path], model: str) -> None:
    from hepad.pipeline.score import ScoreOptions, score

    output = folder / "p.root"
    score([str(files[0])], model, options=ScoreOptions(output=output))  # imports are start-up, not work
    output.unlink()
    profiler = cProfile.Profile()
    profiler.runcall(score, [str(f) for f in files], model, options=ScoreOptions(output=output))
    seconds: dict[str, float] = defaultdict(float)
    for (file, _, name), (_, _, own, _, callers) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        mine = stage("uproot/writing" if "compress" in name and "de" not in name else file)
        if mine != "other":
            seconds[mine] += own
        else:  # numpy, the standard library: to whoever called it
            for (caller, _, _), (_, _, part, _) in callers.items():
                seconds[stage(caller)] += part
    total = sum(seconds.values())
    print("\nwhere the time of one process goes (cProfile, which makes small functions look slower than they are)")
    for name, own in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"{name:<28} {own:6.2f} s {own / total:6.1%}")


def stage(file: str) -> str:
    matches = [(len(word), name) for name, words in STAGES.items() for word in words if word in file]
    return max(matches)[1] if matches else "other"


def startup(model: str, folder: Path, source: Path) -> None:
    small = folder / "s.root"
    enlarge(source, small, 100)
    clocks = [timed(hepad(model, [small], folder / "s.out.root", 1)) for _ in range(3)]
    clock, cpu = (min(run[i] for run in clocks) for i in (0, 1))
    print(f"\nthe whole command on 100 events: {clock:.2f} s by the clock, {cpu:.2f} s of processor")
    code = "import time; t = time.process_time(); import torch; print(time.process_time() - t)"
    words = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    print(f"(scoring does not import torch; that alone would take {float(words):.2f} s of processor)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=Path("examples/data/w_lnu.root"))
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="snn_ae")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        memory(folder, options.file, options.events, options.model)  # first: children are charged with what we take
        files = [folder / f"in{i}.root" for i in range(options.files)]
        for path in files:
            enlarge(options.file, path, options.events // options.files)
        speed(folder, files, options.events // options.files * options.files, options)
        profile(folder, files, options.model)
        startup(options.model, folder, options.file)


if __name__ == "__main__":
    main()
