"""Readers of CMS's Level-1 objects: made-up files of each layout with the same events, and real ones where they are."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from hepad.errors import InputDataError
from hepad.io.events import SOURCES, Fields
from hepad.io.reader import expand_files, open_events, read_events

HARDWARE = {"pt", "eta", "phi", "hw_pt", "hw_eta", "hw_phi"}
FIELDS: Fields = {
    **dict.fromkeys(("jets", "electrons", "muons", "photons", "taus"), HARDWARE),
    "met": {"pt", "phi", "hw_pt", "hw_phi"},
    "scalar_ht": {"ht"},
    "towers": {"pt", "eta", "phi", "ieta", "iphi", "iet"},
}
# Objects of three events as (hwPt, hwEta, hwPhi, bunch crossing); of crossings that are not 0, none may be seen.
OBJECTS = {
    "Jet": [[(2000, 9, 9, -1), (2047, -110, 72, 0), (61, 94, 73, 0)], [], [(1, 0, 143, 0), (9, 9, 9, 1)]],
    "EG": [[(511, 57, 0, 0)], [(5, 1, 1, 1)], []],
    "Tau": [[(6, -53, 36, 0)], [(7, 53, 37, 0)], []],
    "Mu": [[(10, -223, 288, 0), (84, 222, 289, 0)], [(1, 0, 0, 0)], [(33, 4, 575, 0), (90, 4, 4, 2)]],
}
# Sums as (type, hwPt, hwPhi, bunch crossing) and towers as (ieta, iphi, iet).
SUMS = [[(2, 7, 1, -1), (1, 999, 0, 0), (2, 4095, 143, 0)], [(2, 0, 0, 0), (1, 0, 0, 0)], [(1, 3, 0, 0), (2, 1, 72, 0)]]
TOWERS = [[(1, 1, 2), (-28, 72, 511)], [], [(-20, 36, 1), (30, 37, 4)]]


KINDS = ("muons", "jets", "egammas", "taus", "HT", "MET", "cica", "seeds")
"""Folders of the Parquet set, in the order in which their files are one."""


def column(events: list[list[tuple[int, ...]]], place: int, type_: str = "int16") -> ak.Array:
    return ak.values_astype(ak.Array([[item[place] for item in event] for event in events]), type_)


def nano_branches(prefix: str = "L1") -> dict[str, ak.Array]:
    found = {}
    for name, events in OBJECTS.items():
        for place, leaf in enumerate(("hwPt", "hwEta", "hwPhi", "bx")):
            found[f"{prefix}{name}_{leaf}"] = column(events, place)
    for place, leaf in enumerate(("etSumType", "hwPt", "hwPhi", "bx")):
        found[f"{prefix}EtSum_{leaf}"] = column(SUMS, place, "int32")
    for leaf in ("hwEta", "hwPhi"):  # where the muon system saw it, which is elsewhere
        found[f"{prefix}Mu_{leaf}AtVtx"] = found[f"{prefix}Mu_{leaf}"]
        found[f"{prefix}Mu_{leaf}"] = found[f"{prefix}Mu_{leaf}"] * 0
    for place, leaf in enumerate(("ieta", "iphi", "iet")):
        found[f"{prefix}EmulCaloTower_{leaf}"] = column(TOWERS, place, "int32")
    return found


def write_tree(path: Path, tree: str, branches: dict[str, Any]) -> Path:
    with uproot.recreate(path) as file:
        put_tree(file, tree, branches)
    return path


def put_tree(file: Any, tree: str, branches: dict[str, Any]) -> None:
    types = {key: getattr(ak.type(value), "content", value) for key, value in branches.items()}
    file.mktree(tree, types, counter_name=lambda key: f"n{key}").extend(branches)


def nano(folder: Path, **changes: Any) -> Path:
    bits = {"L1_AXO_Tight": np.array([True, False, True]), "HLT_Mu50": np.array([False, False, True])}
    branches = {**nano_branches(), **bits, **changes}
    return write_tree(folder / "nano.root", "Events", {k: v for k, v in branches.items() if v is not None})


def ntuple_branches() -> dict[str, dict[str, Any]]:
    """The trees of an ntuple: the detector's objects and, all E_T halved, the emulator's; towers of the latter."""
    objects = {}
    for name, events in OBJECTS.items():
        prefix = {"Jet": "jet", "EG": "eg", "Tau": "tau", "Mu": "muon"}[name]
        for place, leaf in enumerate(("IEt", "IEta", "IPhi", "Bx")):
            objects[prefix + leaf] = column(events, place)
    for leaf in ("IEta", "IPhi"):
        objects[f"muon{leaf}AtVtx"], objects[f"muon{leaf}"] = objects[f"muon{leaf}"], objects[f"muon{leaf}"] * 0
    for place, leaf in enumerate(("sumType", "sumIEt", "sumIPhi")):
        objects[leaf] = column(SUMS, place)
    objects["sumBx"] = column(SUMS, 3, "float32")  # as it is there
    emulated = {
        leaf: values // 2 + (values == 1) if leaf.endswith("IEt") else values for leaf, values in objects.items()
    }
    towers = {leaf: column(TOWERS, place) for place, leaf in enumerate(("ieta", "iphi", "iet"))}
    return {
        "l1UpgradeTree/L1UpgradeTree": objects,
        "l1UpgradeEmuTree/L1UpgradeTree": emulated,
        "l1CaloTowerEmuTree/L1CaloTowerTree": towers,
        "l1uGTTree/L1uGTTree": {"m_algoDecisionInitial": ak.Array([[False, True], [True, False], [False, True]])},
        "l1RecoTree/RecoTree": {"nVtx": np.zeros(0, dtype=np.int32)},
    }


def ntuple(folder: Path, trees: dict[str, dict[str, Any]] | None = None) -> Path:
    with uproot.recreate(folder / "L1Ntuple.root") as file:
        for tree, branches in (trees or ntuple_branches()).items():
            put_tree(file, tree, branches)
    return folder / "L1Ntuple.root"


def parquet_tables(events: slice = slice(0, 3)) -> dict[str, dict[str, ak.Array]]:
    """The columns of each folder, without objects of other bunch crossings."""
    folders = {"Jet": ("jets", "jet"), "EG": ("egammas", "eg"), "Tau": ("taus", "tau"), "Mu": ("muons", "muon")}
    tables = {}
    for name, (folder, prefix) in folders.items():
        found = [[one for one in event if one[3] == 0] for event in OBJECTS[name]][events]
        at = "AtVtx" if name == "Mu" else ""
        leaves = (f"{prefix}IEt", f"{prefix}IEta{at}", f"{prefix}IPhi{at}")
        tables[folder] = {leaf: column(found, place) for place, leaf in enumerate(leaves)}
    for folder, kind in (("MET", 2), ("HT", 1)):
        found = [[one for one in event if (one[0], one[3]) == (kind, 0)] for event in SUMS][events]
        tables[folder] = {leaf: column(found, place) for place, leaf in ((1, "Et"), (2, "phi"))}
    tables["seeds"] = {"L1_AXO_Tight": ak.Array([[True], [False], [True]])[events]}
    tables["cica"] = {"CICADAScore": ak.Array([1.5, 2.5, 3.5])[events]}
    return tables


def parquet(folder: Path, tables: dict[str, dict[str, Any]] | None = None, name: str = "n1.parquet") -> Path:
    for kind, columns in (tables or parquet_tables()).items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        table = pa.table({leaf: ak.to_arrow(values, extensionarray=False) for leaf, values in columns.items()})
        pq.write_table(table, folder / kind / name, row_group_size=2, compression="snappy")
    return folder


def read(names: Iterable[Path], fields: Fields = FIELDS, **options: Any) -> ak.Array:
    paths = expand_files([str(name) for name in names])
    return ak.concatenate([chunk.events for chunk in read_events(paths, fields, **options)])


def test_integers_and_what_they_are_in_gev(tmp_path: Path) -> None:
    events = read([nano(tmp_path)])
    assert events.jets.hw_pt.tolist() == [[2047, 61], [], [1]]
    assert events.jets.pt.tolist() == [[1023.5, 30.5], [], [0.5]]
    assert events.jets.hw_eta.tolist() == [[-110, 94], [], [0]]
    assert ak.flatten(events.jets.eta).tolist() == pytest.approx([-4.785, 4.089, 0], abs=1e-12)
    assert ak.flatten(events.jets.phi).tolist() == pytest.approx([np.pi, -71 * np.pi / 72, -np.pi / 72], abs=1e-12)
    assert ak.max(events.jets.phi) <= np.pi
    assert events.jets.hw_phi.type.content.content.primitive == "int32"
    assert events.electrons.pt.tolist() == [[255.5], [], []]
    assert events.taus.hw_phi.tolist() == [[36], [37], []]
    assert ak.num(events.photons).tolist() == [0, 0, 0]
    assert (events.met.pt.tolist(), events.met.hw_phi.tolist()) == ([2047.5, 0, 0.5], [143, 0, 72])
    assert events.met.phi.tolist() == pytest.approx([-np.pi / 72, 0, np.pi], abs=1e-12)
    assert events.scalar_ht.tolist() == [499.5, 0, 1.5]
    assert events.weight.tolist() == [1, 1, 1]


def test_muons_have_finer_steps_begin_with_one_and_keep_the_order_of_the_trigger(tmp_path: Path) -> None:
    muons = read([nano(tmp_path)], {"muons": HARDWARE | {"mass"}}).muons
    assert muons.hw_pt.tolist() == [[10, 84], [1], [33]]
    assert muons.pt.tolist() == [[4.5, 41.5], [0], [16]]
    assert ak.flatten(muons.eta).tolist() == pytest.approx([-223 * 0.010875, 222 * 0.010875, 0, 0.0435], abs=1e-12)
    assert ak.flatten(muons.phi).tolist() == pytest.approx([np.pi, -np.pi * 287 / 288, 0, -np.pi / 288], abs=1e-12)
    assert muons.mass.tolist() == [[0.1056583755] * 2, [0.1056583755], [0.1056583755]]


def test_towers_at_their_centres(tmp_path: Path) -> None:
    towers = read([nano(tmp_path)]).towers
    assert towers.iet.tolist() == [[511, 2], [], [4, 1]]  # by falling E_T, as all collections
    assert towers.pt.tolist() == [[255.5, 1], [], [2, 0.5]]
    centres = [-(2.65 + 3.0) / 2, 0.0435, (3.0 + 3.139) / 2, -(1.653 + 1.74) / 2]
    assert ak.flatten(towers.eta).tolist() == pytest.approx(centres, abs=1e-12)
    step = 2 * np.pi / 72
    assert ak.flatten(towers.phi).tolist() == pytest.approx([-step / 2, step / 2, -35.5 * step, 35.5 * step], abs=1e-12)


def test_emulated_and_offline_objects_are_chosen_in_a_selection(tmp_path: Path) -> None:
    """Offline jets are those of NanoAOD, apart from its electrons and not from the trigger's."""
    near = {"pt": [50.0, 30.0], "eta": [1.0, -1.0], "phi": [0.5, 0.5]}
    flags = {"Electron_cutBased": 4, "Muon_mediumId": 0, "Muon_pfRelIso04_all": 0, "Photon_electronVeto": 0}
    values = {f"Jet_{leaf}": ak.Array([found, [], []]) for leaf, found in near.items()}
    for name in ("Electron", "Muon", "Photon"):
        values |= {f"{name}_{leaf}": ak.Array([found[1:], [], []]) for leaf, found in near.items()}
    values |= {name: ak.Array([[flag], [], []]) for name, flag in {**flags, "Photon_cutBased": 0}.items()}
    values |= {name: array for name, array in nano_branches("L1Emul").items() if "EmulEmul" not in name}
    values["L1EmulJet_hwPt"] = values["L1EmulJet_hwPt"] // 2
    path = nano(tmp_path, **values)
    source = open_events(path)
    assert source.format == "l1_nanoaod"
    assert source.others["jets"] == ("L1EmulJet", "Jet")  # type: ignore[attr-defined]
    other = read([path], {"jets": {"hw_pt"}, "muons": {"pt"}, SOURCES: {"jets=L1EmulJet"}})
    assert other.jets.hw_pt.tolist() == [[1023, 30], [], [0]]
    assert other.muons.pt.tolist() == [[4.5, 41.5], [0], [16]]
    offline = read([path], {"jets": {"pt"}, "electrons": {"pt"}, SOURCES: {"jets=Jet"}})
    assert offline.jets.pt.tolist() == [[50.0], [], []]
    assert offline.electrons.pt.tolist() == [[255.5], [], []]
    with pytest.raises(InputDataError, match=r"takes 'L1Mu' for jets .*there are: L1Jet, L1EmulJet, Jet\)"):
        read([path], {"jets": {"pt"}, SOURCES: {"jets=L1Mu"}})


