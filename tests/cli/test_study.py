"""`hepad study`, and `hepad list --cite`, as a user runs them."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from hepad.bundles.bundle import load_bundle
from hepad.cards.base import parse_card
from hepad.cards.bundle import SetAside, Training
from hepad.cards.selection import load_selection
from hepad.cards.study import load_study
from hepad.inputs.base import make_input
from hepad.pipeline.study.data import StudyData, find_files
from hepad.pipeline.study.plan import make_plan
from hepad.samples.background import read_background
from hepad.samples.parting import split_events
from hepad.stats.scores.roc import roc_curve

from ..conftest import expect, invoke

TINY = {
    "schema": "study/1",
    "name": "tiny",
    "title": "To test with",
    "reference": "none",
    "analyses": ["snn_ae", "dnn_ae"],
    "seeds": [1, 2],
    "training_events": 1000,
    "updates": 20,
    "evaluation": {"fraction": 0.25, "seed": 5},
    "data": {"background": ["background.h5"], "signals": {"hplus": ["hplus.h5"], "h0": ["h0.h5"]}},
    "scans": {
        "steps": {"analyses": ["snn_ae"], "values": [1, 5]},
        "training_fraction": {"analyses": ["dnn_ae"], "values": [1, 0.5]},
    },
    "labels": {"hplus": "$h^+$"},
    "published_loss": {"dnn_ae": [1e-4, 1e-5]},
    "loss_unit": 1e-5,
}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "hepad", "study", *map(str, arguments)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, examples: Path) -> Path:
    """A study that was killed after its first trainings, and then run again."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
    arguments = command("tiny.yaml", "--samples", examples, "-o", "out", "--json")
    with subprocess.Popen(arguments, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        for _ in range(12_000):
            if process.poll() is not None or bundles(folder / "out"):
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    before = bundles(folder / "out")
    assert before
    done = expect(0, invoke(folder, arguments[3:]))
    report = json.loads(done.stdout)
    assert report["trained"] == 8 - len({path.parent for path in before})
    after = bundles(folder / "out")
    assert before.items() <= after.items()  # neither a byte nor a time of the finished ones has changed
    assert len({path.parent for path in after}) == 8
    assert done.stderr == ""
    return folder


def bundles(output: Path) -> dict[Path, tuple[int, bytes]]:
    """Files of the finished bundles with their times."""
    found = (output / "trainings").glob("*/card.json")
    files = [path for card in found if card.parent.name[0] != "." for path in sorted(card.parent.iterdir())]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.mark.usefixtures("unrendered")
def test_nothing_is_trained_again_and_the_report_is_the_same(finished: Path, examples: Path, tmp_path: Path) -> None:
    again = shutil.copytree(finished, tmp_path / "again")  # other tests look at the figures

    def report(folder: Path) -> list[str]:
        """What is written, without the pixels."""
        texts = ((folder / "out" / name).read_text("utf-8") for name in ("report.md", "report.html", "results.json"))
        return [re.sub(r'(?<=base64,)[^"]*', "", text) for text in texts]

    result = expect(0, invoke(again, ["study", "tiny.yaml", "--samples", examples, "-o", "out"]))
    assert "0 trainings, 8 were there" in result.stdout
    assert report(again) == report(finished)


def test_the_report_has_every_figure_it_names(finished: Path) -> None:
    out = finished / "out"
    markdown, page = ((out / f"report.{kind}").read_text(encoding="utf-8") for kind in ("md", "html"))
    named = re.findall(r"\]\((figures/[^)]+\.png)\)", markdown)
    assert sorted(named) == sorted(f"figures/{path.name}" for path in (out / "figures").glob("*.png"))
    wanted = {"roc", "seeds", "loss", "objects", "objects_hplus", "objects_h0", "latent_snn_ae"}
    assert {Path(name).stem for name in named} == wanted | {"scan_steps", "scan_training_fraction"}
    assert page.count("data:image/png;base64,") == len(named)
    for text in ("10.00 ± 1.00", "0.737 ± 0.014", "set aside from background.h5", "drawn by seed 5", "schema: study/1"):
        assert text in markdown
        assert text in page
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    for record in results["provenance"]["inputs"]:
        assert record["sha256"] in markdown
    assert str(finished) not in markdown + page + json.dumps(results)


def test_the_numbers_are_those_of_the_bundles(finished: Path, examples: Path) -> None:
    """Table and trainings, computed once more from the bundles and the files."""
    results = json.loads((finished / "out" / "results.json").read_text(encoding="utf-8"))
    card = load_study(str(finished / "tiny.yaml"))
    data = StudyData(find_files(card, examples), card)
    aucs: dict[str, list[float]] = {}
    for name, numbers in results["trainings"].items():
        bundle = load_bundle(str(finished / "out" / "trainings" / name))
        recorded = bundle.card.training
        assert numbers["train_loss"] == recorded.train_loss[-1]
        assert 20 <= numbers["updates"] == recorded.epochs * numbers["events"] // 1000 or numbers["events"] < 1000
        recipe = bundle.card
        samples = data.samples(recipe_of(recipe, numbers["analysis"])).evaluation
        scores = {k: bundle.scorer.scores(bundle.input.scaled(v))["mse"] for k, v in samples.items()}
        for signal_name in ("hplus", "h0"):
            auc = roc_curve(scores[signal_name], scores["background"]).auc
            assert numbers["auc"][signal_name] == pytest.approx(auc, abs=1e-12)
        aucs[name] = [numbers["auc"]["h0"]]
    for row in results["table"].values():
        drawn = [aucs[name][0] for name in row["trainings"]]
        assert row["auc"]["h0"]["mean"] == pytest.approx(np.mean(drawn))
        assert row["auc"]["h0"]["std"] == pytest.approx(np.std(drawn, ddof=1))
    spikes = np.array(next(iter(results["latent_spikes"].values()))["h0"])
    assert spikes.shape == (5, 4)


def recipe_of(card, analysis: str):
    from hepad.cards.analysis import load_analysis

    recipe = load_analysis(analysis)
    assert recipe.input == card.input
    return recipe


def test_the_evaluation_background_is_not_trained_on(finished: Path, examples: Path) -> None:
    """What was measured on is what each training says that it kept away from."""
    card = load_study(str(finished / "tiny.yaml"))
    data = StudyData(find_files(card, examples), card)
    from hepad.cards.analysis import load_analysis

    recipe = load_analysis("dnn_ae")
    samples = data.samples(recipe)
    read = min(data.max_background(recipe), 7111)
    assert len(samples.ids) == read
    selection, vector = load_selection(recipe.selection), make_input(recipe.input)
    background = read_background(data.files.background, selection, vector, max_events=read).batch
    found = sorted((finished / "out" / "trainings").glob("dnn_ae-*/card.json"))
    assert len(found) == 4
    for path in found:
        training = parse_card(Training, json.loads(path.read_text(encoding="utf-8"))["training"], path.name)
        assert training.set_aside == SetAside(fraction=0.25, seed=5)
        split = split_events(samples.ids, training.options, training.seed, training.set_aside)
        sizes = (training.events, training.validation_events, training.holdout_events)
        assert (len(split.train), len(split.validation), len(split.holdout)) == sizes
        np.testing.assert_array_equal(samples.evaluation["background"].x, background.take(np.sort(split.aside)).x)


def test_study_faults(run, examples: Path, tmp_path: Path) -> None:
    assert "give --samples FOLDER" in run("study", "adc2021", "-o", "out", code=2).stderr
    assert "no study named 'nope'" in run("study", "nope", "--samples", examples, "-o", "out", code=3).stderr
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump({**TINY, "sedes": [1]}), encoding="utf-8")
    assert "'sedes' at line" in run("study", "bad.yaml", "--samples", examples, "-o", "out", code=3).stderr
    one = ("study", "adc2021", "--background", examples / "background.h5")
    assert "no such file" in run(*one, "--signal", "h0=no.h5", "-o", "out", code=4).stderr
    assert "no file of h0" in run(*one, "--samples", tmp_path, "-o", "out", code=4).stderr
    assert "NAME=FILE" in run(*one, "--signal", "no.h5", "-o", "out", code=2).stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("quick_processes")
