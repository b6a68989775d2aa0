"""`hepad reinterpret` and `hepad analysis background` as a user runs them."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
import uproot
import yaml
from typer.testing import CliRunner

from hepad.cli.main import app
from hepad.io.exchange.hepdata import submission_faults

SIGNAL = "wprime_wz_2tev.root"
FILES = {"reinterpret.json", "scores.root", "histograms.root", "histograms.json", "report.html", "tables.tex"}
FIGURES = {f"{name}.{kind}" for name in ("cutflow", "scores", "spectra", "limits") for kind in ("csv", "png")}


@pytest.fixture
def search(tmp_path: Path, search_card: str) -> str:
    (tmp_path / "card.yaml").write_text(search_card)
    return "card.yaml"


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_from_background_to_report(process, run, examples: Path, tmp_path: Path, search: str, search_card: str) -> None:
    w = examples / "w_lnu.root"
    run("analysis", "background", search, w, "--cross-section", "w_lnu.root=20970", "-o", "background")
    (tmp_path / search).write_text(search_card + "background_events: background\n")
    command = ("reinterpret", w, "--analysis", search, "--xsec", 0.5)
    result = json.loads(process(*command, "-o", "out", "--json").stdout)
    assert result == json.loads((tmp_path / "out" / "reinterpret.json").read_text())
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    tables = {name for name in names if name.startswith("hepdata/")}
    assert names - tables == FILES | FIGURES | {"SHA256SUMS"}
    assert "hepdata/submission.yaml" in tables
    _check_scores(tmp_path / "out", result)
    _check_page(tmp_path / "out" / "report.html", result)
    first = digests(tmp_path / "out")
    shown = run(*command, "-o", "out", "--force").stdout  # the folder is replaced, and is the same
    assert digests(tmp_path / "out") == first
    assert result["verdict"]["reason"] in " ".join(shown.split())
    _check_submission(tmp_path / "out" / "hepdata")
    (tmp_path / "out" / "hepdata" / "mine.txt").write_text("my own")
    assert "hepdata/mine.txt, which hepad did not write" in run(*command, "-o", "out", code=2).stderr


def _check_scores(folder: Path, result: dict) -> None:
    with uproot.open(folder / "scores.root") as file:
        rows = file["Scores"].arrays(library="np")
    assert len(rows["entry"]) == result["events"]
    assert rows["selected"].sum() == result["acceptance"]["all"]["events"]
    assert rows["in_tight"].sum() == result["acceptance"]["tight"]["events"]
    with uproot.open(folder / "histograms.root") as file:
        inside = file["jj_loose"].values(flow=False).sum()
        assert inside == pytest.approx(result["channels"]["jj"]["expected_events"])


def _check_page(page: Path, result: dict) -> None:
    text = page.read_text(encoding="utf-8")
    linked = re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', text)
    assert {"reinterpret.json", "hepdata/submission.yaml"} <= set(linked)
    assert [name for name in linked if not (page.parent / name).is_file()] == []
    assert set(re.findall(r'href="#([^"]*)"', text)) <= set(re.findall(r'<h2 id="([^"]*)"', text))
    assert text.count("data:image/png;base64,") == 5  # one of the four beside the answer too
    assert result["verdict"]["reason"][1:].replace("'", "&#x27;") in text
    assert "vbscript" not in text
    assert "<script" not in text


def _check_submission(folder: Path) -> None:
    names = [document.get("name") for document in yaml.safe_load_all((folder / "submission.yaml").read_text())]
    assert {"Cut flow", "Acceptance", "Limits", "Spectrum jj"} <= set(names)
    faults = submission_faults(folder)
    if faults is not None:  # hepdata-validator is an extra
        assert faults == []
        (folder / "table_1.yaml").write_text("independent_variables: []\n")
        assert submission_faults(folder)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--analysis", "nope"), 3, "no search named 'nope'"),
        (("--analysis", "vae"), 3, "model to train, not a published search"),
        (("--analysis", "card.yaml", "--xsec", "-1"), 2, "above 0"),
        (("--analysis", "card.yaml", "--region", "nope"), 2, "no region 'nope'"),
        (("--analysis", "card.yaml", "--region", "a=b"), 2, "--region"),
        (("--analysis", "card.yaml", "--point", "a=b"), 2, "--point"),
        (("--analysis", "card.yaml", "--points", "gone.csv"), 4, "gone.csv"),
    ],
)
def test_faults(examples: Path, search: str, tmp_path: Path, monkeypatch, arguments, code, said) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["reinterpret", str(examples / SIGNAL), *arguments])
    assert result.exit_code == code
    assert said in result.output
    assert [path.name for path in tmp_path.iterdir()] == [search]


def test_without_files_or_points(search: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["reinterpret", "--analysis", search])
    assert result.exit_code == 2
    assert "give event files" in result.output
