"""A command that is stopped from outside: by a batch system, by a closed pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

COMMANDS = """
import os, signal, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it, and so its children
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as one under nohup does
from hepad.cli import main as cli
from hepad.output.atomic import atomic_path

@cli.app.command()
def slow():
    with atomic_path(Path(os.environ["HEPAD_TEST_OUTPUT"])) as temporary:
        temporary.write_text("half")
        print("writing", flush=True)
        while True:  # a signal just before a sleep is heard when that ends
            time.sleep(0.05)

@cli.app.command()
def talk():
    for _ in range(100_000):
        print("a line", flush=True)

cli.main()
"""


def start(command, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", COMMANDS, command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGTERM, 143, ""),
        (signal.SIGHUP, 129, ""),
        (signal.SIGINT, 130, "hepad: interrupted; nothing half-written is left\n"),
    ],
)
def test_a_stopped_command_leaves_no_half_file(tmp_path, number, code, said):
    with start("slow", HEPAD_TEST_OUTPUT=str(tmp_path / "out.root")) as process:
        assert process.stdout.readline() == "writing\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == code
    assert errors == said
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_had_enough_is_no_fault():
    with start("talk") as process:
        assert process.stdout.readline() == "a line\n"
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 141  # 128 + SIGPIPE, as of a process that the signal ends
    assert errors == ""