def test_a_damaged_checkpoint_is_named_by_its_worker(run, examples: Path, tmp_path: Path) -> None:
    changes = {"analyses": ["dnn_ae"], "scans": {}, "updates": 2}
    (tmp_path / "two.yaml").write_text(yaml.safe_dump({**TINY, **changes}), encoding="utf-8")
    card = load_study(str(tmp_path / "two.yaml"))
    names = list(make_plan(card, StudyData(find_files(card, examples), card)).trainings)
    checkpoint = tmp_path / "out" / "trainings" / f"{names[1]}.checkpoint"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").write_text("{")
    message = run("study", "two.yaml", "--samples", examples, "--workers", 2, "-o", "out", code=2).stderr
    assert "is damaged" in message
    assert f"remove {Path('out', 'trainings', checkpoint.name)}" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(("kind", "name"), [("models", "vae"), ("analyses", "vae"), ("studies", "adc2021")])
def test_cite(run, kind: str, name: str) -> None:
    text = run("list", kind, "--cite", name).stdout
    assert "arXiv:2108.03986" in text
    assert "eprint = {2107.02157}" in text  # the data set of the selection
    assert "@software{hepad," in text
    assert len(re.findall(r"^@", text, re.MULTILINE)) == len(set(re.findall(r"^@\w+\{([^,]+),", text, re.MULTILINE)))
    rows = json.loads(run("list", kind, "--cite", name, "--json").stdout)
    assert rows[-1]["what"] == "software"


def test_cite_of_something_unknown(run) -> None:
    assert "no model named 'nope'" in run("list", "models", "--cite", "nope", code=3).stderr
    assert "no analysis named 'nope'" in run("list", "analyses", "--cite", "nope", code=3).stderr
