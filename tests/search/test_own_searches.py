"""The two searches that `docs/own_search.md` writes as a user would, against what their collaborations publish."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot
import yaml

from hepad.errors import CardError
from hepad.pipeline.analysis.check import check_card
from hepad.pipeline.reinterpret.run import ReinterpretOptions, reinterpret
from hepad.search.search import prepare_search

# Upper limits at 95 % CL on signal events in each region alone, observed and expected, arXiv:2102.10874.
PUBLISHED = {"em7": (284, 195), "em8": (127, 111), "em9": (56, 66)}
MET = {"em7": (700, 800), "em8": (800, 900), "em9": (900, 1000)}


@pytest.fixture(scope="module")
def searches(examples: Path) -> Path:
    return examples.parent / "searches"


def test_counts_in_three_regions_give_the_published_limits(searches: Path, examples: Path) -> None:
    card = str(searches / "atlas_2021_monojet.yaml")
    assert check_card(card).faults == ()
    sample = str(examples / "wprime_wz_2tev.root")
    result = reinterpret([sample], card, options=ReinterpretOptions(cross_section_pb=0.0169)).to_json()
    for name, (observed, expected) in PUBLISHED.items():
        channel = result["channels"][name]
        events = 139_000 * channel["acceptance"]
        assert channel["limit_pb_observed"] * events == pytest.approx(observed, rel=0.02)
        assert channel["limit_pb_expected"] * events == pytest.approx(expected, rel=0.025)
    assert result["combined"]["method"] == "simultaneous fit of disjoint categories"
    assert result["combined"]["limit_pb_expected"] < min(c["limit_pb_expected"] for c in result["channels"].values())
    assert [text for text in result["warnings"] if "simulated events" in text] == [
        f"{name}: the signal rests on {n} simulated events, and the error of the acceptance, "
        f"{((1 - n / 300) / n) ** 0.5:.0%}, is not in the limit: simulate more, or give it with --signal-error"
        for name, n in (("em7", 9), ("em8", 5), ("em9", 8))
    ]
    assert {name: c["simulated_events"] for name, c in result["channels"].items()} == _counted(sample)


def _counted(sample: str) -> dict[str, int]:
    """Events in each region, one at a time."""
    leaves = {"Jet": ("PT", "Eta", "Phi"), "MissingET": ("MET", "Phi")}
    leaves |= dict.fromkeys(("Electron", "Muon", "Photon"), ("PT", "Eta"))
    with uproot.open(sample) as file:
        read = {
            name: list(zip(*(file["Delphes"][f"{name}.{x}"].array().tolist() for x in columns), strict=True))
            for name, columns in leaves.items()
        }
    found = dict.fromkeys(MET, 0)
    for i in range(len(read["Jet"])):
        jets = sorted((j for j in zip(*read["Jet"][i], strict=True) if j[0] > 30 and abs(j[1]) < 2.8), reverse=True)
        (met, phi), *_ = zip(*read["MissingET"][i], strict=True)
        others = {"Electron": (7, 2.47), "Muon": (7, 2.5), "Photon": (10, 2.37)}
        veto = any(
            pt > low and abs(eta) < reach
            for name, (low, reach) in others.items()
            for pt, eta in zip(*read[name][i], strict=True)
        )
        apart = all(abs(np.remainder(j[2] - phi + np.pi, 2 * np.pi) - np.pi) > 0.4 for j in jets)
        if veto or not 1 <= len(jets) <= 4 or not apart:
            continue
        if any(j[0] > 150 and abs(j[1]) < 2.4 for j in jets):
            for name, (low, high) in MET.items():
                found[name] += low < met < high
    return found


def test_a_spectrum_with_data_gives_a_limit(searches: Path, examples: Path) -> None:
    card = str(searches / "atlas_2020_dijet.yaml")
    assert check_card(card).faults == ()
    sample = str(examples / "wprime_xy_3p5tev.root")
    result = reinterpret([sample], card, options=ReinterpretOptions(cross_section_pb=0.05)).to_json()
    channel = result["channels"]["jj"]
    # the spectrum is that of the example data, whose background HEPData has as the published fit
    spectrum = np.loadtxt(examples / "atlas_dijet_139fb.csv", delimiter=",", skiprows=5)
    assert channel["observed_events"] == spectrum[:, 2].sum()
    assert channel["background_events"] == pytest.approx(spectrum[:, 3].sum())
    assert result["verdict"]["status"] == "excluded"
    # CMS's search of the same luminosity and another background must tell of the same order
    assert 0.5 < channel["limit_pb_observed"] / 0.0081 < 4


def test_steps_of_a_category_that_do_not_go_with_its_selection_are_told(searches: Path, tmp_path: Path) -> None:
    content = yaml.safe_load((searches / "atlas_2021_monojet.yaml").read_text())
    (tmp_path / "atlas_2021_monojet").mkdir()
    selection = (searches / "atlas_2021_monojet" / "selection.yaml").read_text()
    (tmp_path / "atlas_2021_monojet" / "selection.yaml").write_text(selection)
    content["categories"][1]["require"][0]["name"] = "nor jet 2"
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(CardError, match=r"category 'em8' and its selection 'atlas_2021_monojet': .* different names"):
        prepare_search(str(tmp_path / "card.yaml"))
    (fault,) = check_card(str(tmp_path / "card.yaml")).faults
    assert "category 'em8'" in fault.text
