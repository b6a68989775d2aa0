"""hepad: anomaly detection at the LHC, from a ROOT file to a limit.

The names below are the public Python API (docs/python.md): the verbs of the command line for files, arrays and
histograms. Each is loaded when it is first used, so that `import hepad` costs nothing. `__init__.pyi` types them.
"""

from __future__ import annotations

__version__ = "0.1.0"

_WHERE = {
    "load_events": "hepad.api.events",
    "load_model": "hepad.api.models",
    "train": "hepad.api.models",
    "score": "hepad.api.scores",
    "evaluate": "hepad.api.scores",
    "explain": "hepad.api.explanations",
    "hunt": "hepad.api.methods",
    "hist": "hepad.api.histograms",
    "bumphunt": "hepad.api.hunts",
    "fit": "hepad.api.hunts",
    "inject": "hepad.api.injections",
    "spurious": "hepad.api.injections",
    "limit": "hepad.api.limits",
    "discovery": "hepad.api.limits",
    "abcd": "hepad.api.abcd",
    "reinterpret": "hepad.api.reinterpretation",
    "rates": "hepad.api.rates",
    "jets": "hepad.api.jets",
    "cluster": "hepad.api.clusters",
    "monitor": "hepad.api.runs",
    "latency": "hepad.api.trigger",
    "verify": "hepad.api.published",
    "study": "hepad.api.published",
    "HepadError": "hepad.errors",
}

__all__ = [  # noqa: PLE0604  the verbs in the order of an analysis
    "__version__",
    *_WHERE,
]


def __getattr__(name: str) -> object:
    """A name of the API, loaded now (PEP 562)."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_WHERE[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
