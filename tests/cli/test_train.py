"""`hepad train`: a bundle that can be used, the same for the same seed, interrupted or not."""

from __future__ import annotations

import errno
import filecmp
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hepad
from hepad.bundles.bundle import load_bundle
from hepad.bundles.checkpoint import Watch
from hepad.cards.analysis import RegionSpec, TrainCard
from hepad.errors import OutputError, UsageError
from hepad.nn.scorer import EpochEnd
from hepad.pipeline.train import run as train_stage
from hepad.pipeline.train.run import TrainOptions
from hepad.provenance import sha256_file
from hepad.samples.parting import split_events
from hepad.samples.split import EventIds
from hepad.testing import ModelCase

QUICK = ("--epochs", 3, "--batch-size", 500, "--region", "loose=efficiency:0.05")
FEW = ("--max-events", "2000")


def same_bundle(a: Path, b: Path) -> bool:
    names = sorted(p.name for p in a.iterdir())
    assert names == sorted(p.name for p in b.iterdir()) == [
        "SHA256SUMS", "card.json", "loss.png", "model.safetensors",
    ]  # fmt: skip
    return filecmp.cmpfiles(a, b, names, shallow=False)[0] == names


ALL = """
from hepad.cli.main import main

for model in {models}:
    sys.argv = ["hepad", *{words}, "--model", model, "-o", f"there_{{model}}"]
    with suppress(SystemExit):
        main()
assert "torch._dynamo" not in sys.modules, "a compiler that takes two seconds to load"
"""


def test_the_same_seed_gives_the_same_bundle(run, examples: Path, tmp_path: Path) -> None:
    """In another process too: one for all models, as most of its time is that of importing torch."""
    models, words = ["snn_ae", "dnn_ae", "vae"], ["train", str(examples / "background.h5"), *map(str, QUICK), *FEW]
    program = "import sys\nfrom contextlib import suppress\n" + ALL.format(models=models, words=[*words, "--seed", "3"])
    there = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert there.returncode == 0, there.stderr
    for model in models:
        for name, seed in (("b", 3), ("c", 4)):
            run(*words, "--seed", seed, "--model", model, "-o", f"{name}_{model}")
        assert same_bundle(tmp_path / f"there_{model}", tmp_path / f"b_{model}"), there.stderr
        assert not same_bundle(tmp_path / f"there_{model}", tmp_path / f"c_{model}")
    report = json.loads(run("score", examples / "h0.h5", "--model", "b_snn_ae", "--json").stdout)
    assert report["selected"] == 2048
    assert set(report["regions"]) == {"loose"}


def test_report_and_card(run, examples: Path, tmp_path: Path) -> None:
    result = run("train", examples / "background.h5", "--model", "dnn_ae", *QUICK, "-o", "a", "--json")
    report = json.loads(result.stdout)
    assert sum(report["split"].values()) == 7111
    for part, share in {"train": 0.7, "validation": 0.1, "holdout": 0.2}.items():
        assert report["split"][part] == pytest.approx(7111 * share, abs=5 * np.sqrt(7111 * share * (1 - share)))
    assert report["epochs"] == 3
    card = load_bundle(str(tmp_path / "a")).card
    assert card.training.events == report["split"]["train"]
    assert card.training.train_loss[0] > card.training.train_loss[-1]
    assert card.regions["loose"].calibration_events == report["split"]["holdout"]
    assert str(tmp_path) not in (tmp_path / "a" / "card.json").read_text()


def test_regions_are_closed_on_the_held_out_events(run, examples: Path, tmp_path: Path) -> None:
    """The held-out events, scored again, are in the region as often as the card says."""
    run("train", examples / "background.h5", "--model", "dnn_ae", *QUICK, "-o", "a", "--seed", 5)
    bundle = load_bundle(str(tmp_path / "a"))
    run("score", examples / "background.h5", "--model", "a", "-o", "s.root")
    import uproot

    rows = uproot.open(tmp_path / "s.root")["Scores"].arrays(["score", "in_loose"], library="np")
    ids = EventIds([sha256_file(examples / "background.h5")], np.zeros(7111, dtype=np.int64), np.arange(7111))
    held_out = split_events(ids, bundle.card.training.options, 5).holdout
    assert rows["in_loose"][held_out].mean() == pytest.approx(bundle.card.regions["loose"].efficiency)


def test_interrupted_training_is_resumed_to_the_same_bundle(run, examples: Path, tmp_path: Path, monkeypatch) -> None:
    """Ctrl-C in the third epoch: it ends, is kept, and the others follow from there."""
    options = ["--model", "snn_ae", "--epochs", "6", *FEW, "--batch-size", "200", "--region", "loose=efficiency:0.05"]
    command = ["train", str(examples / "background.h5"), *options]
    plain = Watch.__call__

    def interrupting(watch: Watch, end: EpochEnd) -> None:
        plain(watch, end)
        if end.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "__call__", interrupting)
        cut = run(*command, "-o", "cut", code=130)
    assert "interrupted after epoch 3 of 6: run the same command with --resume to go on" in cut.stderr
    assert not (tmp_path / "cut").exists()
    assert "holds an interrupted training" in run(*command, "-o", "cut", code=2).stderr
    run(*command, "-o", "cut", "--seed", 2, "--resume", code=2)  # not the same training
    run(*command, "-o", "whole")  # between the halves: nothing but the checkpoint can tell the second where it is
    run(*command, "-o", "cut", "--resume")
    assert same_bundle(tmp_path / "cut", tmp_path / "whole")
    assert not (tmp_path / "cut.checkpoint").exists()


