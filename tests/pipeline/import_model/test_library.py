"""From the C++ headers of a trigger's network to a bundle."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from hepad.bundles.bundle import load_bundle
from hepad.cards.analysis import RegionSpec
from hepad.errors import CardError, CheckFailedError, InputDataError
from hepad.io.exchange.hls_headers import read_headers
from hepad.pipeline.import_model import deployed
from hepad.pipeline.import_model.library import Library, read_library
from hepad.pipeline.import_model.run import ImportOptions, import_model
from hepad.pipeline.verify.run import verify
from hepad.trigger.exact import ExactDesign
from hepad.trigger.logic import compile_logic

from ...hls import write_graph, write_library

RELU = "ap_ufixed<10,6,AP_RND_CONV,AP_SAT>"
SCALES = {"ad_shift_t": "ap_fixed<5,5>", "ad_offset_t": "ap_fixed<10,9>"}
# The names of hls4ml's versions: one type a layer number, or one a layer name.
NUMBERED = {
    "input_t": "ap_fixed<8,6,AP_RND_CONV,AP_SAT>",
    "q_dense_accum_t": "ap_fixed<21,16>",
    "layer2_t": "ap_fixed<21,16>",
    "weight2_t": "ap_fixed<6,3>",
    "bias2_t": "ap_fixed<10,7>",
    "layer2_index": "ap_uint<1>",
    "layer3_t": RELU,
    "q_dense_relu_table_t": "ap_fixed<18,8>",
    "mu_accum_t": "ap_fixed<12,8>",
    "layer4_t": "ap_fixed<11,8>",
    "weight4_t": "ap_fixed<6,3>",
    "bias4_t": "ap_fixed<10,7>",
    "layer4_index": "ap_uint<1>",
    "result_t": "ap_fixed<10,7,AP_RND_CONV,AP_SAT>",
    "mu_quantized_bits_table_t": "ap_fixed<18,8>",
    "resultsq_t": "ap_ufixed<18,14>",
    "unscaled_t": "ap_fixed<18,13>",
    **SCALES,
}
NAMED = {
    "input_t": "ap_fixed<14,6,AP_RND_CONV,AP_SAT,0>",
    "result_t": "ap_fixed<18,14,AP_RND_CONV,AP_SAT,0>",
    "q_dense_accum_t": "ap_fixed<21,10>",
    "q_dense_t": "ap_fixed<21,10>",
    "layer3_index": "ap_uint<1>",
    "activation_t": f"{RELU[:-1]},0>",
    "activation_table_t": "ap_fixed<18,8>",
    "q_dense_1_accum_t": "ap_fixed<17,10>",
    "q_dense_1_t": "ap_fixed<17,10>",
    "layer7_index": "ap_uint<1>",
    "subtract_t": "ap_fixed<18,11>",
    "dot_accum_t": "ap_fixed<37,23>",
    **SCALES,
}
LAYOUT = {"w2": "weight2_t", "b2": "bias2_t", "w4": "weight4_t", "b4": "bias4_t"}
DECLARED = {"ad_shift": "ad_shift_t", "ad_offsets": "ad_offset_t"}


def numbers(seed: int = 1, hidden: int = 5, last: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "w2": rng.integers(-31, 32, (57, hidden)) / 8,
        "b2": rng.integers(-31, 32, hidden) / 8,
        "w4": rng.integers(-31, 32, (hidden, last)) / 8,
        "b4": rng.integers(-31, 32, last) / 8,
        "ad_shift": rng.integers(-1, 6, 57).astype(float),
        "ad_offsets": rng.integers(-4, 60, 57) / 2,
    }


def objects_library(folder: Path, **changes: Any) -> Path:
    types = {**NUMBERED, **changes.pop("types", {})}
    sizes = {"N_INPUT_1_1": 57, "N_LAYER_2": 5, "N_LAYER_4": 3, "AXOL1TL_V": 3}
    return write_library(folder, types, sizes, numbers() | changes, LAYOUT | DECLARED)


def inputs(n: int = 50) -> np.ndarray:
    return np.random.default_rng(3).integers(-40, 300, (n, 57))


def test_headers_become_a_bundle_that_scores(tmp_path: Path, data: Path, run) -> None:
    folder = objects_library(tmp_path / "TRIGGER_v3")
    library = read_library(folder, None)
    assert library.kind == "l1_hardware"
    assert library.words["fidelity"] == "approximate"
    assert [layer["kind"] for layer in library.scorer.config["layers"]] == ["dense", "relu", "dense", "cast"]
    expected = library.scorer.exact(inputs())
    assert len(np.unique(expected)) > 10
    np.savez(tmp_path / "v.npz", x=inputs(), score=expected)
    words = ("import-model", folder, "--vectors", tmp_path / "v.npz", "--region", "all=threshold:0", "-o", "b")
    assert "layers dense, relu, cast" in run(*words).stdout
    bundle = load_bundle(str(tmp_path / "b"))
    assert (bundle.card.fidelity, bundle.card.name, bundle.card.imported.parity_checked) == (
        "exact",
        "TRIGGER_v3",
        True,
    )
    assert bundle.scorer.exact(inputs()).tolist() == expected.tolist()
    report = json.loads(run("score", data / "hpm_taunu_0.root", "--model", "./b", "-o", "s.root", "--json").stdout)
    assert report["regions"]["all"]["selected"] == 680
    np.savez(tmp_path / "v.npz", x=inputs(), score=expected + 1)
    run("import-model", folder, "--vectors", tmp_path / "v.npz", "--region", "all=threshold:0", "-o", "c", code=7)
    assert not (tmp_path / "c").exists()
    with pytest.raises(CheckFailedError, match=r"row 0 has score"):
        read_library(folder, tmp_path / "v.npz")
    run("import-model", folder, "--card", "dnn_ae", "-o", "c", code=2)
    run("import-model", folder, "--region", "all=efficiency:0.5", "-o", "c", code=2)
    assert "parity was NOT checked" in run("import-model", folder, "-o", "c").stdout


def test_a_library_is_logic_without_a_choice_of_widths(tmp_path: Path, data: Path, run) -> None:
    """On events of a file, by da4ml's interpreter: the logic's score is the bundle's, and its thresholds are exact."""
    pytest.importorskip("da4ml")
    folder, events = objects_library(tmp_path / "TRIGGER_v3"), data / "hpm_taunu_0.root"
    run("import-model", folder, "--region", "all=threshold:160", "-o", "b")
    report = json.loads(run("latency", events, "--model", "./b", "--budget", "cms-gt-anomaly", "--json").stdout)
    tier, details = report["tiers"]["estimated"], report["details"]
    assert (report["passed"], tier["mismatches"], tier["dsp"]) == (True, 0, 0)
    assert tier["bit_exact_events"] == details["events"] == 680
    assert (details["bits"], details["decisions"][0]["flips"]) == ({"input": 8}, 0)
    assert details["operations"]["mac"] == sum(np.count_nonzero(numbers()[name]) for name in ("w2", "w4"))
    card = json.loads(run("export", events, "-m", "./b", "--format", "da4ml", "-o", "e", "--json").stdout)
    assert (card["score_scale"], card["raw_fraction"]) == (16, 4)
    assert card["regions"]["all"]["raw_threshold"] == 160  # steps of 1/16, as the trigger counts
    assert [(i["signed"], i["integer"]) for i in card["inputs"][:3]] == [(False, 12), (True, 8), (False, 10)]
    assert card["parity"]["mismatches"] == 0
    run("latency", "--model", "./b", "--bits", "weight=4", code=2)
    run("latency", "--model", "./b", "--part", "encoder", code=2)
    for name in ("onnx", "nir"):
        assert "in fixed point already" in run("export", "-m", "./b", "--format", name, "-o", "f", code=3).stderr
    words = ("quantise", events, "-m", "./b", "--signal", f"s={events}", "-o", "q")
    assert "there is no network to round" in run(*words, code=3).stderr


