"""Events of two large-radius jets with tracks and missing momentum, for ANTELOPE: Pythia 8 at particle level, smeared.

    python benchmarks/semivisible_events.py qcd qcd.root --blocks 0:40 --min-met 45
    python benchmarks/semivisible_events.py svj svj.root --blocks 0:20 [--mass 3000] [--invisible 0.3]
    python benchmarks/semivisible_events.py tops tops.root --blocks 0:3 [--mass 3000]

A block is 1000 generated events with a seed of its own. QCD has pT-hat above 400 and m-hat above 1050 GeV, drawn by
pT-hat^5 and weighted; `svj` is a Z' to dark quarks of a hidden valley SU(2), 2 flavours, dark mesons of 20 GeV, Lambda
6 GeV, of which a part is invisible; `tops` is a graviton that decays to top quarks. Stored is, in Delphes' branches,
what has two fat jets (anti-kt, R = 0.8) above 250 GeV within 1.5 in eta and with a mass above 900 GeV; other events are
there without objects unless `--min-met` is asked for, which leaves them out. Weights are the event's share of the cross
section of all blocks in pb.

There is no detector: what stands for one are the efficiency of tracks, 95 %, and momenta smeared with the resolutions
that Delphes' card for CMS has of tracks, photons and hadrons. Tracks have impact parameters of straight lines and the
resolution that hepad gives generated events; only those within 0.8 of the two leading jets are stored.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import numpy.typing as npt
import uproot

from hepad.io.generator.cells import charge_signs
from hepad.io.generator.impact import impact_parameters
from hepad.io.generator.particle_level import ParticleLevel, build_objects
from hepad.io.generator.particles import ELECTRON, MUON, PHOTON, VISIBLE, Particles, classify
from hepad.io.generator.shower import particles_of

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

BLOCK, AT_ONCE = 1000, 100
RADIUS, TRACK_MIN_PT = 0.8, 0.5
COMMON = (
    "Print:quiet = on",
    "Beams:eCM = 13000",
    "Random:setSeed = on",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 10",
)
QCD = (
    "HardQCD:all = on",
    "PhaseSpace:pTHatMin = 400",
    "PhaseSpace:mHatMin = 1050",
    "PhaseSpace:bias2Selection = on",
    "PhaseSpace:bias2SelectionPow = 5",
    "PhaseSpace:bias2SelectionRef = 600",
)
SEEDS = {"qcd": 5000, "svj": 70000, "tops": 50000}
TRACK = ("pt", "eta", "phi", "charge", "d0", "dz", "d0err", "dzerr")
LEAVES = ("PT", "Eta", "Phi", "Charge", "D0", "DZ", "ErrorD0", "ErrorDZ")


def hidden_valley(mass: float, invisible: float) -> list[str]:
    """Pythia's settings: a Z' that quarks make and that decays to dark quarks alone."""
    lines = ["HiddenValley:ffbar2Zv = on", f"4900023:m0 = {mass}", "4900023:mWidth = 20"]
    lines += [f"4900023:mMin = {mass - 500}", f"4900023:mMax = {mass + 500}"]
    lines += ["4900023:oneChannel = 1 0.982 102 4900101 -4900101"]
    lines += [f"4900023:addChannel = 0 0.003 102 {quark} -{quark}" for quark in range(1, 7)]  # how it is made
    lines += ["HiddenValley:Ngauge = 2", "HiddenValley:nFlav = 2", "HiddenValley:alphaOrder = 1"]
    lines += ["HiddenValley:Lambda = 6", "HiddenValley:FSR = on", "HiddenValley:fragment = on"]
    lines += ["HiddenValley:pTminFSR = 6.6", "HiddenValley:probVector = 0.75", "4900101:m0 = 10"]
    for dark in (51, 53):
        lines += [f"{dark}:m0 = 9.99", f"{dark}:isResonance = false", f"{dark}:mayDecay = off"]
    lines += [f"{4900000 + number}:m0 = 50000" for number in (*range(1, 7), *range(11, 17))]
    for meson, dark in ((4900111, 51), (4900211, 51), (4900113, 53), (4900213, 53)):
        lines += [f"{meson}:m0 = 20", f"{meson}:mayDecay = on"]
        lines += [f"{meson}:oneChannel = 1 {invisible} 0 {dark} -{dark}"]
        quarks = (5,) if dark == 51 else (1, 2, 3, 4, 5)  # of scalars the heaviest
        lines += [f"{meson}:addChannel = 1 {(1 - invisible) / len(quarks)} 91 {q} -{q}" for q in quarks]
    return lines


def graviton(mass: float) -> list[str]:
    """Pythia's settings: a graviton that gluons make and that decays to top quarks alone."""
    return ["ExtraDimensionsG*:gg2G* = on", f"5100039:m0 = {mass}", "5100039:onMode = off", "5100039:onIfAny = 6"]


