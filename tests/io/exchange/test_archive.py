"""Archives: equal files give equal bytes, and whatever was altered or is unsafe is refused and leaves nothing."""

from __future__ import annotations

import json
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hepad.errors import HepadError, InputDataError, OutputError
from hepad.io.exchange import archive as module
from hepad.io.exchange.archive import MANIFEST, pack_files, unpack_files
from hepad.provenance import sha256_bytes, sha256_file

FILES = {"analyses/a.yaml": b"name: a\n", "bundles/b/card.json": b"{}\n", "selections/s.yaml": b""}


def pack(folder: Path, files: dict[str, bytes] | None = None, target: str = "a.hepad.zip") -> Path:
    paths = {}
    for i, (name, data) in enumerate((files or FILES).items()):
        paths[name] = folder / f"source{i}"
        paths[name].write_bytes(data)
    pack_files(folder / target, paths, name="a", card="analyses/a.yaml", provenance={"hepad": "x"})
    return folder / target


def refused(source: Path, match: str = ".") -> None:
    """The archive is refused, and there is nothing where it would have gone, half-written or not."""
    before = sorted(source.parent.iterdir())
    with pytest.raises(InputDataError, match=match):
        unpack_files(source, source.parent / "out")
    assert sorted(source.parent.iterdir()) == before


def rewritten(source: Path, change: Callable[[list[tuple[zipfile.ZipInfo, bytes]]], Any], **options: Any) -> Path:
    """The archive written again with `change` made to its members, in a form that zip tools take."""
    with zipfile.ZipFile(source) as old:
        members = [(info, old.read(info)) for info in old.infolist()]
    change(members)
    target = source.with_name("evil.zip")
    with zipfile.ZipFile(target, "w") as new, pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # zipfile warns of names given twice
        for info, data in members:
            new.writestr(info, data, **options)
    return target


