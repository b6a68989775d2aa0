"""The page of published numbers beside ours: how many agree, then each system with what its card says of itself."""

from __future__ import annotations

from collections.abc import Sequence

from hepad.output.document import Answer, Block, Code, Heading, Table, Text, to_markdown
from hepad.pipeline.verify.report import OFF, Check, VerifyReport

__all__ = ["fidelity_blocks", "formatted_checks", "formatted_missing", "formatted_table", "markdown"]

_ABOUT = (
    "Published and measured numbers with the errors that there are: of published ones as printed, mostly standard "
    "deviations over trainings; of ours over trainings, or over events where one network was evaluated. The difference "
    "is in standard deviations of both together, without the correlations that nobody knows; '-' where neither "
    "has an error or ours is only a bound, 'off' where neither has an error and they differ by more than a hundredth. "
    f"A card that claims to be exact is held to {OFF:g} of them."
)


def markdown(report: VerifyReport) -> str:
    """The report as Markdown, with the command that made it."""
    files = ", ".join(dict.fromkeys(item["name"] for item in report.provenance["inputs"]))
    made: list[Block] = [Heading("Make it again"), Code(f"{report.provenance['command']} -o report")]
    made += [Text(f"With --samples and --trained, where these files were: {files}.")] if files else []
    return to_markdown([*fidelity_blocks(report), *made])


def fidelity_blocks(report: VerifyReport) -> list[Block]:
    """The page without its closing."""
    blocks: list[Block] = [Heading("Published numbers beside ours", 1), _answer(report), Text(_ABOUT)]
    for checks in _together(report.measured):
        first, systems = checks[0], list(dict.fromkeys(check.system for check in checks))
        fidelity = first.fidelity or "not claimed"
        blocks += [Heading(", ".join(systems)), Text(f"{first.reference.rstrip('.')}. Fidelity: {fidelity}.")]
        blocks += [Text(f"What the card says of it: {first.reason}")] if first.reason else []
        blocks.append(Table(*formatted_table(checks), 2) if len(systems) == 1 else Table(*_named_table(checks), 3))
    missing = formatted_missing(report)
    if missing[1]:
        said = Text("Numbers that cards hold and for which something was missing.")
        blocks += [Heading("Not measured"), said, Table(*missing, 2)]
    return blocks


def formatted_checks(report: VerifyReport) -> tuple[list[str], list[list[str]]]:
    """Header and rows of what was measured, for a terminal."""
    return _named_table(report.measured)


def formatted_missing(report: VerifyReport) -> tuple[list[str], list[list[str]]]:
    """Header and rows of what was not measured: how many numbers of which system, and what they need."""
    counts: dict[tuple[str, str], int] = {}
    for check in report.checks:
        if check.found is None:
            name = check.system if check.card == check.system else f"{check.card}: {check.system}"
            counts[name, check.needs] = counts.get((name, check.needs), 0) + 1
    rows = [[name, needs, str(count)] for (name, needs), count in counts.items()]
    named = {needs for _, needs in counts}
    rows += [[name, why, "all"] for name, why in report.failed.items() if why not in named]
    none = "a published number: its card holds none"
    for name, fidelity in report.numberless.items():
        rows.append([name, f"{none}, though it claims to be exact" if fidelity == "exact" else none, "0"])
    return ["card", "needs", "numbers"], rows


def formatted_table(checks: Sequence[Check]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of numbers that were measured."""
    rows = []
    for check in checks:
        found = check.found
        assert found is not None  # noqa: S101  by the caller
        pull = f"{check.pull:+.1f}" if check.pull is not None else "off" if check.is_off else "-"
        ours = f"{'bound ' if found.is_limit else ''}{_pm(found.value, found.error)}"
        rows.append([check.quantity, found.how, _pm(check.published, check.published_error), ours, pull])
    return ["quantity", "ours is of", "published", "measured", "difference"], rows


def _pm(value: float, error: float | None) -> str:
    """A number with its error, to two digits of it."""
    return f"{value:.4g}" if not error else f"{value:.{_decimals(error)}f} ± {error:.{_decimals(error)}f}"


def _decimals(error: float) -> int:
    """Digits after the point for two of an error."""
    return max(0, -int(f"{error:e}".partition("e")[2]) + 1)


def _named_table(checks: Sequence[Check]) -> tuple[list[str], list[list[str]]]:
    header, rows = formatted_table(checks)
    return ["card", *header], [[one.system, *row] for one, row in zip(checks, rows, strict=True)]


def _together(checks: Sequence[Check]) -> list[list[Check]]:
    """Those whose cards are of one reference and say the same of themselves, in the order in which they come."""
    found: dict[tuple[str, str, str], list[Check]] = {}
    for check in checks:
        found.setdefault((check.reference, check.fidelity, check.reason), []).append(check)
    return list(found.values())


def _answer(report: VerifyReport) -> Answer:
    measured, pulls = report.measured, [check.pull for check in report.measured if check.pull is not None]
    near = sum(abs(pull) <= 2 for pull in pulls)
    different = len({(check.card, check.system, check.quantity) for check in measured})
    numbers = [
        (f"{len(measured)}", f"comparisons, with {different} published numbers"),
        (f"{near} of {len(pulls)}", "within two standard deviations"),
        (f"{sum(check.found is None for check in report.checks)}", "published numbers not measured"),
    ]
    if report.broken:
        many = len(report.broken) > 1
        some = f"{len(report.broken)} numbers of cards that claim" if many else "one number of a card that claims"
        return Answer(f"Off: {some} to be exact.", numbers, tone="no")
    unheld = f" Held against nothing, though exact: {', '.join(report.unheld)}." if report.unheld else ""
    unheld += f" Could not be measured: {', '.join(report.failed)}." if report.failed else ""
    if not measured:
        return Answer(f"Nothing was measured.{unheld}", numbers)
    exact = sum(check.fidelity == "exact" for check in measured)
    words = (
        "Every measured number of a card that claims to be exact is right." if exact else "No card claims to be exact."
    )
    if exact < len(measured):
        words += " The others say why theirs may differ."
    far = max(measured, key=lambda check: abs(check.pull or 0))
    if far.pull is not None and abs(far.pull) > OFF:
        words += f" Furthest off is the {far.quantity} of {far.system}, by {abs(far.pull):.0f} standard deviations."
    green = exact == len(measured) and not unheld
    return Answer(f"{words}{unheld}", numbers, tone="yes" if green else "plain")
