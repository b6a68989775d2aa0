"""A process that leaves at once has done all that it was asked to, and has not taken Python apart."""

import subprocess
import sys

import pytest

SCRIPT = """
import atexit, ctypes, os, sys, threading

how = sys.argv[1]
if how == "measured":
    atexit.register(os.write, 1, b"measured;")
from hepad.cli.leave import leave_at_once

class Kept:
    def __del__(self, write=os.write):
        write(1, b"taken apart;")

def waited_for():
    threading.main_thread().join()
    os.write(1, b"thread;")

def command():
    atexit.register(os.write, 1, b"asked for;")
    threading.Thread(target=waited_for).start()
    sys.stdout.write("Python;")
    ctypes.CDLL(None).printf(b"C;")
    if how == "torch":
        sys.modules["torch"] = sys
    if how == "guest":
        from hepad.registry import GUESTS
        GUESTS.add("a package")
    raise SystemExit({"zero": None, "text": "a text", "fault": 1 / (how != "fault")}.get(how, 3))

kept = Kept()
leave_at_once(command)
"""


@pytest.mark.parametrize(
    ("how", "code", "taken_apart"),
    [
        ("three", 3, 0),
        ("zero", 0, 0),
        ("text", 1, 1),
        ("torch", 3, 1),
        ("guest", 3, 1),
        ("measured", 3, 1),
        ("fault", 1, 1),
    ],
)
def test_a_process_does_what_it_was_asked_to_and_leaves(how: str, code: int, taken_apart: int) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path}\n{SCRIPT}", how],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout.split(";")[:-1]
    assert done.returncode == code, done.stderr
    assert said.count("taken apart") == taken_apart
    assert sorted({*said, "taken apart", "measured"}) == sorted(
        {"Python", "C", "thread", "asked for", "taken apart", "measured"}
    )
    assert said.index("thread") < said.index("asked for")
    assert ("measured" in said) == (how == "measured")
    assert done.stderr.endswith({"text": "a text\n", "fault": "division by zero\n"}.get(how, ""))
    assert how in {"text", "fault"} or not done.stderr
