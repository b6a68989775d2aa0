"""Verbs that do one of several things, and which options each of them takes; any other option is refused there.

An option without effect is one that somebody believes in: a systematic that is dropped in silence. So the table names
every option of such a verb, and options that were given are held against it once, before the verb begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hepad.errors import HepadError, UsageError

__all__ = ["VERBS", "Mode", "Verb", "check_modes"]

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Mode:
    """One of the things a verb does: how one says it, whether it is asked for, and the parameters of its own."""

    said: str
    asked: Callable[[Parameters], bool]
    parameters: frozenset[str]


Axis = tuple[Mode, ...]
"""Modes that exclude one another; the first that is asked for is meant."""


@dataclass(frozen=True)
class Verb:
    """`common` parameters go with everything; a parameter of modes of an axis only with those."""

    common: frozenset[str]
    axes: tuple[Axis, ...]


def check_modes(ctx: Any, verb: str) -> None:
    """`UsageError` if an option was given that the modes asked for do not take; `ctx` is the context of `verb`."""
    known = VERBS.get(verb)
    for axis in known.axes if known is not None else ():
        meant = next((mode for mode in axis if mode.asked(ctx.params)), None)
        if meant is not None:
            for param in ctx.command.params:
                _check(param, meant, axis, ctx)


def _check(param: Any, meant: Mode, axis: Axis, ctx: Any) -> None:
    takers = [mode for mode in axis if param.name in mode.parameters]
    source = ctx.get_parameter_source(param.name)
    if not takers or meant in takers or source is None or source.name != "COMMANDLINE":
        return
    name = param.human_readable_name if param.param_type_name == "argument" else param.opts[0]
    if ctx.params[param.name] is False and param.secondary_opts:
        name = param.secondary_opts[0]
    if name in {mode.said for mode in takers}:
        raise UsageError(f"give one of {name} and {meant.said}; see hepad {ctx.info_name} --help")
    takes = " or ".join(mode.said for mode in takers)
    raise UsageError(f"{name} does not go with {meant.said}, where it has no effect; it is for {takes}")


def _given(*names: str) -> Callable[[Parameters], bool]:
    return lambda params: any(params.get(name) not in (None, (), []) for name in names)


def _always(_: Parameters) -> bool:
    return True


def _processes_alone(params: Parameters) -> bool:
    return bool(params["function"]) and all(name.partition(":")[0] == "gp" for name in params["function"])


def _measures_alone(params: Parameters) -> bool:
    """Whether `hepad latency` is to time a processor and nothing else."""
    if params["tier"]:
        return set(params["tier"]) == {"measured"}
    from hepad.cards.budget import load_budget

    try:
        return params["budget"] is not None and load_budget(params["budget"]).device is None
    except HepadError:  # it is told where the budget is used
        return False


def _measures_too(params: Parameters) -> bool:
    return bool({"measured", "all"} & set(params["tier"] or ()))


def _is_of_hunt(params: Parameters) -> bool:
    from hepad.cards.hunt import is_hunt

    return is_hunt(params["analysis"])


def _mode(said: str, asked: Callable[[Parameters], bool], parameters: str = "") -> Mode:
    return Mode(said, asked, frozenset(parameters.split()))


def _verb(common: str, *axes: Axis) -> Verb:
    return Verb(frozenset(common.split()) | {"output", "json", "force", "quiet"}, axes)


_RUN = "step_size workers executor scheduler skip_bad_files progress"
_ERRORS = "signal_error luminosity_error"
_OF_SEARCHES = "sqrt_s signal_error jes calculator toys max_events executor scheduler skip_bad_files"
_DRAWN = "figures label title style"
_LOGIC, _TIMES = "bits part cutoff shallow", f"batch threads seconds repeat {_DRAWN}"

VERBS: dict[str, Verb] = {
    "inject": _verb(
        f"spectrum mass width events function truth floating mass_range experiments seed progress {_DRAWN}",
        (
            _mode("--float of the mass", lambda params: "mass" in params["floating"], "search"),
            _mode("a mass that does not float", _always),
        ),
    ),
    "import-model": _verb(
        "file scale",
        (
            _mode("--analysis", _given("analysis"), "analysis"),
            _mode("a network without --analysis", _always, "card selection region"),
        ),
        (
            _mode("--background", _given("background"), "background cross_section step_size max_events progress"),
            _mode("a network without --background", _always),
        ),
        (_mode("--vectors", _given("vectors"), "vectors tolerance"), _mode("a network without --vectors", _always)),
    ),
    "hist": _verb(
        f"files mass scores selection region cross_section luminosity {_RUN}",
        (_mode("--edges", _given("edges"), "edges"), _mode("bins of one width", _always, "bins range_")),
    ),
    "fit": _verb(
        f"spectrum function mass_range toys seed {_DRAWN} progress",
        (
            _mode("--window", _given("window"), "window window_signal order"),
            _mode("--function gp", _processes_alone),
            _mode("functions on the whole range", _always, "order"),
        ),
    ),
    "bumphunt": _verb(
        "spectra mass_range width_min width_max width_step scan_step direction sideband_veto toys seed "
        f"{_DRAWN} progress",
        (
            _mode("--reference column", lambda params: params["reference"] == "column", "reference"),
            _mode("--reference SPECTRUM", _given("reference"), "reference exact_reference"),
            _mode("a fitted function", _always, "function refit"),
        ),
        (
            _mode("--trials", lambda params: bool(params["trials"]), "trials events"),
            _mode("one hunt in all spectra", _always, "inject"),
        ),
    ),
    "hunt": _verb(
        "files method mass selection feature background signal allow_mass seed folds restarts epochs device max_events "
        f"restart {_RUN}",
        (
            _mode("--replicas", _given("replicas"), "replicas share analysis range_"),
            _mode("--analysis", _given("analysis"), f"analysis toys range_ luminosity {_DRAWN}"),
            _mode("one --window", _always, "window sidebands region format_ resume"),
        ),
        (_mode("--table", lambda params: bool(params["table"]), "table column"), _mode("files of events", _always)),
    ),
    "limit": _verb(
        f"calculator toys seed {_DRAWN}",
        (
            _mode("--workspace", _given("workspace"), "workspace patch measurement"),
            _mode(
                "--spectrum",
                _given("spectrum"),
                "progress spectrum function signal_shape mass mass_range luminosity acceptance spurious global_toys "
                + _ERRORS,
            ),
            _mode("--signal", _given("signal"), "signal background data background_error cross_section " + _ERRORS),
        ),
    ),
    "jets": _verb(
        "files",
        (
            _mode("--table", lambda params: bool(params["table"]), "table leading scores"),
            _mode("--scores", _given("scores"), "scores event_score format_"),
            _mode(
                "making jets", _always, f"radius algorithm min_pt max_eta leading soft_drop format_ max_events {_RUN}"
            ),
        ),
    ),
    "abcd": _verb(
        _DRAWN,
        (
            _mode("--scores", _given("scores"), "scores plane efficiency min_events data"),
            _mode("--counts", _always, "counts nonclosure signal calculator toys seed"),
        ),
    ),
    "discovery": _verb(
        "luminosity calculator toys seed",
        (
            _mode("a card of regions", _given("regions"), "regions"),
            _mode("--analysis", _given("analysis"), "analysis data"),
            _mode("--data", _always, "data background background_error"),
        ),
    ),
    "reinterpret": _verb(
        f"analysis step_size workers {_DRAWN} progress",
        (
            _mode("--analysis all", lambda params: params["analysis"] == "all", _OF_SEARCHES),
            _mode("--analysis of a hunt", _is_of_hunt, "background method study"),
            _mode(
                "--analysis of a search",
                _always,
                f"background luminosity region selection model point points {_OF_SEARCHES}",
            ),
        ),
        (
            _mode("event files", _given("files"), "files xsec"),
            _mode("points alone, which have cross sections of their own", _given("point", "points")),
        ),
    ),
    "latency": _verb(
        "model files budget tier score max_events seed progress",
        (
            _mode("a processor's time alone", _measures_alone, f"part {_TIMES}"),
            _mode("logic and --tier measured", _measures_too, f"{_LOGIC} {_TIMES}"),
            _mode("logic", _always, _LOGIC),
        ),
    ),
    "quantise": _verb(
        f"background model signal weights bits shallow seed simulated max_events {_DRAWN}",
        (
            _mode("--finetune", _given("finetune"), "finetune epochs seeds save"),
            _mode("weights that are only rounded", _always),
        ),
    ),
    "export": _verb(
        "model format_ files score max_events seed",
        (
            _mode(
                "--format verilog or c++", lambda params: params["format_"] in {"verilog", "c++"}, f"{_LOGIC} simulate"
            ),
            _mode("--format da4ml", lambda params: params["format_"] == "da4ml", _LOGIC),
            _mode("--format onnx or nir", _given("format_")),
        ),
    ),
}
"""Every verb with modes, and all of its parameters."""
