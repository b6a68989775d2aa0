"""A page needs nothing but the site: a script, style, font or image from elsewhere is a warning, so a fault in CI."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

_LOGGER = logging.getLogger(__name__)
_ELSEWHERE = r"(?:https?:)?//[^\"'\s)>]+"
_LOADS = {
    "*.html": re.compile(
        rf"(?:<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\s(?:src|srcset|data)="
        rf"|<link\b(?![^>]*rel=[\"']?canonical)[^>]*?\shref=)[\"']?(?P<what>{_ELSEWHERE})",
        re.IGNORECASE,
    ),
    "*.css": re.compile(rf"(?:@import\s*(?:url\()?|url\()\s*[\"']?(?P<what>{_ELSEWHERE})", re.IGNORECASE),
}


def loaded(folder: Path) -> list[tuple[Path, str]]:
    """Files of a site, and what they would load from elsewhere."""
    found = []
    for pattern, loads in _LOADS.items():
        for path in sorted(folder.rglob(pattern)):
            text = path.read_text(encoding="utf-8", errors="replace")
            found += [(path.relative_to(folder), match["what"]) for match in loads.finditer(text)]
    return found


def check(app: Sphinx, error: Exception | None) -> None:
    """Warn of what is not there without a network."""
    if error is None and app.builder.format == "html":
        for path, what in loaded(Path(app.outdir)):
            _LOGGER.warning("%s loads %s, which is not of the site", path, what, type="selfcontained")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Look at the pages when all are written."""
    app.connect("build-finished", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
