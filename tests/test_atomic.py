"""Files and folders are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from hepad.errors import OutputError
from hepad.io.atomic import atomic_folder as any_folder
from hepad.io.atomic import atomic_path


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
    return any_folder(target, ours=("card.json", "*.safetensors", "loss.png"))


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
    with pytest.raises(OutputError, match="is a folder or a device"), atomic_path(Path(os.devnull)):
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
    assert names(target) == ["card.json"]


def bundle_before(tmp_path):
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "card.json").write_text("before")
    (target / "loss.png").write_text("")
    return target


def test_a_complete_folder_replaces_the_one_before(tmp_path):
    target = bundle_before(tmp_path)
    with atomic_folder(target) as folder:
        (folder / "card.json").write_text("after")
    assert names(tmp_path) == ["bundle"]
    assert names(target) == ["card.json"]
    assert (target / "card.json").read_text() == "after"


def test_an_empty_folder_may_be_filled(tmp_path, monkeypatch):
    (tmp_path / "bundle").mkdir()
    monkeypatch.chdir(tmp_path)  # a relative name is what users type
    with atomic_folder(Path("bundle")) as folder:
        (folder / "card.json").write_text("{}")
    assert names(tmp_path / "bundle") == ["card.json"]
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
