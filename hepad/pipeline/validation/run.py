"""Put together what is known of how well a search is reproduced: all of it is measured here and now, or in its card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hepad.cards.hunt import HUNTS_FOLDER, is_hunt
from hepad.cards.plane import load_any_hunt
from hepad.cards.resolver import resolve, shipped_folder
from hepad.cards.search import load_search
from hepad.cards.vectors import load_vectors
from hepad.errors import CardError, InputDataError, MissingExtraError, UsageError
from hepad.io.reader import expand_files
from hepad.output.atomic import check_folder
from hepad.pipeline.analysis.vectors import ValidateReport, default_vectors, validate
from hepad.pipeline.reinterpret.run import reinterpret
from hepad.pipeline.validation.output import write_report
from hepad.pipeline.validation.report import Earlier, Tried, ValidationReport
from hepad.pipeline.verify.options import VerifyOptions
from hepad.pipeline.verify.searches import search_checks
from hepad.provenance import command_line, event_records, provenance, sha256_file
from hepad.search.channels import prepare_channels

if TYPE_CHECKING:
    from hepad.paths import InputPath

__all__ = ["ValidationOptions", "validation"]

_VERB = "analysis validation"
_RECORDS = "validation"
"""The folder beside the card with what calls of this verb found in files that do not ship: their validation.json."""
_SAMPLES = {
    "wprime_xy_3p5tev.root": "W' of 3.5 TeV to two scalars, to four quarks",
    "wprime_wz_2tev.root": "W' of 2 TeV to W and Z",
    "w_lnu.root": "W to a lepton and a neutrino, a background",
}
"""The event files among the examples that searches may read."""


@dataclass(frozen=True)
class ValidationOptions:
    """Where to write, and pseudo-experiments and seed of published p-values."""

    output: Path | None = None
    toys: int = VerifyOptions.toys
    seed: int = VerifyOptions.seed
    on_step: Callable[[int, int], None] | None = None


def validation(name: str, files: Sequence[str] = (), *, options: ValidationOptions | None = None) -> ValidationReport:
    """How far a search can be trusted: published numbers beside ours, test vectors, and what it makes of samples.

    `name` is a search or a hunt that ships, or the path of a card. Each of the `files` is a sample of its own; without
    any they are the events of the test vectors and those among the examples that the search can read; what an earlier
    call found in others stands beside them if its validation.json is `validation/NAME.json` beside the card. Of a hunt,
    which learns from the data, nothing is measured: the page says what it is. A number that is off is no error here,
    `ValidationReport.check` makes it one. With `options.output` a folder is written.
    """
    options = options or ValidationOptions()
    if options.output is not None:
        check_folder(options.output, verb=_VERB)
    report = _of_hunt(name, files) if is_hunt(name) else _of_search(name, files, options)
    if options.output is None:
        return report
    write_report(report, options.output)
    return replace(report, output=options.output)


def _of_hunt(name: str, files: Sequence[str]) -> ValidationReport:
    if files:
        raise UsageError(f"{name} is a hunt, which learns from the data: leave out the files, or use hepad reinterpret")
    card, path = load_any_hunt(name), resolve(HUNTS_FOLDER, name)
    record = provenance(command_line(f"{_VERB} {card.name}"), cards={f"hunt {card.name}": sha256_file(path)})
    return ValidationReport(card, provenance=record)


def _of_search(name: str, files: Sequence[str], options: ValidationOptions) -> ValidationReport:
    card, folder = load_search(name)
    vectors = default_vectors(name) if default_vectors(name).is_file() else None
    samples = _given(files) if files else _at_hand(vectors)

    def done(step: int) -> None:
        if options.on_step is not None:
            options.on_step(step, len(samples) + 2)

    done(0)
    published = [own for own in prepare_channels(card, folder).values() if own.observed is not None]
    checks = search_checks(card, folder, VerifyOptions(toys=options.toys, seed=options.seed))
    done(1)
    compared: ValidateReport | None = None if vectors is None else validate(name, vectors=vectors)
    tried, left_out = [], {}
    for step, (sample, path) in enumerate(samples.items(), start=2):
        done(step)
        try:
            tried.append(Tried.of(sample, reinterpret([path], name).result))
        except (InputDataError, MissingExtraError, UsageError) as error:
            left_out[sample] = str(error).replace(str(path), Path(str(path)).name)
    if files and not tried:
        raise InputDataError(f"{card.name} can read none of the files: {'; '.join(dict.fromkeys(left_out.values()))}")
    record = provenance(
        command_line(f"{_VERB} {card.name}", toys=options.toys, seed=options.seed),
        inputs=event_records(samples.values()) if files else (),
        seed=options.seed,
        cards={f"analysis {card.name}": sha256_file(resolve("analyses", name))},
    )
    path = folder / _RECORDS / f"{card.name}.json"
    earlier = Earlier.read(path) if path.is_file() else None
    if earlier is not None and earlier.analysis != card.name:
        raise CardError(f"{path} is of {earlier.analysis}, not of {card.name}: move it, or make it again")
    return ValidationReport(card, checks, published, compared, tried, left_out, record, earlier)


def _given(files: Sequence[str]) -> dict[str, InputPath]:
    paths = expand_files(files)
    names = [Path(str(path)).name for path in paths]
    twice = next((one for one in names if names.count(one) > 1), None)
    if twice is not None:
        raise UsageError(f"two samples are called {twice}: a table could not tell them apart")
    return dict(zip(names, paths, strict=True))


def _at_hand(vectors: Path | None) -> dict[str, InputPath]:
    """Samples that ship, by what they are called: the events of the test vectors, and examples."""
    found: dict[str, InputPath] = {}
    if vectors is not None:
        card = load_vectors(vectors)
        made = Path(str(card.provenance["inputs"][0]["name"]))
        if made.name not in _SAMPLES:
            found[f"{made.stem}, the events of the test vectors"] = vectors.parent / card.events.file
    examples = shipped_folder("examples") / "data"
    return found | {title: examples / file for file, title in _SAMPLES.items() if (examples / file).is_file()}
