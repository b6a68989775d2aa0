"""The page of how well a search is reproduced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from hepad.bundles.citation import citations, references
from hepad.cards.hunt import HuntCard
from hepad.cards.plane import PlaneCard
from hepad.cards.search import LuminosityCard, SearchCard
from hepad.output.closing import closing, command_of
from hepad.output.document import Answer, Block, Figure, Heading, Links, Notes, Table, Text, to_markdown
from hepad.pipeline.reinterpret.rows import told_once
from hepad.pipeline.reinterpret.words import fraction
from hepad.pipeline.validation.report import Tried, ValidationReport
from hepad.pipeline.verify.page import formatted_table
from hepad.pipeline.verify.report import OFF

__all__ = ["IS_NOT", "blocks", "cite", "formatted_samples", "formatted_vectors", "markdown", "summary"]

IS_NOT = (
    "A validation by the collaboration whose search this is, or a result of it. Published numbers are those that the "
    "card holds, no choice among more; samples are simulated with a fast simulation of a detector, and show what the "
    "search makes of them, not what the collaboration's own would."
)
_NO_NUMBERS = "Its card holds no published number that could be held against ours, so nothing is compared here."
_CLAIM = {
    "exact": "It claims to be exact: a published number that is off is a fault.",
    "approximate": "It claims to be approximate: what differs from the publication is said above.",
    "inspired": "It claims to be inspired by the publication: compare signals with one another, not with its numbers.",
}


def blocks(report: ValidationReport, captions: Mapping[str, str]) -> list[Block]:
    """The page without its closing; `captions` are those of the figures that were drawn, by name."""
    card, links = report.card, list(report.links.items())
    first = next(iter(captions), None)
    return [
        Heading(f"Validation of {card.name}", 1),
        Answer(
            f"{card.title}. {' '.join(_words(report))}",
            summary(report),
            None if first is None else Figure(f"{first}.png", captions[first]),
            _tone(report),
        ),
        Heading("What the search is"),
        Text(f"{card.reference.rstrip('.')}."),
        *([Links(links)] if links else []),
        Table(["", ""], [[what, said] for what, said in _facts(card).items()], 2),
        Heading("How faithful it is"),
        Text(f"Fidelity: {card.fidelity}. {_sentence(card.fidelity_note)}"),
        Text(_CLAIM[card.fidelity]),
        *(_measured(report, captions) if isinstance(card, SearchCard) else [Text(_HUNT)]),
    ]


_HUNT = (
    "A hunt learns from the data, and has no acceptance of its own: what it keeps of a signal depends on how much "
    "of it there is. So it has no test vectors, and no sample is tried here; hepad study and hepad reinterpret "
    "measure its efficiency at each cross section. Its card holds no published number."
)


def _measured(report: ValidationReport, captions: Mapping[str, str]) -> list[Block]:
    others = list(captions)[1:]
    return [
        Heading("Published numbers beside ours"),
        *_published(report),
        *(Figure(f"{name}.png", captions[name]) for name in others),
        Heading("Test vectors"),
        *_vectors(report),
        Heading("Samples that were tried"),
        *_samples(report),
    ]


def _published(report: ValidationReport) -> list[Block]:
    missing: dict[str, int] = {}
    for check in report.checks:
        if check.found is None:
            missing[check.needs] = missing.get(check.needs, 0) + 1
    found: list[Block] = [Table(*formatted_table(report.measured), 2)] if report.measured else []
    if found:
        found.append(
            Text(
                "Published numbers as printed; ours measured now. The difference is in standard deviations of both "
                f"together: '-' where neither has an error, 'off' where they differ without one. Beyond {OFF:g} a "
                "number is off."
            )
        )
    found += [Text(f"Not measured, {many} of them: this needs {needs}.") for needs, many in missing.items()]
    return found or [Text(_NO_NUMBERS)]


def _vectors(report: ValidationReport) -> list[Block]:
    vectors = report.vectors
    if vectors is None:
        return [
            Text("It has none: write some with hepad analysis vectors, so that others see that they get your numbers.")
        ]
    said = (
        f"What the search made of each of {vectors.events} events when it was written down, and what it makes of them "
        f"here and now; numbers may differ by {vectors.tolerance:g} of themselves."
    )
    changed = f"Not as when they were written: {', '.join(vectors.changed)}."
    return [Text(said), Table(*formatted_vectors(report), 2), *([Text(changed)] if vectors.changed else [])]


def formatted_vectors(report: ValidationReport) -> tuple[list[str], list[list[str]]]:
    """Header and rows of what was compared with test vectors."""
    assert report.vectors is not None  # noqa: S101  by the caller
    rows = [
        [c.category, c.quantity, f"{c.compared}", f"{c.mismatches}", f"{c.largest_difference:.2g}"]
        for c in report.vectors.comparisons
    ]
    return ["category", "quantity", "compared", "differ", "largest difference"], rows


def _samples(report: ValidationReport) -> list[Block]:
    found: list[Block] = []
    if report.tried:
        reasons = [f"{one.sample}: {one.reason}." for one in report.tried if one.reason]
        found += [
            Table(*formatted_samples(report.tried)),
            Text(
                "The acceptance is that of all generated events, in the region where limits are set; limits are CLs "
                "upper limits at 95 % CL on the cross section of the sample. No acceptance of these samples is "
                "published."
            ),
            *([Notes(reasons, "remark")] if reasons else []),
        ]
        for one in report.tried:
            found += [Heading(f"Cut flow: {one.sample}", 3), _cutflow(one)]
    if report.left_out:
        said = [f"{name}: {why}." for name, why in report.left_out.items()]
        found.append(Notes(said, "unreadable sample"))
    return [*(found or [Text("None.")]), *_earlier(report)]


def _earlier(report: ValidationReport) -> list[Block]:
    """What an earlier call found, in files that do not ship."""
    if report.earlier is None:
        return []
    record = report.earlier.provenance
    then = "this card" if report.earlier.is_of(report.provenance["cards"]) else "an older card of this name"
    files = "; ".join(f"{item['name']} {item['sha256'][:12]}" for item in record["inputs"])
    return [
        Heading("Samples that were tried before", 3),
        Table(*formatted_samples(report.earlier.tried)),
        Text(
            f"By hepad {record['hepad']} with {then}, on files that do not ship and so cannot be read now; their names "
            f"and the beginnings of their sha256: {files}. The command was: {command_of(record)}"
        ),
    ]


def formatted_samples(tried: Sequence[Tried]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of samples that a search could read."""
    rows = []
    for one in tried:
        band = "" if one.limit.band is None else f"{one.limit.band[1]:.3g} to {one.limit.band[3]:.3g}"
        rows.append(
            [
                one.sample,
                f"{one.events}",
                one.region,
                fraction(one.acceptance),
                _pb(one.limit.expected),
                band,
                _pb(one.limit.observed),
            ]
        )
    return ["sample", "events", "region", "acceptance", "expected [pb]", "68 % band", "observed [pb]"], rows


