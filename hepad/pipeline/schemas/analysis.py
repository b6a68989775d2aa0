"""`hepad analysis` and its commands."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from hepad.cards.base import Fault
from hepad.execution.run import Skipped
from hepad.pipeline.analysis.compare import Comparison
from hepad.pipeline.reinterpret.rows import CutRow
from hepad.pipeline.schemas.parts import Provenance
from hepad.pipeline.schemas.reinterpret import Limits, RegionAcceptance
from hepad.pipeline.schemas.verify import Check as PublishedNumber

__all__ = [
    "Background",
    "BackgroundFile",
    "Check",
    "Hepdata",
    "Package",
    "Record",
    "Validate",
    "Validation",
    "ValidationFile",
    "Vectors",
    "Workflow",
]


class Yield(TypedDict):
    """Background in a region."""

    events: int
    cross_section_pb: float
    error_pb: float
    """Of finite simulation."""


class Category(TypedDict):
    """A category of the search."""

    name: str
    selection: dict[str, Any]
    """The card, of `hepad schema selection`."""
    bundle: str | None
    """The sha256 of its model; null if it has none."""
    kept_above: dict[str, float]
    """The lowest threshold, by score."""
    kept_all: bool
    """Whether every selected event was kept: of a category without a model, or with the region `all`."""
    regions: dict[str, Yield]


class BackgroundSample(TypedDict):
    """A file of events."""

    name: str
    pb_per_weight: float


class _Background(TypedDict):
    """The simulated background of a search."""

    schema: str
    analysis: str
    categories: list[Category]
    files: list[BackgroundSample]
    skipped: list[Skipped]


class Background(_Background):
    """The simulated background of a search, and where it was written."""

    output: str


class BackgroundFile(_Background):
    """The simulated background of a search, with its provenance."""

    provenance: Provenance


class Check(TypedDict):
    """What is wrong with a card."""

    card: str
    kind: str
    """Of the card, empty if it cannot be read."""
    faults: list[Fault]


class Listed(TypedDict):
    """A publication."""

    inspire_id: int
    names: list[str]
    """Of its cards."""


class Hepdata(TypedDict):
    """What was written into `analyses.json`."""

    analyses: list[Listed]
    left_out: list[str]
    """Cards without a number at INSPIRE."""
    output: str


class Member(TypedDict):
    """A file of an archive."""

    path: str
    bytes: int
    sha256: str


class Package(TypedDict):
    """An archive of an analysis."""

    analysis: str
    sha256: str
    """Of the archive, to be told to whoever unpacks it."""
    bytes: int
    """Of all files."""
    card: str
    """Which of the files."""
    files: list[Member]
    has_vectors: bool
    provenance: Provenance
    output: str


class Validate(TypedDict):
    """An analysis held against its test vectors."""

    analysis: str
    passed: bool
    events: int
    tolerance: float
    comparisons: list[Comparison]
    changed: list[str]
    """Cards and bundles that are not those the vectors were made with."""
    vectors: str


class Vectors(TypedDict):
    """Test vectors that were written."""

    analysis: str
    events: int
    selected: dict[str, int]
    """Events, by category."""


class Workflow(TypedDict):
    """A workflow that was written."""

    analysis: str
    archive: str
    sha256: str
    output: str


class Tried(Limits):
    """A sample that was held against the search, and the limits on it."""

    sample: str
    events: int
    region: str
    """Of the limits."""
    acceptance: RegionAcceptance
    reason: str
    """Why there is no limit; empty if there is one."""
    cutflow: list[CutRow]


class _Validation(TypedDict):
    """How far a search can be trusted."""

    analysis: str
    title: str
    reference: str
    links: dict[str, str]
    """Addresses of the publication, by who keeps it."""
    fidelity: str
    fidelity_note: str
    published: list[PublishedNumber]
    vectors: Validate | None
    """Null if it has no test vectors."""
    samples: list[Tried]
    left_out: dict[str, str]
    """Why the search cannot read a sample."""
    earlier: list[Tried]
    """What a record that ships has of samples that do not."""


class Record(TypedDict):
    """What is read again of `validation.json`, also of one that an older hepad wrote."""

    analysis: str
    samples: list[Tried]
    provenance: Provenance


class Validation(_Validation):
    """How far a search can be trusted, and where that was written."""

    output: str | None


class ValidationFile(_Validation):
    """How far a search can be trusted, with its provenance."""

    provenance: Provenance
