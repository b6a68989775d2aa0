"""Hold a signal against every search that ships and can read its files, and rank the searches by what they expect."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hepad.cards.search import search_names
from hepad.errors import CardError, HepadError, InputDataError, MissingExtraError, OutputError, UsageError
from hepad.execution.run import Skipped
from hepad.io.reader import expand_files
from hepad.output.atomic import check_files, check_folder, check_place, write_files
from hepad.output.closing import closing
from hepad.output.csv_rows import csv_text
from hepad.output.document import Answer, Block, Files, Heading, Notes, Table, Text, merged
from hepad.output.json_text import json_text
from hepad.output.latex import TABLES, TABLES_FILE, to_latex
from hepad.output.page import to_html
from hepad.paths import InputPath
from hepad.pipeline.reinterpret.output import PAGE
from hepad.pipeline.reinterpret.report import Result
from hepad.pipeline.reinterpret.run import ReinterpretOptions, reinterpret
from hepad.pipeline.reinterpret.words import percent, verdict_tone
from hepad.provenance import command_line, provenance
from hepad.stats.scores.acceptance import Acceptance

__all__ = ["EVERY", "HEADER", "RankedRow", "Ranking", "ranked_cells", "reinterpret_every", "without_hints"]

EVERY = "all"
"""The name of no search, by which all are asked for."""

HEADER = ("search", "acceptance", "expected [pb]", "observed [pb]", "xsec / expected", "verdict")
OnSearch = Callable[[str, int, int], None]

_VERB = "reinterpret"
_FILES = ("report.html", TABLES, "ranking.json", "ranking.csv")


@dataclass(frozen=True)
class RankedRow:
    """What one search says: the acceptance in the region of its limits, its limits in pb at 95 % CL, its verdict.

    `strength` is the cross section of the signal over the expected limit, None without either: above 1 the search
    expects to exclude the signal.
    """

    search: str
    title: str
    reference: str
    fidelity: str
    region: str
    acceptance: Acceptance | None
    expected_pb: float | None
    observed_pb: float | None
    strength: float | None
    status: str
    reason: str

    @classmethod
    def of(cls, result: Result) -> RankedRow:
        """The row of one search's result."""
        search, sample = result.search, result.sample
        limit, section = sample.limit, sample.cross_section_pb
        return cls(
            result.analysis,
            search.title,
            search.reference,
            search.fidelity,
            search.signal_region,
            sample.acceptance.get(search.signal_region),
            limit.expected,
            limit.observed,
            None if section is None or limit.expected is None else section / limit.expected,
            result.verdict.status,
            result.verdict.reason,
        )

    def to_json(self) -> dict[str, Any]:
        """All of it in JSON types."""
        kept = None if self.acceptance is None else Acceptance.to_json(self.acceptance)
        return {
            **vars(self),
            "acceptance": kept and {key: kept[key] for key in ("value", "error", "events", "upper_95")},
        }


@dataclass(frozen=True)
class Ranking:
    """The searches in falling order of what they expect, and why the others could not say anything.

    `skipped` are the files that were left out, the same of all searches that are ranked; `warnings` are theirs, each
    with the names of those that have it.
    """

    cross_section_pb: float | None
    rows: tuple[RankedRow, ...]
    left_out: Mapping[str, str]
    provenance: Mapping[str, Any]
    output: Path | None
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def first(self) -> RankedRow | None:
        """The search of the strongest expected limit, whose verdict is that on the signal; None if none sets a limit.

        It is chosen by what is expected, so that a fluctuation in one of many data sets does not choose it.
        """
        return next((row for row in self.rows if row.expected_pb is not None), None)

    def verdict(self) -> str:
        """The verdict of the search that expects most, in words."""
        first = self.first
        if first is None:
            return "cannot say: no search sets a limit on this signal"
        return f"{first.status}, by {first.search}, whose expected limit is the strongest: {first.reason}"

    def to_json(self) -> dict[str, Any]:
        """All numbers in JSON types, and where the folder is."""
        return {**self.content(), "output": None if self.output is None else str(self.output)}

    def content(self) -> dict[str, Any]:
        """All numbers in JSON types, wherever they are written to."""
        return {
            "analysis": EVERY,
            "cross_section_pb": self.cross_section_pb,
            "verdict": self.verdict(),
            "searches": [row.to_json() for row in self.rows],
            "left_out": dict(self.left_out),
            "skipped": [asdict(one) for one in self.skipped],
            "warnings": list(self.warnings),
            "provenance": dict(self.provenance),
        }


