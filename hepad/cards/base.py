"""The base of all cards: one validate, errors that name the file, the line and the key."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, ErrorDetails

from hepad.cards.document import Document, read_yaml
from hepad.errors import CardError

__all__ = ["FILE_NAME", "NAME", "AnyCard", "Card", "CardName", "Fault", "card_faults", "check_edges", "known_keys"]
__all__ += ["load_card", "parse_card", "read_yaml", "validation_summary"]

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.@+-]*$"
"""Names of cards and bundles: they become names of files and are printed."""

FILE_NAME = r"^[A-Za-z0-9*?][A-Za-z0-9_.@+*?-]*(/[A-Za-z0-9*?][A-Za-z0-9_.@+*?-]*)*$"
"""A path below a folder, without `.` and `..`, that may be a pattern."""

CardName = Annotated[str, Field(pattern=NAME)]

_NO_KEYS = frozenset({"[key]"})
"""Steps in the place of a fault that are no keys: for the name of a key."""

_REMEDIES = {
    NAME: "must be letters, digits and _ . @ + -, a letter or digit first",
    FILE_NAME: "must be a path below a folder of letters, digits and _ . @ + -, with * and ? for a pattern",
    "bool_type": "write true or false",
    "string_type": "a text that looks like a number or true is put in quotes",
}


def _make_strict(part: object) -> None:
    if isinstance(part, dict):
        if part.get("type") in {"int", "float", "bool"}:
            part["strict"] = True
        for inner in part.values():
            _make_strict(inner)
    elif isinstance(part, list | tuple):
        for inner in part:
            _make_strict(inner)


class Card(BaseModel):
    """Base of all cards: immutable, and a key that nobody knows is an error.

    `also` names keys that are understood besides the fields: other words for them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False, defer_build=True)

    also: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def kinds(cls, content: object) -> tuple[type[Card], ...]:  # noqa: ARG003  some cards are told by what they hold
        """The cards whose keys `content` may have; all that there are where nothing is known of it."""
        return (cls,)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Numbers and truth values are taken as what they are: 1 is not true, and no text is a number."""
        schema = handler(source)
        _make_strict(schema)
        return schema


AnyCard = TypeVar("AnyCard", bound=Card)


def parse_card(kind: type[AnyCard], content: object, origin: str) -> AnyCard:
    """Validate `content` as a card of the given kind; `origin` is named in errors, and lines if it was read as YAML."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise CardError(f"{origin}: {validation_summary(error, kind, content)}") from error
    except (OverflowError, RecursionError) as error:  # in a validator, of a number that no float holds
        raise CardError(f"{origin}: {error}") from error


def load_card(kind: type[AnyCard], path: Path) -> AnyCard:
    """Read and validate one YAML card."""
    return parse_card(kind, read_yaml(path), str(path))


def check_edges(edges: Mapping[str, Sequence[float]]) -> None:
    """`ValueError` names the first edges that do not rise."""
    for name, own in edges.items():
        if any(not low < high for low, high in pairwise(own)):
            raise ValueError(f"the edges of {name} must rise")


@dataclass(frozen=True)
class Fault:
    """What is wrong with a card: at which line, None if that is not known, with which key, and what."""

    line: int | None
    key: str
    text: str


def card_faults(error: ValidationError, kind: type[Card], content: object) -> list[Fault]:
    """All faults of a pydantic error, each of a key."""
    return [
        Fault(_line(fault, content), _key(fault), _wrong(fault) + _known(fault, kind, content))
        for fault in error.errors(include_url=False)
    ]


def validation_summary(error: ValidationError, kind: type[Card] | None = None, content: object = None) -> str:
    """The first faults of a pydantic error in one line: key, line, what is wrong, the value, what to write instead."""
    faults = error.errors(include_url=False)
    parts: list[str] = []
    for fault in faults[:3]:
        known = _known(fault, kind, content)
        parts.append(_said(fault, content) + ("" if any(part.endswith(known) for part in parts) else known))
    if len(faults) > 3:
        parts.append(f"and {len(faults) - 3} more")
    return "; ".join(parts)


def _said(fault: ErrorDetails, content: object) -> str:
    line = _line(fault, content)
    where = f"key {_key(fault)!r}" + ("" if line is None else f" at line {line}")
    return f"{where}: {_wrong(fault)}"


def _key(fault: ErrorDetails) -> str:
    return ".".join(str(step) for step in fault["loc"] if step not in _NO_KEYS) or "card"


def _line(fault: ErrorDetails, content: object) -> int | None:
    return content.line(fault["loc"]) if isinstance(content, Document) else None


def _wrong(fault: ErrorDetails) -> str:
    remedy = _REMEDIES.get(str(fault.get("ctx", {}).get("pattern", fault["type"])))
    message = "unknown key" if fault["type"] == "extra_forbidden" else fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "string_pattern_mismatch" and remedy:
        message, remedy = remedy, None
    value = "" if fault["type"] in {"missing", "value_error"} else f" (got {_short(fault['input'])})"
    return f"{message}{value}{f': {remedy}' if remedy else ''}"


def _known(fault: ErrorDetails, kind: type[Card] | None, content: object) -> str:
    """For an unknown key those that are known, and the one that may have been meant."""
    if kind is None or fault["type"] != "extra_forbidden":
        return ""
    known = known_keys(kind, fault["loc"][:-1], content)
    close = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
    return f", {f'did you mean {close[0]}? ' if close else ''}known keys: {', '.join(known)}"


def known_keys(kind: type[Card], place: tuple[str | int, ...], content: object = None) -> list[str]:
    """The keys of the card at a place within a card of a kind, as one writes them; `content` is that of the card."""
    kinds = [kind]
    for step in place:
        inner = [card for k in kinds for card in _cards_of(k, step)]
        content = _at(content, step)
        kinds = [card for k in inner or kinds for card in k.kinds(content)]
    keys = [key for card in kinds for key in (*card.also, *(f.alias or n for n, f in card.model_fields.items()))]
    return list(dict.fromkeys(keys))


def _cards_of(kind: type[Card], step: str | int) -> list[type[Card]]:
    """The cards that a key of a card can hold, alone, in a list or by name."""
    field = next((f for name, f in kind.model_fields.items() if step in {name, f.alias}), None)
    return [] if field is None else cards_within(field.annotation)


def cards_within(annotation: Any) -> list[type[Card]]:
    """The cards that an annotation speaks of: of `dict[str, A] | B | None` A and B."""
    parts = getattr(annotation, "__args__", ())
    if not parts and isinstance(annotation, type) and issubclass(annotation, Card):  # Python 3.10: `list[A]` is one
        return list(annotation.kinds(None))
    return [card for part in parts for card in cards_within(part)]


def _at(content: object, step: str | int) -> object:
    """What stands at a key or place of a mapping or list, None if nothing does."""
    try:
        return content[step]  # type: ignore[index]
    except (TypeError, LookupError):
        return None


def _short(value: object, limit: int = 60) -> str:
    try:
        text = reprlib.repr(value)  # never the whole: it may be long
    except ValueError:  # Python prints no number of thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= limit else text[: limit - 3] + "..."
