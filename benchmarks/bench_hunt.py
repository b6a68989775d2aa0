"""Does CWoLa hunting find a resonance, and does it make one up? Hunts in simulated dijets with and without a signal.

    python benchmarks/bench_hunt.py FOLDER [--signal lhco_xy_3p5tev] [--events 0 150 300] [--window 3300:3700]
        [--sidebands 2800:4200] [--seed 1] [--keep HUNTS]

FOLDER has Parquet files of features of the two leading large-radius jets, an event a row (`j1_pt`, `j1_eta`, `j1_phi`,
`j1_mass` and the same of `j2`): `qcd_pthat1150_*.parquet`, independent unweighted background, and signals. All of the
background and the first so many events of the signal become a slim in Delphes' names; `hepad hunt`, `hist` and
`bumphunt` do the rest. The networks see both jets' masses and their distance in eta. Of each hunt, uncut and in the two
regions: the events in the window, held against what the sidebands let expect; `count`, the authors' way
(arXiv:1902.02634), the events in the window above a function that is fitted outside of it; and the largest excess of a
bump hunt. Nothing is fitted to the signal that is looked for: card, features and function are the same in all hunts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import uproot

from hepad.cards.fit import load_fit
from hepad.spectra.files import read_spectrum
from hepad.stats.bumphunt.window_count import count_in_window
from hepad.stats.fits.functions import BackgroundFunction

MASS = "fatjet1+fatjet2"
FEATURES = (f"{MASS}_lightest", f"{MASS}_heaviest", f"{MASS}_deta")
FUNCTION = "dijet3"
LEAVES = {"PT": "pt", "Eta": "eta", "Phi": "phi", "Mass": "mass"}


def events(paths: list[Path], first: int | None = None) -> dict[str, np.ndarray]:
    """The four-momenta of the two jets, of shape (n, 2) by leaf."""
    tables = [pq.read_table(path) for path in paths]
    columns = {
        leaf: np.concatenate([np.stack([t[f"j{j}_{name}"].to_numpy() for j in (1, 2)], axis=1) for t in tables])
        for leaf, name in LEAVES.items()
    }
    return {leaf: values[:first] for leaf, values in columns.items()}


def write(path: Path, parts: list[dict[str, np.ndarray]]) -> None:
    """A slim of all parts."""
    content = {
        f"FatJet.{leaf}": ak.from_regular(np.concatenate([part[leaf] for part in parts]).astype(np.float32))
        for leaf in LEAVES
    }
    with uproot.recreate(path) as file:
        types = dict.fromkeys(content, "var * float32")
        tree = file.mktree("Delphes", types, counter_name=lambda key: key.replace(".", "_") + "_size")
        tree.extend(content)


def hepad(*words: object) -> dict:
    """The JSON of a command."""
    command = [sys.executable, "-m", "hepad", *map(str, words), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def count(spectra: Path, histogram: str, window: str) -> float:
    """The significance of the events in the window above the function fitted outside of it, with its error."""
    spectrum = read_spectrum(f"{spectra}:{histogram}")
    low, high = map(float, window.split(":"))
    kept = (spectrum.edges <= low) | (spectrum.edges >= high)
    edges, counts = spectrum.edges[kept], np.add.reduceat(spectrum.counts, np.flatnonzero(kept)[:-1])
    return count_in_window(edges, counts, low, [BackgroundFunction.from_card(load_fit(FUNCTION))]).z


def hunt(folder: Path, signal: int, options: argparse.Namespace) -> None:
    names = ("data_{}.root", "scores_{}.root", "spectra_{}.json")
    data, scores, spectra = (folder / name.format(signal) for name in names)
    background = events(sorted(options.folder.glob("qcd_pthat1150_*.parquet")))
    write(data, [background, events([options.folder / f"{options.signal}.parquet"], signal)])
    words = ["hunt", data, "--method", "cwola_network", "--mass", MASS, "--window", options.window]
    words += ["--sidebands", options.sidebands, "--seed", options.seed, "-o", scores]
    found = hepad(*words, *(word for feature in FEATURES for word in ("--feature", feature)))
    losses = [network["loss"] for network in found["networks"] if network["kept"]]
    print(f"{signal} signal events, window {options.window}: mean validation loss {np.mean(losses):.4f}", flush=True)
    low, high = options.sidebands.split(":")
    bins = round((float(high) - float(low)) / 100)
    hepad("hist", data, "--scores", scores, "--mass", MASS, "--range", options.sidebands, "--bins", bins, "-o", spectra)
    name = MASS.replace("+", "_")
    for region in (None, *found["regions"]):
        histogram = f"m_{name}" + (f"_{region}" if region else "")
        bump = hepad("bumphunt", f"{spectra}:{histogram}", "--function", FUNCTION, "--toys", 1000)
        of = found["regions"].get(region)
        counts = f"{of['events']['window']} in the window, {of['expected']:.0f} by the sidebands" if of else ""
        where = "{:g}:{:g}".format(*bump["window"])
        sigma = count(spectra, histogram, options.window)
        print(
            f"  {region or 'uncut':6} {counts or found['events']['window']}; count {sigma:.2f} sigma; bump {where}, "
            f"local {bump['local_z']:.2f} sigma, global p {bump['global_p']:.3f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--signal", default="lhco_xy_3p5tev")
    parser.add_argument("--events", type=int, nargs="+", default=[0, 150, 300])
    parser.add_argument("--window", default="3300:3700")
    parser.add_argument("--sidebands", default="2800:4200")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where the files stay")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        for signal in options.events:
            hunt(folder, signal, options)


if __name__ == "__main__":
    main()