def test_decimal_numbers_are_what_their_type_holds(tmp_path: Path) -> None:
    """C++ rounds the numbers of a header down to their type."""
    one = numbers()
    rough = {name: one[name] + 0.04 for name in ("w2", "b4")} | {"ad_offsets": one["ad_offsets"] + 0.3}
    found = [
        read_library(objects_library(tmp_path / name, **changes), None).scorer.exact(inputs()).tolist()
        for name, changes in (("a", {}), ("b", rough))
    ]
    assert found[0] == found[1]


def test_an_adder_graph_is_the_matrix_that_it_adds_up_to(tmp_path: Path) -> None:
    arrays = numbers(hidden=3)
    dense: dict[str, str] = {}
    for name, kind in NAMED.items():
        dense[name] = kind
        if name in {"q_dense_t", "q_dense_1_t"}:
            dense |= {f"{name[:-2]}_{what}_t": "ap_fixed<6,3>" for what in ("weight", "bias")}
    renamed = {"w3": arrays["w2"], "b3": arrays["b2"], "w7": arrays["w4"], "b7": arrays["b4"]}
    scales = {name: arrays[name] for name in DECLARED}
    names = {"w3": "q_dense_weight_t", "b3": "q_dense_bias_t", "w7": "q_dense_1_weight_t", "b7": "q_dense_1_bias_t"}
    whole = write_library(tmp_path / "a", dense, {}, renamed | scales, names | DECLARED)
    graph = write_library(tmp_path / "b", NAMED, {}, scales, DECLARED)
    layers = {3: (arrays["w2"], arrays["b2"]), 7: (arrays["w4"], arrays["b4"])}
    write_graph(graph, layers, "ap_fixed<40, 20>")
    read = read_headers(graph).graphs
    for number, (weight, bias) in layers.items():
        np.testing.assert_array_equal(read[number].weight, weight)
        np.testing.assert_array_equal(read[number].bias, bias)
    one, two = (read_library(folder, vectors_for(folder, tmp_path)) for folder in (whole, graph))
    assert one.scorer.exact(inputs()).tolist() == two.scorer.exact(inputs()).tolist()
    write_graph(graph, layers, "ap_fixed<12, 8>")
    with pytest.raises(InputDataError, match=r"nnet_code_gen\.h, line 10: .* does not hold its value"):
        read_library(graph, None)