def reinterpret_every(
    files: Sequence[str | InputPath], *, options: ReinterpretOptions, on_search: OnSearch | None = None
) -> Ranking:
    """Hold one sample against each search that ships, as `reinterpret` does, and rank them by the expected limit.

    A search that cannot read the files, or not all that another one can, is left out, with the reason; if none can,
    `InputDataError` has the reasons. With
    `options.output` each search has a folder of its own in it, complete before or made now, so that an interrupted
    call goes on where it was; `hepad replay` makes each of them again, or all. `on_search` is told which one begins:
    its name, its place from 1 on, and how many there are.
    """
    if options.output is not None:
        _check_output(options.output)
    paths = expand_files(files)  # a file that is not there is told once
    with _folder(options.output):
        results, left_out = _of_the_same_files(*_asked(paths, options, on_search))
    rows = sorted(map(RankedRow.of, results), key=_order)
    cards = {name: sha for result in results for name, sha in result.provenance["cards"].items()}
    record = provenance(_command(options), inputs=_inputs(results), cards=cards)
    section = next((r.sample.cross_section_pb for r in results if r.sample.cross_section_pb is not None), None)
    warnings = merged([f"{result.analysis}: {text}" for result in results for text in result.warnings])
    ranking = Ranking(
        section, tuple(rows), left_out, record, options.output, skipped=results[0].skipped, warnings=tuple(warnings)
    )
    if options.output is not None:
        _write(options.output, ranking)
    return ranking


def ranked_cells(row: RankedRow) -> list[str]:
    """A search as a row of the table of `HEADER`."""
    kept = row.acceptance
    numbers = (row.expected_pb, row.observed_pb, row.strength)
    return [
        row.search,
        "" if kept is None else f"{kept.value:.2%}" if kept.events else f"below {percent(kept.upper_95)}",
        *("none" if number is None else f"{number:.3g}" for number in numbers),
        row.status,
    ]


def _asked(
    paths: Sequence[InputPath], options: ReinterpretOptions, on_search: OnSearch | None
) -> tuple[list[Result], dict[str, str]]:
    """The results of the searches that can read the files, and why the others cannot."""
    results: list[Result] = []
    errors: dict[str, HepadError] = {}
    names = search_names()
    for number, name in enumerate(names, 1):
        if on_search is not None:
            on_search(name, number, len(names))
        place = None if options.output is None else options.output / name
        try:
            results.append(reinterpret(paths, name, options=replace(options, output=place)).result)
        except (OutputError, CardError):  # of the call or of hepad, not of what this search can read
            raise
        except (InputDataError, MissingExtraError, UsageError) as error:
            errors[name] = error
    left_out = {name: _named(str(error), paths) for name, error in errors.items()}
    if results:
        return results, left_out
    if len(set(left_out.values())) == 1:
        raise next(iter(errors.values()))
    reasons, hints = without_hints({name: str(error) for name, error in errors.items()})
    said = merged([f"{name}: {reason}" for name, reason in reasons.items()])
    raise InputDataError("; ".join(["no search can be held against these files", *said, *hints]))


def _of_the_same_files(results: list[Result], left_out: dict[str, str]) -> tuple[list[Result], dict[str, str]]:
    """Without the searches that had to skip a file that another one read: theirs are results of another sample."""
    nobodys = set.intersection(*({one.file for one in result.skipped} for result in results))
    same, others = [], dict(left_out)
    for result in results:
        more = next((one for one in result.skipped if one.file not in nobodys), None)
        if more is None:
            same.append(result)
        else:
            others[result.analysis] = f"it cannot read a file that another search can: {more.reason}"
    if not same:
        reasons = (f"{name}: {reason}" for name, reason in others.items())
        raise InputDataError("; ".join(["no two searches can read the same of these files", *merged([*reasons])]))
    return same, others


