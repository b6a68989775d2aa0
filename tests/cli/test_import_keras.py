"""`hepad import-model` of files of Keras and TensorFlow."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import uproot

from hepad.bundles.files import read_card
from hepad.cards.bundle import Compared, Imported
from hepad.cards.search import load_search
from hepad.pipeline.import_model.search import fidelity, search_fidelity
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


@pytest.mark.usefixtures("replay_here")
def test_a_saved_model_is_imported_again(run: Run, tmp_path: Path, data: Path) -> None:
    """Whatever else is in its folder, and wherever that is."""
    with zipfile.ZipFile(data / "keras_networks.zip") as archive:
        names = [name for name in archive.namelist() if name.startswith("keras2/subclassed/")]
        archive.extractall(tmp_path, members=names)
    folder = tmp_path / "keras2" / "subclassed"
    (folder / "variables" / "variables.backup").mkdir()
    os.mkfifo(folder / "variables" / "variables.index.pipe")
    (tmp_path / "six.yaml").write_text(SIX)
    run("import-model", folder, "--card", tmp_path / "six.yaml", "-o", "bundle")
    text = (tmp_path / "bundle" / "card.json").read_text()
    assert str(tmp_path) not in text
    parts = ["saved_model.pb", "variables/variables.data-00000-of-00001", "variables/variables.index"]
    imported = read_card(tmp_path / "bundle").imported
    assert imported is not None
    content = [(folder / part).read_bytes() for part in parts]
    assert imported.sha256 == hashlib.sha256(b"".join(content)).hexdigest()
    inputs = json.loads(text)["provenance"]["inputs"]
    assert sorted(record["name"] for record in inputs) == [f"subclassed/{part}" for part in parts]
    again = run("replay", tmp_path / "bundle", "--inputs", tmp_path / "keras2", "--json")
    assert json.loads(again.stdout)["status"] == "identical"
    shard = folder / parts[1]
    shard.unlink()
    os.mkfifo(shard)
    said = run("import-model", folder, "--card", tmp_path / "six.yaml", "-o", "b2", code=4).stderr.replace("\n", " ")
    assert "is not a file" in said


SIX = """\
schema: analysis/1
name: six
title: Two jets
reference: mine
fidelity: inspired
selection: all_events
input: {kind: l1_vector, features: [pt, eta, phi], order: [jets], counts: {jets: 2}}
model: {name: onnx, score: mse}
regions: {high: {threshold: 1.0}}
"""


@pytest.fixture
def theirs(tmp_path: Path) -> tuple[Path, Path]:
    """A small network of the rapidity-mass matrix, as the authors of a search would give it, and its vectors."""
    rng = np.random.default_rng(4)
    layers = [
        (rng.normal(0, 0.05, (1287, 6)), rng.normal(0, 0.01, 6), {"class_name": "LeakyReLU", "config": {"alpha": 0.1}}),
        (rng.normal(0, 0.02, (6, 1287)), np.zeros(1287), "linear"),
    ]
    network = write_dense(tmp_path / "theirs.h5", layers)
    x = rng.random((9, 1287), dtype=np.float32)
    (first, bias, _), (second, _, _) = layers
    hidden = x @ first + bias
    y = np.where(hidden > 0, hidden, 0.1 * hidden) @ second
    np.savez(tmp_path / "theirs.npz", x=x, y=y, score=np.log(np.abs(x - y).mean(axis=1)))
    return network, tmp_path / "theirs.npz"


def test_a_search_with_its_authors_network(run: Run, tmp_path: Path, theirs: tuple[Path, Path], data: Path) -> None:
    network, vectors = theirs
    asked = ("import-model", network, "--analysis", "atlas_2023_ad_two_body")
    said = run(*asked, "-o", "unchecked").stdout.replace("\n", " ")
    assert "atlas_2023_ad_two_body with this network, fidelity approximate:" in said
    report = json.loads(run(*asked, "--vectors", vectors, "-o", "mine", "--json").stdout)
    assert (report["analysis"], report["fidelity"]) == ("atlas_2023_ad_two_body", "exact")
    published = {"pb20": -9.39, "pb10": -9.10, "pb1": -8.0, "pb0_1": -6.50}
    assert {name: region["threshold"] for name, region in report["regions"].items()} == published
    signal = data / "tbhplus_2tev.root"
    found = json.loads(run("reinterpret", signal, "--analysis", "mine", "--xsec", "0.05", "--json").stdout)
    assert found["search"]["models"] == {"lepton": "atlas_2023_ad_network"}
    assert found["search"]["fidelity"] == "exact"
    assert "the file 'theirs.h5' (sha256 " in found["search"]["fidelity_note"]
    assert "gives its authors' numbers to " in found["search"]["fidelity_note"]
    run("score", signal, "--model", tmp_path / "mine" / "bundles" / "atlas_2023_ad_network", "-o", "s.root")
    with uproot.open(tmp_path / "s.root") as file:
        events = file["Scores"].arrays(["score", "selected", "weight"], library="np")
    inside = events["selected"] & (events["score"] >= -6.50)
    assert 0 < inside.sum() < events["selected"].sum()
    assert found["acceptance"]["pb0_1"]["events"] == inside.sum()
    assert found["verdict"]["cause"] == "no background"  # ours is not theirs


def test_a_search_is_exact_by_what_was_found_in_all_its_categories() -> None:
    one = Compared(quantity="output", compared=9, largest_difference=0.1, tolerance=0.5)
    imported = Imported(file="n.h5", sha256="0" * 64, operators=(), parity_checked=True, parity=(one,))
    assert fidelity(imported) == "approximate"
    near = imported.model_copy(update={"parity": (one.model_copy(update={"largest_difference": 1e-6}),)})
    assert fidelity(near) == "exact"
    categories = load_search("atlas_2023_ad_two_body")[0].categories
    ours = categories[0].model_copy(update={"name": "ours", "network": None})
    bundle = {"fidelity": "exact", "fidelity_note": "n"}
    assert search_fidelity(bundle, categories) == bundle
    assert search_fidelity(bundle, (*categories, ours)) == {
        "fidelity": "approximate", "fidelity_note": "n; category ours is not of that network",
    }  # fmt: skip


def test_what_does_not_go_with_a_search(run: Run, theirs: tuple[Path, Path], tmp_path: Path) -> None:
    network, _ = theirs
    card = write_inputs(tmp_path)["card"]
    for extra, code, text in (
        (("--analysis", "atlas_2023_ad_two_body", "--card", card), 2, "--card does not go with --analysis"),
        (("--analysis", "cms_2019_dijet"), 2, "names no networks of its authors (key network of its categories)"),
        (("--analysis", "snn_ae"), 3, "snn_ae is a model to train"),
    ):
        assert text in run("import-model", network, *extra, "-o", "x", code=code).stderr.replace("\n", " ")
    (tmp_path / "headers").mkdir()
    refused = run("import-model", "headers", "--analysis", "atlas_2023_ad_two_body", "-o", "x", code=2)
    assert "headers has no saved_model.pb" in refused.stderr.replace("\n", " ")
    assert not (tmp_path / "x").exists()
