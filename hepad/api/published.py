"""`verify` and `study`: published numbers beside ours, and whole publications trained again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepad.api.record import Record, Row
from hepad.errors import UsageError
from hepad.pipeline.study.report import StudyReport
from hepad.pipeline.study.sensitivity.run import SensitivityReport
from hepad.pipeline.verify.options import VerifyOptions
from hepad.pipeline.verify.report import OFF, Check, VerifyReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["StudyRecord", "VerifyRecord", "study", "verify"]

Names = str | Path | Sequence[str | Path]


@dataclass(frozen=True, repr=False)
class VerifyRecord(Record):
    """Published numbers of cards beside ours."""

    report: VerifyReport

    @property
    def checks(self) -> tuple[Check, ...]:
        """`check.system`, `check.quantity`, `check.published`, `check.found` (None if not measured), `check.pull`."""
        return tuple(self.report.checks)

    @property
    def passed(self) -> bool:
        """Whether no number is off of a card that claims to be exact, and none of the cards failed."""
        return not self.report.broken and not self.report.failed

    def to_json(self) -> dict[str, Any]:
        """As `hepad verify --json`."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return [f"not measured: {name}: {why}" for name, why in self.report.failed.items()]

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        from hepad.pipeline.verify.page import formatted_checks

        return "Published numbers beside ours", *formatted_checks(self.report)

    def _draw(self, ax: Axes) -> None:
        pulls = [(f"{c.system}: {c.quantity}", c.pull) for c in self.report.measured if c.pull is not None]
        if not pulls:
            raise UsageError("no number was measured whose error is known: there is nothing to draw")
        ax.axvspan(-OFF, OFF, color="0.9", linewidth=0)
        ax.axvline(0.0, color="0.4", linewidth=1.0)
        ax.plot([pull for _, pull in pulls], range(len(pulls)), "ko", markersize=5)
        ax.set_yticks(range(len(pulls)), [name.replace("$", r"\$") for name, _ in pulls])
        ax.invert_yaxis()
        ax.set_xlabel("(ours - published) / standard deviation")


def verify(
    cards: Names = (),
    *,
    samples: Names = (),
    trained: Names = (),
    quick: bool = False,
    bootstrap: int = 200,
    toys: int = 2000,
    seed: int = 1,
) -> VerifyRecord:
    """Hold the published numbers of cards against ours, measured now on what is at hand.

    `cards` are analyses, searches and studies that ship, paths of their cards, or folders of bundles; all that ship if
    there are none. `samples` are folders with the event files of studies, beside the examples that ship; `trained` are
    folders that `hepad.study` wrote. `quick` takes only what ships. Errors over events are of `bootstrap` samples,
    p-values of `toys`. That a number is off is no error: `passed` is False.

    `CardError` for a name that nothing has, `UsageError` if no card has published numbers, `InputDataError` for folders
    that are none, or if nothing could be measured.

    >>> import hepad
    >>> found = hepad.verify("dnn_ae", bootstrap=20)
    >>> found.passed, [check.quantity for check in found.checks if check.system == "dnn_ae"][:1]
    (True, ['AUC of h0'])
    """
    from hepad.pipeline.verify.run import verify as run

    options = VerifyOptions(
        data=[Path(folder) for folder in _several(samples)],
        trained=[Path(folder) for folder in _several(trained)],
        quick=quick,
        replicas=bootstrap,
        toys=toys,
        seed=seed,
    )
    return VerifyRecord(run([str(card) for card in _several(cards)], options=options))


