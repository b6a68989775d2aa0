"""Analysis cards: one published system, composed of a selection, an input, a model and regions."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from hepad import registry
from hepad.cards.base import Card, CardName, parse_card, read_yaml
from hepad.cards.configured import Configured
from hepad.cards.input import AnyInput
from hepad.cards.resolver import resolve
from hepad.cards.train import TrainCard
from hepad.errors import CardError

__all__ = ["AnalysisCard", "ModelCard", "Published", "RegionName", "RegionSpec", "TrainCard"]
__all__ += ["REGION_KINDS", "load_analysis", "region_keys"]


class ModelCard(Configured):
    """Which scorer; the other keys are its configuration, checked by the class that the scorer has for it."""

    table: ClassVar[registry.Table] = registry.SCORERS


REGION_KINDS: dict[str, tuple[str, str | None]] = {
    "efficiency": ("background_efficiency", None),
    "rate": ("rate_khz", "input_rate_khz"),
    "cross_section": ("cross_section_pb", "background_cross_section_pb"),
    "threshold": ("threshold", None),
}
"""What the command line calls the kinds of a region, and the keys that `OUT/IN` gives."""

RegionName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
"""Regions are branches of score files."""


def region_keys(text: str) -> dict[str, Any]:
    """The keys of a region written as `[SCORE@]KIND:VALUE`, VALUE a number or OUT/IN; `ValueError` for another form.

    After `SCORE@threshold:X` more of the kind may follow, with commas between: all of them are asked for.
    """
    first, *others = text.split(",")
    return {**_first_keys(first), **({"where": dict(map(_bound, others))} if others else {})}


def _bound(text: str) -> tuple[str, dict[str, float]]:
    """The score and the lowest value in `SCORE@threshold:X`."""
    score, _, setting = text.partition("@")
    kind, _, value = setting.partition(":")
    if not score or kind != "threshold":
        raise ValueError(f"{text!r}: after a comma comes SCORE@threshold:X")
    return score, {"min": float(value)}


def _first_keys(text: str) -> dict[str, Any]:
    score, _, setting = text.rpartition("@")
    kind, colon, value = setting.partition(":")
    if not colon or kind not in REGION_KINDS:
        raise ValueError("write efficiency:0.01, rate:OUT/IN, cross_section:OUT[/IN] or threshold:X")
    return {**_kind_keys(kind, value), **({"score": score} if score else {})}


def _kind_keys(kind: str, value: object) -> dict[str, Any]:
    """The keys that `kind: value` stands for."""
    part_key, whole_key = REGION_KINDS[kind]
    part, slash, whole = str(value).partition("/")
    if bool(slash) != bool(whole_key) and not (kind == "cross_section" and not slash):
        raise ValueError(f"{kind} is written {kind}:{'OUT/IN' if whole_key else 'VALUE'}")
    if not isinstance(value, str):
        return {part_key: value}
    return {part_key: float(part), **({whole_key: float(whole)} if whole_key and slash else {})}


def _with_words(schema: dict[str, Any]) -> None:
    """What the words of the command line look like, for the JSON Schema."""
    ratio = {"type": "string", "pattern": "^[^/]+/[^/]+$"}
    words = {"efficiency": {"type": "number"}, "rate": ratio, "cross_section": {"anyOf": [{"type": "number"}, ratio]}}
    schema["properties"] |= words
    schema["type"] = ["object", "string"]


class ScoreRange(Card):
    """Scores at or above `min` and below `max`, of which one at least is given."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> ScoreRange:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if not self.low < self.high:
            raise ValueError(f"min {self.low:g} must be below max {self.high:g}")
        return self

    @property
    def low(self) -> float:
        """The lowest score in it."""
        return -math.inf if self.min is None else self.min

    @property
    def high(self) -> float:
        """Where it ends."""
        return math.inf if self.max is None else self.max


class PolygonCard(Card):
    """The inside of a closed polygon in the plane of two scores."""

    scores: tuple[str, str]
    polygon: tuple[tuple[float, float], ...] = Field(min_length=3, max_length=10_000)


