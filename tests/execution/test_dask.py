"""Runs on a real Dask cluster: the same bytes as one process, also when a worker is lost."""

from __future__ import annotations

import os
import signal
import socket
import sys
from queue import SimpleQueue
from typing import Any

import pytest

from hepad.errors import MissingExtraError, UsageError, WorkerError
from hepad.execution.dask_cluster import DaskExecutor
from hepad.execution.executor import Execution
from hepad.pipeline.score import ScoreOptions, score

from .conftest import STEP

distributed = pytest.importorskip("distributed", reason="needs the extra dask")


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs="ERROR"
    ) as started:
        yield started


def test_a_cluster_gives_the_bytes_of_one_process_though_a_worker_is_lost(cluster, files, alone, tmp_path) -> None:
    output = tmp_path / "scores.root"
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        pids = list(client.run(os.getpid).values())
    killed: list[int] = []

    def kill_one(_: int, __: int | None) -> None:
        if not killed:
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    execution = Execution(executor="dask", scheduler=cluster.scheduler_address)
    report = score(
        files, "dnn_ae", options=ScoreOptions(output=output, step_size=STEP, execution=execution, on_events=kill_one)
    )
    assert killed
    assert output.read_bytes() == alone
    assert report.cutflow.total.events == 2 * 6173 + 680
    assert not (tmp_path / "scores.root.run").exists()


def test_a_scheduler_that_is_not_there_is_named(files, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("hepad.execution.dask_cluster._TIMEOUT", 1.0)
    execution = Execution(executor="dask", scheduler="tcp://127.0.0.1:9")
    with pytest.raises(WorkerError, match=r"tcp://127.0.0.1:9: no Dask scheduler answers there"):
        score(files, "dnn_ae", options=ScoreOptions(output=tmp_path / "s.root", execution=execution))
    assert not list(tmp_path.iterdir())


def test_a_scheduler_that_does_not_greet_is_given_up(files, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("hepad.execution.dask_cluster._TIMEOUT", 0.5)
    with socket.socket() as silent:  # it takes connections and never says a word, as a stopped process does
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        execution = Execution(executor="dask", scheduler=address)
        with pytest.raises(WorkerError, match=rf"{address}: no Dask .* \(no greeting within 0.5 s"):
            score(files, "dnn_ae", options=ScoreOptions(output=tmp_path / "s.root", execution=execution))
    assert not list(tmp_path.iterdir())


def test_a_package_that_does_not_import_is_not_called_missing(files, tmp_path, monkeypatch) -> None:
    (tmp_path / "distributed.py").write_text("from json import no_such_name")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "distributed")
    execution = Execution(executor="dask")
    with pytest.raises(MissingExtraError, match=r"is here and cannot be imported \(ImportError: .*'no_such_name'"):
        score(files, "dnn_ae", options=ScoreOptions(output=tmp_path / "s.root", execution=execution))
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"needs the package distributed: pip install 'hepad\[dask\]'"):
        score(files, "dnn_ae", options=ScoreOptions(output=tmp_path / "s.root", execution=execution))


@pytest.mark.parametrize(
    "scheduler",
    ["nowhere.json", "bad.json", "list.json", "deep.json", "large.json", ".", "http://127.0.0.1:1", "tcp://host"],
)
def test_what_is_no_scheduler_is_refused_at_once(files, tmp_path, monkeypatch, scheduler) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "large.json").write_text('{"address": "tcp://127.0.0.1:1"}' + " " * (1 << 20))
    (tmp_path / "bad.json").write_text('{"id": 3')
    (tmp_path / "list.json").write_text("[]")
    execution = Execution(executor="dask", scheduler=scheduler)
    with pytest.raises(UsageError, match=f"--scheduler {scheduler}: neither an address"):
        score(files, "dnn_ae", options=ScoreOptions(output=tmp_path / "s.root", execution=execution))


@pytest.mark.parametrize(("name", "said"), [("FutureCancelledError", "were lost together"), ("KilledWorker", "memory")])
def test_what_dask_loses_is_told_in_one_line(name: str, said: str) -> None:
    """Found by `benchmarks/bench_cluster.py`: all workers killed, and with them what the client had sent them."""
    executor: Any = object.__new__(DaskExecutor)
    executor._done, executor._futures = SimpleQueue(), set()
    error = type(name, (Exception,), {})("reason: unknown")

    class Future:
        status = "error"

        def result(self) -> None:
            raise error

    executor._done.put(Future())
    with pytest.raises(WorkerError, match=said):
        executor.wait()
