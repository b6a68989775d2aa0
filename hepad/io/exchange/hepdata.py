"""Tables as a HEPData submission: `submission.yaml` and a YAML file each (hepdata-submission.readthedocs.io)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Axis", "HepDataTable", "Resource", "Values", "submission_faults", "write_submission"]

Number = float | int | None
Error = float | tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """An independent variable: text, numbers, or bins as (low, high)."""

    name: str
    values: Sequence[str | float | tuple[float, float]]
    units: str = ""


@dataclass(frozen=True)
class Values:
    """A dependent variable: numbers, None where there is none, and errors by label.

    An error is a number for both sides, or (down, up) with both positive.
    """

    name: str
    values: Sequence[Number]
    units: str = ""
    errors: Mapping[str, Sequence[Error]] = field(default_factory=dict)
    qualifiers: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Resource:
    """A file of the submission beside its tables: its name, what it is, and the word HEPData has for such files."""

    location: str
    description: str
    kind: str = ""


@dataclass(frozen=True)
class HepDataTable:
    """A table of a submission. `energy_gev` is the collision energy that it is found by, `resources` are its files."""

    name: str
    description: str
    axes: Sequence[Axis]
    columns: Sequence[Values]
    observables: Sequence[str] = ()
    energy_gev: float | None = None
    resources: Sequence[Resource] = ()


def write_submission(
    folder: Path, comment: str, tables: Sequence[HepDataTable], resources: Sequence[Resource] = ()
) -> None:
    """Write the submission into a folder that exists, with the files of the `resources` in it."""
    documents: list[dict[str, Any]] = [{"comment": comment, **_resources(resources)}]
    for number, table in enumerate(tables, start=1):
        file = f"table_{number}.yaml"
        keywords: list[dict[str, Any]] = [{"name": "observables", "values": list(table.observables)}]
        if table.energy_gev is not None:
            keywords.append({"name": "cmenergies", "values": [table.energy_gev]})
        documents.append(
            {
                "name": table.name,
                "description": table.description,
                "keywords": [keyword for keyword in keywords if keyword["values"]],
                "data_file": file,
                **_resources(table.resources),
            }
        )
        content = {
            "independent_variables": [_axis(axis) for axis in table.axes],
            "dependent_variables": [_column(column) for column in table.columns],
        }
        (folder / file).write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    text = yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True)
    (folder / "submission.yaml").write_text(text, encoding="utf-8")


def submission_faults(folder: Path) -> list[str] | None:
    """What hepdata-validator finds wrong with the submission in a folder; None where it is not installed."""
    with warnings.catch_warnings():
        # The validator imports what is deprecated, and leaves files for Python to close.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            from hepdata_validator.full_submission_validator import FullSubmissionValidator
        except ImportError:
            return None
        validator = FullSubmissionValidator(autoload_remote_schemas=False)
        if validator.validate(directory=str(folder)):
            return []
    found = validator.get_messages()
    return [f"{Path(file).name}: {message.message}" for file, messages in found.items() for message in messages]


def _resources(resources: Sequence[Resource]) -> dict[str, Any]:
    if not resources:
        return {}
    rows = [
        {"location": one.location, "description": one.description, **({"type": one.kind} if one.kind else {})}
        for one in resources
    ]
    return {"additional_resources": rows}


def _header(name: str, units: str) -> dict[str, str]:
    return {"name": name, **({"units": units} if units else {})}


def _axis(axis: Axis) -> dict[str, Any]:
    values = [{"low": v[0], "high": v[1]} if isinstance(v, tuple) else {"value": v} for v in axis.values]
    return {"header": _header(axis.name, axis.units), "values": values}


def _column(column: Values) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for i, value in enumerate(column.values):
        if value is None or not math.isfinite(value):
            rows.append({"value": "-"})  # HEPData's sign for a value that is not there
            continue
        errors = [_error(label, errors[i]) for label, errors in column.errors.items()]
        rows.append({"value": value, **({"errors": kept} if (kept := [e for e in errors if e]) else {})})
    qualifiers = [{"name": name, "value": value} for name, value in column.qualifiers.items()]
    return {
        "header": _header(column.name, column.units),
        **({"qualifiers": qualifiers} if qualifiers else {}),
        "values": rows,
    }


def _error(label: str, error: Error) -> dict[str, Any] | None:
    """An uncertainty; None for one of zero, which HEPData refuses."""
    if isinstance(error, tuple):
        down, up = error
        return None if down == up == 0 else {"asymerror": {"minus": -down, "plus": up}, "label": label}
    return None if error == 0 else {"symerror": error, "label": label}
