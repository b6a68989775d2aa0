"""Pack an analysis with all that it needs as one archive, and unpack one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hepad.cards.analysis import load_analysis
from hepad.cards.base import read_yaml
from hepad.cards.resolver import resolve, unpacked
from hepad.cards.search import is_search, load_search
from hepad.cards.vectors import VECTORS, load_vectors
from hepad.errors import CardError, UsageError
from hepad.io.exchange.archive import Manifest, pack_files, unpack_files
from hepad.output.atomic import check_file
from hepad.pipeline.analysis.vectors import default_vectors
from hepad.provenance import command_line, provenance, sha256_file
from hepad.search.any_analysis import prepare_analysis
from hepad.search.parts import FOLDER, Files, add_bundle, add_card, search_parts

__all__ = ["PackageReport", "pack", "unpack"]


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
        path = resolve(FOLDER, card)
        files: Files = {f"{FOLDER}/{search.card.name}.yaml": path}
        if is_search(read_yaml(path)):
            own, folder = load_search(card)
            files |= search_parts(own, folder, model)
        else:
            _add_model(files, card, path, model)
        _add_vectors(files, search.card.name, path.parent, default_vectors(card), vectors)
        record = provenance(command_line(f"analysis pack {search.card.name}"))
        manifest = pack_files(
            output, files, name=search.card.name, card=f"{FOLDER}/{search.card.name}.yaml", provenance=record
        )
    return _report(output, manifest, output)


def unpack(archive: Path, output: Path, *, sha256: str | None = None) -> PackageReport:
    """Unpack an archive as the folder `output`, wholly or not at all; see `hepad.io.exchange.archive` for refusals."""
    return _report(archive, unpack_files(archive, output, sha256=sha256), output)


def _report(archive: Path, manifest: Manifest, output: Path) -> PackageReport:
    has_vectors = any(PurePosixPath(member.path).name == VECTORS for member in manifest.files)
    return PackageReport(manifest.name, archive, sha256_file(archive), manifest, has_vectors, output)


def _add_model(files: Files, card: str, path: Path, model: str | None) -> None:
    if str(read_yaml(path).get("schema", "")).startswith("selection/"):
        raise UsageError(f"{card} is a selection; pack an analysis")
    recipe = load_analysis(card)
    if "/" in recipe.selection or recipe.selection.endswith((".yaml", ".yml")):
        raise CardError(
            f"{path}: selection {recipe.selection} is a path, which leads nowhere elsewhere; name a selection that is "
            "bundled, or in the folder 'selections' of an unpacked analysis"
        )
    add_card(files, "selections", path.parent, recipe.selection)
    add_bundle(files, path.parent, recipe.name, model or str(resolve("bundles", recipe.name)))


def _add_vectors(files: Files, name: str, folder: Path, own: Path, other: Path | None) -> None:
    """The vectors and their events, if there are any, where the card's own are or would be."""
    path = other or own
    if other is None and not own.is_file():
        return
    place = PurePosixPath(FOLDER, own.relative_to(folder).as_posix())
    card = load_vectors(path)
    if card.analysis != name:
        raise CardError(f"{path} holds vectors of {card.analysis}, not of {name}")
    files[str(place)] = path
    files[str(place.parent / card.events.file)] = path.parent / card.events.file
