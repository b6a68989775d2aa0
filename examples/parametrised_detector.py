"""From a Pythia card to a Delphes-like file that hepad reads, without Delphes: a parametrised detector in Python.

    python examples/parametrised_detector.py CARD.cmnd -n 10000 -o signal.root [--seed 1] [--lepton GEV]

Follows Delphes' card for CMS (arXiv:1307.6346, cards/delphes_card_CMS.tcl), without pile-up: a solenoid, efficiencies
and resolutions of tracks, towers of both calorimeters with their thresholds, energy flow, isolation, anti-kT jets of
R = 0.5 with their energy scale, b-tags by the quarks around, and each momentum in one object. Not in it: displaced
tracks, charges, taus, fat jets. Needs `pip install 'hepad[particles]'`. The same card and seed give the same events on
one platform. With `--lepton` only events whose hard process has an electron, muon or tau above this pT are showered;
the others are written without objects, so that they count as generated.
"""

# ruff: noqa: NPY002  numba draws from its own generator, by the old names

from __future__ import annotations

import argparse
import math
from pathlib import Path

import awkward as ak
import numpy as np
import pythia8mc
import uproot
from numba import njit

from hepad.io.clustering import cluster
from hepad.io.generator.cells import charge_signs

RADIUS, HALF_LENGTH, FIELD = 1.29, 3.0, 3.8  # m, m, T
HADRON, ELECTRON, MUON, PHOTON, NEUTRAL = range(5)
# Towers: their edges in |eta|, electromagnetic and hadronic, and how many there are around, by the upper edge.
_HF = np.array([3.125, 3.3, 3.475, 3.65, 3.825, 4.0, 4.175, 4.35, 4.525, 4.7, 5.0])
_HB = [*np.arange(0, 1.6, 0.087), 1.653, 1.74, 1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 2.95]
ETA = (np.concatenate([np.arange(171) * 0.0174, _HF]), np.concatenate([_HB, _HF]))
PHI = (np.where(ETA[0] < 3, 360, 36), np.select([ETA[1] < 1.7, ETA[1] < 4.6], [72, 36], 18))
# By kind and region, |eta| below 0.5, 1.5 and 2.5: the constant and the linear term of a track's resolution, and the
# efficiency below and above 1 GeV and above 100 GeV.
CONSTANT = np.array([[0.01, 0.015, 0.025], [0.03, 0.05, 0.15], [0.01, 0.015, 0.025]])
LINEAR = np.array([[1.5e-4, 2.5e-4, 5.5e-4], [1.3e-3, 1.7e-3, 3.1e-3], [1.0e-4, 1.5e-4, 3.5e-4]])
BARREL = np.array([[0.70, 0.95, 0.95], [0.73, 0.95, 0.99], [0.75, 0.99, 0.99]])
ENDCAP = np.array([[0.60, 0.85, 0.85], [0.50, 0.83, 0.90], [0.70, 0.98, 0.98]])


@njit(cache=True)
def _lognormal(mean, sigma):
    if mean <= 0:
        return 0.0
    width = math.sqrt(math.log(1 + (sigma / mean) ** 2))
    return math.exp(math.log(mean) - width**2 / 2 + width * np.random.normal())


@njit(cache=True)
def _resolution(part, eta, energy):
    eta = abs(eta)
    if part == 1:
        a, b = (0.05, 1.5) if eta <= 3 else (0.13, 2.7)
        return math.sqrt((a * energy) ** 2 + b**2 * energy)
    if eta > 2.5:
        return math.sqrt((0.107 * energy) ** 2 + 2.08**2 * energy)
    shape = 1 + 0.64 * eta**2 if eta <= 1.5 else 2.16 + 5.6 * (eta - 2) ** 2
    return shape * math.sqrt((0.008 * energy) ** 2 + 0.11**2 * energy + 0.4**2)


@njit(cache=True)
def _tower(eta_edges, around, eta, phi):
    """The number of a tower, -1 outside."""
    place = np.searchsorted(eta_edges, abs(eta)) - 1
    if place >= len(eta_edges) - 1 or place < 0:
        return -1
    n = around[place + 1]
    column = min(int((phi % (2 * math.pi)) / (2 * math.pi) * n), n - 1)
    return (place * 2 + (eta > 0)) * 360 + column


