"""What a search needs for one fit of all its bins: the processes of the background, and tables of counts."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from hepad.cards.base import Card
from hepad.cards.paths import inside

__all__ = ["ProcessCard", "SimultaneousCard"]

_Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


class ProcessCard(Card):
    """A background process: `files` are patterns of the names of its files.

    With `free` its normalisation is fitted, `error` is the relative uncertainty of one that is not.
    """

    files: tuple[str, ...] = Field(min_length=1)
    free: bool = False
    error: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _is_free_or_uncertain(self) -> ProcessCard:
        if self.free and self.error:
            raise ValueError("a free normalisation has no error: give one of the two")
        return self


class SimultaneousCard(Card):
    """The bins of all categories are fitted together, with `processes` of background.

    `yields` is `yields.csv`, which `hepad analysis background` writes: the cross section of each process in each bin.
    `observed` is a table with the header `category,bin,observed`; both are below the card's folder.
    """

    processes: dict[_Name, ProcessCard] = Field(min_length=1)
    yields: str | None = None
    observed: str | None = None

    _paths_stay_inside = field_validator("yields", "observed")(inside)

    def process_of(self, file: str) -> str | None:
        """The process that a file is of, by its name; None for none."""
        return next(
            (name for name, one in self.processes.items() if any(fnmatchcase(file, each) for each in one.files)), None
        )
