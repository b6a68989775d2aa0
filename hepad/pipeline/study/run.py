"""Run a study: train every model over seeds, scan what the card says, and report beside the published numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hepad.cards.resolver import resolve
from hepad.cards.study import load_study
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.nn.device import resolve_device
from hepad.nn.scorer import EpochEnd
from hepad.output.atomic import atomic_folder, write_files
from hepad.output.document import to_markdown
from hepad.output.json_text import json_text
from hepad.output.latex import TABLES, to_latex
from hepad.output.page import to_html
from hepad.pipeline.study.compared import compared, ordered
from hepad.pipeline.study.data import BACKGROUND, StudyData, find_files
from hepad.pipeline.study.figures import draw_figures
from hepad.pipeline.study.output import FIGURES, TRAININGS, VERB, check_output
from hepad.pipeline.study.page import blocks
from hepad.pipeline.study.plan import make_plan
from hepad.pipeline.study.report import StudyReport
from hepad.pipeline.study.results import Results, measure
from hepad.pipeline.study.trainings import OnTraining, run_trainings
from hepad.provenance import event_records, provenance, sha256_bytes, sha256_file

__all__ = ["StudyOptions", "StudyReport", "study"]

_FILES = ("report.md", "report.html", TABLES, "results.json")


@dataclass(frozen=True)
class StudyOptions:
    """Options of `study`: files by name, or a folder that holds those the card names; see `find_files`.

    `workers` trainings run side by side, each on the `device`, where the bundles are scored too; without `scans` only
    the table is trained.
    """

    output: Path
    data: Path | None = None
    background: Sequence[str] = ()
    evaluation_background: Sequence[str] = ()
    signals: Mapping[str, Sequence[str]] = field(default_factory=dict)
    quick: bool = False
    scans: bool = True
    workers: int = 1
    device: str = "cpu"
    step_size: int = DEFAULT_STEP_SIZE
    on_training: OnTraining | None = None
    on_epoch: Callable[[EpochEnd], None] | None = None


def study(name: str, *, options: StudyOptions) -> StudyReport:
    """Run the study of a card into the folder `options.output`: trainings, figures, two reports and results.json.

    What is trained already is not trained again, and an interrupted run goes on where it was: folders of trainings
    carry a fingerprint of all that their result depends on. The reports are made anew from the bundles each time.
    `OutputError` for a folder with foreign files, `CardError` for a card that does not fit, `InputDataError` for
    event files, `InterruptedRunError` on Ctrl-C.
    """
    device = resolve_device(options.device)
    check_output(options.output, _FILES)
    card = load_study(name)
    chosen = card.quickened() if options.quick else card
    chosen = chosen if options.scans else chosen.model_copy(update={"scans": {}})
    files = find_files(chosen, options.data, options.background, options.evaluation_background, options.signals)
    data = StudyData(files, chosen, options.step_size)
    plan = make_plan(chosen, data)
    options.output.mkdir(exist_ok=True)
    trained = run_trainings(
        plan,
        data,
        options.output,
        workers=options.workers,
        device=device,
        on_training=options.on_training,
        on_epoch=options.on_epoch,
    )
    results = measure(plan, data, options.output, workers=options.workers, device=device)
    bundles = {name: sha256_file(options.output / TRAININGS / name / "card.json") for name in plan.trainings}
    texts = {f"study {chosen.name}": resolve("analyses/studies", name).read_text(encoding="utf-8")}
    texts |= {f"analysis {n}": resolve("analyses", n).read_text(encoding="utf-8") for n in chosen.analyses}
    record = provenance(
        f"hepad study {chosen.name}{' --quick' if options.quick else ''}{'' if options.scans else ' --no-scans'}"
        f"{'' if device == 'cpu' else f' --device {device}'}",
        inputs=event_records(files.everything()),
        cards={**{what: sha256_bytes(text.encode()) for what, text in texts.items()}, **bundles},
    )
    compare = chosen.compare
    report = StudyReport(
        chosen,
        results,
        _split_text(data, results),
        options.quick,
        record,
        trained,
        options.output,
        compared(compare, results) if compare else (),
        ordered(compare, results, workers=options.workers) if compare else (),
    )
    _write(report, texts)
    return report


def _split_text(data: StudyData, results: Results) -> str:
    """Where the evaluation background is from."""
    held = len(next(iter(results.samples.values()))[BACKGROUND])
    aside = data.set_aside
    if aside is None:
        names = ", ".join(path.name for path in data.files.evaluation)
        return f"The evaluation background, {held} selected events, is a file of its own ({names})."
    names = ", ".join(path.name for path in data.files.background)
    return (
        f"The evaluation background, {held} selected events, was set aside from {names} before any training: "
        f"{aside.fraction:.0%} of the events that were read, drawn by seed {aside.seed}."
    )


def _write(report: StudyReport, texts: Mapping[str, str]) -> None:
    """Figures, reports and results, each complete or not there; `texts` are the cards."""
    output = report.output
    with atomic_folder(output / FIGURES, verb=VERB) as folder:
        figures = draw_figures(report.card, report.results, folder)
    cards = "\n".join(f"# {what}\n{text}" for what, text in texts.items())
    page = blocks(report, figures, cards)
    whole = {**report.content(), "figures": figures}
    pages = (to_markdown(page), to_html(page, output), to_latex(page), json_text("study/results.json", whole))
    write_files(output, dict(zip(_FILES, pages, strict=True)), verb=VERB)
