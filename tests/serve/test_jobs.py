"""Jobs on disk and their processes: nothing is lost, and one line says why something ended."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import wraps

import pytest

from hepad.errors import OutputError
from hepad.serve.limits import Limits
from hepad.serve.process import Progress, end_leftover, last_reason, parse_progress
from hepad.serve.queue import Queue, outcome
from hepad.serve.store import ENDED, Store

CHILD = (
    "import pathlib, subprocess, sys, time",
    "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])",
    "pathlib.Path('child.new').write_text(str(child.pid))",
    "pathlib.Path('child.new').rename('child')",
    "time.sleep(60)",
)
"""A command that begins another and waits."""


def within_a_loop(test):
    @wraps(test)
    def run(*arguments, **fixtures):
        asyncio.run(asyncio.wait_for(test(*arguments, **fixtures), 30))

    return run


@asynccontextmanager
async def working(store):
    queue = Queue(store)
    queue.start()
    try:
        yield queue
    finally:
        await queue.stop()


async def until(what):
    while not (found := what()):
        await asyncio.sleep(0.01)
    return found


async def ended(store, *jobs):
    await until(lambda: all(store.get(job.id).state in ENDED for job in jobs))
    return [store.get(job.id) for job in jobs]


def is_alive(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        shown = subprocess.run(["ps", "-o", "stat=", str(pid)], capture_output=True, text=True, check=False)
        return "Z" not in shown.stdout
    return False


def child_of(store, job):
    with suppress(FileNotFoundError):
        return int(store.path(job, "files", "child").read_text())


@within_a_loop
async def test_a_job_is_run_in_its_folder_and_remembered(store, new_job, runs):
    runs(
        "import sys, pathlib",
        "pathlib.Path('scores.root').write_text('x')",
        'print(\'{"selected": 3, "events": 5}\')',
        "sys.stderr.write('hepad: note: so\\n')",
    )
    job = new_job("one", "two")
    async with working(store):
        (found,) = await ended(store, job)
    assert [(step.state, step.exit_code, step.reason) for step in found.steps] == [("done", 0, "")] * 2
    assert ([step.found for step in found.steps], found.found) == (
        ["3 of 5 events selected"] * 2,
        "3 of 5 events selected",
    )
    assert store.path(job, "files", "scores.root").read_text() == "x"
    assert store.path(job, "logs", "2.out").read_text() == '{"selected": 3, "events": 5}\n'
    assert store.path(job, "logs", "2.err").read_text() == "hepad: note: so"
    again = Store(store.folder, store.limits)
    assert list(again) == [found]
    assert found.size > 0


@within_a_loop
async def test_how_far_a_job_is_comes_from_its_progress(store, new_job, runs):
    line = '{"progress": "reading", "done": 3, "of": 7, "seconds": 0.1}'
    runs("import sys, time", f"sys.stderr.write('''{line}\n''')", "sys.stderr.flush()", "time.sleep(60)")
    job = new_job()
    async with working(store) as queue:
        assert await until(lambda: queue.progress(job)) == Progress("reading", 3, 7)
    found = store.get(job.id)
    assert (found.state, found.attempts) == ("queued", 0)  # the server stopped as it was asked to


@within_a_loop
async def test_the_status_that_browsers_ask_for_is_that_of_the_page(client, server, new_job):
    job = new_job("one", "two", state="running")
    server.store.path(job, "logs", "1.out").write_text('{"selected": 3, "events": 5}')
    server.store.path(job, "files", "scores.root").write_bytes(b"scores")
    server.store.update(job.with_step(0, state="done").with_step(1, state="running"))
    status = (await client.get(f"/jobs/{job.id}/status")).text
    page = (await client.get(f"/jobs/{job.id}")).text
    assert "working" in status
    assert status.strip() in page
    assert "/files/1/scores.root" in page


@within_a_loop
async def test_what_a_cancelled_command_had_finished_is_there(client, server, new_job):
    job = new_job(state="running")
    server.store.path(job, "files", "scores.root").write_bytes(b"scores")
    link = f"{server.share_url(job)}/files/1/scores.root"
    server.store.update(job.with_step(0, state="running"))
    assert (await client.get(link)).status == 404  # it may not be whole
    server.store.update(job.with_step(0, state="cancelled").model_copy(update={"state": "cancelled", "ended": 1.0}))
    assert (await client.get(link)).text == "scores"
    assert "/files/1/scores.root" in (await client.get(f"/jobs/{job.id}")).text


@pytest.mark.parametrize("fault", [FileNotFoundError("job.json"), None], ids=["a file is gone", "none yet"])
@within_a_loop
async def test_a_job_that_is_deleted_while_it_is_looked_at_is_not_there(client, server, new_job, monkeypatch, fault):
    def deleted(store, job, _):
        store.forget(job)
        if fault is not None:
            raise fault
        return {}

    for where, path in (("seen", ""), ("app", "/files/1/scores.root")):
        job = new_job(state="done", ended=1.0)
        server.store.update(job.with_step(0, state="done"))
        monkeypatch.setattr(f"hepad.serve.{where}.step_files", deleted)
        answer = await client.get(f"/jobs/{job.id}{path}" if where == "seen" else f"{server.share_url(job)}{path}")
        assert (answer.status, "it may have been deleted" in answer.text) == (404, True)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("import sys", "sys.stderr.write('hepad: no jets; mend it\\nmore\\n')", "sys.exit(4)"), "no jets; mend it"),
        (("import sys", "sys.stderr.write('\u2502 No option \u2502\\n\u2570\u256f\\n')", "sys.exit(2)"), "No option"),
        (("import sys", "sys.exit(5)"), "it ended with exit code 5 and no word"),
        (("raise MemoryError",), "it needed more than 8 GB of memory"),
        (("import os, signal", "os.kill(os.getpid(), signal.SIGKILL)"), "its process was ended by the signal SIGKILL"),
        (("import os, signal", "os.kill(os.getpid(), signal.SIGXCPU)"), "it took more than 60 s of processor time"),
        (("import sys", "sys.stderr.write('x' * 10**6 + '\\nthe last line\\n')", "sys.exit(1)"), "the last line"),
        (("import sys", "sys.stderr.write('<b>\\x1b[31m\\n')", "sys.exit(1)"), "<b>\\x1b[31m"),
    ],
    ids=["its own", "usage", "no word", "memory", "killed", "processor", "long line", "odd characters"],
)  # fmt: skip
@within_a_loop
async def test_one_line_says_why_a_job_failed(store, new_job, runs, lines, reason):
    runs(*lines)
    async with working(store):
        (found,) = await ended(store, new_job())
    assert found.state == found.steps[0].state == "failed"
    assert found.reason.startswith(reason)
    assert "\n" not in found.reason


@within_a_loop
async def test_nothing_is_asked_of_what_could_not_be_prepared(store, new_job, runs):
    runs("import sys", "sys.stderr.write('hepad: no network\\n')", "sys.exit(3)")
    job = new_job("the network", "latency")
    job = store.update(job.with_step(0, prepares=True))
    async with working(store):
        (found,) = await ended(store, job)
    assert (found.state, found.reason) == ("failed", "no network")
    assert [step.state for step in found.steps] == ["failed", "cancelled"]
    assert outcome(found.with_step(0, state="done").with_step(1, state="failed", reason="late")) == ("failed", "late")


@within_a_loop
async def test_a_command_that_takes_too_long_ends_with_all_it_began(store, new_job, runs):
    runs(*CHILD)
    store.limits = replace(store.limits, seconds=0.5)
    job = new_job()
    async with working(store):
        (found,) = await ended(store, job)
    assert found.reason == "it took more than 1 s, which is all that a job may take here"
    assert not is_alive(child_of(store, job))


@within_a_loop
async def test_a_job_can_be_cancelled_from_two_tabs_at_once(store, new_job, runs):
    runs(*CHILD)
    first, second = new_job(created=1.0), new_job(created=2.0)
    async with working(store) as queue:
        child = await until(lambda: child_of(store, first))
        assert store.get(second.id).state == "queued"
        for job in (second, first):
            await asyncio.gather(queue.cancel(job), queue.cancel(job), queue.cancel(job))
        assert [store.get(job.id).reason for job in (first, second)] == [
            "it was cancelled while it ran",
            "it was cancelled before it began",
        ]
        assert not is_alive(child)
        runs("pass")
        third = new_job()
        await queue.submit()
        assert [job.state for job in await ended(store, third)] == ["done"]
        await queue.cancel(third)
    assert store.get(third.id).state == "done"


@within_a_loop
async def test_a_command_that_does_not_want_to_end_is_ended_however_often_one_asks(store, new_job, runs, monkeypatch):
    monkeypatch.setattr("hepad.serve.process.TERM_SECONDS", 0.3)
    runs("import signal", "signal.signal(signal.SIGTERM, signal.SIG_IGN)", *CHILD)
    job = new_job()
    async with working(store) as queue:
        child = await until(lambda: child_of(store, job))
        asking = [asyncio.create_task(queue.cancel(job))]
        await asyncio.sleep(0.1)
        asking.append(asyncio.create_task(queue.cancel(job)))
        await asyncio.gather(*asking)
        assert store.get(job.id).state == "cancelled"
        assert not is_alive(child)


@within_a_loop
async def test_a_command_that_falls_silent_is_ended_too(store, new_job, runs):
    runs("import os, sys, time", "os.close(2)", "time.sleep(60)")
    store.limits = replace(store.limits, seconds=0.2)
    async with working(store):
        (found,) = await ended(store, new_job())
    assert found.reason.startswith("it took more than 0.4 s")


@within_a_loop
async def test_a_fault_of_the_server_ends_a_job_and_no_other(store, new_job, runs, monkeypatch, caplog):
    runs("pass")
    first, second = new_job(created=1.0), new_job(created=2.0)
    real = Queue._step
    monkeypatch.setattr(Queue, "_step", lambda self, job, place: real(self, None if job.id == first.id else job, place))
    async with working(store):
        found = await ended(store, first, second)
    assert [job.state for job in found] == ["failed", "done"]
    assert "a fault of the server" in found[0].reason
    assert first.id in caplog.text


@within_a_loop
async def test_a_server_that_was_killed_loses_nothing(store, new_job, runs):
    job, spent, waiting = new_job("one", "two", created=1.0), new_job(attempts=3, state="running"), new_job(created=3.0)
    job = store.update(job.with_step(0, state="done", exit_code=0).with_step(1, state="running"))
    store.update(job.model_copy(update={"state": "running", "attempts": 1}))
    lock = store.path(job, "logs", "lock")
    words = (
        "import fcntl, os, sys, time",
        "f = open(sys.argv[1], 'w')",
        "fcntl.flock(f, fcntl.LOCK_EX)",
        "print(os.getpid(), file=f, end='', flush=True)",
        "print(flush=True)",
        "time.sleep(60)",
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "\n".join(words), lock], stdout=subprocess.PIPE, start_new_session=True
    ) as orphan:
        orphan.stdout.readline()
        again = Store(store.folder, store.limits)
        runs("open('ran', 'a').write('x')")
        async with working(again):
            found = await ended(again, job, spent, waiting)
        assert orphan.wait(5) == -signal.SIGKILL
    assert [each.state for each in found] == ["done", "failed", "done"]
    assert found[1].reason == "the server stopped 3 times while it ran"
    assert again.path(job, "files", "ran").read_text() == "x"  # what was done is not done again
    assert found[0].attempts == 2
    assert not end_leftover(lock)


@within_a_loop
async def test_a_full_disk_stops_no_job(store, new_job, runs, monkeypatch, caplog):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    runs("pass")
    job = new_job()
    monkeypatch.setattr("hepad.serve.store.atomic_path", full)
    async with working(store):
        (found,) = await ended(store, job)
    assert found.state == "done"
    assert "is not kept on disk" in caplog.text
    assert Store(store.folder, store.limits).get(job.id).state == "queued"  # and is done again


def test_a_folder_that_is_no_job_is_left_as_it_is(store, new_job, caplog):
    job = new_job()
    unknown = job.model_copy(update={"id": "kind", "kind": "of a later version"}).model_dump_json(warnings=False)
    for name, text in (
        ("empty", None),
        ("half", job.model_dump_json()[:50]),
        ("other", job.model_dump_json()),
        ("kind", unknown),
    ):
        folder = store.folder / "jobs" / name
        folder.mkdir()
        if text is not None:
            (folder / "job.json").write_text(text)
    (store.folder / "arriving" / "half").mkdir()
    assert list(Store(store.folder, store.limits)) == [job]
    assert caplog.text.count("is left as it is") == 4
    assert (store.folder / "jobs" / "half").is_dir()
    assert not list((store.folder / "arriving").iterdir())


@within_a_loop
async def test_jobs_go_when_they_are_old_and_have_ended(store, new_job, runs):
    runs("import time", "time.sleep(60)")
    past = time.time() - 31 * 86400
    old, late, waiting = (
        new_job(state="done", ended=past),
        new_job(state="done", ended=past + 2 * 86400),
        new_job(created=past),
    )
    async with working(store):
        await until(lambda: not store.path(old).exists())
    assert {job.id for job in store} == {late.id, waiting.id}
    with pytest.raises(OutputError, match="cancel it first"):
        store.forget(waiting)


def test_the_limits_of_a_command_are_those_of_its_process(tmp_path):
    lock = tmp_path / "lock"
    script = (
        "import os, resource as r, runpy, sys",
        "limits = (r.RLIMIT_AS, r.RLIMIT_CPU, r.RLIMIT_FSIZE, r.RLIMIT_NOFILE, r.RLIMIT_CORE)",
        "said = lambda: (*map(r.getrlimit, limits), sys.argv[:2], os.nice(0) - int(sys.argv[2]))",
        "runpy.run_module = lambda *_, **__: print(said())",
        "from hepad.serve.limited import main",
        f"sys.argv = ['x', '3000000000,60,500,{os.getpid()},{lock}', 'score', str(os.nice(0))]",
        "main()",
    )
    found = subprocess.run([sys.executable, "-c", "\n".join(script)], capture_output=True, text=True, check=True)
    limits = "(3000000000, 3000000000), (60, 65), (500, 500), (256, 256), (0, 0)"
    assert found.stdout == f"({limits}, ['hepad', 'score'], {min(10, 19 - os.nice(0))})\n"
    assert lock.read_text().isdecimal()


def test_a_command_ends_with_its_server():
    """One whose server is killed while it runs, and one that finds another process where its server was."""
    body = "import sys, time; from hepad.serve import limited; limited._end_with(int(sys.argv[1]))"
    orphan = subprocess.run([sys.executable, "-c", body, "1"], capture_output=True, text=True, check=False)
    assert (orphan.returncode, orphan.stderr) == (1, "hepad: the server that began this has ended\n")
    if sys.platform != "linux":
        return
    server = (
        "import os, subprocess, sys",
        f"body = {body + '; print(flush=True); time.sleep(60)'!r}",
        "child = subprocess.Popen([sys.executable, '-c', body, str(os.getpid())], stdout=subprocess.PIPE)",
        "child.stdout.readline()",
        "print(child.pid, flush=True)",
        "os.kill(os.getpid(), 9)",
    )
    killed = subprocess.run(
        [sys.executable, "-S", "-c", "\n".join(server)], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    end = time.monotonic() + 10
    while is_alive(int(killed.stdout)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_alive(int(killed.stdout))


def test_what_is_no_progress_is_a_line_like_others():
    assert parse_progress('{"progress": "x", "done": 1, "of": null, "seconds": 0}') == Progress("x", 1, None)
    for line in ("", "hepad: no", '{"progress": "x"}', '{"progress"', '{"progress": "x", "done": [], "of": 2}'):
        assert parse_progress(line) is None
    assert last_reason(["hepad: why", "Aborted", "\u2500"]) == "why"
    assert last_reason([]) == ""
    assert Limits().wall_seconds > Limits().seconds
