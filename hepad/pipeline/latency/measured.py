"""The measured tier: what a model takes on the processor at hand, by each library that can run it.

The model is the trained one, in floating point, so any bundle has this tier, with or without logic.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from hepad.bundles.bundle import Bundle, load_bundle
from hepad.errors import CardError, UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import VECTOR, Layout
from hepad.nn.layers import layers_of
from hepad.nn.one_score import Narrows
from hepad.paths import InputPath
from hepad.pipeline.latency.libraries import LibraryModel, agreement, functions
from hepad.pipeline.latency.report import BUSY_WORDS, Tier
from hepad.samples.trigger import Part, float_events, score_of
from hepad.trigger.memory import peak_memory_mb, processor
from hepad.trigger.network import operations
from hepad.trigger.timing import Timing, pinned, time_functions

__all__ = ["MeasureOptions", "Measured", "float_model", "measure", "measured_alone"]

BUSY = 0.98
"""Below this share of its time on the processor, a process was kept waiting by others."""


@dataclass(frozen=True)
class MeasureOptions:
    """Numbers of threads, events a batch, seconds for each measurement, and in how many parts these are spent.

    Without `batches` they are single events beside 1000, or 16 of images and of sets.
    """

    threads: tuple[int, ...] = (1,)
    batches: tuple[int, ...] = ()
    seconds: float = 1.0
    repetitions: int = 5

    def __post_init__(self) -> None:
        if self.repetitions < 2:
            raise UsageError(f"--repeat {self.repetitions}: without a second one there is no error; give 2 or more")
        if not self.threads or min(self.threads) < 1 or min(self.batches, default=1) != 1:
            raise UsageError("measurements need one thread at least, and single events beside batches")

    def sizes(self, layout: Layout) -> list[int]:
        """The batches, in order."""
        return sorted(set(self.batches or (1, 1000 if layout.axes == VECTOR else 16)))


@dataclass(frozen=True)
class Measured:
    """The tier, the quickest library for single events on the fewest threads; all timings; the processor.

    `agreement` is how the libraries' scores compare; `left_out` says which are missing, and why.
    """

    tier: Tier
    timings: tuple[Timing, ...]
    memory_mb: float
    processor: dict[str, Any]
    agreement: tuple[dict[str, Any], ...] = ()
    left_out: tuple[str, ...] = ()

    def details(self) -> dict[str, Any]:
        """What the report tells beside the tier."""
        return {
            "timings": [timing.to_json() for timing in self.timings],
            "agreement": list(self.agreement),
            "memory_mb": self.memory_mb,
            "processor": self.processor,
        }

    def remarks(self) -> list[str]:
        """What is missing, and whether others wanted the processor meanwhile."""
        shares = [t.on_processor for t in self.timings if t.on_processor is not None]
        load, number = self.processor["load_average"], self.processor["cores"]
        signs = []
        if load is not None and load > number - 0.5:
            signs.append(f"load average {load:.1f} on {number} cores before the timings")
        if shares and min(shares) < BUSY:
            signs.append(f"a measurement had the processor for {min(shares):.0%} of its time only")
        busy = [f"{BUSY_WORDS}: {', '.join(signs)}"] if signs else []
        return [*self.left_out, *busy]


def float_model(model: str | Bundle, score: str | None = None, part: Part = "full") -> LibraryModel:
    """A bundle to be timed. Without `score` the first that it has; of the `encoder`, the first that needs no more.

    `UsageError` for a score that it does not have, or that needs more than the encoder.
    """
    bundle = load_bundle(model)
    chosen = score_of(bundle, score)
    if part == "encoder":
        cheap = _encoder_scores(bundle)
        if not cheap or score not in {None, *cheap}:
            known = f"needs {' or '.join(cheap)}" if cheap else "has no score of an encoder alone"
            raise UsageError(f"--part encoder: {bundle.card.name} {known}")
        chosen = score or cheap[0]
    network = None
    with suppress(CardError):  # a model without logic is timed all the same
        network = layers_of(bundle.scorer, chosen)
    return LibraryModel(bundle, chosen, network)


def measure(model: LibraryModel, events: Batch, options: MeasureOptions) -> Measured:
    """Time the model for each number of threads, size of batch and library.

    The input is there already: reading and selecting events is not part of it.
    """
    x, machine = np.ascontiguousarray(events.x, dtype=np.float32), processor()
    found: list[Timing] = []
    left_out: list[str] = []
    agreeing: list[dict[str, Any]] = []
    for threads in sorted(set(options.threads)):
        with pinned(threads):
            left_out.clear()
            known = functions(model, events.kind, threads, left_out)
            agreeing = agreeing or agreement(model, events, known)
            for batch in options.sizes(events.layout):
                found += time_functions(
                    known, x, batch, threads=threads, seconds=options.seconds, repetitions=options.repetitions
                )
    least = min(options.threads)
    single = min((t for t in found if (t.batch, t.threads) == (1, least)), key=lambda t: t.p99.median)
    tool = f"{single.backend}, {'one thread' if least == 1 else f'{least} threads'}"
    tier = Tier(single.p99.median, single.p99.error, tool=tool)
    peak = max(peak_memory_mb(), *(t.memory_mb for t in found))
    return Measured(tier, tuple(found), peak, machine, tuple(agreeing), tuple(left_out))


def measured_alone(
    model: str | Bundle,
    files: Sequence[str | InputPath],
    options: MeasureOptions,
    *,
    score: str | None = None,
    part: Part = "full",
    max_events: int | None = None,
    seed: int = 0,
) -> tuple[Tier, dict[str, Any], list[str]]:
    """The measured tier of a bundle without its logic, if it has one: tier, details and remarks of the report.

    Without files, inputs are random numbers. Operations are None for a network that only its own scorer knows. A model
    with scores of an encoder alone has the first of these in the details, too, under `encoder`; `part` asks for it.
    """
    made = float_model(model, score, part)
    events = float_events(made.bundle, files, max_events=max_events, seed=seed)
    found = measure(made, events, options)
    details = {
        "score": made.score,
        "part": part,
        "events": len(events),
        "random_inputs": not files,
        "combinational": False,
        "operations": None if made.network is None else operations(made.network, events.x),
        **found.details(),
    }
    cheap = _encoder_scores(made.bundle)
    if cheap and made.score not in cheap:
        encoder = measure(float_model(made.bundle, cheap[0]), events, options)
        details["encoder"] = {"score": cheap[0], **encoder.details()}
    return found.tier, details, found.remarks()


def _encoder_scores(bundle: Bundle) -> tuple[str, ...]:
    scorer = bundle.scorer
    return tuple(s for s in scorer.encoder_scores if s in bundle.card.scores) if isinstance(scorer, Narrows) else ()
