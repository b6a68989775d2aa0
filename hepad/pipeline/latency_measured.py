"""The measured tier: what a model takes on the processor at hand, by each library that can run it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import MissingExtraError
from hepad.inputs.batch import Batch
from hepad.pipeline.latency_report import Tier
from hepad.pipeline.trigger import TriggerModel
from hepad.trigger.onnx_graph import onnx_bytes, onnx_session
from hepad.trigger.timing import Timing, pinned, time_calls, torch_scores

__all__ = ["measured"]

_Rows = npt.NDArray[np.float32]


def measured(
    model: TriggerModel, events: Batch, *, batches: tuple[int, ...], seconds: float
) -> tuple[Tier, list[dict[str, Any]]]:
    """Time the float model for each size of batch and each library; the tier is the quickest for single events.

    The input is there already: reading and selecting events is not part of it.
    """
    x = np.ascontiguousarray(events.x, dtype=np.float32)
    found: list[Timing] = []
    with pinned():
        for name, function in _backends(model, events).items():
            found.extend(time_calls(name, function, x, batch, seconds) for batch in batches)
    single = min((t for t in found if t.batch == min(batches)), key=lambda t: t.p99_ns)
    tier = Tier(single.p99_ns, single.p99_ns - single.p50_ns, tool=f"{single.backend}, one thread")
    return tier, [timing.to_json() for timing in found]


def _backends(model: TriggerModel, events: Batch) -> dict[str, Callable[[_Rows], Any]]:
    scorer, columns = model.bundle.scorer, model.bundle.input.columns

    def own(rows: _Rows) -> Any:
        return scorer.scores(Batch(events.kind, columns, rows, rows != 0, np.ones(len(rows))))

    found: dict[str, Callable[[_Rows], Any]] = {
        "hepad": own,
        f"torch {version('torch')}": torch_scores(model.network),
    }
    try:
        session = onnx_session(onnx_bytes(model.network))
    except MissingExtraError:
        return found
    found[f"onnxruntime {version('onnxruntime')}"] = lambda rows: session.run(["score"], {"x": rows})
    return found
