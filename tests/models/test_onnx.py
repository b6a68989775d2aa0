"""Networks of others: scores as in numpy, and the parts of the contract that do not need a training."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hepad.bundles.bundle import load_bundle
from hepad.errors import CardError, InputDataError, MissingExtraError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.onnx import OnnxScorer
from hepad.nn.scorer import trainable

from ..onnx_graphs import bundled_dense, helper, model, numpy_helper

LAYOUT = Layout.vector([f"c{i}" for i in range(19)])


def batch(n: int = 1200, seed: int = 1) -> Batch:
    x = np.random.default_rng(seed).random((n, 19), dtype=np.float32)
    return Batch("l1_vector", LAYOUT, x, np.ones(x.shape, dtype=bool), np.ones(n))


def scorer(proto: Any, **config: Any) -> OnnxScorer:
    made = OnnxScorer({"score": "mse", **config}, LAYOUT)
    made.load_state({"onnx": np.frombuffer(proto.SerializeToString(), dtype=np.uint8)})
    return made


@pytest.fixture(scope="module")
def dense() -> OnnxScorer:
    return scorer(bundled_dense())


@pytest.mark.parametrize(("options", "rtol"), [({}, 1e-6), ({"batch": 100}, 1e-6), ({"dtype": "float64"}, 3e-6)])
def test_parity_with_our_own_network(options: dict[str, Any], rtol: float) -> None:
    events = batch()
    ours = load_bundle("dnn_ae").scorer.scores(replace(events, layout=load_bundle("dnn_ae").input.layout))["mse"]
    np.testing.assert_allclose(scorer(bundled_dense(**options)).scores(events)["mse"], ours, rtol=rtol)


def test_kinds_of_score() -> None:
    events = batch(700)
    x = events.x.astype(np.float64)
    y = scorer(bundled_dense()).outputs(events.x)[0].astype(np.float64)
    expected = {
        "mae": np.abs(x - y).mean(axis=1),
        "mse": np.square(x - y).mean(axis=1),
        "log_mae": np.log(np.abs(x - y).mean(axis=1)),
        "mu2": np.square(y).sum(axis=1),
    }
    for kind, values in expected.items():
        found = scorer(bundled_dense(), score=kind)
        assert found.score_names == (kind,)
        np.testing.assert_allclose(found.scores(events)[kind], values, rtol=2e-6)


def test_a_score_given_directly_and_a_divergence() -> None:
    events = batch(10)
    weight = numpy_helper.from_array(np.linspace(-1, 1, 19, dtype=np.float32).reshape(19, 1), "w")
    both = numpy_helper.from_array(np.random.default_rng(2).normal(size=(19, 3)).astype(np.float32), "v")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["s"]),
        helper.make_node("MatMul", ["x", "v"], ["mu"]),
        helper.make_node("Neg", ["mu"], ["logvar"]),
    ]
    proto = model(nodes, [weight, both], outputs={"s": ["N", 1], "mu": ["N", 3], "logvar": ["N", 3]})
    direct = scorer(proto, score="output", output="s").scores(events)["output"]
    np.testing.assert_allclose(direct, events.x @ np.linspace(-1, 1, 19), rtol=1e-5)
    mu = events.x @ numpy_helper.to_array(both)
    divergence = scorer(proto, score="kl", output="mu", log_variance="logvar").scores(events)["kl"]
    np.testing.assert_allclose(divergence, 0.5 * (mu**2 + np.exp(-mu) + mu - 1).mean(axis=1), rtol=1e-5)
    ratio = scorer(proto, score="r", output="mu", log_variance="logvar").scores(events)["r"]
    np.testing.assert_allclose(ratio, (mu**2 * np.exp(mu)).sum(axis=1), rtol=1e-4)
    with pytest.raises(CardError, match="it has outputs s, mu, logvar: name one"):
        scorer(proto, score="output")
    with pytest.raises(CardError, match="score mse cannot be made of outputs of shape"):
        scorer(proto, score="mse", output="mu")
    with pytest.raises(CardError, match="it has no output 'z'"):
        scorer(proto, score="mu2", output="z")


def as_integers(x: np.ndarray, scale: float, low: int, high: int, zero: int) -> np.ndarray:
    """QuantizeLinear of the ONNX standard: round half to even, then saturate; and back."""
    return (np.clip(np.rint(x / np.float32(scale)) + zero, low, high) - zero).astype(np.float32) * np.float32(scale)


def test_a_network_of_eight_bits() -> None:
    """What Brevitas and onnxruntime export: QuantizeLinear and DequantizeLinear around floating-point operators."""
    events = batch(600)
    weight = np.random.default_rng(3).integers(-128, 128, size=(19, 19)).astype(np.int8)
    constants = [numpy_helper.from_array(weight, "w")]
    for name, value, kind in (("s", 0.01, "float32"), ("ws", 0.002, "float32"), ("z", 3, "uint8"), ("wz", 0, "int8")):
        constants.append(numpy_helper.from_array(np.array(value, dtype=kind), name))
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["v"]),
        helper.make_node("MatMul", ["d", "v"], ["h"]),
        helper.make_node("Round", ["h"], ["y"]),
    ]
    found = scorer(model(nodes, constants))
    assert found.graph.operators == ("DequantizeLinear", "MatMul", "QuantizeLinear", "Round")
    seen = as_integers(events.x, 0.01, 0, 255, 3)
    expected = seen.astype(np.float64) @ (weight.astype(np.float64) * np.float32(0.002))
    clear = np.abs(expected - np.floor(expected) - 0.5) > 1e-4  # of a half, where single precision decides
    assert clear.mean() > 0.99
    assert (found.outputs(events.x)[0] == np.rint(expected))[clear].all()


def test_a_shape_that_is_computed() -> None:
    """What tf2onnx writes for a reshape: Shape, Slice, Concat, Reshape."""
    constants = [numpy_helper.from_array(np.array([n], dtype=np.int64), f"n{n}") for n in (0, 1)]
    constants.append(numpy_helper.from_array(np.array([19, 1], dtype=np.int64), "rest"))
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Slice", ["shape", "n0", "n1"], ["events"]),
        helper.make_node("Concat", ["events", "rest"], ["wanted"], axis=0),
        helper.make_node("Reshape", ["x", "wanted"], ["column"]),
        helper.make_node("ReduceMax", ["column"], ["y"], axes=[1, 2], keepdims=0),
    ]
    events = batch(700)
    found = scorer(model(nodes, constants, outputs={"y": ["N"]}), score="output").scores(events)["output"]
    np.testing.assert_array_equal(found, events.x.max(axis=1))


def test_infinite_scores_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A network that divides by zero makes anomalies of events; minus infinity and 0/0 are no score at all."""
    events = batch(600)
    events.x[:, 0] = np.where(np.arange(600) % 3, 1, 0)
    select = numpy_helper.from_array(np.eye(19, 1, dtype=np.float32), "first")
    nodes = [helper.make_node("MatMul", ["x", "first"], ["f"]), helper.make_node("Reciprocal", ["f"], ["y"])]
    found = scorer(model(nodes, [select], outputs={"y": ["N", 1]}), score="output")
    scores = found.scores(events)["output"]
    assert (scores == np.finfo(np.float32).max).tolist() == (events.x[:, 0] == 0).tolist()
    assert [record.message for record in caplog.records] == [
        "onnx: the output score of 200 of 600 events is infinite, and counts as the largest number there is (3.4e+38)"
    ]
    nodes.append(helper.make_node("Neg", ["y"], ["z"]))
    with pytest.raises(InputDataError, match="no output score for row 0"):
        scorer(model(nodes, [select], outputs={"z": ["N", 1]}), score="output").scores(events)


