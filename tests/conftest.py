"""Fixtures of all tests: where the data are, how to run the command, how to write small files."""

from __future__ import annotations

import fcntl
import gc
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import settings

from hepad.output.json_text import CHECKS

if "PYTEST_XDIST_WORKER" in os.environ:  # one core a worker, and a worker's processes: threads of both would only fight
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Hundreds of processes are started, each of which would compile our modules anew; git ignores what is kept of it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The same examples each time: a suite that fails by chance is of no use to anyone.
settings.register_profile("hepad", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("hepad")

# uproot asks awkward twice for the type of each branch that it is to write: to parse "var * float32" takes 3 ms.
ak.types.from_datashape = cache(ak.types.from_datashape)

ROOT = Path(__file__).resolve().parent.parent

# Modules of loops that numba compiles, those that take longest first; the last two come with others that import them.
COMPILED = (
    "hepad.nn.convolution_kernel",
    "hepad.nn.lif_kernel",
    "hepad.stats.counts.toys_kernel",
    "hepad.io.generator.isolation",
    "hepad.inputs.rmm_kernel",
    "hepad.inputs.jet_kernel",
    "hepad.methods.base.tree_kernel",
    "hepad.stats.scores.dependence_kernel",
    "hepad.nn.sparse_kernel",
    "hepad.nn.image_kernel",
    "hepad.io.generator.particles",
)

_SEARCH = """
schema: search/1
name: lepton
title: A lepton and jets
reference: nobody has published it
fidelity: inspired
fidelity_note: a test
sqrt_s_gev: 13000
luminosity: {fb: 10, relative_error: 0.01, source: a test}
categories: [{name: lepton, title: A lepton, selection: adc2021, bundle: dnn_ae}]
regions: [loose, tight]
thresholds: {loose: {background_efficiency: 0.3}, tight: {background_efficiency: 0.05}}
fits: [dijet3, ua2_3]
binning: {low: 60, high: 3000, absolute: 10, relative: 0.1}
channels:
  jj: {mass: jet1+jet2, title: "$m_{jj}$"}
  jmu: {mass: jet1+muon1, title: "$m_{j\\\\mu}$"}
  je: {mass: jet1+electron1, title: "$m_{je}$"}
"""


@cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    from hepad.pipeline.schemas.outputs import output_schema

    return Draft202012Validator(output_schema(name))


def check_output(name: str, text: str) -> None:
    """Hold a JSON document that hepad printed or wrote against its schema in `hepad schema`."""
    from jsonschema.exceptions import best_match

    fault = best_match(_validator(name).iter_errors(json.loads(text)))
    assert fault is None, f"output.{name}: {fault.json_path}: {fault.message}"


@pytest.fixture(scope="session", autouse=True)
def _outputs_are_checked() -> None:
    """Whatever a test makes hepad print with --json, or write, in this process is held against its schema."""
    CHECKS.append(check_output)


Completed = subprocess.CompletedProcess[str]
Run = Callable[..., Completed]


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Compile each loop in one worker, before tests are collected, which import them: the others find it on disk.

    In a fresh checkout all of it takes half a minute, which each worker would spend anew.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        busy = [name for name in COMPILED if not _imported_alone(name, wait=False)]
        for name in busy:
            _imported_alone(name, wait=True)


def _imported_alone(name: str, *, wait: bool) -> bool:
    """Import a module unless another process does so at this time, which is waited for or gives False."""
    source = find_spec(name)
    assert source is not None
    assert source.origin is not None
    with Path(source.origin).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        import_module(name)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish() -> None:
    """What is loaded by now stays: to look through it for garbage again and again takes a tenth of all time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder of the example data."""
    return ROOT / "examples" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the test data; its README says where they are from."""
    return ROOT / "tests" / "data"


@pytest.fixture(scope="session")
def search_card() -> str:
    """The card of a search with a bundled model, without its background."""
    return _SEARCH


@pytest.fixture
def process(tmp_path: Path) -> Run:
    """Run `hepad` as a user does, in a process of its own, in an empty folder."""

    def call(*arguments: object, code: int = 0, stdin: str = "") -> Completed:
        result = subprocess.run(
            [sys.executable, "-m", "hepad", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            input=stdin,
            timeout=1200,
            check=False,
        )
        expect(code, result)
        if "--json" in arguments and result.stdout:
            verb = " ".join(map(str, arguments[: 2 if arguments[0] == "analysis" else 1]))
            check_output(verb, result.stdout)
        return result

    return call


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """As `process`, but in this process: one of its own takes seconds to start.

    The commands of the analysis chain have a test with `process` each; exit codes and errors are tested with it too.
    """

    def call(*arguments: object, code: int = 0, stdin: str = "") -> Completed:
        return expect(code, invoke(tmp_path, arguments, stdin))

    return call


def invoke(folder: Path, arguments: Sequence[object], stdin: str = "") -> Completed:
    """Run `hepad` in this process, in a folder."""
    from typer.testing import CliRunner

    from hepad.cli.main import app

    words = [*map(str, arguments)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(app, words, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(words, result.exit_code, result.stdout, result.stderr)


def expect(code: int, result: Completed) -> Completed:
    """The result, if it has this exit code."""
    assert result.returncode == code, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made, but their files are empty: to lay out and render them often takes longer than all else.

    It does not reach into `process`.
    """
    leave_unrendered(monkeypatch)


def leave_unrendered(patch: pytest.MonkeyPatch) -> None:
    """The same until a patch is undone."""
    patch.setattr("matplotlib.figure.Figure.savefig", lambda _, path, **__: Path(path).touch())
    patch.setattr("hepad.output.figure_files._laid_out", lambda _: None)
    patch.setattr("hepad.output.figures.save_thumbnail", lambda _, path: Path(path).touch())


@pytest.fixture
def quick_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that share out work begin as copies of one with all imports, which takes each of them seconds.

    They get and give what they would otherwise. `tests/execution` has those that begin anew, as a user's do.
    """
    context = multiprocessing.get_context("forkserver")
    verbs = [f"hepad.pipeline.{verb}.run" for verb in ("study", "train", "reinterpret", "evaluate")]
    later = ["h5py", "uproot", "safetensors.numpy", "hepad.models.dnn_ae", "hepad.output.figure_files"]
    context.set_forkserver_preload(["torch", *verbs, *later])
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: context)


@pytest.fixture
def replay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """`hepad replay` runs the command again in this process."""
    from typer.testing import CliRunner

    from hepad.cli.main import app

    def run(words: list[str], work: Path, made: Path) -> None:
        with monkeypatch.context() as context:
            context.chdir(work)
            result = CliRunner().invoke(app, words)
        assert made.exists(), result.output

    monkeypatch.setattr("hepad.pipeline.replay.run._run", run)


@pytest.fixture
def write_slim(tmp_path: Path) -> Callable[..., Path]:
    """Write a slim with Delphes' branch names, as people make them with uproot."""

    def write(name: str = "slim.root", tree: str = "Delphes", drop: str = "", **branches: list[list[float]]) -> Path:
        content: dict[str, list[list[float]]] = {
            "Jet.PT": [[50.0, 40.0], [], [90.0]],
            "Jet.Eta": [[0.5, -1.0], [], [2.0]],
            "Jet.Phi": [[0.1, 3.0], [], [-2.0]],
            "Jet.Mass": [[5.0, 6.0], [], [9.0]],
            "Electron.PT": [[30.0], [], [25.0]],
            "Electron.Eta": [[1.0], [], [-0.3]],
            "Electron.Phi": [[2.0], [], [0.3]],
            "Muon.PT": [[], [40.0], []],
            "Muon.Eta": [[], [1.5], []],
            "Muon.Phi": [[], [-1.0], []],
            "MissingET.MET": [[20.0], [60.0], [10.0]],
            "MissingET.Phi": [[0.0], [1.0], [-3.0]],
            "Weight.Weight": [[1.0], [2.0], [0.5]],
            **{key.replace("_", "."): value for key, value in branches.items()},
        }
        arrays = {k: ak.values_astype(ak.Array(v), np.float32) for k, v in content.items() if not drop or drop not in k}
        path = tmp_path / name
        with uproot.recreate(path) as file:
            types = dict.fromkeys(arrays, "var * float32")
            out = file.mktree(tree, types, counter_name=lambda key: key.replace(".", "_") + "_size")
            if len(next(iter(arrays.values()))):
                out.extend(arrays)
        return path

    return write
