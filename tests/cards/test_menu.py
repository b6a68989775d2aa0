"""Cards of menus: those that ship, and what is wrong with others in one line."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hepad.cards.base import parse_card
from hepad.cards.menu import MENUS_FOLDER, MenuCard, load_menu
from hepad.cards.resolver import bundled_names
from hepad.errors import CardError
from hepad.pipeline.catalogue import catalogue

CARD: dict[str, Any] = {
    "schema": "menu/1",
    "name": "m",
    "title": "t",
    "reference": "r",
    "objects": {"jets": {"pt": {"min": 30}}},
    "build": {"egammas": {"from": ["electrons", "photons"]}},
    "seeds": [
        {"name": "jet", "all": [{"jets": {"pt": {"min": 100}}, "min_count": 1}]},
        {"name": "eg", "any": [{"egammas": {}, "min_count": 2}, {"met": {"min": 80}}], "prescale": 20},
        {"name": "bit", "all": [{"trigger": {"bit": "L1_SingleMu22"}}], "prescale": 0},
    ],
}


def test_shipped() -> None:
    names = bundled_names(MENUS_FOLDER)
    assert names == ["cms_run3_2024", "run3_like_delphes"]
    for name in names:
        menu = load_menu(name)
        assert menu.name == name
        assert menu.limit_khz == 110
        assert {1.0, 170.0, 2200.0} <= set(menu.prescales)
    assert [row["name"] for row in catalogue("menus")] == names
    real = {seed.name: seed for seed in load_menu("cms_run3_2024").seeds}
    assert all(name.startswith("L1_") for name in real)
    assert real["L1_SingleMu22"].all[0].muons.pt.min == 22


def test_what_it_reads() -> None:
    menu = parse_card(MenuCard, CARD, "card")
    assert menu.fields().keys() == {"jets", "electrons", "photons", "met", "trigger"}
    assert menu.fields()["trigger"] == {"L1_SingleMu22"}
    assert menu.prescales == (1, 20, 0)
    assert menu.objects_selection.require == ()
    assert set(menu.objects_selection.objects) == {"jets"}


@pytest.mark.parametrize(
    ("seed", "said"),
    [
        ({"all": [{"jet": {}, "min_count": 1}]}, r"unknown key .*did you mean jets\?"),
        ({"all": [{"jets": {"et": {"min": 3}}, "min_count": 1}]}, "unknown key"),
        ({"all": [{"jets": {}}]}, "min_count or max_count goes with"),
        ({"all": [{"widejets": {}, "min_count": 1}]}, "say under build how they are made"),
        ({}, "give a list of conditions under either any or all"),
        ({"bit": "L1_X", "any": [{"met": {"min": 3}}]}, "unknown key"),
        ({"any": [{"trigger": {"bits": "L1_X"}}]}, r"unknown key .*did you mean bit\?"),
        ({"any": [{"met": {"min": 3}}], "prescale": 0.5}, r"prescale 0\.5 must be 0"),
        ({"any": [{"met": {"min": 3}}], "prescale": -1}, "prescale -1 must be 0"),
        ({"name": "jet", "any": [{"met": {"min": 3}}]}, "two seeds are called 'jet'"),
    ],
)
def test_refused(seed: dict[str, Any], said: str) -> None:
    card = copy.deepcopy(CARD)
    card["seeds"].append({"name": "new", **seed})
    with pytest.raises(CardError, match=said):
        parse_card(MenuCard, card, "card")


def test_unknown_menu() -> None:
    with pytest.raises(CardError, match="no menu named 'atlas': bundled are cms_run3_2024"):
        load_menu("atlas")


def test_listed(run) -> None:
    assert "run3_like_delphes" in run("list", "menus").stdout
    assert run("list", "menus", "--cite", "cms_run3_2024").stdout.startswith("menu cms_run3_2024: CMS, Level-1 menu")
    assert "kinds have no references" in run("list", "kinds", "--cite", "vae", code=2).stderr
