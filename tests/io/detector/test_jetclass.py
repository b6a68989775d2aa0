"""Files of jets in the format of JetClass: against plain uproot, and damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.errors import InputDataError
from hepad.io.reader import open_events, read_events

PARTICLES = {"pt", "eta", "phi", "energy", "charge", "id", "d0", "d0err", "dz", "dzerr"}
JET = {"pt", "eta", "phi", "mass", "sdmass", "tau1", "tau2", "tau3", "tau4"}
FLAGS = ("isChargedHadron", "isNeutralHadron", "isPhoton", "isElectron", "isMuon")


def read(path: Path, fields: object = None, **options: object) -> ak.Array:
    fields = {"particles": PARTICLES, "fatjets": JET} if fields is None else fields
    return ak.concatenate([chunk.events for chunk in read_events([path], fields, **options)])


@pytest.fixture
def jet(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of one jet of some particles, with the branches given changed."""

    def write(n: int, **changes: object) -> Path:
        part = {name: np.zeros(n, dtype=np.float32) for name in ("charge", *FLAGS, "pz")}
        part |= {name: np.full(n, 3.0, dtype=np.float32) for name in ("px", "py", "energy")}
        part["isPhoton"][:] = 1
        part |= {name: np.asarray(value, dtype=np.float32) for name, value in changes.items() if name in part}
        jets = {f"jet_{name}": np.float32([changes.get(f"jet_{name}", 1)]) for name in ("pt", "eta", "phi", "energy")}
        path = tmp_path / "jet.root"
        with uproot.recreate(path) as file:
            lists = ak.zip({name: ak.unflatten(ak.Array(values), [n]) for name, values in part.items()})
            file.mktree("tree", {"part": lists.type, **dict.fromkeys(jets, "float32")})
            file["tree"].extend({"part": lists, **jets})
        return path

    return write


def test_values_are_those_in_the_file(data: Path) -> None:
    events = read(data / "jets.root")
    tree = uproot.open(data / "jets.root")["tree"].arrays()
    assert len(events) == 24
    assert ak.all(ak.num(events.fatjets) == 1)
    np.testing.assert_array_equal(ak.num(events.particles), tree.jet_nparticles)
    for feature in JET - {"mass"}:
        np.testing.assert_array_equal(events.fatjets[feature][:, 0], tree[f"jet_{feature}"])
    energy, pt, eta = (tree[f"jet_{name}"].to_numpy().astype(np.float64) for name in ("energy", "pt", "eta"))
    squares = energy**2 - (pt * np.cosh(eta)) ** 2
    off = np.abs(events.fatjets.mass[:, 0].to_numpy().astype(np.float64) ** 2 - squares)
    assert (off / energy**2).max() < 3e-7, "of numbers in single precision"
    order = ak.argsort(np.hypot(tree.part_px, tree.part_py), ascending=False, stable=True)
    p = events.particles
    assert ak.all(p.pt[:, 1:] <= p.pt[:, :-1])
    momenta = {"px": p.pt * np.cos(p.phi), "py": p.pt * np.sin(p.phi), "pz": p.pt * np.sinh(p.eta), "energy": p.energy}
    renamed = {"d0": "d0val", "d0err": "d0err", "dz": "dzval", "dzerr": "dzerr", "charge": "charge"}
    for name, found in {**momenta, **{leaf: p[feature] for feature, leaf in renamed.items()}}.items():
        np.testing.assert_allclose(ak.flatten(found), ak.flatten(tree[f"part_{name}"][order]), rtol=1e-5, atol=1e-5)
    flags = ak.concatenate([tree[f"part_{flag}"][order][..., None] for flag in FLAGS], axis=-1)
    kind, charge = ak.argmax(flags, axis=-1), tree.part_charge[order]
    expected = {(0, 1): 1, (0, -1): 2, (1, 0): 3, (2, 0): 4, (3, -1): 5, (3, 1): 6, (4, -1): 7, (4, 1): 8}
    pairs = zip(ak.flatten(kind).tolist(), ak.flatten(charge).tolist(), strict=True)
    assert ak.flatten(p.id).tolist() == [expected[pair] for pair in pairs]
    assert len(set(ak.flatten(p.id).tolist())) >= 7


def test_chunks_join_to_the_whole(data: Path) -> None:
    assert ak.array_equal(read(data / "jets.root", step_size=7), read(data / "jets.root"))


def test_a_file_says_what_it_has(jet: Callable[..., Path], data: Path) -> None:
    assert open_events(data / "jets.root").available() == {"particles": PARTICLES, "fatjets": JET}
    few = open_events(jet(1)).available()
    assert few == {"particles": {"pt", "eta", "phi", "energy", "charge", "id"}, "fatjets": {"pt", "eta", "phi", "mass"}}
    with pytest.raises(InputDataError, match=r"jet\.root: tree 'tree' has no branch 'jet_tau1', needed for fatjets"):
        read(jet(1), {"fatjets": {"tau1"}})


@pytest.mark.parametrize("n", [0, 1, 300])
def test_any_number_of_particles_is_a_jet(jet: Callable[..., Path], n: int) -> None:
    events = read(jet(n), {"particles": {"pt", "id"}, "fatjets": {"mass"}})
    assert ak.num(events.particles).tolist() == [n]
    assert set(ak.flatten(events.particles.id).tolist()) <= {4}
    assert events.fatjets.mass.tolist() == [[0.0]]  # a momentum above the energy, by a rounding


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"px": [1, np.nan]}, "branch 'part_px' holds nan at entry 0"),
        ({"energy": [1, -2]}, "branch 'part_energy' holds -2.0 at entry 0"),
        ({"charge": [0, 1]}, "entry 0 has a particle of charge 1 that is not one of part_isChargedHadron"),
        ({"isPhoton": [1, 0]}, "entry 0 has a particle of charge 0 that is not one of"),
        ({"isMuon": [1, 0]}, "entry 0 has a particle of charge 0 that is not one of"),
        ({"jet_pt": -1}, "branch 'jet_pt' holds -1.0 at entry 0"),
    ],
)
def test_what_is_no_jet_is_named(jet: Callable[..., Path], changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputDataError, match=rf"jet\.root: {message}"):
        read(jet(2, **changes), {"particles": {"energy", "id"}, "fatjets": {"pt"}})


def test_a_tree_of_that_name_that_holds_no_jets_is_named(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "other.root") as file:
        file.mktree("tree", {"x": "float32"})
    with pytest.raises(InputDataError, match=r"other\.root: tree 'tree' has no branch 'part_px'"):
        open_events(tmp_path / "other.root")
