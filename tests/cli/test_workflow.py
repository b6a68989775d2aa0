"""`hepad analysis workflow`: what stands in the file runs, and gives an answer."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

import hepad


def test_a_workflow_reinterprets_an_uploaded_sample(run, tmp_path: Path, examples: Path) -> None:
    """What stands in the file for REANA is run here as it is, but for pip, on a copy of the folder."""
    run("analysis", "workflow", "cms_2019_dijet", "-o", "flow", "--xsec", 0.05, "--sample", "mine.root")
    text = (tmp_path / "flow" / "reana.yaml").read_text()
    content = yaml.safe_load(text)
    assert set(content) == {"inputs", "workflow", "outputs"}
    assert content["workflow"]["type"] == "serial"
    (step,) = content["workflow"]["specification"]["steps"]
    assert set(step) == {"name", "environment", "commands"}
    assert content["outputs"] == {"directories": ["result"]}
    archive, sample = content["inputs"]["files"]
    shutil.copyfile(tmp_path / "flow" / archive, tmp_path / archive)
    shutil.copyfile(examples / "wprime_xy_3p5tev.root", tmp_path / sample)
    (command,) = step["commands"]
    for name, value in content["inputs"]["parameters"].items():
        command = command.replace(f"${{{name}}}", str(value))
    install, *others = (shlex.split(part) for part in command.split(" && "))
    assert install[:2] == ["pip", "install"]
    assert install[-1] == f"hepad=={hepad.__version__}"
    assert [words[1:3] for words in others] == [
        ["analysis", "unpack"],
        ["analysis", "validate"],
        ["reinterpret", "mine.root"],
    ]
    for words in others:
        run(*words[1:], *(["--figures", "none"] if words[1] == "reinterpret" else []))
    result = json.loads((tmp_path / "result" / "reinterpret.json").read_text())
    assert result["cross_section_pb"] == 0.05
    assert result["verdict"]["status"] == "excluded"


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["vae"], 3, "not a published search"),
        (["cms_2019_dijet", "--sample", "../x.root"], 2, "without a folder"),
        (["cms_2019_dijet", "--xsec", 0], 2, "above 0 pb"),
    ],
)
def test_no_workflow_of(run, options: list[str], code: int, said: str) -> None:
    assert said in run("analysis", "workflow", *options, "-o", "flow", code=code).stderr