def test_emulated_objects_alone_are_read_without_being_chosen(tmp_path: Path) -> None:
    path = write_tree(tmp_path / "emulated.root", "Events", nano_branches("L1Emul"))
    assert read([path], {"jets": {"hw_pt"}}).jets.hw_pt.tolist() == [[2047, 61], [], [1]]


def test_bits_are_read_when_they_are_asked_for(tmp_path: Path, run: Callable[..., Any]) -> None:
    path = nano(tmp_path)
    events = read([path], {"met": {"pt"}, "trigger": {"L1_AXO_Tight", "HLT_Mu50"}})
    assert events.trigger["L1_AXO_Tight"].tolist() == [True, False, True]
    assert events.trigger["HLT_Mu50"].tolist() == [False, False, True]
    assert events.trigger["HLT_Mu50"].type.content.primitive == "bool"
    assert "trigger" not in read([path]).fields
    shown = run("inspect", path).stdout
    assert "l1_nanoaod, 3 entries" in shown
    assert "trigger bits: 1 L1, 1 HLT; of anomaly triggers: L1_AXO_Tight" in shown
    with pytest.raises(InputDataError, match=r"no trigger bit 'L1_AXO_Tigt' \(the file has 2; near it are L1_AXO_Ti"):
        read([path], {"trigger": {"L1_AXO_Tigt"}})
    with pytest.raises(InputDataError, match="no trigger bit was named"):
        read([path], {"trigger": set()})


