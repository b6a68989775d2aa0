"""What an event of a large file of few branches costs `hepad score`, against reading its branches with bare uproot.

    python benchmarks/bench_large.py [FILE] [--events 2000000] [--models snn_ae dnn_ae] [--rounds 6] [--against FOLDER]

Copies the branches that the models read of FILE, each momentum smeared so that no two events are equal, and has them
read and scored in turns, on all cores and kept on one. Whole processes; those of a hundred events are taken off, which
leaves what grows with the file. `--against` names another checkout of hepad, which takes its turns too. The sha256 is
of all columns of the output.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from functools import partial
from itertools import product
from pathlib import Path

import awkward as ak
import numpy as np
import uproot
from bench_scale import BARE, BRANCHES, enlarge, hepad, timed

HERE = Path(__file__).parents[1]
Seconds = tuple[float, float]
"""By the clock, and of processors."""


def smeared(source: Path, target: Path, events: int) -> None:
    generator = np.random.default_rng(1)

    def change(name: str, values: ak.Array) -> ak.Array:
        if not name.endswith(("PT", "MET")):
            return values
        flat = ak.to_numpy(ak.flatten(values))
        return ak.unflatten((flat * generator.normal(1, 0.02, len(flat))).astype(np.float32), ak.num(values))

    enlarge(source, target, events, change)


def spent(command: list[str], checkout: Path, cores: set[int], folder: Path) -> Seconds:
    """What a process takes on these cores with the hepad of a checkout, and not that of the folder it is started in."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    keep = partial(os.sched_setaffinity, 0, cores)
    return timed(command, env=environment, cwd=folder, preexec_fn=keep)


def columns(path: Path) -> str:
    """A hash of all columns of a score file."""
    digest = hashlib.sha256()
    with uproot.open(path) as file:
        for name, values in file["Scores"].arrays(library="np").items():
            digest.update(name.encode() + values.tobytes())
    return digest.hexdigest()[:12]


def table(found: dict[tuple[str, str], list[Seconds]], events: int) -> None:
    """Microseconds an event, and what they are of those of bare reading."""
    bare = next(iter(found))[0]
    print(f"{'':<22}{'us/event':>9}{'ratio':>7}{'median ratio of the rounds':>32}")
    for kind, at in (("processors", 1), ("clock", 0)):
        each, least = {}, {}
        for name in dict.fromkeys(name for name, _ in found):
            small, big = ([run[at] / events * 1e6 for run in found[name, size]] for size in ("small", "big"))
            each[name] = [b - s for b, s in zip(big, small, strict=True)]
            least[name] = min(big) - min(small)
        for name, values in each.items():
            ratios = sorted(own / of for own, of in zip(values, each[bare], strict=True))
            spread = f"{statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"
            print(f"{name + ', ' + kind:<22}{least[name]:9.2f}{least[name] / least[bare]:7.1f}{spread:>32}")


def in_turns(
    files: dict[str, Path], options: argparse.Namespace, cores: set[int]
) -> dict[tuple[str, str], list[Seconds]]:
    """What each job took in each round, by its name and the size of its file; the outputs are left beside the files."""
    found: dict[tuple[str, str], list[Seconds]] = defaultdict(list)
    checkouts = {"": HERE, **({" before": options.against} if options.against else {})}
    for _, (size, path) in product(range(options.rounds), files.items()):
        read = [sys.executable, "-c", BARE, ",".join(BRANCHES), str(path)]
        found["bare", size].append(spent(read, HERE, cores, path.parent))
        for model, (mark, checkout) in product(options.models, checkouts.items()):
            output = path.with_name(f"{model}{mark}.root")
            found[model + mark, size].append(spent(hepad(model, [path], output, 1), checkout, cores, path.parent))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=HERE / "examples/data/w_lnu.root")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--models", nargs="+", default=["snn_ae", "dnn_ae"])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--against", type=lambda text: Path(text).resolve())
    options = parser.parse_args()
    every = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {"small": folder / "small.root", "big": folder / "big.root"}
        smeared(options.file, files["small"], 100)
        smeared(options.file, files["big"], options.events)
        for cores in (every, {min(every)}):
            found = in_turns(files, options, cores)
            some = f"{len(cores)} core{'s' * (len(cores) > 1)}"
            print(f"\n{some}, {options.rounds} rounds, load {os.getloadavg()[0]:.1f}; least, over least")
            table(found, options.events)
        hashes = {path.stem: columns(path) for path in sorted(folder.glob("*_*.root"))}
        print("\nsha256 of the columns:", ", ".join(f"{stem} {digest}" for stem, digest in hashes.items()))


if __name__ == "__main__":
    main()
