"""Write `adfilter_double32.root`: an ADFilter ntuple of numbers of our own, with ROOT's `vector<Double32_t>`.

uproot writes no such vectors, so it takes ROOT: `pip install root==0.1a12`, then `python adfilter_double32.py`.
The layout is that of github.com/chekanov/ADFilter: the names and types of the branches, and the histogram `meta`.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from pathlib import Path

EVENTS = 200
OBJECTS = {"JET": 4, "bJET": 3, "EL": 2, "MU": 3, "PH": 2}
"""Event i has i modulo this of them, so that the first has none."""

FEATURES = {"JET": "pt eta phi mass", "bJET": "pt eta phi mass", "EL": "pt eta phi", "MU": "pt eta phi"}
FEATURES["PH"] = "pt eta phi e"


def number(prefix: str, feature: str, event: int, index: int) -> float:
    """What object `index` of an event has; tenths, which single precision rounds. Momenta rise within an event."""
    step = event + 7 * index + len(prefix)
    return {
        "pt": 20.1 + event + 50 * index + len(prefix),
        "eta": (step % 49) / 10 - 2.4,
        "phi": (step % 63) / 10 - 3.1,
        "mass": 5.1 + step % 11,
        "e": 400.1 + event,
    }[feature]


def content(event: int) -> Iterator[tuple[str, float]]:
    """The numbers of an event, with the branch of each."""
    for prefix, most in OBJECTS.items():
        for index in range(event % most):
            for feature in FEATURES[prefix].split():
                yield f"{prefix}_{feature}", number(prefix, feature, event, index)
    yield from (("MET_met", event / 10), ("MET_eta", 0.0), ("MET_phi", (event % 63) / 10 - 3.1))
    yield from (("Evt_Weight", 0.1 * event - 1), ("Evt_Weight", 7.0))  # the first is the event's


def main() -> None:
    import ROOT

    os.chdir(Path(__file__).parent)  # a ROOT file tells its path
    file = ROOT.TFile("adfilter_double32.root", "RECREATE")
    meta = ROOT.TH1F("meta", "meta", 10, 0.0, 10.0)
    meta.Fill("CMS energy [GeV]", 13000.0)
    tree = ROOT.TTree("Ntuple", "Ntuple for ADFilter")
    tree.SetAutoFlush(90)  # several baskets a branch
    counts = {prefix: array("i", [0]) for prefix in (*OBJECTS, "MET")}
    vectors = {}
    for prefix in ("JET", "MET", "bJET", "MU", "PH", "EL"):
        name = f"{prefix}_n" if prefix != "MET" else "N_MET"
        tree.Branch(name, counts[prefix], f"{name}/I")
        for feature in FEATURES.get(prefix, "met eta phi").split():
            vectors[f"{prefix}_{feature}"] = ROOT.std.vector("Double32_t")()
    vectors["Evt_Weight"] = ROOT.std.vector("Double32_t")()
    for name, vector in vectors.items():
        tree.Branch(name, "vector<Double32_t>", vector, 32000, 0)
    for event in range(EVENTS):
        for vector in vectors.values():
            vector.clear()
        for prefix, most in OBJECTS.items():
            counts[prefix][0] = event % most
        counts["MET"][0] = 1
        for name, value in content(event):
            vectors[name].push_back(value)
        tree.Fill()
    file.Write()
    file.Close()


if __name__ == "__main__":
    main()
