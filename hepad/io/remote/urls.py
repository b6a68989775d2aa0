"""URLs as text: told from paths, and shown without what may be a secret."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["is_url", "shown"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_url(name: str) -> bool:
    """Whether a name is a URL and not a path on the disk."""
    return _URL.match(name) is not None


def shown(url: str) -> str:
    """A URL without user, password, query and fragment, any of which may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{'?...' if parts.query else ''}"
