"""Files and folders are written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from hepad.errors import OutputError
from hepad.output.atomic import atomic_folder as any_folder
from hepad.output.atomic import atomic_path, check_file, check_folder, replacing
from hepad.provenance import Invocation, recording


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=[KeyboardInterrupt, SystemExit, ValueError, MemoryError])
def interruption(request):
    return request.param("now")


def write_half_a_file(target, error):
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error


def atomic_folder(target):
    """The folder of a bundle."""
    return any_folder(target, verb="train")


def write_half_a_folder(target, error):
    with atomic_folder(target) as folder:
        (folder / "card.json").write_text("half")
        raise error


def test_a_file_appears_when_complete(tmp_path):
    target = tmp_path / "out.root"
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".root"
        temporary.write_text("whole")
        assert not target.exists()
    assert names(tmp_path) == ["out.root"]
    assert target.read_text() == "whole"


def test_a_file_gets_the_permissions_of_an_ordinary_one(tmp_path):
    old = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "out.json") as temporary:
            temporary.write_text("{}")
        with atomic_folder(tmp_path / "bundle"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "out.json").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "bundle").stat().st_mode) == 0o750


def test_an_interrupted_file_leaves_nothing(tmp_path, interruption):
    target = tmp_path / "out.root"
    with pytest.raises(type(interruption)):
        write_half_a_file(target, interruption)
    assert names(tmp_path) == []


def test_an_interrupted_file_keeps_the_one_before(tmp_path, interruption):
    target = tmp_path / "out.root"
    target.write_text("before")
    with pytest.raises(type(interruption)):
        write_half_a_file(target, interruption)
    assert names(tmp_path) == ["out.root"]
    assert target.read_text() == "before"


def test_a_complete_file_replaces_the_one_before(tmp_path):
    target = tmp_path / "out.root"
    target.write_text("before")
    with atomic_path(target) as temporary:
        temporary.write_text("after")
    assert target.read_text() == "after"


def test_a_missing_folder_is_named(tmp_path):
    for make in (atomic_path, atomic_folder):
        with (
            pytest.raises(OutputError, match=r"nowhere/out.*folder .*nowhere does not exist"),
            make(tmp_path / "nowhere" / "out"),
        ):
            pytest.fail("the block must not run")


def test_a_folder_or_device_is_no_file(tmp_path):
    with pytest.raises(OutputError, match="is a folder or a device"), atomic_path(tmp_path):
        pytest.fail("the block must not run")
    with pytest.raises(OutputError, match="is a folder or a device"), atomic_path(Path(os.devnull), verb="score"):
        pytest.fail("the block must not run")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match="is a file"),
        atomic_folder(tmp_path / "file"),
    ):
        pytest.fail("the block must not run")


@pytest.mark.parametrize("make", [atomic_path, atomic_folder])
def test_a_folder_without_permission_is_reported(tmp_path, make, monkeypatch):
    # A superuser may write anywhere, so the system's answer is put in its mouth.
    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / ".out.x"))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(OutputError, match="out: Permission denied"), make(tmp_path / "out"):
        pytest.fail("the block must not run")
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="a superuser may write anywhere")
def test_a_folder_without_permission_is_reported_by_the_system(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="Permission denied"), atomic_path(tmp_path / "out"):
            pytest.fail("the block must not run")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path):
    target = tmp_path / "out.root"
    target.write_text("before")
    with pytest.raises(OutputError, match=r"out\.root: No space left on device") as caught, atomic_path(target):
        Path("/dev/full").write_text("x")
    assert caught.value.exit_code == 2
    assert names(tmp_path) == ["out.root"]
    assert target.read_text() == "before"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_storage_errors_in_a_folder_are_reported(tmp_path, code):
    with pytest.raises(OutputError, match=f"bundle: {os.strerror(code)}"):
        write_half_a_folder(tmp_path / "bundle", OSError(code, os.strerror(code)))
    assert names(tmp_path) == []


def test_an_error_about_another_file_is_not_blamed_on_the_output(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"input\.root"), atomic_path(tmp_path / "out.root"):
        (tmp_path / "input.root").read_bytes()
    assert names(tmp_path) == []


def test_an_error_about_the_temporary_is(tmp_path):
    with pytest.raises(OutputError, match=r"out\.root: No such file"), atomic_path(tmp_path / "out.root") as temporary:
        temporary.unlink()
    with (
        pytest.raises(OutputError, match="bundle: No such file"),
        atomic_folder(tmp_path / "bundle") as folder,
    ):
        (folder / "deep" / "file").write_text("")
    assert names(tmp_path) == []


def test_a_folder_appears_when_complete(tmp_path):
    target = tmp_path / "bundle"
    with atomic_folder(target) as folder:
        (folder / "card.json").write_text("{}")
        assert not target.exists()
    assert names(tmp_path) == ["bundle"]
    assert names(target) == ["SHA256SUMS", "card.json"]


def bundle_before(tmp_path):
    target = tmp_path / "bundle"
    with atomic_folder(target) as folder:
        (folder / "card.json").write_text("before")
        (folder / "loss.png").write_text("")
    return target


def test_a_complete_folder_replaces_the_one_before(tmp_path):
    target = bundle_before(tmp_path)
    with atomic_folder(target) as folder:
        (folder / "card.json").write_text("after")
    assert names(tmp_path) == ["bundle"]
    assert names(target) == ["SHA256SUMS", "card.json"]
    assert (target / "card.json").read_text() == "after"


def test_an_empty_folder_may_be_filled(tmp_path, monkeypatch):
    (tmp_path / "bundle").mkdir()
    monkeypatch.chdir(tmp_path)  # a relative name is what users type
    with atomic_folder(Path("bundle")) as folder:
        (folder / "card.json").write_text("{}")
    assert names(tmp_path / "bundle") == ["SHA256SUMS", "card.json"]
    assert names(tmp_path) == ["bundle"]


def test_an_interrupted_folder_keeps_the_one_before(tmp_path, interruption):
    target = bundle_before(tmp_path)
    with pytest.raises(type(interruption)):
        write_half_a_folder(target, interruption)
    assert names(tmp_path) == ["bundle"]
    assert (target / "card.json").read_text() == "before"


@pytest.mark.parametrize("content", [["thesis.tex"], ["card.json", "notes.txt"], ["card.json", "data/events.root"]])
def test_a_folder_of_the_users_own_is_never_replaced(tmp_path, content):
    target = tmp_path / "work"
    for name in content:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text("mine")
    with (
        pytest.raises(OutputError, match="which hepad did not write"),
        atomic_folder(target) as folder,
    ):
        (folder / "card.json").write_text("{}")
    assert all((target / name).read_text() == "mine" for name in content)
    assert names(tmp_path) == ["work"]


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EBUSY, "Device or resource busy")])
def test_a_swap_that_fails_half_way_brings_the_old_folder_back(tmp_path, monkeypatch, failing, error):
    target = bundle_before(tmp_path)
    real, calls = Path.replace, []

    def replace(self, to):
        calls.append(to)
        if len(calls) == failing:
            error.filename = str(target)
            raise error
        return real(self, to)

    monkeypatch.setattr(Path, "replace", replace)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else OutputError
    with pytest.raises(expected), atomic_folder(target) as folder:
        (folder / "card.json").write_text("after")
    assert names(tmp_path) == ["bundle"]
    assert (target / "card.json").read_text() == "before"


def made(target, **files):
    """A folder that `hepad train` wrote."""
    with atomic_folder(target) as folder:
        for name, text in files.items():
            path = folder / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    return target


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def changed_file(folder):
    (folder / "card.json").write_text("my own notes")
    return "card.json", "my own notes"


def file_of_a_usual_name(folder):
    (folder / "mine.png").write_text("my figure")
    return "mine.png", "my figure"


def file_of_another_command(folder):
    (folder / "SHA256SUMS").write_text((folder / "SHA256SUMS").read_text().replace("hepad train", "hepad limit"))
    return "card.json", "before"


def link(folder):
    (folder / "card.json").rename(folder.parent / "elsewhere")
    (folder / "card.json").symlink_to("../elsewhere")
    return "card.json", "before"


def deep(folder):
    (folder / "data" / "more").mkdir(parents=True)
    (folder / "data" / "more" / "events.root").write_text("events")
    return "data/more/events.root", "events"


def sums_of_the_users_own(folder):
    (folder / "SHA256SUMS").write_text("0123  thesis.tex\n")
    return "SHA256SUMS", "0123  thesis.tex\n"


@pytest.mark.parametrize(
    "change", [changed_file, file_of_a_usual_name, file_of_another_command, link, deep, sums_of_the_users_own]
)
def test_only_what_the_same_command_wrote_is_replaced_and_force_keeps_the_rest(tmp_path, change, caplog):
    target = made(tmp_path / "out", card_json="before", loss_png="loss")
    name, text = change(target)
    before = contents(target)
    with pytest.raises(OutputError, match=rf"out holds {name}, which hepad did not write.*--force"):
        made(target, card_json="after")
    with pytest.raises(OutputError, match="which hepad did not write"):
        check_folder(target, verb="train")
    assert contents(target) == before
    with replacing():
        check_folder(target, verb="train")
        made(target, card_json="after")
    after = contents(target)
    assert after["card.json"] == "after"
    assert "hepad train" in after["SHA256SUMS"]
    kept = name if name not in ("card.json", "SHA256SUMS") else f"{name}.~1~"
    assert after[kept] == text
    assert (f"{target}/{name} was not written by 'hepad train'" in caplog.text) == (kept != name)
    if change in (file_of_a_usual_name, deep):
        assert "loss.png" not in after  # of the run before, and ours: replaced
    with replacing():  # what was kept stays, however often
        made(target, card_json="again")
    assert contents(target)[kept] == text


def test_a_folder_of_the_same_command_is_replaced_whole(tmp_path):
    target = made(tmp_path / "out", card_json="before", sub__a_png="figure")
    check_folder(target, verb="train")
    made(target, card_json="after")
    assert contents(target).keys() == {"SHA256SUMS", "card.json"}
    sums = (target / "SHA256SUMS").read_text().splitlines()
    assert sums == ["# written by: hepad train", f"{hashlib.sha256(b'after').hexdigest()}  card.json"]


def test_what_comes_while_a_folder_is_swapped_is_not_lost(tmp_path, monkeypatch):
    target = made(tmp_path / "out", card_json="before")
    real = Path.replace

    def replace(self, to):
        if self == target:
            (target / "late.txt").write_text("late")
        return real(self, to)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OutputError, match="written to by others"):
        made(target, card_json="after")
    assert {"card.json": "before", "late.txt": "late"}.items() <= contents(target).items()
    assert names(tmp_path) == ["out"]


def record(verb):
    return json.dumps({"x": 1, "provenance": {"hepad": "0", "packages": {}, "command": f"hepad {verb} --n 1"}})


def write_file(target, text):
    check_file(target, verb="discovery")
    with atomic_path(target, verb="discovery") as temporary:
        temporary.write_text(text)


@pytest.mark.parametrize("foreign", ["my own", record("limit"), record("discovery2"), "{", '{"provenance": 3}'])
def test_a_file_of_another_maker_is_kept(tmp_path, foreign, caplog):
    target = tmp_path / "out.json"
    target.write_text(foreign)
    with pytest.raises(OutputError, match=r"out\.json is there, and 'hepad discovery' did not write it.*--force"):
        write_file(target, record("discovery"))
    assert names(tmp_path) == ["out.json"]
    with replacing():
        write_file(target, record("discovery"))
    assert (target.read_text(), (tmp_path / "out.json.~1~").read_text()) == (record("discovery"), foreign)
    assert "kept as" in caplog.text
    write_file(target, record("discovery") + "\n")  # its own needs no force, and is not kept
    assert target.read_text().endswith("\n")
    assert names(tmp_path) == ["out.json", "out.json.~1~"]


def write_late(target):
    with atomic_path(target, verb="score") as temporary:
        temporary.write_text("ours")
        target.write_text("theirs")


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_meanwhile_is_not_written_over(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr("os.link", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    with pytest.raises(OutputError, match="did not write it"):
        write_late(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "theirs"
    with atomic_path(tmp_path / "b", verb="score") as temporary:
        temporary.write_text("ours")
    assert names(tmp_path) == ["a", "b"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "card.json").write_text("mine")
    with replacing():
        made(tmp_path / "mine", card_json="ours")
    assert contents(tmp_path / "mine")["card.json.~1~"] == "mine"


@pytest.mark.parametrize("make", [lambda path: atomic_path(path, verb="score"), atomic_folder])
def test_no_output_goes_through_a_link_or_among_devices(tmp_path, make):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    for name, leads_to in (("a", "folder"), ("b", "file"), ("c", "nowhere"), ("d", "/dev/null")):
        (tmp_path / name).symlink_to(leads_to)
    for forced in (False, True):
        for name in "abcd":
            with replacing(forced), pytest.raises(OutputError, match=rf"{name} is a (link|folder or a device)"):
                make(tmp_path / name).__enter__()
        for place in ("/proc/x", "/dev/x.root", "/sys/x"):
            with replacing(forced), pytest.raises(OutputError, match=f"cannot write there: {place}"):
                make(Path(place)).__enter__()
    (tmp_path / "e").symlink_to("/dev")  # a folder on the way may be a link, but not to there
    with pytest.raises(OutputError, match="cannot write there"):
        make(tmp_path / "e" / "x").__enter__()
    (tmp_path / "f").symlink_to("folder")
    with make(tmp_path / "f" / "x"):
        pass
    assert (tmp_path / "file").read_text() == "mine"
    assert names(tmp_path) == ["a", "b", "c", "d", "e", "f", "file", "folder"]


def test_an_input_within_the_folder_is_no_output(tmp_path):
    target = made(tmp_path / "out", card_json="before")
    with (
        recording(Invocation("train", ((target / "card.json",),))),
        pytest.raises(OutputError, match=r"out holds card\.json, which is an input"),
    ):
        check_folder(target, verb="train")
