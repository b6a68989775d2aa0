"""CMS Level-1 NanoAOD, and what is common to all readers of Level-1 objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.cards.selection import SelectionCard
from hepad.errors import InputDataError
from hepad.io.events import SOURCES
from hepad.io.reader import open_events
from hepad.objects.selection import apply_selection

from ...level1_files import HARDWARE, nano, nano_branches, read, write_tree


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
    elsewhere = read([nano(tmp_path, L1Mu_hwEtaAtVtx=None)], {"muons": {"hw_eta", "hw_phi"}}).muons
    assert elsewhere.hw_eta.tolist() == elsewhere.hw_phi.tolist() == [[0, 0], [0], [0]]
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


def test_other_nanoaod_has_bits_too(data: Path) -> None:
    with uproot.open(data / "nanoaod_cms_2015_ttbar.root") as file:
        names = file["Events"].keys(filter_name="/(HLT|L1)_.*/")
        known = {name: file["Events"][name].array().tolist() for name in ("HLT_IsoMu27", "HLT_Photon30")}
    source = open_events(data / "nanoaod_cms_2015_ttbar.root")
    assert source.triggers == tuple(names)  # type: ignore[attr-defined]
    events = next(source.iterate({"trigger": set(known)}, step_size=200, stop=200))
    assert {name: events.trigger[name].tolist() for name in known} == known
    assert all(0 < sum(bits) < len(bits) for bits in known.values())


def test_other_files_have_no_integers(data: Path, examples: Path) -> None:
    plain = open_events(data / "nanoaod_cms_2015_ttbar.root")
    assert plain.format == "nanoaod"
    with pytest.raises(InputDataError, match="NanoAOD stores no hw_pt for jets"):
        next(plain.iterate({"jets": {"pt", "hw_pt"}}, step_size=1, stop=1))
    with pytest.raises(InputDataError, match="Delphes stores no iet for towers"):
        read([data / "hpm_taunu_0.root"], {"towers": {"iet"}})
    with pytest.raises(InputDataError, match=r"has no electrons\.hw_eta"):
        read([examples / "h0.h5"], {"electrons": {"hw_eta"}})


def test_a_selection_asks_for_bits_and_for_their_absence(tmp_path: Path) -> None:
    fired = [{"trigger": {"bit": "L1_AXO_Tight"}}]
    vetoed = [{"trigger": {"bit": "HLT_Mu50", "fired": False}}]
    head = {"schema": "selection/1", "name": "fired", "title": "t", "reference": "none"}
    steps = [{"name": "anomalous", "any": fired}, {"name": "no muon", "all": vetoed}]
    card = SelectionCard.model_validate(head | {"require": steps})
    assert card.fields() == {"trigger": {"L1_AXO_Tight", "HLT_Mu50"}}
    selected, keep, flow = apply_selection(read([nano(tmp_path)], {"met": {"pt"}, **card.fields()}), card)
    assert keep.tolist() == [True, False, False]
    assert selected.trigger["L1_AXO_Tight"].tolist() == [True]
    assert [step.events for step in flow.steps] == [3, 2, 1]
    with pytest.raises(InputDataError, match=r"lack trigger.L1_AXO_Tight, which selection 'fired' needs"):
        apply_selection(read([tmp_path / "nano.root"], {"met": {"pt"}, "trigger": {"HLT_Mu50"}}), card)
