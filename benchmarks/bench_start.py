"""Start-up: processor time of `hepad score` of one small file, beside the imports that it cannot do without.

    python benchmarks/bench_start.py [FILE] [--models snn_ae dnn_ae vae] [--before FOLDER] [--rounds 7]

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", default=str(ROOT / "examples/data/w_lnu.root"))
    parser.add_argument("--models", nargs="+", default=["snn_ae", "dnn_ae", "vae"])
    parser.add_argument("--before", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
        score = [sys.executable, "-m", "hepad", "score", options.file, "--json", "--force", "-o", f"{folder}/out.root"]
        commands = {"import numpy, awkward, uproot": ([sys.executable, "-c", "import numpy, awkward, uproot"], ROOT)}
        for model in options.models:
            if options.before:
                commands[f"{model}, before"] = ([*score, "--model", model], options.before.resolve())
            commands[model] = ([*score, "--model", model], ROOT)
        for number in range(options.rounds + 1):
            for name, (command, package) in commands.items():
                seconds = spent(command, PYTHONPATH=str(package)).seconds
                if number:  # the first writes the compiled files
                    found.setdefault(name, []).append(seconds)
    for name, times in found.items():
        print(f"{name:<32} least {min(times):.2f} s, median {statistics.median(times):.2f} s, most {max(times):.2f} s")


if __name__ == "__main__":
    main()
