"""How the page of a study ends: files, what to cite, and what it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hepad.bundles.citation import shipped_citations
from hepad.output.closing import closing
from hepad.output.document import Block, Files, Heading
from hepad.output.latex import TABLES_FILE

__all__ = ["study_closing"]

_IS_NOT = (
    "A result of the authors of the reference, or a measurement in data of an experiment. Published numbers are of "
    "their events and trainings, ours of the samples and networks named above; a difference "
    "may come from either."
)


def study_closing(name: str, record: Mapping[str, Any], tables: Sequence[tuple[str, str]] = ()) -> list[Block]:
    """The last blocks of the page of a study; one of somebody's own knows nothing to cite but what its card says.

    `tables` are files beside those that every study has, with what is in each.
    """
    files = Files([("results.json", "all numbers, and the provenance"), *tables, TABLES_FILE])
    end = closing(record, cite=shipped_citations("studies", "analyses/studies", name), is_not=_IS_NOT)
    return [Heading("Files"), files, *end]
