"""Files that are whole but hold what no reader expects: other types, other orders, other counts, far too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from hepad.cards.condition import Range
from hepad.cards.selection import SelectionCard
from hepad.errors import InputDataError
from hepad.inputs.l1_vector import L1Vector, L1VectorCard
from hepad.io.detector import columns as module
from hepad.io.detector.columns import Objects
from hepad.io.reader import read_events
from hepad.objects.pairs import pairs_in_range
from hepad.objects.selection import apply_selection

JETS = {"jets": {"pt", "eta", "phi", "mass", "btag"}}
PTS = [[50.0, 40.0], [], [90.0]]


def written(path: Path, **branches: Any) -> Path:
    """A slim of jets with some branches replaced by others (None: left out)."""
    whole = {
        "Jet.PT": PTS,
        "Jet.Eta": [[0.5, -1.0], [], [2.0]],
        "Jet.Phi": [[0.1, 3.0], [], [-2.0]],
        "Jet.Mass": [[5.0, 6.0], [], [9.0]],
        "Jet.BTag": [[1, 2], [], [3]],
    }
    content = {**whole, **{f"Jet.{name}": value for name, value in branches.items()}}
    arrays = {k: v if isinstance(v, ak.Array | np.ndarray) else ak.Array(v) for k, v in content.items()}
    with uproot.recreate(path) as file:
        types = {k: v.dtype if isinstance(v, np.ndarray) else ak.type(v).content for k, v in arrays.items()}
        out = file.mktree("Delphes", types, counter_name=lambda key: f"{key.replace('.', '_')}_size")
        out.extend(arrays)
    return path


def read(path: Path, fields: Any = None) -> ak.Array:
    return ak.concatenate([chunk.events for chunk in read_events([path], fields or JETS)])


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int32, np.uint16, np.int8])
def test_numbers_of_another_type_are_the_same_numbers(kind: type, tmp_path: Path) -> None:
    path = written(tmp_path / "x.root", PT=ak.values_astype(ak.Array(PTS), kind))
    assert read(path).jets.pt.tolist() == PTS


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint8])
def test_flags_of_another_type_are_the_same_flags(kind: type, tmp_path: Path) -> None:
    path = written(tmp_path / "x.root", BTag=ak.values_astype(ak.Array([[1, 2], [], [3]]), kind))
    assert read(path).jets.btag.tolist() == [[True, False], [], [True]]


def test_flags_that_are_none_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.root", BTag=[[1.0, 0.5], [], [3.0]])
    with pytest.raises(InputDataError, match=r"'Jet\.BTag' holds 0\.5; it must hold whole numbers"):
        read(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0])
def test_momenta_that_are_none_are_refused(bad: float, tmp_path: Path) -> None:
    path = written(tmp_path / "x.root", PT=[[50.0, 40.0], [], [bad]])
    with pytest.raises(InputDataError, match=rf"'Jet\.PT' holds {bad} at entry 2"):
        read(path)


def test_text_is_refused(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "x.root") as file:
        file.mktree("Delphes", {"Jet.PT": "string"}).extend({"Jet.PT": ["a", "b"]})
    with pytest.raises(InputDataError, match=r"'Jet\.PT' must hold a list of numbers an event, not string"):
        read(tmp_path / "x.root", {"jets": {"pt"}})
    with uproot.recreate(tmp_path / "x.root") as file:
        file.mktree("Delphes", {"MissingET.MET": "string"}).extend({"MissingET.MET": ["a", "b"]})
    with pytest.raises(InputDataError, match=r"'MissingET\.MET' must hold a number an event, not string"):
        read(tmp_path / "x.root", {"met": {"pt"}})


def test_one_number_or_a_fixed_number_an_event(tmp_path: Path) -> None:
    path = tmp_path / "x.root"
    with uproot.recreate(path) as file:
        file.mktree("Delphes", {"Jet.PT": np.float32}).extend({"Jet.PT": np.ones(3, dtype=np.float32)})
    with pytest.raises(InputDataError, match="must hold a list of numbers an event, not float32"):
        read(path, {"jets": {"pt"}})
    pairs = np.array([[50, 40], [30, 20]], dtype=np.float32)
    with uproot.recreate(path) as file:
        file.mktree("Delphes", {"Jet.PT": (np.float32, (2,))}).extend({"Jet.PT": pairs})
    assert read(path, {"jets": {"pt"}}).jets.pt.tolist() == pairs.tolist()


def test_properties_of_other_counts_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.root", Eta=[[0.5], [], [2.0, 1.0]])
    with pytest.raises(InputDataError, match=r"'Jet\.Eta' has other counts than its collection"):
        read(path)


def test_branches_of_other_lengths_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hepad.io.reader import open_events

    source = open_events(written(tmp_path / "x.root"))
    source.entries = 4  # type: ignore[misc]  # as a damaged record of the tree would say
    with pytest.raises(InputDataError, match=r"branch 'Jet\.PT' has 3 entries, tree 'Delphes' has 4"):
        list(source.iterate({"jets": {"pt"}}, step_size=10, stop=4))
    source.close()


def test_unsorted_objects_are_sorted_with_all_that_is_theirs(tmp_path: Path) -> None:
    path = written(tmp_path / "x.root", PT=[[40.0, 50.0], [], [90.0]])
    jets = read(path).jets
    assert jets.pt.tolist() == [[50.0, 40.0], [], [90.0]]
    assert jets.eta.tolist() == [[-1.0, 0.5], [], [2.0]]
    assert jets.btag.tolist() == [[False, True], [], [True]]


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(0, 5), max_size=5), min_size=1, max_size=5))
def test_sorting_agrees_with_python(pts: list[list[int]]) -> None:
    offsets = np.concatenate([[0], np.cumsum([len(event) for event in pts])]).astype(np.int64)
    flat = np.array([pt for event in pts for pt in event], dtype=np.float32)
    record = Objects(offsets, {"pt": flat, "eta": np.arange(len(flat))}).to_awkward(["pt", "eta"])
    numbered = iter(range(len(flat)))
    expected = [sorted(((pt, next(numbered)) for pt in event), key=lambda pair: -pair[0]) for event in pts]
    assert [[(o["pt"], o["eta"]) for o in event] for event in record.tolist()] == expected


def test_unsorted_objects_in_hdf5_are_sorted(tmp_path: Path) -> None:
    block = np.zeros((1, 19, 4), dtype=np.float32)
    block[0, 9], block[0, 10], block[0, 12] = (40, 1, 0, 4), (50, 2, 0, 4), (60, 3, 0, 4)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["Particles"] = block
    jets = read(tmp_path / "x.h5", {"jets": {"pt", "eta"}}).jets
    assert jets.pt.tolist() == [[60.0, 50.0, 40.0]]
    assert jets.eta.tolist() == [[3.0, 2.0, 1.0]]


def test_the_leading_objects_of_an_unsorted_file_are_leading(tmp_path: Path) -> None:
    """No selection looks at these jets: the input alone takes the first ones."""
    card = L1VectorCard(kind="l1_vector", order=("jets",), counts={"jets": 1})
    path = written(tmp_path / "x.root", PT=[[40.0, 50.0], [], [90.0]])
    events, _, _ = apply_selection(read(path), SelectionCard(schema="selection/1", name="a", title="", reference=""))
    assert L1Vector(card).raw(events).x.tolist() == [[50.0], [0.0], [90.0]]


def test_a_hundred_thousand_objects_in_an_event(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    n = 100_000
    counts = [3, n, 0]

    def column(low: float, high: float) -> ak.Array:
        return ak.unflatten(random.uniform(low, high, sum(counts)).astype(np.float32), counts)

    btag = ak.unflatten(np.ones(sum(counts), dtype=np.int32), counts)
    columns = {"PT": column(1, 1000), "Eta": column(-4, 4), "Phi": column(-3, 3), "Mass": column(0, 50), "BTag": btag}
    path = written(tmp_path / "x.root", **columns)
    jets = read(path).jets
    assert ak.num(jets).tolist() == counts
    assert ak.all(jets.pt[:, 1:] <= jets.pt[:, :-1])
    assert jets.pt[1, 0] == ak.max(columns["PT"][1])
    vector = L1Vector(L1VectorCard(kind="l1_vector", order=("jets",), counts={"jets": 10}))
    assert np.array_equal(vector.raw(read(path)).x[1], ak.to_numpy(jets.pt[1, :10]))


def crowd(size: int, seed: int) -> Objects:
    random = np.random.default_rng(seed)
    names = {"pt": (1, 100), "eta": (-2, 2), "phi": (-3, 3), "mass": (0, 1)}
    columns = {name: random.uniform(*limits, size) for name, limits in names.items()}
    return Objects(np.array([0, 0, size]), {**columns, "charge": np.where(np.arange(size) % 2, 1, -1)})


def test_overlaps_are_found_in_pieces_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = crowd(60, 1).near(crowd(50, 2), 0.3)
    assert 0 < at_once.sum() < 60
    monkeypatch.setattr(module, "_PAIRS_AT_A_TIME", 120)
    assert np.array_equal(crowd(60, 1).near(crowd(50, 2), 0.3), at_once)
    monkeypatch.setattr(module, "_PAIRS_AT_A_TIME", 1)
    assert np.array_equal(crowd(60, 1).near(crowd(50, 2), 0.3), at_once)


def test_overlaps_of_a_hundred_thousand_objects_are_refused() -> None:
    columns = module.Columns(Path("x.root"), 40, {})
    with pytest.raises(InputDataError, match=r"x\.root: entry 41 has 100000 and 100000 objects that may overlap"):
        columns.near(crowd(100_000, 1), crowd(100_000, 2), 0.4)


def test_pairs_of_a_hundred_thousand_leptons_are_refused() -> None:
    with pytest.raises(InputDataError, match="has 100000 electrons or muons, too many to pair"):
        pairs_in_range(crowd(100_000, 1), Range(min=80, max=100))
    assert pairs_in_range(crowd(400, 1), Range(min=80, max=100))[1] > 5