def vectors_for(folder: Path, tmp_path: Path) -> Path | None:
    """Nothing tells how the square matrix of the second layer lies: its own scores, by rows."""
    from hepad.inputs.layout import Layout
    from hepad.models.fixed.network import FixedNetwork
    from hepad.pipeline.import_model.structure import networks_of

    network = next(networks_of(read_headers(folder)))
    scorer = FixedNetwork(network.config, Layout.vector([f"x{i}" for i in range(57)]))
    scorer.load_state(network.tensors)
    np.savez(tmp_path / "v.npz", x=inputs(), score=scorer.exact(inputs()))
    return tmp_path / "v.npz"


def test_weights_by_rows_or_columns(tmp_path: Path) -> None:
    """A comment tells; else vectors; else it is refused."""
    arrays, sizes = numbers(), {"N_INPUT_1_1": 57, "N_LAYER_2": 5, "N_LAYER_4": 3}
    turned = {name: np.ascontiguousarray(values.T) if name[0] == "w" else values for name, values in arrays.items()}
    expected = read_library(objects_library(tmp_path / "a"), None).scorer.exact(inputs())
    commented = write_library(tmp_path / "b", NUMBERED, sizes, turned, LAYOUT | DECLARED)
    assert read_library(commented, None).scorer.exact(inputs()).tolist() == expected.tolist()
    flat = write_library(
        tmp_path / "c", NUMBERED, sizes, turned, LAYOUT | DECLARED, shapes={n: [v.size] for n, v in turned.items()}
    )
    with pytest.raises(CardError, match="by rows or by columns; give inputs and scores with --vectors"):
        read_library(flat, None)
    np.savez(tmp_path / "v.npz", x=inputs(), score=expected)
    assert read_library(flat, tmp_path / "v.npz").scorer.exact(inputs()).tolist() == expected.tolist()


def test_a_released_version_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = objects_library(tmp_path / "AXOL1TL_v4")
    x = deployed._inputs("l1_hardware")
    assert x.shape == (800, 57)
    assert {len(values) for values in deployed._outputs("l1_hardware").values()} == {800}
    scores = read_library(folder, None).scorer.exact(x)
    known = {"inputs": x, "v3_score": np.zeros(800), "v4_score": scores / 16}
    monkeypatch.setattr(deployed, "_arrays", lambda kind: known)
    report = import_model(folder, None, options=ImportOptions(tmp_path / "b"))
    assert report.imported.parity[0].quantity == "score of axol1tl v4"
    assert report.imported.parity[0].compared == 800
    assert {name: region.threshold for name, region in report.regions.items()} == {
        "very_loose": 346, "loose": 389, "nominal": 415, "tight": 456, "very_tight": 557,
    }  # fmt: skip
    assert load_bundle(str(tmp_path / "b")).card.title.startswith("AXOL1TL v4: ")
    (check,) = verify([str(tmp_path / "b")]).checks
    assert check.found is not None
    assert (check.is_off, check.fidelity, check.published, check.found.value) == (False, "exact", 800, 800)
    known["v4_score"] = scores / 16 + 0.0625 * (np.arange(800) == 799)
    (check,) = (again := verify([str(tmp_path / "b")])).checks
    assert check.found is not None
    assert (check.is_off, check.found.value) == (True, 799)
    assert check.found.how.endswith(f"; input 799 has {scores[799]:g}, not {scores[799] + 1:g}")
    with pytest.raises(CheckFailedError, match="score of axol1tl v4"):
        again.check()
    report = import_model(folder, None, options=ImportOptions(tmp_path / "c"))
    assert (report.imported.parity_checked, report.regions) == (False, {})