def same(one: ak.Array, other: ak.Array) -> bool:
    return one.fields == other.fields and all(ak.array_equal(one[name], other[name]) for name in one.fields)


def test_an_ntuple_has_the_same_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Any]
) -> None:
    aliases = {
        "L1_AXO_Tight": "L1uGT.m_algoDecisionInitial[1]",
        "other": "jetIEt * 0.5",
        "L1_ZB": "m_algoDecisionInitial[7]",
    }
    path, expected = ntuple(tmp_path), read([nano(tmp_path)])
    monkeypatch.setattr(uproot.behaviors.TTree.TTree, "aliases", property(lambda _: aliases))  # uproot writes none
    assert same(read([path]), expected)
    for step in (1, 2):
        assert same(read([path], step_size=step), expected)
    emulated = read([path], {"jets": {"hw_pt"}, "muons": {"hw_pt"}, SOURCES: {"jets=l1UpgradeEmuTree"}})
    assert emulated.jets.hw_pt.tolist() == [[1023, 30], [], [1]]
    assert emulated.muons.hw_pt.tolist() == [[10, 84], [1], [33]]
    bits = read([path], {"trigger": {"L1_AXO_Tight"}}, step_size=2).trigger
    assert bits["L1_AXO_Tight"].tolist() == [True, False, True]
    with pytest.raises(InputDataError, match="has 2 decisions at entry 0, and the names ask for 8"):
        read([path], {"trigger": {"L1_ZB"}})
    shown = run("inspect", path).stdout
    assert "l1_ntuple, 3 entries" in shown
    assert "trigger bits: 2 L1; of anomaly triggers: L1_AXO_Tight" in shown


