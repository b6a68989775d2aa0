"""Three files, and what one process makes of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hepad.pipeline.score import ScoreOptions, score

STEP = 800
"""Events a unit of `alone`: several units a file."""


@pytest.fixture(scope="session")
def files(examples: Path, data: Path, tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("files")
    for name in ("a", "c"):
        shutil.copy(examples / "w_lnu.root", folder / f"{name}.root")
    shutil.copy(data / "hpm_taunu_0.root", folder / "b.root")
    return [str(folder / f"{name}.root") for name in "abc"]


@pytest.fixture(scope="session")
def alone(files, tmp_path_factory) -> bytes:
    """The score file that one process makes."""
    output = tmp_path_factory.mktemp("alone") / "scores.root"
    score(files, "dnn_ae", options=ScoreOptions(output=output, step_size=STEP))
    return output.read_bytes()
