"""What is known of how well a search is reproduced."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hepad.bundles.citation import arxiv
from hepad.cards.base import validation_summary
from hepad.cards.cite import CiteCard
from hepad.cards.document import no_constant
from hepad.cards.hunt import HuntCard
from hepad.cards.plane import PlaneCard
from hepad.cards.search import SearchCard
from hepad.errors import CardError, CheckFailedError
from hepad.output.closing import command_of
from hepad.pipeline.analysis.vectors import ValidateReport
from hepad.pipeline.reinterpret.report import Result
from hepad.pipeline.reinterpret.rows import CutRow, LimitRow, RegionRow
from hepad.pipeline.verify.report import Check
from hepad.search.channels import Channel

__all__ = ["Earlier", "Tried", "ValidationReport"]


@dataclass(frozen=True)
class Tried:
    """A sample that was held against the search: the acceptance in the region of its limits, and these, in pb.

    `reason` says why there is no limit, or what the verdict rests on.
    """

    sample: str
    events: int
    region: str
    acceptance: RegionRow
    limit: LimitRow
    reason: str
    cutflow: tuple[CutRow, ...]

    @classmethod
    def of(cls, sample: str, result: Result) -> Tried:
        """What a reinterpretation found."""
        own, region = result.sample, result.search.signal_region
        reasons = [*dict.fromkeys(row.reason.text for row in own.no_limit)]
        without = own.limit.expected is None
        return cls(
            sample=sample,
            events=own.events,
            region=region,
            acceptance=own.acceptance[region],
            limit=own.limit,
            reason="; ".join(reasons) or result.verdict.reason if without else "",
            cutflow=own.cutflow,
        )

    def to_json(self) -> dict[str, Any]:
        """All numbers in JSON types."""
        return {
            "sample": self.sample,
            "events": self.events,
            "region": self.region,
            "acceptance": self.acceptance.to_json(),
            **self.limit.to_json(),
            "reason": self.reason,
            "cutflow": [asdict(row) for row in self.cutflow],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Tried:
        """What `to_json` made."""
        return cls(
            sample=content["sample"],
            events=content["events"],
            region=content["region"],
            acceptance=RegionRow.from_json(content["acceptance"]),
            limit=LimitRow.from_json(content),
            reason=content["reason"],
            cutflow=tuple(CutRow(**row) for row in content["cutflow"]),
        )


@dataclass(frozen=True)
class Earlier:
    """Samples that were tried by an earlier call, of files that do not ship: what its validation.json holds."""

    analysis: str
    tried: Sequence[Tried]
    provenance: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Earlier:
        """The record of a file that ships; `CardError` if it is none, or holds what none has."""
        from hepad.pipeline.schemas.analysis import Record

        try:
            text = path.read_text(encoding="utf-8")
            content = json.loads(text, parse_constant=no_constant)
            TypeAdapter(Record).validate_json(text, strict=True)
            command_of(content["provenance"])  # which the page tells
            tried = [Tried.from_json(one) for one in content["samples"]]
            return cls(content["analysis"], tried, content["provenance"])
        except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
            why = (
                validation_summary(error) if isinstance(error, ValidationError) else f"{type(error).__name__}: {error}"
            )
            raise CardError(f"{path} is no validation.json of hepad analysis validation ({why})") from error

    def is_of(self, cards: Mapping[str, str]) -> bool:
        """Whether the card was the same then."""
        return all(self.provenance["cards"].get(name) == sha for name, sha in cards.items())


@dataclass(frozen=True)
class ValidationReport:
    """The card of a search or hunt, and what the bundled data let one say of it.

    `channels` are those of a search whose spectrum is published. `vectors` is None if it has no test vectors.
    `left_out` says of samples why the search cannot read them. `earlier` are those of a record that ships, None if
    there is none.
    """

    card: SearchCard | HuntCard | PlaneCard
    checks: Sequence[Check] = ()
    channels: Sequence[Channel] = ()
    vectors: ValidateReport | None = None
    tried: Sequence[Tried] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    earlier: Earlier | None = None
    output: Path | None = None

    @property
    def links(self) -> dict[str, str]:
        """The addresses of the publication, by who keeps it."""
        if self.card.cite is not None:
            return self.card.cite.links()
        number = arxiv(self.card.reference)
        return CiteCard(arxiv=number).links() if number else {}

    @property
    def measured(self) -> list[Check]:
        """The published numbers that there is something beside."""
        return [check for check in self.checks if check.found is not None]

    def content(self) -> dict[str, Any]:
        """All of it in JSON types, wherever it is written to."""
        return {
            "analysis": self.card.name,
            "title": self.card.title,
            "reference": self.card.reference,
            "links": self.links,
            "fidelity": self.card.fidelity,
            "fidelity_note": self.card.fidelity_note,
            "published": [check.to_json() for check in self.checks],
            "vectors": None if self.vectors is None else _vectors(self.vectors),
            "samples": [one.to_json() for one in self.tried],
            "left_out": dict(self.left_out),
            "earlier": [] if self.earlier is None else [one.to_json() for one in self.earlier.tried],
        }

    def to_json(self) -> dict[str, Any]:
        """The content of validation.json, and where it is."""
        return {**self.content(), "output": None if self.output is None else str(self.output)}

    def check(self) -> None:
        """Raise `CheckFailedError` if a number of an exact card is off, or the test vectors are not met."""
        broken = [check.quantity for check in self.checks if check.fidelity == "exact" and check.is_off]
        if broken:
            raise CheckFailedError(f"{self.card.name} claims to be exact and is off: {'; '.join(broken)}")
        if self.vectors is not None:
            self.vectors.check()


def _vectors(report: ValidateReport) -> dict[str, Any]:
    """Without the folder where they are."""
    return {**report.to_json(), "vectors": report.vectors.name}
