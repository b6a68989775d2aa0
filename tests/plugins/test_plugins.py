"""A package of somebody else, in this folder, adds a model: listed, trained, scored with, held to the contract."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from hepad import registry
from hepad.testing import check_model

from ..conftest import Run

CARD = """
schema: analysis/1
name: tiny
title: A linear autoencoder
reference: nobody has published it
fidelity: inspired
selection: adc2021
input: {kind: l1_vector, scale: max_with_floor}
model: {name: tiny_linear, latent: 3}
train: {epochs: 2}
regions: {loose: {background_efficiency: 0.1}}
"""


HERE = str(Path(__file__).parent)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Install the package in this process: it is on the path, and what hepad knows of packages is looked for anew."""

    def call() -> None:
        tables = (registry.SCORERS, registry.INPUTS, registry.METHODS, registry.READERS)
        before = [table._points for table in tables]
        monkeypatch.syspath_prepend(HERE)
        for table, known in zip(tables, before, strict=True):
            found = {point.name: point for point in entry_points(group=table._group)}
            monkeypatch.setattr(table, "_points", known | found)

    return call


def test_a_process_lists_what_is_installed(process: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([HERE, *filter(None, [os.environ.get("PYTHONPATH")])]))
    listed = {row["name"]: row for row in json.loads(process("list", "kinds", "--json").stdout)}
    assert listed["tiny_linear"]["from"] == "hepad-tiny"
    assert listed["snn_ae"]["from"] == "hepad"
    assert "cannot be loaded" in listed["broken"]["title"]
    assert "is no hepad.registry.Entry" in listed["no_entry"]["title"]


def test_a_model_of_another_package_is_like_our_own(
    install: Callable[[], None], run: Run, examples: Path, tmp_path: Path
) -> None:
    install()
    (tmp_path / "tiny.yaml").write_text(CARD, encoding="utf-8")
    run("train", examples / "background.h5", "--model", "tiny.yaml", "-o", "bundle")
    report = json.loads(run("score", examples / "h0.h5", "--model", "./bundle", "-o", "s.root", "--json").stdout)
    assert report["regions"]["loose"]["selected"] > 0


def test_a_card_of_it_is_checked_and_without_the_package_it_is_unknown(
    install: Callable[[], None], run: Run, examples: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(CARD.replace("latent: 3", "latent: 0"), encoding="utf-8")
    command = ("train", examples / "background.h5", "--model", "tiny.yaml", "-o", "bundle")
    assert "unknown model 'tiny_linear'" in run(*command, code=3).stderr
    install()
    assert "model.latent" in run(*command, code=3).stderr
    (tmp_path / "tiny.yaml").write_text(CARD.replace("tiny_linear", "broken"), encoding="utf-8")
    assert "model 'broken' of package hepad-tiny cannot be loaded" in run(*command, code=3).stderr
    assert "hepad-tiny" in registry.GUESTS


def test_it_keeps_the_contract(install: Callable[[], None]) -> None:
    install()
    check_model("tiny_linear", config={"latent": 3})
