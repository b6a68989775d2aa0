"""What a reinterpretation found: the records that are written to `reinterpret.json`, and read back from it.

The page, the HEPData tables, the terminal and the Python API read these; nothing but `to_json` and `from_json` knows
the keys of the file. `rows` has their parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hepad.execution.run import Skipped
from hepad.pipeline.reinterpret.rows import (
    CONTROL,
    ChannelRow,
    CombinedRow,
    CurveVerdictRow,
    CutRow,
    JetsRow,
    LimitRow,
    NoLimitRow,
    RegionRow,
    SearchRow,
    VerdictRow,
)
from hepad.stats.limits.exclusion import Excluded
from hepad.stats.scores.acceptance import Acceptance

__all__ = ["CurveRow", "FilesRow", "PointRow", "Result", "SampleRow"]


@dataclass(frozen=True)
class SampleRow:
    """What a search says of one sample: `acceptance` by region, `channels` by name.

    `combined` is None if the search sets no limits, `jets` if no error of their energy was asked for; `overlaps` is, by
    two channels, the part of the signal events of the first that the second has too.
    """

    events: int
    sum_weights: float
    generated_events: int
    generated_weight: float
    cross_section_pb: float | None
    cutflow: tuple[CutRow, ...]
    acceptance: Mapping[str, RegionRow]
    channels: Mapping[str, ChannelRow]
    combined: CombinedRow | None
    overlaps: Mapping[str, Mapping[str, float]]
    verdict: VerdictRow
    no_limit: tuple[NoLimitRow, ...]
    jets: JetsRow | None = None

    @property
    def limit(self) -> LimitRow:
        """The limit of all channels, without a number if the search sets none."""
        return LimitRow() if self.combined is None else self.combined.limit

    @property
    def disjoint(self) -> bool:
        """Whether no signal event is in two channels."""
        return not any(part for a, row in self.overlaps.items() for b, part in row.items() if a != b)

    @property
    def binned(self) -> bool:
        """Whether the channels are bins that are fitted together."""
        return any(group.reason.cause == CONTROL for group in self.no_limit)

    def to_json(self) -> dict[str, Any]:
        """All of it in JSON types."""
        return {
            "events": self.events,
            "sum_weights": self.sum_weights,
            "generated": {"events": self.generated_events, "sum_weights": self.generated_weight},
            "cross_section_pb": self.cross_section_pb,
            "cutflow": [asdict(row) for row in self.cutflow],
            "acceptance": {region: row.to_json() for region, row in self.acceptance.items()},
            "channels": {name: row.to_json() for name, row in self.channels.items()},
            "combined": None if self.combined is None else self.combined.to_json(),
            "overlaps": {name: dict(row) for name, row in self.overlaps.items()},
            "verdict": self.verdict.to_json(),
            "no_limit": [row.to_json() for row in self.no_limit],
            "jet_energy_scale": None if self.jets is None else asdict(self.jets),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SampleRow:
        """What `to_json` made, among other keys."""
        generated, combined, jets = content["generated"], content["combined"], content["jet_energy_scale"]
        return cls(
            events=content["events"],
            sum_weights=content["sum_weights"],
            generated_events=generated["events"],
            generated_weight=generated["sum_weights"],
            cross_section_pb=content["cross_section_pb"],
            cutflow=tuple(CutRow(**row) for row in content["cutflow"]),
            acceptance={region: RegionRow.from_json(row) for region, row in content["acceptance"].items()},
            channels={name: ChannelRow.from_json(row) for name, row in content["channels"].items()},
            combined=None if combined is None else CombinedRow.from_json(combined),
            overlaps=content["overlaps"],
            verdict=VerdictRow(**content["verdict"]),
            no_limit=tuple(NoLimitRow.from_json(row) for row in content["no_limit"]),
            jets=None if jets is None else JetsRow(**jets),
        )


@dataclass(frozen=True)
class PointRow:
    """A mass point and what the search says of its sample; `acceptance` is that of the region of the limits."""

    mass_gev: float
    acceptance: Acceptance
    sample: SampleRow
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The point as a row of a table, and the parts of its answer: `acceptances` are those of all regions."""
        parts, limit = self.sample.to_json(), self.sample.limit
        return {
            "mass_gev": self.mass_gev,
            "cross_section_pb": parts.pop("cross_section_pb"),
            "acceptance": self.acceptance.to_json(),
            "limit_pb_expected": limit.expected,
            "limit_pb_expected_band": None if limit.expected_band is None else list(limit.expected_band),
            "limit_pb_observed": limit.observed,
            "verdict": parts.pop("verdict"),
            "acceptances": parts.pop("acceptance"),
            **parts,
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PointRow:
        """What `to_json` made."""
        sample = SampleRow.from_json({**content, "acceptance": content["acceptances"]})
        return cls(content["mass_gev"], Acceptance(**content["acceptance"]), sample, tuple(content["warnings"]))


@dataclass(frozen=True)
class CurveRow:
    """Points in rising mass, and the masses that are excluded: expected to be, and observed, None without data."""

    points: tuple[PointRow, ...]
    excluded_expected_gev: tuple[Excluded, ...]
    excluded_observed_gev: tuple[Excluded, ...] | None
    verdict: CurveVerdictRow

    def to_json(self) -> dict[str, Any]:
        """The table of points and the excluded masses in JSON types; the verdict is that of the whole result."""
        observed = self.excluded_observed_gev
        return {
            "table": [point.to_json() for point in self.points],
            "excluded_expected_gev": [asdict(one) for one in self.excluded_expected_gev],
            "excluded_observed_gev": None if observed is None else [asdict(one) for one in observed],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], verdict: Mapping[str, Any]) -> CurveRow:
        """What `to_json` made, with the verdict of the whole result."""
        expected, observed = content["excluded_expected_gev"], content["excluded_observed_gev"]
        return cls(
            tuple(PointRow.from_json(point) for point in content["table"]),
            tuple(Excluded(**one) for one in expected),
            None if observed is None else tuple(Excluded(**one) for one in observed),
            CurveVerdictRow.from_json(verdict),
        )


