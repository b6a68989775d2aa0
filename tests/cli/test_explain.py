"""Which objects carry the score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("model", ["snn_ae", "vae"])
def test_shares_and_top_events(run, examples: Path, tmp_path: Path, model: str) -> None:
    files = (f"w={examples / 'background.h5'}", f"a4l={examples / 'a4l.h5'}")
    report = json.loads(run("explain", *files, "-m", model, "--top", 5, "-o", "why", "--json").stdout)
    assert [s["sample"] for s in report["samples"]] == ["w", "a4l"]
    for sample in report["samples"]:
        for key in ("objects", "columns", "top_objects"):
            assert sum(share for share, _ in sample[key].values()) == pytest.approx(1)
        scores = [event["score"] for event in sample["top"]]
        assert len(scores) == 5
        assert scores == sorted(scores, reverse=True)
        assert all(sum(event["shares"].values()) == pytest.approx(1) for event in sample["top"])
        assert sample["present"]["met"] == 1
    _, a4l = report["samples"]
    # Four leptons: what the background never has carries the score.
    leptons = sum(a4l["objects"][name][0] for name in ("electron3", "electron4", "muon3", "muon4"))
    assert leptons > 0.8
    assert a4l["objects"]["electron3"][1] < 0.2
    names = {p.name for p in (tmp_path / "why").iterdir()}
    figures = {f"{n}.{kind}" for n in ("shares", "events_w", "events_a4l") for kind in ("csv", "png")}
    assert names == {"SHA256SUMS", "report.html", "explain.md", "explain.json", "tables.tex"} | figures
    first, share = max(((name, row[0]) for name, row in a4l["objects"].items()), key=lambda pair: pair[1])
    page = (tmp_path / "why" / "report.html").read_text(encoding="utf-8")
    assert f"{first} in a4l." in page
    assert f"<dt>{share:.1%} ±" in page
    assert page.count("data:image/png") == 3
    assert "## The most anomalous events" in (tmp_path / "why" / "explain.md").read_text()
    assert json.loads((tmp_path / "why" / "explain.json").read_text())["provenance"]["inputs"]


def test_the_top_events_are_those_that_score_finds(process, run, examples: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    report = json.loads(
        process("explain", examples / "h0.h5", "-m", "dnn_ae", "--top", 3, "-o", "why", "--json").stdout
    )
    for name in ("shares", "events_events"):
        assert (tmp_path / "why" / f"{name}.png").stat().st_size > 10_000
    run("score", examples / "h0.h5", "-m", "dnn_ae", "-o", "s.parquet")
    table = pq.read_table(tmp_path / "s.parquet").to_pydict()
    scores = np.array(table["score_mse"], dtype=np.float64)
    best = np.argsort(-np.where(np.isfinite(scores), scores, -np.inf))[:3]
    (sample,) = report["samples"]
    assert sample["sample"] == "events"
    assert [event["entry"] for event in sample["top"]] == [table["entry"][i] for i in best]
    assert [event["score"] for event in sample["top"]] == pytest.approx(scores[best], rel=1e-5)


def test_faults(run, examples: Path, tmp_path: Path) -> None:
    assert "no such file" in run("explain", "no.h5", "-m", "vae", "-o", "why", code=4).stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    assert "thesis.tex" in run("explain", examples / "h0.h5", "-m", "vae", "-o", "mine", code=2).stderr
    text = run("explain", examples / "h0.h5", "-m", "vae", "--top", 2, "-o", "why").stdout
    assert "Share of the reconstruction error" in text
