"""`hepad limit` as a user runs it: a process, its output, its exit code, and what it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import hist
import numpy as np
import pyhf
import pytest
from typer.testing import CliRunner

from hepad.cli.main import app
from hepad.io.exchange.pyhf_quiet import pyhf_quiet
from hepad.spectra.files import write_histograms_root

LOW = ("--signal", "1", "--background", "0.5", "--background-error", "0.4", "--data", "0")


def invoke(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["limit", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_real_process_writes_everything(tmp_path: Path) -> None:
    output = tmp_path / "limit"
    main = [sys.executable, "-c", "from hepad.cli.main import main; main()"]
    command = [*main, "limit", *LOW, "--calculator", "asymptotic", "--json"]
    done = subprocess.run([*command, "-o", str(output)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "unreliable below 10" in done.stderr
    result = json.loads(done.stdout)
    assert result["observed"] == pytest.approx(2.22, abs=0.02)
    assert (result["poi_name"], result["calculator"]) == ("mu", "asymptotics")
    assert len(result["expected"]) == 5
    assert len(result["poi"]) == len(result["cls"]["observed"]) == len(result["cls"]["expected"])
    assert {len(row) for row in result["cls"]["expected"]} == {5}
    assert len(result["warnings"]) == 1
    assert sorted(p.name for p in output.iterdir()) == [
        "SHA256SUMS", "limit.csv", "limit.json", "limit.png", "report.html", "tables.tex", "workspace.json",
    ]  # fmt: skip
    written = json.loads((output / "limit.json").read_text())
    assert written.pop("provenance")["command"].startswith("hepad limit --signal 1 --background 0.5 --data 0")
    assert written == result


@pytest.mark.usefixtures("unrendered")
def test_pyhf_reads_the_workspace(tmp_path: Path) -> None:
    counts = ("--signal", "10", "--background", "50", "--data", "61", "--calculator", "asymptotic")
    assert invoke(*counts, "-o", str(tmp_path / "o"))[0] == 0
    limit = json.loads((tmp_path / "o/limit.json").read_text())["observed"]
    with pyhf_quiet():
        workspace = pyhf.Workspace(json.loads((tmp_path / "o/workspace.json").read_text()))
        model = workspace.model()
        assert float(pyhf.infer.hypotest(limit, workspace.data(model), model)) == pytest.approx(0.05, rel=1e-3)


def test_toys_are_used_when_asked_for() -> None:
    code, stdout, stderr = invoke(*LOW, "--toys", "4000", "--seed", "2", "--json")
    result = json.loads(stdout)
    assert code == 0
    assert (result["calculator"], result["toys"]) == ("toys", 4000)
    assert (stderr, result["warnings"]) == ("", [])
    assert result["observed"] == pytest.approx(3.0, abs=0.15)


def test_without_data_the_observed_limit_is_null() -> None:
    result = json.loads(invoke("--signal", "10", "--background", "50", "--json")[1])
    assert result["observed"] is None
    assert result["cls"]["observed"] is None
    assert result["expected"][2] > 0


def test_cross_section_turns_limits_into_pb() -> None:
    arguments = ("--signal", "10", "--background", "50", "--data", "50", "--cross-section", "0.25")
    result = json.loads(invoke(*arguments, "--json")[1])
    assert result["cross_section_pb"]["observed"] == pytest.approx(0.25 * result["observed"])
    assert invoke(*arguments)[1].count(" pb") == 2


def test_spectra_use_the_variances_of_the_background(tmp_path: Path) -> None:
    path = tmp_path / "h.root"
    axis = hist.axis.Regular(3, 0, 3, name="m")
    signal, data = hist.Hist(axis), hist.Hist(axis)
    background = hist.Hist(axis, storage=hist.storage.Weight())
    signal[:], data[:] = np.array([1.0, 5, 1]), np.array([30.0, 22, 15])
    background[:] = np.array([[30.0, 9], [20, 4], [15, 4]])
    write_histograms_root(path, {"signal": signal, "background": background, "data": data})
    names = ("--signal", f"{path}:signal", "--background", f"{path}:background", "--data", f"{path}:data")
    code, stdout, stderr = invoke(*names, "--json", "-o", str(tmp_path / "o"))
    assert code == 0, stderr
    assert json.loads(stdout)["observed"] > 0
    workspace = json.loads((tmp_path / "o/workspace.json").read_text())
    modifiers = workspace["channels"][0]["samples"][1]["modifiers"]
    assert modifiers == [{"name": "background_statistics", "type": "staterror", "data": [3.0, 2.0, 2.0]}]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--signal", "0", "--background", "5"), 4, "signal is zero"),
        (("--signal", "nan", "--background", "5"), 4, "signal must be finite"),
        (("--signal", "1", "--background", "-5"), 4, "background must be finite and not negative"),
        (("--signal", "gone.root:h", "--background", "5"), 4, "gone.root does not exist"),
        (("--signal", "1", "--background", "5", "--cross-section", "0"), 2, "cross section is positive"),
    ],
)
def test_a_mistake_gets_one_line_its_code_and_leaves_nothing(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    got, stdout, stderr = invoke(*arguments, "-o", str(tmp_path / "out"))
    assert got == code
    assert message in stderr
    assert stderr.count("\n") == 1
    assert stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_numbers_and_spectra_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("0,1,3\n1,2,4\n")
    code, _, stderr = invoke("--signal", str(tmp_path / "s.csv"), "--background", "5")
    assert code == 2
    assert "all numbers or all spectra" in stderr