class RegionSpec(Card):
    """How a region's threshold is set on held-out background; exactly one kind.

    `background_efficiency` is a fraction of the selected background; `rate_khz` needs `input_rate_khz`, the rate
    of the selected background; `cross_section_pb` needs `background_cross_section_pb`, that of the selected
    background, unless the events have weights in pb, which give it; `threshold` is the score itself. `score` names a
    score other than the default. With a `threshold`, `where` bounds other scores and `within` names a polygon in the
    plane of two: an event must pass all. The words of the command line are understood too: `rate: 0.5/30`, or the text
    `rate:0.5/30` in place of the whole.
    """

    model_config = ConfigDict(json_schema_extra=_with_words)
    also: ClassVar[tuple[str, ...]] = ("efficiency", "rate", "cross_section")

    background_efficiency: float | None = Field(default=None, gt=0, le=1)
    rate_khz: float | None = Field(default=None, gt=0)
    input_rate_khz: float | None = Field(default=None, gt=0)
    cross_section_pb: float | None = Field(default=None, gt=0)
    background_cross_section_pb: float | None = Field(default=None, gt=0)
    threshold: float | None = None
    score: str | None = None
    where: dict[str, ScoreRange] | None = None
    within: PolygonCard | None = None

    @model_validator(mode="before")
    @classmethod
    def _understands_the_command_line(cls, content: Any) -> Any:
        if isinstance(content, str):
            return region_keys(content)
        if not isinstance(content, dict) or not set(cls.also) & content.keys():
            return content
        own = {key: value for key, value in content.items() if key not in cls.also}
        for kind in (key for key in content if key in cls.also):
            found = _kind_keys(kind, content[kind])
            if found.keys() & own.keys():
                raise ValueError(f"{kind} and {', '.join(found.keys() & own.keys())} are the same: give one of them")
            own |= found
        return own

    @model_validator(mode="after")
    def _has_one_kind(self) -> RegionSpec:
        kinds = [
            k
            for k in ("background_efficiency", "rate_khz", "cross_section_pb", "threshold")
            if getattr(self, k) is not None
        ]
        if len(kinds) != 1:
            raise ValueError(
                f"give one of background_efficiency, rate_khz, cross_section_pb, threshold; found {kinds or 'none'}"
            )
        if self.other_scores and self.threshold is None:
            raise ValueError("where and within go with a threshold: of two scores together no efficiency is known")
        for kind, total in (("rate_khz", "input_rate_khz"), ("cross_section_pb", "background_cross_section_pb")):
            part, whole = getattr(self, kind), getattr(self, total)
            if (part is None) != (whole is None) and not (kind == "cross_section_pb" and whole is None):
                raise ValueError(f"{kind} and {total} go together")
            if part is not None and whole is not None and part > whole:
                raise ValueError(f"{kind} {part:g} exceeds {total} {whole:g}")
        return self

    @property
    def other_scores(self) -> tuple[str, ...]:
        """The scores that it cuts on besides the one of the threshold."""
        return (*(self.where or ()), *(() if self.within is None else self.within.scores))

    @property
    def efficiency(self) -> float | None:
        """The background efficiency asked for; None if the threshold itself is given, or a total is not known yet."""
        if self.background_efficiency is not None:
            return self.background_efficiency
        if self.rate_khz is not None and self.input_rate_khz is not None:
            return self.rate_khz / self.input_rate_khz
        if self.cross_section_pb is not None and self.background_cross_section_pb is not None:
            return self.cross_section_pb / self.background_cross_section_pb
        return None

    def completed(self, background_pb: float | None) -> RegionSpec:
        """The spec with the cross section of the selected background, where it needs one and does not give it.

        `CardError` if that is not known, or less than the region's.
        """
        if self.cross_section_pb is None or self.background_cross_section_pb is not None:
            return self
        if background_pb is None:
            raise CardError(
                f"cross_section_pb {self.cross_section_pb:g} needs that of the selected background: give the cross "
                "sections of the files with --cross-section FILE=PB, or background_cross_section_pb"
            )
        content = {**self.model_dump(exclude_none=True), "background_cross_section_pb": background_pb}
        return parse_card(RegionSpec, content, "region")


Published = dict[str, dict[str, tuple[float, float]]]
"""Signal name to metric name to (value, standard deviation), as printed in the reference."""


class Composition(Card):
    """What the cards of analyses and of methods have in common: where it is from, what it sees, how it is trained."""

    schema_: str = Field(alias="schema")
    name: CardName
    title: str
    reference: str
    fidelity: Literal["exact", "approximate", "inspired"]
    fidelity_note: str = ""
    selection: str
    input: AnyInput
    train: TrainCard = Field(default_factory=TrainCard)
    regions: dict[RegionName, RegionSpec] = Field(default_factory=dict)


class AnalysisCard(Composition):
    """A published system as a composition; `hepad train --model NAME` and the pipeline need nothing else."""

    schema_: Literal["analysis/1"] = Field(alias="schema")
    model: ModelCard
    published: Published = Field(default_factory=dict)

    @model_validator(mode="after")
    def _model_takes_input(self) -> AnalysisCard:
        if self.model.name not in registry.SCORERS:
            raise ValueError(f"unknown model {self.model.name!r}: choose one of {', '.join(sorted(registry.SCORERS))}")
        kinds = registry.SCORERS[self.model.name].inputs
        if self.input.kind not in kinds:
            raise ValueError(f"model {self.model.name} takes {' or '.join(kinds)} input, not {self.input.kind}")
        if self.fidelity == "exact" and not self.published:
            raise ValueError("fidelity exact needs published numbers")
        return self


def load_analysis(name: str) -> AnalysisCard:
    """The analysis card of a bundled name or a path; `CardError` for a published search, which is nothing to train."""
    path = resolve("analyses", name)
    content = read_yaml(path)
    if str(content.get("schema", "")).startswith("search/"):
        raise CardError(
            f"{name} is a published search, not a model to train: use 'hepad reinterpret --analysis {name}'"
        )
    return parse_card(AnalysisCard, content, str(path))
