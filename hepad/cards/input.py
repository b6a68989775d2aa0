"""The card of an input: which kind it is, and the settings of that kind, which stand beside its code."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler, SerializeAsAny
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from hepad import registry
from hepad.cards.base import Card, parse_card

__all__ = ["AnyInput", "InputCard", "parse_input"]


class InputCard(Card):
    """Base of the cards of all input kinds; `kind` is the name of the kind in the registry."""

    kind: str

    @classmethod
    def kinds(cls, content: object) -> tuple[type[Card], ...]:
        """The card of the kind that the content names, or of each."""
        if cls is not InputCard:
            return (cls,)
        named = content.get("kind") if isinstance(content, dict) else None
        chosen = [named] if isinstance(named, str) and named in registry.INPUTS else list(registry.INPUTS)
        return tuple(registry.load_config(registry.INPUTS[kind]) for kind in chosen)


class _OneOfAll:
    """For the JSON Schema: the card of any kind."""

    @staticmethod
    def __get_pydantic_json_schema__(_: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(card.__pydantic_core_schema__) for card in InputCard.kinds(None)]}


def _of_its_kind(content: Any) -> Any:
    if not isinstance(content, dict):
        return content
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in registry.INPUTS:
        raise ValueError(f"unknown input kind {kind!r}: choose one of {', '.join(sorted(registry.INPUTS))}")
    return registry.load_config(registry.INPUTS[kind]).model_validate(content)


AnyInput = Annotated[SerializeAsAny[InputCard], BeforeValidator(_of_its_kind), _OneOfAll()]
"""The card of any input kind, checked by the class of its kind."""


def parse_input(content: dict[str, Any], origin: str) -> InputCard:
    """Validate `content` as the card of the kind that it names; `origin` is named in errors."""
    entry = registry.lookup(registry.INPUTS, str(content.get("kind")), "input")
    card: InputCard = parse_card(registry.load_config(entry), content, origin)
    return card
