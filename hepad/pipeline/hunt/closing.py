"""How the page of a hunt of an analysis ends: what to cite, and what it is not."""

from __future__ import annotations

from typing import Any

from hepad.bundles.citation import shipped_citations
from hepad.cards.hunt import HUNTS_FOLDER

__all__ = ["hunt_closing"]

_IS_NOT = (
    "A result of the collaboration whose search this is after. Its selection and methods are rebuilt here, and run on "
    "the events named below; an excess in them is a reason to look closer, no observation."
)


def hunt_closing(name: str) -> dict[str, Any]:
    """What `write_page` asks for the end; one of somebody's own knows nothing to cite but what its card says."""
    return {"cite": shipped_citations("hunts", HUNTS_FOLDER, name), "is_not": _IS_NOT}
