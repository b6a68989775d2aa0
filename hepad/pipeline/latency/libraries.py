"""What can compute a score on a processor: hepad itself, plain torch, onnxruntime; and how far their scores agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError, MissingExtraError
from hepad.inputs.batch import Batch
from hepad.nn.exact import hardware_rows
from hepad.nn.layers import Network
from hepad.nn.one_score import HasScoreModule, narrowed
from hepad.nn.scorer import Scorer
from hepad.samples.trigger import FloatModel, decision_flips
from hepad.trigger.module_graph import graph_scores, module_onnx, module_scores
from hepad.trigger.onnx_graph import onnx_bytes, onnx_session

__all__ = ["PLAIN", "LibraryModel", "agreement", "functions"]

PLAIN = "torch"
"""The library that others are held against, in time and in scores: layer by layer, in single precision."""

AGREEMENT_EVENTS = 256
_TOLERANCE = 1e-3
"""Relative: a graph that is further off than this was not made of the whole network."""

_Rows = npt.NDArray[np.float32]
Function = Callable[[_Rows], Any]


@dataclass(frozen=True)
class LibraryModel(FloatModel):
    """With its layers for the score, if it is made of such, which libraries can run."""

    network: Network | None

    @cached_property
    def scorer(self) -> Scorer:
        """The scorer with this score alone, if it can be so."""
        return narrowed(self.bundle.scorer, self.score)

    def batch(self, kind: str, rows: _Rows) -> Batch:
        """A batch of rows."""
        return Batch(kind, self.bundle.input.layout, rows, rows != 0, np.ones(len(rows)))


def functions(model: LibraryModel, kind: str, threads: int, left_out: list[str]) -> Mapping[str, Function]:
    """What scores rows, by library: hepad itself always, torch and onnxruntime if they know the network.

    Says in `left_out` why one is missing.
    """
    scorer = model.scorer
    found: dict[str, Function] = {"hepad": lambda rows: scorer.scores(model.batch(kind, rows))[model.score]}
    try:
        if model.network is not None:
            _of_layers(found, model.network, threads)
        elif isinstance(scorer, HasScoreModule):
            _of_module(found, model, scorer, kind, threads)
        else:
            only = f"only hepad knows the score {model.score} of this model"
            left_out.append(f"no timing with torch and onnxruntime: {only}")
    except (CardError, MissingExtraError) as error:
        left_out.append(f"no timing with onnxruntime: {error}")
    return found


def _of_layers(found: dict[str, Function], network: Network, threads: int) -> None:
    from hepad.trigger.torch_scores import torch_scores

    if network.spiking is not None:
        import_module("hepad.nn.lif_kernel")  # as in a job that has scored millions of events
    torch = torch_scores(network)
    found[f"{PLAIN} {version('torch')}"] = lambda rows: torch(hardware_rows(rows))
    session = onnx_session(onnx_bytes(network), threads=threads)
    found[f"onnxruntime {version('onnxruntime')}"] = lambda rows: session.run(["score"], {"x": hardware_rows(rows)})[0]


def _of_module(
    found: dict[str, Function], model: LibraryModel, scorer: HasScoreModule, kind: str, threads: int
) -> None:
    """The module as it is, and a graph of it if that gives its scores."""
    layout = model.bundle.input.layout
    few = np.random.default_rng(0).random((3, *layout.shape), dtype=np.float32)
    arrays = scorer.seen(model.batch(kind, few))
    module = scorer.score_module(model.score)
    plain = module_scores(module)
    expected = found["hepad"](few)
    if not np.allclose(plain(arrays), expected, rtol=_TOLERANCE, atol=_TOLERANCE * float(np.abs(expected).mean())):
        raise CardError(f"score {model.score} is not made by torch alone")
    found[f"{PLAIN} {version('torch')}"] = lambda rows: plain(scorer.seen(model.batch(kind, rows)))
    graph = graph_scores(module_onnx(module, [values[:1] for values in arrays]), threads=threads)

    def run(rows: _Rows) -> Any:
        return graph(scorer.seen(model.batch(kind, rows)))

    if not np.allclose(run(few), expected, rtol=_TOLERANCE, atol=_TOLERANCE * float(np.abs(expected).mean())):
        raise CardError(f"a graph of the score {model.score} does not give its numbers")
    found[f"onnxruntime {version('onnxruntime')}"] = run


def agreement(model: LibraryModel, events: Batch, found: Mapping[str, Function]) -> list[dict[str, Any]]:
    """How the scores of each library compare with those of plain torch, on the first events; empty without it.

    `rank_correlation` is Spearman's, None if all scores are equal; `largest_difference` is relative to the mean
    absolute score; `decisions` are those of the regions that differ (`hepad.samples.trigger.Flips`).
    """
    from scipy.stats import spearmanr  # slow to import, and for this alone

    reference = next((name for name in found if name.split()[0] == PLAIN), None)
    if reference is None:
        return []
    x = np.ascontiguousarray(events.x[:AGREEMENT_EVENTS], dtype=np.float32)
    scores = {name: _alone(function, x) for name, function in found.items()}
    wanted, regions = scores.pop(reference), model.regions()
    rows = []
    for name, values in scores.items():
        constant = len(x) < 2 or np.ptp(wanted) == 0 or np.ptp(values) == 0
        rows.append(
            {
                "backend": name,
                "events": len(x),
                "rank_correlation": None if constant else float(spearmanr(wanted, values).statistic),
                "largest_difference": float(np.abs(values - wanted).max() / max(np.abs(wanted).mean(), 1e-30)),
                "decisions": [item.to_json() for item in decision_flips(regions, wanted, values)],
            }
        )
    return rows


def _alone(function: Function, x: _Rows) -> npt.NDArray[np.float64]:
    """Scores of events given one by one, as a trigger does."""
    return np.concatenate([np.atleast_1d(function(x[i : i + 1])) for i in range(len(x))]).astype(np.float64)
