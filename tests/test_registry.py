"""The tables of names against the modules they name."""

from __future__ import annotations

import pkgutil

import pytest

import hepad.models
from hepad import registry
from hepad.cards.analysis import load_analysis
from hepad.cards.resolver import bundled_names
from hepad.cards.search import search_names
from hepad.errors import CardError
from hepad.inputs.base import Input


@pytest.mark.parametrize("name", registry.SCORERS)
def test_a_scorer_says_of_itself_what_the_table_says(name):
    entry = registry.SCORERS[name]
    scorer = registry.load(entry)
    assert scorer.name == name
    assert tuple(scorer.input_kinds) == entry.inputs
    assert set(entry.inputs) <= set(registry.INPUTS)
    assert len(set(scorer.score_names)) == len(scorer.score_names)
    assert all(callable(getattr(scorer, method)) for method in ("scores", "state", "load_state"))


@pytest.mark.parametrize("name", registry.INPUTS)
def test_an_input_kind_can_be_imported(name):
    kind = registry.load(registry.INPUTS[name])
    assert kind.kind == name
    methods = [method for method in vars(Input) if not method.startswith("_")]
    assert {"fields", "raw", "scaled", "fitted", "state", "table"} <= set(methods)
    assert all(hasattr(kind, method) for method in (*methods, "from_state", "__call__"))


def test_every_model_module_is_in_the_table():
    modules = {module.name for module in pkgutil.iter_modules(hepad.models.__path__)}
    assert modules == {entry.target.split(".")[2].partition(":")[0] for entry in registry.SCORERS.values()}


def test_every_scorer_that_is_trained_has_a_card():
    recipes = set(bundled_names("analyses")) - set(search_names())
    made_of_others = {"cascade", "chain", "ensemble", "parallel"}
    trainable = {name for name, entry in registry.SCORERS.items() if entry.trainable} - made_of_others
    used = {name for recipe in recipes for name in _models(load_analysis(recipe).model.model_dump(mode="json"))}
    assert used - made_of_others - {"onnx"} == trainable  # what is imported has a card if a search says so


def _models(card):
    """The model of a card, and those that it is made of."""
    if not isinstance(card, dict):
        return set()
    own = {card["name"]} & set(registry.SCORERS) if "name" in card else set()
    return own.union(*map(_models, card.values()))


def test_titles_are_said_once():
    for table in (registry.SCORERS, registry.INPUTS):
        titles = [entry.title for entry in table.values()]
        assert all(titles)
        assert len(set(titles)) == len(titles)


def test_a_lookup_finds_or_lists():
    assert registry.lookup(registry.SCORERS, "vae", "model") is registry.SCORERS["vae"]
    with pytest.raises(CardError, match=f"unknown model 'gan': choose one of {', '.join(sorted(registry.SCORERS))}"):
        registry.lookup(registry.SCORERS, "gan", "model")


def test_a_table_that_names_nothing_fails_when_loaded():
    with pytest.raises(AttributeError, match="Nothing"):
        registry.load(registry.Entry("hepad.registry:Nothing", "x"))
    with pytest.raises(ModuleNotFoundError):
        registry.load(registry.Entry("hepad.nowhere:Nothing", "x"))
