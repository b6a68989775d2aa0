"""Runs on several processes: the same bytes as one, whatever happens to the processes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hepad.bundles.bundle import load_bundle
from hepad.cli.main import app
from hepad.errors import CardError, UsageError, WorkerError
from hepad.execution.executor import Execution
from hepad.execution.processes import ProcessExecutor
from hepad.execution.units import Unit, stamps
from hepad.pipeline.score import ScoreJob, ScoreOptions, score

from ..conftest import expect, invoke
from . import conftest

MODEL = "dnn_ae"  # as in conftest.py
STEP = 200


def children() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid]


def test_two_processes_give_the_bytes_of_one_though_one_is_killed(files, alone, tmp_path) -> None:
    output = tmp_path / "scores.root"
    killed: list[int] = []

    def kill_one(_: int, __: int | None) -> None:
        if not killed:
            killed.extend(children()[:1])
            os.kill(killed[0], signal.SIGKILL)

    execution = Execution(workers=2)
    options = ScoreOptions(output=output, step_size=conftest.STEP, execution=execution, on_events=kill_one)
    report = score(files, MODEL, options=options)
    assert killed
    assert output.read_bytes() == alone
    assert report.cutflow.total.events == 2 * 6173 + 680
    assert children() == []


def test_a_unit_that_kills_every_process_is_named(files) -> None:
    bundle = load_bundle(MODEL)
    executor = ProcessExecutor(ScoreJob(bundle, bundle.card.selection, {}), 1)
    executor.submit(Unit(0, Path(files[0]), stamps([Path(files[0])])[0], 1000))
    over = threading.Event()

    def kill_all() -> None:
        while not over.wait(0.02):
            for pid in children():
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_all)
    killer.start()
    try:
        with pytest.raises(WorkerError, match=r"a\.root: 2 processes died of it \(exit -9"):
            executor.wait()
    finally:
        over.set()
        killer.join()
    executor.close()


@pytest.mark.usefixtures("quick_processes")
def test_a_process_that_dies_in_the_middle_of_its_answer_is_replaced(files) -> None:
    bundle = load_bundle(MODEL)
    executor = ProcessExecutor(ScoreJob(bundle, bundle.card.selection, {}), 1)
    executor.submit(Unit(0, Path(files[0]), stamps([Path(files[0])])[0], 10_000))
    (process,) = executor._processes.values()
    process.process.kill()
    ours, theirs = multiprocessing.Pipe()
    os.write(theirs.fileno(), struct.pack("!i", 1000) + b"half")
    theirs.close()
    executor._processes = {ours: process}
    outcome = executor.wait()
    executor.close()
    assert outcome.part is not None
    assert outcome.part.events == 6173
    assert children() == []


@pytest.mark.usefixtures("quick_processes")
def test_no_more_processes_are_started_than_there_are_units(files) -> None:
    bundle = load_bundle(MODEL)
    paths = [Path(file) for file in files[:2]]
    executor = ProcessExecutor(ScoreJob(bundle, bundle.card.selection, {}), 3)
    assert children() == []
    for started, (path, stamp) in enumerate(zip(paths, stamps(paths), strict=True), start=1):
        executor.submit(Unit(started, path, stamp, 10_000))
        assert len(children()) == started
    assert {executor.wait().unit.file for _ in paths} == {1, 2}
    executor.submit(Unit(3, paths[0], stamps(paths)[0], 10_000))  # both are idle now
    assert len(children()) == 2
    executor.wait()
    executor.close()
    assert children() == []


@pytest.mark.usefixtures("quick_processes")
def test_what_is_wrong_in_a_process_is_told_here(files, tmp_path) -> None:
    bundle = tmp_path / "mine"
    shutil.copytree(load_bundle(MODEL).path, bundle)
    loaded = load_bundle(str(bundle))
    (bundle / "model.safetensors").write_bytes(b"")
    executor = ProcessExecutor(ScoreJob(loaded, loaded.card.selection, {}), 1)
    executor.submit(Unit(0, Path(files[0]), stamps([Path(files[0])])[0], 1000))
    with pytest.raises(CardError, match="mine"):
        executor.wait()
    executor.close()


@pytest.fixture(scope="module")
def by_command(files, tmp_path_factory) -> bytes:
    """The score file of an undisturbed command; it records its arguments, which a call of the function has none of."""
    output = tmp_path_factory.mktemp("command") / "s.root"
    words = ["score", *files, "--model", MODEL, "--step-size", str(STEP), "-o", str(output)]
    assert CliRunner().invoke(app, words).exit_code == 0
    return output.read_bytes()


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process group of its own, as a terminal starts it; what is left of the group is killed."""
    words = ["hepad", "score", *arguments, "--model", MODEL, "--step-size", str(STEP), "-o", "s.root"]
    restore = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{restore}; import sys; sys.argv = {words!r}; from hepad.cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_parts(folder: Path, count: int) -> None:
    journal = folder / "s.root.run" / "score" / "journal.jsonl"
    for _ in range(60_000):
        if journal.exists() and journal.read_text().count("\n") >= count:
            return
        time.sleep(0.01)
    raise AssertionError("the command does not begin")


@pytest.mark.parametrize(
    ("number", "workers", "code"),
    [(signal.SIGKILL, 2, -9), (signal.SIGINT, 2, 130), (signal.SIGTERM, 1, 143)],
)
def test_a_killed_command_goes_on_to_the_same_bytes(files, by_command, tmp_path, number, workers, code) -> None:
    with started(tmp_path, *files, "--workers", str(workers)) as process:
        wait_for_parts(tmp_path, 4)
        offspring = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # Ctrl-C goes to all of the terminal's group
        else:
            process.send_signal(number)
        _, errors = process.communicate(timeout=600)
    assert process.returncode == code
    assert ("the same command goes on from there" in errors) == (number != signal.SIGKILL)
    assert "Traceback" not in errors
    assert not (tmp_path / "s.root").exists()
    gone(offspring)
    kept = (tmp_path / "s.root.run" / "score" / "journal.jsonl").read_text().count("\n")
    assert kept >= 4
    words = ["score", *files, "--model", MODEL, "--step-size", str(STEP), "-o", "s.root"]
    expect(0, invoke(tmp_path, words))  # in another process, and on another number of workers
    assert not (tmp_path / "s.root.run").exists()
    assert (tmp_path / "s.root").read_bytes() == by_command


def gone(pids: list[int]) -> None:
    """Wait until the processes are no more."""
    for _ in range(30_000):
        if not any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids):
            return
        time.sleep(0.02)
    raise AssertionError("processes are left behind")


@pytest.mark.parametrize("options", [{"workers": 0}, {"executor": "slurm"}, {"scheduler": "tcp://localhost:1"}])
def test_options_that_do_not_fit_are_refused(options) -> None:
    with pytest.raises(UsageError):
        Execution(**options)
