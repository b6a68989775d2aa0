"""What a processor runs of a network of images: hepad's loops, torch and a graph give the same scores."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hepad.errors import CardError, UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.codae.network import DualAutoencoder
from hepad.nn.one_score import narrowed
from hepad.pipeline.latency import libraries, measured
from hepad.pipeline.latency.libraries import LibraryModel, agreement, functions
from hepad.trigger.module_graph import module_onnx

LAYOUT = Layout.image(("track",), 13, 26)
SETTINGS = {"filters": [32, 32], "groups": 2, "mask_groups": 1, "latent": 4, "scores": ["bce", "dice", "z1", "z2"]}


def bundle(model: Any, **region: Any) -> Any:
    """What is asked of a bundle here."""
    spec = SimpleNamespace(other_scores=(), efficiency=None)
    regions = {"loose": SimpleNamespace(spec=spec, **region)} if region else {}
    card = SimpleNamespace(name="codae", scores=model.score_names, regions=regions)
    return SimpleNamespace(scorer=model, card=card, input=SimpleNamespace(layout=LAYOUT))


@pytest.fixture(scope="module")
def model() -> DualAutoencoder:
    return DualAutoencoder(SETTINGS, LAYOUT)


@pytest.fixture(scope="module")
def events() -> Batch:
    x = (np.random.default_rng(2).random((12, *LAYOUT.shape)) < 0.05).astype(np.float32)
    return Batch("detector_image", LAYOUT, x, None, np.ones(len(x)))


def test_all_libraries_give_the_scores_of_the_model(model, events) -> None:
    pytest.importorskip("onnxruntime")
    whole = model.scores(events)
    for score in ("dice", "z2"):
        left_out: list[str] = []
        asked = LibraryModel(bundle(model, score=score, threshold=float(np.median(whole[score]))), score, None)
        known = {name.split()[0]: one for name, one in functions(asked, events.kind, 1, left_out).items()}
        assert (list(known), left_out) == (["hepad", "torch", "onnxruntime"], [])
        for function in known.values():
            np.testing.assert_allclose(function(events.x), whole[score], rtol=1e-4, atol=1e-5)
        found = agreement(asked, events, known)
        assert [item["backend"].split()[0] for item in found] == ["hepad", "onnxruntime"]
        assert all(item["rank_correlation"] > 0.999 and item["largest_difference"] < 1e-4 for item in found)
        assert [item["decisions"][0]["region"] for item in found] == ["loose"] * 2
        shifted = agreement(asked, events, {**known, "other": lambda x, of=known["hepad"]: -of(x)})[-1]
        threshold, wanted = np.median(whole[score]), known["torch"](events.x)
        flips = float(((-wanted >= threshold) != (wanted >= threshold)).mean())
        assert shifted["rank_correlation"] == pytest.approx(-1)
        assert shifted["decisions"][0]["flips"] == pytest.approx(flips)


def test_a_score_is_computed_alone(model, events, monkeypatch) -> None:
    """One of an encoder asks for no reconstruction."""
    whole = model.scores(events)
    alone = narrowed(model, "z1")
    assert alone.score_names == ("z1",)
    quick, _ = alone._evaluated()
    monkeypatch.setattr(quick.decoder, "forward", None)
    np.testing.assert_array_equal(alone.scores(events)["z1"], whole["z1"])
    with pytest.raises(TypeError):
        model.scores(events)
    assert model.score_names == ("bce", "dice", "z1", "z2")


def test_the_encoder_has_scores_of_its_own(model, monkeypatch) -> None:
    monkeypatch.setattr(measured, "load_bundle", bundle)
    assert measured.float_model(model).score == "bce"
    assert measured.float_model(model, None, "encoder").score == "z1"
    assert measured.float_model(model, "z2", "encoder").score == "z2"
    with pytest.raises(UsageError, match="codae needs z1 or z2"):
        measured.float_model(model, "bce", "encoder")
    plain = SimpleNamespace(score_names=("mse",))
    with pytest.raises(UsageError, match="no score of an encoder"):
        measured.float_model(plain, None, "encoder")
    options = measured.MeasureOptions()
    assert (options.sizes(LAYOUT), options.sizes(Layout.vector(["met"]))) == ([1, 16], [1, 1000])


def test_a_graph_that_is_not_the_network_is_not_timed(model, events, monkeypatch) -> None:
    left_out: list[str] = []
    other = DualAutoencoder(SETTINGS, LAYOUT)
    other.load_state({name: values * 1.1 for name, values in model.state().items()})
    asked = LibraryModel(bundle(model), "bce", None)
    monkeypatch.setattr(libraries, "module_onnx", lambda _, arrays: module_onnx(other.score_module("bce"), arrays))
    pytest.importorskip("onnxruntime")
    assert [name.split()[0] for name in functions(asked, events.kind, 1, left_out)] == ["hepad", "torch"]
    assert "does not give its numbers" in left_out[0]

    def refused(*_: Any) -> None:
        raise CardError("no ONNX graph can be made of this score")

    monkeypatch.setattr(libraries, "module_onnx", refused)
    assert "onnxruntime" not in " ".join(functions(asked, events.kind, 1, left_out))
    assert "no ONNX graph" in left_out[1]
