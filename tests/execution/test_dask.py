"""Runs on a real Dask cluster: the same bytes as one process, also when all workers are lost."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import count
from threading import Timer
from types import SimpleNamespace

import pytest

from hepad.errors import MissingExtraError, UsageError, WorkerError
from hepad.execution.dask_cluster import DaskExecutor, _told
from hepad.execution.executor import Execution
from hepad.pipeline.score import ScoreOptions, score

from .conftest import STEP

distributed = pytest.importorskip("distributed", reason="needs the extra dask")
dask = pytest.importorskip("dask")
from hepad.execution.dask_worker import JobAtWorker, do_units  # noqa: E402  it needs the extra


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs="ERROR"
    ) as started:
        yield started


def test_a_cluster_gives_the_bytes_of_one_process_though_all_workers_are_lost_at_once(
    cluster, files, alone, tmp_path
) -> None:
    output = tmp_path / "scores.root"
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        pids = list(client.run(os.getpid).values())
    killed: list[int] = []

    def kill_all(_: int, __: int | None) -> None:
        if not killed:
            killed.extend(pids)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)

    execution = Execution(executor="dask", scheduler=cluster.scheduler_address)
    report = score(
        files, "dnn_ae", options=ScoreOptions(output=output, step_size=STEP, execution=execution, on_events=kill_all)
    )
    assert len(killed) == 2
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


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (type("KilledWorker", (Exception,), {})("unit 3"), r"killed several Dask workers \(unit 3\)"),
        (type("FutureCancelledError", (CancelledError,), {})("unit 3"), "run the same command again"),
    ],
)
def test_what_dask_loses_is_told_in_one_line(error: Exception, said: str) -> None:
    """Found by `benchmarks/bench_cluster.py`."""
    told = _told(error)
    assert isinstance(told, WorkerError)
    assert told.__cause__ is error
    assert re.search(said, str(told))
    assert _told(ZeroDivisionError()).__class__ is ZeroDivisionError


@dataclass(frozen=True)
class Squares:
    """A job whose units are numbers, of which some are refused."""

    refused: tuple[int, ...] = ()

    def worker(self) -> Squares:
        return self

    def do(self, unit: int) -> int:
        if unit in self.refused:
            raise UsageError(f"no {unit}")
        return unit * unit

    def close(self) -> None:
        """Nothing is open."""


def squares(executor: DaskExecutor, units: range) -> Iterator[int]:
    waiting, busy = deque(units), 0
    while waiting or busy:
        while waiting and busy < executor.capacity:
            executor.submit(waiting.popleft())
            busy += 1
        yield executor.wait()
        busy -= 1


def test_short_units_go_in_groups_and_each_comes_once(cluster) -> None:
    with closing(DaskExecutor(Squares(), cluster.scheduler_address, 2)) as executor:
        assert sorted(squares(executor, range(300))) == [n * n for n in range(300)]
        assert executor.groups < 150


def test_a_group_lost_after_it_ended_is_done_anew(cluster, monkeypatch) -> None:
    """Its worker was lost between the end of the group and the fetching of it."""
    status = distributed.Future.status
    monkeypatch.setattr(
        distributed.Future, "status", property(lambda future: status.fget(future).replace("finished", "lost"))
    )
    with closing(DaskExecutor(Squares(), cluster.scheduler_address, 2)) as executor:
        assert sorted(squares(executor, range(20))) == [n * n for n in range(20)]


@pytest.mark.parametrize("fetching", [False, True])
def test_that_no_worker_is_left_is_told_once(cluster, monkeypatch, caplog, fetching: bool) -> None:
    async def late(groups: list[str], asynchronous: bool) -> list[str]:
        await asyncio.sleep(0.1)
        return groups

    monkeypatch.setattr("hepad.execution.dask_cluster._LONELY", 0.01)
    with closing(DaskExecutor(Squares(), cluster.scheduler_address, 2)) as executor:
        monkeypatch.setattr(executor._client, "nthreads", dict)
        monkeypatch.setattr(executor._client, "gather", late)
        if fetching:
            assert executor._fetched(["late"]) == ["late"]
        Timer(0.1, executor._ended.put, ["later"]).start()
        assert executor._next() == "later"
        assert executor._fetched(["last"]) == ["last"]
    assert [record.getMessage() for record in caplog.records if record.name == "hepad.execution"] == [
        "hepad: the Dask cluster has no workers; waiting for workers"
    ]


def test_a_cluster_of_its_own_waits_for_workers_that_take_long_to_come_back(cluster, monkeypatch) -> None:
    monkeypatch.setattr(distributed, "LocalCluster", lambda **_: nullcontext(cluster.scheduler_address))
    name = "distributed.deploy.lost-worker-timeout"
    before = dask.config.get(name)
    with closing(DaskExecutor(Squares(), None, 2)):
        assert dask.config.get(name) == "1 day"
    assert dask.config.get(name) == before


def test_a_unit_that_fails_in_a_group_is_told(cluster) -> None:
    with (
        closing(DaskExecutor(Squares((30,)), cluster.scheduler_address, 2)) as executor,
        pytest.raises(UsageError, match="no 30"),
    ):
        list(squares(executor, range(40)))


def test_a_group_ends_with_its_time_and_before_a_unit_that_fails(monkeypatch) -> None:
    worker = SimpleNamespace(plugins={"mine": JobAtWorker(Squares((3,)))})
    monkeypatch.setattr("hepad.execution.dask_worker.get_worker", lambda: worker)
    clock = count()
    monkeypatch.setattr("hepad.execution.dask_worker.monotonic", lambda: next(clock))
    assert do_units("mine", 10.0, [1, 2, 3, 4]) == ([1, 4], 2)
    assert do_units("mine", 1.5, [4, 5, 6, 7]) == ([16, 25], 2)
    with pytest.raises(UsageError, match="no 3"):
        do_units("mine", 10.0, [3, 4])


def test_a_worker_that_has_been_told_to_end_gives_its_units_back(monkeypatch) -> None:
    class Ending(Squares):
        def do(self, unit: int) -> int:
            mine.teardown(worker)  # in the middle of a unit
            return super().do(unit)

    mine = JobAtWorker(Ending())
    worker = SimpleNamespace(plugins={"mine": mine})
    monkeypatch.setattr("hepad.execution.dask_worker.get_worker", lambda: worker)
    assert do_units("mine", 10.0, [2, 3])[0] == [4]
    with pytest.raises(distributed.Reschedule):
        do_units("mine", 10.0, [3])
