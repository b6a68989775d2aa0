"""The key `cite` of a card: the numbers under which others know a publication, beside the text of its `reference`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, model_validator

from hepad.cards.base import Card

__all__ = ["CiteCard"]

_JOURNAL = r"^[^(){}]+ \S+ \((?:19|20)\d\d\) [A-Za-z0-9-]+$"

ArxivNumber = Annotated[str, Field(pattern=r"^(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})$", examples=["2307.01612"])]
Doi = Annotated[str, Field(pattern=r"^10\.\d{4,9}/[^\s{}%\\]+$", examples=["10.1103/PhysRevLett.132.081801"])]
Record = Annotated[str, Field(pattern=r"^ins[1-9]\d{0,8}$", examples=["ins2674351"])]
Journal = Annotated[str, Field(pattern=_JOURNAL, examples=["Phys. Rev. Lett. 132 (2024) 081801"])]
Title = Annotated[str, Field(pattern=r"^[^\r\n%]+$", examples=["A search at $\\sqrt{s} =$ 13 TeV"])]
Collaboration = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9 -]*$", examples=["ATLAS"])]


class CiteCard(Card):
    """The publication that a card follows, for BibTeX and for HEPData. What is not known is left out.

    `inspire` and `hepdata` are both `ins` and the number of the publication at INSPIRE, after which HEPData names its
    record: with `hepdata` there is one. `journal` is its name, volume, year and page.
    """

    arxiv: ArxivNumber | None = None
    doi: Doi | None = None
    inspire: Record | None = None
    hepdata: Record | None = None
    journal: Journal | None = None
    title: Title | None = None
    collaboration: Collaboration | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> CiteCard:
        if not self.model_dump(exclude_none=True):
            raise ValueError("give at least one key, or leave out cite")
        if self.inspire is not None and self.hepdata is not None and self.inspire != self.hepdata:
            raise ValueError(f"inspire {self.inspire} and hepdata {self.hepdata} are not of one publication")
        if self.title is not None and not _is_balanced(self.title):
            raise ValueError(f"the braces of title {self.title!r} must go in pairs")
        return self

    @property
    def inspire_id(self) -> int | None:
        """The number of the publication at INSPIRE, None if it is not known."""
        record = self.inspire or self.hepdata
        return None if record is None else int(record.removeprefix("ins"))

    def links(self) -> dict[str, str]:
        """The addresses of the publication and of what belongs to it, by the name under which each is known."""
        found = {
            f"arXiv:{self.arxiv}": self.arxiv and f"https://arxiv.org/abs/{self.arxiv}",
            f"doi:{self.doi}": self.doi and f"https://doi.org/{self.doi}",
            f"INSPIRE {self.inspire_id}": self.inspire_id and f"https://inspirehep.net/literature/{self.inspire_id}",
            f"HEPData {self.hepdata}": self.hepdata and f"https://www.hepdata.net/record/{self.hepdata}",
        }
        return {name: str(address) for name, address in found.items() if address}

    def fields(self) -> list[tuple[str, str]]:
        """The fields of a BibTeX entry, names and values without braces."""
        found = []
        if self.collaboration is not None:
            whose = f"{self.collaboration} Collaboration"
            found += [("author", f"{{{whose}}}"), ("collaboration", self.collaboration)]
        if self.title is not None:
            found.append(("title", f"{{{self.title}}}"))
        if self.journal is not None:
            where = re.fullmatch(r"(.+) (\S+) \((\d{4})\) (\S+)", self.journal)
            if where is not None:
                found += zip(("journal", "volume", "year", "pages"), where.groups(), strict=True)
        if self.doi is not None:
            found.append(("doi", self.doi))
        if self.arxiv is not None:
            found += [("eprint", self.arxiv), ("archivePrefix", "arXiv")]
        return found


def _is_balanced(text: str) -> bool:
    """Whether braces open before they close, and all do."""
    depth = 0
    for letter in text:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth < 0:
            return False
    return depth == 0
