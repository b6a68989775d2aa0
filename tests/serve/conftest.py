"""A server without a network, whose jobs run what a test says."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import pytest

from hepad.serve.limits import Limits
from hepad.serve.store import Job, Step, Store, new_id

LIMITS = Limits(quota=1_000_000, reserve=0, upload=50_000, idle=0.2, seconds=60)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "data", LIMITS)


@pytest.fixture
def new_job(store):
    def make(*titles, kind="score", **changes):
        steps = tuple(
            Step(title=title, words=("score", "events.root", "-o", "scores.root"), output="scores.root")
            for title in titles or ("one",)
        )
        job = Job(
            **{"id": new_id(), "kind": kind, "title": "a title", "created": time.time(), "steps": steps, **changes}
        )
        return store.add(job, store.arriving())

    return make


@pytest.fixture
def runs(monkeypatch):
    """Let jobs run these lines of Python, with the job's files around them, in place of a command of hepad."""

    def say(*lines):
        def words(*_):
            return [sys.executable, "-S", "-c", "\n".join(lines)]

        monkeypatch.setattr("hepad.serve.queue.command_words", words)

    return say


@pytest.fixture
def server(store):
    pytest.importorskip("starlette", reason="hepad[web] is not installed")
    pytest.importorskip("python_multipart", reason="hepad[web] is not installed")
    from hepad.serve.app import Server
    from hepad.serve.queue import Queue
    from hepad.serve.security import Keys, site_of

    return Server(store, Queue(store), Keys.of(store.folder), site_of(1), store.limits)


@pytest.fixture
def client(server):
    from hepad.serve.app import make_app

    from .client import Client

    return Client(make_app(server), f"{server.site.cookie}={server.keys.key('cookie')}")


@pytest.fixture
def limited(server):
    """Change what the server grants."""

    def change(**limits):
        server.limits = server.store.limits = replace(server.limits, **limits)

    return change
