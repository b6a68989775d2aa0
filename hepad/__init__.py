"""hepad: anomaly detection at the LHC, from a ROOT file to a limit."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