def test_an_ntuple_of_the_emulator_alone(tmp_path: Path) -> None:
    trees = {name: branches for name, branches in ntuple_branches().items() if "Emu" in name}
    events = read([ntuple(tmp_path, trees)], {"jets": {"hw_pt"}, "towers": {"iet"}})
    assert events.jets.hw_pt.tolist() == [[1023, 30], [], [1]]
    assert events.towers.iet.tolist() == [[511, 2], [], [4, 1]]
    with pytest.raises(InputDataError, match=r"no trigger bit 'L1_ZB' \(the file has none\)"):
        read([tmp_path / "L1Ntuple.root"], {"trigger": {"L1_ZB"}})


def test_friends_of_different_lengths(tmp_path: Path, run: Callable[..., Any]) -> None:
    trees = ntuple_branches()
    trees["l1CaloTowerEmuTree/L1CaloTowerTree"] = {
        k: v[:2] for k, v in trees["l1CaloTowerEmuTree/L1CaloTowerTree"].items()
    }
    error = run("inspect", ntuple(tmp_path, trees), code=4).stderr
    assert "tree 'l1UpgradeTree' has 3 events and tree 'l1CaloTowerEmuTree' has 2" in " ".join(error.split())
    del trees["l1UpgradeTree/L1UpgradeTree"]["jetBx"]
    del trees["l1CaloTowerEmuTree/L1CaloTowerTree"]
    with pytest.raises(InputDataError, match=r"no branch 'l1UpgradeTree\.jetBx', needed for jets"):
        read([ntuple(tmp_path, trees)], {"jets": {"pt"}})