@dataclass(frozen=True, repr=False)
class StudyRecord(Record):
    """What a study found: `report` is of trainings (`StudyReport`) or of sensitivity (`SensitivityReport`)."""

    report: StudyReport | SensitivityReport

    @property
    def output(self) -> Path:
        """The folder with the trainings or points, report.html and results.json."""
        return self.report.output

    def to_json(self) -> dict[str, Any]:
        """As `hepad study --json`."""
        return self.report.to_json()

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        from hepad.pipeline.study.page import formatted_table
        from hepad.pipeline.study.sensitivity.page import sensitivities_table

        report = self.report
        if isinstance(report, StudyReport):
            table, title = formatted_table(report.card, report.results), report.card.title
        else:
            table, title = sensitivities_table(report.results), report.results.card.title
        return title, table.header, table.rows

    def _draw(self, ax: Axes) -> None:
        from hepad.pipeline.study.figures import roc_of
        from hepad.pipeline.study.sensitivity.figures import draw_limits

        if isinstance(self.report, StudyReport):
            roc_of(self.report.card, self.report.results, ax=ax)
        else:
            draw_limits(self.report.results, ax)


def study(
    card: str | Path,
    output: str | Path,
    *,
    samples: str | Path | None = None,
    background: Names = (),
    evaluation_background: Names = (),
    signals: Mapping[str, Names] | None = None,
    methods: Names = (),
    quick: bool = False,
    scans: bool = True,
    workers: int = 1,
    device: str = "cpu",
) -> StudyRecord:
    """Train the models of a published study over seeds, and report beside its numbers, into the folder `output`.

    `card` is a study that ships or the path of a card. Its events are the files of the names in it in the folder
    `samples`, or `background`, `evaluation_background` and `signals` by name. What is in `output` already is not made
    again, and an interrupted study goes on with the same call. `scans` are those of the card, `methods` those of a
    study of sensitivity in place of the card's; `quick` is a small version, to see that all works. `workers` trainings
    run side by side, each on the `device`.

    `CardError` for a card that does not fit, `InputDataError` for event files, `OutputError` for a folder with other
    files, `UsageError` for what the kind of study does not have.

    >>> import hepad, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> data = "data: {background: [background.h5], signals: {h0: [h0.h5]}}"
    >>> what = "schema: study/1, name: small, title: Small, reference: ours, analyses: [dnn_ae]"
    >>> how = "seeds: [1], training_events: 500, updates: 5, evaluation: {fraction: 0.25, seed: 5}"
    >>> _ = (folder / "small.yaml").write_text("{" + ", ".join([what, how, data]) + "}")
    >>> found = hepad.study(folder / "small.yaml", folder / "report", samples="examples/data")
    >>> found.report.trained, list(found.to_json()["table"]), (found.output / "report.html").is_file()
    (1, ['dnn_ae'], True)
    """
    from hepad.cards.sensitivity import SensitivityCard, load_any_study

    name, chosen = str(card), load_any_study(str(card))
    common: dict[str, Any] = {
        "output": Path(output),
        "data": None if samples is None else Path(samples),
        "background": [str(file) for file in _several(background)],
        "signals": {of: [str(file) for file in _several(files)] for of, files in (signals or {}).items()},
        "quick": quick,
        "device": device,
    }
    if isinstance(chosen, SensitivityCard):
        from hepad.execution.executor import Execution
        from hepad.pipeline.study.sensitivity.run import SensitivityOptions, sensitivity_study

        if _several(evaluation_background) or not scans:
            raise UsageError(f"{chosen.name} is of mock data: it has no evaluation_background and no scans")
        own = SensitivityOptions(methods=list(map(str, _several(methods))), execution=Execution(workers), **common)
        return StudyRecord(sensitivity_study(name, chosen, options=own))
    if _several(methods):
        raise UsageError(f"methods are of studies of sensitivity; {chosen.name} has the analyses of its card")
    from hepad.pipeline.study.run import StudyOptions
    from hepad.pipeline.study.run import study as run

    others = [str(file) for file in _several(evaluation_background)]
    options = StudyOptions(evaluation_background=others, scans=scans, workers=workers, **common)
    return StudyRecord(run(name, options=options))


def _several(given: Names) -> list[str | Path]:
    return [given] if isinstance(given, str | Path) else list(given)
