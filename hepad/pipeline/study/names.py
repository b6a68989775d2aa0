"""What figures, tables and texts of a study call its models and samples."""

from __future__ import annotations

from hepad.cards.sensitivity import SensitivityCard
from hepad.cards.study import StudyCard
from hepad.output.figure_kinds import figure_titles, title_of
from hepad.output.plain_titles import plain_title

__all__ = ["drawn", "named"]

Card = StudyCard | SensitivityCard


def drawn(card: Card, name: str) -> str:
    """What figures call it: the title that was asked for, else the card's label, else its name."""
    return title_of(name) if name in figure_titles() else card.label(name)


def named(card: Card, name: str) -> str:
    """The same for tables and texts, in characters."""
    return plain_title(drawn(card, name))