def smeared(p: Particles, rng: np.random.Generator) -> tuple[Particles, Mask, Mask]:
    """The particles with measured momenta, and the masks of those that are visible and of those with a track."""
    kinds, _ = classify(p.pdg, p.final, p.mother, np.array([p.px, p.py, p.pz, p.e]), np.empty(0, dtype=np.int64))
    visible = p.final & np.isin(kinds, (VISIBLE, ELECTRON, MUON, PHOTON))
    pt = np.hypot(p.px, p.py)
    eta = np.arcsinh(p.pz / np.maximum(pt, 1e-12))
    charged = charge_signs(p.pdg) != 0
    seen = rng.random(len(pt)) < np.where(pt > 1, 0.95, 0.85)
    track = visible & charged & (np.abs(eta) < 2.5) & (pt > TRACK_MIN_PT) & seen
    light, muon = np.isin(np.abs(p.pdg), (11, 22)), np.abs(p.pdg) == 13
    hadronic = np.hypot(0.05, 1.5 / np.sqrt(np.maximum(p.e, 0.3)))
    calorimeter = np.where(light, np.hypot(0.008, 0.11 / np.sqrt(np.maximum(p.e, 0.1))), hadronic)
    best = np.minimum(np.hypot(0.01, 1.5e-4 * pt), np.where(light, 0.02, hadronic))
    error = np.where(muon, 0.01 + 1e-4 * pt, np.where(track, best, calorimeter))
    factor = np.where(visible, np.maximum(1 + error * rng.standard_normal(len(pt)), 0.0), 1.0)
    factor[visible & ~charged & ~light & (p.e < 1.0)] = 0.0
    return replace(p, **{name: getattr(p, name) * factor for name in ("px", "py", "pz", "e")}), visible, track


def chosen(p: Particles, entries: npt.NDArray[np.int64], rng: np.random.Generator, seed: int) -> ak.Array:
    """One record an event: missing momentum, and of those that are stored the fat jets and the tracks of two."""
    found, visible, track = smeared(p, rng)
    level = ParticleLevel(fatjet_min_pt=200.0)
    jets = build_objects(found, entries, {"fatjets": {"pt", "eta", "phi", "mass"}}, level)["fatjets"][:, :4]
    first, second = (ak.firsts(jets[:, k : k + 1]) for k in (0, 1))
    turn = np.cosh(first.eta - second.eta) - np.cos(first.phi - second.phi)
    keep = (second.pt > 250) & (abs(first.eta - second.eta) < 1.5) & (2 * first.pt * second.pt * turn > 900**2)
    keep = ak.to_numpy(ak.fill_none(keep, False))
    eta = np.arcsinh(p.pz / np.maximum(np.hypot(p.px, p.py), 1e-12))
    phi = np.arctan2(p.py, p.px)
    near = np.zeros(len(eta), dtype=bool)
    for jet in (first, second):
        there = [ak.to_numpy(ak.fill_none(jet[name], 99.0))[p.event] for name in ("eta", "phi")]
        near |= np.hypot(eta - there[0], (phi - there[1] + np.pi) % (2 * np.pi) - np.pi) < RADIUS
    rows = np.flatnonzero(track & near & keep[p.event] & (np.hypot(found.px, found.py) > TRACK_MIN_PT))
    momenta, vertices = np.array([p.px, p.py, p.pz])[:, rows], p.vertices[:, rows]
    tracks = {"pt": np.hypot(found.px, found.py)[rows], "eta": eta[rows], "phi": phi[rows]}
    tracks["charge"] = charge_signs(p.pdg[rows])
    tracks |= impact_parameters(momenta, vertices, seed, entries[p.event[rows]], rows - p.offsets[p.event[rows]])
    missing = -np.array(
        [np.bincount(p.event, weights=v * (visible & (abs(eta) < 5)), minlength=len(p)) for v in (found.px, found.py)]
    )
    counts = np.bincount(p.event[rows], minlength=len(p))
    collected = ak.unflatten(ak.zip(tracks), counts)
    return ak.zip(
        {
            "met": np.where(keep, np.hypot(*missing), 0.0),
            "phi": np.arctan2(missing[1], missing[0]),
            "jets": jets[ak.Array(keep) & (jets.pt > 0)],
            "tracks": collected[ak.argsort(collected.pt, ascending=False)],
        },
        depth_limit=1,
    )


