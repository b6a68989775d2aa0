"""`hepad fit`, `spurious` and `inject`: output, exit codes and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hepad.cli.main import app
from hepad.spectra.files import read_spectrum

ROOT = Path(__file__).parents[2]
ATLAS = str(ROOT / "examples/data/atlas_dijet_139fb.csv")
CMS = str(ROOT / "examples/data/cms_dijet_137fb.csv")
FOURJET = str(ROOT / "tests/data/cms_fourjet_138fb.csv")


def invoke(*arguments: object, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def test_fit_writes_all_that_it_says(tmp_path: Path) -> None:
    output = tmp_path / "fit"
    stdout, stderr = invoke(
        "fit", ATLAS, "--function", "dijet3", "--order", "auto", "--toys", 100, "--json", "-o", output
    )
    result = json.loads(stdout)
    (fit,) = result["fits"]
    assert fit["name"] == "dijet5"
    assert fit["goodness"]["deviance"] == pytest.approx(118.48, abs=0.01)
    assert fit["goodness"]["toys"] == 100
    assert [step["kept"] for step in fit["order"]] == [True, True, False]
    assert np.diag(fit["correlation"]) == pytest.approx(1)
    assert all(low < 0 < high for low, high in fit["minos"].values())
    assert "Pearson's chi-square (132.0) misleads" in stderr
    names = [
        "SHA256SUMS",
        "fit.json",
        *(f"fit_dijet5{end}" for end in (".csv", ".png", "_correlation.csv", "_correlation.png", "_drawn.csv")),
        "report.html",
        "tables.tex",
    ]
    assert sorted(path.name for path in output.iterdir()) == names
    page = (output / "report.html").read_text(encoding="utf-8")
    assert 'class="answer yes"' in page
    assert '<p data-mark="\N{CHECK MARK}">dijet5 describes the spectrum, ' in page
    assert "<dt>118.48</dt><dd>deviance</dd>" in page
    assert "<td>dijet5</td><td>dijet6</td>" in page
    written = json.loads((output / "fit.json").read_text())
    record = written.pop("provenance")
    assert written == result
    assert str(tmp_path) not in json.dumps(record)
    table = read_spectrum(str(output / "fit_dijet5.csv"))
    np.testing.assert_array_equal(table.counts, read_spectrum(ATLAS).counts)
    np.testing.assert_allclose(table.reference, fit["expected"], rtol=1e-14)


def test_fit_compares_backgrounds_and_warns_of_poor_ones() -> None:
    stdout, stderr = invoke("fit", FOURJET, "--function", "dijet4", "--function", "gp")
    assert "dijet4 (function): deviance 63.78 for 40 degrees of freedom, p = 0.0098" in stdout
    assert "gp (gaussian process): deviance" in stdout
    assert "dijet4 describes the spectrum poorly" in stderr
    stdout, _ = invoke("fit", FOURJET, "--function", "dijet3", "--window", 10)
    assert "dijet3_window (sliding window)" in stdout
    stdout, _ = invoke("fit", CMS)
    assert stdout.startswith("dijet3 (function): deviance 41.39")


def test_a_weighted_spectrum_is_fitted_by_effective_counts(tmp_path: Path) -> None:
    import hist

    from hepad.spectra.files import write_histograms_json

    plain = read_spectrum(CMS)
    weighted = hist.Hist(hist.axis.Variable(plain.edges), storage=hist.storage.Weight())
    weighted.view()["value"], weighted.view()["variance"] = 0.5 * plain.counts, 0.25 * plain.counts
    path = tmp_path / "w.json"
    write_histograms_json(path, {"w": weighted})
    stdout, stderr = invoke("fit", path, "--function", "dijet3", "--json")
    (fit,) = json.loads(stdout)["fits"]
    assert "effective counts" in stderr
    assert fit["goodness"]["deviance"] == pytest.approx(41.39, abs=0.02)  # of the counts that the weights stand for
    assert sum(fit["expected"]) == pytest.approx(0.5 * plain.counts.sum(), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("fit", CMS, "--order", "9"), 2, "has 3 to 6 parameters, not 9"),
        (("fit", CMS, "--order", "best"), 2, "--order is auto or a number"),
        (("fit", CMS, "--range", "2000"), 2, "--range is LOW:HIGH"),
        (("fit", CMS, "--function", "dijet3", "--function", "dijet3"), 2, "each function once"),
        (("fit", CMS, "--window-signal", "0.05"), 2, "it is for --window"),
        (("fit", CMS, "--function", "gp", "--window", "9"), 2, "needs no sliding window"),
        (("fit", CMS, "--function", "nothing"), 3, "nothing"),
        (("fit", "nowhere.csv"), 4, "does not exist"),
        (("inject", CMS, "--mass", "3000"), 2, "give --yield"),
        (("inject", CMS, "--mass", "3000", "--yield", "0"), 2, "give --float none"),
        (("inject", CMS, "--mass", "3000", "--yield", "9", "--float", "all"), 2, "--float is one of"),
        (("spurious", CMS, "--function", "dijet3", "--masses", "5:1:1"), 2, "must rise"),
        (("spurious", CMS, "--function", "dijet3", "--masses", "100"), 2, "outside of the spectrum"),
        (("spurious", CMS, "--function", "dijet3", "--masses", "3000", "--truth", "spectrum"), 4, "empty bins"),
    ],
)
def test_faulty_arguments_are_refused(arguments: tuple[str, ...], code: int, message: str) -> None:
    _, stderr = invoke(*arguments, code=code)
    assert message in stderr


def test_a_fit_that_fails_exits_with_6_and_leaves_nothing(tmp_path: Path) -> None:
    edges, counts = np.linspace(1000.0, 2000.0, 9), [0, 0, 0, 1000000, 0.001, 1000000, 0, 0]
    lines = [f"{low},{high},{n}" for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)]
    path = tmp_path / "peaks.csv"
    path.write_text("\n".join(lines) + "\n")
    stdout, stderr = invoke("fit", path, "--function", "dijet3", "--json", "-o", tmp_path / "out", code=6)
    assert stdout == ""
    assert "dijet3" in stderr
    assert not (tmp_path / "out").exists()


def test_spurious_signals_and_their_check(tmp_path: Path) -> None:
    arguments = ("spurious", ATLAS, "--function", "dijet4", "--masses", "2000:4000:1000", "--truth", "dijet5")
    stdout, _ = invoke(*arguments, "--json", "--toys", 20, "-o", tmp_path / "out")
    result = json.loads(stdout)["functions"]["dijet4"]
    assert [point["mass"] for point in result["points"]] == [2000, 3000, 4000]
    assert not result["passed"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "SHA256SUMS", "spurious.csv", "spurious.json", "spurious.png",
    ]  # fmt: skip
    _, stderr = invoke(*arguments, "--check", code=7)
    assert "dijet4: a spurious signal exceeds 0.2" in stderr
    stdout, _ = invoke(*arguments, "--check", "--max-ratio", 2)
    assert "passes" in stdout


def test_injection_reports_pulls(tmp_path: Path) -> None:
    arguments = ("inject", ATLAS, "--function", "dijet5", "--mass", 2500, "--width", 0.03, "--experiments", 40)
    stdout, _ = invoke(*arguments, "--yield", 5000, "--yield", 8000, "--json", "-o", tmp_path / "out")
    first, second = json.loads(stdout)["injections"]
    assert first["found"] + first["elsewhere"] + first["failed"] == 40
    assert second["mass"]["mean"] == pytest.approx(2500, abs=10)
    assert abs(second["yield"]["pull_mean"]) < 4 * second["yield"]["pull_mean_error"] + 0.2
    names = ["SHA256SUMS", "inject.csv", "inject.json", "inject.png", "inject_pulls.csv", "inject_pulls.png"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    stdout, _ = invoke(*arguments, "--yield", 5000, "--float", "none", "--truth", "gp")
    assert "40 experiments: 40 found the signal" in stdout