def regions_library(folder: Path, **sizes: int) -> Path:
    rng = np.random.default_rng(8)
    types = {
        "input_t": "ap_uint<10>",
        "conv_accum_t": "ap_fixed<30,22>",
        "layer3_t": "ap_fixed<30,22>",
        "weight3_t": "ap_fixed<12,4>",
        "bias3_t": "ap_uint<1>",
        "layer5_t": RELU,
        "relu0_table_t": "ap_fixed<18,8>",
        "dense2_accum_t": "ap_fixed<26,14>",
        "layer10_t": "ap_fixed<26,14>",
        "weight10_t": "ap_fixed<8,2>",
        "bias10_t": "ap_uint<1>",
        "layer10_index": "ap_uint<1>",
        "result_t": "ap_ufixed<16,8,AP_RND_CONV,AP_SAT>",
        "outputs_table_t": "ap_fixed<18,8>",
    }
    arrays = {
        "w3": rng.integers(-400, 400, (2, 2, 2)) / 2**14,
        "b3": np.zeros(2),
        "w10": rng.integers(-60, 120, (126, 1)) / 64,
        "b10": np.zeros(1),
    }
    given = {"N_INPUT_1_1": 252, "OUT_HEIGHT_3": 9, "OUT_WIDTH_3": 7, "N_FILT_3": 2, "N_LAYER_10": 1} | sizes
    return write_library(
        folder, types, given, arrays, {n: f"{'weight' if n[0] == 'w' else 'bias'}{n[1:]}_t" for n in arrays}
    )


