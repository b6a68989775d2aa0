"""ADFilter ntuples: against the numbers in the file, against ADFilter's own count, and damaged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.errors import InputDataError
from hepad.io.reader import open_events, read_events
from hepad.pipeline.vectorize import VectorizeOptions, vectorize

ALL = {
    "jets": {"pt", "eta", "phi", "mass", "btag"},
    "electrons": {"pt", "eta", "phi", "mass"},
    "muons": {"pt", "mass"},
    "photons": {"pt", "eta", "mass"},
    "met": {"pt", "phi"},
}


def read(path: Path, fields=ALL, **options) -> ak.Array:
    return ak.concatenate([chunk.events for chunk in read_events([path], fields, **options)])


def test_values_are_those_in_the_file(data: Path) -> None:
    path = data / "random_events.root"
    events = read(path, step_size=97)
    tree = uproot.open(path)["Ntuple"]
    assert len(events) == 400
    for prefix, tagged in (("JET", False), ("bJET", True)):
        mine = events.jets[events.jets.btag == tagged]
        stored = tree[f"{prefix}_pt"].array()
        order = ak.argsort(stored, ascending=False, stable=True)
        for feature in ("pt", "eta", "phi", "mass"):
            assert ak.array_equal(mine[feature], tree[f"{prefix}_{feature}"].array()[order])
    assert ak.all(events.jets.pt[:, 1:] <= events.jets.pt[:, :-1])
    order = ak.argsort(tree["EL_pt"].array(), ascending=False, stable=True)
    assert ak.array_equal(events.electrons.eta, tree["EL_eta"].array()[order])
    assert np.array_equal(ak.to_numpy(events.met.pt), ak.to_numpy(tree["MET_met"].array()[:, 0]))
    assert ak.all(events.photons.mass == 0)
    assert ak.all(abs(events.muons.mass - 0.10566) < 1e-5)


def test_chunks_join_to_the_whole(data: Path) -> None:
    path = data / "random_events.root"
    assert ak.array_equal(read(path, step_size=33), read(path))


def test_the_selection_keeps_as_many_as_adfilter(data: Path, tmp_path: Path) -> None:
    """Its own program wrote 376 matrices for these events: leading lepton above 60 GeV."""
    card = tmp_path / "lepton.yaml"
    card.write_text(
        "schema: selection/1\nname: lepton\ntitle: one lepton\nreference: arXiv:2409.03065\n"
        "objects:\n"
        "  electrons: {pt: {min: 30}, abs_eta: {max: 2.4}}\n  muons: {pt: {min: 30}, abs_eta: {max: 2.4}}\n"
        "require:\n  - name: lepton above 60 GeV\n    any:\n"
        "      - {electrons: {pt: {min: 60}}, min_count: 1}\n      - {muons: {pt: {min: 60}}, min_count: 1}\n",
        encoding="utf-8",
    )
    options = VectorizeOptions(selection=str(card), features=("pt", "eta"))
    report = vectorize([str(data / "random_events.root")], tmp_path / "x.npz", options=options)
    assert report.cutflow.selected.events == 376


def test_doubles_in_single_precision(data: Path) -> None:
    """The numbers that ROOT was given for this file, by the program beside it."""
    events = read(data / "adfilter_double32.root", step_size=70)
    assert len(events) == 200
    for entry, event in enumerate(events):
        jets = [(entry, prefix, index) for prefix, n in (("JET", 4), ("bJET", 3)) for index in range(entry % n)]
        jets.sort(key=lambda jet: -momentum(*jet))  # at equal momentum, those without a tag first
        assert event.jets.pt.tolist() == single(momentum(*jet) for jet in jets)
        assert event.jets.eta.tolist() == single((place(*jet) % 49) / 10 - 2.4 for jet in jets)
        assert event.jets.phi.tolist() == single((place(*jet) % 63) / 10 - 3.1 for jet in jets)
        assert event.jets.mass.tolist() == single(5.1 + place(*jet) % 11 for jet in jets)
        assert event.jets.btag.tolist() == [prefix == "bJET" for _, prefix, _ in jets]
        for name, prefix, n in (("electrons", "EL", 2), ("muons", "MU", 3), ("photons", "PH", 2)):
            assert event[name].pt.tolist() == single(momentum(entry, prefix, i) for i in reversed(range(entry % n)))
        assert (event.met.pt, event.met.phi) == tuple(single([entry / 10, (entry % 63) / 10 - 3.1]))
        assert event.weight == np.float32(0.1 * entry - 1)  # the first of two


def momentum(entry: int, prefix: str, index: int) -> float:
    return 20.1 + entry + 50 * index + len(prefix)


def place(entry: int, prefix: str, index: int) -> int:
    return entry + 7 * index + len(prefix)


def single(values: Iterable[float]) -> list[float]:
    return [float(np.float32(value)) for value in values]


def test_meta_is_the_sample(data: Path, tmp_path: Path) -> None:
    stated = open_events(data / "random_events.root").sample()
    assert (stated.cross_section_pb, stated.sqrt_s_gev) == (7.0, 13000.0)
    older = open_events(data / "adfilter_double32.root").sample()  # only the energy is labelled
    assert (older.cross_section_pb, older.sqrt_s_gev) == (None, 13000.0)
    assert open_events(write(tmp_path / "none.root")).sample().sqrt_s_gev is None
    plain = write(tmp_path / "plain.root", meta=[8000.0, 0.5])  # no labels: by place, as ADFilter reads it
    assert (open_events(plain).sample().sqrt_s_gev, open_events(plain).sample().cross_section_pb) == (8000.0, 0.5)
    assert open_events(plain).sample().notes == ()
    default = open_events(write(tmp_path / "default.root", meta=[8000.0, 1.0])).sample()
    assert default.cross_section_pb == 1.0
    assert "make sure that it is meant" in default.notes[0]


def test_energy_of_the_sample_is_a_field(data: Path) -> None:
    events = read(data / "random_events.root", {"met": {"pt"}, "sqrt_s": set()})
    assert events.sqrt_s.tolist() == [13000.0] * 400


def test_first_weight_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "w.root", Evt_Weight=[[2.0, 9.0], [-0.5]])
    assert read(path, {"met": {"pt"}}).weight.tolist() == [2.0, -0.5]
    assert read(write(tmp_path / "n.root", drop="Evt_Weight"), {"met": {"pt"}}).weight.tolist() == [1.0, 1.0]


def test_missing_branch_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "m.root", drop="bJET_mass")
    assert open_events(path).available() == {"jets": {"pt", "eta", "phi", "btag"}, "met": {"pt", "phi"}}
    with pytest.raises(InputDataError, match=r"m\.root.*'Ntuple' has no branch 'bJET_mass', needed for jets"):
        read(path, {"jets": {"pt", "mass"}})
    with pytest.raises(InputDataError, match="ADFilter files have no fatjets"):
        read(path, {"fatjets": {"pt"}})


def test_bad_numbers_are_named_with_their_entry(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match=r"'JET_eta' holds nan at entry 1"):
        read(write(tmp_path / "a.root", JET_eta=[[0.1, 0.2], [np.nan]]), {"jets": {"eta"}}, step_size=1)
    with pytest.raises(InputDataError, match=r"'MET_met' holds -1\.0 at entry 1"):
        read(write(tmp_path / "b.root", MET_met=[[3.0], [-1.0]]), {"met": {"pt"}})
    with pytest.raises(InputDataError, match=r"'JET_eta' has other counts"):
        read(write(tmp_path / "c.root", JET_eta=[[0.1], [0.2]]), {"jets": {"eta"}})
    with pytest.raises(InputDataError, match=r"'JET_pt' holds 1 numbers at entry 1, 'JET_n' says otherwise"):
        read(write(tmp_path / "d.root", JET_n=[2, 3]), {"jets": {"pt"}})


@pytest.mark.parametrize("place", [3, 9], ids=["byte count", "length"])
def test_a_damaged_length_is_noticed(place: int, data: Path, tmp_path: Path) -> None:
    """Each event of a basket has a header of ten bytes; these baskets are compressed, so decode what they hold."""
    source = open_events(data / "adfilter_double32.root")
    raw = source.tree["JET_pt"].array(source.interpretation("JET_pt"), entry_stop=5)
    assert ak.num(raw).tolist() == [10, 14, 18, 22, 10]
    assert ak.num(source.decode("JET_pt", raw, 0)).tolist() == [0, 1, 2, 3, 0]
    content = np.array(ak.flatten(raw))
    content[10 + 14 + 18 + place] += 1
    with pytest.raises(InputDataError, match=r"double32\.root.*'JET_pt' has a wrong length at entry 103"):
        source.decode("JET_pt", ak.unflatten(content, ak.num(raw)), 100)
    with pytest.raises(InputDataError, match="at entry 0"):
        source.decode("JET_pt", raw[:, :7], 0)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.99])
def test_truncated_file(fraction: float, data: Path, tmp_path: Path) -> None:
    whole = (data / "adfilter_double32.root").read_bytes()
    path = tmp_path / "cut.root"
    path.write_bytes(whole[: int(len(whole) * fraction)])
    with pytest.raises(InputDataError, match=r"cut\.root.*(damaged|truncated)"):
        read(path)


def test_no_entries(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="no entries"):
        read(write(tmp_path / "empty.root", entries=0), {"met": {"pt"}})


def write(path: Path, drop: str = "", entries: int = 2, meta: list[float] | None = None, **changed) -> Path:
    """Two events as somebody would write them with uproot."""
    content = {f"{p}_{f}": [[50.0, 40.0], [30.0]] for p in ("JET", "bJET") for f in ("pt", "eta", "phi", "mass")}
    content |= {"MET_met": [[3.0], [4.0]], "MET_phi": [[0.1], [0.2]], "Evt_Weight": [[1.0], [1.0]]} | changed
    arrays = {name: ak.Array(values) for name, values in content.items() if name != drop}
    with uproot.recreate(path) as file:
        if meta is not None:
            file["meta"] = (np.array([*meta, 0.0]), np.arange(4.0))
        types = {name: array.type.content if array.ndim > 1 else "int32" for name, array in arrays.items()}
        tree = file.mktree("Ntuple", types, counter_name=lambda name: f"size_{name}")
        if entries:
            tree.extend(arrays)
    return path
