"""Level-1 ntuples: trees of one file as friends, with the same events as Level-1 NanoAOD."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uproot

from hepad.errors import InputDataError
from hepad.io.events import SOURCES

from ...level1_files import nano, ntuple, ntuple_branches, read, same


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
