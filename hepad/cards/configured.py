"""Keys of a card that name a registered class and hold its settings, which the class of its settings checks."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ConfigDict, model_validator

from hepad import registry
from hepad.cards.base import Card

__all__ = ["Configured"]


class Configured(Card):
    """`name` and, beside it, the settings of what is registered under that name."""

    model_config = ConfigDict(extra="allow", frozen=True)

    table: ClassVar[registry.Table]

    name: str

    @property
    def config(self) -> dict[str, Any]:
        """The settings."""
        return dict(self.model_extra or {})

    @classmethod
    def kinds(cls, content: object) -> tuple[type[Card], ...]:
        """The card itself, and that of the settings of what the content names."""
        named = content.get("name") if isinstance(content, dict) else None
        known = isinstance(named, str) and named in cls.table
        return (cls, registry.load_config(cls.table[str(named)])) if known else (cls,)

    @model_validator(mode="after")
    def _has_a_valid_configuration(self) -> Configured:
        if self.name in self.table:
            registry.load_config(self.table[self.name]).model_validate(self.config)
        return self
