"""Modules that most commands never use are loaded when they are: for files on servers, Arrow, masked arrays, tests.

awkward and uproot load fsspec, and asyncio with it, and an HTTP client for files on servers, and pyarrow for Arrow and
Parquet; who asks whether an array is a masked one of numpy loads these, scipy what tests of numpy are written with, and
pydantic what finds its plugins: a tenth of the work of a short command. In the process of a command, and there alone,
something else stands for these modules until anything of them is asked for. From then on all is as it is without: the
modules themselves are there, and whoever has what stood for them is sent on to them.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from threading import Lock
from types import ModuleType
from typing import Any

__all__ = ["load_when_used"]

_ARROW = "pyarrow"
_USES_ARROW = "awkward._connect.pyarrow"
_LATE = (
    *(_USES_ARROW, "awkward.operations.str", "fsspec", "importlib.metadata", "importlib_metadata", "numpy.ma"),
    *("numpy.testing", "uproot.source.fsspec", "uproot.source.http"),
)
_TAKEN = {
    _USES_ARROW: ("convert_awkward_arrow_table_to_native",),
    "fsspec": ("AbstractFileSystem",),
    "fsspec.core": ("url_to_fs",),
    "fsspec.implementations.cached": ("WholeFileCacheFileSystem",),
    "fsspec.implementations.local": ("LocalFileSystem",),
    "importlib.metadata": ("EntryPoint", "entry_points"),
    "numpy.ma": ("MaskedArray", "is_masked"),
    "uproot.source.fsspec": ("FSSpecSource",),
    "uproot.source.http": ("HTTPSource", "MultithreadedHTTPSource"),
}
"""What is taken out of them by who loads them, and used later if at all. A name that is missing here costs time alone:
whoever takes it loads its module.
"""

_ASKS = ("is_masked",)
"""The functions among them that ask whether something is of such a module: nothing is while nobody has loaded it."""

_GIVEN = ("__cached__", "__file__", "__path__")
"""Asked for while a module is made, which has them then, if it has them at all."""


def load_when_used() -> None:
    """Let the modules be loaded with the first use of them, in this process."""
    sys.meta_path.insert(0, _Finder())


def _late(name: str) -> str:
    """The one of the modules that this is, or that it is in; empty if none."""
    return next((late for late in _LATE if name == late or name.startswith(f"{late}.")), "")


class _Finder:
    """Finds what stands for the modules until they are used; `importlib.abc` would cost what is won."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if not name.startswith((*_LATE, _ARROW)):  # nearly all
            return None
        late = _late(name)
        if late in _StandIn.gone or (late == _USES_ARROW and _ARROW in sys.modules):
            return None
        if (late or name == _ARROW) and (spec := PathFinder.find_spec(name, path, target)) and spec.loader:
            spec.loader = _Instead() if late else _AwkwardToo(spec.loader)  # type: ignore[assignment]
            return spec
        return None


class _StandIn(ModuleType):
    """In place of a module, until anything of it is asked for; and then for those who have it already."""

    gone: dict[str, list[str]] = {}  # noqa: RUF012
    lock = Lock()

    def __getattr__(self, name: str) -> Any:
        if name in _GIVEN:
            raise AttributeError(name)
        return getattr(_module(self.__name__), name)


class _Name:
    """In place of what was taken out of such a module, a class or a function; nothing is of a class not yet there."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def _itself(self) -> Any:
        return getattr(_module(self._module), self._name)

    def _is_there(self) -> bool:
        return not isinstance(sys.modules.get(self._module), _StandIn | None)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self._name in _ASKS and not self._is_there():
            return False
        return self._itself()(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._itself(), name)

    def __instancecheck__(self, instance: Any) -> bool:
        return self._is_there() and isinstance(instance, self._itself())

    def __subclasscheck__(self, subclass: Any) -> bool:
        return self._is_there() and issubclass(subclass, self._itself())

    def __mro_entries__(self, _bases: Any) -> tuple[Any, ...]:
        return (self._itself(),)

    def __or__(self, other: Any) -> Any:
        return self._itself() | other

    def __ror__(self, other: Any) -> Any:
        return other | self._itself()


def _module(name: str) -> ModuleType:
    """The module itself, and with it all of them that were loaded before it was there."""
    # Pyarrow first, whoever begins: two threads that took the locks of the two modules in turn would block each other.
    if name == _USES_ARROW:
        with suppress(ModuleNotFoundError):  # awkward's module tells of it when it is used
            import_module(_ARROW)
    for stood in _make_way(_late(name)):
        import_module(stood)
    return import_module(name)


def _make_way(late: str) -> list[str]:
    """Let the next import load the module; the names, it and what is in it, in whose place something stood."""
    with _StandIn.lock:  # nothing is imported while it is held
        stood = _StandIn.gone.setdefault(late, [])
        for name in [name for name, module in sys.modules.items() if type(module) is _StandIn and _late(name) == late]:
            stand_in = sys.modules.pop(name)
            stood.append(name)
            for given in [given for given in vars(stand_in) if not given.startswith("__")]:
                delattr(stand_in, given)  # what was taken and the modules in it: from now on those that are there
        return list(stood)


class _Instead:
    """Makes what stands for a module."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        for name in _TAKEN.get(module.__name__, ()):
            setattr(module, name, _Name(module.__name__, name))


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
        if _make_way(_USES_ARROW):
            import_module(_USES_ARROW)
