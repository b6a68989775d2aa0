"""What a terminal, a pipe and an odd environment make of the command: real processes, as only they have these."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hepad.cli.terminal import Terminal, show_table


def shell(command: str, tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which `hepad` is the command."""
    text = f'set -o pipefail; hepad() {{ "{sys.executable}" -m hepad "$@"; }}; {command}'
    return subprocess.run(
        ["bash", "-c", text],
        env={**os.environ, **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def on_terminal(words: list[str], columns: int, folder) -> str:
    """What `hepad` writes to a terminal of so many columns, without the control sequences of bold text."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-m", "hepad", *words], stdout=theirs, stderr=theirs, cwd=folder, env=environment
    ) as process:
        os.close(theirs)
        written = b""
        with suppress(OSError):  # the other side has closed it
            while piece := os.read(ours, 1 << 16):
                written += piece
    os.close(ours)
    assert process.returncode == 0, written
    return re.sub(r"\x1b\[[\d;]*m", "", written.decode()).replace("\r\n", "\n")


def table(header: list[str], rows: list[list[str]], numbers_from: int, columns: int | None) -> str:
    """A table as it is printed on a terminal of so many columns, or to a file."""
    console = Terminal()
    console.file = io.StringIO()
    if columns is not None:
        console._force_terminal, console._color_system, console.width = True, None, columns
    show_table(console, "title", header, rows, numbers_from=numbers_from)
    return console.file.getvalue()


_words = st.lists(st.text("abcdefghij", min_size=1, max_size=60), min_size=1, max_size=6).map(" ".join)
_number = st.floats(allow_nan=False, allow_infinity=False).map(lambda x: f"{x:.4g}±{abs(x) / 7:.2g}")


@settings(max_examples=30)
@given(st.data(), st.integers(1, 3), st.integers(0, 8), st.integers(1, 4), st.integers(60, 120))
def test_numbers_stay_whole_and_texts_are_all_there(data, texts, numbers, rows, columns):
    header = [data.draw(_words) for _ in range(texts)] + [f"number {i}" for i in range(numbers)]
    cells = [
        [data.draw(_words) for _ in range(texts)] + [data.draw(_number) for _ in range(numbers)] for _ in range(rows)
    ]
    narrow, wide = table(header, cells, texts, columns), table(header, cells, texts, None)
    assert max(map(len, narrow.splitlines())) <= columns
    lines = wide.splitlines()[4:]
    for row in cells:
        for number in row[texts:]:
            assert re.search(rf"(?<!\S){re.escape(number)}(?!\S)", narrow)
        line = next(line for line in lines if all(cell in line for cell in row))
        lines.remove(line)  # a row each: nothing is folded where there is no width
    written = "".join(narrow.split())
    for letter in "abcdefghij":
        assert written.count(letter) >= sum(cell.count(letter) for row in cells for cell in row)


def test_a_long_step_does_not_push_the_numbers_of_a_cut_flow_out(tmp_path, examples, run):
    step = "two jets of which one has a name that goes on and on and would take all eighty columns"
    card = {
        "schema": "selection/1",
        "name": "long",
        "title": "A long step",
        "reference": "none",
        "require": [{"name": step, "all": [{"jets": {"pt": {"min": 30}}, "min_count": 2}]}],
    }
    (tmp_path / "sel.yaml").write_text(yaml.safe_dump(card))
    words = ["vectorize", str(examples / "w_lnu.root"), "--selection", "sel.yaml", "-o", "out.npz"]
    shown = on_terminal(words, 80, tmp_path)
    assert max(map(len, shown.splitlines())) <= 80
    header = next(line for line in shown.splitlines() if "sum of weights" in line)
    assert "events" in header
    assert "of all" in header
    assert re.search(r"two jets .* \d+ +[\d.]+ +\d+\.\d\d% *\n", shown)
    piped = run(*words, "--force").stdout
    assert re.search(rf"{step} +\d+ +[\d.]+ +\d+\.\d\d%", piped)


def test_titles_of_a_list_are_readable_at_80_columns(tmp_path):
    shown = on_terminal(["list", "analyses"], 80, tmp_path)
    assert max(map(len, shown.splitlines())) <= 80
    assert re.search(r"^  atlas_2023_ad_two_body +search +Two-body invariant +2307.01612 *$", shown, re.MULTILINE)


def test_names_that_drive_a_terminal_are_shown(tmp_path, examples, run):
    evil = "a\x1b[31mRED\x1b]0;pwned\x07\nVERDICT: excluded.h5"
    shown = r"a\x1b[31mRED\x1b]0;pwned\x07\x0aVERDICT: excluded.h5"
    missing = run("inspect", evil, code=4)
    assert missing.stderr == f"hepad: {shown}: no such file\n"
    (tmp_path / evil).write_bytes((examples / "a4l.h5").read_bytes()[:5000])
    assert shown in run("inspect", evil, code=4).stderr
    (tmp_path / evil).write_bytes((examples / "a4l.h5").read_bytes())
    assert run("inspect", evil).stdout.startswith(f"{shown}: adc2021, 4670 entries\n")
    assert "\x1b" not in run("inspect", evil, "--json").stdout
    usage = run("inspect", "--no-such-\x1b[31m", code=2)
    assert "\x1b" not in usage.stderr


def test_a_reader_that_leaves_is_no_fault(tmp_path):
    for command in ("hepad list models", "hepad fit -h", "hepad list fits --json"):
        done = shell(f"{command} | true", tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (141, "", "")


def test_closed_full_and_plain_streams(tmp_path):
    closed = shell("hepad list models >&-", tmp_path)
    assert (closed.returncode, closed.stderr) == (0, "")
    assert shell("hepad list models <&- >&- 2>&-", tmp_path).returncode == 0
    plain = shell(
        "hepad list models; hepad inspect 5\u00b11 caf\u00e9; hepad inspect h\u2080\u2192\u03c4\u00e9",
        tmp_path,
        PYTHONIOENCODING="ascii",
    )
    assert re.search(r"^. dnn_ae ", plain.stdout, re.MULTILINE)
    assert plain.stderr == "hepad: 5+-1: no such file\nhepad: h0->tau\\xe9: no such file\n"
    if Path("/dev/full").exists():
        full = shell("hepad list models >/dev/full", tmp_path)
        assert full.returncode == 2
        assert "No space left" in full.stderr or "disk is full" in full.stderr
        assert full.stderr.count("\n") == 1
    debug = shell("hepad --debug inspect nowhere.root", tmp_path)
    assert "Traceback" in debug.stderr


@pytest.mark.parametrize("value", ["0", "-1", "four"])
def test_a_number_of_threads_that_is_none_is_named(run, monkeypatch, value):
    monkeypatch.setenv("NUMBA_NUM_THREADS", value)
    said = run("list", code=2).stderr
    assert said.startswith(f"hepad: NUMBA_NUM_THREADS='{value}' in the environment")
    assert said.count("\n") == 1


def test_figures_are_files_whatever_backend_a_notebook_wants(tmp_path):
    # The standard streams are closed too: no output may take their places.
    words = "limit --signal 1 --background 50 --data 50 -o out"
    done = shell(f"hepad {words} <&- >&- 2>&-", tmp_path, MPLBACKEND="module://no_such.backend")
    assert done.returncode == 0
    assert (tmp_path / "out" / "limit.png").is_file()
    assert (tmp_path / "out" / "limit.json").read_text().startswith("{")


def test_lists_of_files_may_have_comments(run, examples):
    found = run("inspect", "-", stdin=f"# my files\n\n  {examples / 'a4l.h5'}  \n#{examples / 'w_lnu.root'}\n")
    assert found.stdout.count("entries") == 1
    nothing = run("inspect", "-", code=2, stdin="# all were left out\n\n")
    assert nothing.stderr == "hepad: no name of a file was given; '-' reads names from stdin, one a line\n"
