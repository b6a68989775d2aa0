from __future__ import annotations

import pytest

from hepad.cards.base import parse_card
from hepad.cards.budget import BudgetCard, load_budget, load_device
from hepad.cards.resolver import bundled_names
from hepad.errors import CardError

LOGIC = {
    "device": "vu9p",
    "resource_fraction": {"lut": 0.1, "ff": 0.1, "dsp": 0},
    "interval_ns": 25,
    "bits_per_input": 8,
}
CARD = {"schema": "budget/1", "name": "x", "title": "", "reference": "", "latency_ns": 50, "total_latency_ns": 100}


@pytest.mark.parametrize("name", bundled_names("budgets"))
def test_a_budget_names_its_reference_and_a_device_that_exists(name):
    card = load_budget(name)
    assert card.name == name
    assert len(card.reference) > 10
    if card.device is not None:
        assert load_device(card.device).name == card.device
        assert card.interval_ns == 25  # bunch crossings


def test_the_budgets_of_the_triggers_are_there():
    wanted = {"cms-l1", "cms-l1-phase2", "cms-gt-anomaly", "atlas-l1topo", "hlt-cpu", "hlt-cpu-encoder"}
    assert wanted <= set(bundled_names("budgets"))
    assert bundled_names("budgets/devices") == ["vu13p", "vu9p", "xc7vx690t"]
    assert load_device("vu13p").lut == 1_728_000


@pytest.mark.parametrize("drop", sorted(LOGIC))
def test_the_keys_of_logic_go_together(drop):
    assert parse_card(BudgetCard, {**CARD, **LOGIC}, "card").device == "vu9p"
    with pytest.raises(CardError, match="go together"):
        parse_card(BudgetCard, {**CARD, **{k: v for k, v in LOGIC.items() if k != drop}}, "card")


def test_only_logic_is_combinational():
    assert load_budget("atlas-l1topo").combinational
    assert not load_budget("cms-l1").combinational
    with pytest.raises(CardError, match="combinational is for logic"):
        parse_card(BudgetCard, {**CARD, "combinational": True}, "card")


def test_a_device_says_what_its_nanoseconds_are():
    found = {name: load_device(name).clock for name in bundled_names("budgets/devices")}
    assert found == {"vu13p": "calibrated", "vu9p": "same_family", "xc7vx690t": "optimistic"}


def test_a_slot_is_not_longer_than_the_whole():
    with pytest.raises(CardError, match="exceeds total_latency_ns"):
        parse_card(BudgetCard, {**CARD, "latency_ns": 101}, "card")


def test_an_unknown_budget_lists_the_known():
    with pytest.raises(CardError, match="no budget named 'cms': bundled are atlas-l1topo, cms-gt-anomaly"):
        load_budget("cms")
