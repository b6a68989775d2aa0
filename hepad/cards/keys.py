"""What the keys of cards may hold, in words: tables for people, made from the models that check the cards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import cleandoc
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from hepad.cards.base import Card, cards_within

__all__ = ["CardKeys", "Key", "card_keys"]

_PLAIN = {float: "number", int: "whole number", str: "text", bool: "true or false", Any: "anything"}
_BOUNDS = (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most"))


@dataclass(frozen=True)
class Key:
    """A key of a card, what it may hold, and its default in YAML: empty for none, `needed` where it must be given.

    Of an output, which has no defaults, `default` says what the key is.
    """

    key: str
    value: str
    default: str


@dataclass(frozen=True)
class CardKeys:
    """A kind of card or of a part of one: its name, what is said of it, and its keys."""

    name: str
    about: str
    keys: tuple[Key, ...]


def card_keys(kind: type[Card]) -> list[CardKeys]:
    """The keys of a card, followed by those of the cards within it, each kind once."""
    found: dict[type[Card], CardKeys] = {}
    ahead = [kind]
    while ahead:
        card = ahead.pop(0)
        if card in found:
            continue
        keys = [_key(name, field) for name, field in card.model_fields.items()]
        keys += [Key(name, "as on the command line", "") for name in card.also]
        found[card] = CardKeys(card.__name__, cleandoc(card.__doc__ or ""), tuple(keys))
        ahead += [inner for field in card.model_fields.values() for inner in cards_within(field.annotation)]
    return list(found.values())


def _key(name: str, field: FieldInfo) -> Key:
    default = "needed" if field.is_required() else _yaml(field.get_default(call_default_factory=True))
    return Key(field.alias or name, _words(field.annotation, field.metadata), default)


def _yaml(value: object) -> str:
    """A default as one writes it in YAML, JSON being YAML."""
    if value is None:
        return ""
    if isinstance(value, Card):
        return "its defaults"
    return json.dumps(value, default=lambda card: card.model_dump(mode="json", exclude_none=True))


def _words(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(args[0], [*args[1:], *metadata])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in args)
    if origin in {Union, UnionType}:
        return " or ".join(_words(part, metadata) for part in args if part is not NoneType)
    if origin in {dict, tuple}:
        return _of_many(args) if origin is tuple else f"for each {_words(args[0])}: {_words(args[1])}"
    if not args and isinstance(annotation, type) and issubclass(annotation, Card):
        return f"keys of {annotation.__name__}"
    return _of_one(annotation, metadata)


def _of_many(args: tuple[Any, ...]) -> str:
    if args[-1] is ...:
        return f"list of {_words(args[0])}"
    return f"list of {len(args)}: {', '.join(map(_words, args))}"


def _of_one(annotation: Any, metadata: Sequence[Any]) -> str:
    """A text as its example, else a number or text with its bounds, which pydantic keeps alone or in a `FieldInfo`."""
    examples = [e for item in metadata if isinstance(item, FieldInfo) for e in item.examples or ()]
    if examples:
        return f"text as `{examples[0]}`"
    facts = [fact for item in metadata for fact in (item.metadata if isinstance(item, FieldInfo) else [item])]
    named = annotation is str and any(getattr(fact, "pattern", None) for fact in facts)
    bounds = [f"{word} {getattr(fact, at):g}" for fact in facts for at, word in _BOUNDS if hasattr(fact, at)]
    return " ".join(["name" if named else _PLAIN.get(annotation, "text"), *bounds])