def with_manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[[list[tuple[zipfile.ZipInfo, bytes]]], None]:
    """A change of the manifest."""

    def apply(members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
        content = json.loads(members[0][1])
        change(content)
        members[0] = (members[0][0], json.dumps(content).encode())

    return apply


def member(name: str, data: bytes = b"x") -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
    return info, data


def smuggle(name: str, data: bytes = b"x") -> Callable[[list[tuple[zipfile.ZipInfo, bytes]]], None]:
    """Add a file, and say so in the manifest, as somebody would who alters an archive on purpose."""

    def apply(members: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
        def add(content: dict[str, Any]) -> None:
            content["files"].append({"path": name, "bytes": len(data), "sha256": sha256_bytes(data)})
            content["files"].sort(key=lambda entry: str(entry["path"]))

        with_manifest(add)(members)
        members.append(member(name, data))
        members[1:] = sorted(members[1:], key=lambda pair: pair[0].filename)

    return apply


def test_what_is_packed_comes_out(tmp_path: Path) -> None:
    source = pack(tmp_path)
    manifest = unpack_files(source, tmp_path / "out", sha256=sha256_file(source).upper())
    found = {p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in (tmp_path / "out").rglob("*.*")}
    assert json.loads(found.pop(MANIFEST))["files"][0]["path"] == "analyses/a.yaml"
    assert found == FILES
    assert (manifest.name, manifest.card) == ("a", "analyses/a.yaml")


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    first = pack(tmp_path).read_bytes()
    (tmp_path / "source0").touch()
    assert pack(tmp_path, dict(reversed(FILES.items())), "b.zip").read_bytes() == first
    assert zipfile.ZipFile(tmp_path / "b.zip").testzip() is None


def test_any_zip_tool_reads_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(pack(tmp_path)) as archive:
        assert archive.namelist() == [MANIFEST, *sorted(FILES)]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())


def test_another_sha256_is_refused(tmp_path: Path) -> None:
    source = pack(tmp_path)
    with pytest.raises(InputDataError, match="its sha256 is not"):
        unpack_files(source, tmp_path / "out", sha256="0" * 64)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    source = pack(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(OutputError, match=r"holds mine\.txt"):
        unpack_files(source, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


BAD_NAMES = [
    "/etc/passwd.txt", "../out.txt", "a/../../out.txt", "a//b.txt", "./a.txt", "a\\b.txt", "C:/a.txt", "a/NUL.txt",
    "con.json", "aux/a.txt", "Com1.yaml", "a.txt.", "a/.hidden.txt", "~/a.txt", "a/b/c/d/e/f/g/h/i.txt",
    "x" * 120 + ".txt",
    "run.sh", "a.py", "a.pkl", "a.zip", "a.tar.gz", "a", "a b.txt", "ä.txt", "a\n.txt", "-rf.txt",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_unsafe_names_are_refused(tmp_path: Path, name: str) -> None:
    refused(rewritten(pack(tmp_path), smuggle(name)))
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(HepadError):
        pack_files(tmp_path / "b.zip", {name: tmp_path / "f"}, name="a", card=name, provenance={})
    assert not (tmp_path / "b.zip").exists()


@pytest.mark.parametrize("data", [b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c"])
def test_archives_within_are_refused(tmp_path: Path, data: bytes) -> None:
    refused(rewritten(pack(tmp_path), smuggle("a.txt", data)), "is an archive or compressed")
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(InputDataError, match="is an archive or compressed"):
        pack_files(tmp_path / "b.zip", {"a.txt": tmp_path / "f"}, name="a", card="a.txt", provenance={})


def test_a_smuggled_file_of_a_good_kind_is_told_by_the_sha256_of_the_whole_alone(tmp_path: Path) -> None:
    source = pack(tmp_path)
    evil = rewritten(source, smuggle("selections/t.yaml"))
    unpack_files(evil, tmp_path / "out")
    with pytest.raises(InputDataError, match="its sha256 is not"):
        unpack_files(evil, tmp_path / "out2", sha256=sha256_file(source))


def test_altered_missing_and_extra_files_are_refused(tmp_path: Path) -> None:
    source = pack(tmp_path)
    changed = rewritten(source, lambda m: m.__setitem__(1, (m[1][0], b"name: b\n")))
    refused(changed, r"analyses/a\.yaml does not match its sha256")
    refused(rewritten(source, lambda m: m.__setitem__(1, (m[1][0], b"name: ab\n"))), "the manifest says 8")
    refused(rewritten(source, lambda m: m.pop(2)), r"bundles/b/card\.json")
    refused(rewritten(source, lambda m: m.append(member("x.txt"))), r"x\.txt")
    refused(rewritten(source, lambda m: m.append(member(m[1][0].filename))), "twice")
    refused(rewritten(source, lambda m: m.append(member("Analyses/A.yaml"))), "twice")
    refused(rewritten(source, lambda m: m.reverse()), "an archive begins with")
    refused(rewritten(source, lambda m: m.pop(0)), "an archive begins with")


def test_altered_manifests_are_refused(tmp_path: Path) -> None:
    source = pack(tmp_path)
    for change, match in (
        (lambda c: c.update(schema="archive/2"), "schema"),
        (lambda c: c.update(run="x"), "unknown key"),
        (lambda c: c.update(card="selections/none.yaml"), "is not among the files"),
        (lambda c: c["files"].reverse(), "sorted"),
        (lambda c: c["files"][0].update(bytes=-1), "bytes"),
        (lambda c: c["files"][0].update(bytes=10**12), "bytes"),
        (lambda c: c["files"][0].update(sha256="../x"), "sha256"),
        (lambda c: c.update(name="../x"), "name"),
    ):
        refused(rewritten(source, with_manifest(change)), match)
    refused(rewritten(source, lambda m: m.__setitem__(0, (m[0][0], b"[" * 100_000))), "manifest")


def test_links_folders_and_devices_are_refused(tmp_path: Path) -> None:
    source = pack(tmp_path)
    for kind in (stat.S_IFLNK, stat.S_IFDIR, stat.S_IFCHR, stat.S_IFIFO, 0):

        def change(members: list[tuple[zipfile.ZipInfo, bytes]], kind: int = kind) -> None:
            members[1][0].external_attr = (kind | 0o644) << 16

        refused(rewritten(source, change), "is a link or no regular file")


def test_compressed_files_are_refused_whatever_they_would_grow_to(tmp_path: Path) -> None:
    bomb = rewritten(pack(tmp_path), smuggle("a.txt", bytes(10**7)), compress_type=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 10**5
    refused(bomb, "is encrypted or compressed")


def test_encrypted_files_are_refused(tmp_path: Path) -> None:
    source = pack(tmp_path)
    data = bytearray(source.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[6] |= 1
    data[central + 8] |= 1
    source.write_bytes(data)
    refused(source, "is encrypted")


def test_files_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """The overlapping bomb: many names for one content."""
    source = pack(tmp_path)
    data = bytearray(source.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    struct.pack_into("<I", data, second + 42, 0)
    source.write_bytes(data)
    refused(source)


@pytest.mark.parametrize("where", ["front", "end", "middle", "comment"])
def test_bytes_that_belong_to_no_file_are_refused(tmp_path: Path, where: str) -> None:
    source = pack(tmp_path)
    data = source.read_bytes()
    central = data.index(b"PK\x01\x02")
    if where == "comment":
        data = data[:-2] + struct.pack("<H", 4) + b"evil"
    elif where == "middle":
        end = len(data) - 22
        offset = struct.unpack_from("<I", data, end + 16)[0]
        data = data[:central] + b"evil" + data[central:end] + data[end : end + 16] + struct.pack("<IH", offset + 4, 0)
    else:
        data = b"#!/bin/sh\n" + data if where == "front" else data + b"evil"
    source.write_bytes(data)
    refused(source)


def test_too_large_and_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = pack(tmp_path)
    monkeypatch.setattr(module, "MAX_MEMBERS", 2)
    refused(source, "at most 2 files")
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    refused(source, "at most 100 bytes")


def test_no_archive_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"")
    refused(tmp_path / "a.zip", "not an archive")
    with pytest.raises(InputDataError, match="cannot be read"):
        unpack_files(tmp_path / "none.zip", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    refused(tmp_path / "empty.zip", "begins with")


def test_a_link_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("/etc/passwd")
    with pytest.raises(InputDataError, match="not a regular file"):
        pack_files(tmp_path / "b.zip", {"a.txt": tmp_path / "l"}, name="a", card="a.txt", provenance={})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(place=st.integers(0, 1200), change=st.integers(1, 255))
def test_no_changed_byte_gets_through(tmp_path: Path, place: int, change: int) -> None:
    """One byte anywhere: refused, or something that no content depends on, such as a time stamp."""
    source = tmp_path / "fuzz" / "a.zip"
    if not source.parent.exists():
        source.parent.mkdir()
    if not (tmp_path / "a.hepad.zip").exists():
        pack(tmp_path)
    data = bytearray((tmp_path / "a.hepad.zip").read_bytes())
    data[place % len(data)] ^= change
    source.write_bytes(data)
    out = tmp_path / "fuzz" / "out"
    try:
        unpack_files(source, out)
    except InputDataError:
        assert sorted(p.name for p in source.parent.iterdir()) == ["a.zip"]
        return
    found = {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*.*") if p.name != MANIFEST}
    (out / MANIFEST).unlink()
    for path in sorted(out.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    out.rmdir()
    assert found == FILES
