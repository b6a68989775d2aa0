"""`hepad explain`: of objects, and of the pixels of images."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.pipeline.explain.objects import SampleRow
from hepad.pipeline.schemas.parts import Provenance

__all__ = ["Printed", "Written"]


class OfObjects(TypedDict):
    """The shares of objects and columns in the score."""

    model: str
    score: str
    samples: list[SampleRow]


class Pixel(TypedDict):
    """A pixel of a large part."""

    channel: str
    eta: int
    """Its place."""
    phi: int
    input: float
    part: float
    """Of the score."""


class Event(TypedDict):
    """An event of a high score: the parts of all pixels sum to score - baseline - missing."""

    file: int
    """Its place among the files of the sample, from 0."""
    entry: int
    score: float
    baseline: float
    missing: float
    pixels: list[Pixel]
    """Those of the largest parts."""


class Sample(TypedDict):
    """A sample."""

    sample: str
    events: int
    """In the region."""
    mean_of: int
    """Events that the means are of."""
    mean_score: float
    mean_baseline: float
    incomplete: float
    """The largest part of score - baseline of an event that is not shared out."""
    top: list[Event]


class OfPixels(TypedDict):
    """The parts of pixels of an image in the score; the maps are in the files."""

    model: str
    score: str
    method: str
    """exact, or path: integrated gradients."""
    region: str | None
    channels: list[str]
    samples: list[Sample]


class OfObjectsPrinted(OfObjects):
    """The shares of objects and columns in the score, and where they were written."""

    output: str | None


class OfPixelsPrinted(OfPixels):
    """The parts of pixels of an image in the score, and where they were written."""

    output: str | None


class OfObjectsFile(OfObjects):
    """The shares of objects and columns in the score, with their provenance."""

    provenance: Provenance


class OfPixelsFile(OfPixels):
    """The parts of pixels of an image in the score, with their provenance."""

    provenance: Provenance


Printed = OfObjectsPrinted | OfPixelsPrinted
Written = OfObjectsFile | OfPixelsFile
