"""`hepad import-model`: a network of others becomes a bundle, if it gives its author's numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import uproot

from hepad.bundles.bundle import load_bundle
from hepad.bundles.files import read_card
from hepad.cards.bundle import Imported
from hepad.cli.common import parse_regions
from hepad.errors import CardError, CheckFailedError, InputDataError, UsageError
from hepad.inputs.batch import Batch
from hepad.pipeline.import_model.run import ImportOptions, ImportReport, import_model
from hepad.pipeline.score import ScoreOptions, score
from hepad.pipeline.train.run import TrainOptions, train
from hepad.provenance import sha256_file

from ..conftest import Run
from ..onnx_graphs import CARD, helper, model, numpy_helper, write_inputs


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    return write_inputs(tmp_path)


def write_vectors(path: Path, **changes: np.ndarray) -> Path:
    """Inputs and outputs of our own dense autoencoder in numpy, whose weights the network has."""
    bundle = load_bundle("dnn_ae")
    x = np.random.default_rng(3).random((600, 19), dtype=np.float32)
    batch = Batch("l1_vector", bundle.input.layout, x, np.ones(x.shape, dtype=bool), np.ones(len(x)))
    arrays = {"x": x, "y": bundle.scorer._reconstruct(x), "score": bundle.scorer.scores(batch)["mse"]}
    np.savez(path, **{**arrays, **changes})
    return path


def run_import(inputs: dict[str, Path], **options: object) -> ImportReport:
    output = inputs["network"].parent / "bundle"
    settings = {"scale": inputs["scale"], "output": output, **options}
    return import_model(inputs["network"], str(inputs["card"]), options=ImportOptions(**settings))


def arguments(inputs: dict[str, Path]) -> list[object]:
    return ["import-model", inputs["network"], "--card", inputs["card"], "--scale", inputs["scale"]]


def test_a_network_that_gives_its_authors_numbers(
    process: Run, run: Run, tmp_path: Path, inputs: dict[str, Path], examples: Path
) -> None:
    vectors = write_vectors(tmp_path / "vectors.npz")
    result = process(*arguments(inputs), "--vectors", vectors, "-o", "bundle", "--json")
    report = json.loads(result.stdout)
    assert report["parity_checked"] is True
    found = {c["quantity"]: (c["compared"], c["largest_difference"] < 2e-6) for c in report["parity"]}
    assert found == {"output": (11400, True), "score of output": (600, True), "score": (600, True)}
    assert sorted(p.name for p in (tmp_path / "bundle").iterdir()) == [
        "SHA256SUMS", "card.json", "model.onnx", "model.safetensors",
    ]  # fmt: skip
    assert (tmp_path / "bundle" / "model.onnx").read_bytes() == inputs["network"].read_bytes()
    card = read_card(tmp_path / "bundle")
    assert card.imported is not None
    assert [c.quantity for c in card.imported.parity] == list(found)
    run("score", examples / "lq.h5", "--model", "bundle", "--max-events", 300, "-o", "foreign.root")
    score([str(examples / "lq.h5")], "dnn_ae", options=ScoreOptions(output=tmp_path / "ours.root", max_events=300))
    foreign, ours = (_scores(tmp_path / f"{name}.root") for name in ("foreign", "ours"))
    assert ours["selected"].sum() == 300
    np.testing.assert_allclose(foreign["score"], ours["score"], rtol=1e-6)
    np.testing.assert_array_equal(foreign["in_cut"], foreign["score"].astype(np.float64) >= 0.001)


def _scores(path: Path) -> dict[str, np.ndarray]:
    with uproot.open(path) as file:
        return dict(file["Scores"].arrays(library="np"))


def test_another_network_writes_nothing_and_exits_7(run: Run, tmp_path: Path, inputs: dict[str, Path]) -> None:
    y = np.load(write_vectors(tmp_path / "vectors.npz"))["y"]
    y[17, 3] += 1e-3
    vectors = write_vectors(tmp_path / "vectors.npz", y=y)
    before = sorted(tmp_path.iterdir())
    result = run(*arguments(inputs), "--vectors", vectors, "-o", "bundle", code=7)
    assert "output differs by 0.00" in result.stderr
    assert sorted(tmp_path.iterdir()) == before
    assert run_import(inputs, vectors=vectors, tolerance=0.1).imported.parity_checked


def test_without_vectors_it_says_that_nobody_checked(run: Run, tmp_path: Path, inputs: dict[str, Path]) -> None:
    assert "parity was NOT checked" in run(*arguments(inputs), "-o", "bundle").stdout
    assert json.loads((tmp_path / "bundle" / "card.json").read_text())["imported"]["parity_checked"] is False


def test_the_same_inputs_give_the_same_bundle(tmp_path: Path, inputs: dict[str, Path]) -> None:
    run_import(inputs)
    first = {p.name: p.read_bytes() for p in (tmp_path / "bundle").iterdir()}
    run_import(inputs)
    assert {p.name: p.read_bytes() for p in (tmp_path / "bundle").iterdir()} == first


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"x": np.ones((3, 18))}, InputDataError, "18 columns, the network takes 19"),
        ({"x": np.ones(19)}, InputDataError, "x must hold numbers"),
        ({"y": np.ones((600, 18))}, InputDataError, "y has shape"),
        ({"y": np.ones((599, 19))}, InputDataError, "y has 599 rows"),
        ({"score": np.full(600, np.nan)}, InputDataError, "not finite"),
        ({"score": np.ones((600, 2))}, InputDataError, "score must hold one number an event"),
        ({"columns": np.array(["a"] * 19)}, InputDataError, "columns are not those"),
        ({"x": np.array(["a"] * 19).reshape(1, 19)}, InputDataError, "x must hold numbers"),
        ({"score": np.zeros(600)}, CheckFailedError, "score differs"),
    ],
)
def test_vectors_that_do_not_fit(
    tmp_path: Path, inputs: dict[str, Path], changes: dict[str, np.ndarray], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run_import(inputs, vectors=write_vectors(tmp_path / "v.npz", **changes))
    assert not (tmp_path / "bundle").exists()


def test_vectors_that_are_no_arrays(tmp_path: Path, inputs: dict[str, Path]) -> None:
    np.savez(tmp_path / "v.npz", x=np.array([{}], dtype=object))
    with pytest.raises(InputDataError, match="plain arrays"):
        run_import(inputs, vectors=tmp_path / "v.npz")
    (tmp_path / "v.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputDataError, match="plain arrays"):
        run_import(inputs, vectors=tmp_path / "v.npz")
    np.savez(tmp_path / "v.npz", x=np.ones((2, 19)))
    with pytest.raises(InputDataError, match="it needs y"):
        run_import(inputs, vectors=tmp_path / "v.npz")


def test_regions_without_a_threshold_need_background(tmp_path: Path, inputs: dict[str, Path], examples: Path) -> None:
    regions = parse_regions(["loose=efficiency:0.01"])
    with pytest.raises(UsageError, match="region loose has no threshold: give background files"):
        run_import(inputs, regions=regions)
    report = run_import(inputs, regions=regions, background=[str(examples / "background.h5")])
    assert report.cutflow is not None
    assert report.imported.calibration_events == report.cutflow.selected.events == 7111
    assert report.regions["loose"].efficiency == pytest.approx(0.01, rel=0.02)
    assert report.regions["loose"].threshold == pytest.approx(6.3358e-4, rel=1e-4)  # as dnn_ae on the same events
    bundle = load_bundle(str(tmp_path / "bundle"))
    assert bundle.regions(parse_regions(["l=efficiency:0.01"]))["l"].threshold == report.regions["loose"].threshold


def test_background_that_counts_twice_is_named(
    tmp_path: Path, inputs: dict[str, Path], examples: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = [str(shutil.copy(examples / "background.h5", tmp_path / name)) for name in ("a.h5", "b.h5")]
    run_import(inputs, background=names, max_events=200)
    assert "a.h5, b.h5 have the same content: their events count as often" in caplog.messages


def test_a_bundle_without_background_takes_thresholds_only(tmp_path: Path, inputs: dict[str, Path]) -> None:
    run_import(inputs)
    bundle = load_bundle(str(tmp_path / "bundle"))
    assert bundle.quantiles == {"mse": None}
    assert bundle.regions(parse_regions(["x=threshold:2"]))["x"].threshold == 2
    with pytest.raises(UsageError, match="imported without background"):
        bundle.regions(parse_regions(["x=efficiency:0.1"]))


def test_a_network_of_rapidity_mass_matrices(tmp_path: Path, inputs: dict[str, Path]) -> None:
    """As ATLAS's: 1287 inputs, leaky ReLU, the logarithm of the mean absolute error, thresholds from the paper."""
    rng = np.random.default_rng(5)
    down, up = (rng.normal(size=shape).astype(np.float32) / 30 for shape in ((1287, 16), (16, 1287)))
    nodes = [
        helper.make_node("MatMul", ["x", "down"], ["h"]),
        helper.make_node("LeakyRelu", ["h"], ["a"], alpha=0.3),
        helper.make_node("MatMul", ["a", "up"], ["y"]),
    ]
    weights = [numpy_helper.from_array(down, "down"), numpy_helper.from_array(up, "up")]
    inputs["network"].write_bytes(model(nodes, weights, width=1287).SerializeToString())
    text = (
        CARD.replace("SCORE", "log_mae")
        .replace("adc2021", "adfilter_0")
        .replace("threshold: 0.001", "threshold: -9.10")
    )
    start = text.index("input: ")
    inputs["card"].write_text(text[:start] + "input: {kind: rmm}\n" + text[text.index("model: ") :])
    x = (rng.random((40, 1287)) * 0.05).astype(np.float32)
    hidden = x @ down
    y = np.where(hidden > 0, hidden, 0.3 * hidden) @ up
    np.savez(tmp_path / "v.npz", x=x, y=y, score=np.log(np.abs(x - y).mean(axis=1)))
    report = run_import(inputs, scale=None, vectors=tmp_path / "v.npz")
    assert report.imported.parity_checked
    assert report.regions["cut"].threshold == -9.10
    bundle = load_bundle(str(tmp_path / "bundle"))
    assert (bundle.input.kind, len(bundle.input.columns)) == ("rmm", 1287)


