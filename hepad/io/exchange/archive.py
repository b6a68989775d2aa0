"""One archive of many files, with a manifest of their sizes and sha256: the same files give the same bytes.

It is a plain zip whose members are stored as they are, in order, without time stamps: any tool opens it, no version of
a compressor changes its bytes, and nothing in it can grow when it is unpacked. Reading accepts exactly that form and
nothing else: every byte of the file belongs to a member that the manifest names, so that nothing can hide in it.

A hash in the manifest finds damage; who may have changed the manifest too is found by the sha256 of the whole archive.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card, parse_card
from hepad.errors import CardError, InputDataError, OutputError
from hepad.io.text import first_line
from hepad.output.atomic import atomic_folder, atomic_path, check_file, check_folder
from hepad.provenance import sha256_bytes, sha256_file

__all__ = ["MANIFEST", "MAX_BYTES", "SUFFIXES", "Manifest", "Member", "pack_files", "unpack_files", "write_manifest"]

MANIFEST = "manifest.json"
_VERB = "analysis pack"
MAX_BYTES = 1 << 30
"""Largest archive in bytes, which is also the most that comes out of it."""
MAX_MEMBERS = 5_000
MAX_MANIFEST = 8 << 20

SUFFIXES = frozenset(
    {".yaml", ".json", ".safetensors", ".onnx", ".npz", ".csv", ".root", ".h5", ".parquet", ".lhe", ".hepmc"}
    | {".png", ".pdf", ".txt", ".md"}
)
"""Endings of what an analysis is made of; archives within an archive are not among them."""

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,99}")
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(10))})
_ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\x28\xb5\x2f\xfd")
_ZIP = b"PK"
_DATE = (1980, 1, 1, 0, 0, 0)
_LOCAL, _CENTRAL, _END = 30, 46, 22  # fixed lengths of the zip format's records, APPNOTE.TXT 4.3


class Member(Card):
    """One file: its path in the archive, size in bytes and sha256."""

    path: str
    bytes: int = Field(ge=0, le=MAX_BYTES)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(Card):
    """`manifest.json`: what the archive is of, which of its files is the card, all files, and who made it with what."""

    schema_: Literal["archive/1"] = Field(alias="schema")
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@+-]*$")
    card: str
    files: tuple[Member, ...] = Field(min_length=1, max_length=MAX_MEMBERS)
    provenance: dict[str, Any]

    @model_validator(mode="after")
    def _files_are_in_order(self) -> Manifest:
        paths = [member.path for member in self.files]
        for path in paths:
            _check_name(path)
        if paths != sorted(paths) or len({path.lower() for path in paths}) != len(paths) or MANIFEST in paths:
            raise ValueError("files must be sorted by path, each given once")
        folders = {str(parent).lower() for path in paths for parent in PurePosixPath(path).parents}
        if folders & {path.lower() for path in paths}:
            raise ValueError("a path is a file and a folder")
        if self.card not in paths:
            raise ValueError(f"card {self.card!r} is not among the files")
        return self


def pack_files(
    target: Path, files: Mapping[str, Path], *, name: str, card: str, provenance: Mapping[str, Any]
) -> Manifest:
    """Write the archive `target` of files by their paths in it; the same files give the same bytes.

    `InputDataError` for a file that `unpack_files` would refuse.
    """
    check_file(target, verb=_VERB, inputs=files.values())
    members = [_member(path, files[path]) for path in sorted(files)]
    if sum(member.bytes for member in members) > MAX_BYTES - (MAX_MANIFEST << 1):
        raise InputDataError(f"{target}: the files have more than {MAX_BYTES} bytes together")
    manifest, text = _manifest(members, str(target), name=name, card=card, provenance=provenance)
    with atomic_path(target, verb=_VERB) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_info(MANIFEST), text)
        for member in members:
            data = files[member.path].read_bytes()
            if sha256_bytes(data) != member.sha256:
                raise InputDataError(f"{files[member.path]} changed while it was packed; pack again")
            archive.writestr(_info(member.path), data)
    return manifest


def write_manifest(folder: Path, *, name: str, card: str, provenance: Mapping[str, Any]) -> None:
    """Make a folder of files what `unpack_files` would have made of them: by its manifest an analysis is known."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    members = [_member(path, folder / path) for path in paths]
    path = folder / MANIFEST
    _, text = _manifest(members, str(path), name=name, card=card, provenance=provenance)
    path.write_text(text, encoding="utf-8")


def _manifest(
    members: Sequence[Member], origin: str, *, name: str, card: str, provenance: Mapping[str, Any]
) -> tuple[Manifest, str]:
    """The manifest, and the text of its file; `CardError` names `origin`."""
    content = {
        "schema": "archive/1",
        "name": name,
        "card": card,
        "files": [member.model_dump() for member in members],
        "provenance": dict(provenance),
    }
    return parse_card(Manifest, content, origin), json.dumps(content, indent=1, allow_nan=False) + "\n"


def unpack_files(source: Path, target: Path, *, sha256: str | None = None) -> Manifest:
    """Unpack an archive as the folder `target`, wholly or not at all.

    `sha256` is that of the archive, if its maker told it. `InputDataError` for whatever `pack_files` would not have
    written: unsafe names, links, other forms of zip, files that are missing, too many or altered.
    """
    check_folder(target, verb=None)
    if target.exists() and any(target.iterdir()):
        raise OutputError(f"{target} is not empty; give another name with -o")
    try:
        size = source.stat().st_size
        if not source.is_file() or size > MAX_BYTES:
            raise InputDataError(f"{source}: not an archive of at most {MAX_BYTES} bytes")
        if sha256 is not None and sha256_file(source) != sha256.lower():
            raise InputDataError(f"{source}: its sha256 is not {sha256}; it was altered or damaged, get it again")
        with zipfile.ZipFile(source) as archive, atomic_folder(target, verb=None) as folder:
            return _unpack(archive, folder, size)
    except InputDataError as error:
        raise InputDataError(str(error) if str(source) in str(error) else f"{source}: {error}") from error
    except OSError as error:
        raise InputDataError(f"{source}: cannot be read ({error.strerror or error})") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, zlib.error) as error:
        raise InputDataError(f"{source}: not an archive that hepad packed, or damaged ({first_line(error)})") from error


