"""Reading YAML cards: safe loading, one validate, errors that name the file and the key."""

from __future__ import annotations

import reprlib
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from hepad import registry
from hepad.errors import CardError

__all__ = ["Card", "load_card", "parse_card", "read_yaml", "validation_summary"]


MAX_BYTES = 1 << 18
"""Largest card; those that ship with hepad have a few kB."""
MAX_ITEMS = 100_000
"""Most keys and values of a card, with what aliases repeat."""
_MAX_DIGITS = 100

_NO_KEYS = frozenset({"[key]", *registry.INPUTS})
"""Steps in the place of a fault that are no keys: for the name of a key, and for the kind of card in a union."""


class _UniqueKeys(yaml.SafeLoader):
    """YAML's safe loader, which alone would let a second `pt:` silently undo the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping; a key given twice is a syntax error."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number of at most 64 bits: YAML can write others that take minutes to print."""
        text = self.construct_scalar(node)
        value = super().construct_yaml_int(node) if len(text) <= _MAX_DIGITS else 1 << 64
        if not -(1 << 63) <= value < 1 << 63:
            raise yaml.constructor.ConstructorError(None, None, "a whole number is too large", node.start_mark)
        return int(value)


_UniqueKeys.add_constructor("tag:yaml.org,2002:int", _UniqueKeys.construct_yaml_int)


class Card(BaseModel):
    """Base of all cards: immutable, and a key that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


AnyCard = TypeVar("AnyCard", bound=Card)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, read with the safe loader; `CardError` if it is none, or has a key twice."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise CardError(f"cannot read card {path}: it is not a regular file")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise CardError(f"cannot read card {path}: it has more than {MAX_BYTES} bytes")
        loader = _UniqueKeys(data.decode("utf-8"))
        node = loader.get_single_node()
        _check_size(node)
        content = None if node is None else loader.construct_document(node)
    except (OSError, UnicodeDecodeError) as error:
        raise CardError(f"cannot read card {path}: {error}") from error
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f" at line {place.line + 1}" if place else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise CardError(f"{path} is not valid YAML{where}: {problem}") from error
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
        # A date such as 2024-13-45, brackets a thousand deep, or a tag that does not fit what follows it.
        raise CardError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise CardError(f"{path} must hold a mapping of keys to values, found {type(content).__name__}")
    return content


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


def parse_card(kind: type[AnyCard], content: object, origin: str) -> AnyCard:
    """Validate `content` as a card of the given kind; `origin` is named in errors."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise CardError(f"{origin}: {validation_summary(error)}") from error
    except (OverflowError, RecursionError) as error:  # in a validator, of a number that no float holds
        raise CardError(f"{origin}: {error}") from error


def load_card(kind: type[AnyCard], path: Path) -> AnyCard:
    """Read and validate one YAML card."""
    return parse_card(kind, read_yaml(path), str(path))


def validation_summary(error: ValidationError) -> str:
    """The first faults of a pydantic error in one line: key, what is wrong, the value."""
    faults = error.errors(include_url=False)
    parts = []
    for fault in faults[:3]:
        key = ".".join(str(step) for step in fault["loc"] if step not in _NO_KEYS) or "card"
        message = "unknown key" if fault["type"] == "extra_forbidden" else fault["msg"].removeprefix("Value error, ")
        value = "" if fault["type"] in {"missing", "value_error"} else f" (got {_short(fault['input'])})"
        parts.append(f"key {key!r}: {message}{value}")
    if len(faults) > 3:
        parts.append(f"and {len(faults) - 3} more")
    return "; ".join(parts)


def _short(value: object, limit: int = 60) -> str:
    try:
        text = reprlib.repr(value)  # never the whole: it may be long
    except ValueError:  # Python prints no number of thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= limit else text[: limit - 3] + "..."