def test_what_the_card_and_the_files_must_agree_on(tmp_path: Path, inputs: dict[str, Path]) -> None:
    with pytest.raises(CardError, match="--scale"):
        run_import(inputs, scale=None)
    np.savez(tmp_path / "short.npz", gain=np.ones(3), offset=np.ones(3))
    with pytest.raises(CardError, match="input scale 'gain' must be 19"):
        run_import(inputs, scale=tmp_path / "short.npz")
    text = inputs["card"].read_text()
    inputs["card"].write_text(text.replace("max_with_floor", "none"))
    with pytest.raises(UsageError, match="the card's input has scale none"):
        run_import(inputs)
    inputs["card"].write_text(text.replace("name: onnx, score: mse", "name: dnn_ae"))
    with pytest.raises(CardError, match="an imported model is called onnx"):
        run_import(inputs)
    inputs["card"].write_text(text.replace("score: mse", "score: mse, input: input_1"))
    with pytest.raises(CardError, match=r"model\.onnx: its input is called 'x', not 'input_1'"):
        run_import(inputs)
    inputs["card"].write_text(text.replace("[pt]", "[pt, eta, phi]"))
    np.savez(tmp_path / "long.npz", gain=np.ones(57), offset=np.ones(57))
    with pytest.raises(CardError, match="its input has 19 columns, the card's input makes 57"):
        run_import(inputs, scale=tmp_path / "long.npz")


