"""Whose data a spectrum is, as the comments of its file say: for the label of figures, never for a calculation."""

from __future__ import annotations

import re

from hepad.output.figure_context import FigureContext
from hepad.spectra.files import spectrum_path

__all__ = ["data_context"]

_SAID = re.compile(r"#:?\s*(?:keyword\s+)?(\w+):\s*(.*\S)")
_NUMBER = re.compile(r"[0-9.]+(?:[eE][+-]?[0-9]+)?")
_MOST_LINES = 100
_TEV = {"sqrt_s": 1.0, "cmenergies": 1e-3}
"""Keys of the energy of the collisions, hepad's own in TeV and that of tables of HEPData in GeV."""


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
    energies = [_number(said.get(key)) for key in _TEV]
    tev = [scale * value for scale, value in zip(_TEV.values(), energies, strict=True) if value is not None]
    doi = said.get("table_doi")
    return FigureContext(
        experiment=said.get("experiment", ""),
        source=said.get("reference", f"doi:{doi}" if doi else ""),
        sqrt_s=tev[0] if tev else None,
        luminosity=_number(said.get("luminosity")),
    )


def _number(text: str | None) -> float | None:
    found = _NUMBER.match(text or "")
    try:
        return float(found.group()) if found else None
    except ValueError:  # several points
        return None
