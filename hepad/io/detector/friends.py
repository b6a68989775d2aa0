"""Trees of the same events, entry by entry, with the look of one tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hepad.errors import InputDataError
from hepad.paths import InputPath

__all__ = ["Friends", "check_lengths"]


def check_lengths(path: InputPath, lengths: Mapping[str, int]) -> None:
    """Raise `InputDataError` with names and numbers if the parts do not all have as many events."""
    (first, events), *rest = lengths.items()
    for name, other in rest:
        if other != events:
            raise InputDataError(
                f"{path}: {first} has {events} events and {name} has {other}; they do not belong together or one is "
                "cut off: copy them again"
            )


class Friends:
    """Trees of uproot by short names; a branch is called `name.branch`.

    Of branches that are parts of an object, those of the one that `objects` names for their tree are there, without
    its name. `InputDataError` if one tree has more entries than another.
    """

    def __init__(self, path: InputPath, trees: Mapping[str, Any], objects: Mapping[str, str]) -> None:
        check_lengths(path, {f"tree {name!r}": int(tree.num_entries) for name, tree in trees.items()})
        first = next(iter(trees.values()))
        self.name = ", ".join(trees)
        self.num_entries, self.file = int(first.num_entries), first.file
        self._trees = dict(trees)
        self._place = {
            f"{name}.{leaf}": (name, key)
            for name, tree in trees.items()
            for key in tree.keys(recursive=True)
            if "/" not in (leaf := key.removeprefix(f"{objects[name]}/"))
        }

    def keys(self, recursive: bool = True) -> list[str]:  # noqa: ARG002  as that of a tree
        """The names of all branches."""
        return list(self._place)

    def __getitem__(self, key: str) -> Any:
        name, branch = self._place[key]
        return self._trees[name][branch]

    def iterate(self, keys: Mapping[str, Any], **options: Any) -> Iterator[dict[str, Any]]:
        """Arrays of the branches by their names, in pieces, with the options of a tree's `iterate` of uproot."""
        of_tree: dict[str, dict[str, Any]] = {}
        for key, interpretation in keys.items():
            name, branch = self._place[key]
            of_tree.setdefault(name, {})[branch] = interpretation
        pieces = [self._trees[name].iterate(branches, **options) for name, branches in of_tree.items()]
        for parts in zip(*pieces, strict=True):
            found = dict(zip(of_tree, parts, strict=True))
            yield {key: found[self._place[key][0]][self._place[key][1]] for key in keys}
