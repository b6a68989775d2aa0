"""What every model, input and method promises, as checks that anybody can run on one of their own.

`check_model("my_ae", config={...})` runs all that apply and raises `AssertionError` at the first that does not hold;
`model_checks()` gives them one by one, for `pytest.mark.parametrize`. So do `check_input("my_input", card={...})` and
`check_method("my_method", config={...})`. Nothing in here needs pytest.
"""

from __future__ import annotations

from hepad.testing.examples import example_batch, example_events
from hepad.testing.inputs import InputCase, check_input, input_checks
from hepad.testing.methods import MethodCase, check_method, method_checks
from hepad.testing.models import ModelCase, check_model, model_checks

__all__ = [
    "InputCase",
    "MethodCase",
    "ModelCase",
    "check_input",
    "check_method",
    "check_model",
    "example_batch",
    "example_events",
    "input_checks",
    "method_checks",
    "model_checks",
]