def without_hints(reasons: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Reasons without the remedies, after a semicolon, that several of them have, and those remedies."""
    parts = {name: reason.split("; ") for name, reason in reasons.items()}
    counts = Counter(part for _, *more in parts.values() for part in more)
    hints = [part for part, count in counts.items() if count > 1]
    own = {name: "; ".join([first, *(p for p in more if p not in hints)]) for name, (first, *more) in parts.items()}
    return own, hints


def _named(text: str, paths: Sequence[InputPath]) -> str:
    """The text with files by their names: an output does not depend on where its inputs are."""
    for path in paths:
        text = text.replace(str(path), Path(str(path)).name)
    return text


def _order(row: RankedRow) -> tuple[float, float, str]:
    """Strongest expected limit first; without one, what keeps more of the signal."""
    kept = 0.0 if row.acceptance is None else row.acceptance.value
    return (math.inf if row.expected_pb is None else row.expected_pb, -kept, row.search)


def _inputs(results: Sequence[Result]) -> list[dict[str, Any]]:
    return [dict(item) for item in results[0].provenance["inputs"]]


def _command(options: ReinterpretOptions) -> str:
    return command_line(
        _VERB,
        analysis=EVERY,
        xsec=options.cross_section_pb,
        sqrt_s=options.sqrt_s_gev,
        signal_error=options.signal_error,
        jes=options.jes or None,
        calculator=None if options.calculator == "auto" else options.calculator,
        toys=options.toys or None,
        max_events=options.max_events,
    )


def _check_output(output: Path) -> None:
    """Refuse a place where no folder can be, or that holds what is not ours where we, or a search, would write."""
    check_place(output)
    if not output.absolute().parent.is_dir():
        raise OutputError(f"cannot write {output}: folder {output.parent} does not exist; create it or change -o")
    if not output.exists():
        return
    if not output.is_dir():
        raise OutputError(f"{output} is a file; give another name with -o")
    check_files(output, _FILES, verb=_VERB)
    for name in search_names():
        check_folder(output / name, verb=_VERB)


@contextmanager
def _folder(output: Path | None) -> Iterator[None]:
    """The folder for those of the searches; it does not stay if nothing came into it."""
    if output is None:
        yield
        return
    output.mkdir(exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):  # there is something in it
            output.rmdir()


def _write(output: Path, ranking: Ranking) -> None:
    rows: list[list[object]] = [
        ["search", "acceptance", "expected_pb", "observed_pb", "xsec_over_expected", "verdict", "fidelity"]
    ]
    for row in ranking.rows:
        kept = None if row.acceptance is None else row.acceptance.value
        rows.append([row.search, kept, row.expected_pb, row.observed_pb, row.strength, row.status, row.fidelity])
    content = json_text("reinterpret/ranking.json", ranking.content())
    page = _page(ranking)
    texts = (to_html(page, output), to_latex(page), content, csv_text(rows))
    write_files(output, dict(zip(_FILES, texts, strict=True)), verb=_VERB)


def _page(ranking: Ranking) -> list[Block]:
    first, section = ranking.first, ranking.cross_section_pb
    verdict = ranking.verdict()
    tone = verdict_tone("cannot say" if first is None else first.status)
    numbers = [
        ("none" if section is None else f"{section:.3g} pb", "cross section of the signal"),
        (f"{len(ranking.rows)} of {len(ranking.rows) + len(ranking.left_out)}", "searches can read the files"),
    ]
    if first is not None and first.expected_pb is not None:
        numbers.append((f"{first.expected_pb:.3g} pb", f"strongest expected limit at 95 % CL, of {first.search}"))
    left_out: list[Block] = []
    if ranking.left_out:
        reasons, hints = without_hints(ranking.left_out)
        rows = [[name, why] for name, why in reasons.items()]
        left_out = [Heading("Searches that say nothing"), Table(["search", "because"], rows, numbers_from=2)]
        left_out += [Text(f"{hint[0].upper()}{hint[1:]}.") for hint in hints]
    about = [[row.search, row.title, row.fidelity, row.reference] for row in ranking.rows]
    return [
        Heading("A signal against all searches", 1),
        Answer(f"{verdict[0].upper()}{verdict[1:]}.", numbers, tone=tone),
        Heading("Searches by expected limit"),
        Table(HEADER, [ranked_cells(row) for row in ranking.rows]),
        Text(
            "The verdict is that of the search with the strongest expected limit, whatever the others observed: the "
            "choice would otherwise follow the fluctuations of the data. Searches are not combined."
        ),
        *([Notes([f"{text}." for text in ranking.warnings])] if ranking.warnings else []),
        *(Text(f"Left out, as it cannot be read: {one.reason}.") for one in ranking.skipped),
        *left_out,
        Heading("What the searches are"),
        Table(["search", "title", "fidelity", "after"], about, numbers_from=4),
        Heading("Files"),
        Files(
            [*((f"{row.search}/{PAGE}", f"the answer of {row.search} in full") for row in ranking.rows), TABLES_FILE]
        ),
        *closing(ranking.provenance),
    ]
