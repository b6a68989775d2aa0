"""Start-up: processor time of small commands, beside the imports that they cannot do without.

    python benchmarks/bench_start.py [FILE] [--models snn_ae dnn_ae vae] [--verbs limit] [--before FOLDER] [--rounds 7]

`hepad score` of one small FILE with each of the models, and other verbs as in VERBS, without an output.

FOLDER holds the package as it was, to be measured in turns. Processes write and find compiled Python files, as
installed packages have them, whatever the environment says.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench_score import spent

ROOT = Path(__file__).parents[1]
DATA = ROOT / "examples/data"
VERBS = {
    "limit": ["limit", "--signal", "5", "--background", "10", "--data", "12"],
    "bumphunt": ["bumphunt", str(DATA / "cms_dijet_137fb.csv"), "--function", "dijet4", "--toys", "10"],
    "fit": ["fit", str(DATA / "cms_dijet_137fb.csv"), "--function", "dijet4"],
    "reinterpret": [
        *("reinterpret", str(DATA / "wprime_xy_3p5tev.root"), "--analysis", "cms_2019_dijet", "--xsec", "0.05"),
    ],
}
BARE = ("numpy, scipy.special", "numpy, scipy.optimize", "numpy, awkward, uproot")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", default=str(ROOT / "examples/data/w_lnu.root"))
    parser.add_argument("--models", nargs="*", default=["snn_ae", "dnn_ae", "vae"])
    parser.add_argument("--verbs", nargs="*", choices=VERBS, default=list(VERBS))
    parser.add_argument("--before", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    file, before = Path(options.file).resolve(), options.before and options.before.resolve()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # python -m looks for a package where it is run first
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
        hepad = [sys.executable, "-m", "hepad"]
        score = [*hepad, "score", str(file), "--json", "--force", "-o", f"{folder}/out.root"]
        measured = {model: [*score, "--model", model] for model in options.models}
        measured |= {verb: [*hepad, *VERBS[verb]] for verb in options.verbs}
        commands = {f"import {names}": ([sys.executable, "-c", f"import {names}"], ROOT) for names in BARE}
        for name, command in measured.items():
            if before:
                commands[f"{name}, before"] = (command, before)
            commands[name] = (command, ROOT)
        for number in range(options.rounds + 1):
            for name, (command, package) in commands.items():
                seconds = spent(command, PYTHONPATH=str(package)).seconds
                if number:  # the first writes the compiled files
                    found.setdefault(name, []).append(seconds)
    for name, times in found.items():
        print(f"{name:<32} least {min(times):.2f} s, median {statistics.median(times):.2f} s, most {max(times):.2f} s")


if __name__ == "__main__":
    main()
