"""The same three made-up Level-1 events as files of each layout, for the tests of their readers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uproot

from hepad.io.events import Fields
from hepad.io.reader import expand_files, read_events

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


def same(one: ak.Array, other: ak.Array) -> bool:
    return one.fields == other.fields and all(ak.array_equal(one[name], other[name]) for name in one.fields)