def _cutflow(one: Tried) -> Table:
    rows = [
        [name, f"{step.events}", f"{step.efficiency:.3%} ± {step.efficiency_error:.3%}"]
        for name, step in told_once(one.cutflow)
    ]
    return Table(["step", "events", "of all generated"], rows)


def _pb(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"


def summary(report: ValidationReport) -> list[tuple[str, str]]:
    """Three numbers with what they are; none of a hunt."""
    if not isinstance(report.card, SearchCard):
        return []
    pulls = [check.pull for check in report.measured if check.pull is not None]
    near = sum(abs(pull) <= 2 for pull in pulls)
    beside = "published numbers, within two standard deviations" if pulls else "published numbers to compare with"
    found = [(f"{near} of {len(pulls)}" if pulls else "no", beside)]
    if report.vectors is None:
        found.append(("no", "test vectors"))
    else:
        compared = sum(one.compared for one in report.vectors.comparisons)
        wrong = sum(one.mismatches for one in report.vectors.comparisons)
        found.append((f"{compared - wrong} of {compared}", "numbers of test vectors are met"))
    tried = [*report.tried, *(report.earlier.tried if report.earlier is not None else ())]
    limits = sum(one.limit.expected is not None for one in tried)
    found.append((f"{len(tried)}", f"samples tried, {limits} with a limit"))
    return found


def _words(report: ValidationReport) -> list[str]:
    words = [f"Fidelity: {report.card.fidelity}."]
    off = [check.quantity for check in report.measured if check.is_off]
    if off:
        words.append(f"Off: {'; '.join(off)}.")
    elif report.measured:
        words.append("No published number that its card holds is off.")
    else:
        words.append("Its card holds no published number to compare with.")
    if report.vectors is not None:
        words.append("Its test vectors are met." if report.vectors.passed else "It does not meet its test vectors.")
    return words


def _tone(report: ValidationReport) -> Literal["yes", "no", "plain"]:
    failed = report.vectors is not None and not report.vectors.passed
    if failed or any(check.fidelity == "exact" and check.is_off for check in report.checks):
        return "no"
    exact = report.card.fidelity == "exact" and bool(report.measured)
    return "yes" if exact else "plain"


def cite(report: ValidationReport) -> list[tuple[str, str]]:
    """What to cite for it, and the entries of BibTeX."""
    card = report.card
    search = isinstance(card, SearchCard)
    found = references(card.name, card.reference) if search else citations("hunts", card.name)
    return [(one.text, one.bibtex) for one in found]


def markdown(report: ValidationReport, captions: Mapping[str, str]) -> str:
    """The page as Markdown; versions and hashes are in validation.json."""
    return to_markdown([*blocks(report, captions), *closing(report.provenance, cite=cite(report), is_not=IS_NOT)[:-1]])


def _sentence(text: str) -> str:
    return text if not text or text.rstrip().endswith(".") else f"{text.rstrip()}."


def _facts(card: SearchCard | HuntCard | PlaneCard) -> dict[str, str]:
    """What a search is, in words."""
    return _search_facts(card) if isinstance(card, SearchCard) else _hunt_facts(card)


def _search_facts(card: SearchCard) -> dict[str, str]:
    lumi = card.luminosity
    facts = {
        "collision energy": f"{card.sqrt_s_gev / 1000:g} TeV",
        "luminosity": "none: acceptances only" if lumi is None else _luminosity(lumi),
        "events": "; ".join(f"{one.title} ({one.selection})" for one in card.categories),
        "score of": ", ".join(dict.fromkeys(one.bundle for one in card.categories if one.bundle)) or "none",
        "regions": ", ".join(card.regions),
        "limits in": "all bins together" if card.simultaneous is not None else card.limit_region,
        "spectra": ", ".join(f"{name} ({one.mass})" for name, one in card.channels.items()) or "none",
        "background": _background(card),
    }
    if fits := dict.fromkeys(fit for name in card.channels for fit in card.channel_fits(name)):
        facts["functions"] = ", ".join(fits)
    return facts


def _luminosity(card: LuminosityCard) -> str:
    error = f" ± {card.relative_error:.2%}" if card.relative_error else ""
    return f"{card.fb:g} fb-1{error} ({card.source})"


def _background(card: SearchCard) -> str:
    if any(one.observed or one.background for one in card.channels.values()):
        return "the published spectrum"
    if any(one.counts for one in card.categories):
        return "the published counts"
    if card.background_events is not None or card.simultaneous is not None:
        return "simulated events of our own"
    return "none ships"


def _hunt_facts(card: HuntCard | PlaneCard) -> dict[str, str]:
    facts = {"selection": card.selection, "mass": card.mass, "functions": ", ".join(card.functions)}
    if isinstance(card, HuntCard):
        many = sum(len(edges) - 3 for edges in card.windows.values())
        return {**facts, "methods": ", ".join(card.methods), "windows": f"{many}, in {len(card.windows)} sets"}
    return {**facts, "regions": ", ".join(card.regions), "windows of the other mass": str(len(card.unknown.windows))}
