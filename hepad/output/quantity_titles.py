"""What stands in figures for the columns that inputs and summaries of events are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["object_titles", "quantity_titles"]

_MISSING = r"$E_\mathrm{T}^\mathrm{miss}$"
_WHAT = {
    "pt": (r"$p_\mathrm{T}$", " [GeV]"),
    "eta": (r"$\eta$", ""),
    "phi": (r"$\phi$", ""),
    "mass": ("Mass", " [GeV]"),
    "energy": ("Energy", " [GeV]"),
}
_OBJECTS = {"bjets": "b jets", "fatjets": "fat jets", "met": "missing momentum"}
_COUNTED = re.compile(r"(n|sum_pt)_([a-z]+)")
_OBJECT = re.compile(r"([a-z]+?)(\d+)")
_OF_OBJECT = re.compile(r"([a-z]+?)(\d*)_(pt|eta|phi|mass|energy)")


def quantity_titles(names: Iterable[str]) -> dict[str, str]:
    """Titles with units of those of the names that are of the usual kinds: `n_jets`, `jet1_pt`, `met`, `score mse`."""
    return {name: title for name in names if (title := _title(name))}


def object_titles(names: Iterable[str]) -> dict[str, str]:
    """Titles of those of the names that are of objects: `jet1`, `met`."""
    found = {name: _OBJECT.fullmatch(name) for name in names}
    titles = {name: f"{_one(parts[1])} {parts[2]}" for name, parts in found.items() if parts}
    return {**titles, **({"met": _MISSING} if "met" in found else {})}


def _objects(name: str) -> str:
    """The objects of a kind, by the name of one of them or of all."""
    return _OBJECTS.get(f"{name}s", _OBJECTS.get(name, name))


def _one(name: str) -> str:
    """One of the objects of a kind."""
    return _objects(name).removesuffix("s")


def _title(name: str) -> str:
    if name in ("met", "met_pt"):
        return f"{_MISSING} [GeV]"
    if name == "scalar_ht":
        return r"Scalar $H_\mathrm{T}$ [GeV]"
    if name.startswith("score "):
        return f"Score {name[6:]}"
    if found := _COUNTED.fullmatch(name):
        what, objects = found[1], _OBJECTS.get(found[2], found[2])
        return f"Number of {objects}" if what == "n" else rf"Sum of $p_\mathrm{{T}}$ of {objects} [GeV]"
    if found := _OF_OBJECT.fullmatch(name):
        (what, unit), name = _WHAT[found[3]], found[1]
        return (f"{what} of {_one(name)} {found[2]}" if found[2] else f"{what} of {_objects(name)}") + unit
    return ""