@njit(cache=True)
def _calorimeter(part, eta_edges, around, towers, deposits, track_towers, track_energies, track_errors, factors):  # noqa: C901, PLR0917  compiled
    """The towers with more than their tracks (number, energy, eta, phi); scales the tracks of the others."""
    numbers = np.unique(np.concatenate((towers[deposits > 0], track_towers)))
    numbers = numbers[numbers >= 0]
    true, charged, variance = np.zeros(len(numbers)), np.zeros(len(numbers)), np.zeros(len(numbers))
    for i in range(len(towers)):
        if deposits[i] > 0 and towers[i] >= 0:
            true[np.searchsorted(numbers, towers[i])] += deposits[i]
    for i in range(len(track_towers)):
        if track_towers[i] >= 0:
            k = np.searchsorted(numbers, track_towers[i])
            charged[k] += track_energies[i]
            variance[k] += (track_errors[i] * track_energies[i]) ** 2
    found = np.zeros((len(numbers), 4))
    scale = np.ones(len(numbers))
    n = 0
    for k in range(len(numbers)):
        row, column = numbers[k] // 360, numbers[k] % 360
        low, high = eta_edges[row // 2], eta_edges[row // 2 + 1]
        sign = 1.0 if row % 2 else -1.0
        centre = sign * (low + high) / 2
        energy = _lognormal(true[k], _resolution(part, centre, true[k]))
        sigma = _resolution(part, centre, energy)
        if energy < (0.5, 1.0)[part] or energy < 2 * sigma:
            energy = 0.0
        eta = sign * np.random.uniform(low, high)
        phi = (column + np.random.random()) * 2 * math.pi / around[row // 2 + 1]
        excess = energy - charged[k]
        if excess > (0.5, 1.0)[part] and excess > 2 * math.sqrt(variance[k] + sigma**2):
            found[n] = np.array([numbers[k], excess, eta, phi])
            n += 1
        elif charged[k] > 0 and variance[k] > 0:
            weight = 1 / sigma**2 if sigma > 0 else 0.0
            scale[k] = (1 / variance[k] + weight * energy / charged[k]) / (1 / variance[k] + weight)
    for i in range(len(track_towers)):
        if track_towers[i] >= 0:
            factors[i] = scale[np.searchsorted(numbers, track_towers[i])]
    return found[:n]


@njit(cache=True)
def _flow(seed, pdg, charge, px, py, pz, e, ecal_eta, ecal_phi, hcal_eta, hcal_phi):  # noqa: PLR0915, PLR0917  compiled
    """The flow of the stable particles of an event: columns (kind, pt, eta, phi, e, tower, eta at its end)."""
    np.random.seed(seed)
    n = len(pdg)
    towers, deposits = np.full((2, n), -1), np.zeros((2, n))
    tracks, count = np.zeros((n, 7)), 0
    errors, hadronic = np.zeros(n), np.full(n, -1)
    for i in range(n):
        number = abs(pdg[i])
        if number in (12, 14, 16):
            continue
        pt = math.hypot(px[i], py[i])
        if pt < 1e-3:
            continue
        eta, phi = math.asinh(pz[i] / pt), math.atan2(py[i], px[i])
        there, around = eta, phi
        if charge[i] != 0:  # the helix to the end of the tracker
            bend = pt / (0.299792458 * FIELD)
            path = 2 * bend * math.asin(RADIUS / (2 * bend)) if 2 * bend > RADIUS else 1e9
            path = min(path, HALF_LENGTH / max(abs(pz[i] / pt), 1e-9))
            around = phi - charge[i] * path / (2 * bend)
            there = math.asinh(path * pz[i] / pt / max(abs(2 * bend * math.sin(path / (2 * bend))), 1e-6))
        soft = 0.3 if number in (310, 3122) else 1.0 if number in (11, 22, 111) else 0.0
        hard = 0.0 if number == 13 else 1.0 - soft
        towers[0, i], deposits[0, i] = _tower(ecal_eta, ecal_phi, there, around), soft * e[i]
        towers[1, i], deposits[1, i] = _tower(hcal_eta, hcal_phi, there, around), hard * e[i]
        if charge[i] == 0 or abs(there) > 2.5 or pt <= 0.1:
            continue
        kind = ELECTRON if number == 11 else MUON if number == 13 else HADRON
        region = 0 if abs(there) <= 0.5 else 1 if abs(there) <= 1.5 else 2
        efficiency = (ENDCAP if region == 2 else BARREL)[kind, 0 if pt <= 1 else 1 if pt <= 100 else 2]
        if np.random.random() > efficiency:
            continue
        error = min(1.0, math.hypot(CONSTANT[kind, region], LINEAR[kind, region] * pt))
        measured = _lognormal(pt, error * pt)
        mass2 = max(e[i] ** 2 - (pt * math.cosh(eta)) ** 2, 0.0)
        energy = math.sqrt((measured * math.cosh(eta)) ** 2 + mass2)
        tracks[count] = np.array([kind, measured, eta, phi, energy, towers[0, i], there])
        errors[count], hadronic[count] = error, towers[1, i]
        count += 1
    tracks, errors, hadronic = tracks[:count], errors[:count], hadronic[:count]
    light, heavy = tracks[:, 0] == ELECTRON, tracks[:, 0] == HADRON
    electron_factors, hadron_factors = np.ones(light.sum()), np.ones(heavy.sum())
    own = tracks[light, 5].astype(np.int64)
    soft_towers = _calorimeter(
        0, ecal_eta, ecal_phi, towers[0], deposits[0], own, tracks[light, 4], errors[light], electron_factors
    )
    hard_towers = _calorimeter(
        1, hcal_eta, hcal_phi, towers[1], deposits[1], hadronic[heavy], tracks[heavy, 4], errors[heavy], hadron_factors
    )
    factors = np.ones(count)
    factors[light], factors[heavy] = electron_factors, hadron_factors
    flow = np.zeros((count + len(soft_towers) + len(hard_towers), 7))
    flow[:count] = tracks
    flow[:count, 1] *= factors
    flow[:count, 4] *= factors
    for k in range(len(soft_towers) + len(hard_towers)):
        soft_one = k < len(soft_towers)
        number_of, energy, eta, phi = soft_towers[k] if soft_one else hard_towers[k - len(soft_towers)]
        kind = PHOTON if soft_one else NEUTRAL
        flow[count + k] = np.array(
            [kind, energy / math.cosh(eta), eta, phi, energy, number_of if soft_one else -1, eta]
        )
    return flow


@njit(cache=True)
def _candidates(flow):  # noqa: C901  compiled
    """Which of the flow are photons, electrons or muons (their kind, else -1), and which are part of one of these."""
    n = len(flow)
    found, taken = np.full(n, -1), np.zeros(n, dtype=np.bool_)
    for kind in (PHOTON, ELECTRON, MUON):
        for i in range(n):
            pt, eta = flow[i, 1], abs(flow[i, 6])
            if flow[i, 0] != kind or pt <= 10 or eta > (2.4 if kind == MUON else 2.5) or taken[i]:
                continue
            efficiency = 0.95 if eta <= 1.5 or kind == MUON else 0.85
            if kind == MUON and pt > 1000:
                efficiency *= math.exp(0.5 - 5e-4 * pt)
            if np.random.random() > efficiency:
                continue
            around = 0.0
            for j in range(n):
                lepton = flow[j, 0] in (ELECTRON, MUON)
                if j != i and not lepton and flow[j, 1] >= 0.5 and abs(flow[j, 2] - flow[i, 2]) <= 0.5:
                    turn = abs(flow[j, 3] - flow[i, 3]) % (2 * math.pi)
                    turn = min(turn, 2 * math.pi - turn)
                    if math.hypot(flow[j, 2] - flow[i, 2], turn) <= 0.5:
                        around += flow[j, 1]
            if around > (0.25 if kind == MUON else 0.12) * pt:
                continue
            found[i], taken[i] = kind, True
            for j in range(n):  # an electron and the excess of its tower are of one particle
                if kind != MUON and flow[j, 0] in (PHOTON, ELECTRON) and flow[j, 5] == flow[i, 5]:
                    taken[j] = True
    return found, taken


@njit(cache=True)
def _events(seeds, offsets, pdg, charge, px, py, pz, e, ecal_eta, ecal_phi, hcal_eta, hcal_phi):  # noqa: PLR0917  compiled
    """The flow of events, their sizes, and what `_candidates` finds."""
    flows, counts = np.zeros((len(pdg) * 3, 7)), np.zeros(len(seeds), dtype=np.int64)
    found, taken = np.full(len(flows), -1), np.zeros(len(flows), dtype=np.bool_)
    n = 0
    for event in range(len(seeds)):
        at = slice(offsets[event], offsets[event + 1])
        columns = pdg[at], charge[at], px[at], py[at], pz[at], e[at]
        flow = _flow(seeds[event], *columns, ecal_eta, ecal_phi, hcal_eta, hcal_phi)
        m = counts[event] = len(flow)
        flows[n : n + m] = flow
        found[n : n + m], taken[n : n + m] = _candidates(flow)
        n += m
    return flows[:n], counts, found[:n], taken[:n]


def detect(records: ak.Array, entry: int, seed: int) -> dict[str, ak.Array]:
    """Delphes' collections of Pythia's event records (fields id, status and p), the first of which is event `entry`."""
    x, y, z = (ak.fill_none(records.vProd[name], 0.0, axis=1) for name in ("px", "py", "pz"))  # mm; none: at the origin
    inside = (np.hypot(x, y) < 1e3 * RADIUS) & (abs(z) < 1e3 * HALF_LENGTH)
    final = records[(records.status > 0) & inside]  # what decays behind the tracker is lost, as in Delphes
    sizes = ak.to_numpy(ak.num(final))
    flat = ak.flatten(final)
    pdg = ak.to_numpy(flat.id).astype(np.int64)
    momenta = [ak.to_numpy(flat.p[name]).astype(np.float64) for name in ("px", "py", "pz", "e")]
    seeds = np.random.SeedSequence([seed, entry]).generate_state(len(sizes)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    grids = (ETA[0], PHI[0], ETA[1], PHI[1])
    flow, counts, found, taken = _events(seeds, offsets, pdg, charge_signs(pdg), *momenta, *grids)
    _, pt, eta, phi, energy, _, _ = flow.T
    px, py = pt * np.cos(phi), pt * np.sin(phi)
    event = np.repeat(np.arange(len(sizes)), counts)
    missing = [-np.bincount(event, weights=p, minlength=len(sizes)) for p in (px, py)]
    met = {"MET": np.hypot(*missing), "Phi": np.arctan2(missing[1], missing[0])}
    result = {"MissingET": ak.unflatten(ak.zip(met), np.ones_like(sizes))}
    for name, kind in (("Electron", ELECTRON), ("Muon", MUON), ("Photon", PHOTON)):
        mine = found == kind
        objects = ak.zip({"PT": pt[mine], "Eta": eta[mine], "Phi": phi[mine]})
        result[name] = _sorted(ak.unflatten(objects, np.bincount(event[mine], minlength=len(sizes))))
    jets = cluster(counts, np.array([px, py, pt * np.sinh(eta), energy]), radius=0.5, min_pt=20)
    jets = jets.take(np.add.reduceat(taken[jets.members], jets.offsets[:-1]) == 0)
    x, y, z, e = jets.momenta
    jet_pt, jet_eta = np.hypot(x, y), np.arcsinh(z / np.hypot(x, y))
    scale = np.sqrt((2.5 - 0.15 * np.abs(jet_eta)) ** 2 / jet_pt + 1)
    mass = np.sqrt(np.maximum(e**2 - x**2 - y**2 - z**2, 0))
    columns = {"PT": scale * jet_pt, "Eta": jet_eta, "Phi": np.arctan2(y, x), "Mass": scale * mass}
    found_jets = ak.unflatten(ak.zip(columns), np.bincount(jets.event, minlength=len(sizes)))
    draws = np.random.default_rng([seed, entry, 1]).random(len(x))
    tags = ak.unflatten(draws, ak.num(found_jets)) < _tag_efficiency(found_jets, records)
    result["Jet"] = _sorted(ak.with_field(found_jets, ak.values_astype(tags, np.uint32), "BTag"))
    return result


def _sorted(objects: ak.Array) -> ak.Array:
    return objects[ak.argsort(objects.PT, ascending=False)]


def _tag_efficiency(jets: ak.Array, records: ak.Array) -> ak.Array:
    """By the heaviest quark of any step of the shower within 0.5 of a jet."""
    quark = records[(abs(records.id) == 4) | (abs(records.id) == 5)]
    pt = np.hypot(quark.p.px, quark.p.py)
    eta = np.arcsinh(quark.p.pz / np.maximum(pt, 1e-9))
    kept = (pt > 1) & (abs(eta) < 2.5)
    number, eta, phi = abs(quark.id)[kept], eta[kept], np.arctan2(quark.p.py, quark.p.px)[kept]
    turn = (jets.Phi[:, :, None] - phi[:, None, :] + np.pi) % (2 * np.pi) - np.pi
    near = (jets.Eta[:, :, None] - eta[:, None, :]) ** 2 + turn**2 <= 0.25
    flavour = ak.fill_none(ak.max(near * number[:, None, :], axis=2), 0)
    pt = jets.PT
    bottom, charm = 0.85 * np.tanh(0.0025 * pt) * 25 / (1 + 0.063 * pt), 0.25 * np.tanh(0.018 * pt) / (1 + 0.0013 * pt)
    return ak.where(flavour == 5, bottom, ak.where(flavour == 4, charm, 0.01 + 0.000038 * pt))


class Leptons(pythia8mc.UserHooks):
    """Lets Pythia shower events only that have an electron, muon or tau above a pT (GeV) in their hard process."""

    def __init__(self, least: float) -> None:
        super().__init__()
        self.least, self.vetoed = least, 0

    def canVetoProcessLevel(self) -> bool:  # noqa: N802  Pythia's name
        """That this is asked."""
        return True

    def doVetoProcessLevel(self, process: pythia8mc.Event) -> bool:  # noqa: N802  Pythia's name
        """Whether the event has none."""
        particles = (process[i] for i in range(process.size()))
        kept = any(p.idAbs() in {11, 13, 15} and p.isFinal() and p.pT() > self.least for p in particles)
        self.vetoed += not kept
        return not kept


def main() -> None:
    """Generate, detect and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("card", type=Path, help="Pythia's settings, one a line")
    parser.add_argument("-n", "--events", type=int, default=10_000)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lepton", type=float, default=0.0, metavar="GEV", help="leave events without one empty")
    options = parser.parse_args()
    pythia, hooks = pythia8mc.Pythia("", False), Leptons(options.lepton)
    settings = ["Print:quiet = on", "Random:setSeed = on", f"Random:seed = {options.seed}"]
    for line in [*settings, *options.card.read_text().splitlines()]:
        if not pythia.readString(line):
            parser.error(f"{options.card}: Pythia does not know {line!r}")
    if options.lepton > 0:
        pythia.addUserHooksPtr(hooks)
    if not pythia.init():
        parser.error(f"{options.card}: Pythia cannot start with these settings")
    part, done, tree = options.output.with_suffix(".part"), 0, None
    with uproot.recreate(part) as file:
        while done < options.events:
            # Vetoed events come in between those of a batch, so that it may be of more than were asked for.
            records = ak.drop_none(pythia.nextBatch(min(500, options.events - done), "none")).prt
            sizes = np.concatenate([ak.to_numpy(ak.num(records)), np.zeros(hooks.vetoed, dtype=np.int64)])
            columns, hooks.vetoed = detect(ak.unflatten(ak.flatten(records), sizes), done, options.seed), 0
            n = len(sizes)
            one = {"Number": np.arange(done, done + n), "Weight": np.ones(n)}
            columns["Event"] = ak.unflatten(ak.zip(one), np.ones(n, dtype=np.int64))
            if tree is None:
                types = {name: column.type.content for name, column in columns.items()}
                tree = file.mktree(
                    "Delphes", types, field_name="{}.{}".format, counter_name="{}_size".format, title="parametrised"
                )
            tree.extend(columns)
            done += n
    part.rename(options.output)
    print(f"{options.output}: {done} events")


if __name__ == "__main__":
    main()
