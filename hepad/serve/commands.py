"""What a form says as words of commands: the whole of what the web page can make hepad do.

Every word is a name from a list of what ships with hepad, a number that was parsed and is written anew, or a file name
that the server chose. Text of the user is in none of them, but for the name of a histogram, of harmless letters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hepad.errors import UsageError
from hepad.printable import printable
from hepad.serve.network import network_files
from hepad.serve.store import Step

__all__ = [
    "ALL",
    "KINDS",
    "RESULTS",
    "Kind",
    "Plan",
    "choices",
    "gallery",
    "known_ending",
    "pasted",
    "plan",
    "run_words",
    "stored_name",
]

ALL = "all"
"""What stands for every search."""

RESULTS: Mapping[str, frozenset[int]] = {
    "analysis": frozenset({0, 7}),  # 7: it does not give the numbers that it should, which is said
    "reinterpret": frozenset({0}),
    "score": frozenset({0}),
    "bumphunt": frozenset({0}),
    "import-model": frozenset({0}),
    "latency": frozenset({0, 7}),  # 7: it does not fit, which is an answer
}
"""The exit codes of each verb that come with a result."""

_COUNTING = frozenset({"analysis", "bumphunt", "reinterpret", "score"})
"""Verbs that say how far they are."""

_ENDINGS = frozenset(
    {".root", ".h5", ".hdf5", ".npz", ".csv", ".json", ".lhe", ".hepmc", ".hepmc2", ".hepmc3", ".parquet", ".onnx"}
)
_PACKED = frozenset({".gz", ".bz2", ".xz"})


def _blank(value: object) -> object:
    """An empty field is one that is not there."""
    return None if isinstance(value, str) and not value.strip() else value


_Positive = Annotated[float, Field(gt=0, lt=1e30, allow_inf_nan=False)]
_Edge = Annotated[float, Field(ge=0, lt=1e30, allow_inf_nan=False)]
Number = Annotated[_Positive | None, BeforeValidator(_blank)]
_Histogram = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_ ./+()\[\]-]*$")]
Whole = Annotated[int, Field(ge=0, le=2**31)]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Reinterpret(_Form):
    analysis: str
    xsec: Number = None
    luminosity: Number = None
    sqrt_s: Number = None


class _Validation(_Form):
    analysis: str


class _Score(_Form):
    model: str


class _BumpHunt(_Form):
    histogram: Annotated[_Histogram | None, BeforeValidator(_blank)] = None
    function: str = "auto"
    low: Annotated[_Edge | None, BeforeValidator(_blank)] = None
    high: Number = None
    toys: Literal["100", "1000", "10000"] = "1000"
    seed: Whole = 0


class _Latency(_Form):
    model: str
    budget: str
    score: Literal["log_mae", "mae", "mse", "mu2", "output"] = "mse"


@dataclass(frozen=True)
class Plan:
    """A job to be: what it is called, its steps, and the files beside those of the user that they need."""

    title: str
    steps: tuple[Step, ...]
    made: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """A page with a form: what it asks, which files it takes, and the words it makes of both."""

    title: str
    files: tuple[int, int]
    """The least and the largest number of files."""
    stem: str
    """What the server calls a file of it."""
    about: str
    button: str
    plan: Callable[[Mapping[str, str], Sequence[str]], Plan]


def searches() -> dict[str, str]:
    """The published searches by name, with their titles."""
    return _titles("analyses", "search")


@cache
def _titles(catalogue: str, kind: str | None = None) -> dict[str, str]:
    from hepad.pipeline.catalogue import catalogue as rows

    return {row["name"]: row["title"] for row in rows(catalogue) if kind is None or row["kind"] == kind}


def hunts() -> dict[str, str]:
    """The searches that learn from the data by name, with their titles."""
    return _titles("hunts")


def models() -> dict[str, str]:
    """The bundled models by name, with their titles."""
    return _titles("models")


def functions() -> dict[str, str]:
    """The bundled background functions by name, with their titles."""
    return _titles("fits")


def budgets() -> dict[str, str]:
    """The bundled budgets by name, with their titles."""
    return _titles("budgets")


def choices(kind: str) -> dict[str, dict[str, str]]:
    """What the lists of a form have in them."""
    found = {
        "reinterpret": {"searches": searches},
        "score": {"models": models},
        "bumphunt": {"functions": functions},
        "latency": {"models": models, "budgets": budgets},
        "validation": {"searches": lambda: searches() | hunts()},
    }
    return {name: make() for name, make in found[kind].items()}


@cache
def gallery() -> list[Mapping[str, str]]:
    """The published searches, with what each says of its fidelity."""
    from hepad.cards.search import load_search

    cards = [load_search(name)[0] for name in searches()]
    return [
        {
            "name": card.name,
            "title": card.title,
            "fidelity": card.fidelity,
            "note": card.fidelity_note or "",
            "reference": card.reference,
        }
        for card in cards
    ]


def pasted(text: str) -> str:
    """A pasted table as CSV: low edge, high edge, events[, background] a line, between commas, semicolons or blanks."""
    rows: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        cells = re.split(r"[,;\s]+", line.strip(" ,;\t"))
        if not line.strip() or (not rows and not _is_number(cells[0])):  # a heading
            continue
        wrong = next((cell for cell in cells if not _is_number(cell)), None)
        if wrong is not None or len(cells) not in (3, 4):
            found = f"{len(cells)} numbers" if wrong is None else repr(printable(wrong)[:40])
            raise UsageError(
                f"line {number} of the numbers has {found}: write low edge, high edge, events, a bin a line"
            )
        rows.append(",".join(cells))
    if not rows:
        raise UsageError("the numbers have no line with numbers: write low edge, high edge, events, a bin a line")
    return "\n".join(rows) + "\n"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def plan(kind: str, fields: Mapping[str, str], files: Sequence[str]) -> Plan:
    """The steps that a form asks for; `UsageError` in one line that names the field at fault."""
    least, most = KINDS[kind].files
    if not least <= len(files) <= most:
        raise UsageError(
            "no file was given: choose one, or several of one sample" if not files else f"at most {most} files at once"
        )
    try:
        return KINDS[kind].plan(fields, files)
    except ValidationError as error:
        first = error.errors()[0]
        name = " ".join(map(str, first["loc"]))
        field = _LABELS.get(name, name) or "the form"
        found = printable(str(first.get("input", "")))[:80]
        raise UsageError(f"{field} {found!r}: {first['msg'][:1].lower()}{first['msg'][1:]}") from error


_LABELS: Mapping[str, str] = {
    "xsec": "Cross section",
    "luminosity": "Luminosity",
    "sqrt_s": "Collision energy",
    "histogram": "Name of the histogram",
    "low": "Range from",
    "high": "Range to",
    "toys": "Pseudo-experiments",
}
"""What the page calls the fields of its forms."""


def run_words(words: Sequence[str]) -> list[str]:
    """The words of a step as it is run: it also says how far it is, and what it found, for the page."""
    return [*words, "--json", *(["--progress", "json"] if words[0] in _COUNTING else [])]


def stored_name(stem: str, number: int, shown: str) -> str:
    """The name of an upload on disk: of what the user called it only an ending that is known is kept."""
    ending, packed = known_ending(shown)
    return f"{stem}{'' if number == 1 else f'-{number}'}{ending or '.dat'}{packed}"


def known_ending(name: str) -> tuple[str, str]:
    """The ending of a name, if it is one of files that hepad reads, and that of packed files after it."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name.replace("\\", "/")).suffixes[-2:]]
    packed = suffixes.pop() if suffixes and suffixes[-1] in _PACKED else ""
    return suffixes[-1] if suffixes and suffixes[-1] in _ENDINGS else "", packed


