"""Processor time of `hepad score` on RNTuples, whole process, against reading its fields with bare uproot.

    python benchmarks/bench_ntuple.py [--source NANOAOD.root] [--events 10000] [--files 1 12] [--repeats 5] [--quick]

The events of a NanoAOD file, with all its branches, are repeated into an RNTuple and into a tree, in clusters of 5000.
Processes alternate, so that a machine whose speed drifts favours none: bare uproot asking for all fields at once, and
for one after the other (uproot goes through all fields of the RNTuple each time that it is asked for several); hepad
with fields left to uproot (HEPAD_LEAN=0), and hepad; and bare uproot and hepad on the tree of the same events. Ratios
are to bare uproot, one field after the other, which is the faster way of it: medians over the rounds with the least and
the greatest. Time and memory as in `bench_score.py`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import awkward as ak
import uproot
from bench_score import Spent, copies, score_hash, spent

FIELDS = [
    *(f"Electron_{leaf}" for leaf in ("pt", "eta", "phi", "cutBased")),
    *(f"Jet_{leaf}" for leaf in ("pt", "eta", "phi", "jetId")),
    *(f"Muon_{leaf}" for leaf in ("pt", "eta", "phi", "mediumId", "pfRelIso04_all")),
    *(f"Photon_{leaf}" for leaf in ("pt", "eta", "phi", "cutBased", "electronVeto")),
    "PuppiMET_pt",
    "genWeight",
]
"""What the network of snn_ae takes of NanoAOD, with the identifications."""
HEAD = "import sys, uproot\nfields = sys.argv[1].split(',')\nfor f in sys.argv[2:]:\n    t = uproot.open(f)['Events']\n"
AT_ONCE = HEAD + "    t.arrays(fields)"
ONE_BY_ONE = HEAD + "    [t[name].array() for name in fields]"
CLUSTER = 5000
BEST = "bare uproot, one by one"


def make(source: Path, events: int, folder: Path) -> tuple[Path, Path]:
    """An RNTuple and a tree of the repeated events."""
    with uproot.open(source) as file:
        arrays = file["Events"].arrays(how=dict)
    arrays = {name: values for name, values in arrays.items() if "string" not in str(values.type)}
    counted = {name for name in arrays if arrays[name].ndim == 2}
    arrays = {name: values for name, values in arrays.items() if name in counted or f"{name[1:]}_pt" not in counted}
    size = len(next(iter(arrays.values())))
    part = {name: ak.concatenate([values] * (CLUSTER // size)) for name, values in arrays.items()}
    tree, ntuple = folder / "tree.root", folder / "ntuple.root"
    for path in (tree, ntuple):
        with uproot.recreate(path) as file:
            table = None
            for _ in range(max(events // CLUSTER, 1)):
                if table is None:
                    table = file.mktree("Events", types(part)) if path == tree else file.mkrntuple("Events", part)
                    if path == ntuple:
                        continue
                table.extend(part)
    return tree, ntuple


def types(arrays: dict[str, ak.Array]) -> dict[str, object]:
    return {name: values.type.content for name, values in arrays.items()}


def measure(inputs: tuple[list[str], list[str]], repeats: int, folder: Path, events: int, quick: bool) -> None:
    trees, ntuples = inputs
    outputs: list[Path] = []

    def bare(code: str, files: list[str]) -> Callable[[], Spent]:
        return lambda: spent([sys.executable, "-c", code, ",".join(FIELDS), *files])

    def ours(files: list[str], switch: str) -> Callable[[], Spent]:
        output = folder / f"{len(outputs)}.root"
        outputs.append(output)
        words = [sys.executable, "-m", "hepad", "score", *files, "--model", "snn_ae", "--json", "--force", "-o"]
        return lambda: spent([*words, str(output)], HEPAD_LEAN=switch)

    ways = {
        "bare uproot, at once": bare(AT_ONCE, ntuples),
        BEST: bare(ONE_BY_ONE, ntuples),
        "hepad, fields by uproot": ours(ntuples, "0"),
        "hepad": ours(ntuples, "1"),
        "tree: bare uproot": bare(AT_ONCE, trees),
        "tree: hepad": ours(trees, "1"),
    }
    if quick:
        ways = {name: ways[name] for name in (BEST, "hepad")}
    rounds = [{name: way() for name, way in ways.items()} for _ in range(repeats)]
    hashes = {score_hash(path) for path in outputs if path.exists()}
    total = events * len(ntuples)
    print(f"{len(ntuples)} files, {total} events, {repeats} rounds, scores {' '.join(sorted(hashes))}")
    for name in ways:
        times = [each[name].seconds for each in rounds]
        ratios = [each[name].seconds / each[BEST].seconds for each in rounds]
        print(
            f"  {name:<24} {statistics.median(times):8.2f} s {1e6 * statistics.median(times) / total:8.1f} us/event   "
            f"ratio {statistics.median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})   "
            f"{max(each[name].memory for each in rounds):6.0f} MB",
            flush=True,
        )
    if len(hashes) > 1:
        raise SystemExit("the scores differ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("tests/data/nanoaod_cms_2015_ttbar.root"))
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--files", type=int, nargs="+", default=[1, 12])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="bare uproot one by one, and hepad, alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ProcessPoolExecutor(
            1, mp_context=get_context("spawn")
        ) as apart:  # a child's memory begins with its parent's
            made = apart.submit(make, options.source, options.events, folder).result()
        print(", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in made))
        with uproot.open(made[1]) as file:
            events = file["Events"].num_entries
        for count in options.files:
            with tempfile.TemporaryDirectory(dir=folder) as inner:
                parts = []
                for path in made:
                    (place := Path(inner) / path.stem).mkdir()
                    parts.append(copies([str(path)], count, place))
                measure((parts[0], parts[1]), options.repeats, Path(inner), events, options.quick)


if __name__ == "__main__":
    main()
