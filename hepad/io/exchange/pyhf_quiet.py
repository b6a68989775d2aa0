"""pyhf without the warnings of its dependencies and its own log, as every error of it is told in one line."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["pyhf_quiet"]


@contextmanager
def pyhf_quiet() -> Iterator[None]:
    """Silence DeprecationWarnings (pyhf 0.7.6 calls jsonschema.RefResolver), and tracebacks in the log."""
    log = logging.getLogger("pyhf")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        log.setLevel(before)
