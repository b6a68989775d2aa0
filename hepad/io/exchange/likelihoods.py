"""Published likelihoods: workspaces and patches as JSON files, loose or within the tar archives of HEPData.

Nothing is ever extracted to the disk: one member is read into memory, after its size was looked at.
"""

from __future__ import annotations

import json
import lzma
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hepad.cards.document import each_key_once, no_constant
from hepad.errors import InputDataError
from hepad.io.text import open_text

__all__ = ["apply_patches", "likelihood_path", "read_workspace"]

_ARCHIVES = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar")
_MAX_MEMBER = 256 << 20
"""Most bytes of one JSON file; published ones have up to a few tens of MB."""
_MAX_TOTAL = 4 << 30
_MAX_MEMBERS = 50_000
_NAMED = 8

Json = dict[str, Any] | list[Any]


def likelihood_path(spec: str) -> tuple[Path, str | None]:
    """Split `FILE.json`, `FILE.json:NAME` or `ARCHIVE.tar.gz:MEMBER[:NAME]` into the file on disk and the rest."""
    for suffix in (*_ARCHIVES, ".json"):
        before, found, after = spec.partition(f"{suffix}:")
        if found:
            return Path(before + suffix), after
    return Path(spec), None


def read_workspace(spec: str) -> dict[str, Any]:
    """The workspace in `FILE.json` or `ARCHIVE.tar.gz:MEMBER`; `InputDataError` if it is none.

    Only its form is looked at here: an object with channels; whether it is valid, pyhf says.
    """
    path, member = likelihood_path(spec)
    if member is not None and not _is_archive(path):
        raise InputDataError(f"{spec}: a workspace has no name within its file; leave out ':{member}'")
    content = _read(path, member)
    if not isinstance(content, dict) or "channels" not in content:
        hint = "; it is a patch: give it with --patch" if isinstance(content, list) or "patches" in content else ""
        raise InputDataError(f"{spec} is not a workspace: it has no channels{hint}")
    return content


def apply_patches(workspace: dict[str, Any], specs: Sequence[str], *, beside: str | None = None) -> dict[str, Any]:
    """The workspace with JSON patches applied in order: loose ones, or `PATCHSET.json:NAME` of a patch set.

    A patch that is no file is looked for in the archive of the workspace `beside`. `InputDataError` for a patch that
    does not fit, or a patch set made for another workspace.
    """
    for spec in specs:
        origin = _in_same_archive(spec, beside)
        path, rest = likelihood_path(origin)
        member, name = rest, None
        if _is_archive(path) and rest is not None and ".json:" in rest:
            head, _, name = rest.partition(".json:")
            member = f"{head}.json"
        elif not _is_archive(path):
            member, name = None, rest
        content = _read(path, member)
        workspace = _applied(workspace, content, name, origin)
    return workspace


def _in_same_archive(spec: str, beside: str | None) -> str:
    path, _ = likelihood_path(spec)
    archive = None if beside is None else likelihood_path(beside)[0]
    if archive is None or not _is_archive(archive) or _is_archive(path) or path.exists():
        return spec
    return f"{archive}:{spec}"


def _applied(workspace: dict[str, Any], content: Json, name: str | None, origin: str) -> dict[str, Any]:
    import jsonpatch
    from jsonpointer import JsonPointerException

    if isinstance(content, dict):
        return _from_patchset(workspace, content, name, origin)
    if name is not None:
        raise InputDataError(f"{origin} is a single patch, not a set of them; leave out ':{name}'")
    try:
        patched = jsonpatch.apply_patch(workspace, content)
    except (jsonpatch.JsonPatchException, JsonPointerException, TypeError, KeyError, IndexError) as error:
        raise InputDataError(f"{origin} does not fit the workspace: {_line(error)}; is it for another one?") from error
    if not isinstance(patched, dict) or not patched.get("channels"):
        raise InputDataError(f"{origin} leaves no workspace behind")
    return patched


