"""pyhf without the warnings of its dependencies, which its users can do nothing about."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["pyhf_quiet"]


@contextmanager
def pyhf_quiet() -> Iterator[None]:
    """Silence DeprecationWarnings: pyhf 0.7.6 calls jsonschema.RefResolver."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
