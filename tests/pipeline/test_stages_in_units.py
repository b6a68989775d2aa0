"""hist, vectorize, train and evaluate in units of work: the same bytes by any workers, nothing done twice or lost."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hepad.cards.analysis import RegionSpec, TrainCard
from hepad.errors import CompanionError, InputDataError, InterruptedRunError
from hepad.execution.executor import Execution
from hepad.execution.serial import SerialExecutor
from hepad.execution.units import Outcome
from hepad.pipeline import vectorize as vectorizing
from hepad.pipeline.evaluate.run import EvaluateOptions, evaluate
from hepad.pipeline.hist import fill
from hepad.pipeline.hist.run import HistOptions, fill_histograms
from hepad.pipeline.score import ScoreOptions, score
from hepad.pipeline.train.plan import TrainOptions
from hepad.pipeline.train.run import train
from hepad.pipeline.vectorize import VectorizeOptions, vectorize
from hepad.samples import background

pytestmark = pytest.mark.usefixtures("quick_processes")

SKIP, TWO = Execution(skip_bad_files=True), Execution(workers=2, skip_bad_files=True)
BINS = tuple(float(x) for x in range(0, 400, 20))


@pytest.fixture
def files(data: Path, tmp_path: Path) -> list[str]:
    """Three files of events, of which that in the middle is truncated."""
    return three(data / "hpm_taunu_0.root", tmp_path)


def three(source: Path, folder: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{name}{source.suffix}" for name in ("a", "bad", "c")]
    for path in paths:
        shutil.copyfile(source, path)
    paths[1].write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    return [str(path) for path in paths]


@pytest.fixture
def chunks(monkeypatch) -> Counter[str]:
    """Counts the chunks of which stages have made something, in this process."""
    counted: Counter[str] = Counter()
    for module in (fill, vectorizing, background):
        original = module.apply_selection

        def counting(events, card, original=original):
            counted["chunks"] += 1
            return original(events, card)

        monkeypatch.setattr(module, "apply_selection", counting)
    return counted


def stop_after(events: int) -> Callable[[int, int | None], None]:
    """A user who presses Ctrl-C when so many events are done."""
    seen = 0

    def on_events(n: int, _: int | None) -> None:
        nonlocal seen
        seen += n
        if seen >= events:
            raise KeyboardInterrupt

    return on_events


def test_hist(files: list[str], chunks: Counter[str], tmp_path: Path) -> None:
    scores = tmp_path / "s.parquet"
    scoring = ScoreOptions(scores, "parquet", execution=SKIP, step_size=300, max_events=1000)
    assert score(files, "dnn_ae", options=scoring).cutflow.total.events == 1000  # 680 of a, 320 of c
    options = HistOptions(tmp_path / "h", ("jet1+jet2", "jet1"), BINS, scores=scores, step_size=200)

    with pytest.raises(InterruptedRunError, match="kept in"):
        fill_histograms(files, options=replace(options, on_events=stop_after(500)))
    assert not list(tmp_path.glob("h.json")) + list(tmp_path.glob("h.root"))
    done = chunks.total()
    report = fill_histograms(files, options=options)
    assert chunks.total() == 6  # of 200 events at most: none was done twice
    assert 3 <= done < 6
    assert report.cutflow.total.events == 1000
    assert not (tmp_path / "h.run").exists()
    # The file that was left out of the scores is left out here.
    assert [(skipped.file, skipped.name) for skipped in report.skipped] == [(1, "bad.root")]
    assert "truncated" in report.skipped[0].reason
    stored = json.loads((tmp_path / "h.json").read_text())["m_jet1_loose"]["metadata"]["provenance"]
    assert [record.get("skipped") is not None for record in stored["inputs"]] == [False, True, False, False]

    again = fill_histograms(files, options=options)
    assert again.complete_before
    assert again.to_json() == report.to_json()
    assert all(
        np.array_equal(again.histograms[name].view(flow=True), h.view(flow=True))
        for name, h in report.histograms.items()
    )
    assert chunks.total() == 6
    assert not fill_histograms(files, options=replace(options, edges=BINS[:-1], output=tmp_path / "x")).complete_before

    beside = fill_histograms(files, options=replace(options, output=tmp_path / "two", execution=Execution(workers=2)))
    assert beside.cutflow == report.cutflow
    for ending in ("root", "json"):
        assert (tmp_path / f"two.{ending}").read_bytes() == (tmp_path / f"h.{ending}").read_bytes()


def test_hist_blames_scores_and_no_events(files: list[str], tmp_path: Path) -> None:
    """Scores that are not of the events are no fault of the events: nothing is skipped for it."""
    good = [files[0], files[2]]
    scores = tmp_path / "s.root"
    score(good, "dnn_ae", options=ScoreOptions(scores))
    options = HistOptions(tmp_path / "h.root", ("jet1",), BINS, scores=scores, execution=SKIP)
    with pytest.raises(CompanionError, match="keeps other events"):
        fill_histograms(good, options=replace(options, selection="cms_dijet"))
    with pytest.raises(InputDataError, match=r"which is not .*bad.root as it is now"):
        fill_histograms([files[0], files[1]], options=options)
    assert not list(tmp_path.glob("h.*"))


def test_vectorize(files: list[str], chunks: Counter[str], tmp_path: Path) -> None:
    options = VectorizeOptions(step_size=200, execution=SKIP)
    with pytest.raises(InterruptedRunError, match="kept in"):
        vectorize(files, tmp_path / "x.npz", options=replace(options, on_events=stop_after(300)))
    report = vectorize(files, tmp_path / "x.npz", options=options)
    assert chunks.total() == 8
    assert [skipped.name for skipped in report.skipped] == ["bad.root"]
    with np.load(tmp_path / "x.npz") as table:
        assert len(table["x"]) == report.cutflow.selected.events
        assert set(table["file"]) == {0, 2}
        half = len(table["x"]) // 2
        assert np.array_equal(table["x"][:half], table["x"][half:])  # the files are copies
        assert np.array_equal(table["entry"][:half], table["entry"][half:])
    again = vectorize(files, tmp_path / "x.npz", options=options)
    assert again == replace(report, complete_before=True)
    assert chunks.total() == 8
    assert not vectorize(files, tmp_path / "x.npz", options=replace(options, order=("jets", "met"))).complete_before

    for ending, execution in (("npz", replace(SKIP, force=True)), ("h5", SKIP), ("parquet", SKIP)):
        vectorize(files, tmp_path / f"x.{ending}", options=replace(options, execution=execution))
    vectorize(files, tmp_path / "two.h5", options=replace(options, execution=TWO))
    assert (tmp_path / "two.h5").read_bytes() == (tmp_path / "x.h5").read_bytes()
    assert vectorize(files, tmp_path / "x.parquet", options=options).complete_before
    assert vectorize(files, tmp_path / "x.h5", options=options).complete_before


class LastFirst(SerialExecutor):
    """Does what was asked for last."""

    capacity = 4

    def wait(self) -> Outcome:
        return self._worker.do(self._units.pop())


def test_the_order_in_which_units_are_done_does_not_show(files: list[str], tmp_path: Path, monkeypatch) -> None:
    given = [*files, *three(Path(files[0]), tmp_path / "more")]
    options = VectorizeOptions(step_size=200, execution=SKIP)
    report = vectorize(given, tmp_path / "x.npz", options=options)
    monkeypatch.setattr("hepad.execution.run.make_executor", lambda job, _: LastFirst(job))
    backwards = vectorize(given, tmp_path / "y.npz", options=options)
    assert [skipped.file for skipped in report.skipped] == [skipped.file for skipped in backwards.skipped] == [1, 4]
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y.npz").read_bytes()


def test_train(examples: Path, chunks: Counter[str], tmp_path: Path) -> None:
    files = three(examples / "hplus.h5", tmp_path)
    card, regions = TrainCard(epochs=2, batch_size=200), {"loose": RegionSpec(background_efficiency=0.05)}
    options = TrainOptions(tmp_path / "m", train=card, regions=regions, step_size=300, execution=SKIP)

    def stop(end) -> None:
        raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError, match="kept in"):  # in the training: all is read
        train(files, "dnn_ae", options=replace(options, on_epoch=stop))
    assert chunks.total() == 6
    report = train(files, "dnn_ae", options=options)
    assert chunks.total() == 6
    assert [skipped.name for skipped in report.skipped] == ["bad.h5"]
    card_json = json.loads((tmp_path / "m" / "card.json").read_text())
    assert "skipped" in card_json["provenance"]["inputs"][1]
    again = train(files, "dnn_ae", options=options)
    assert again.complete_before
    assert again.to_json() == report.to_json()
    assert chunks.total() == 6

    train(files, "dnn_ae", options=replace(options, output=tmp_path / "two", execution=TWO))
    for name in ("card.json", "model.safetensors", "loss.png"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "m" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "bad.h5", "c.h5", "m", "two"]


def test_evaluate(examples: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("hepad.pipeline.evaluate.output.evaluation_figures", lambda *_, **__: [])
    background = three(examples / "hplus.h5", tmp_path)
    signals = {"h0": [str(examples / "h0.h5")]}
    options = EvaluateOptions(tmp_path / "one", replicas=5, aso_subsets=0, step_size=300, execution=SKIP)
    with pytest.raises(InterruptedRunError, match="kept in"):
        evaluate(background, signals, ["dnn_ae"], options=replace(options, on_events=stop_after(2000)))
    assert len(list((tmp_path / "one.run").glob("*/journal.jsonl"))) == 2
    report = evaluate(background, signals, ["dnn_ae"], options=options)
    assert [(skipped.file, skipped.name) for skipped in report.skipped] == [(1, "bad.h5")]
    assert "Left out: bad.h5" in (tmp_path / "one" / "report.md").read_text()
    again = evaluate(background, signals, ["dnn_ae"], options=options)
    assert again.complete_before
    assert again.skipped == report.skipped
    assert again.to_json() == json.loads(json.dumps(report.to_json()))

    evaluate(background, signals, ["dnn_ae"], options=replace(options, output=tmp_path / "two", execution=TWO))
    contents = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("one", "two")]
    for content in contents:
        content.pop("output", None)
    assert contents[0] == contents[1]
    assert contents[0]["provenance"]["inputs"][1]["skipped"]
    assert not list(tmp_path.glob("*.run"))


def test_all_trainings_are_measured_on_the_same_files(data: Path, write_slim, examples: Path, tmp_path: Path) -> None:
    """One model reads the angles of jets, the other does not."""
    damaged = write_slim(Jet_Phi=[[float("nan"), 3.0], [], [-2.0]])
    options = EvaluateOptions(tmp_path / "r", aso_subsets=0, execution=SKIP)
    samples = [str(data / "hpm_taunu_0.root"), str(damaged)], {"h0": [str(examples / "h0.h5")]}
    with pytest.raises(InputDataError, match=r"dnn_ae can read .* but vae cannot .*'Jet.Phi' holds nan at entry 0"):
        evaluate(*samples, ["dnn_ae", "vae"], options=options)
    assert not (tmp_path / "r").exists()
    assert (tmp_path / "r.run").exists()  # if the file is mended, the others need not be scored again
