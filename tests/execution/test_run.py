"""Runs of a job in this process: order, going on, faults, counts."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, current_thread, main_thread

import awkward as ak
import numpy as np
import pytest

from hepad import threads
from hepad.errors import CountError, InputDataError, InterruptedRunError, OutputError, UsageError
from hepad.execution import units
from hepad.execution.executor import Execution
from hepad.execution.parts import Part
from hepad.execution.run import Run
from hepad.execution.store import RunFolder
from hepad.execution.units import Step, Unit, Worker, stamps
from hepad.io.reader import expand_files, open_events, read_chunks, unit_edges
from hepad.pipeline.score import ScoreOptions, score
from hepad.provenance import FileRecords

SKIP = Execution(skip_bad_files=True)


@dataclass(frozen=True)
class EntryJob:
    """Gives back file and entry of each event, and counts what it makes; may lose an event."""

    made: list[tuple[int, int]]
    lose: bool = False

    def prepare(self) -> Step:
        return Step({"met": {"pt"}}, self._make)

    def _make(self, chunk) -> Part:
        entry = ak.to_numpy(chunk.events.index)
        self.made.append((chunk.file, int(entry[0])))
        rows = entry[self.lose :]
        columns = {"file": np.full(len(rows), chunk.file), "entry": rows}
        return Part(len(rows), columns, {"met": np.array([ak.sum(chunk.events.met.pt)])})


@pytest.fixture
def files(examples: Path, tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.root" for name in "abc"]
    for path in paths:
        shutil.copy(examples / "w_lnu.root", path)
    return paths


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def damage_met(path: Path) -> None:
    """Spoil the second of the two baskets of MissingET.MET, and leave the size as it is."""
    import uproot

    with uproot.open(path) as file:
        seek = int(file["Delphes/MissingET.MET"].member("fBasketSeek")[1])
    with path.open("r+b") as stream:
        stream.seek(seek + 100)
        stream.write(b"\xff" * 400)


def rows(parts) -> list[tuple[int, int]]:
    return [
        pair
        for p in parts
        for pair in zip(p.part.columns["file"].tolist(), p.part.columns["entry"].tolist(), strict=True)
    ]


def test_parts_come_in_the_order_of_files_and_entries(files) -> None:
    found = rows(Run(EntryJob([]), files, 1000))
    assert found == [(file, entry) for file in range(3) for entry in range(6173)]


@pytest.mark.parametrize("limit", [1, 1000, 6173, 7000, 50_000])
def test_max_events_counts_over_all_files(files, limit) -> None:
    found = rows(Run(EntryJob([]), files, 1000, limit))
    assert found == [(file, entry) for file in range(3) for entry in range(6173)][:limit]


def test_progress_counts_every_event_once(files) -> None:
    told: list[tuple[int, int | None]] = []
    list(Run(EntryJob([]), files, 1000, on_events=lambda *said: told.append(said)))
    assert sum(events for events, _ in told) == 3 * 6173
    assert {of for _, of in told} == {3 * 6173}  # of equal files, one says how many are in all


def test_what_is_not_opened_is_expected_by_its_size(files, write_slim) -> None:
    told: list[int | None] = []
    small = write_slim()
    list(Run(EntryJob([]), [small, files[0]], 1000, on_events=lambda _, of: told.append(of)))
    sizes = [Path(path).stat().st_size for path in (small, files[0])]
    assert told[0] == round(3 * (1 + sizes[1] / sizes[0]))
    assert told[-1] == 3 + 6173


def test_a_lost_event_is_found(files) -> None:
    with pytest.raises(CountError, match=r"999 events came of the entries 0 to 1000; nothing was written"):
        list(Run(EntryJob([], lose=True), files, 1000))


def test_an_empty_file_among_others_is_no_fault(files, write_slim) -> None:
    found = rows(Run(EntryJob([]), [files[0], _empty(write_slim), files[1]], 5000))
    assert [file for file, entry in found if entry == 0] == [0, 2]


def _empty(write_slim) -> Path:
    names = ("Jet.PT", "Jet.Eta", "Jet.Phi", "Jet.Mass", "Electron.PT", "Electron.Eta", "Electron.Phi")
    names += ("Muon.PT", "Muon.Eta", "Muon.Phi", "MissingET.MET", "MissingET.Phi", "Weight.Weight")
    return write_slim("empty.root", **{name.replace(".", "_"): [] for name in names})


def test_nothing_at_all_is_refused_and_leaves_nothing(write_slim, tmp_path) -> None:
    empty = _empty(write_slim)
    with pytest.raises(InputDataError, match="no entries"), RunFolder.of(tmp_path / "out.root") as folder:
        list(Run(EntryJob([]), [empty], 1000, store=folder.store("job", {"key": 1})))
    assert list(tmp_path.iterdir()) == [empty]


@pytest.mark.parametrize("spoil", [truncate, damage_met, lambda path: path.write_bytes(b"")])
def test_a_bad_file_stops_the_run_or_is_left_out(files, spoil) -> None:
    spoil(files[1])
    with pytest.raises(InputDataError, match=r"b\.root.*--skip-bad-files"):
        list(Run(EntryJob([]), files, 1000))
    run = Run(EntryJob([]), files, 1000, execution=SKIP)
    found = rows(run)
    assert found == [(file, entry) for file in (0, 2) for entry in range(6173)]  # nor the good part of the bad file
    (skipped,) = run.skipped
    assert (skipped.file, skipped.name) == (1, "b.root")
    assert str(files[1].parent) not in skipped.reason


def test_when_all_files_are_bad_there_is_no_result(files) -> None:
    for path in files:
        truncate(path)
    files[2].write_bytes(b"of another kind")
    with pytest.raises(InputDataError, match=r"none of the 3 files can be used: a\.root: .*c\.root is ") as caught:
        list(Run(EntryJob([]), files, 1000, execution=SKIP))
    assert "b.root" not in str(caught.value)  # as the first


def test_a_file_that_changes_while_it_is_read_is_refused(files) -> None:
    unit = Unit(0, files[0], stamps(files)[0], 1000)
    os.utime(files[0], ns=(1, 1))
    outcome = Worker(EntryJob([])).do(unit)
    assert "changed while it was read" in str(outcome.error)


def test_one_unit_is_read_ahead_and_no_more(files, monkeypatch) -> None:
    with closing(open_events(files[0])) as source:
        edges = unit_edges(source, {"met": {"pt"}}, 1000)
    begun = [Event() for _ in edges[:-1]]

    def read(source, fields, *, step_size, start, stop):
        begun[edges.index(start)].set()
        yield from read_chunks(source, fields, step_size=step_size, start=start, stop=stop)

    class Waiting(EntryJob):
        def _make(self, chunk) -> Part:
            following = edges.index(int(chunk.events.index[0])) + 1
            assert all(each.wait(20) for each in begun[following : following + 1])
            assert not any(each.is_set() for each in begun[following + 1 :])
            return super()._make(chunk)

    monkeypatch.setattr(units, "read_chunks", read)
    monkeypatch.setattr(threads, "cores", lambda: [0, 1])
    assert rows(Run(Waiting([]), files[:1], 1000)) == [(0, entry) for entry in range(6173)]


def test_on_one_core_nothing_is_read_ahead(files, monkeypatch) -> None:
    read_by = []

    def read(source, fields, *, step_size, start, stop):
        read_by.append((start, current_thread()))
        yield from read_chunks(source, fields, step_size=step_size, start=start, stop=stop)

    class Waiting(EntryJob):
        def _make(self, chunk) -> Part:
            assert read_by[-1] == (int(chunk.events.index[0]), main_thread())
            return super()._make(chunk)

    monkeypatch.setattr(units, "read_chunks", read)
    monkeypatch.setattr(threads, "cores", lambda: [3])
    assert rows(Run(Waiting([]), files[:1], 1000)) == [(0, entry) for entry in range(6173)]


def test_what_was_read_ahead_in_vain_is_no_fault(files, monkeypatch) -> None:
    def read(source, fields, *, step_size, start, stop):
        if start == 1000:
            raise InputDataError("damaged")
        yield from read_chunks(source, fields, step_size=step_size, start=start, stop=stop)

    monkeypatch.setattr(units, "read_chunks", read)
    worker = Worker(EntryJob([]), ahead=True)
    first = Unit(0, files[0], stamps(files)[0], 1000)
    edges = worker.do(first).edges
    outcomes = [worker.do(replace(first, place=place, edges=edges)) for place in (2, 0, 1)]
    worker.close()
    assert [outcome.part and outcome.part.events for outcome in outcomes] == [1000, 1000, None]
    assert str(outcomes[-1].error) == "damaged"


class Stop(Exception):
    """Stands for a fault that nobody foresaw."""


def interrupted(files, output: Path, after: int, error: BaseException, made=None) -> None:
    """Run until so many events have come; `made` are the places that were worked on."""
    with RunFolder.of(output) as folder:
        count = 0
        run = Run(EntryJob([] if made is None else made), files, 1000, store=folder.store("job", {"key": 1}))
        for piece in run:
            count += piece.part.events
            if count >= after:
                raise error


def go_on(files, output: Path, *, key: int = 1, force: bool = False, **options):
    made: list[tuple[int, int]] = []
    with RunFolder.of(output, force=force) as folder:
        found = rows(Run(EntryJob(made), files, 1000, store=folder.store("job", {"key": key}), **options))
    return found, made


@pytest.mark.parametrize(
    ("after", "error", "raised"),
    [
        (1000, KeyboardInterrupt(), InterruptedRunError),
        (6173, SystemExit(143), InterruptedRunError),
        (6000, OutputError("disk full"), OutputError),
        (9000, Stop(), Stop),
    ],
)
def test_a_run_goes_on_where_it_was_ended(files, tmp_path, after, error, raised) -> None:
    output = tmp_path / "out.root"
    with pytest.raises(raised) as caught:
        interrupted(files, output, after, error, before := [])
    if raised is InterruptedRunError:
        assert caught.value.exit_code == (143 if isinstance(error, SystemExit) else 130)
        assert "out.root.run" in str(caught.value)
    found, made = go_on(files, output)
    assert found == [(file, entry) for file in range(3) for entry in range(6173)]
    list(Run(EntryJob(every := []), files, 1000))
    assert before
    assert before + made == every
    assert not (tmp_path / "out.root.run").exists()


def test_another_run_is_not_mixed_in(files, tmp_path) -> None:
    output = tmp_path / "out.root"
    with pytest.raises(InterruptedRunError):
        interrupted(files, output, 3000, KeyboardInterrupt())
    for other in ({"key": 2}, {"max_events": 7000}):
        with pytest.raises(UsageError, match="--force"):
            go_on(files, output, **other)
    with pytest.raises(UsageError, match="--force"):
        go_on(files[:2], output)
    found, made = go_on(files, output, key=2, force=True)
    assert len(found) == 3 * 6173
    assert len(made) == 21


def test_a_file_that_was_replaced_is_read_again(files, tmp_path) -> None:
    output = tmp_path / "out.root"
    with pytest.raises(InterruptedRunError):
        interrupted(files, output, 9000, KeyboardInterrupt())
    os.utime(files[0])
    _, made = go_on(files, output)
    assert [file for file, _ in made[:7]] == [0] * 7
    assert (1, 0) not in made


@pytest.mark.parametrize("spoil", ["cut", "flip", "gone", "line"])
def test_a_damaged_part_is_made_again(files, tmp_path, spoil) -> None:
    output = tmp_path / "out.root"
    with pytest.raises(InterruptedRunError):
        interrupted(files, output, 4000, KeyboardInterrupt())
    part = tmp_path / "out.root.run" / "job" / "0-2.safetensors"
    journal = part.with_name("journal.jsonl")
    if spoil == "cut":
        os.truncate(part, 100)
    elif spoil == "flip":
        data = bytearray(part.read_bytes())
        data[-5] ^= 1
        part.write_bytes(data)
    elif spoil == "gone":
        part.unlink()
    else:
        lines = journal.read_text().splitlines()
        journal.write_text("\n".join([*lines[:2], lines[2][:20], *lines[3:]]) + "\n" + lines[0][:17])
    found, made = go_on(files, output)
    assert found == [(file, entry) for file in range(3) for entry in range(6173)]
    assert made[0] == (0, 2000)
    assert (0, 1000) not in made
    assert (0, 3000) not in made


def test_a_good_copy_of_a_bad_file_is_gone_on_with(files, examples, tmp_path) -> None:
    output = tmp_path / "out.root"
    truncate(files[1])
    with pytest.raises(InputDataError, match=r"what is done is kept in .*out\.root\.run"):
        go_on(files, output)
    shutil.copy(examples / "w_lnu.root", files[1])
    found, made = go_on(files, output)
    assert len(found) == 3 * 6173
    assert (0, 0) not in made


def test_what_was_refused_in_the_end_leaves_nothing(files, tmp_path) -> None:
    output = tmp_path / "out.root"

    def refuse() -> None:
        with RunFolder.of(output) as folder:
            list(Run(EntryJob([]), files, 1000, store=folder.store("job", {})))
            raise InputDataError("nothing passes")

    with pytest.raises(InputDataError, match=r"^nothing passes$"):
        refuse()
    assert not (tmp_path / "out.root.run").exists()


def test_two_processes_do_not_make_one_output(files, tmp_path) -> None:
    with RunFolder.of(tmp_path / "out.root"):
        with pytest.raises(UsageError, match="another process is making"):
            go_on(files, tmp_path / "out.root")
        assert (tmp_path / "out.root.run").exists()


def test_the_plan_says_what_a_run_is_of(files, tmp_path) -> None:
    output = tmp_path / "out.root"
    with pytest.raises(InterruptedRunError):
        interrupted(files, output, 2000, KeyboardInterrupt())
    plan = json.loads((tmp_path / "out.root.run" / "job" / "plan.json").read_text())
    assert plan == {"files": [str(path) for path in files], "key": 1, "max_events": None, "step_size": 1000}


def test_a_folder_of_somebody_else_is_not_touched(files, tmp_path) -> None:
    mine = tmp_path / "out.root.run" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(OutputError, match="is in the way"):
        go_on(files, tmp_path / "out.root", force=True)
    assert mine.read_text() == "mine"


def test_what_a_killed_process_was_writing_is_cleared(files, tmp_path) -> None:
    output = tmp_path / "out.root"
    with pytest.raises(InterruptedRunError):
        interrupted(files, output, 2000, KeyboardInterrupt())
    (tmp_path / "out.root.run" / ".out.x1y2.root").write_bytes(b"half")
    go_on(files, output)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".", "out"))]


def test_a_hard_link_is_the_same_file_given_twice(files, tmp_path) -> None:
    (tmp_path / "link.root").hardlink_to(files[1])
    with pytest.raises(UsageError, match=r"link\.root is given twice"):
        expand_files([str(files[1]), str(tmp_path / "link.root")])


def test_a_file_that_changes_after_it_was_read_is_refused(tmp_path, files) -> None:
    """Its hash may be that of the new one."""
    shutil.copy(files[1], tmp_path / "a.root")
    path = tmp_path / "a.root"
    options = ScoreOptions(output=tmp_path / "s.root", step_size=300, on_events=lambda *_: os.utime(path, ns=(0, 0)))
    with pytest.raises(InputDataError, match=r"a\.root: changed while it was read; run again"):
        score([str(path)], "dnn_ae", options=options)
    assert not (tmp_path / "s.root").exists()


def test_records_are_of_files_that_stayed_as_they_were(tmp_path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1")
    records = FileRecords([path])
    assert [record["bytes"] for record in records.wait()] == [1]
    os.utime(path, ns=(0, 0))
    with pytest.raises(InputDataError, match="changed while it was read"):
        records.wait()
    assert records.wait({0: "bad"})[0]["skipped"] == "bad"


def test_copies_of_a_file_are_warned_of(files, examples, data, caplog) -> None:
    records = FileRecords([*files, data / "hpm_taunu_0.root"])
    assert len(records.wait()) == len(records.wait({1: "bad"})) == 4
    assert [record.message for record in caplog.records] == [
        "a.root, b.root, c.root have the same content: their events count as often"
    ]
    FileRecords(files[:2]).wait({1: "bad"})
    assert len(caplog.records) == 1
