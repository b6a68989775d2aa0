"""Networks of Keras and TensorFlow against what TensorFlow computes of them, and against damage."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hepad.errors import HepadError, InputDataError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.io.exchange.keras.hdf5 import hdf5
from hepad.io.exchange.keras.read import is_keras, read_keras
from hepad.io.exchange.onnx_file import check_onnx
from hepad.models.onnx import OnnxScorer

from ....keras_files import write_dense

ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

NAMES = ("dense", "image", "sequence", "activations")
FORMATS = (".keras", ".h5", "")
CASES = [f"{keras}/{name}{form}" for keras in ("keras2", "keras3") for name in NAMES for form in FORMATS]


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """The folder that `make_networks.py` made: that of `HEPAD_KERAS_NETWORKS`, else the one in the repository."""
    if folder := os.environ.get("HEPAD_KERAS_NETWORKS"):
        return Path(folder)
    folder = tmp_path_factory.mktemp("networks")
    with zipfile.ZipFile(data / "keras_networks.zip") as archive:
        archive.extractall(folder)
    return folder


OLDER = ["keras2.13/dense.keras", "keras2.13/image.keras"]


@pytest.mark.parametrize("case", [*CASES, *OLDER, "keras2/subclassed"])
def test_a_network_gives_what_tensorflow_computes(networks: Path, case: str) -> None:
    path = networks / case
    if case in OLDER and not path.exists():
        pytest.skip("the networks are of the newest TensorFlow alone")
    with np.load(networks / f"{case.removesuffix('.keras').removesuffix('.h5')}.npz") as vectors:
        x, y = vectors["x"], vectors["y"]
    assert is_keras(path)
    network = read_keras(path)
    graph = check_onnx(network.onnx, case)
    assert (graph.width, graph.batch, graph.outputs) == (x.shape[1], None, {"output": (512, y.shape[1])})
    found = computed(network.onnx, x)
    assert np.abs(found - y).max() / np.abs(y).max() < 1e-6
    np.testing.assert_allclose(found, y, rtol=1e-5, atol=1e-6 * np.abs(y).max())
    assert set(network.files) <= ({path} if path.is_file() else set(path.rglob("*")))


def computed(data: bytes, x: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(["output"], {"x": x})[0]


def test_an_event_does_not_depend_on_the_others(networks: Path) -> None:
    with np.load(networks / "keras2" / "sequence.npz") as vectors:
        x = vectors["x"]
    data = read_keras(networks / "keras2" / "sequence").onnx
    assert read_keras(networks / "keras2" / "sequence").onnx == data
    np.testing.assert_allclose(computed(data, x[3:4]), computed(data, x)[3:4], rtol=1e-5)


@pytest.mark.parametrize("form", FORMATS)
def test_an_image_with_its_channels_first_is_turned(networks: Path, form: str) -> None:
    with np.load(networks / "keras3" / "image.npz") as vectors:
        x, y = (vectors[name].reshape(-1, 6, 5, 2).transpose(0, 3, 1, 2) for name in "xy")
    layout = Layout.image(("tower", "track"), 6, 5)
    scorer = OnnxScorer({"score": "mse"}, layout)
    data = read_keras(networks / "keras3" / f"image{form}", layout.shape).onnx
    scorer.load_state({"onnx": np.frombuffer(data, dtype=np.uint8)})
    batch = Batch("calo_image", layout, x, None, np.ones(len(x)))
    expected = np.square(x.astype(np.float64) - y)
    np.testing.assert_allclose(scorer.scores(batch)["mse"], expected.mean(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(scorer.reconstruction_errors(batch), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(
        InputDataError, match=r"its input has shape \(6, 5, 2\), channels last; the image has \(2, 5, 6\)"
    ):
        read_keras(networks / "keras3" / f"image{form}", (2, 5, 6))


def test_layers_are_told_by_their_classes_and_operations_by_theirs(networks: Path) -> None:
    kinds = read_keras(networks / "keras3" / "dense.keras").layers
    assert kinds[:5] == ("Normalization", "Rescaling", "Dense", "BatchNormalization", "Dropout")
    assert {"MatMul", "BiasAdd", "LeakyRelu"} <= set(read_keras(networks / "keras2" / "subclassed").layers)


def changed(source: Path, target: Path, change: Callable[[Any], None]) -> Path:
    """The `.keras` file with another description."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as made:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "config.json":
                description = json.loads(content)
                change(description)
                content = json.dumps(description).encode()
            made.writestr(name, content)
    return target


def layer(description: Any, place: int) -> Any:
    return description["config"]["layers"][place]


