"""What does not depend on how the events are cut: rows, counts, and the memory that it takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.pipeline.score import ScoreOptions, score

from .conftest import STEP

MODEL = "dnn_ae"
BRANCHES = ("Jet.PT", "Jet.Eta", "Muon.PT", "Muon.Eta", "Electron.PT", "Electron.Eta", "MissingET.MET", "Weight.Weight")
PEAK = """
import resource, sys
from hepad.cli.main import app
try:
    app()
except SystemExit as end:
    assert end.code in (0, None), end.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_the_size_of_chunks_changes_no_row(files, alone, tmp_path) -> None:
    reports, rows = [], []
    for step in (STEP, 2777, 100_000):
        output = tmp_path / f"{step}.root"
        reports.append(score(files, MODEL, options=ScoreOptions(output=output, step_size=step)))
        with uproot.open(output) as file:
            rows.append(file["Scores"].arrays(library="np"))
    assert (tmp_path / f"{STEP}.root").read_bytes() == alone  # and the next run gives the same bytes
    for report, row in zip(reports[1:], rows[1:], strict=True):
        for name, values in rows[0].items():
            assert values.tobytes() == row[name].tobytes(), name
        assert report.quantiles == reports[0].quantiles
        assert report.regions == reports[0].regions
        for step, other in zip(report.cutflow.steps, reports[0].cutflow.steps, strict=True):
            assert step.events == other.events
            assert step.weight == pytest.approx(other.weight, rel=1e-13)


@pytest.fixture(scope="module")
def many_events(examples: Path, tmp_path_factory) -> Path:
    """A file of 200 000 events in clusters of 25 000, made of copies of the example's."""
    path = tmp_path_factory.mktemp("many") / "many.root"
    with uproot.open(examples / "w_lnu.root") as file:
        one = file["Delphes"].arrays(list(BRANCHES))
    cluster = ak.concatenate([one] * 5)[:25_000]
    with uproot.recreate(path, compression=None) as out:
        types = {name: cluster[name].type.content for name in BRANCHES}
        tree = out.mktree("Delphes", types, counter_name=lambda key: key.replace(".", "_") + "_size")
        for _ in range(8):
            tree.extend({name: cluster[name] for name in BRANCHES})
    return path


def peak_megabytes(folder: Path, *arguments: object) -> float:
    words = [sys.executable, "-c", PEAK, "score", *map(str, arguments), "--model", MODEL]
    words += ["--step-size", "25000", "-o", "s.root", "--force"]
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    return int(result.stdout.splitlines()[-1]) / 1000


def test_many_events_take_no_more_memory_than_a_few(many_events, tmp_path) -> None:
    few = peak_megabytes(tmp_path, many_events, "--max-events", 50_000)
    many = peak_megabytes(tmp_path, many_events)
    assert many < few + 6, (few, many)  # the events alone, if they were kept, are 10
    with uproot.open(tmp_path / "s.root") as file:
        assert np.array_equal(file["Scores/entry"].array(library="np"), np.arange(200_000))
