"""Every registered input kind keeps the contract of `hepad.testing`."""

from __future__ import annotations

import pytest

from hepad import registry
from hepad.inputs.event_features import EventFeatures
from hepad.testing import InputCase, check_input, input_checks

FEATURES = ("jet1_mass", "jet1+jet2_deta", "jet1+jet2_mass", "bjet1_pt", "met_pt", "jets_ht", "muons_n")
CARDS = {
    "l1_vector": {"features": ["pt", "eta", "phi"], "scale": "max_with_floor"},
    "event_features": {"features": FEATURES, "mass": "jet1+jet2"},
    "jet_features": {"features": ["mass", "tau21", "n", "width", "major", "d2"]},
    "particle_set": {"max_particles": 3, "features": ["log_pt", "deta", "d0", "d0err"], "ids": "both"},
    "detector_image": {"eta_bins": 11, "eta_step": 0.45, "phi_bins": 20, "scale": "log1p"},
    "table": {"features": ["a", "b/c", "log(a) - 2*max(b, c)**0.5"]},
    "calo_image": {"eta_bins": 6, "phi_bins": 8, "channels": ["et", "had"]},
}
CASES = {kind: InputCase(kind, CARDS.get(kind, {})) for kind in registry.INPUTS}


@pytest.mark.parametrize(
    ("kind", "check"),
    [pytest.param(kind, check, id=f"{kind}-{check.__name__}") for kind in CASES for check in input_checks(CASES[kind])],
)
def test_the_contract(kind: str, check: object) -> None:
    check(CASES[kind])


def test_an_input_that_breaks_the_contract_is_told_which_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventFeatures, "fields", lambda self: {"jets": {"pt", "mass"}})
    with pytest.raises(AssertionError, match="event_features: what it asks for is enough"):
        check_input("event_features", card=CARDS["event_features"])
