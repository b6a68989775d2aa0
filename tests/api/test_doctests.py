"""Every example in the docstrings of the API is run, and every public name has one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from importlib.util import find_spec
from pathlib import Path

import pytest

import hepad
import hepad.api

from ..conftest import leave_unrendered

TESTS = [
    test
    for module in pkgutil.iter_modules(hepad.api.__path__, "hepad.api.")
    for test in doctest.DocTestFinder().find(importlib.import_module(module.name))
    if test.examples
]


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_example(test: doctest.DocTest, examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "latency" in test.name and find_spec("da4ml") is None:
        pytest.skip("logic needs da4ml")
    monkeypatch.chdir(examples.parent.parent)
    leave_unrendered(monkeypatch)  # what a study writes
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert result.failed == 0, "".join(said)


def test_all_public_names_have_an_example() -> None:
    shown = {test.name.rpartition(".")[2] for test in TESTS}
    assert {name for name in hepad.__all__ if name[0].islower()} <= shown