def test_a_folder_of_parquet_is_one_sample(tmp_path: Path, run: Callable[..., Any]) -> None:
    fields = {name: features for name, features in FIELDS.items() if name != "towers"}
    expected = read([nano(tmp_path)], fields)
    whole, halves = parquet(tmp_path / "whole"), tmp_path / "halves"
    parquet(halves, parquet_tables(slice(0, 2)), "a.parquet")
    parquet(halves, parquet_tables(slice(2, 3)), "b.parquet")
    for step in (1, 2, 3):
        assert same(read([whole], fields, step_size=step), expected)
    assert open_events(*expand_files([str(whole)])).cuts({"jets": {"pt"}}) == [0, 2, 3]
    found = ak.with_field(read([halves], fields), [0, 1, 2], "index")
    assert same(found, expected)
    assert read([halves / "jets" / "b.parquet"], {"jets": {"hw_pt"}}).jets.hw_pt.tolist() == [[1]]
    assert [str(path) for path in expand_files([f"{halves}/*/a.parquet"])] == [f"{halves}/*/a.parquet"]
    assert read([whole], {"trigger": {"L1_AXO_Tight"}}).trigger["L1_AXO_Tight"].tolist() == [True, False, True]
    with pytest.raises(InputDataError, match="Level-1 Parquet files have no towers"):
        read([whole], {"towers": {"pt"}})
    shown = run("inspect", whole).stdout
    assert "l1_parquet, 3 entries" in shown
    assert "L1_AXO_Tight" in shown
    run("vectorize", whole, "--selection", "all_events", "-o", "v.npz")
    record = json.loads(str(np.load(tmp_path / "v.npz")["provenance"]))["provenance"]["inputs"]
    content = b"".join(path.read_bytes() for kind in KINDS for path in (whole / kind).glob("*"))
    assert record == [{"name": "n1.parquet", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}]


def test_folders_of_parquet_that_do_not_fit(tmp_path: Path, run: Callable[..., Any]) -> None:
    fields = {"jets": {"pt"}, "met": {"pt"}}
    short = parquet(tmp_path / "short", parquet_tables() | {"muons": parquet_tables(slice(0, 2))["muons"]})
    message = r"muons/n1\.parquet has 2 events and jets/n1\.parquet has 3"
    assert re.search(message, " ".join(run("inspect", short, code=4).stderr.split()))
    lacking = parquet(tmp_path / "lacking")
    (lacking / "MET" / "n1.parquet").rename(lacking / "MET" / "n2.parquet")
    with pytest.raises(InputDataError, match=r"MET has no n1\.parquet, which .*muons has"):
        read([lacking], fields)
    cases = [
        ({"MET": {"Et": ak.Array([[1], [], [2]]), "phi": ak.Array([[1], [1], [1]])}}, "0 sums of type 2 .met."),
        ({"MET": {"Et": ak.Array([[20.25], [1], [2]])}}, r"'MET\.Et' holds 20.25; it must hold whole numbers"),
        ({"jets": {"jetIEt": ak.Array([[1, None], [], []])}}, r"column 'jets\.jetIEt' lacks values"),
        ({"jets": {"jetIEt": ak.Array([["a"], [], []])}}, r"column 'jets\.jetIEt' must hold numbers"),
        ({"jets": {"jetEt": ak.Array([[1], [], []])}}, r"no branch 'jets\.jetIEt', needed for jets"),
    ]
    for number, (table, message) in enumerate(cases):
        path = parquet(tmp_path / str(number), parquet_tables() | table)
        with pytest.raises(InputDataError, match=message):
            read([path], fields)
    damaged = parquet(tmp_path / "damaged") / "jets" / "n1.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(InputDataError, match="damaged or truncated Parquet file"):
        read([damaged.parents[1]], fields)
    lone = tmp_path / "lone.parquet"
    lone.write_bytes((lacking / "jets" / "n1.parquet").read_bytes())
    with pytest.raises(InputDataError, match="a Parquet file in no folder of CMS's Level-1 set"):
        read([lone], fields)