def _lambda(description: Any) -> None:
    layer(description, 2)["class_name"] = "Lambda"


def _unknown(description: Any) -> None:
    layer(description, 3)["class_name"] = "MultiHeadAttention"


def _own_activation(description: Any) -> None:
    layer(description, -1)["config"]["activation"] = {
        "module": "builtins",
        "class_name": "function",
        "config": "my_own",
    }


def _own_layer(description: Any) -> None:
    layer(description, 3)["module"] = "mymodule"


def _registered_layer(description: Any) -> None:
    layer(description, 3)["registered_name"] = "Custom>Dense"


def _own_relu(description: Any) -> None:
    layer(description, -1)["config"]["activation"] = {"module": "m", "class_name": "function", "config": "relu"}


def _own_functional(description: Any) -> None:
    description |= {"module": "__main__", "registered_name": "Functional"}


def _first(description: Any) -> None:
    layer(description, 3)["config"]["data_format"] = "channels_first"


def _own_model(description: Any) -> None:
    description["class_name"] = "MyModel"


def _open(description: Any) -> None:
    layer(description, 0)["config"]["batch_shape"] = [None, None]


def _deep(description: Any) -> None:
    inner = json.loads(json.dumps(description))
    for _ in range(30):
        inner = {"class_name": "Sequential", "config": {"name": "s", "layers": [inner]}}
    layers = description["config"]["layers"]
    layers[:] = [layers[0], inner]


REFUSED = {
    r"layer 'rescaling.*' \(Lambda\): a Lambda is Python code": _lambda,
    r"layer 'dense_?\d*' \(MultiHeadAttention\): this class is not read: known are Activation, .*Dense": _unknown,
    r"\(Dense\): activation 'my_own' is not read: known are linear, relu, ": _own_activation,
    r"\(Dense\): data_format channels_first is not read": _first,
    r"layer 'dense_?\d*' \(Dense\): 'Dense' is not Keras's but of 'mymodule'": _own_layer,
    r"layer 'dense_?\d*' \(Dense\): 'Dense' is not Keras's but of 'Custom>Dense'": _registered_layer,
    r"\(Dense\): 'relu' is not Keras's but of 'm'": _own_relu,
    r"'Sequential' is not Keras's but of '__main__'": _own_functional,
    r"a model of class 'MyModel' is Python code.*save it as a SavedModel": _own_model,
    r"an input of shape \[None\] has open sizes": _open,
    r"models within models, too many": _deep,
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_read_is_named(networks: Path, tmp_path: Path, text: str) -> None:
    path = changed(networks / "keras3" / "dense.keras", tmp_path / "n.keras", REFUSED[text])
    with pytest.raises(InputDataError, match=f"^{path}: .*{text}") as raised:
        read_keras(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kernel", "bias", "text"),
    [
        ((3, 2), (1,), r"layer 'dense' \(Dense\): its bias has shape \(1,\), not \(2,\)"),
        ((3, 2, 1), (2,), r"layer 'dense' \(Dense\): a matrix of shape \(3, 2, 1\) does not fit 3 numbers"),
    ],
)
def test_weights_of_another_shape(tmp_path: Path, kernel: tuple[int, ...], bias: tuple[int, ...], text: str) -> None:
    path = write_dense(tmp_path / "n.h5", [(np.ones(kernel), np.ones(bias), "linear")])
    with pytest.raises(InputDataError, match=text):
        read_keras(path)


def test_weights_without_their_model(networks: Path, tmp_path: Path) -> None:
    shutil.copy(networks / "keras2" / "dense.h5", tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "a") as file:
        del file.attrs["model_config"]
    with pytest.raises(InputDataError, match=r"w.h5: it holds weights without their model"):
        read_keras(tmp_path / "w.h5")


def test_no_link_leads_out_of_a_file(networks: Path, tmp_path: Path) -> None:
    inside = "model_weights/dense/dense"
    for link in (
        h5py.ExternalLink(str(networks / "keras2" / "dense.h5"), inside),
        h5py.SoftLink("/model_weights/dense_1"),
    ):
        shutil.copy(networks / "keras2" / "dense.h5", tmp_path / "w.h5")
        with h5py.File(tmp_path / "w.h5", "a") as file:
            group = next(name for name in file["model_weights"] if name.startswith("dense"))
            del file[f"model_weights/{group}/{group}"]
            file[f"model_weights/{group}/{group}"] = link
        with pytest.raises(InputDataError, match="is a link, which is not followed"):
            read_keras(tmp_path / "w.h5")


def test_texts_of_no_length_do_not_hold_it_up(networks: Path, tmp_path: Path) -> None:
    content = bytearray((networks / "keras2" / "dense.h5").read_bytes())
    start = content.find(b"GCOL")
    for index, size in ((0, 0), (1, 1 << 40), (0, 1 << 62)):
        content[start + 16 : start + 32] = struct.pack("<HHIQ", index, 0, 0, size)
        (tmp_path / "w.h5").write_bytes(content)
        with pytest.raises(InputDataError, match="a heap with an object of no length or beyond its end"):
            read_keras(tmp_path / "w.h5")


def test_a_large_array_is_refused_before_it_is_read(networks: Path, tmp_path: Path) -> None:
    shutil.copy(networks / "keras2" / "dense.h5", tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "a") as file:
        group = next(name for name in file["model_weights"] if name.startswith("dense"))
        del file[f"model_weights/{group}/{group}/kernel:0"]
        file.create_dataset(f"model_weights/{group}/{group}/kernel:0", (1 << 20, 1 << 10), "f4", chunks=(1, 1024))
    with pytest.raises(InputDataError, match="more than 134217728 bytes of weights"):
        read_keras(tmp_path / "w.h5")


def test_heaps_and_groups_are_gone_through_once(networks: Path) -> None:
    head = b"GCOL\x01\0\0\0"
    inner = struct.pack("<HHIQ", 1, 0, 0, 16) + head
    content = head + struct.pack("<Q", 16 + 200 * 32) + (inner + struct.pack("<Q", 6400)) * 200
    with pytest.raises(InputDataError, match="heaps within heaps"), hdf5(content):
        pass
    with hdf5((networks / "keras2" / "dense.h5").read_bytes()) as file:
        assert file.datasets("model_weights") is file.datasets("model_weights")


def test_a_chunk_is_counted_whole() -> None:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as made:
        made.create_dataset("k", (1,), "f4", chunks=(1 << 25,), maxshape=(None,), compression="gzip")
        made["k"].id.write_direct_chunk((0,), zlib.compress(bytes(4)))
    with hdf5(stream.getvalue()) as file, pytest.raises(InputDataError, match="more than 134217728 bytes of weights"):
        file.array("k"), file.array("k")


def damaged(content: bytes, step: int) -> Iterator[bytes]:
    """The content cut off at many places, and with bits turned over at as many."""
    for place in range(0, len(content), step):
        yield content[:place]
        yield content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]


