"""What several outputs have in them."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

__all__ = ["P0", "Arguments", "CutStep", "InputFile", "Provenance", "SpectrumInfo"]


class InputFile(TypedDict):
    """A file or folder that went in."""

    name: str
    """Without folders."""
    bytes: int | None
    """Null if the file could not be read and was left out."""
    sha256: str | None
    """Hexadecimal; of a folder, that of a line `sha256  name` for each file below it."""
    folder: NotRequired[bool]
    """True for a folder."""
    skipped: NotRequired[str]
    """Why the file was left out."""
    whole: NotRequired[str]
    """Why the file was read as a whole."""


class Arguments(TypedDict):
    """The command as a machine runs it again."""

    words: list[str]
    """`{k}` stands for the k-th of the provenance's `inputs` followed by `files`, `{j,k}` for a folder of these."""
    files: list[InputFile]
    """Files of the command that are no inputs."""


class Provenance(TypedDict):
    """Where an output came from; `hepad replay` makes it again."""

    hepad: str
    """The version of hepad."""
    python: str
    """The version of Python."""
    packages: dict[str, str]
    """Versions of the packages that matter, by name."""
    command: str
    """One line, for people."""
    arguments: NotRequired[Arguments]
    seed: int | None
    """Of the random numbers; null if there is none."""
    inputs: list[InputFile]
    cards: dict[str, str]
    """The sha256 of cards and bundles, by name."""


class CutStep(TypedDict):
    """A step of a selection, and what is left after it."""

    name: str
    events: int
    weight: float
    """The sum of weights."""
    weight_error: float
    """The root of the sum of squared weights."""


class SpectrumInfo(TypedDict):
    """A spectrum of masses."""

    name: str
    bins: int
    range: tuple[float, float]
    """GeV."""
    weighted: bool
    """Whether the bins hold weighted events."""


class P0(TypedDict):
    """The excess of the data over the background: q0 of arXiv:1007.1727."""

    p0: float
    """The local p-value, never 0; 0.5 for a deficit."""
    log10_p0: float
    """Exact where `p0` underflows."""
    z: float
    """One-sided Gaussian significance, 0 for a deficit."""
    q0: float
    mu: float
    """The best signal strength, at least 0."""
    p0_error: NotRequired[float | None]
    """With toys: the statistical error of `p0`; null where it is a bound."""
    p0_toys: NotRequired[int]
    """With toys: their number per hypothesis."""
    p0_is_bound: NotRequired[bool]
    """With toys: whether `p0` is an upper bound, as no toy was as far out."""
