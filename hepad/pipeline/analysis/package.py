"""Pack an analysis with all that it needs as one archive, and unpack one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hepad.bundles.files import CARD, GRAPH, WEIGHTS
from hepad.cards.analysis import load_analysis
from hepad.cards.base import read_yaml
from hepad.cards.fit import load_fit
from hepad.cards.resolver import resolve, unpacked
from hepad.cards.search import SearchCard, is_path, is_search, load_search, located, search_files
from hepad.cards.selection import load_selection
from hepad.cards.vectors import VECTORS, load_vectors
from hepad.errors import CardError, UsageError
from hepad.io.exchange.archive import Manifest, pack_files, unpack_files
from hepad.output.atomic import check_file
from hepad.pipeline.analysis.vectors import default_vectors
from hepad.provenance import command_line, provenance, sha256_file
from hepad.search.any_analysis import prepare_analysis

__all__ = ["PackageReport", "pack", "unpack"]

_BUNDLE = (CARD, WEIGHTS, GRAPH, "loss.png")
_FOLDER = "analyses"

Files = dict[str, Path]
"""Files by their path in the archive."""


@dataclass(frozen=True)
class PackageReport:
    """An archive: its sha256, to be told to whoever unpacks it, and what is in it."""

    name: str
    archive: Path
    sha256: str
    manifest: Manifest
    has_vectors: bool
    output: Path

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "analysis": self.name,
            "sha256": self.sha256,
            "bytes": sum(member.bytes for member in self.manifest.files),
            "card": self.manifest.card,
            "files": [member.model_dump() for member in self.manifest.files],
            "has_vectors": self.has_vectors,
            "provenance": self.manifest.provenance,
            "output": str(self.output),
        }


def pack(name: str, output: Path, *, model: str | None = None, vectors: Path | None = None) -> PackageReport:
    """Write the archive `output` of an analysis (a name, a card, or an unpacked folder).

    The same parts give the same bytes. In it are the card, the selections, fits and bundles that it names, the files
    below its folder, and its test vectors. All are loaded first, so that what is packed is known to work. `model` and
    `vectors` (a vectors.json) take the places of its own.
    """
    check_file(output, verb="analysis pack")
    with unpacked(name) as card:
        search = prepare_analysis(card, model=model)
        path = resolve(_FOLDER, card)
        files: Files = {f"{_FOLDER}/{search.card.name}.yaml": path}
        if is_search(read_yaml(path)):
            own, folder = load_search(card)
            _add_search(files, own, folder, model)
        else:
            _add_model(files, card, path, model)
        _add_vectors(files, search.card.name, path.parent, default_vectors(card), vectors)
        record = provenance(command_line(f"analysis pack {search.card.name}"))
        manifest = pack_files(
            output, files, name=search.card.name, card=f"{_FOLDER}/{search.card.name}.yaml", provenance=record
        )
    return _report(output, manifest, output)


def unpack(archive: Path, output: Path, *, sha256: str | None = None) -> PackageReport:
    """Unpack an archive as the folder `output`, wholly or not at all; see `hepad.io.exchange.archive` for refusals."""
    return _report(archive, unpack_files(archive, output, sha256=sha256), output)


def _report(archive: Path, manifest: Manifest, output: Path) -> PackageReport:
    has_vectors = any(PurePosixPath(member.path).name == VECTORS for member in manifest.files)
    return PackageReport(manifest.name, archive, sha256_file(archive), manifest, has_vectors, output)


def _add_search(files: Files, card: SearchCard, folder: Path, model: str | None) -> None:
    for category in card.categories:
        for name in (category.selection, *category.other_selections):
            load_selection(located(folder, "selections", name))
            _add_card(files, "selections", folder, name)
        if category.bundle is not None:
            _add_bundle(files, folder, category.bundle, model)
    for name in dict.fromkeys((*card.fits, *(fit for channel in card.channels.values() for fit in channel.fits))):
        load_fit(located(folder, "fits", name))
        _add_card(files, "fits", folder, name)
    for name in search_files(card):
        source = folder / name
        for path in sorted(source.rglob("*")) if source.is_dir() else (source,):
            if not path.is_dir():
                files[f"{_FOLDER}/{path.relative_to(folder).as_posix()}"] = path


def _add_model(files: Files, card: str, path: Path, model: str | None) -> None:
    if str(read_yaml(path).get("schema", "")).startswith("selection/"):
        raise UsageError(f"{card} is a selection; pack an analysis")
    recipe = load_analysis(card)
    if "/" in recipe.selection or recipe.selection.endswith((".yaml", ".yml")):
        raise CardError(
            f"{path}: selection {recipe.selection} is a path, which leads nowhere elsewhere; name a selection that is "
            "bundled, or in the folder 'selections' of an unpacked analysis"
        )
    _add_card(files, "selections", path.parent, recipe.selection)
    _add_bundle(files, path.parent, recipe.name, model or str(resolve("bundles", recipe.name)))


def _add_card(files: Files, kind: str, folder: Path, name: str) -> None:
    """A card by its name goes to the folder of its kind, one by a path below the analysis stays there."""
    files[f"{_FOLDER}/{name}" if is_path(name) else f"{kind}/{name}.yaml"] = Path(located(folder, kind, name))


def _add_bundle(files: Files, folder: Path, name: str, model: str | None) -> None:
    place = f"{_FOLDER}/{name}" if is_path(name) else f"bundles/{name}"
    bundle = resolve("bundles", model or located(folder, "bundles", name))
    for file in _BUNDLE:
        if (bundle / file).is_file():
            files[f"{place}/{file}"] = bundle / file


def _add_vectors(files: Files, name: str, folder: Path, own: Path, other: Path | None) -> None:
    """The vectors and their events, if there are any, where the card's own are or would be."""
    path = other or own
    if other is None and not own.is_file():
        return
    place = PurePosixPath(_FOLDER, own.relative_to(folder).as_posix())
    card = load_vectors(path)
    if card.analysis != name:
        raise CardError(f"{path} holds vectors of {card.analysis}, not of {name}")
    files[str(place)] = path
    files[str(place.parent / card.events.file)] = path.parent / card.events.file