@dataclass(frozen=True)
class FilesRow:
    """How many files the sample and each point have: with the provenance, this says which have which."""

    sample: int
    points: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Both in JSON types."""
        return {"sample": self.sample, "points": list(self.points)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FilesRow:
        """What `to_json` made."""
        return cls(content["sample"], tuple(content["points"]))


@dataclass(frozen=True)
class Result:
    """All of a reinterpretation: a sample, and an exclusion curve if there are mass points.

    `mass_gev` is that of the point that is the sample, None if none is. `skipped` are the files that were left out, by
    their place among the inputs of the `provenance`, which is the record that every output of hepad carries.
    """

    analysis: str
    search: SearchRow
    sample: SampleRow
    mass_gev: float | None
    warnings: tuple[str, ...]
    files: FilesRow
    skipped: tuple[Skipped, ...]
    curve: CurveRow | None
    provenance: dict[str, Any]

    @property
    def verdict(self) -> VerdictRow:
        """The answer: that of the curve if there is one."""
        return self.sample.verdict if self.curve is None else self.curve.verdict

    def to_json(self) -> dict[str, Any]:
        """The content of `reinterpret.json`."""
        return {
            "analysis": self.analysis,
            "search": asdict(self.search),
            **self.sample.to_json(),
            "verdict": self.verdict.to_json(),
            "warnings": list(self.warnings),
            "skipped": [asdict(one) for one in self.skipped],
            "sample": {"mass_gev": self.mass_gev, "verdict": self.sample.verdict.to_json()},
            "files": self.files.to_json(),
            "points": None if self.curve is None else self.curve.to_json(),
            "provenance": self.provenance,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Result:
        """What `to_json` made; `KeyError`, `TypeError` or `ValueError` for most else."""
        own, points = content["sample"], content["points"]
        return cls(
            analysis=content["analysis"],
            search=SearchRow(**content["search"]),
            sample=SampleRow.from_json({**content, "verdict": own["verdict"]}),
            mass_gev=own["mass_gev"],
            warnings=tuple(content["warnings"]),
            files=FilesRow.from_json(content["files"]),
            skipped=tuple(Skipped(**one) for one in content["skipped"]),
            curve=None if points is None else CurveRow.from_json(points, content["verdict"]),
            provenance=content["provenance"],
        )
