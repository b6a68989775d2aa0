"""What forms say as words of commands: those that the command line takes, and nothing that somebody else chose."""

from __future__ import annotations

from typing import get_args

import pytest
import typer

from hepad.bundles.files import read_card
from hepad.cards.analysis import load_analysis
from hepad.cards.resolver import resolve
from hepad.cli.commands import command_app
from hepad.errors import UsageError
from hepad.serve.answers import answer, short
from hepad.serve.commands import KINDS, RESULTS, choices, gallery, pasted, plan, run_words, stored_name
from hepad.serve.store import Job, Step

GOOD = {
    "reinterpret": (
        {"analysis": "cms_2019_dijet", "xsec": " 0.05", "luminosity": "", "sqrt_s": "13000"},
        ["events.root"],
        "reinterpret events.root --analysis cms_2019_dijet --xsec 0.05 --sqrt-s 13000 -o result",
    ),
    "score": (
        {"model": "snn_ae", "csrf": "x", "luminosity": "of another form"},
        ["events.h5", "events-2.h5"],
        "score events.h5 events-2.h5 --model snn_ae -o scores.root",
    ),
    "bumphunt": (
        {"function": "dijet5", "histogram": "dir/m (jj)", "low": "0", "high": "1234567.25", "toys": "100", "seed": "3"},
        ["spectrum.root"],
        "bumphunt|spectrum.root:dir/m (jj)|--function|dijet5|--range|0:1234567.25|--toys|100|--seed|3|-o|result",
    ),
    "latency": (
        {"model": "snn_ae", "budget": "cms-l1"},
        [],
        "latency --model snn_ae --budget cms-l1 -o result",
    ),
    "validation": (
        {"analysis": "atlas_2023_yxh"},
        ["events.root"],
        "analysis validation atlas_2023_yxh events.root -o result",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_form_becomes_words_that_the_command_line_takes(kind):
    fields, files, expected = GOOD[kind]
    (step,) = plan(kind, fields, files).steps
    assert list(step.words) == expected.split("|" if "|" in expected else " ")
    assert step.output == step.words[-1]
    verb, *words = run_words(step.words)
    command = typer.main.get_command(command_app(verb))
    if hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    assert command.make_context(verb, words).params["json"] is True
    assert verb in RESULTS


@pytest.mark.parametrize(("model", "files"), [("dnn_ae", ["card.yaml", "scale.npz"]), ("anomaly_clr", ["card.yaml"])])
def test_a_network_of_the_user_reads_what_a_bundled_model_reads(model, files, tmp_path):
    found = plan("latency", {"model": model, "budget": "hlt-cpu", "score": "mae"}, ["network.onnx"])
    assert [(step.verb, step.prepares) for step in found.steps] == [("import-model", True), ("latency", False)]
    assert list(found.made) == files
    assert ("--scale" in found.steps[0].words) == ("scale.npz" in files)
    for name, content in found.made.items():
        (tmp_path / name).write_bytes(content)
    card, bundle = load_analysis(str(tmp_path / "card.yaml")), read_card(resolve("bundles", model))
    assert (card.input, card.selection) == (bundle.input, bundle.selection.name)
    for step in found.steps:
        verb, *words = run_words(step.words)
        assert typer.main.get_command(command_app(verb)).make_context(verb, words).params["json"] is True


def test_all_searches_are_one_command_whose_verdict_is_that_of_the_ranking():
    (step,) = plan("reinterpret", {"analysis": "all"}, ["events.root"]).steps
    assert " ".join(step.words) == "reinterpret events.root --analysis all -o result"
    assert short(step, '{"verdict": "excluded, by cms_2019_dijet"}') == "excluded, by cms_2019_dijet"
    assert list(choices("reinterpret")["searches"]) == [row["name"] for row in gallery()]
    assert set(choices("validation")["searches"]) > {"cms_2019_dijet", "atlas_2023_yxh"}


@pytest.mark.parametrize(
    ("kind", "changes", "word"),
    [
        ("reinterpret", {"analysis": "../../etc/passwd"}, "search"),
        ("reinterpret", {"analysis": "snn_ae"}, "search"),  # a model, no search
        ("reinterpret", {"analysis": "--help"}, "search"),
        ("reinterpret", {"xsec": "-1"}, "Cross section"),
        ("reinterpret", {"xsec": "nan"}, "Cross section"),
        ("reinterpret", {"xsec": "1e400"}, "Cross section"),
        ("reinterpret", {"xsec": "0.1 --model x"}, "Cross section"),
        ("score", {"model": "/srv/bundle"}, "model"),
        ("score", {"model": "<script>"}, "model"),
        ("bumphunt", {"histogram": "--json"}, "Name of the histogram"),
        ("bumphunt", {"histogram": "h\n"}, "Name of the histogram"),
        ("bumphunt", {"function": "card.yaml"}, "function"),
        ("bumphunt", {"low": "4000", "high": "1000"}, "range"),
        ("bumphunt", {"low": "0", "high": ""}, "range"),
        ("bumphunt", {"low": "-1"}, "Range from"),
        ("bumphunt", {"toys": "1000000000"}, "Pseudo-experiments"),
        ("bumphunt", {"seed": "-3"}, "seed"),
        ("latency", {"budget": ""}, "budget"),
    ],
)
def test_what_is_no_value_of_a_form_is_refused_in_a_line_that_names_it(kind, changes, word):
    fields, files, _ = GOOD[kind]
    with pytest.raises(UsageError, match=word) as refused:
        plan(kind, {**fields, **changes}, files)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize("printed", ["", "{}", "[]", "null", '{"cutflow": 3, "passed": "x"}'])
@pytest.mark.parametrize("verb", RESULTS)
def test_what_another_version_printed_stops_no_page(verb, printed):
    step = Step(title="", words=(verb,), output="")
    assert (answer(step, printed), short(step, printed)) == ([], "")


def test_files_are_counted():
    with pytest.raises(UsageError, match="no file was given"):
        plan("score", {"model": "vae"}, [])
    with pytest.raises(UsageError, match="at most 1 "):
        plan("bumphunt", {}, ["a.csv", "b.csv"])


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("signal.root", "events-2.root"),
        ("SIGNAL.ROOT", "events-2.root"),
        ("run.lhe.gz", "events-2.lhe.gz"),
        ("../../../etc/passwd", "events-2.dat"),
        ("..\\..\\x.h5", "events-2.h5"),
        ("-rf.py", "events-2.dat"),
        ("x.root/../../y", "events-2.dat"),
        ("x.root.sh", "events-2.dat"),
        ("a\0b.csv", "events-2.csv"),
        (".gz", "events-2.dat"),
        ("", "events-2.dat"),
    ],
)
def test_of_a_name_only_a_known_ending_is_kept(shown, name):
    assert stored_name("events", 2, shown) == name


def test_pasted_numbers_become_a_table():
    text = "low high events\n\n1000;1100; 5\n 1100\t1200 3 \n1200, 1300, 2,"
    assert pasted(text) == "1000,1100,5\n1100,1200,3\n1200,1300,2\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no line"),
        ("a b c", "no line"),
        ("1 2 3\n1 2", "line 2 .* 2 numbers"),
        ("1 2 3\n1 x 2", "line 2 .* 'x'"),
        ("1 2 inf", "'inf'"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(text, says):
    with pytest.raises(UsageError, match=says):
        pasted(text)


def test_a_job_is_of_a_kind_that_has_a_page():
    assert set(get_args(Job.model_fields["kind"].annotation)) == set(KINDS)