def generated(settings: list[str], seed: int) -> tuple[ak.Array, Floats, float]:
    """The events of a block, their weights, and the cross section in pb."""
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    for line in (*COMMON, *settings, f"Random:seed = {seed}"):
        if not pythia.readString(line):
            raise SystemExit(f"Pythia does not know {line!r}")
    if not pythia.init():
        raise SystemExit("Pythia does not start")
    rng = np.random.default_rng(seed)
    pieces, weights = [], []
    for start in range(0, BLOCK, AT_ONCE):
        batch = ak.drop_none(pythia.nextBatch(AT_ONCE, "none"))
        entries = np.arange(start, start + len(batch))
        pieces.append(chosen(particles_of(batch.prt, np.arange(len(batch)), len(batch)), entries, rng, seed))
        weights.append(ak.to_numpy(batch.info.weights[:, 0]))
    return ak.concatenate(pieces), np.concatenate(weights), float(pythia.infoPython().sigmaGen()) * 1e9


def rounded(values: ak.Array, bits: int = 11) -> ak.Array:
    """To so many bits of the mantissa, which compress."""
    flat = ak.to_numpy(ak.flatten(values)).astype(np.float32)
    whole = flat.view(np.uint32) + np.uint32(1 << (22 - bits))
    return ak.unflatten((whole & np.uint32(0xFFFFFFFF << (23 - bits) & 0xFFFFFFFF)).view(np.float32), ak.num(values))


def main() -> None:
    """Generate the blocks and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=tuple(SEEDS))
    parser.add_argument("output", type=Path)
    parser.add_argument("--blocks", default="0:1", help="FIRST:BEYOND")
    parser.add_argument("--mass", type=float, default=3000.0)
    parser.add_argument("--invisible", type=float, default=0.3)
    parser.add_argument("--min-met", type=float, default=None)
    asked = parser.parse_args()
    first, beyond = map(int, asked.blocks.split(":"))
    settings = {"qcd": list(QCD), "svj": hidden_valley(asked.mass, asked.invisible), "tops": graviton(asked.mass)}
    seeds = range(SEEDS[asked.kind] + first, SEEDS[asked.kind] + beyond)
    blocks = [generated(settings[asked.kind], seed) for seed in seeds]
    events = ak.concatenate([events for events, _, _ in blocks])
    weights = np.concatenate([own for _, own, _ in blocks])
    weights *= np.mean([sigma for _, _, sigma in blocks]) / weights.sum()
    if asked.min_met is not None:
        kept = ak.to_numpy(events.met > asked.min_met)
        events, weights = events[kept], weights[kept]
    write(asked.output, events, weights)
    print(f"{asked.output}: {len(events)} events of {BLOCK * len(blocks)}, {weights.sum():.6g} pb")


def write(path: Path, events: ak.Array, weights: Floats) -> None:
    """A file with the branches of Delphes that hepad reads."""
    ones = np.ones(len(events), dtype=np.int64)
    columns = {"Weight.Weight": ak.unflatten(weights.astype(np.float32), ones)}
    columns["MissingET.MET"] = ak.unflatten(ak.to_numpy(events.met).astype(np.float32), ones)
    columns["MissingET.Phi"] = ak.unflatten(ak.to_numpy(events.phi).astype(np.float32), ones)
    for name in ("pt", "eta", "phi", "mass"):
        columns[f"FatJet.{'PT' if name == 'pt' else name.title()}"] = ak.values_astype(events.jets[name], np.float32)
    columns |= {f"Track.{leaf}": rounded(events.tracks[name]) for leaf, name in zip(LEAVES, TRACK, strict=True)}
    with uproot.recreate(path, compression=uproot.ZSTD(9)) as file:
        types = dict.fromkeys(columns, "var * float32")
        tree = file.mktree("Delphes", types, counter_name=lambda key: f"{key.replace('.', '_')}_size")
        tree.extend(columns)


if __name__ == "__main__":
    main()
