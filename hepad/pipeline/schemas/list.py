"""`hepad list`."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.bundles.citation import Citation

__all__ = ["AnyRow", "Printed"]


class Row(TypedDict):
    """A selection or a function of fits."""

    name: str
    title: str
    reference: str


class _Trained(TypedDict("_Trained", {"trained on": str})):  # no name in Python has a space
    """What a model was trained on."""


class Model(Row, _Trained):
    """A trained model."""

    selection: str
    input: str
    """Its kind and shape."""
    scores: str
    """Their names, the default first."""
    fidelity: str


class Analysis(Row):
    """A model to train, or a search."""

    kind: str
    """model or search."""
    selection: str
    model: str
    """Its kind; of a search the bundles that it takes, empty for none."""
    fidelity: str


class Method(Row):
    """A method of `hepad hunt`."""

    selection: str
    method: str
    folds: int
    fidelity: str


class Hunt(Row):
    """A hunt in windows or in a plane."""

    methods: str
    """Of a plane its regions."""
    windows: int
    fidelity: str


class Study(Row):
    """A study."""

    analyses: str


class Budget(TypedDict("_Latency", {"latency [ns]": str}), Row):
    """A budget of a trigger."""

    device: str


class Menu(Row):
    """A menu of a trigger."""

    seeds: str
    """How many."""


class Kind(TypedDict("_From", {"from": str})):
    """A kind of model, input, method or reader, and the package that it is from."""

    name: str
    kind: str
    title: str
    """Why it does not load, if it does not."""
    inputs: str


AnyRow = Row | Model | Analysis | Method | Hunt | Study | Budget | Menu | Kind
"""What there is of each kind of thing that ships."""

Printed = (
    dict[str, list[str]]
    | list[Citation]
    | list[Row]
    | list[Model]
    | list[Analysis]
    | list[Method]
    | list[Hunt]
    | list[Study]
    | list[Budget]
    | list[Menu]
    | list[Kind]
)