def test_such_a_card_is_not_trained(inputs: dict[str, Path], examples: Path) -> None:
    options = TrainOptions(output=inputs["card"].with_name("trained"))
    with pytest.raises(UsageError, match="hepad import-model"):
        train([str(examples / "background.h5")], str(inputs["card"]), options=options)


def test_an_altered_network_is_noticed(tmp_path: Path, inputs: dict[str, Path]) -> None:
    run_import(inputs)
    network = tmp_path / "bundle" / "model.onnx"
    content = bytearray(network.read_bytes())
    content[-200] ^= 1
    network.write_bytes(content)
    with pytest.raises(CardError, match=r"model\.onnx does not match the sha256"):
        load_bundle(str(tmp_path / "bundle"))
    network.unlink()
    with pytest.raises(CardError, match=r"cannot read model\.onnx"):
        load_bundle(str(tmp_path / "bundle"))
    card = json.loads((tmp_path / "bundle" / "card.json").read_text())
    del card["hashes"]["model.onnx"]
    (tmp_path / "bundle" / "card.json").write_text(json.dumps(card))
    with pytest.raises(CardError, match=r"the file model\.onnx is missing"):
        load_bundle(str(tmp_path / "bundle"))


def test_a_dangerous_network_with_a_right_hash_is_refused(tmp_path: Path, inputs: dict[str, Path]) -> None:
    """Hashes find damage; what a stranger put in on purpose is found by the checks."""
    run_import(inputs)
    network = tmp_path / "bundle" / "model.onnx"
    network.write_bytes(network.read_bytes().replace(b"Relu", b"Loop"))
    card = json.loads((tmp_path / "bundle" / "card.json").read_text())
    card["hashes"]["model.onnx"] = sha256_file(network)
    (tmp_path / "bundle" / "card.json").write_text(json.dumps(card))
    with pytest.raises(CardError, match="operator 'Loop' is not accepted"):
        load_bundle(str(tmp_path / "bundle"))


