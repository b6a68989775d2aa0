"""`hepad analysis`: test vectors, and archives that another group can run."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hepad.bundles.bundle import load_bundle
from hepad.cards.resolver import bundled_names, resolve, unpacked
from hepad.cards.search import load_search
from hepad.cards.selection import load_selection
from hepad.cards.vectors import load_vectors
from hepad.errors import CardError, CheckFailedError, InputDataError, OutputError
from hepad.pipeline.analysis.package import pack, unpack
from hepad.pipeline.analysis.vectors import default_vectors, validate, write_vectors
from hepad.pipeline.reinterpret.run import reinterpret
from hepad.provenance import sha256_bytes, sha256_file

from ..conftest import Run

SEARCH = """schema: search/1
name: mine
title: A search of my own
reference: none
fidelity: inspired
fidelity_note: for tests
sqrt_s_gev: 13000
luminosity: {fb: 100, source: none}
categories:
  - {name: lepton, title: One lepton, selection: sel/one.yaml, bundle: networks/net}
regions: [loose]
fits: [dijet5]
channels:
  jj: {mass: jet1+jet2, title: dijet, edges: [50, 100, 200], observed: "spectra/mjj.csv"}
"""


def edited(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def search(tmp_path: Path) -> Path:
    """A search with its own selection, bundle and spectrum in its folder."""
    folder = tmp_path / "search"
    for name in ("sel", "networks", "spectra"):
        (folder / name).mkdir(parents=True)
    shutil.copyfile(resolve("selections", "adc2021"), folder / "sel" / "one.yaml")
    shutil.copytree(resolve("bundles", "dnn_ae"), folder / "networks" / "net")
    (folder / "spectra" / "mjj.csv").write_text("50,100,3\n100,200,1\n")
    (folder / "mine.yaml").write_text(SEARCH)
    return folder / "mine.yaml"


@pytest.fixture
def vectors(tmp_path: Path, examples: Path) -> Path:
    write_vectors("dnn_ae", examples / "hplus.h5", tmp_path / "vectors")
    return tmp_path / "vectors" / "vectors.json"


@pytest.mark.parametrize("name", [name for name in bundled_names("analyses") if default_vectors(name).is_file()])
def test_what_ships_gives_its_own_numbers(name: str) -> None:
    report = validate(name)
    assert report.passed, [c for c in report.comparisons if c.mismatches]
    assert report.changed == ()
    assert report.events >= 200
    compared = {c.quantity for c in report.comparisons}
    assert {"selected", "cut flow", "yields"} <= compared
    assert any(quantity.startswith("region ") for quantity in compared)


def test_models_ship_with_vectors() -> None:
    assert all(default_vectors(name).is_file() for name in ("snn_ae", "dnn_ae", "vae", "cms_2019_dijet"))


def test_a_whole_journey(process: Run, run: Run, tmp_path: Path, vectors: Path) -> None:
    packed = json.loads(run("analysis", "pack", "dnn_ae", "--vectors", vectors, "-o", "d.hepad.zip", "--json").stdout)
    assert packed["sha256"] == sha256_file(tmp_path / "d.hepad.zip")
    assert [entry["path"] for entry in packed["files"]] == [
        "analyses/dnn_ae.yaml", "analyses/vectors/dnn_ae/events.h5", "analyses/vectors/dnn_ae/vectors.json",
        "bundles/dnn_ae/card.json", "bundles/dnn_ae/loss.png", "bundles/dnn_ae/model.safetensors",
        "selections/adc2021.yaml",
    ]  # fmt: skip
    process("analysis", "unpack", "d.hepad.zip", "--sha256", packed["sha256"], "-o", "theirs")
    report = json.loads(run("analysis", "validate", "theirs", "--json").stdout)
    assert report["passed"] is True
    assert report["events"] == 863
    assert report["vectors"].startswith("theirs/")
    assert max(c["largest_difference"] for c in report["comparisons"]) < 1e-5
    pack("dnn_ae", tmp_path / "once.zip", vectors=vectors)  # functions record no arguments, which differ
    pack("dnn_ae", tmp_path / "again.zip", vectors=vectors)
    pack(str(tmp_path / "theirs"), tmp_path / "repacked.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "once.zip").read_bytes()
    assert (tmp_path / "repacked.zip").read_bytes() == (tmp_path / "once.zip").read_bytes()


def test_a_difference_is_told_and_exits_7(run: Run, tmp_path: Path, vectors: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        events = content["categories"]["events"]
        events["scores"]["mse"][10] *= 2
        events["regions"]["loose"].pop()
        events["cutflow"][1]["events"] -= 1

    edited(vectors, change)
    result = run("analysis", "validate", "dnn_ae", "--vectors", vectors, "--json", code=7)
    report = json.loads(result.stdout)
    wrong = {c["quantity"]: c["mismatches"] for c in report["comparisons"] if c["mismatches"]}
    assert wrong == {"score mse": 1, "region loose": 1, "cut flow": 1}
    assert report["passed"] is False
    assert "events score mse (1 of 863), events region loose (1 of 863)" in result.stderr


def test_another_model_fails_and_is_named(tmp_path: Path, vectors: Path) -> None:
    report = validate("dnn_ae", vectors=vectors, model="snn_ae")
    assert report.changed == ("bundle dnn_ae",)
    with pytest.raises(CheckFailedError, match="score mse"):
        report.check()


def test_scores_in_only_one_of_the_two_are_a_mismatch(vectors: Path) -> None:
    edited(vectors, lambda c: c["categories"]["events"]["scores"].update(kl=c["categories"]["events"]["scores"]["mse"]))
    edited(vectors, lambda c: c["categories"]["events"]["regions"].pop("tight"))
    wrong = {c.quantity for c in validate("dnn_ae", vectors=vectors).comparisons if c.mismatches}
    assert wrong == {"score kl", "region tight"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(analysis="vae"), "holds vectors of vae, not of dnn_ae"),
        (lambda c: c["events"].update(file="../events.h5"), "file"),
        (lambda c: c["events"].update(sha256="0" * 64), "is missing or not the file"),
        (lambda c: c["events"].update(entries=5), "863 events, vectors.json says 5"),
        (lambda c: c["categories"].update(other=c["categories"]["events"]), "category 'other'"),
        (lambda c: c["categories"]["events"]["scores"]["mse"].pop(), "862 numbers for 863 selected events"),
        (lambda c: c["categories"]["events"]["selected"].reverse(), "entries of selected must rise"),
        (lambda c: c.update(code="x"), "unknown key"),
        (lambda c: c.update(tolerance=2), "tolerance"),
    ],
)
def test_damaged_vectors(vectors: Path, change: Callable[[dict[str, Any]], Any], message: str) -> None:
    edited(vectors, change)
    with pytest.raises((CardError, InputDataError), match=message):
        validate("dnn_ae", vectors=vectors)
    vectors.write_text(vectors.read_text().replace("{", '{"tolerance": 0.5, "tolerance": 0.1, ', 1))
    with pytest.raises(CardError, match="key 'tolerance' is given twice"):
        load_vectors(vectors)


def test_a_search_with_its_own_parts(tmp_path: Path, search: Path, write_slim: Callable[..., Path]) -> None:
    """Selection, bundle and spectrum by path, the fit by name; a mass that one event of three has."""
    card = write_vectors(str(search), write_slim(), search.parent / "vectors")
    massless = math.sqrt(2 * 50 * 40 * (math.cosh(0.5 + 1.0) - math.cos(3.0 - 0.1)))  # write_slim's jets
    assert card.categories["lepton"].masses["jj"][1:] == (None, None)
    assert card.categories["lepton"].masses["jj"][0] == pytest.approx(massless, rel=0.01)
    search.write_text(SEARCH + "vectors: vectors/vectors.json\n")
    report = pack(str(search), tmp_path / "mine.zip")
    assert [member.path for member in report.manifest.files] == [
        "analyses/mine.yaml", "analyses/networks/net/card.json", "analyses/networks/net/loss.png",
        "analyses/networks/net/model.safetensors", "analyses/sel/one.yaml", "analyses/spectra/mjj.csv",
        "analyses/vectors/events.root", "analyses/vectors/vectors.json", "fits/dijet5.yaml",
    ]  # fmt: skip
    unpack(tmp_path / "mine.zip", tmp_path / "theirs")
    shutil.rmtree(search.parent)
    found = validate(str(tmp_path / "theirs"))
    assert found.passed
    assert found.changed == ("analysis mine",)  # it has got its vectors since
    assert "mass jj" in {c.quantity for c in found.comparisons}


def test_a_signal_against_an_unpacked_search(tmp_path: Path, search: Path, write_slim: Callable[..., Path]) -> None:
    """Selection and bundle come from the folder: the search that was packed is gone."""
    acceptance_only = SEARCH[: SEARCH.index("fits:")].replace("luminosity: {fb: 100, source: none}\n", "")
    search.write_text(acceptance_only.replace("sel/one.yaml", "adc2021").replace("networks/net", "dnn_ae"))
    pack(str(search), tmp_path / "mine.zip")
    unpack(tmp_path / "mine.zip", tmp_path / "theirs")
    shutil.rmtree(search.parent)
    signal = write_slim()
    assert reinterpret([str(signal)], str(tmp_path / "theirs")).to_json()["acceptance"]["all"]["value"] == 1
    own = tmp_path / "theirs" / "selections" / "adc2021.yaml"
    own.write_text(own.read_text().replace("{min: 23}", "{min: 35}"))
    acceptance = reinterpret([str(signal)], str(tmp_path / "theirs")).to_json()["acceptance"]["all"]["value"]
    assert acceptance == pytest.approx(2.0 / 3.5)  # the weights of write_slim: only the muon has more than 35 GeV


def test_a_selection_alone(tmp_path: Path, write_slim: Callable[..., Path]) -> None:
    path = str(resolve("selections", "lepton_jets"))
    write_vectors(path, write_slim(), tmp_path / "v")
    report = validate(path, vectors=tmp_path / "v" / "vectors.json")
    assert report.passed
    assert [c.quantity for c in report.comparisons] == ["selected", "region all", "cut flow", "yields"]


def test_an_unpacked_folder_comes_before_what_is_installed(tmp_path: Path) -> None:
    pack("dnn_ae", tmp_path / "d.zip")
    unpack(tmp_path / "d.zip", tmp_path / "theirs")
    own = tmp_path / "theirs" / "selections" / "adc2021.yaml"
    own.write_text(own.read_text().replace("title: ", "title: theirs, "))
    with unpacked(str(tmp_path / "theirs")) as card:
        assert card == str(tmp_path / "theirs" / "analyses" / "dnn_ae.yaml")
        assert load_selection("adc2021").title.startswith("theirs")
        assert load_bundle("dnn_ae").path == tmp_path / "theirs" / "bundles" / "dnn_ae"
        assert load_selection("lepton_jets").name == "lepton_jets"  # what is not there comes from the package
    assert not load_selection("adc2021").title.startswith("theirs")
    with unpacked("dnn_ae") as card:
        assert card == "dnn_ae"


@pytest.mark.parametrize("manifest", ["{", "[]", "{}", '{"card": "../x.yaml"}', '{"card": "analyses/none.yaml"}'])
def test_a_folder_whose_manifest_is_damaged(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "x.yaml").write_text("")
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "manifest.json").write_text(manifest)
    with pytest.raises(CardError, match=r"manifest\.json"), unpacked(str(tmp_path / "f")):
        pass


def test_an_altered_archive_exits_4_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    archive = tmp_path / "d.zip"
    pack("dnn_ae", archive)
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    result = run("analysis", "unpack", "d.zip", "-o", "theirs", code=4)
    assert "d.zip" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["d.zip"]


def test_what_cannot_be_packed(tmp_path: Path, search: Path, vectors: Path) -> None:
    output = tmp_path / "a.zip"
    with pytest.raises(CardError, match="holds vectors of dnn_ae"):
        pack("snn_ae", output, vectors=vectors)
    with pytest.raises(OutputError, match="does not exist"):
        pack("snn_ae", tmp_path / "none" / "a.zip")
    weights = search.parent / "networks" / "net" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(CardError, match="does not match the sha256"):
        pack(str(search), output)
    assert not output.exists()
    assert load_search(str(search))[0].name == "mine"


def test_events_that_are_too_many_to_travel(tmp_path: Path, examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hepad.pipeline.analysis.vectors.MAX_BYTES", 100)
    with pytest.raises(InputDataError, match="at most 100 bytes"):
        write_vectors("dnn_ae", examples / "h0.h5", tmp_path / "v")


def test_a_tolerance_that_is_none(tmp_path: Path, examples: Path) -> None:
    with pytest.raises(CardError, match="key 'tolerance'"):
        write_vectors("dnn_ae", examples / "hplus.h5", tmp_path / "v", tolerance=0)
    assert not (tmp_path / "v").exists()


def test_vectors_are_the_same_each_time(tmp_path: Path, examples: Path, vectors: Path) -> None:
    write_vectors("dnn_ae", examples / "hplus.h5", tmp_path / "again")
    assert sha256_bytes(vectors.read_bytes()) == sha256_file(tmp_path / "again" / "vectors.json")
