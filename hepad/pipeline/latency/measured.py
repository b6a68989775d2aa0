"""The measured tier: what a model takes on the processor at hand, by each library that can run it.

The model is the trained one, in floating point, so any bundle has this tier, with or without logic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.bundles.bundle import Bundle, load_bundle
from hepad.errors import CardError, MissingExtraError, UsageError
from hepad.inputs.batch import Batch
from hepad.io.reader import expand_files
from hepad.nn.exact import hardware_rows
from hepad.nn.layers import Network, layers_of
from hepad.paths import InputPath
from hepad.pipeline.latency.report import Tier
from hepad.samples.background import read_background
from hepad.trigger.memory import peak_memory_mb, processor
from hepad.trigger.network import operations
from hepad.trigger.onnx_graph import onnx_bytes, onnx_session
from hepad.trigger.timing import Timing, pinned, time_functions

__all__ = ["FloatModel", "MeasureOptions", "Measured", "float_model", "measure", "measured_alone"]

RANDOM_EVENTS = 2000
BUSY = 0.98
"""Below this share of its time on the processor, a process was kept waiting by others."""

_Rows = npt.NDArray[np.float32]
_Function = Callable[[_Rows], Any]


@dataclass(frozen=True)
class MeasureOptions:
    """Numbers of threads, events a batch, seconds for each measurement, and in how many parts these are spent."""

    threads: tuple[int, ...] = (1,)
    batches: tuple[int, ...] = (1, 1000)
    seconds: float = 1.0
    repetitions: int = 5

    def __post_init__(self) -> None:
        if self.repetitions < 2:
            raise UsageError(f"--repeat {self.repetitions}: without a second one there is no error; give 2 or more")
        if not self.threads or min(self.threads) < 1 or min(self.batches) != 1:
            raise UsageError("measurements need one thread at least, and single events beside batches")


@dataclass(frozen=True)
class FloatModel:
    """A bundle as it is trained; `network` is None if no other library than its own can run it."""

    bundle: Bundle
    score: str
    network: Network | None


@dataclass(frozen=True)
class Measured:
    """The tier, the quickest library for single events on the fewest threads; all timings; the processor.

    `left_out` says which libraries are missing, and why.
    """

    tier: Tier
    timings: tuple[Timing, ...]
    memory_mb: float
    processor: dict[str, Any]
    left_out: tuple[str, ...] = ()

    def details(self) -> dict[str, Any]:
        """What the report tells beside the tier."""
        return {
            "timings": [timing.to_json() for timing in self.timings],
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
        busy = [f"the processor was busy, so times are upper bounds: {', '.join(signs)}"] if signs else []
        return [*self.left_out, *busy]


def float_model(model: str | Bundle, score: str | None = None) -> FloatModel:
    """A bundle to be timed. Without `score` the first that it has.

    `UsageError` for a score that it does not have.
    """
    bundle = load_bundle(model)
    if score is None:
        score = bundle.card.scores[0]
    elif score not in bundle.card.scores:
        raise UsageError(f"--score {score}: {bundle.card.name} has {', '.join(bundle.card.scores)}")
    network = None
    with suppress(CardError):  # a model without logic is timed all the same
        network = layers_of(bundle.scorer, score)
    return FloatModel(bundle, score, network)


def _events(bundle: Bundle, files: Sequence[str | InputPath], *, max_events: int | None, seed: int) -> Batch:
    """The selected events of files as the network sees them; without files, random inputs from 0 to 1."""
    if files:
        background = read_background(expand_files(files), bundle.card.selection, bundle.input, max_events=max_events)
        return bundle.input.scaled(background.batch)
    rng, layout = np.random.default_rng(seed), bundle.input.layout
    n = min(max_events or RANDOM_EVENTS, RANDOM_EVENTS)
    x = rng.random((n, *layout.shape), dtype=np.float32)
    return Batch(bundle.card.input.kind, layout, x, None, np.ones(n))


def measure(model: FloatModel, events: Batch, options: MeasureOptions) -> Measured:
    """Time the model for each number of threads, size of batch and library.

    The input is there already: reading and selecting events is not part of it.
    """
    x, machine = np.ascontiguousarray(events.x, dtype=np.float32), processor()
    found: list[Timing] = []
    left_out: list[str] = []
    for threads in sorted(set(options.threads)):
        with pinned(threads):
            left_out.clear()
            functions = _functions(model, events.kind, threads, left_out)
            for batch in sorted(set(options.batches)):
                found += time_functions(
                    functions, x, batch, threads=threads, seconds=options.seconds, repetitions=options.repetitions
                )
    least = min(options.threads)
    single = min((t for t in found if (t.batch, t.threads) == (1, least)), key=lambda t: t.p99.median)
    tool = f"{single.backend}, {'one thread' if least == 1 else f'{least} threads'}"
    tier = Tier(single.p99.median, single.p99.error, tool=tool)
    peak = max(peak_memory_mb(), *(t.memory_mb for t in found))
    return Measured(tier, tuple(found), peak, machine, tuple(left_out))


def measured_alone(
    model: str | Bundle,
    files: Sequence[str | InputPath],
    options: MeasureOptions,
    *,
    score: str | None = None,
    max_events: int | None = None,
    seed: int = 0,
) -> tuple[Tier, dict[str, Any], list[str]]:
    """The measured tier of a bundle without its logic, if it has one: tier, details and remarks of the report.

    Without files, inputs are random numbers. Operations are None for a network that only its own scorer knows.
    """
    made = float_model(model, score)
    events = _events(made.bundle, files, max_events=max_events, seed=seed)
    found = measure(made, events, options)
    details = {
        "score": made.score,
        "events": len(events),
        "random_inputs": not files,
        "combinational": False,
        "operations": None if made.network is None else operations(made.network, events.x),
        **found.details(),
    }
    return found.tier, details, found.remarks()


def _functions(model: FloatModel, kind: str, threads: int, left_out: list[str]) -> Mapping[str, _Function]:
    """What scores rows, by library: hepad itself always, torch and onnxruntime if they know the network.

    Says in `left_out` why one is missing.
    """
    from hepad.trigger.torch_scores import torch_scores

    scorer, layout, network = model.bundle.scorer, model.bundle.input.layout, model.network

    def own(rows: _Rows) -> Any:
        return scorer.scores(Batch(kind, layout, rows, rows != 0, np.ones(len(rows))))

    found: dict[str, _Function] = {"hepad": own}
    if network is None:
        left_out.append(f"no timing with torch and onnxruntime: only hepad knows the score {model.score} of this model")
        return found
    if network.spiking is not None:
        import_module("hepad.nn.lif_kernel")  # as in a job that has scored millions of events
    torch = torch_scores(network)
    found[f"torch {version('torch')}"] = lambda rows: torch(hardware_rows(rows))
    try:
        session = onnx_session(onnx_bytes(network), threads=threads)
    except MissingExtraError as error:
        left_out.append(f"no timing with onnxruntime: {error}")
        return found
    found[f"onnxruntime {version('onnxruntime')}"] = lambda rows: session.run(["score"], {"x": hardware_rows(rows)})
    return found
