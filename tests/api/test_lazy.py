"""`import hepad` gives the names of the API and loads none of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hepad
from hepad.cli.commands import COMMANDS

HEAVY = ("numpy", "awkward", "torch", "scipy", "matplotlib", "pydantic", "typer", "hist", "uproot")


def test_import_loads_nothing() -> None:
    code = f"""
import sys
before = set(sys.modules)
import hepad
assert set(hepad.__all__) <= set(dir(hepad))
found = set(sys.modules) - before
assert found <= {{"hepad", "__future__"}}, found
hepad.HepadError
found = [name for name in {HEAVY!r} if name in sys.modules]
assert not found, found
hepad.load_events
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_each_name_is_there_once_loaded_and_stays() -> None:
    for name in hepad.__all__:
        value = getattr(hepad, name)
        assert vars(hepad)[name] is value
        assert getattr(value, "__doc__", "")
    with pytest.raises(AttributeError, match="module 'hepad' has no attribute 'bump_hunt'"):
        hepad.bump_hunt  # noqa: B018


def test_the_stub_has_the_same_names() -> None:
    tree = ast.parse(Path(hepad.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imported = {alias.asname: (node.module, alias.name) for node in tree.body if isinstance(node, ast.ImportFrom)
                for alias in node.names}  # fmt: skip
    assert {"__version__", *imported} == set(hepad.__all__)
    for name, (module, attribute) in imported.items():
        assert name == attribute
        assert hepad._WHERE[name] == module


def test_verbs_are_those_of_the_command_line() -> None:
    verbs = {name for name in hepad.__all__ if name[0].islower() and not name.startswith(("load_", "_"))}
    assert verbs <= set(COMMANDS)