def test_a_card_cannot_claim_a_check_without_its_numbers() -> None:
    with pytest.raises(ValueError, match="parity_checked"):
        Imported(file="m", sha256="0", opset=17, operators=(), parity_checked=True)


def test_weights_by_name_and_in_the_order_of_keras(run: Run, tmp_path: Path, examples: Path) -> None:
    """Weights of the bundled dense autoencoder in a .npz give its scores; its own scale is learned from background."""
    bundle = load_bundle("dnn_ae")
    state = bundle.scorer.state()
    np.savez(tmp_path / "named.npz", **state)
    keras = {}
    for place, array in enumerate(state.values()):  # dense_8, dense_9, dense_10, ...; biases first in the file
        kind = "kernel" if array.ndim == 2 else "bias"
        keras[f"dense_{8 + place // 2}|dense_{8 + place // 2}|{kind}:0"] = array.T
    np.savez(tmp_path / "keras.npz", layer_names=np.array(["dense"]), **dict(reversed(keras.items())))
    np.savez(tmp_path / "scale.npz", **bundle.input.state())
    x = np.random.default_rng(3).random((50, 19), dtype=np.float32)
    batch = Batch("l1_vector", bundle.input.layout, x, None, np.ones(len(x)))
    np.savez(tmp_path / "vectors.npz", x=x, mse=bundle.scorer.scores(batch)["mse"])
    regions = ["--region", "cut=threshold:0.1"]
    for name in ("named", "keras"):
        options = ["--card", "dnn_ae", "--scale", "scale.npz", "--vectors", "vectors.npz", *regions]
        said = json.loads(run("import-model", f"{name}.npz", *options, "-o", name, "--json").stdout)
        assert said["parity"][0]["largest_difference"] == 0
        made = load_bundle(str(tmp_path / name))
        np.testing.assert_array_equal(made.scorer.scores(batch)["mse"], bundle.scorer.scores(batch)["mse"])
    run("import-model", "keras.npz", "--card", "dnn_ae", "--background", examples / "background.h5", "-o", "learned")
    learned = load_bundle(str(tmp_path / "learned"))
    assert set(learned.regions({})) == {"loose", "tight"}
    gains = [one.input.state()["gain"][0] for one in (learned, bundle)]
    assert gains[0] == pytest.approx(gains[1], rel=0.5)  # of other events
    assert gains[0] != gains[1]
    np.savez(tmp_path / "vectors.npz", x=x, mse=2 * bundle.scorer.scores(batch)["mse"])
    run("import-model", "keras.npz", *options, "-o", "wrong", code=7)
    np.savez(tmp_path / "less.npz", **dict(list(keras.items())[2:]))
    refused = run("import-model", "less.npz", "--card", "dnn_ae", *regions, "--scale", "scale.npz", "-o", "x", code=3)
    assert "less.npz: has 10 arrays" in refused.stderr
    keras["dense_8|dense_8|kernel:0"] = np.zeros((19, 3), np.float32)
    np.savez(tmp_path / "bad.npz", **keras)
    refused = run("import-model", "bad.npz", "--card", "dnn_ae", *regions, "--scale", "scale.npz", "-o", "x", code=3)
    assert "dense_8|dense_8|kernel:0 has shape (19, 3)" in " ".join(refused.stderr.split())
