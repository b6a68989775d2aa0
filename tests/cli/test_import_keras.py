"""`hepad import-model` of files of Keras and TensorFlow."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from hepad.bundles.files import read_card
from hepad.provenance import sha256_file

from ..conftest import Run
from ..keras_files import write_dense
from ..onnx_graphs import PARTS, read_bundle, resolve, write_inputs
from .test_import_model import write_vectors


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """The bundled dense autoencoder as Keras would have written it."""
    weights = read_bundle(resolve("bundles", "dnn_ae"))[1]
    layers = [
        (weights[f"model.{part}.weight"].T, weights[f"model.{part}.bias"], "relu" if relu else "linear")
        for part, relu in PARTS
    ]
    return write_dense(tmp_path / "autoencoder.h5", layers)


def arguments(network: Path, folder: Path) -> list[object]:
    inputs = write_inputs(folder)
    return ["import-model", network, "--card", inputs["card"], "--scale", inputs["scale"]]


def test_a_network_of_keras_that_gives_its_authors_numbers(run: Run, tmp_path: Path, network: Path) -> None:
    vectors = write_vectors(tmp_path / "vectors.npz")
    made = run(*arguments(network, tmp_path), "--vectors", vectors, "-o", "bundle", "--json")
    report = json.loads(made.stdout)
    assert [(c["quantity"], c["compared"]) for c in report["parity"]] == [
        ("output", 11400), ("score of output", 600), ("score", 600),
    ]  # fmt: skip
    assert max(c["largest_difference"] for c in report["parity"]) < 2e-6
    card = read_card(tmp_path / "bundle")
    assert card.imported is not None
    assert (card.imported.file, card.imported.operators, card.imported.opset) == ("autoencoder.h5", ("Dense",), None)
    assert card.imported.sha256 == sha256_file(network)
    assert "layers Dense" in run(*arguments(network, tmp_path), "-o", "bundle").stdout


def test_a_damaged_file_is_one_line_and_exit_code_4(run: Run, tmp_path: Path, network: Path) -> None:
    network.write_bytes(network.read_bytes()[:5000])
    result = run(*arguments(network, tmp_path), "-o", "bundle", code=4)
    assert len(result.stderr.strip().splitlines()) <= 2
    assert "autoencoder.h5: not a complete HDF5 file" in result.stderr.replace("\n", " ")
    assert not (tmp_path / "bundle").exists()


def test_a_saved_model_is_no_folder_of_headers(run: Run, tmp_path: Path, data: Path) -> None:
    with zipfile.ZipFile(data / "keras_networks.zip") as archive:
        names = [name for name in archive.namelist() if name.startswith("keras2/subclassed/")]
        archive.extractall(tmp_path, members=names)
    folder = tmp_path / "keras2" / "subclassed"
    result = run(*arguments(folder, tmp_path), "-o", "bundle", code=3)
    assert "its input has 6 columns, the card's input makes 19" in result.stderr.replace("\n", " ")
    assert "needs its analysis card" in run("import-model", folder, "-o", "bundle", code=2).stderr.replace("\n", " ")
