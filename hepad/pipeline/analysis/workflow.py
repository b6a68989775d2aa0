"""A search as a REANA workflow: what is uploaded is a signal sample, what comes back is its reinterpretation."""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import hepad
from hepad.cards.base import read_yaml
from hepad.cards.resolver import resolve, unpacked
from hepad.cards.search import load_search
from hepad.errors import UsageError
from hepad.output.atomic import atomic_folder, check_folder
from hepad.pipeline.analysis.package import PackageReport, pack
from hepad.printable import printable

__all__ = ["WorkflowReport", "workflow"]

IMAGE = "python:3.12-slim"
"""A container with Python and pip, where nobody says another."""
RESULT = "result"
_FOLDER = "search"
_SAMPLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class WorkflowReport:
    """The folder with `reana.yaml` and the archive of the analysis, and the archive's own report."""

    name: str
    output: Path
    package: PackageReport

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "analysis": self.name,
            "archive": self.package.archive.name,
            "sha256": self.package.sha256,
            "output": str(self.output),
        }


def workflow(
    name: str,
    output: Path,
    *,
    sample: str = "signal.root",
    cross_section_pb: float = 1.0,
    image: str = IMAGE,
    requirement: str | None = None,
) -> WorkflowReport:
    """Write a folder with `reana.yaml` and the packed search (a name, a card or an unpacked folder).

    `sample` is the name that the event file is uploaded by; it and the cross section are parameters of the workflow, to
    be set when it is started. `image` is the container's; `requirement` is what pip installs there, by default this
    version of hepad, empty for an image that has it. `UsageError` for what is no search, and for a name with a folder.
    """
    check_folder(output, verb="analysis workflow")
    if not _SAMPLE.fullmatch(sample):
        raise UsageError(f"--sample {sample!r}: a name of letters, digits, dots, - and _, without a folder")
    if not 0 < cross_section_pb < math.inf:
        raise UsageError(f"--xsec must be above 0 pb and finite, found {cross_section_pb:g}")
    with unpacked(name) as card:
        search, _ = load_search(card)
        has_vectors = "vectors" in read_yaml(resolve("analyses", card))
    needed = f"hepad=={hepad.__version__}" if requirement is None else requirement
    with atomic_folder(output, verb="analysis workflow") as folder:
        package = pack(name, folder / f"{search.name}.hepad.zip")
        parameters: dict[str, str | float] = {"sample": sample, "cross_section_pb": cross_section_pb}
        steps = _commands(package, needed, validated=has_vectors or package.has_vectors)
        content = _workflow(package.archive.name, sample, parameters, image, steps)
        head = printable(f"# {search.title}: {search.reference}; by hepad {hepad.__version__}") + "\n"
        (folder / "reana.yaml").write_text(head + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return WorkflowReport(search.name, output, package)


def _commands(package: PackageReport, requirement: str, *, validated: bool) -> list[str]:
    """The commands of the step, to be run in one shell: REANA begins a container for each of its own commands."""
    install = [f"pip install --quiet {shlex.quote(requirement)}"] if requirement else []
    check = [f"hepad analysis validate {_FOLDER}"] if validated else []
    return [
        *install,
        f"hepad analysis unpack {package.archive.name} --sha256 {package.sha256} -o {_FOLDER}",
        *check,
        f"hepad reinterpret ${{sample}} --analysis {_FOLDER} --xsec ${{cross_section_pb}} -o {RESULT}",
    ]


def _workflow(
    archive: str, sample: str, parameters: dict[str, str | float], image: str, commands: list[str]
) -> dict[str, Any]:
    """What REANA's schema of analyses asks for, as a serial workflow of one step."""
    step = {"name": "reinterpret", "environment": image, "commands": [" && ".join(commands)]}
    return {
        "inputs": {"files": [archive, sample], "parameters": parameters},
        "workflow": {"type": "serial", "specification": {"steps": [step]}},
        "outputs": {"directories": [RESULT]},
    }