@pytest.mark.parametrize(
    ("branch", "values", "message"),
    [
        ("L1Jet_hwPhi", [[0, 144, 0], [], [1, 1]], "'L1Jet_hwPhi' holds 144 at entry 0, which is not 0 to 143"),
        ("L1Jet_hwPt", [[1, 2, 3], [], [2048, 1]], "'L1Jet_hwPt' holds 2048 at entry 2, which is not 0 to 2047"),
        ("L1Mu_hwPt", [[1, 2], [0], [3, 3]], "'L1Mu_hwPt' holds 0 at entry 1, which is not 1 to 511"),
        ("L1Mu_hwEtaAtVtx", [[1, 2], [-257], [3, 3]], "holds -257 at entry 1, which is not -256 to 255"),
        ("L1EmulCaloTower_iphi", [[1, 2], [], [0, 3]], "holds 0 at entry 2, which is not 1 to 72"),
        ("L1EmulCaloTower_ieta", [[1, 42], [], [0, 3]], "holds 42 at entry 0, which is not -41 to 41"),
        ("L1EtSum_etSumType", [[2, 1, 2], [2, 1], [1, 3]], "0 sums of type 2 .met. of bunch crossing 0 at entry 2"),
        ("L1EtSum_bx", [[0, 0, 0], [0, 0], [0, 0]], "2 sums of type 2 .met. of bunch crossing 0 at entry 0"),
        ("L1Jet_bx", None, "no branch 'L1Jet_bx', needed for jets"),
        ("L1Jet_hwEta", [[1, 2], [], [1]], "'L1Jet_hwEta' has other counts"),
    ],
)
def test_what_is_no_event_of_the_trigger(branch: str, values: Any, message: str, tmp_path: Path) -> None:
    changed = None if values is None else ak.values_astype(ak.Array(values), "int16")
    path = nano(tmp_path, **{branch: changed})
    with pytest.raises(InputDataError, match=message):
        read([path])


def test_other_files_have_no_integers(data: Path, examples: Path) -> None:
    plain = open_events(data / "nanoaod_cms_2015_ttbar.root")
    assert plain.format == "nanoaod"
    with pytest.raises(InputDataError, match="NanoAOD stores no hw_pt for jets"):
        next(plain.iterate({"jets": {"pt", "hw_pt"}}, step_size=1, stop=1))
    with pytest.raises(InputDataError, match="Delphes stores no iet for towers"):
        read([data / "hpm_taunu_0.root"], {"towers": {"iet"}})
    with pytest.raises(InputDataError, match=r"has no electrons\.hw_eta"):
        read([examples / "h0.h5"], {"electrons": {"hw_eta"}})


# Real events of CMS, with the inputs of AXOL1TL and the regions of CICADA that plain loops made of their branches.

needs_real_events = pytest.mark.skipif("HEPAD_TEST_DATA" not in os.environ, reason="needs real events of CMS")


def real(name: str) -> Path:
    return Path(os.environ["HEPAD_TEST_DATA"]) / "l1_real" / name


def axol1tl(events: ak.Array, *, from_gev: bool) -> npt.NDArray[np.int64]:
    """The 57 inputs: MET, 4 e/gamma, 4 muons and 10 jets, pT halved."""
    rows = []
    for event in events.tolist():
        row = [inputs({"eta": 0, "hw_eta": 0, **event["met"]}, 1, from_gev)]
        for name, count in (("electrons", 4), ("muons", 4), ("jets", 10)):
            found = [inputs(one, 4 if name == "muons" else 1, from_gev) for one in event[name][:count]]
            row += found + [[0, 0, 0]] * (count - len(found))
        rows.append(np.ravel(row))
    return np.array(rows, dtype=np.int64)


