"""A package of somebody else, in this folder, adds a model: listed, trained, scored with, held to the contract."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

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


@pytest.fixture
def with_plugin(process: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `hepad` where the package is installed."""
    here = str(Path(__file__).parent)
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    return process


def test_a_model_of_another_package_is_like_our_own(with_plugin: Run, examples: Path, tmp_path: Path) -> None:
    listed = {row["name"]: row for row in json.loads(with_plugin("list", "kinds", "--json").stdout)}
    assert listed["tiny_linear"]["from"] == "hepad-tiny"
    assert listed["snn_ae"]["from"] == "hepad"
    assert "cannot be loaded" in listed["broken"]["title"]
    assert "is no hepad.registry.Entry" in listed["no_entry"]["title"]
    (tmp_path / "tiny.yaml").write_text(CARD, encoding="utf-8")
    with_plugin("train", examples / "background.h5", "--model", "tiny.yaml", "-o", "bundle")
    report = json.loads(
        with_plugin("score", examples / "h0.h5", "--model", "./bundle", "-o", "s.root", "--json").stdout
    )
    assert report["regions"]["loose"]["selected"] > 0


def test_a_card_of_it_is_checked_and_without_the_package_it_is_unknown(
    process: Run, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.yaml").write_text(CARD.replace("latent: 3", "latent: 0"), encoding="utf-8")
    command = ("train", examples / "background.h5", "--model", "tiny.yaml", "-o", "bundle")
    assert "unknown model 'tiny_linear'" in process(*command, code=3).stderr
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    assert "model.latent" in process(*command, code=3).stderr
    (tmp_path / "tiny.yaml").write_text(CARD.replace("tiny_linear", "broken"), encoding="utf-8")
    assert "model 'broken' of package hepad-tiny cannot be loaded" in process(*command, code=3).stderr


def test_it_keeps_the_contract(in_python: Callable[[str], None]) -> None:
    in_python("from hepad.testing import check_model; check_model('tiny_linear', config={'latent': 3})")


@pytest.fixture
def in_python(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Run a program where the package is installed."""
    import subprocess
    import sys

    def call(program: str) -> None:
        paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        subprocess.run([sys.executable, "-c", program], check=True, env=environment)

    return call