def _one_of(field: str, value: str, names: Mapping[str, str]) -> str:
    if value not in names:
        raise UsageError(
            f"{field} {printable(value)[:80]!r} is none of those that ship with hepad; choose one of the list"
        )
    return value


def _option(name: str, value: float | None) -> list[str]:
    return [] if value is None else [name, _written(value)]


def _written(value: float) -> str:
    """A number with all its digits."""
    return repr(value) if value % 1 else f"{value:.0f}"


def _reinterpret(fields: Mapping[str, str], files: Sequence[str]) -> Plan:
    form = _Reinterpret.model_validate(fields)
    name = ALL if form.analysis == ALL else _one_of("search", form.analysis, searches())
    more = [
        *_option("--xsec", form.xsec),
        *_option("--luminosity", form.luminosity),
        *_option("--sqrt-s", form.sqrt_s),
    ]
    title = "every search" if name == ALL else name
    words = ("reinterpret", *files, "--analysis", name, *more, "-o", "result")
    return Plan(title, (Step(title=title, words=words, output="result"),))


def _validation(fields: Mapping[str, str], files: Sequence[str]) -> Plan:
    form = _Validation.model_validate(fields)
    name = _one_of("search", form.analysis, searches() | hunts())
    words = ("analysis", "validation", name, *files, "-o", "result")
    return Plan(name, (Step(title=name, words=words, output="result"),))


