"""A link that is called `fits.md`, as files call one another, has the title of that page or section on the site."""

from __future__ import annotations

import re

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

_NAMED = re.compile(r"\[(\w+\.md)\]\((?=\1)")


def name(app: Sphinx, docname: str, source: list[str]) -> None:  # noqa: ARG001  Sphinx calls it so
    """Leave the text of such links to Sphinx, which takes the title."""
    source[0] = _NAMED.sub("[](", source[0])


def setup(app: Sphinx) -> ExtensionMetadata:
    """Before a page is parsed."""
    app.connect("source-read", name)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
