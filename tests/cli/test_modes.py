"""A verb that does one of several things takes every option in one of them, and refuses it in the others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from hepad.cli.main import app
from hepad.cli.modes import VERBS, Mode, check_modes
from hepad.errors import UsageError

BASE = {
    "inject": "s.csv --mass 3000",
    "import-model": "net.onnx -o out",
    "hist": "e.root --mass jet1+jet2 -o out",
    "fit": "s.csv",
    "bumphunt": "s.csv",
    "hunt": "e.root -o out",
    "limit": "",
    "jets": "e.root -o out",
    "abcd": "",
    "discovery": "",
    "reinterpret": "--analysis cms_2019_dijet",
    "latency": "--model snn_ae",
    "quantise": "b.h5 --model snn_ae --signal h0=h0.h5 -o out",
    "export": "--model snn_ae -o out",
}
"""What a verb cannot do without, of no mode."""

ASKED = {
    "inject": {"--float of the mass": "--float mass", "a mass that does not float": "--float width"},
    "import-model": {
        "--analysis": "--analysis a",
        "a network without --analysis": "",
        "--background": "--background b.h5",
        "a network without --background": "",
        "--vectors": "--vectors v.npz",
        "a network without --vectors": "",
    },
    "hist": {"--edges": "--edges 1,2,3", "bins of one width": ""},
    "fit": {"--window": "--window 5", "--function gp": "--function gp", "functions on the whole range": ""},
    "bumphunt": {
        "--reference column": "--reference",
        "--reference SPECTRUM": "--reference r.csv",
        "a fitted function": "",
        "--trials": "--trials",
        "one hunt in all spectra": "",
    },
    "hunt": {
        "--replicas": "--replicas 2 --analysis card.yaml",
        "--analysis": "--analysis card.yaml",
        "one --window": "--window 1:2",
        "--table": "--table",
        "files of events": "",
    },
    "limit": {"--workspace": "--workspace w.json", "--spectrum": "--spectrum s.csv", "--signal": "--signal 3"},
    "jets": {"--scores": "--scores s.root", "--table": "--table", "making jets": ""},
    "abcd": {"--scores": "--scores s.root", "--counts": "--counts 1,2,3,4"},
    "discovery": {
        "--analysis": "--analysis atlas_2025_multilepton",
        "a card of regions": "regions.yaml",
        "--data": "--data 3",
    },
    "reinterpret": {
        "--analysis all": "--analysis all",
        "--analysis of a hunt": "--analysis cms_2024_dijet_anomaly",
        "--analysis of a search": "",
        "event files": "e.root",
        "points alone, which have cross sections of their own": "--point 3500=e.root@0.1",
    },
    "latency": {
        "a processor's time alone": "--budget hlt-cpu",
        "logic and --tier measured": "--tier measured --tier estimated",
        "logic": "--budget cms-l1",
    },
    "quantise": {"--finetune": "--finetune b.h5", "weights that are only rounded": ""},
    "export": {
        "--format verilog or c++": "--format c++",
        "--format da4ml": "--format da4ml",
        "--format onnx or nir": "--format nir",
    },
}
"""How each mode is asked for."""


@cache
def command(verb: str) -> Any:
    return typer.main.get_command(app).commands[verb]


def parsed(verb: str, words: list[str]) -> Any:
    return command(verb).make_context(verb, [*words])


def refusal(verb: str, words: list[str]) -> str:
    """Why the words are refused; empty if they are not."""
    try:
        check_modes(parsed(verb, words), verb)
    except UsageError as error:
        return str(error)
    return ""


def with_option(verb: str, words: list[str], param: Any) -> list[str]:
    """The words and an option, with a value that it can have."""
    if param.param_type_name == "argument":
        return ["x.root", *words]
    for value in ([], ["7"], ["0.7"], ["encoder"], ["kt"], ["max"]):
        try:
            parsed(verb, [*words, param.opts[0], *value])
        except Exception:  # noqa: BLE001  click's own, wherever typer has it from
            continue
        return [*words, param.opts[0], *value]
    raise AssertionError(f"no value for {param.opts[0]}")


def cases() -> Iterator[tuple[str, int, Mode]]:
    for verb, known in VERBS.items():
        for number, axis in enumerate(known.axes):
            for mode in axis:
                yield verb, number, mode


@pytest.mark.parametrize("verb", VERBS)
def test_every_parameter_is_in_the_table(verb: str) -> None:
    known = VERBS[verb]
    named = [known.common, *({name for mode in axis for name in mode.parameters} for axis in known.axes)]
    everything = set().union(*named)
    assert everything == {param.name for param in command(verb).params}
    assert sum(map(len, named)) == len(everything)  # none is of two axes, or of one and common


@pytest.mark.parametrize(("verb", "axis", "mode"), list(cases()), ids=lambda value: getattr(value, "said", value))
def test_an_option_is_taken_or_refused(verb: str, axis: int, mode: Mode) -> None:
    others = VERBS[verb].axes[axis]
    base = [*BASE[verb].split(), *ASKED[verb][mode.said].split()]
    asking = parsed(verb, base)
    assert next(one for one in others if one.asked(asking.params)) is mode
    assert refusal(verb, base) == ""
    for param in command(verb).params:
        takers = [one for one in others if param.name in one.parameters]
        if not takers or asking.get_parameter_source(param.name).name == "COMMANDLINE":
            continue
        words = with_option(verb, base, param)
        said = refusal(verb, words)
        meant = next(one for one in others if one.asked(parsed(verb, words).params))
        if mode in takers:
            assert said == "", words
        elif meant is mode:
            assert any(taker.said in said for taker in takers), words
            assert param.opts[0] in said or param.param_type_name == "argument", words
            assert mode.said in said, words
        else:  # it asks for another mode itself
            assert meant in takers, words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("limit --workspace w.json --luminosity 139", "--luminosity does not go with --workspace"),
        ("limit --workspace w.json --spurious 50", "it is for --spectrum"),
        ("limit --workspace w.json --signal-error 0", "it is for --spectrum or --signal"),  # the default, but said
        ("limit --workspace w.json --signal 3", "give one of --signal and --workspace"),
        ("limit --spectrum s.csv --background-error 0.1", "it is for --signal"),
        ("limit --signal 3 --background 5 --global-toys 20", "it is for --spectrum"),
        ("discovery regions.yaml --background-error 0.1", "it is for --data"),
        ("fit s.csv --function gp --order auto", "--order does not go with --function gp"),
        ("fit s.csv --window-signal 0.05", "it is for --window"),
        ("bumphunt s.csv --events x.npz", "it is for --trials"),
        ("bumphunt s.csv --reference --no-refit", "--no-refit does not go with --reference column"),
        ("bumphunt s.csv --function dijet4 --exact-reference", "it is for --reference SPECTRUM"),
        ("hist e.root --mass jet1+jet2 --edges 1,2 --bins 7 -o o", "--bins does not go with --edges"),
        ("reinterpret --analysis a --point 3500=e.root@0.1 --xsec 0.1", "--xsec does not go with points alone"),
    ],
)
def test_the_command_says_which_option_and_of_what(words: str, message: str) -> None:
    result = CliRunner().invoke(app, words.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_default_is_not_an_option_given() -> None:
    assert refusal("limit", ["--workspace", "w.json"]) == ""
    assert refusal("fit", ["s.csv", "--function", "gp", "--function", "dijet3", "--order", "auto"]) == ""
