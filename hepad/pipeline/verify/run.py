"""Hold every published number that cards have against ours."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from hepad.bundles.bundle import load_bundle
from hepad.bundles.files import CARD
from hepad.cards.analysis import AnalysisCard, load_analysis
from hepad.cards.base import read_yaml
from hepad.cards.resolver import bundled_names, resolve, shipped_folder
from hepad.cards.search import SearchCard, is_path, is_search, load_search
from hepad.cards.sensitivity import SensitivityCard, load_any_study
from hepad.cards.study import StudyCard
from hepad.errors import CardError, CompanionError, FitFailedError, HepadError, InputDataError, UsageError
from hepad.output.atomic import check_folder
from hepad.paths import InputPath
from hepad.pipeline.study.data import StudyFiles, find_files, matching_files
from hepad.pipeline.verify.evaluated import evaluated, is_at_hand
from hepad.pipeline.verify.libraries import library_checks
from hepad.pipeline.verify.numbers import Key, Number, analysis_numbers, sensitivity_numbers, study_numbers
from hepad.pipeline.verify.options import VerifyOptions
from hepad.pipeline.verify.output import write_report
from hepad.pipeline.verify.report import Check, Found, VerifyReport
from hepad.pipeline.verify.searches import search_checks
from hepad.pipeline.verify.trained import TrainedStudy, read_study
from hepad.provenance import command_line, event_records, provenance, sha256_file

__all__ = ["VerifyOptions", "VerifyReport", "verify"]

_STUDIES = "analyses/studies"
_EXAMPLES = "examples"
AnyStudy = StudyCard | SensitivityCard


class Source(Protocol):
    """Where our numbers are from."""

    def find(self, key: Key) -> Found | None:
        """What was measured of it; None if nothing."""
        ...


def verify(names: Sequence[str] = (), *, options: VerifyOptions | None = None) -> VerifyReport:
    """Hold the published numbers of cards against ours, measured now on what is at hand.

    `names` are analyses, searches and studies that ship, paths of their cards, or folders of bundles; all that ship if
    there are none. With `options.output` a folder with a page, Markdown, JSON and CSV is written. A card whose files
    cannot be used, or whose fit fails, is listed with the reason, beside what was measured of others. `CardError` for a
    name that nothing has, `UsageError` if no card has published numbers, `InputDataError` for what is in `trained`, or
    where a file cannot be used and nothing was measured; `FitFailedError` where that is for fits alone.
    """
    options = options or VerifyOptions()
    if options.quick and (options.data or options.trained):
        raise UsageError("--quick is of what ships with hepad: leave out --samples and --trained, or --quick")
    for folder in options.data:
        if not folder.is_dir():
            raise InputDataError(f"{folder} is not a folder; --samples names one with the event files of studies")
    if options.output is not None:
        check_folder(options.output, verb="verify")
    asked = _asked(names)
    trained = [read_study(path) for path in options.trained]
    _all_asked(trained, asked)
    work = _Work(options, trained, asked.bundles)
    checks, failed, cause = _held(_jobs(asked, work), options)
    if names and not checks and not failed:
        raise UsageError(f"{', '.join(names)}: no published number in any of these cards")
    there = {name for check in checks for name in (check.card, check.system)} | set(failed)
    report = VerifyReport(
        checks,
        provenance=_record(names, options, asked, work, trained),
        output=options.output,
        failed=failed,
        cause=cause,
        numberless={name: said for name, said in asked.fidelity.items() if names and name not in there},
    )
    if options.output is not None:
        write_report(report, options.output)
    return report


@dataclass(frozen=True)
class _Job:
    """What holds the numbers of a card against ours; `numbers` are those that are known before."""

    name: str
    hold: Callable[[], list[Check]]
    numbers: Sequence[Number] = ()


def _jobs(asked: _Asked, work: _Work) -> list[_Job]:
    jobs = [_Job(one.name, partial(work.study, one), one.numbers) for one in asked.studies]
    jobs += [_Job(card.name, partial(search_checks, card, folder, work.options)) for card, folder in asked.searches]
    jobs += [_Job(name, partial(library_checks, load_bundle(str(path)))) for name, path in asked.bundles.items()]
    return jobs


def _held(jobs: Sequence[_Job], options: VerifyOptions) -> tuple[list[Check], dict[str, str], type[HepadError]]:
    """All numbers, why those of cards could not be measured, and of which kind that is; raised if nothing was."""
    checks: list[Check] = []
    failed: dict[str, str] = {}
    only_fits = True
    for place, job in enumerate(jobs):
        if options.on_step:
            options.on_step(place, len(jobs))
        try:
            checks += job.hold()
        except (CompanionError, FitFailedError, InputDataError) as error:
            only_fits &= isinstance(error, FitFailedError)
            failed[job.name] = _said(error, options)
            checks += [number.check.measured(None, failed[job.name]) for number in job.numbers]
    cause = FitFailedError if only_fits else InputDataError
    if failed and not any(check.found for check in checks):
        raise cause("; ".join(dict.fromkeys(failed.values())))
    return checks, failed, cause


def _said(error: Exception, options: VerifyOptions) -> str:
    """Without what is of use to other commands, and with files below the names of the folders that were given."""
    text = re.sub(r" \(what is done is kept in [^)]*\)|; or leave it out with --skip-bad-files", "", str(error))
    for folder in (*options.data, *options.trained, shipped_folder(_EXAMPLES) / "data"):
        text = text.replace(f"{folder}/", f"{folder.name}/" if folder.name else "")
    return text


@dataclass(frozen=True)
class _Study:
    """A study with its published numbers, or with those of some of its analyses alone."""

    card: AnyStudy | None
    numbers: list[Number]

    @property
    def name(self) -> str:
        """That of the study, without one those of the analyses."""
        return self.card.name if self.card else ", ".join(dict.fromkeys(one.check.card for one in self.numbers))


@dataclass
class _Asked:
    """What was asked for, and the sha256 of the cards by name; `bundles` are folders by the names in their cards.

    `fidelity` is what each card claims, by its name; a study claims nothing of its own.
    """

    studies: list[_Study] = field(default_factory=list)
    searches: list[tuple[SearchCard, Path]] = field(default_factory=list)
    cards: dict[str, str] = field(default_factory=dict)
    bundles: dict[str, Path] = field(default_factory=dict)
    fidelity: dict[str, str] = field(default_factory=dict)


def _asked(names: Sequence[str]) -> _Asked:
    found = _Asked()
    studies: list[AnyStudy] = []
    analyses: list[AnalysisCard] = []
    before: set[Path] = set()
    for name in names or _every():
        path = Path(name) if _is_bundle(name) else _path(name)
        if path.resolve() in before:
            continue
        before.add(path.resolve())
        if _is_bundle(name):
            bundle = load_bundle(name)
            found.fidelity[bundle.card.name] = bundle.card.fidelity
            found.cards[f"bundle {bundle.card.name}"] = bundle.sha256
            found.bundles[bundle.card.name] = Path(name)
            if bundle.card.published and bundle.card.name in bundled_names("analyses"):
                own = {"fidelity": bundle.card.fidelity, "fidelity_note": bundle.card.fidelity_note}
                analyses.append(load_analysis(bundle.card.name).model_copy(update=own))
            continue
        content = read_yaml(path)
        found.cards[path.stem] = sha256_file(path)
        if is_search(content):
            found.searches.append(load_search(str(path)))
            found.fidelity[found.searches[-1][0].name] = found.searches[-1][0].fidelity
        elif str(content.get("schema", "")).startswith("analysis/"):
            analyses.append(load_analysis(str(path)))
            found.fidelity[analyses[-1].name] = analyses[-1].fidelity
        else:
            studies.append(load_any_study(str(path)))
            if not _numbers(studies[-1]):
                found.fidelity[studies[-1].name] = ""
    every = [_Study(card, _numbers(card)) for card in studies]
    every += [_Study(study, _of_analyses(cards)) for study, cards in _by_study(analyses, studies)]
    found.studies = [study for study in every if study.numbers]
    return found


def _numbers(study: AnyStudy) -> list[Number]:
    """Those of a study and of the cards of its analyses."""
    if isinstance(study, SensitivityCard):
        return sensitivity_numbers(study)
    return [*_of_analyses([load_analysis(name) for name in study.analyses]), *study_numbers(study)]


def _of_analyses(cards: Sequence[AnalysisCard]) -> list[Number]:
    return [number for card in cards for number in analysis_numbers(card)]


def _by_study(
    analyses: Sequence[AnalysisCard], asked: Sequence[AnyStudy]
) -> list[tuple[StudyCard | None, list[AnalysisCard]]]:
    """The analyses with the study that names their files, None if none does; those of a study that is asked for go."""
    shipped = [load_any_study(name) for name in bundled_names(_STUDIES)]
    every = [study for study in shipped if isinstance(study, StudyCard)]
    there = {name for study in asked if isinstance(study, StudyCard) for name in study.analyses}
    groups: dict[str, tuple[StudyCard | None, list[AnalysisCard]]] = {}
    for card in analyses:
        if card.name in there:
            continue
        study = next((one for one in every if card.name in one.analyses), None)
        groups.setdefault(study.name if study else "", (study, []))[1].append(card)
    return list(groups.values())


def _is_bundle(name: str) -> bool:
    return (Path(name) / CARD).is_file()


def _every() -> Iterator[str]:
    """The names of all cards that ship and may have published numbers; those of the examples by their paths."""
    yield from bundled_names(_STUDIES)
    yield from bundled_names("analyses")
    yield from (str(path) for path in sorted((shipped_folder(_EXAMPLES) / "searches").glob("*.yaml")))


def _path(name: str) -> Path:
    """The card of a study, an analysis or search, by its name or path."""
    if is_path(name):
        return resolve("analyses", name)
    for folder in ("analyses", _STUDIES):
        if name in bundled_names(folder):
            return resolve(folder, name)
    example = shipped_folder(_EXAMPLES) / "searches" / f"{name}.yaml"
    if example.is_file():
        return example
    raise CardError(
        f"no analysis, search or study named {name!r}: hepad list analyses and hepad list studies have the names; or "
        "give the path of a card"
    )


def _all_asked(trained: Sequence[TrainedStudy], asked: _Asked) -> None:
    known = {one.card.name for one in asked.studies if one.card is not None}
    for study in trained:
        if study.name not in known:
            raise UsageError(f"{study.path}: of the study {study.name}, which is not among those that were asked for")


@dataclass
class _Work:
    """Finds our numbers, and remembers the files that they are of."""

    options: VerifyOptions
    trained: Sequence[TrainedStudy]
    bundles: Mapping[str, Path]
    files: list[InputPath] = field(default_factory=list)

    def study(self, study: _Study) -> list[Check]:
        """Each number with what every source has of it, or with what is missing."""
        if study.card is None:
            return [one.check.measured(None, "events: no study names the files") for one in study.numbers]
        sources: list[Source] = [one for one in self.trained if one.name == study.card.name]
        missing = ""
        if isinstance(study.card, StudyCard):
            here, missing = self._evaluated(study.card, study.numbers)
            sources += here
        return [check for number in study.numbers for check in _beside(number, sources, study.card, missing)]

    def _evaluated(self, card: StudyCard, numbers: Sequence[Number]) -> tuple[list[Source], str]:
        """Our bundles on the files of a study, and which files are missing."""
        wanted = dict.fromkeys(one.key.analysis for one in numbers if one.key.signal)
        names = [name for name in wanted if name in self.bundles or is_at_hand(card, name)]
        files = self._found(card)
        if isinstance(files, str):
            return [], files
        if not names:
            return [], ""
        own = {name: path for name, path in self.bundles.items() if name in names}
        found = evaluated(card, names, files, self.options, own)
        self.files += files.everything()
        return [found], ""

    def _found(self, card: StudyCard) -> StudyFiles | str:
        """The files of a study in the first folder that has its background and a signal, or what is not there.

        `InputDataError` if that folder lacks another of its files.
        """
        for folder in (*self.options.data, shipped_folder(_EXAMPLES) / "data"):
            signals = [name for names in card.data.signals.values() for name in names]
            if all(any(matching_files(folder, name) for name in names) for names in (card.data.background, signals)):
                return find_files(card, folder)
        return f"--samples FOLDER with the files of hepad study {card.name}"


def _beside(number: Number, sources: Sequence[Source], card: AnyStudy, missing: str) -> list[Check]:
    found = [one for source in sources if (one := source.find(number.key)) is not None]
    if found:
        return [number.check.measured(one) for one in found]
    at_hand = isinstance(card, StudyCard) and number.key.signal and is_at_hand(card, number.key.analysis)
    if missing and at_hand:
        return [number.check.measured(None, missing)]
    return [number.check.measured(None, f"--trained FOLDER, what hepad study {card.name} -o FOLDER wrote")]


def _record(
    names: Sequence[str], options: VerifyOptions, asked: _Asked, work: _Work, trained: Sequence[TrainedStudy]
) -> dict[str, Any]:
    words = [f"./{Path(name).name}" if _is_bundle(name) else Path(name).name for name in names]
    command = command_line(
        shlex.join(["verify", *words, *(["--quick"] if options.quick else [])]),
        bootstrap=None if options.replicas == VerifyOptions.replicas else options.replicas,
        toys=None if options.toys == VerifyOptions.toys else options.toys,
        seed=options.seed,
    )
    files = dict.fromkeys([*work.files, *(one.path for one in trained)])
    return provenance(command, inputs=event_records(files), seed=options.seed, cards=asked.cards)
