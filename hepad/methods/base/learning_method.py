"""What methods have in common that learn from numbers of events: their card, their layout, what is checked."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar

from hepad.cards.base import Card, parse_card
from hepad.inputs.layout import Layout
from hepad.methods.base.checks import check_problem
from hepad.methods.base.contract import PARTS, Problem, Sample

__all__ = ["LearningMethod"]


class LearningMethod(ABC):
    """A part of a `Method`: a class has `name` and `config`, and says otherwise where this does not hold.

    It learns from all `parts` of the spectrum, wants nothing else, and ranks events among those of the sidebands.
    """

    name: ClassVar[str]
    config: ClassVar[type[Card]]
    input_kinds: ClassVar[tuple[str, ...]] = ("event_features", "table")
    parts: ClassVar[tuple[str, ...]] = PARTS
    wants: ClassVar[tuple[str, ...]] = ()
    may_have: ClassVar[tuple[str, ...]] = ()
    _config: Any
    """The settings, an instance of `config`."""

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self.layout = layout
        self._config = parse_card(self.config, dict(config), f"method {self.name}")

    def check(self, problem: Problem) -> None:
        """See `hepad.methods.base.checks`."""
        check_problem(self, problem)

    def reference(self, problem: Problem) -> Sample:
        """The events among which the score `rank` counts: the data in the sidebands."""
        return problem.data.take(problem.sidebands)
