"""Jets with another energy scale: what a systematic error of the calibration does to events, before any selection."""

from __future__ import annotations

from collections.abc import Collection

import awkward as ak
import numpy as np

from hepad.io.events import Fields, merge_fields

__all__ = ["jet_scale_fields", "with_jets_scaled"]

_SCALED = {"jets": ("pt", "mass"), "fatjets": ("pt", "mass", "sdmass")}


def jet_scale_fields(fields: Fields) -> dict[str, set[str]]:
    """What must be read beside `fields` to scale their jets: directions and pT of what missing momentum balances."""
    if "met" not in fields or not any(name in fields for name in _SCALED):
        return {name: set(properties) for name, properties in fields.items()}
    return merge_fields(fields, {"met": {"pt", "phi"}, _balanced(fields): {"pt", "phi"}})


def with_jets_scaled(events: ak.Array, factor: float) -> ak.Array:
    """Events whose jets have momenta and masses times a factor; missing momentum takes up the difference.

    That of the jets, or of the fat jets where no others were read: both are made of the same energy. The scalar sum of
    momenta grows as the jets do. What jets were made of (particles, towers, tracks) stays as it is. Jets keep their
    order, for all are scaled alike; a jet that the file left out below its own threshold stays out.
    """
    if factor == 1.0:
        return events
    changed = events
    for name, properties in _SCALED.items():
        if name in events.fields:
            jets = events[name]
            for key in set(properties) & set(jets.fields):
                jets = ak.with_field(jets, jets[key] * factor, key)
            changed = ak.with_field(changed, jets, name)
    if not any(name in events.fields for name in _SCALED):
        return changed
    balanced = events[_balanced(events.fields)]
    if "met" in events.fields:
        x, y = (
            events.met.pt * turn(events.met.phi) - (factor - 1) * ak.sum(balanced.pt * turn(balanced.phi), axis=1)
            for turn in (np.cos, np.sin)
        )
        met = ak.with_field(ak.with_field(events.met, np.hypot(x, y), "pt"), np.arctan2(y, x), "phi")
        changed = ak.with_field(changed, met, "met")
    if "scalar_ht" in events.fields:
        by = (factor - 1) * ak.sum(balanced.pt, axis=1)
        changed = ak.with_field(changed, events.scalar_ht + by, "scalar_ht")
    return changed


def _balanced(names: Collection[str]) -> str:
    return "jets" if "jets" in names else "fatjets"