def test_faults_come_before_the_training(run, examples: Path, tmp_path: Path) -> None:
    files = ("train", examples / "hplus.h5", "--model", "dnn_ae")
    message = run(*files, "-o", "a", "--epochs", 1, code=2).stderr
    assert "region 'tight' at background efficiency 0.001 needs 1000 held-out events, there are 173" in message
    assert "nothing to resume" in run(*files, "-o", "a", *QUICK, "--resume", code=2).stderr
    assert "validation_fraction" in run(*files, "-o", "a", "--validation-fraction", 0.9, code=3).stderr
    assert "does not exist" in run(*files, "-o", "no/a", *QUICK, code=2).stderr
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "notes.txt").write_text("mine")
    assert "notes.txt, which hepad did not write" in run(*files, "-o", "project", *QUICK, code=2).stderr
    assert (tmp_path / "project" / "notes.txt").read_text() == "mine"
    assert "no name for an output" in run(*files, "-o", ".", *QUICK, code=2).stderr


def test_a_training_is_kept_when_its_bundle_cannot_be_written(examples: Path, tmp_path: Path, monkeypatch) -> None:
    """The disk is full when the bundle is written: the checkpoint has the finished training."""
    options = TrainOptions(
        output=tmp_path / "a",
        train=TrainCard(epochs=2, batch_size=500),
        regions={"loose": RegionSpec(background_efficiency=0.05)},
    )
    real = train_stage.write_bundle_files

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(train_stage, "write_bundle_files", full)
    with pytest.raises(OutputError, match="the training is kept"):
        train_stage.train([str(examples / "hplus.h5")], "dnn_ae", options=options)
    monkeypatch.setattr(train_stage, "write_bundle_files", real)
    train_stage.train([str(examples / "hplus.h5")], "dnn_ae", options=replace(options, resume=True))
    train_stage.train([str(examples / "hplus.h5")], "dnn_ae", options=replace(options, output=tmp_path / "b"))
    assert same_bundle(tmp_path / "a", tmp_path / "b")


def test_divergence_is_a_failure_not_a_bundle(run, examples: Path, tmp_path: Path) -> None:
    result = run(
        "train", examples / "hplus.h5", "--model", "dnn_ae", *QUICK, "--learning-rate", 1e30, "-o", "a", code=6
    )
    assert "epoch" in result.stderr
    assert not (tmp_path / "a").exists()


@pytest.mark.usefixtures("unrendered")
def test_a_classifier_learns_from_a_signal_and_models_of_background_alone_take_none(
    run, data: Path, tmp_path: Path
) -> None:
    """The signal is recorded after the background; its events are parted as those of background are."""
    jets, svj = data / "jets.root", tmp_path / "svj.root"
    shutil.copy(jets, svj)
    quick = ("--epochs", 2, "--batch-size", 10, "--region", "loose=efficiency:0.5")
    words = ("train", jets, *quick, "--model", "particle_flow", "--against", svj, "-o", "one")
    run(*words)
    card = json.loads((tmp_path / "one" / "card.json").read_text())
    assert [record["name"] for record in card["provenance"]["inputs"]] == ["jets.root", "svj.root"]
    assert "--against svj.root" in card["provenance"]["command"]
    assert card["training"]["events"] + card["training"]["validation_events"] + card["training"]["holdout_events"] == 24
    assert "complete" in run(*words).stderr
    assert "{1}" in card["provenance"]["arguments"]["words"]  # so that it can be replayed
    # Neither background nor signal that it has learned from says how good it is.
    shown = ("evaluate", "-b", jets, "--signal", f"svj={svj}", "-m", "one", "--bootstrap", 2, "--json", "-o", "rep")
    found = json.loads(run(*shown).stdout)
    held = card["training"]["holdout_events"]
    assert found["events"]["background"] == held < 24
    assert any(f"svj: measured on {found['events']['svj']} of 24 events" in line for line in found["warnings"])
    settings = {"epochs": 2, "batch_size": 10, "regions": {"loose": "efficiency:0.5"}}
    same = hepad.train(jets, "particle_flow", against=svj, **settings)
    for name, array in load_bundle(str(tmp_path / "one")).scorer.state().items():
        np.testing.assert_array_equal(same.bundle.scorer.state()[name], array)
    found = run(*words[:-4], "-o", "two", code=2)
    assert (
        "model particle_flow learns to tell a signal from background: give files of one with --against" in found.stderr
    )
    with pytest.raises(UsageError, match="model dnn_ae learns from background alone: leave out --against"):
        train_stage._check_signal("dnn_ae", ModelCase("dnn_ae").new(), object())
