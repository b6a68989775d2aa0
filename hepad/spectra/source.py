"""Whose data a spectrum is, as the comments of its file say: for the label of figures, never for a calculation."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from hepad.output.figure_context import FigureContext
from hepad.spectra.files import spectrum_path

__all__ = ["data_context"]

_SAID = re.compile(r"#:?\s*(?:keyword\s+)?(\w+):\s*(.*\S)")
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)\s*/?([a-zA-Z]*)")
_MOST_LINES = 100
_TEV = {"": 1.0, "tev": 1.0, "gev": 1e-3}
_GEV = {"": 1e-3, "gev": 1e-3, "tev": 1.0}
"""Units of energies in TeV, without one TeV in a comment of hepad's, and GeV in tables of HEPData."""
_FB = {"": 1.0, "fb": 1.0, "pb": 1e-3}
"""Units of luminosities in fb-1."""


def data_context(spec: str) -> FigureContext:
    """What the first comments of a CSV table say, `# experiment: CMS`, and the `reference`, `sqrt_s` and `luminosity`.

    Tables of HEPData have their DOI and the energy in such lines. Other files, and other comments, say nothing.
    """
    path, _ = spectrum_path(spec)
    if path.suffix != ".csv":
        return FigureContext()
    said: dict[str, str] = {}
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        for line, _ in zip(stream, range(_MOST_LINES), strict=False):
            if not line.startswith("#"):
                break
            if found := _SAID.match(line):
                said.setdefault(found.group(1).lower(), found.group(2))
    tev = _quantity(said.get("sqrt_s"), _TEV)
    doi = said.get("table_doi")
    return FigureContext(
        experiment=said.get("experiment", ""),
        source=said.get("reference", f"doi:{doi}" if doi else ""),
        sqrt_s=_quantity(said.get("cmenergies"), _GEV) if tev is None else tev,
        luminosity=_quantity(said.get("luminosity"), _FB),
    )


def _quantity(text: str | None, units: Mapping[str, float]) -> float | None:
    """The number that a text begins with, by its unit; None for what is no finite number, or of an unknown unit."""
    found = _QUANTITY.match(text or "")
    if found is None or found.group(2).lower() not in units:
        return None
    value = float(found.group(1)) * units[found.group(2).lower()]
    return value if math.isfinite(value) else None
