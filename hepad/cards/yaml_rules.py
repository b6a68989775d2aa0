"""What a YAML text means: PyYAML's safe loader with the core schema of YAML 1.2.

PyYAML reads YAML 1.1, where `1:00` is sixty, `010` is eight and `on` is true. Here plain values are those of the core
schema of YAML 1.2 (https://yaml.org/spec/1.2.2, 10.3), and a number that the two versions read differently is refused.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from contextlib import suppress
from typing import Any, cast

import yaml

__all__ = ["parsed"]

MAX_ITEMS = 100_000
"""Most keys and values of a card, with what aliases repeat."""

_MAX_DIGITS = 100
_SURELY_FLAT = 3_000
_TAG = "tag:yaml.org,2002:"
_DIGITS = list("-+.0123456789")


class _Rules(yaml.constructor.SafeConstructor):
    """YAML's safe constructor, which alone would let a second `pt:` silently undo the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping; a key given twice is a syntax error."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_plain_int(self, node: yaml.ScalarNode) -> int:
        """A whole number of at most 64 bits: others take minutes to print."""
        text = str(self.construct_scalar(node))
        if not re.fullmatch(r"[-+]?(0|[1-9][0-9]*)", text):
            raise yaml.constructor.ConstructorError(None, None, "not a whole number", node.start_mark)
        value = int(text) if len(text) <= _MAX_DIGITS else 1 << 64
        if not -(1 << 63) <= value < 1 << 63:
            raise yaml.constructor.ConstructorError(None, None, "a whole number is too large", node.start_mark)
        return value

    def refuse(self, node: yaml.ScalarNode) -> None:
        """A number that is not written in plain decimal digits."""
        text = str(self.construct_scalar(node))
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise yaml.constructor.ConstructorError(
            None,
            None,
            f"{shown!r} can be read as more than one number: write it in plain decimal digits, or in quotes as text",
            node.start_mark,
        )


class _Loader(_Rules, yaml.SafeLoader):
    """YAML as PyYAML itself reads it, whose errors are those to show."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  none of YAML 1.1


def _resolve(tag: str, pattern: str, first: list[str]) -> None:
    _Loader.add_implicit_resolver(tag, re.compile(rf"(?:{pattern})\Z"), first)


_resolve(f"{_TAG}bool", "true|True|TRUE|false|False|FALSE", list("tTfF"))
_resolve(f"{_TAG}null", "~|null|Null|NULL|", ["~", "n", "N", ""])
_resolve(f"{_TAG}int", "[-+]?(?:0|[1-9][0-9]*)", _DIGITS)
_resolve(f"{_TAG}float", r"[-+]?(?:(?:0|[1-9][0-9]*)?\.[0-9]+|(?:0|[1-9][0-9]*)\.?)(?:[eE][-+]?[0-9]+)?", _DIGITS)
_resolve(f"{_TAG}float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", _DIGITS)
_resolve(f"{_TAG}merge", "<<", ["<"])
# Leading zeros, underscores, other bases, base sixty: what YAML 1.1, YAML 1.2 and people read differently.
_resolve("!two-meanings", r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", _DIGITS)
_resolve("!two-meanings", r"[-+]?0(?:[xX][0-9a-fA-F_]+|[oO][0-7_]+|[bB][01_]+)", _DIGITS)
_resolve("!two-meanings", r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?", _DIGITS)
_Rules.add_constructor(f"{_TAG}int", _Rules.construct_plain_int)  # type: ignore[type-var]  # the stubs want a whole loader
_Rules.add_constructor("!two-meanings", _Rules.refuse)  # type: ignore[type-var]  # the stubs want a whole loader


def _fast_loader() -> type[_Loader]:
    """The same on libyaml, which takes a tenth of the time, if PyYAML was built with it."""
    if not yaml.__with_libyaml__:
        return _Loader

    class Fast(_Rules, yaml.CSafeLoader):
        yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

    return cast("type[_Loader]", Fast)


_FastLoader = _fast_loader()


def parsed(text: str) -> tuple[Any, yaml.Node | None]:
    """What a document means, and its node."""
    # No depth is more than this, and the C code's stack ends at some depth that it does not look for.
    if text.count("[") + text.count("{") + 2 * max(map(len, text.splitlines()), default=0) < _SURELY_FLAT:
        with suppress(yaml.YAMLError):
            return _loaded(_FastLoader(text))
    return _loaded(_Loader(text))


def _loaded(loader: _Loader) -> tuple[Any, yaml.Node | None]:
    node = loader.get_single_node()
    _check_size(node)
    return None if node is None else loader.construct_document(node), node


def _check_size(node: yaml.Node | None) -> None:
    """`ValueError` if what a document means is far larger than what it says, or without end, by way of aliases."""
    sizes: dict[int, int] = {}

    def size(part: yaml.Node) -> int:
        known = sizes.get(id(part))
        if known == 0:
            raise ValueError("an alias is within what it stands for")
        if known is not None:
            return known
        sizes[id(part)] = 0
        total = 1
        if isinstance(part, yaml.SequenceNode):
            total += sum(size(item) for item in part.value)
        elif isinstance(part, yaml.MappingNode):
            total += sum(size(key) + size(value) for key, value in part.value)
        if total > MAX_ITEMS:
            raise ValueError(f"its aliases make more than {MAX_ITEMS} items")
        sizes[id(part)] = total
        return total

    if node is not None:
        size(node)