def test_a_network_of_regions(tmp_path: Path, data: Path) -> None:
    folder = regions_library(tmp_path / "CALO_v1")
    np.savez(tmp_path / "v.npz", x=np.zeros((1, 252)), score=np.zeros(1))
    half = {"half": RegionSpec(background_efficiency=0.5)}
    towers = [str(data / "towers.root")]
    options = ImportOptions(tmp_path / "b", vectors=tmp_path / "v.npz", background=towers, regions=half)
    report = import_model(folder, None, options=options)
    assert report.imported.calibration_events == 24
    bundle = load_bundle(str(tmp_path / "b"))
    assert bundle.card.shape == (1, 14, 18)
    with pytest.raises(InputDataError, match=r"give no image 8 x 7 with stride 2"):
        read_library(regions_library(tmp_path / "wrong", OUT_HEIGHT_3=8), None)


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("NN/defines.h", replaced("typedef ap_ufixed<18,14>", "int f; typedef ap_x"), r"not understood: 'int f"),
        ("NN/defines.h", replaced("ap_fixed<12,8>", "ap_float<12,8>"), r"type mu_accum_t: ap_float<12,8>: not a type"),
        ("NN/defines.h", lambda text: text[: text.index("bias2_t") + 3], r"defines\.h, line \d+: is cut off"),
        ("NN/weights/w2.h", lambda text: text[: len(text) // 2], r"w2\.h, line 10: is cut off"),
        ("NN/weights/w2.h", replaced("[285]", "[284]"), r"w2\.h, line 10: w2 has 285 numbers, not 284"),
        ("NN/weights/w2.h", replaced("= {", "= {x, "), r"w2\.h, line 10: w2 holds 'x', which is no number"),
        ("NN/weights/w2.h", lambda _: "weight2_t w2[2] = {1, 2};", r"w2\.h, line 1: w2 has 2 numbers, not 285"),
        ("NN/weights/b4.h", None, r"no header holds the array b4"),
        ("NN/defines.h", None, r"there is no defines\.h in it"),
        ("scales.h", replaced("ad_offsets", "ad_offset"), r"no header holds the array ad_offsets"),
        ("NN/weights/w4.h", lambda _: "\ud800", r"w4\.h"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_named(tmp_path: Path, name: str, change: Any, reason: str) -> None:
    folder = objects_library(tmp_path / "lib")
    path = folder / name
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_text()).encode("utf-8", "surrogatepass"))
    with pytest.raises(InputDataError, match=reason):
        read_library(folder, None)


def test_numbers_that_are_given_twice_must_be_the_same(tmp_path: Path) -> None:
    folder = objects_library(tmp_path / "lib")
    text = (folder / "NN/weights/b2.h").read_text()
    (folder / "NN" / "weights.h").write_text(text)
    read_library(folder, None)
    (folder / "NN" / "weights.h").write_text(text.replace("= {", "= {1").replace("{1-", "{-1"))
    with pytest.raises(InputDataError, match="b2 has other numbers than in"):
        read_library(folder, None)


AXOL1TL = ("v1", "v3", "v4", "v5", "v6.0.2")
CICADA = ("v1", "v1p1", "v1p1p1", "v1p1p2", "v2", "v2p1", "v2p1p1", "v2p1p2", "v2p2p0")


@pytest.mark.skipif("HEPAD_TEST_DATA" not in os.environ, reason="needs the weights of the triggers' libraries")
@pytest.mark.parametrize(("family", "version"), [*(("axol1tl", v) for v in AXOL1TL), *(("cicada", v) for v in CICADA)])
def test_every_released_version_is_exact(tmp_path: Path, family: str, version: str) -> None:
    """Each of the 800 and 513 outputs of the collaborations' C++."""
    source = Path(os.environ["HEPAD_TEST_DATA"]) / family
    types, sizes, declared = content(source / f"{version}.json")
    with np.load(source / f"{version}.npz") as archive:
        arrays = dict(archive)
    folder = write_library(tmp_path / "lib", types, sizes, arrays, DECLARED | declared)
    library = read_library(folder, None)
    assert library.words["fidelity"] == "exact"
    assert library.imported.parity[0].quantity == f"score of {family} {version}"
    if f"{family} {version}" in deployed.THRESHOLDS:
        check_logic(library)


def check_logic(library: Library) -> None:
    """The logic gives what the collaboration's C++ does, for each known input."""
    pytest.importorskip("da4ml")
    x = deployed._inputs(library.kind).astype(np.float64)
    design = ExactDesign(library.scorer.exact_layers(), library.scorer.layout)
    assert np.array_equal(x, np.clip(x, [f.low for f in design.inputs], [f.high for f in design.inputs]))
    found = compile_logic(design).interpreted(x)[:, 0] * design.scale
    assert any(np.array_equal(found, scores) for scores in deployed._outputs(library.kind).values())


@pytest.mark.skipif("HEPAD_TEST_DATA" not in os.environ, reason="needs the weights of the triggers' libraries")
def test_the_version_of_adder_graphs_is_exact(tmp_path: Path) -> None:
    """Its matrices are those of the version before, its types are its own."""
    source = Path(os.environ["HEPAD_TEST_DATA"]) / "axol1tl"
    types, sizes, declared = content(source / "v6.0.3.json")
    with np.load(source / "v6.0.2.npz") as archive:
        arrays = dict(archive)
    scales = {name: arrays[name] for name in DECLARED}
    folder = write_library(tmp_path / "lib", types, sizes, scales, DECLARED | declared)
    layers, places = {}, zip((3, 7, 11, 15, 19, 21, 25, 29), (2, 4, 6, 8, 10, 12, 14, 16), strict=True)
    for number, old in places:
        bias = arrays[f"b{old}"]
        layers[number] = arrays[f"w{old}"].reshape(-1, len(bias)), bias
    write_graph(folder, layers, "ap_fixed<44, 22>")
    library = read_library(folder, None)
    assert library.imported.parity[0].quantity == "score of axol1tl v6.0.3"
    check_logic(library)


@pytest.mark.skipif("HEPAD_TEST_DATA" not in os.environ, reason="needs the weights of the triggers' libraries")
@pytest.mark.parametrize(("family", "version"), [("axol1tl", "v4"), ("axol1tl", "v5"), ("cicada", "v2p2p0")])
def test_real_events_have_the_scores_of_the_trigger(tmp_path: Path, run, family: str, version: str) -> None:
    """From a Level-1 NanoAOD file of 2024, through GeV and back, to the score of each of its 100 events."""
    source = Path(os.environ["HEPAD_TEST_DATA"])
    types, sizes, declared = content(source / family / f"{version}.json")
    with np.load(source / family / f"{version}.npz") as archive:
        folder = write_library(tmp_path / "lib", types, sizes, dict(archive), DECLARED | declared)
    run("import-model", folder, "-o", "b")
    file = source / "l1_real" / "L1NanoAOD_run380963_100events.root"
    run("score", file, "--model", "./b", "-o", "s.parquet", "--format", "parquet")
    scores = pyarrow.parquet.read_table(tmp_path / "s.parquet")["score"].to_numpy()
    with np.load(source / "l1_real" / "nano380963.npz") as archive:
        expected = archive[f"axo_unp_{version}_x16" if family == "axol1tl" else f"cicada_emu_{version}"]
    assert scores.tolist() == expected.tolist()


def content(path: Path) -> tuple[dict[str, str], dict[str, int], dict[str, str]]:
    found = json.loads(path.read_text())
    declared = found["types"].pop("of_array", {})
    return found["types"], found["sizes"], declared
