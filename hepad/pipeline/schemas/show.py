"""`hepad show`."""

from __future__ import annotations

from hepad.pipeline.catalogue import Thing

__all__ = ["Printed"]

Printed = list[Thing]
