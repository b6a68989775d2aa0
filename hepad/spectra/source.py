"""Whose data a spectrum is, as the comments of its file say: for the label of figures, never for a calculation."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from hepad.output.figure_context import FigureContext
from hepad.spectra.files import spectrum_path

__all__ = ["data_context"]

_SAID = re.compile(r"#:?\s*(?:keyword\s+)?(\w+):\s*(.*\S)")
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)(.*)")
_SET = re.compile(r"[\s$^{}]")
"""What units are set in, as in fb$^{-1}$, and is none of them."""
_MOST_LINES = 100
_TEV = {"": 1.0, "tev": 1.0, "gev": 1e-3}
_GEV = {"": 1e-3, "gev": 1e-3, "tev": 1.0}
"""Units of energies in TeV, without one TeV in a comment of hepad's, and GeV in tables of HEPData."""
_MOST_TEV = 1000.0
"""No collider reaches this: a larger number without a unit is in GeV."""
_FB = {"": 1.0, "fb-1": 1.0, "/fb": 1.0, "pb-1": 1e-3, "/pb": 1e-3}
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
    if tev is not None and tev > _MOST_TEV:
        tev = _quantity(said["sqrt_s"], _GEV)
    doi = said.get("table_doi")
    return FigureContext(
        experiment=said.get("experiment", ""),
        source=said.get("reference", f"doi:{doi}" if doi else ""),
        sqrt_s=_quantity(said.get("cmenergies"), _GEV) if tev is None else tev,
        luminosity=_quantity(said.get("luminosity"), _FB),
    )


def _quantity(text: str | None, units: Mapping[str, float]) -> float | None:
    """The number and unit that the whole text is; None for what is no finite number, or says more or anything else."""
    found = _QUANTITY.fullmatch(text or "")
    unit = "" if found is None else _SET.sub("", found.group(2)).lower()
    if found is None or unit not in units:
        return None
    value = float(found.group(1)) * units[unit]
    return value if math.isfinite(value) else None
