"""A network of others: an ONNX graph that is run as it is, and a score made of its output.

For the autoencoder that ATLAS publishes with its search for two-body resonances (Phys. Rev. Lett. 132 (2024) 081801),
the score is `log_mae`. Nothing is trained here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from hepad.cards.base import Card, parse_card
from hepad.errors import CardError, MissingExtraError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.io.exchange.onnx_file import OnnxFile, check_onnx
from hepad.io.exchange.onnx_shapes import first_line
from hepad.nn.score_rules import LATENT, RECONSTRUCTION
from hepad.nn.scorer import Scores, State, check_batch, finite_scores

__all__ = ["OnnxConfig", "OnnxScorer"]

_Float64 = npt.NDArray[np.float64]
_Rows = npt.NDArray[Any]

_STATE = "onnx"


class OnnxConfig(Card):
    """What the output means, and which tensors of the graph are meant where it has several.

    `score` is one of `hepad.nn.score_rules`: `log_mae`, `mae` or `mse`, where the output reconstructs the input; `mu2`,
    or `r` and `kl` with the output `log_variance` too, where it is the latent means of a variational autoencoder; or
    `output`, the score itself. `input` and `output` are names of tensors; None takes the only one.
    """

    score: Literal["log_mae", "mae", "mse", "mu2", "r", "kl", "output"]
    input: str | None = None
    output: str | None = None
    log_variance: str | None = None

    @model_validator(mode="after")
    def _has_a_variance_where_needed(self) -> OnnxConfig:
        if (self.score in {"r", "kl"}) != (self.log_variance is not None):
            raise ValueError(
                "log_variance, the name of an output, goes with the scores r and kl and only with them; mu2 needs none"
            )
        if self.log_variance is not None and self.output is None:
            raise ValueError(f"score {self.score} needs output, the name of the output of the means")
        return self


class OnnxScorer:
    """Runs a graph with onnxruntime: on one thread, in blocks of one size, so that a score does not depend on others.

    The rounding is that of onnxruntime on the processor at hand: another version or processor may differ in the last
    bits. Differences are taken in the graph's precision, sums in double precision, in the input's units.
    """

    name: ClassVar[str] = "onnx"
    input_kinds: ClassVar[tuple[str, ...]] = (
        "l1_vector", "rmm", "event_features", "jet_features", "table", "calo_image", "detector_image",
    )  # fmt: skip
    score_names: tuple[str, ...] = ("log_mae", "mae", "mse", "mu2", "r", "kl", "output")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self.layout = layout
        self._config = parse_card(OnnxConfig, dict(config), f"model {self.name}")
        self.score_names = (self._config.score,)
        self._data: bytes | None = None
        self._graph: OnnxFile
        self._outputs: tuple[str, ...]
        self._session: Any

    @property
    def config(self) -> dict[str, Any]:
        """The complete configuration, defaults included, in JSON types."""
        return self._config.model_dump(mode="json", exclude_none=True)

    @property
    def graph(self) -> OnnxFile:
        """What is known of the graph; `CardError` before `load_state`."""
        self._loaded()
        return self._graph

    def scores(self, batch: Batch) -> Scores:
        """Float32 scores of shape (n,), higher more anomalous.

        Raises `CardError` for a batch that does not fit or an output of another shape than the graph announced,
        `InputDataError` if a row gives no number.
        """
        check_batch(self, batch)
        values = np.empty(len(batch), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for place, rows, outputs in self._blocks(batch.x):
                values[place] = self.score_of(rows, *outputs)
        return finite_scores(self.name, {self._config.score: values})

    def outputs(self, x: _Rows) -> tuple[_Rows, ...]:
        """The graph's outputs that the score is made of, for x of shape (n, d) or (n, *layout.shape): each (n, k)."""
        parts = [outputs for _, _, outputs in self._blocks(x)]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    def score_of(self, x: _Rows, *outputs: _Rows) -> _Float64:
        """The score, of shape (n,), of rows x of shape (n, d) for which the graph gave `outputs`."""
        kind = self._config.score
        if kind in RECONSTRUCTION:
            return RECONSTRUCTION[kind](x, outputs[0])
        if kind in LATENT:
            return LATENT[kind](outputs[0], outputs[-1])
        return np.asarray(outputs[0][:, 0], dtype=np.float64)

    def _blocks(self, x: _Rows) -> Iterator[tuple[slice, _Rows, tuple[_Rows, ...]]]:
        """Rows of x block by block as the graph takes them, and what it gives for them; one block even without rows."""
        self._loaded()
        block = self._graph.block
        for start in range(0, max(len(x), 1), block):
            filled = min(block, len(x) - start)
            rows = np.zeros((block, self.layout.size), dtype=self._graph.dtype)
            rows[:filled] = x[start : start + filled].reshape(filled, self.layout.size)
            outputs = self._run(rows)
            for name, values in zip(self._outputs, outputs, strict=True):
                if values.shape != self._graph.outputs[name]:
                    raise CardError(f"output {name!r} has shape {values.shape}, not {self._graph.outputs[name]}")
            kept = tuple(values[:filled].reshape(filled, values[0].size) for values in outputs)
            yield slice(start, start + filled), rows[:filled], kept

    def reconstruction_errors(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Squared difference of input and output for each number, shape as x; see `hepad.nn.explain.Explains`."""
        check_batch(self, batch)
        if self._config.score not in RECONSTRUCTION:
            raise CardError(f"the score {self._config.score} of this network reconstructs nothing")
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = self.outputs(batch.x)[0].reshape(batch.x.shape)
            return np.square(batch.x - outputs).astype(np.float32)

    def state(self) -> State:
        """The bytes of the ONNX file, as an array of uint8."""
        return {_STATE: np.frombuffer(self._loaded(), dtype=np.uint8)}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take a file's bytes written by `state`, checked; `CardError` if they are not accepted or do not fit."""
        unknown = sorted(state.keys() - {_STATE})
        if _STATE not in state or unknown:
            raise CardError(f"unknown tensor {unknown[0]!r}" if unknown else "the file model.onnx is missing")
        data = np.asarray(state[_STATE], dtype=np.uint8).tobytes()
        graph = check_onnx(data, "model.onnx")
        outputs = self._check_fit(graph)
        self._session = _session(data)
        self._graph, self._outputs, self._data = graph, outputs, data

    def _check_fit(self, graph: OnnxFile) -> tuple[str, ...]:
        """The names of the outputs that are used, of a graph that fits columns and configuration."""
        config = self._config
        if config.input not in {None, graph.input}:
            raise CardError(f"its input is called {graph.input!r}, not {config.input!r}: mend the card's model.input")
        if graph.width != self.layout.size:
            raise CardError(f"its input has {graph.width} columns, the card's input makes {self.layout.size}")
        if config.output is None and len(graph.outputs) > 1:
            raise CardError(f"it has outputs {', '.join(graph.outputs)}: name one in the card's model.output")
        names = tuple(filter(None, (config.output or next(iter(graph.outputs)), config.log_variance)))
        for name in names:
            if name not in graph.outputs:
                raise CardError(f"it has no output {name!r} but {', '.join(graph.outputs)}: mend the card's model")
        shapes = [graph.outputs[name] for name in names]
        wanted = {"output": [(graph.block,), (graph.block, 1)]}.get(config.score, [(graph.block, graph.width)])
        if config.score in LATENT:
            wanted = [shapes[0]] if len(shapes[0]) == 2 and shapes[0][0] == graph.block else []
        if any(shape not in wanted for shape in shapes):
            raise CardError(
                f"score {config.score} cannot be made of outputs of shape {', '.join(map(str, shapes))} "
                f"for {graph.block} events of {graph.width} columns"
            )
        return names

    def _run(self, rows: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        try:
            return list(self._session.run(list(self._outputs), {self._graph.input: rows}))
        except Exception as error:  # onnxruntime has an exception for each of its states
            raise CardError(f"onnxruntime cannot run the network ({first_line(error)})") from error

    def _loaded(self) -> bytes:
        if self._data is None:
            raise CardError("an onnx model has no weights before its file is loaded")
        return self._data


def _session(data: bytes) -> Any:
    """A session that computes on one thread, on the processor, in one order."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError.of(error, "ONNX networks need", "onnxruntime", "onnx") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what is wrong is raised
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception for each of its states
        raise CardError(f"model.onnx: onnxruntime does not take it ({first_line(error)})") from error
