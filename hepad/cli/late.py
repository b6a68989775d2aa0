"""Arrow when it is used: a command that reads and writes ROOT files alone ends without pyarrow.

awkward loads pyarrow with itself, for its functions that read and write Arrow and Parquet: a twentieth of the time of
a short command. In the process of a command, and there alone, something else stands for awkward's module of these
functions until anything of it is asked for, or anybody imports pyarrow: from then on all is as awkward has it.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

__all__ = ["arrow_when_used"]

_ARROW = "pyarrow"
_USES = "awkward._connect.pyarrow"
_TAKEN = "convert_awkward_arrow_table_to_native"
"""The one function that awkward takes out of that module while it is loaded itself."""


def arrow_when_used() -> None:
    """Let awkward load pyarrow with the first use of it, in this process."""
    sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds awkward's module once, while pyarrow is not there, and pyarrow; `importlib.abc` would cost what is won."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name == _USES and _ARROW not in sys.modules and not _StandIn.gone:
            return ModuleSpec(name, _Instead(), is_package=True)  # type: ignore[arg-type]
        if name == _ARROW and (spec := PathFinder.find_spec(name, path, target)) and spec.loader:
            spec.loader = _AwkwardToo(spec.loader)  # type: ignore[assignment]
            return spec
        return None


class _StandIn(ModuleType):
    """In place of awkward's module, until anything of it is asked for."""

    gone = False

    def __getattr__(self, name: str) -> Any:
        return getattr(_loaded(), name)


def _loaded() -> ModuleType:
    # Pyarrow first, whoever begins: two threads that took the locks of the two modules in turn would block each other.
    with suppress(ModuleNotFoundError):  # awkward's module tells of it when it is used
        import_module(_ARROW)
    _make_way()
    return import_module(_USES)


def _taken(*arguments: Any, **named: Any) -> Any:
    return getattr(_loaded(), _TAKEN)(*arguments, **named)


def _make_way() -> bool:
    """Let the next import of awkward's module load it; was there something in its place?"""
    _StandIn.gone = True
    stood = isinstance(sys.modules.get(_USES), _StandIn)
    if stood:
        sys.modules.pop(_USES, None)
    return stood


class _Instead:
    """Makes what stands for awkward's module."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _StandIn(spec.name)
        module.__path__ = []  # asked for while it is made
        return module

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, _TAKEN, _taken)


class _AwkwardToo:
    """Loads pyarrow, and then what something stands for: awkward registers types of its own with pyarrow."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        if _make_way():
            import_module(_USES)