def test_a_perfect_reconstruction_has_a_finite_logarithm() -> None:
    found = scorer(model([helper.make_node("Identity", ["x"], ["y"])], []), score="log_mae")
    np.testing.assert_allclose(found.scores(batch(3))["log_mae"], np.log(np.finfo(np.float32).tiny), rtol=1e-6)


@pytest.mark.parametrize("size", [1, 7, 512, 1000])
def test_scores_do_not_depend_on_the_split(dense: OnnxScorer, size: int) -> None:
    events = batch(1030)
    whole = dense.scores(events)["mse"]
    parts = [dense.scores(events.take(slice(i, i + size)))["mse"] for i in range(0, len(events), size)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_no_events_give_no_scores(dense: OnnxScorer) -> None:
    scores = dense.scores(batch(0))["mse"]
    assert (scores.shape, scores.dtype) == ((0,), np.float32)


def test_the_input_is_left_unmodified_and_huge_ones_stay_finite(dense: OnnxScorer) -> None:
    events = batch(20)
    events.x.setflags(write=False)
    assert dense.scores(events)["mse"].dtype == np.float32
    huge = replace(events, x=np.full_like(events.x, 1e25))
    assert np.isfinite(dense.scores(huge)["mse"]).all()


def test_a_non_finite_input_raises(dense: OnnxScorer) -> None:
    events = batch(900)
    events.x[600, 3] = np.nan
    with pytest.raises(InputDataError, match="row 600"):
        dense.scores(events)


def test_state_and_back(dense: OnnxScorer) -> None:
    again = OnnxScorer(dense.config, LAYOUT)
    again.load_state(dense.state())
    np.testing.assert_array_equal(again.scores(batch(50))["mse"], dense.scores(batch(50))["mse"])
    with pytest.raises(CardError, match=r"model\.onnx is missing"):
        again.load_state({})
    with pytest.raises(CardError, match="unknown tensor 'w'"):
        again.load_state({**dense.state(), "w": np.ones(1)})


def test_reconstruction_errors_average_to_the_score(dense: OnnxScorer) -> None:
    events = batch(40)
    errors = dense.reconstruction_errors(events)
    np.testing.assert_allclose(errors.mean(axis=1), dense.scores(events)["mse"], rtol=1e-5)
    with pytest.raises(CardError, match="reconstructs nothing"):
        scorer(bundled_dense(), score="mu2").reconstruction_errors(events)


def test_it_is_not_trained(dense: OnnxScorer) -> None:
    with pytest.raises(CardError, match="hepad import-model"):
        trainable(dense)
    with pytest.raises(CardError, match="no weights"):
        OnnxScorer({"score": "mse"}, LAYOUT).scores(batch(1))


@pytest.mark.parametrize(
    ("config", "layout", "message"),
    [
        ({"score": "sum"}, LAYOUT, "'score'"),
        ({"score": "mse", "command": "x"}, LAYOUT, "unknown key"),
        ({"score": "kl", "output": "y"}, LAYOUT, "log_variance"),
        ({"score": "kl", "log_variance": "y"}, LAYOUT, "needs output"),
        ({"score": "mse", "input": "input_1"}, LAYOUT, "its input is called 'x', not 'input_1'"),
        ({"score": "mse", "output": "z"}, LAYOUT, "it has no output 'z' but y"),
        ({"score": "mse"}, Layout.vector(LAYOUT.columns[:18]), "its input has 19 columns, the card's input makes 18"),
        ({"score": "output"}, LAYOUT, "score output cannot be made of outputs of shape"),
    ],
)
def test_what_does_not_fit(config: dict[str, Any], layout: Layout, message: str) -> None:
    with pytest.raises(CardError, match=message):
        OnnxScorer(config, layout).load_state(
            {"onnx": np.frombuffer(bundled_dense().SerializeToString(), dtype=np.uint8)}
        )


def test_another_input_is_refused(dense: OnnxScorer) -> None:
    with pytest.raises(CardError, match="input, not images"):
        dense.scores(replace(batch(2), kind="images"))
    with pytest.raises(CardError, match="built for 19 columns"):
        dense.scores(Batch("l1_vector", Layout.vector(["a"]), np.ones((1, 1), np.float32), None, np.ones(1)))


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hepad\[onnx\]'"):
        scorer(bundled_dense())
