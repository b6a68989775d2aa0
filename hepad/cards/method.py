"""Cards of methods: a data-driven search of a mass spectrum, as a composition."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from hepad import registry
from hepad.cards.analysis import Composition
from hepad.cards.base import parse_card, read_yaml
from hepad.cards.configured import Configured
from hepad.cards.resolver import resolve

__all__ = ["METHODS_FOLDER", "MethodCard", "MethodKeys", "load_method"]

METHODS_FOLDER = "analyses/methods"


class MethodKeys(Configured):
    """Which method; the other keys are its configuration, checked by the class that the method has for it."""

    table: ClassVar[registry.Table] = registry.METHODS


class MethodCard(Composition):
    """A data-driven method as a composition; `hepad hunt --method NAME` needs only a mass and a window besides.

    Events are parted into `folds` by the content of their file and their entry; an event is scored by networks that
    have not seen its fold. `regions` are set on events of the sidebands; a rate or a cross section needs its total.
    A hunt of an analysis has an input for all methods that take its kind, but for those of `own_input`.
    """

    schema_: Literal["method/1"] = Field(alias="schema")
    method: MethodKeys
    folds: int = Field(default=5, ge=3, le=100)
    own_input: bool = False

    @model_validator(mode="after")
    def _method_takes_input(self) -> MethodCard:
        if self.method.name not in registry.METHODS:
            known = ", ".join(sorted(registry.METHODS))
            raise ValueError(f"unknown method {self.method.name!r}: choose one of {known}")
        kinds = registry.METHODS[self.method.name].inputs
        if self.input.kind not in kinds:
            raise ValueError(f"method {self.method.name} takes {' or '.join(kinds)} input, not {self.input.kind}")
        if self.method.config.get("require") and getattr(self.input, "scale", "none") != "none":
            raise ValueError("require is in the units of the input: say 'scale: none' under input")
        return self


def load_method(name: str) -> MethodCard:
    """The card of a bundled name or a path."""
    path = resolve(METHODS_FOLDER, name)
    return parse_card(MethodCard, read_yaml(path), str(path))
