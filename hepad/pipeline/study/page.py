"""The pages of a study: tables beside the published numbers, figures, cards and provenance."""

from __future__ import annotations

from collections.abc import Sequence

from hepad.cards.study import StudyCard
from hepad.output.document import Answer, Block, Code, Figure, Heading, Table, Text
from hepad.pipeline.study.closing import study_closing
from hepad.pipeline.study.compared import compared_table, figure_title, order_table
from hepad.pipeline.study.data import BACKGROUND
from hepad.pipeline.study.figures import CAPTIONS, counts
from hepad.pipeline.study.names import named
from hepad.pipeline.study.report import StudyReport
from hepad.pipeline.study.results import Results
from hepad.stats.scores.roc import ZERO_EVENT_LIMIT

__all__ = ["SCAN_TITLES", "blocks", "formatted_losses", "formatted_table"]

SCAN_TITLES = {
    "steps": "Steps T of the forward pass",
    "latent": "Latent dimension",
    "training_fraction": "Training events at equal updates",
}

_QUICK = " This was a quick run, to see that all works: its networks are not trained."


def formatted_losses(card: StudyCard, results: Results) -> Table:
    """The losses: mean ± standard deviation over trainings beside the published ones, if there are any."""
    scale, unit = _loss_unit(card)
    rows = [
        [
            named(card, analysis),
            str(len(names)),
            results.loss(names).words(2, scale),
            results.loss(names, validation=True).words(2, scale),
            _published(card.published_loss.get(analysis), 2, scale),
        ]
        for analysis, names in results.plan.table.items()
        if any(training.learns for training in results.group(names))
    ]
    header = ["model", "trainings", f"loss{unit}", f"validation{unit}", f"published{unit}"]
    return Table(*_without_empty(header, rows))


def formatted_table(card: StudyCard, results: Results) -> Table:
    """AUC and 1/eps_b of each signal beside the published numbers, if there are any."""
    header = ["model", "signal", "AUC", "published", f"1/eps_b({card.rejection_at:g})", "published"]
    rows = []
    for analysis, names in results.plan.table.items():
        published = results.trainings[names[0]].planned.recipe.published
        for signal in results.signals:
            theirs = published.get(signal, {})
            rows.append(
                [
                    named(card, analysis),
                    named(card, signal),
                    results.auc(names, signal).words(3),
                    _published(theirs.get("auc"), 3),
                    results.rejection(names, signal).words(1),
                    _published(theirs.get(f"rejection_at_{card.rejection_at:g}"), 1),
                ]
            )
    return Table(*_without_empty(header, rows), numbers_from=2)


def _loss_unit(card: StudyCard) -> tuple[float, str]:
    """What losses are multiplied by in tables, and how a header names the unit: '' if it is 1."""
    return 1 / card.loss_unit, "" if card.loss_unit == 1 else f" [{card.loss_unit:g}]".replace("e-0", "e-")


