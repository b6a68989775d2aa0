"""Names of single objects: `jet1` is the leading jet, `electron2` the second electron, `met` the missing momentum.

`bjet1` and `lightjet1` are the leading jets with and without a b-tag.
"""

from __future__ import annotations

import re

from hepad.errors import UsageError

__all__ = ["is_collection", "object_name", "parse_object", "singular"]

_SINGULAR = {
    "jets": "jet",
    "bjets": "bjet",
    "lightjets": "lightjet",
    "electrons": "electron",
    "muons": "muon",
    "photons": "photon",
    "taus": "tau",
    "fatjets": "fatjet",
    "widejets": "widejet",
    "egammas": "egamma",
}
_PLURAL = {short: name for name, short in _SINGULAR.items()}
_NAME = re.compile(r"([a-z]+)([1-9][0-9]?)")


def singular(collection: str) -> str:
    """What one object of a collection is called: `jet` for `jets`."""
    return _SINGULAR[collection]


def is_collection(name: str) -> bool:
    """Whether `name` is a collection whose objects have names: `jets`, not `met`."""
    return name in _SINGULAR


def object_name(collection: str, position: int) -> str:
    """The name of the object at a position counted from 0: `object_name("jets", 0)` is `jet1`."""
    return f"{singular(collection)}{position + 1}"


def parse_object(name: str) -> tuple[str, int]:
    """The collection and position of a name: `jet1` is `("jets", 0)`; `UsageError` otherwise."""
    match = _NAME.fullmatch(name)
    if not match or match[1] not in _PLURAL:
        raise UsageError(f"{name!r} is not an object: use one of {', '.join(_PLURAL)} and a number, for instance jet1")
    return _PLURAL[match[1]], int(match[2]) - 1
