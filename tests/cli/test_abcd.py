"""`hepad abcd --scores`: whether the method closes on a background."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hepad.io.tables.scores import ScoreWriter

from ..conftest import Run


def write_scores(path: Path, x: np.ndarray, y: np.ndarray) -> None:
    """A score file of two scores; the last ten events are not selected."""
    n = len(x)
    selected = np.arange(n) < n - 10
    with ScoreWriter(path, "parquet") as out:
        columns = {"file": np.zeros(n, np.int32), "entry": np.arange(n), "selected": selected, "weight": np.ones(n)}
        first, second = (np.where(selected, v, np.nan).astype(np.float32) for v in (x, y))
        out.write({**columns, "score": first, "score_mse1": first, "score_mse2": second})
        out.describe({})


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    x, y = rng.exponential(size=(2, 40_010))
    write_scores(tmp_path / "b.parquet", x, y)
    write_scores(tmp_path / "d.parquet", x[:20_010], np.where(x > 1, 2.0, 1.0)[:20_010] * y[:20_010])
    return tmp_path


def test_closure_of_a_background_and_of_data(run: Run, scored: Path) -> None:
    said = run("abcd", "--scores", "b.parquet", "--data", "d.parquet", "--efficiency", "0.001", "--efficiency", "0.01",
               "--efficiency", "0.05", "-o", "closure", "--json")  # fmt: skip
    report = json.loads(said.stdout)
    assert report["scores"] == ["mse1", "mse2"]
    assert report["efficiencies_left_out"] == [0.001]  # 40 events in A
    assert [point["efficiency"] for point in report["background"]] == [0.01, 0.05]
    for point in report["background"]:
        assert sum(point["events"].values()) == 40_000
        assert point["counts"]["A"] == pytest.approx(40_000 * point["efficiency"], abs=3)
        assert abs(point["pull"]) < 3
        assert abs(point["ratio"] - 1) < 0.2
    assert [sum(point["events"].values()) for point in report["data"]] == [20_000, 20_000]
    assert all(point["pull"] > 5 for point in report["data"])
    written = json.loads((scored / "closure" / "closure.json").read_text())
    assert written.pop("provenance")["command"].startswith("hepad abcd --scores b.parquet --plane mse1,mse2")
    assert written == report
    assert (scored / "closure" / "closure.png").stat().st_size > 10_000
    table = run("abcd", "--scores", "b.parquet", "--plane", "mse2,mse1", "--efficiency", "0.001,".strip(","),
                "--min-events", "30")  # fmt: skip
    assert "mse2 and mse1" in table.stdout


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "give --counts A,B,C,D, or --scores"),
        (["--scores", "b.parquet", "--plane", "mse1,other"], 2, "no score 'other'; it has mse1, mse2"),
        (["--scores", "b.parquet", "--plane", "mse1,mse1"], 2, "two different scores"),
        (["--scores", "b.parquet", "--plane", "mse1"], 2, "SCORE,SCORE"),
        (["--scores", "b.parquet", "--efficiency", "1.5"], 2, "between 0 and 1, found 1.5"),
        (["--scores", "b.parquet", "--efficiency", "0.0001"], 4, "the most are"),
        (["--counts", "nan,2,3,4"], 4, "the counts must be numbers, found nan"),
        (["--counts", "inf,2,3,4"], 4, "the count of A must be finite and not negative, found inf"),
        (["--scores", "b.parquet", "--counts", "1,2,3,4"], 2, "give one of"),
        (["--scores", "none.parquet"], 4, "none.parquet"),
    ],
)
def test_what_is_refused(run: Run, scored: Path, words: list[str], code: int, message: str) -> None:
    assert message in " ".join(run("abcd", *words, code=code).stderr.split())