def inputs(one: dict[str, Any], fine: int, from_gev: bool) -> list[int]:
    if not from_gev:
        return [one["hw_pt"] // 2, one["hw_eta"], one["hw_phi"]]
    turn = round(one["phi"] / (2 * np.pi / 144) * fine) % (144 * fine)
    return [(round(one["pt"] / 0.5) + (fine > 1)) // 2, round(one["eta"] / 0.0435 * fine), turn]


def regions(towers: ak.Array) -> npt.NDArray[np.int64]:
    """The (18, 14) regions of 4 x 4 towers of each event, by the towers' numbers and again by their places."""
    found = np.zeros((2, len(towers), 18, 14), dtype=np.int64)
    edges = np.array([0, 0.348, 0.696, 1.044, 1.392, 1.74, 2.172, 3.0])
    event = np.repeat(np.arange(len(towers)), ak.num(towers))
    ieta, iphi, iet, pt, eta, phi = (
        ak.to_numpy(ak.flatten(towers[name])) for name in ("ieta", "iphi", "iet", "pt", "eta", "phi")
    )
    near = abs(ieta) <= 28
    ring = (abs(ieta) - 1) // 4
    np.add.at(
        found[0],
        tuple(a[near] for a in (event, (iphi + 1) // 4 % 18, np.where(ieta > 0, 7 + ring, 6 - ring))),
        iet[near],
    )
    near = abs(eta) < 3
    ring = np.searchsorted(edges, abs(eta), side="right") - 1
    sector = np.floor((phi / (2 * np.pi) * 72 + 2) / 4).astype(int) % 18
    np.add.at(
        found[1],
        tuple(a[near] for a in (event, sector, np.where(eta > 0, 7 + ring, 6 - ring))),
        np.rint(2 * pt[near]).astype(int),
    )
    assert (found[0] == found[1]).all()
    return found[0]


EMULATED = {f"{n}=L1Emul{p}" for n, p in {"jets": "Jet", "electrons": "EG", "muons": "Mu", "met": "EtSum"}.items()}


@needs_real_events
@pytest.mark.parametrize(
    ("tag", "sources"), [("unp", {"towers=L1UnpackedCaloTower"}), ("emu", EMULATED | {"towers=L1EmulCaloTower"})]
)
def test_real_level1_nanoaod(tag: str, sources: set[str]) -> None:
    known = np.load(real("nano380963.npz"))
    events = read([real("L1NanoAOD_run380963_100events.root")], {**FIELDS, SOURCES: sources}, step_size=64)
    for from_gev in (False, True):
        assert np.array_equal(axol1tl(events, from_gev=from_gev), known[f"axo_in_{tag}"])
    assert np.array_equal(regions(events.towers), known[f"regions_{tag}"])


@needs_real_events
@pytest.mark.parametrize(
    ("name", "known", "tag", "trees"),
    [
        ("L1Ntuple_run320040_200events", "ntuple320040", "_unp", ("l1UpgradeTree", "l1CaloTowerTree")),
        ("L1Ntuple_run320040_200events", "ntuple320040", "_emu", ("l1UpgradeEmuTree", "l1CaloTowerEmuTree")),
        ("L1Ntuple_mc_1event_with_CICADA_input", "ntuple_mc1", "", ("l1UpgradeTree", "l1CaloTowerEmuTree")),
    ],
)
def test_real_level1_ntuples(name: str, known: str, tag: str, trees: tuple[str, str]) -> None:
    expected, path = np.load(real(f"{known}.npz")), real(f"{name}.root")
    sources = {f"{collection}={trees[0]}" for collection in ("jets", "electrons", "muons", "met")}
    events = read([path], {**FIELDS, SOURCES: sources | {f"towers={trees[1]}"}}, step_size=128)
    for from_gev in (False, True):
        assert np.array_equal(axol1tl(events, from_gev=from_gev), expected[f"axo_in{tag}"])
    assert np.array_equal(regions(events.towers), expected[f"regions{tag}"])
    with uproot.open(path) as file:
        tree = file["l1uGTTree/L1uGTTree"]
        decisions, place = tree["L1uGT/m_algoDecisionInitial"].array(), tree.aliases["L1_ZeroBias"]
    bits = read([path], {"trigger": {"L1_ZeroBias"}}).trigger["L1_ZeroBias"]
    assert bits.tolist() == decisions[:, int(place.split("[")[1][:-1])].tolist()
