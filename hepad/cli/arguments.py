"""The words of the command that is running, complete but for its output, as outputs record them for `hepad replay`.

They are taken from what the command line parsed, so that no command has to say them again, and no option can be left
out. Only what an option's text means is declared here: `PATHS` may name files, `PLAIN` is text that never does, and
`WITHOUT_EFFECT` does not change what is written.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepad.errors import HepadError, UsageError
from hepad.printable import is_number

if TYPE_CHECKING:
    from hepad.provenance import Invocation, Together, Word

__all__ = ["EVENT_FILES", "PATHS", "PLAIN", "WITHOUT_EFFECT", "invocation", "names_from_stdin", "verb_of"]

WITHOUT_EFFECT = frozenset(
    {"check", "debug", "executor", "force", "help", "json", "output", "progress", "quiet", "restart", "resume"}
    | {"scheduler", "step_size", "workers"}
)
"""Parameters that change where, how fast or in how many pieces something is done, or what is printed."""

PATHS = frozenset(
    {"against", "analysis", "archive", "background", "budget", "card", "cross_section", "data", "evaluation_background"}
    | {
        "cards",
        "beside",
        "events",
        "file",
        "files",
        "finetune",
        "function",
        "hlt",
        "l1",
        "menu",
        "method",
        "model",
        "offline",
        "patch",
        "plane",
        "point",
        "points",
    }
    | {"reference", "regions", "samples", "scale", "scores", "run", "selection", "signal", "signal_shape", "simulation"}
    | {"spectra", "spectrum", "study"}
    | {"test", "trained", "truth", "vectors", "workspace"}
)
"""Parameters whose text may name files, cards or bundles, alone or as NAME=FILE, FILE:HISTOGRAM, FILE@NUMBER."""

EVENT_FILES = frozenset(
    {"against", "background", "evaluation_background", "files", "finetune", "reference", "run", "signal"}
    | {"simulation", "test"}
)
"""Parameters that are files of events where there may be many: `-` stands for names from stdin."""

PLAIN = frozenset(
    {
        "algorithm",
        "batch",
        "bits",
        "calculator",
        "column",
        "counts",
        "device",
        "direction",
        "edges",
        "event_score",
        "feature",
        "features",
        "figures",
        "floating",
        "format_",
        "inject",
        "input_",
        "label",
    }
    | {
        "kind",
        "name",
        "mass",
        "mass_range",
        "masses",
        "measurement",
        "order",
        "part",
        "range_",
        "region",
        "save",
        "score",
        "space",
        "style",
    }
    | {"date", "image", "requirement", "sample", "url", "validation_url"}
    | {"search", "sha256", "sidebands", "soft_drop", "threads", "threshold", "title", "tier", "weights", "window"}
)
"""Parameters whose text never names a file."""

_FOLDERS = frozenset({"background", "file", "samples", "trained"})
_RESERVED = frozenset({"auto", "column", "gp", "spectrum"})
_MARKS = ("card.json", "manifest.json")

Parameters = Mapping[str, Any]


def names_from_stdin(given: Parameters) -> dict[str, list[str]]:
    """The options of event files with the names read from stdin in place of `-` or `NAME=-`, where there is one.

    A record of the command has them then. `UsageError` if no name comes.
    """
    found: dict[str, list[str]] = {}
    for option, texts in given.items():
        if option in EVENT_FILES and isinstance(texts, list | tuple) and any(map(_is_stdin, texts)):
            found[option] = [name for text in texts for name in (_read_names(text) if _is_stdin(text) else [text])]
    return found


def _is_stdin(text: str) -> bool:
    return text == "-" or text.endswith("=-")


def _read_names(text: str) -> list[str]:
    from hepad.io.text import listed_names

    read = listed_names(["-"])
    if not read:
        raise UsageError("no name of a file was given; '-' reads names from stdin, one a line")
    return [f"{text[:-1]}{name}" for name in read]


def invocation(ctx: Any) -> Invocation:
    """The command of a context of click: its options as they are declared, those at their default left out."""
    from hepad.provenance import Invocation

    words: list[Word] = []
    files: list[Path] = []
    for param in ctx.command.params:
        name, value, option = param.name, ctx.params.get(param.name), param.opts[0]
        if name in WITHOUT_EFFECT or value is None or value == param.default:
            continue
        if isinstance(value, bool):
            words.append((option if value else param.secondary_opts[0],))
            continue
        if name == "points" and (rows := _points(Path(value))):
            name, value, option = "point", rows, "--point"
        for item in value if isinstance(value, list | tuple) else [value]:
            for parts in _parts(name, str(item), files, ctx.params):
                words += [(option,), parts] if option.startswith("-") else [parts]
    return Invocation(verb_of(ctx), tuple(words))


def verb_of(ctx: Any) -> str:
    """The words of the command of a context: `limit`, `analysis pack`."""
    names = []
    while ctx.parent is not None:
        names.append(ctx.info_name)
        ctx = ctx.parent
    return " ".join(reversed(names))


def _parts(name: str, text: str, files: list[Path], given: Parameters) -> Iterator[Word]:
    """The text of an option as words; `files` are those of the words before, to which the new ones are added."""
    text = _public(text)
    found: list[Word] = []
    if name in _SPECIAL:
        with suppress(Exception):  # what is wrong with a file is told where it is used
            found = _SPECIAL[name](text, files, given)
    if name not in PATHS or text in _RESERVED or is_number(text):
        yield (text,)
    elif found:
        yield from found
    else:
        for parts in _located(text, name in _FOLDERS):
            files += [part for part in parts if isinstance(part, Path)]
            yield parts


def _public(text: str) -> str:
    """The text with no credentials in its URL, `URL` or `NAME=URL`: what is recorded, anyone may read."""
    from hepad.io.remote.urls import is_url, shown

    start = next((start for start in _starts(text) if is_url(text[start:])), None)
    return text if start is None else text[:start] + shown(text[start:])


def _located(text: str, folders: bool) -> list[Word]:
    """Put the file for its name in `NAME=FILE`, `KIND:FILE`, `FILE:HISTOGRAM` or `FILE@NUMBER`; a glob is all files."""
    for start in _starts(text):
        ends = [len(text), *(i for i in range(len(text) - 1, start, -1) if text[i] in ":@")]
        for end in ends:
            before, path, after = text[:start], Path(text[start:end]), text[end:]
            if _is_input(path, folders):
                return [tuple(part for part in (before, path, after) if part)]
        if glob.has_magic(text[start:]):
            found = sorted(glob.glob(text[start:]))  # noqa: PTH207  a pattern may be absolute
            if found:
                return [(text[:start], Path(name)) if start else (Path(name),) for name in found]
    return [(text,)]


def _starts(text: str) -> list[int]:
    kind, colon, _ = text.partition(":")
    after_kind = [len(kind) + 1] if colon and kind in {"gp", "hist"} else []
    return [*after_kind, 0, *([text.index("=") + 1] if "=" in text else [])]


def _is_input(path: Path, folders: bool) -> bool:
    try:
        if path.is_dir():
            from hepad.io.object_folder import object_files

            return folders or any((path / mark).is_file() for mark in _MARKS) or bool(object_files(path))
        return path.is_file()
    except OSError:  # a name longer than the file system takes
        return False


def _cross_section(text: str, files: list[Path], _: Parameters) -> list[Word]:
    """`PATTERN=PB`: the files of the command that it stands for; a pattern without folders is kept as it is."""
    pattern, _equals, number = text.rpartition("=")
    folder, name = _split(pattern)
    if not folder:
        return [(text,)]
    found = [path for path in files if str(path) == pattern or fnmatchcase(str(path), pattern)]
    if found == [Path(pattern)]:
        return [(found[0], f"={number}")]
    return [(_together(found), f"/{name}={number}")] if found else [(text,)]


def _network(text: str, _files: list[Path], _: Parameters) -> list[Word]:
    """The folder of a SavedModel: the files in it that are read."""
    from hepad.io.exchange.keras.read import files_of, is_keras
    from hepad.provenance import Together

    path = Path(text)
    if not path.is_dir() or not is_keras(path):
        return []
    name, paths = path.resolve().name, sorted(files_of(path))
    return [
        (Together(tuple(paths), tuple(f"{name}/{file.relative_to(path).as_posix()}" for file in paths)), f"/{name}")
    ]


def _point(text: str, _files: list[Path], _: Parameters) -> list[Word]:
    """`MASS=GLOB` or `MASS=GLOB@PB`: one sample of many files; a single file is as anywhere."""
    mass, _equals, rest = text.partition("=")
    file, at, section = rest.rpartition("@")
    pattern, after = (file, f"@{section}") if at and is_number(section) else (rest, "")
    if Path(pattern).is_file():
        return [(f"{mass}=", Path(pattern), *([after] if after else []))]
    found = [Path(name) for name in sorted(glob.glob(pattern))]  # noqa: PTH207  a pattern may be absolute
    return [(f"{mass}=", _together(found), f"/{_split(pattern)[1]}{after}")] if found else []


def _points(table: Path) -> list[str]:
    """The rows of a table of points, as the texts of `--point`; nothing if it cannot be read."""
    from hepad.pipeline.reinterpret.points import read_points

    with suppress(HepadError):  # it is told where the table is used
        points = read_points(table)
        sections = ["" if p.cross_section_pb is None else f"@{p.cross_section_pb!r}" for p in points]
        return [f"{p.mass_gev!r}={p.file}{section}" for p, section in zip(points, sections, strict=True)]
    return []


def _vectors(text: str, _files: list[Path], _: Parameters) -> list[Word]:
    """A vectors.json and the event file beside it that it names."""
    path = Path(text)
    if path.suffix != ".json" or not path.is_file():
        return []
    events = path.parent / str(json.loads(path.read_text(encoding="utf-8"))["events"]["file"])
    return [(_together(sorted([path, events])), f"/{path.name}")]


def _samples(text: str, _files: list[Path], given: Parameters) -> list[Word]:
    """The folder of a study's events: the files in it of which the study's card speaks."""
    if not Path(text).is_dir():
        return []
    from hepad.cards.resolver import bundled_names
    from hepad.cards.sensitivity import load_any_study

    verifies_all = "card" not in given
    studies = bundled_names("analyses/studies") if verifies_all else [given["card"]]
    names = sorted({name for study in studies for name in load_any_study(study).file_names})
    return [(_together(sorted({path for name in names for path in Path(text).glob(name) if path.is_file()})),)]


def _analysis(text: str, _files: list[Path], _: Parameters) -> list[Word]:
    """The card of a search given by its path, and what it names below its folder; other cards are single files."""
    from hepad.cards.base import read_yaml
    from hepad.cards.search import is_path, is_search, load_search, search_files
    from hepad.provenance import Together

    if not Path(text).is_file() or not is_search(read_yaml(Path(text))):
        return []
    card, folder = load_search(text)
    others = [*card.fits, *(fit for channel in card.channels.values() for fit in channel.fits)]
    for category in card.categories:
        others += [category.selection, *category.other_selections, *filter(None, [category.bundle])]
    names = sorted({Path(text).name, *search_files(card), *filter(is_path, others)})
    return [(Together(tuple(folder / name for name in names), tuple(names)), f"/{Path(text).name}")]


def _step(text: str, files: list[Path], given: Parameters) -> list[Word]:
    """The card of a search, and what it names, before an `@REGION`."""
    card, at, region = text.rpartition("@") if "@" in text else (text, "", "")
    found = _analysis(card, files, given)
    return [(*word, f"{at}{region}") for word in found] if at else found


_SPECIAL: dict[str, Callable[[str, list[Path], Parameters], list[Word]]] = {
    "analysis": _analysis,
    "cards": _analysis,
    "cross_section": _cross_section,
    "file": _network,
    "offline": _step,
    "point": _point,
    "samples": _samples,
    "vectors": _vectors,
}


def _together(paths: list[Path]) -> Together:
    from hepad.provenance import Together

    return Together(tuple(paths), tuple(path.name for path in paths))


def _split(pattern: str) -> tuple[str, str]:
    folder, _, name = pattern.rpartition("/")
    return folder, name