def _score(fields: Mapping[str, str], files: Sequence[str]) -> Plan:
    form = _Score.model_validate(fields)
    model = _one_of("model", form.model, models())
    words = ("score", *files, "--model", model, "-o", "scores.root")
    return Plan(model, (Step(title=model, words=words, output="scores.root"),))


def _bumphunt(fields: Mapping[str, str], files: Sequence[str]) -> Plan:
    form = _BumpHunt.model_validate(fields)
    function = form.function if form.function == "auto" else _one_of("function", form.function, functions())
    ends: list[str] = []
    if form.low is not None and form.high is not None and form.low < form.high:
        ends = ["--range", f"{_written(form.low)}:{_written(form.high)}"]
    elif (form.low, form.high) != (None, None):
        raise UsageError("range: give both ends, the lower one first, or neither")
    spectrum = files[0] if form.histogram is None else f"{files[0]}:{form.histogram}"
    words = (
        "bumphunt",
        spectrum,
        "--function",
        function,
        *ends,
        "--toys",
        form.toys,
        "--seed",
        str(form.seed),
        "-o",
        "result",
    )
    return Plan(form.histogram or "a spectrum", (Step(title=function, words=words, output="result"),))


def _latency(fields: Mapping[str, str], files: Sequence[str]) -> Plan:
    form = _Latency.model_validate(fields)
    model, budget = _one_of("model", form.model, models()), _one_of("budget", form.budget, budgets())
    if files:
        return _network(model, budget, form.score, files[0])
    words = ("latency", "--model", model, "--budget", budget, "-o", "result")
    return Plan(f"{model}, {budget}", (Step(title=model, words=words, output="result"),))


def _network(model: str, budget: str, score: str, file: str) -> Plan:
    """A network of the user that reads what a bundled model reads; card and scale are made of that model's."""
    made = network_files(model, score)
    scale = ["--scale", "scale.npz"] if "scale.npz" in made else []
    imported = ("import-model", file, "--card", "card.yaml", *scale, "-o", "network")
    words = ("latency", "--model", "network", "--budget", budget, "-o", "result")
    steps = (
        Step(title="the network", words=imported, output="network", prepares=True),
        Step(title=file, words=words, output="result"),
    )
    return Plan(f"a network that reads what {model} reads, {budget}", steps, made)


KINDS: Mapping[str, Kind] = {
    "reinterpret": Kind(
        "Is my model excluded?",
        (1, 20),
        "events",
        "Events of a signal, and a published search: acceptance, spectra, limits, and whether it is excluded.",
        "Find out",
        _reinterpret,
    ),
    "score": Kind(
        "Score my events",
        (1, 20),
        "events",
        "How anomalous each event is for a model that ships with hepad.",
        "Score",
        _score,
    ),
    "bumphunt": Kind(
        "Hunt a bump in my histogram",
        (1, 1),
        "spectrum",
        "The most significant excess in a mass spectrum, and how often background alone gives one like it.",
        "Hunt",
        _bumphunt,
    ),
    "latency": Kind(
        "Does it fit the trigger?",
        (0, 1),
        "network",
        "Latency and resources of a model that ships with hepad against a budget, in the logic of a trigger or on a "
        "processor, where it may be a network of your own.",
        "Find out",
        _latency,
    ),
    "validation": Kind(
        "Can a search be trusted?",
        (0, 20),
        "events",
        "How well a search is reproduced: its publication and fidelity, published numbers beside ours, test vectors, "
        "and what it makes of samples.",
        "Find out",
        _validation,
    ),
}
"""The pages with forms, in the order of the menu."""
