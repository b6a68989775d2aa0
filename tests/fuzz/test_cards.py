"""Cards that hypothesis makes up, and YAML made to hurt: a card or a `CardError`, soon, whatever the bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hepad.cards.analysis import load_analysis
from hepad.cards.base import Card, load_card, read_yaml
from hepad.cards.budget import load_budget, load_device
from hepad.cards.fit import load_fit
from hepad.cards.input import parse_input
from hepad.cards.regions import load_regions
from hepad.cards.resolver import resolve
from hepad.cards.search import SearchCard
from hepad.cards.selection import load_selection
from hepad.cards.study import load_study
from hepad.errors import CardError


def as_input(name: str) -> Card:
    return parse_input(read_yaml(Path(name)), name)


def as_search(name: str) -> Card:
    return load_card(SearchCard, Path(name))


KINDS: dict[str, tuple[Callable[[str], Any], Any]] = {
    "selection": (load_selection, resolve("selections", "l1_egamma_muon_jet")),
    "analysis": (load_analysis, resolve("analyses", "snn_ae")),
    "search": (as_search, resolve("analyses", "cms_2019_dijet")),
    "fit": (load_fit, resolve("fits", "dijet4")),
    "budget": (load_budget, resolve("budgets", "cms-l1")),
    "device": (load_device, resolve("budgets/devices", "vu9p")),
    "study": (load_study, resolve("analyses/studies", "adc2021")),
    "regions": (
        lambda name: load_regions(Path(name)),
        {"schema": "regions/1", "luminosity_fb": 139, "regions": {"a": {"observed": 3, "background": 2.5}}},
    ),
    "input": (as_input, {"kind": "l1_vector", "features": ["pt", "eta"], "counts": {"jets": 4}, "order": ["jets"]}),
    "input-rmm": (as_input, {"kind": "rmm", "counts": {"jets": 4, "muons": 3}, "met_min": 20.0}),
}

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=8),
    st.dates(),
    st.sampled_from([10**400, -1, 0, 1e308, "../../x", "/etc/passwd", "selection/1", "~", "no", "1e3", "jet1+jet2"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a card."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [path, *(place for key, value in items for place in places(value, (*path, key)))]


def changed(content: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(content)
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[path[0]] = changed(copy[path[0]], path[1:], change)
    return copy


def attempt(load: Callable[[str], Any], path: Path, data: bytes) -> Any:
    """The card, or the error that it is none: nothing else may come, and it may not take long."""
    path.write_bytes(data)
    start = time.process_time()
    try:
        result = load(str(path))
    except CardError as error:
        result = error
    assert time.process_time() - start < 10
    if isinstance(result, CardError):
        assert str(result).count("\n") < 2
        assert len(str(result)) < 2000
    return result


def content_of(source: Any) -> Any:
    return source if isinstance(source, dict) else yaml.safe_load(source.read_text())


@pytest.mark.parametrize("kind", list(KINDS))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_card_with_something_else_in_it(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    load, source = KINDS[kind]
    content = content_of(source)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(content)))
        value = data.draw(VALUES)
        key = data.draw(st.none() | st.text(max_size=10) | st.integers() | st.just("schema"))
        content = changed(content, path, lambda old: {**old, key: value} if key and isinstance(old, dict) else value)  # noqa: B023
    attempt(load, tmp_path / "card.yaml", yaml.dump(content).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("kind", list(KINDS))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_card_with_other_bytes_in_it(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    load, source = KINDS[kind]
    text = yaml.dump(source).encode() if isinstance(source, dict) else source.read_bytes()
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(start + 40, len(text))))
    fragments = [b"*a", b"&a ", b"<<: ", b"!!binary ", b"!!python/name:os.system ", b"? ", b"- ", b"{", b"]", b"|\n"]
    new = data.draw(st.binary(max_size=20) | st.text(max_size=20).map(str.encode) | st.sampled_from(fragments))
    attempt(load, tmp_path / "card.yaml", text[:start] + new + text[stop:])


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_cards_are_cards(kind: str, tmp_path: Path) -> None:
    load, source = KINDS[kind]
    assert isinstance(attempt(load, tmp_path / "card.yaml", yaml.dump(content_of(source)).encode()), Card)


def laughs(depth: int, merge: bool = False) -> bytes:
    """A mapping whose aliases grow tenfold with each level."""
    lines = ["a0: &a0 {x: y}"]
    for i in range(1, depth):
        many = ", ".join([f"*a{i - 1}"] * 10)
        lines.append(f"a{i}: &a{i} {{<<: [{many}]}}" if merge else f"a{i}: &a{i} [{many}]")
    return "\n".join(lines).encode()


HOSTILE = {
    "aliases": (laughs(9), "aliases make more than"),
    "merged aliases": (laughs(9, merge=True), "aliases make more than"),
    "an alias of itself": (b"a: &a [*a]", "an alias is within what it stands for"),
    "a mapping within itself": (b"a: &a {b: *a}", "an alias is within what it stands for"),
    "brackets": (b"[" * 50_000, "not valid YAML"),
    "braces": (b"{a: " * 50_000, "not valid YAML"),
    "dashes": (b"- " * 50_000, "not valid YAML"),
    "a number in hexadecimal": (b"name: 0x" + b"f" * 5000, "more than one number"),
    "a number in base 60": (b"name: 1" + b":59" * 5000, "more than one number"),
    "a number of 64 bits": (b"name: 9223372036854775808", "too large"),
    "a float in base 60": (b"name: 1" + b":59" * 5000 + b".5", "not valid YAML"),
    "a pickle": (b"name: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
    "a module": (b"name: !!python/module:os ''", "could not determine a constructor"),
    "a bool that is none": (b"name: !!bool maybe", "not valid YAML"),
    "a number that is none": (b"name: !!int ''", "not valid YAML"),
    "a time that is none": (b"name: !!timestamp soon", "not valid YAML"),
    "not UTF-8": (b"name: \xff\xfe", "cannot read card"),
    "UTF-16": ("name: x".encode("utf-16"), "cannot read card"),
    "NUL": (b"name: a\0b", "not valid YAML"),
    "two documents": (b"a: 1\n---\na: 2", "found another document"),
    "a list": (b"- a", "must hold a mapping"),
    "a number": (b"3", "must hold a mapping"),
    "nothing": (b"", "is empty"),
    "a long one": (b"# " + b"x" * (1 << 18), "more than 262144 bytes"),
}


@pytest.mark.parametrize("case", list(HOSTILE))
def test_hostile_yaml_is_refused(case: str, tmp_path: Path) -> None:
    data, said = HOSTILE[case]
    result = attempt(load_selection, tmp_path / "card.yaml", data)
    assert isinstance(result, CardError)
    assert said in str(result)


def test_modest_aliases_are_welcome(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]\n")
    assert read_yaml(tmp_path / "card.yaml") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": [{"x": 1}, {"x": 1}]}


def test_a_pipe_and_a_device_are_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "card.yaml")
    for path in (tmp_path / "card.yaml", Path("/dev/zero")):
        with pytest.raises(CardError, match="not a regular file"):
            read_yaml(path)