@pytest.mark.parametrize("case", ["keras3/dense.keras", "keras2/dense.h5"])
def test_a_damaged_file_is_one_clear_error(networks: Path, tmp_path: Path, case: str) -> None:
    content = (networks / case).read_bytes()
    path = tmp_path / Path(case).name
    refused = 0
    for damage in damaged(content, len(content) // 12):
        path.write_bytes(damage)
        refused += not survives(path)
    assert refused >= 12


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
)
def test_a_damaged_saved_model_is_one_clear_error(networks: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(networks / "keras2" / "subclassed", folder)
    content = (folder / name).read_bytes()
    refused = tried = 0
    for damage in damaged(content, len(content) // 12):
        (folder / name).write_bytes(damage)
        tried += 1
        refused += not survives(folder)
    assert refused >= tried // 4
    (folder / name).unlink()
    assert not is_keras(folder) if name == "saved_model.pb" else not survives(folder)


def survives(path: Path) -> bool:
    """Whether a damaged file is read; anything but an error of hepad's on one line fails the test."""
    try:
        check_onnx(read_keras(path).onnx, str(path))
    except HepadError as error:
        raised = error
    else:
        return True
    assert raised.exit_code in {3, 4}
    assert "\n" not in str(raised)
    assert str(path) in str(raised)
    return False


def test_a_zip_file_that_unpacks_to_more_than_it_may(networks: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "n.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (17 << 20))
        archive.writestr("../metadata.json", "{}")
    with pytest.raises(InputDataError, match=r"its config.json has more than"):
        read_keras(tmp_path / "n.keras")


def test_no_file_of_keras(tmp_path: Path) -> None:
    for content in (b"", b"\x89HDF", struct.pack("<q", 1), io.BytesIO(b"PK\x03\x04").getvalue()):
        (tmp_path / "n.h5").write_bytes(content)
        with pytest.raises(InputDataError, match=r"n.h5: neither a zip file of Keras 3 nor HDF5"):
            read_keras(tmp_path / "n.h5")
    with pytest.raises(InputDataError, match=r"missing.keras does not exist"):
        read_keras(tmp_path / "missing.keras")