def _without_empty(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows without the columns that are empty in all rows."""
    kept = [place for place in range(len(header)) if any(row[place] for row in rows)]
    return [header[place] for place in kept], [[row[place] for place in kept] for row in rows]


def blocks(report: StudyReport, figures: Sequence[str], cards: str) -> list[Block]:
    """The whole report; `figures` are the names of the figures that were drawn, `cards` the cards as text."""
    card, results = report.card, report.results
    seeds = ", ".join(str(seed) for seed in card.seeds)
    pictures = [Figure(f"figures/{name}.png", _caption(card, name)) for name in figures]

    def shown(prefix: str) -> list[Block]:
        return [p for p in pictures if p.path.startswith(f"figures/{prefix}")]

    scans: list[Block] = [
        block for name in card.scans for block in (*_scan(card, name, results), *shown(f"scan_{name}"))
    ]
    return [
        Heading(f"Study {card.name}: {card.title}", 1),
        _answer(report, pictures),
        Text(f"After: {card.reference}."),
        Text(
            f"Seeds {seeds}; {_length(card)}; a model that stops by its patience may do with fewer. Numbers are mean ± "
            f"sample standard deviation over seeds. {report.split}{_labelled(card)}{_QUICK if report.quick else ''}"
        ),
        Heading("Performance"),
        formatted_losses(card, results),
        formatted_table(card, results),
        Text(
            "Loss: of the training events in the last epoch, or in the epoch that was kept. Losses of models with "
            "different inputs cannot be compared. '>' marks a mean with lower limits in it, because no background "
            "event survived in at least one training. The published numbers are from the data set of the reference, "
            "and can be expected only from its files."
        ),
        *_compared(report),
        *shown("roc")[1:],  # the first is in the answer
        *shown("seeds"),
        *shown("loss"),
        Heading("Samples"),
        _samples(card, results),
        *shown("objects"),
        *([Heading("Latent spikes"), *shown("latent")] if shown("latent") else []),
        *_images(report, shown("images"), shown("plane")),
        *_costs(card, results),
        *([Heading("Scans"), *scans] if scans else []),
        Heading("Trainings"),
        _trainings(card, results),
        Heading("Cards"),
        Code(cards, folded="The cards as they are"),
        *study_closing(card.name, report.provenance),
    ]


def _answer(report: StudyReport, pictures: Sequence[Figure]) -> Answer:
    """Which model is best by its mean AUC, and for how many of the signals."""
    card, results = report.card, report.results
    best = {
        signal: max(results.plan.table, key=lambda name: results.auc(results.plan.table[name], signal).mean)
        for signal in results.signals
    }
    first = max(best.values(), key=list(best.values()).count)
    wins = [signal for signal, name in best.items() if name == first]
    models = len(results.plan.table)
    told = f"Of {models} models {named(card, first)} has the largest mean AUC for {len(wins)} of {len(best)} signals."
    if models == 1:
        told = f"{named(card, first)} was trained, and measured on {len(best)} signals."
    words = f"{told}{_QUICK if report.quick else ''}"
    numbers = [
        (
            results.auc(results.plan.table[first], signal).words(3),
            f"AUC of {named(card, first)} for {named(card, signal)}",
        )
        for signal in wins[:3]
    ]
    return Answer(words, numbers, next((p for p in pictures if p.path.startswith("figures/roc")), None))


def _length(card: StudyCard) -> str:
    if card.updates is None:
        more = f", or more, to have {card.least_updates} updates of the weights" if card.least_updates > 1 else ""
        return f"each training has the epochs of its analysis{more}"
    return f"at least {card.updates} updates of the weights in each training, so that fewer events mean more epochs"


def _labelled(card: StudyCard) -> str:
    """What was trained with labels, if anything was."""
    if card.labelled is None:
        return ""
    learned = dict.fromkeys(card.labelled.analyses, "all signals")
    learned |= {
        name: ", ".join(named(card, signal) for signal in signals) for name, signals in card.labelled.against.items()
    }
    said = "; ".join(f"{named(card, name)} from {signals}" for name, signals in learned.items())
    return (
        f" Trained with labels, on background and signals: {said}. {card.labelled.fraction:.0%} of the events in "
        "the files of these signals were set aside from that, and of them it is measured on these alone."
    )


def _compared(report: StudyReport) -> list[Block]:
    """Scores side by side, and which is surely better than which."""
    card, rows, orders = report.card, report.compared, report.ordered
    if card.compare is None:
        return []
    page: list[Block] = [
        Heading("Scores side by side"),
        Text(
            "Area under the ROC curve in percent. What is published is of the reference's own samples: of others it "
            "says nothing."
        ),
        compared_table(card, rows, "auc"),
        Text(f"The {figure_title(card.compare)}.{_one_event(report)}"),
        compared_table(card, rows, "figure"),
    ]
    if orders:
        page += [
            Heading("Almost stochastic order", 3),
            Text(
                "Upper limit (95 % confidence) on how far the first is from having the larger AUC at all quantiles, "
                f"over random subsets of {card.compare.order.events if card.compare.order else 0} events, half of them "
                "signal: below 0.2 it is better, above 0.8 mostly worse."
            ),
            order_table(card, orders),
        ]
    return page


def _one_event(report: StudyReport) -> str:
    """How fine a background efficiency can be: what one event is, and the limit where none is left."""
    compare = report.card.compare
    if compare is None or compare.figure != "background_efficiency":
        return ""
    events = len(next(iter(report.results.samples.values()))[BACKGROUND])
    return (
        f" One of the {events} background events is {100 / events:.2g} %; where a training leaves none, 0 stands for "
        f"less than {100 * ZERO_EVENT_LIMIT / events:.2g} % at 95 % confidence."
    )


def _costs(card: StudyCard, results: Results) -> list[Block]:
    """Weights and operations of the networks beside what was published."""
    rows = []
    for analysis, names in results.plan.table.items():
        found, theirs = results.trainings[names[0]].cost, card.published_cost.get(analysis)
        if found is not None:
            printed = ["", ""] if theirs is None else [f"{theirs.weights:g}", f"{theirs.operations / 1e6:.4g}"]
            ours = [str(found.weights), f"{found.operations / 1e6:.4g}"]
            rows.append([named(card, analysis), *(cell for pair in zip(ours, printed, strict=True) for cell in pair)])
    if not rows:
        return []
    header = ["model", "weights", "published", "operations [1e6]", "published"]
    return [
        Heading("Cost"),
        Text(
            "Weights of a network, and multiplications with an addition that the scores of a background event take, "
            "those of matrix products, convolutions and attention."
        ),
        Table(*_without_empty(header, rows)),
    ]


def _images(report: StudyReport, gallery: Sequence[Block], planes: Sequence[Block]) -> list[Block]:
    """How well images are reconstructed, beside what was published, and the pictures."""
    card, results = report.card, report.results
    published = card.compare.published_quality if card.compare else {}
    rows = []
    for analysis, names in results.plan.table.items():
        found = results.trainings[names[0]].pictures
        if found is not None:
            theirs = published.get(analysis, {})
            error, similarity = theirs.get("squared_error"), theirs.get("similarity")
            rows.append(
                [
                    named(card, analysis),
                    *(_of(found.squared_error, 2), _of(error, 2)),
                    *(_of(found.similarity, 3), _of(similarity, 3)),
                ]
            )
    if not rows:
        return []
    return [
        Heading("Reconstructed images"),
        Text(
            "Of background events, first seed: mean and standard deviation over events of the squared error, summed "
            "over the pixels of an image, and of the structural similarity."
        ),
        Table(["model", "squared error", "published", "similarity", "published"], rows),
        *gallery,
        *planes,
    ]


def _of(moments: tuple[float, float] | None, digits: int) -> str:
    return "" if moments is None else f"{moments[0]:.{digits}f} (± {moments[1]:.{digits}f})"


def _caption(card: StudyCard, name: str) -> str:
    key = next(key for key in sorted(CAPTIONS, key=len, reverse=True) if name.startswith(key))
    what = name.removeprefix(key).strip("_")
    return CAPTIONS[key].format(SCAN_TITLES.get(what, named(card, what)))


def _scan(card: StudyCard, name: str, results: Results) -> list[Block]:
    scale, unit = _loss_unit(card)
    rows = [
        [
            named(card, point.analysis),
            f"{point.value:g}",
            str(results.trainings[point.trainings[0]].planned.events),
            results.loss(point.trainings).words(2, scale),
            *(results.auc(point.trainings, signal).words(3) for signal in results.signals),
        ]
        for point in results.plan.scans
        if point.scan == name
    ]
    header = ["model", "value", "events", f"loss{unit}", *(f"AUC {named(card, signal)}" for signal in results.signals)]
    return [Heading(SCAN_TITLES.get(name, name), 3), Table(header, rows)]


def _samples(card: StudyCard, results: Results) -> Table:
    header = ["sample", "events", "jets", "electrons", "muons", "MET [GeV]"]
    rows = []
    for name, batch in next(iter(results.samples.values())).items():
        means = {key: float(values.mean()) for key, values in counts(batch).items()}
        numbers = [f"{means[key]:.2f}" if key in means else "" for key in ("jets", "electrons", "muons")]
        rows.append([named(card, name), str(len(batch)), *numbers, f"{means['met']:.1f}" if "met" in means else ""])
    return Table(*_without_empty(header, rows))


def _trainings(card: StudyCard, results: Results) -> Table:
    scale, unit = _loss_unit(card)
    header = [
        "training",
        "events",
        "updates",
        "epochs",
        f"loss{unit}",
        *(f"AUC {named(card, s)}" for s in results.signals),
    ]
    rows = [
        [
            name,
            str(t.planned.events),
            str(t.planned.updates),
            str(len(t.train_loss)),
            f"{t.loss * scale:.2f}",
            *(f"{t.auc[signal]:.4f}" for signal in results.signals),
        ]
        for name, t in results.trainings.items()
    ]
    return Table(header, rows)


def _published(pair: tuple[float, float] | None, digits: int, scale: float = 1.0) -> str:
    return "" if pair is None else f"{pair[0] * scale:.{digits}f} ± {pair[1] * scale:.{digits}f}"
