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


class Card(BaseModel):
    """Base of all cards: immutable, and a key that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


AnyCard = TypeVar("AnyCard", bound=Card)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, read with the safe loader; `CardError` if it is none, or has a key twice."""
    try:
        content = _UniqueKeys(path.read_text(encoding="utf-8")).get_single_data()
    except (OSError, UnicodeDecodeError) as error:
        raise CardError(f"cannot read card {path}: {error}") from error
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f" at line {place.line + 1}" if place else ""
        raise CardError(f"{path} is not valid YAML{where}: {getattr(error, 'problem', error)}") from error
    except (ValueError, RecursionError) as error:  # a date such as 2024-13-45, or brackets a thousand deep
        raise CardError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise CardError(f"{path} must hold a mapping of keys to values, found {type(content).__name__}")
    return content


def parse_card(kind: type[AnyCard], content: object, origin: str) -> AnyCard:
    """Validate `content` as a card of the given kind; `origin` is named in errors."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise CardError(f"{origin}: {validation_summary(error)}") from error


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
    text = reprlib.repr(value)  # never the whole: YAML aliases can make a small file huge
    return text if len(text) <= limit else text[: limit - 3] + "..."
