"""What tables and texts of a study call its models and samples."""

from __future__ import annotations

from hepad.cards.sensitivity import SensitivityCard
from hepad.cards.study import StudyCard
from hepad.output.figure_kinds import figure_titles
from hepad.output.plain_titles import plain_title

__all__ = ["named"]


def named(card: StudyCard | SensitivityCard, name: str) -> str:
    """The title that was asked for, the card's label, or the name, in characters."""
    return plain_title(figure_titles().get(name, card.label(name)))
