"""The contract of an input kind, check by check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

import awkward as ak
import numpy as np

from hepad import registry
from hepad.cards.input import InputCard, parse_input
from hepad.errors import CardError, InputDataError
from hepad.inputs.base import Input, input_from_state, make_input
from hepad.inputs.batch import Batch
from hepad.io.events import taken
from hepad.testing.asserts import assert_same, raises
from hepad.testing.examples import example_events

__all__ = ["InputCase", "check_input", "input_checks"]

Check = Callable[["InputCase"], None]


@dataclass(frozen=True)
class InputCase:
    """An input kind to check: its registered name, and the keys of a card of it besides `kind`."""

    kind: str
    card: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def parsed(self) -> InputCard:
        """The card."""
        return parse_input({"kind": self.kind, **self.card}, "a card")

    @property
    def new(self) -> Input:
        """The input with nothing learned."""
        return make_input(self.parsed)

    @property
    def events(self) -> ak.Array:
        """Events with all that the input may ask for."""
        return _all_fields()

    @cached_property
    def fitted(self) -> Input:
        """The input that learned from the events."""
        return self.new.fitted(self.new.raw(self.events))


@cache
def _all_fields() -> ak.Array:
    """Made once for all kinds: it takes longer than most of the checks."""
    return example_events(300, seed=7)


def check_input(kind: str, **settings: Any) -> None:
    """Run all checks on a registered input kind; `settings` are those of `InputCase`.

    `AssertionError` that names the check which does not hold.
    """
    case = InputCase(kind, **settings)
    for check in input_checks(case):
        try:
            check(case)
        except Exception as error:
            raise AssertionError(f"{kind}: {check.__name__.replace('_', ' ')}: {error}") from error


def input_checks(case: InputCase) -> list[Check]:
    """The checks that apply to an input kind: of one that learns, also what it learned."""
    return [*_OF_ALL, *(_OF_LEARNED if case.fitted.state() else [])]


def the_registry_names_the_class(case: InputCase) -> None:
    """The class of the entry has its name, and its card refuses a key that nobody knows."""
    entry = registry.lookup(registry.INPUTS, case.kind, "input")
    assert registry.load(entry).kind == case.kind
    assert isinstance(case.parsed, registry.load_config(entry))
    with raises(CardError, "no_such_key"):
        parse_input({"kind": case.kind, **case.card, "no_such_key": 1}, "a card")


def the_batch_is_what_its_layout_says(case: InputCase) -> None:
    """Finite float32 of the layout's shape, nothing where there is nothing, the weights of the events."""
    batch = case.new.raw(case.events)
    assert (batch.kind, batch.layout) == (case.kind, case.new.layout)
    assert batch.x.dtype == np.float32
    assert np.isfinite(batch.x).all()
    assert not batch.x[~batch.there].any()
    np.testing.assert_array_equal(batch.weight, ak.to_numpy(case.events.weight))
    scaled = case.fitted(case.events)
    assert scaled.x.dtype == np.float32
    assert not scaled.x[~scaled.there].any()


def what_it_asks_for_is_enough(case: InputCase) -> None:
    """Events with the fields of `fields()` alone give the same."""
    few = example_events(300, seed=7, fields=case.new.fields())
    _assert_equal(case.new.raw(few), case.new.raw(case.events))


def events_do_not_matter_to_each_other(case: InputCase) -> None:
    """One event, no event, chunks of any size and any order give the same rows."""
    whole = case.fitted(case.events)
    for size in (1, 7):
        starts = range(0, 50, size)
        parts = [case.fitted(case.events[start : min(start + size, 50)]) for start in starts]
        _assert_equal(Batch.concatenate(parts), whole.take(slice(0, 50)))
    kept = np.arange(len(whole)) % 3 == 0
    _assert_equal(case.fitted(taken(case.events, kept)), whole.take(kept))
    order = np.random.default_rng(1).permutation(len(whole))
    _assert_equal(case.fitted(case.events[order]), whole.take(order))
    assert len(case.fitted(case.events[:0])) == 0


def scaling_leaves_the_rest_alone(case: InputCase) -> None:
    """The raw batch, the mask, the weights and what stands beside are as they were; twice is the same."""
    raw = case.new.raw(case.events)
    before = np.array(raw.x)
    scaled = case.fitted.scaled(raw)
    np.testing.assert_array_equal(raw.x, before)
    _assert_equal(replace(scaled, x=raw.x), raw)
    _assert_equal(scaled, case.fitted(case.events))


def it_needs_events_to_learn_from(case: InputCase) -> None:
    """None are no background."""
    with raises(InputDataError, "no "):
        case.new.fitted(case.new.raw(case.events[:0]))


def the_table_has_a_name_for_each_number(case: InputCase) -> None:
    """For people, unscaled."""
    table = case.new.table(case.events)
    assert table.shape == (len(case.events), *case.new.table_names.shape)
    names = case.new.table_names.reshape(-1).tolist()
    assert all(names)


def what_it_learned_is_its_state(case: InputCase) -> None:
    """Through a file, and whatever events come later."""
    from safetensors.numpy import load, save

    again = input_from_state(case.parsed, load(save(case.fitted.state())))
    assert_same(again.state(), case.fitted.state())
    _assert_equal(again(case.events), case.fitted(case.events))
    other = example_events(40, seed=8)
    _assert_equal(again(other), case.fitted(other))


def it_does_not_scale_before_it_learned(case: InputCase) -> None:
    """It says so."""
    with raises(CardError, "fitted"):
        case.new(case.events)


def a_state_that_does_not_fit_is_refused(case: InputCase) -> None:
    """Missing, misshapen and non-finite arrays are named."""
    state = case.fitted.state()
    for name, array in state.items():
        bad = {k: v for k, v in state.items() if k != name}
        for spoiled in (bad, {**bad, name: np.full_like(array, np.nan)}, {**bad, name: np.append(array, array[:1])}):
            with raises(CardError, name):
                input_from_state(case.parsed, spoiled)


_OF_ALL: list[Check] = [
    the_registry_names_the_class,
    the_batch_is_what_its_layout_says,
    what_it_asks_for_is_enough,
    events_do_not_matter_to_each_other,
    scaling_leaves_the_rest_alone,
    it_needs_events_to_learn_from,
    the_table_has_a_name_for_each_number,
]
_OF_LEARNED: list[Check] = [
    what_it_learned_is_its_state,
    it_does_not_scale_before_it_learned,
    a_state_that_does_not_fit_is_refused,
]


def _assert_equal(first: Batch, second: Batch) -> None:
    """The same batches, bit for bit."""
    assert (first.kind, first.layout) == (second.kind, second.layout)
    assert_same(
        {"x": first.x, "there": first.there, "weight": first.weight, **first.beside},
        {"x": second.x, "there": second.there, "weight": second.weight, **second.beside},
    )