def _from_patchset(workspace: dict[str, Any], content: dict[str, Any], name: str | None, origin: str) -> dict[str, Any]:
    """pyhf's patch sets name the sha256 of the workspace that they are for."""
    import pyhf

    from hepad.io.exchange.pyhf_quiet import pyhf_quiet

    try:
        with pyhf_quiet():
            patches = pyhf.PatchSet(content)
    except (pyhf.exceptions.InvalidSpecification, pyhf.exceptions.InvalidPatchSet) as error:
        raise InputDataError(f"{origin} is neither a JSON patch nor a patch set: {_line(error)}") from error
    names = [patch.name for patch in patches]
    if name not in names:
        listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        raise InputDataError(f"{origin} is a patch set; choose one as FILE.json:NAME of {listed}")
    try:
        with pyhf_quiet():
            patched: dict[str, Any] = patches.apply(workspace, name)
    except pyhf.exceptions.PatchSetVerificationError as error:
        raise InputDataError(f"{origin} was made for another workspace: its sha256 is not the one it names") from error
    except Exception as error:  # jsonpatch's errors have no common base
        raise InputDataError(f"{origin} does not fit the workspace: {_line(error)}") from error
    return dict(patched)


def _read(path: Path, member: str | None) -> Json:
    origin = str(path) if member is None else f"{path}:{member}"
    if not path.is_file():
        raise InputDataError(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    if _is_archive(path) and member is None:
        raise InputDataError(f"{path} is an archive; name a file in it as {path.name}:FOLDER/FILE.json")
    try:
        if member is not None:
            data = _member(path, member)
        elif path.stat().st_size > _MAX_MEMBER:
            raise InputDataError(f"{path} has more than {_MAX_MEMBER >> 20} MiB")
        else:
            data = path.read_bytes()
    except (OSError, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputDataError(f"cannot read {origin}: {_line(error)}") from error
    try:
        content = json.loads(data, parse_constant=no_constant, parse_float=_finite, object_pairs_hook=each_key_once)
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is a ValueError
        raise InputDataError(f"{origin} is not valid JSON: {_line(error)}") from error
    if not isinstance(content, dict | list):
        raise InputDataError(f"{origin} is not a workspace, patch or patch set")
    return content


def _member(path: Path, wanted: str) -> bytes:
    """One regular file of a tar archive, in memory; links and devices are never followed."""
    total, names = 0, []
    found: bytes | None = None
    with open_text(path) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:  # a stream: nothing is sought
        for count, info in enumerate(archive):
            total += info.size
            if total > _MAX_TOTAL or count > _MAX_MEMBERS:
                raise InputDataError(f"{path} holds more than {_MAX_TOTAL >> 30} GiB or {_MAX_MEMBERS} files")
            name = info.name.removeprefix("./")
            names.append(name)
            if name != wanted.removeprefix("./"):
                continue
            if not info.isreg():
                raise InputDataError(f"{path}:{wanted} is a link or a folder, not a file")
            if info.size > _MAX_MEMBER:
                raise InputDataError(f"{path}:{wanted} has more than {_MAX_MEMBER >> 20} MiB")
            stream = archive.extractfile(info)
            assert stream is not None  # noqa: S101 - regular files have one
            found = stream.read(_MAX_MEMBER + 1)
            break
        while plain.read(1 << 20):  # the checksum of what is compressed stands at its end
            total += 1 << 20
            if total > _MAX_TOTAL:
                raise InputDataError(f"{path} holds more than {_MAX_TOTAL >> 30} GiB")
    if found is not None:
        return found
    folder = wanted.rpartition("/")[0]
    near = [name for name in names if name.endswith(".json") and name.startswith(folder)] or names
    raise InputDataError(f"{path} holds no {wanted!r}; it holds {', '.join(near[:_NAMED])}, ... ({len(names)} files)")


def _is_archive(path: Path) -> bool:
    return path.name.endswith(_ARCHIVES)


def _finite(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        raise ValueError(f"{text[:20]} is too large")
    return number


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