def _unpack(archive: zipfile.ZipFile, folder: Path, size: int) -> Manifest:
    _check_form(archive, size)
    infos = archive.infolist()
    manifest = _read_manifest(archive, infos[0])
    paths = [member.path for member in manifest.files]
    if [info.filename for info in infos[1:]] != paths:
        differ = sorted({info.filename for info in infos[1:]} ^ set(paths))
        raise InputDataError(f"its files are not those of its manifest ({', '.join(differ[:3]) or 'order'})")
    for info, member in zip(infos[1:], manifest.files, strict=True):
        if info.file_size != member.bytes:
            raise InputDataError(f"{member.path} has {info.file_size} bytes, the manifest says {member.bytes}")
        path = folder / member.path
        path.parent.mkdir(parents=True, exist_ok=True)
        _extract(archive, info, path, member.sha256)
    (folder / MANIFEST).write_bytes(archive.read(infos[0]))
    return manifest


def _check_form(archive: zipfile.ZipFile, size: int) -> None:
    """Every byte must belong to a stored regular file, in order and without gaps: no room for anything else."""
    infos = archive.infolist()
    if not infos or infos[0].filename != MANIFEST or len(infos) > MAX_MEMBERS + 1:
        raise InputDataError(f"an archive begins with {MANIFEST} and holds at most {MAX_MEMBERS} files")
    place = 0
    for info in infos:
        _check_entry(info)
        if info.header_offset != place:
            raise InputDataError(f"there is something before {info.filename} that is no file, or files overlap")
        place += _LOCAL + len(info.filename) + info.file_size
    if archive.comment or place + sum(_CENTRAL + len(info.filename) for info in infos) + _END != size:
        raise InputDataError("it holds more, or less, than its files")
    if len({info.filename.lower() for info in infos}) != len(infos):
        raise InputDataError("it holds a file twice")


def _check_entry(info: zipfile.ZipInfo) -> None:
    """A regular file with a safe name, neither compressed nor encrypted, and nothing beside its content."""
    name = info.filename
    try:
        _check_name(name)
    except ValueError as error:
        raise InputDataError(str(error)) from error
    if info.orig_filename != name:
        raise InputDataError(f"{name!r} is written in another way than it is read")
    if info.flag_bits & 0x1 or info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise InputDataError(f"{name} is encrypted or compressed; hepad stores files as they are")
    if info.flag_bits or info.extra or info.comment:
        raise InputDataError(f"{name} carries something beside its content")
    if stat.S_IFMT(info.external_attr >> 16) != stat.S_IFREG or info.external_attr & 0xFFFF:
        raise InputDataError(f"{name} is a link or no regular file")


def _read_manifest(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Manifest:
    if info.file_size > MAX_MANIFEST:
        raise InputDataError(f"{MANIFEST} has more than {MAX_MANIFEST} bytes")
    try:
        content = json.loads(archive.read(info))
    except (ValueError, RecursionError) as error:
        raise InputDataError(f"{MANIFEST} is not valid JSON ({error})") from error
    try:
        return parse_card(Manifest, content, MANIFEST)
    except CardError as error:
        raise InputDataError(str(error)) from error


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, sha256: str) -> None:
    digest, first = hashlib.sha256(), True
    with archive.open(info) as stream, path.open("xb") as out:
        while piece := stream.read(1 << 20):
            if first:
                _check_content(info.filename, piece)
            first = False
            digest.update(piece)
            out.write(piece)
    if digest.hexdigest() != sha256:
        raise InputDataError(f"{info.filename} does not match its sha256; it was altered or damaged")


def _member(name: str, path: Path) -> Member:
    try:
        _check_name(name)
        if path.is_symlink() or not path.is_file():
            raise InputDataError(f"{path} is not a regular file")
        with path.open("rb") as stream:
            _check_content(name, stream.read(8))
        return Member(path=name, bytes=path.stat().st_size, sha256=sha256_file(path))
    except ValueError as error:
        raise InputDataError(f"{path} cannot be packed: {error}") from error
    except OSError as error:
        raise InputDataError(f"{path} cannot be read ({error.strerror})") from error


def _check_content(name: str, start: bytes) -> None:
    """Refuse archives within the archive, whatever they are called; numpy's .npz is a zip."""
    if start.startswith(_ARCHIVES) or (start.startswith(_ZIP) and not name.endswith(".npz")):
        raise InputDataError(f"{name} is an archive or compressed; put in what is in it")


def _check_name(name: str) -> None:
    """`ValueError` unless `name` is a relative path of plain parts that is safe on every system."""
    parts = name.split("/")
    plain = len(parts) <= 8 and all(
        _PART.fullmatch(part) and not part.endswith(".") and part.split(".")[0].lower() not in _DEVICES
        for part in parts
    )
    if not plain:
        raise ValueError(f"{name[:80]!r} is not a safe path: letters, digits and _.@+- in at most 8 parts")
    if PurePosixPath(name).suffix.lower() not in SUFFIXES:
        raise ValueError(f"{name[:80]!r} has an ending that no part of an analysis has")


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_DATE)
    info.create_system = 3  # Unix, wherever it is written
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    info.compress_type = zipfile.ZIP_STORED
    return info
