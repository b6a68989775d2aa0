"""YAML files as mappings that know their lines: safe, strict about what could be read in two ways, as JSON is.

`hepad.cards.yaml_rules` says how. It is loaded with the first file: bundles have their cards in JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hepad.errors import CardError

if TYPE_CHECKING:
    import yaml

__all__ = ["Document", "each_key_once", "no_constant", "read_yaml"]

MAX_BYTES = 1 << 18
"""Largest card; those that ship with hepad have a few kB."""


class Document(dict[str, Any]):
    """The mapping of a YAML file."""

    def __init__(self, content: dict[str, Any], node: yaml.Node) -> None:
        super().__init__(content)
        self._node = node

    def line(self, place: Sequence[str | int]) -> int | None:
        """The line, from 1, of the key or item at a place, or of the innermost part of it that is there.

        Steps that are no keys of the file are passed over; None if none is.
        """
        node, found = self._node, None
        for step in place:
            inner = _step(node, step)
            if inner is not None:
                found, node = inner[0].start_mark.line + 1, inner[1]
        return found


def _step(node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The node of a key, or of an item, and the node of its value."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def read_yaml(path: Path) -> Document:
    """The mapping in a YAML file, read with the safe loader; `CardError` if it is none, or has a key twice."""
    import yaml

    from hepad.cards.yaml_rules import parsed

    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise CardError(f"cannot read card {path}: it is not a regular file")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise CardError(f"cannot read card {path}: it has more than {MAX_BYTES} bytes")
        content, node = parsed(data.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CardError(f"cannot read card {path}: {error}") from error
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f" at line {place.line + 1}" if place else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise CardError(f"{path} is not valid YAML{where}: {problem}") from error
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
        # A tagged date such as 2024-13-45, brackets a thousand deep, or a tag that does not fit what follows it.
        raise CardError(f"{path} is not valid YAML: {error}") from error
    if content is None:
        raise CardError(f"{path} is empty: a card holds keys and values, and hepad schema lists those of each kind")
    if node is None or not isinstance(content, dict):
        raise CardError(f"{path} must hold a mapping of keys to values, found {type(content).__name__}")
    return Document(content, node)


def no_constant(text: str) -> NoReturn:
    """A `parse_constant` for `json.loads`, which alone takes NaN and Infinity; `ValueError`."""
    raise ValueError(f"{text} is no JSON number")


def each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An `object_pairs_hook` for `json.loads`, which alone would let a second key silently undo the first.

    `ValueError` names the key.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in content if keys.count(key) > 1)
        raise ValueError(f"key {twice[:60]!r} is given twice")
    return content
