"""`hepad bumphunt` as a user runs it: a process, its output, its exit code, and what it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hepad.cli.main import app
from hepad.spectra.files import read_spectrum

ROOT = Path(__file__).parents[2]
ATLAS = str(ROOT / "examples/data/atlas_dijet_139fb.csv")
CMS = str(ROOT / "examples/data/cms_dijet_137fb.csv")
EXAMPLE = str(ROOT / "tests/data/pybumphunter_example.csv")
KEYS = {
    "window", "local_p", "local_z", "global_p", "global_p_error", "toys", "statistic", "windows", "fit",
}  # fmt: skip


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from hepad.cli.main import main; main()", "bumphunt", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def invoke(*arguments: str) -> tuple[int, str, str]:
    """The same in this process, where starting one would only cost time."""
    result = CliRunner().invoke(app, ["bumphunt", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_example_of_the_help_writes_everything(tmp_path: Path) -> None:
    output = tmp_path / "bump"
    done = run(ATLAS, "--function", "dijet5", "--toys", "100", "--figures", "png,pdf", "--json", "-o", str(output))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result) >= KEYS
    assert result["fit"]["function"] == "dijet5"
    assert result["fit"]["deviance"] == pytest.approx(118.48, abs=0.01)
    assert (result["fit"]["ndf"], result["fit"]["converged"], result["refit"]) == (86, True, True)
    assert set(result["fit"]["parameters"]) == {"p1", "p2", "p3", "p4", "p5"}
    figures = [f"{stem}.{kind}" for stem in ("bumphunt", "tomography") for kind in ("csv", "pdf", "png")]
    assert sorted(p.name for p in output.iterdir()) == sorted(
        ["SHA256SUMS", "bumphunt.json", "report.html", "tables.tex", *figures]
    )
    assert (output / "bumphunt.png").read_bytes().startswith(b"\x89PNG")
    assert (output / "bumphunt.pdf").read_bytes().startswith(b"%PDF")
    written = json.loads((output / "bumphunt.json").read_text())
    record = written.pop("provenance")
    assert written == result
    assert record["inputs"][0]["name"] == "atlas_dijet_139fb.csv"
    assert set(record["cards"]) == {"dijet5"}
    assert str(tmp_path) not in json.dumps(record)


def test_reference_column_gives_the_numbers_of_pybumphunter() -> None:
    code, stdout, _ = invoke(EXAMPLE, "--reference", "column", "--width-max", "6", "--toys", "1000", "--json")
    result = json.loads(stdout)
    assert code == 0
    assert result["fit"] is None
    assert result["refit"] is False
    assert result["window"] == pytest.approx([5.33333, 6.66667], abs=1e-5)
    assert result["local_p"] == pytest.approx(1.73410678e-4, rel=1e-8)
    assert (result["windows"], result["toys"]) == (285, 1000)
    assert result["global_p"] == pytest.approx(0.019, abs=0.015)


def test_the_same_seed_gives_the_same_bytes() -> None:
    arguments = (CMS, "--toys", "100", "--json", "--seed", "3")
    assert invoke(*arguments) == invoke(*arguments)
    assert invoke(*arguments)[1] != invoke(*arguments[:-1], "4")[1]


def test_text_output_says_whether_toys_were_refitted() -> None:
    code, stdout, _ = invoke(CMS, "--toys", "50", "--no-refit")
    assert code == 0
    assert "fit       dijet3, deviance 41.39 for 39 degrees of freedom" in stdout
    assert "50 toys, not refitted" in stdout
    assert "each refitted" in invoke(CMS, "--toys", "50")[1]
    assert "global p" not in invoke(CMS, "--toys", "0")[1]


def test_range_and_another_spectrum_as_reference(tmp_path: Path) -> None:
    spectrum = read_spectrum(ATLAS)
    assert spectrum.reference is not None
    rows = zip(spectrum.edges[:-1], spectrum.edges[1:], spectrum.reference, strict=True)
    (tmp_path / "fit.csv").write_text("".join(f"{a},{b},{c}\n" for a, b, c in rows))
    common = (ATLAS, "--range", "1200:5000", "--toys", "0", "--json")
    other = json.loads(invoke(*common, "--reference", str(tmp_path / "fit.csv"))[1])
    column = json.loads(invoke(*common, "--reference", "column")[1])
    assert other == column
    assert 1200 <= other["spectrum"]["range"][0] < other["spectrum"]["range"][1] <= 5000
    assert other["global_p"] is None


def test_a_poor_fit_is_said() -> None:
    code, stdout, stderr = invoke(
        str(ROOT / "tests/data/cms_fourjet_138fb.csv"), "--function", "dijet3", "--toys", "10"
    )
    assert code == 0
    assert "dijet3 describes the spectrum poorly" in stderr
    assert "poorly" not in stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("missing.csv",), 4, "missing.csv does not exist"),
        ((ATLAS, "--function", "dijet9"), 3, "dijet9"),
        ((ATLAS, "--reference", "column", "--function", "dijet4"), 2, "--function does not go with --reference column"),
        ((ATLAS, "--reference", "column", "--refit"), 2, "it is for a fitted function"),
        ((CMS, "--reference", "column"), 4, "has no reference column"),
        ((CMS, "--reference", ATLAS), 4, "other bins"),
        ((CMS, "--range", "2000"), 2, "--range is LOW:HIGH"),
        ((CMS, "--range", "3000:2000"), 2, "the range must rise"),
        ((CMS, "--range", "1:2"), 4, "no whole bin"),
        ((CMS, "--range", "1530:1770"), 4, "cannot determine"),
        ((CMS, "--width-max", "1"), 2, "largest width"),
        ((CMS, "--width-max", "99"), 2, "do not fit into"),
    ],
)
def test_a_mistake_gets_one_line_its_code_and_leaves_nothing(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    got, stdout, stderr = invoke(*arguments, "-o", str(tmp_path / "out"))
    assert got == code
    assert message in stderr
    assert stderr.startswith("hepad: ")
    assert stderr.count("\n") == 1
    assert stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_fit_that_does_not_converge_is_code_6_in_a_real_process(tmp_path: Path) -> None:
    counts = [0, 0, 0, 1e6, 1e-3, 1e6, 0, 0]
    rows = [f"{1000 + 125 * i},{1125 + 125 * i},{n}" for i, n in enumerate(counts)]
    (tmp_path / "peak.csv").write_text("\n".join(rows))
    done = run(str(tmp_path / "peak.csv"), "--function", "dijet3", "-o", str(tmp_path / "out"))
    assert done.returncode == 6
    assert done.stderr.count("\n") == 1
    assert "dijet3" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["peak.csv"]


def test_an_empty_spectrum_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("1,2,0\n2,3,0\n")
    code, _, stderr = invoke(str(tmp_path / "empty.csv"))
    assert code == 4
    assert "holds no events" in stderr
