"""A workspace as a pyhf model with its data, or the reason why it is none: what pyhf's schema does not look at."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.exchange.pyhf_quiet import pyhf_quiet

__all__ = ["workspace_model"]

FloatArray = npt.NDArray[np.float64]

_PER_BIN = ("shapesys", "staterror")


def workspace_model(spec: dict[str, Any], measurement: str | None = None) -> tuple[Any, FloatArray]:
    """The pyhf model and its observed and auxiliary data; `measurement` names one, None for the first.

    `InputDataError` in one line, whatever pyhf raises. A parameter of interest that is no free factor (a constrained
    or a fixed one) is refused, as pyhf's own inference does.
    """
    import pyhf

    try:
        with pyhf_quiet():
            workspace = pyhf.Workspace(spec)
            _check_layout(spec)
            # The interpolations that published likelihoods are made with, and pyhf's command line uses.
            settings = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}
            model = workspace.model(measurement_name=measurement, modifier_settings=settings)
            values = np.asarray(workspace.data(model), dtype=np.float64)
    except InputDataError:
        raise
    except (pyhf.exceptions.InvalidSpecification, pyhf.exceptions.InvalidMeasurement) as error:
        raise InputDataError(f"the workspace is not valid: {_line(error)}") from error
    except pyhf.exceptions.InvalidModel as error:
        hint = "; a background needs a signal from a patch" if "parameter of interest" in str(error) else ""
        raise InputDataError(f"the workspace makes no model: {_line(error).rstrip('.')}{hint}") from error
    except Exception as error:  # pyhf's exceptions have no common base, and numpy's come through
        raise InputDataError(f"the workspace makes no model: {_line(error)}") from error
    _check_poi(model)
    return model, values


def _check_poi(model: Any) -> None:
    config = model.config
    if config.poi_index is None:
        raise InputDataError("the measurement of the workspace names no parameter of interest")
    name = config.poi_name
    if config.param_set(name).constrained:
        kind = next(kind for modifier, kind in config.modifiers if modifier == name)
        raise InputDataError(
            f"the parameter of interest {name!r} is a {kind}, which has a constraint; name the normfactor of a signal"
        )
    if config.suggested_fixed()[config.poi_index]:
        raise InputDataError(
            f"the parameter of interest {name!r} is fixed in the measurement; a limit needs it free: "
            'remove its "fixed": true'
        )


def _check_layout(spec: dict[str, Any]) -> None:
    """Names tell channels and samples apart, every list of a channel has one number a bin; else `InputDataError`."""
    _check_names("channels", spec["channels"])
    _check_names("observations", spec["observations"])
    observed = {one["name"]: one["data"] for one in spec["observations"]}
    for channel in spec["channels"]:
        name, samples = channel["name"], channel["samples"]
        _check_names(f"samples of channel {name!r}", samples)
        bins = len(samples[0]["data"])
        if name not in observed:
            raise InputDataError(f"the workspace has no observation of channel {name!r}")
        found = [(f"its observation has {len(observed[name])}", len(observed[name]))]
        for sample in samples:
            found.append((f"its sample {sample['name']!r} has {len(sample['data'])}", len(sample["data"])))
            for modifier in sample["modifiers"]:
                where = f"the {modifier['type']} {modifier['name']!r} of its sample {sample['name']!r}"
                found += [(f"{where} has {length}", length) for length in _lengths(modifier)]
        for what, length in found:
            if length != bins:
                first = samples[0]["name"]
                raise InputDataError(f"channel {name!r} has {bins} bins in its sample {first!r}, but {what}")


def _check_names(what: str, entries: list[dict[str, Any]]) -> None:
    names = [entry["name"] for entry in entries]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputDataError(f"two of the {what} are named {twice!r}: only one of them would count")


def _lengths(modifier: dict[str, Any]) -> list[int]:
    data = modifier["data"]
    if modifier["type"] in _PER_BIN:
        return [len(data)]
    return [len(data["hi_data"]), len(data["lo_data"])] if modifier["type"] == "histosys" else []


def _line(error: Exception) -> str:
    return " ".join((str(error).splitlines() or [type(error).__name__])[0][:300].split())
