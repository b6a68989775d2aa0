"""Cards: what is refused, and that the error names the file and the key."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Literal

import pytest
import yaml

from hepad import registry
from hepad.cards.analysis import RegionSpec, load_analysis
from hepad.cards.base import Card, parse_card, read_yaml
from hepad.cards.budget import load_budget, load_device
from hepad.cards.bundle import parse_region, region_words
from hepad.cards.fit import load_fit
from hepad.cards.resolver import bundled_names, resolve
from hepad.cards.search import load_search
from hepad.cards.selection import Condition, load_selection
from hepad.cards.study import load_study
from hepad.errors import CardError

ANALYSIS = {
    "schema": "analysis/1",
    "name": "mine",
    "title": "A test",
    "reference": "none",
    "fidelity": "inspired",
    "selection": "adc2021",
    "input": {"kind": "l1_vector", "features": ["pt"], "scale": "max_with_floor"},
    "model": {"name": "dnn_ae", "layers": [8, 4]},
    "regions": {"loose": {"background_efficiency": 0.01}},
}
SELECTION = {
    "schema": "selection/1",
    "name": "mine",
    "title": "A test",
    "reference": "none",
    "objects": {"jets": {"pt": {"min": 30}, "abs_eta": {"max": 4.0}, "max_count": 10}},
    "require": [{"name": "two jets", "all": [{"jets": {}, "min_count": 2}]}],
}
NOTHING = object()


def changed(card, key, value):
    """A copy of the card with one dotted key set, or taken out if the value is NOTHING."""
    result = copy.deepcopy(card)
    *folders, last = key.split(".")
    inner = result
    for step in folders:
        inner = inner[int(step)] if isinstance(inner, list) else inner.setdefault(step, {})
    if value is NOTHING:
        del inner[last]
    else:
        inner[last] = value
    return result


def written(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(path)


def refusal(load, path):
    """The message of the CardError; it must be short and name the file."""
    with pytest.raises(CardError) as caught:
        load(path)
    message = str(caught.value)
    assert path in message
    assert message.count("\n") <= 1
    assert caught.value.exit_code == 3
    return message


def test_the_cards_that_the_other_tests_break_are_whole(tmp_path):
    card = load_analysis(written(tmp_path, ANALYSIS))
    assert card.model.config == {"layers": [8, 4]}
    assert card.regions["loose"].efficiency == 0.01
    assert card.train.validation_fraction == 0.1
    selection = load_selection(written(tmp_path, SELECTION))
    assert selection.fields() == {"jets": {"pt", "eta"}}
    assert selection.require[0].all[0].quantity == "jets"


@pytest.mark.parametrize(
    ("key", "value", "named", "said"),
    [
        ("colour", "red", "colour", "unknown key"),
        ("train.epoch", 5, "train.epoch", "unknown key"),
        ("input.skale", "none", "input.skale", "unknown key"),
        ("title", NOTHING, "title", "required"),
        ("schema", "analysis/2", "schema", "'analysis/1'"),
        ("schema", NOTHING, "schema", "required"),
        ("train.epochs", "many", "train.epochs", "integer"),
        ("train.epochs", 2.5, "train.epochs", "integer"),
        ("train.epochs", 0, "train.epochs", "greater than or equal to 1"),
        ("train.learning_rate", -1.0, "train.learning_rate", "greater than 0"),
        ("train.learning_rate", float("nan"), "train.learning_rate", "got nan"),
        ("train.validation_fraction", 1.0, "train.validation_fraction", "less than 1"),
        ("train", {"validation_fraction": 0.5, "holdout_fraction": 0.5}, "train", "leave events to train on"),
        ("fidelity", "perfect", "fidelity", "'exact', 'approximate' or 'inspired'"),
        ("fidelity", "exact", "card", "needs published numbers"),
        (
            "model.name",
            "no_ae",
            "card",
            f"unknown model 'no_ae': choose one of {', '.join(sorted(registry.SCORERS))}",
        ),
        ("model", "dnn_ae", "model", "dictionary"),
        ("input.kind", "no_image", "input", "unknown input kind 'no_image': choose one of"),
        ("input.features", ["pt", "charge"], "input.features.1", "got 'charge'"),
        ("input.features", [], "input", "each once"),
        ("input.features", ["pt", "pt"], "input", "each once"),
        ("input.order", ["jets", "jets"], "input", "each once"),
        ("input.order", ["jets", "photons"], "input", "positive number for photons"),
        ("input.counts", {"jets": 0, "muons": 4, "electrons": 4}, "input.counts.jets", "greater than or equal to 1"),
        ("input.counts", {"muons": 4, "electrons": 4}, "input", "positive number for jets"),
        ("regions.loose.background_efficiency", 1.5, "regions.loose.background_efficiency", "got 1.5"),
        ("regions.loose.threshold", 3.0, "regions.loose", "give one of"),
        ("regions.loose", {}, "regions.loose", "found none"),
        ("regions.loose", {"rate_khz": 1.0}, "regions.loose", "rate_khz and input_rate_khz go together"),
        ("published", {"h0": {"auc": [0.7]}}, "published.h0.auc.1", "required"),
    ],
)
def test_a_faulty_analysis_is_refused_by_key(tmp_path, key, value, named, said):
    message = refusal(load_analysis, written(tmp_path, changed(ANALYSIS, key, value)))
    assert f"key '{named}'" in message
    assert said in message


@pytest.mark.parametrize(
    ("key", "value", "named", "said"),
    [
        ("object", {}, "object", "unknown key"),
        ("objects.jet", {"pt": {"min": 30}}, "objects.jet", "'jets'"),
        ("objects.jets.Pt", {"min": 30}, "objects.jets.Pt", "unknown key"),
        ("objects.jets.pt", 30, "objects.jets.pt", "got 30"),
        ("objects.jets.pt.min", "thirty", "objects.jets.pt.min", "got 'thirty'"),
        ("objects.jets.pt", {"min": 30, "max": 20}, "objects.jets.pt", "min 30 must be below max 20"),
        ("objects.jets.pt", {"min": 30, "max": 30}, "objects.jets.pt", "min 30 must be below max 30"),
        ("objects.jets.pt", {}, "objects.jets.pt", "give min, max or both"),
        ("objects.jets.pt.min", float("inf"), "objects.jets.pt.min", "got inf"),
        ("objects.jets.max_count", 0, "objects.jets.max_count", "got 0"),
        ("require.0.any", [{"met": {"min": 50}}], "require.0", "under either any or all"),
        ("require.0.all", [], "require.0", "under either any or all"),
        ("require.0.name", "", "require.0.name", "at least 1 character"),
        ("require.0.name", "all events", "card", "different names"),
        ("require.0.all", [{"jets": {}, "muons": {}, "min_count": 1}], "require.0.all.0", "exactly one of"),
        ("require.0.all", [{"min_count": 1}], "require.0.all.0", "exactly one of"),
        ("require.0.all", [{"jets": {}}], "require.0.all.0", "min_count or max_count"),
        ("require.0.all", [{"met": {"min": 1}, "min_count": 1}], "require.0.all.0", "min_count or max_count"),
        ("require.0.all", [{"met": {"min": "open('x')"}}], "require.0.all.0.met.min", "number"),
    ],
)
def test_a_faulty_selection_is_refused_by_key(tmp_path, key, value, named, said):
    message = refusal(load_selection, written(tmp_path, changed(SELECTION, key, value)))
    assert f"key '{named}'" in message
    assert said in message


def test_two_requirements_of_one_name_are_refused(tmp_path):
    card = changed(SELECTION, "require", SELECTION["require"] * 2)
    assert "different names" in refusal(load_selection, written(tmp_path, card))


def test_a_model_is_refused_an_input_it_cannot_take(tmp_path):
    message = refusal(load_analysis, written(tmp_path, changed(ANALYSIS, "input", {"kind": "rmm"})))
    assert "model dnn_ae takes l1_vector input, not rmm" in message


@pytest.mark.parametrize(
    ("key", "value", "named", "said"),
    [
        ("features", ["pt"], "input.features", "unknown key"),
        ("counts", {}, "input.counts", "at least 1"),
        ("counts", {"jets": 10, "bjets": 10}, "input", "each jet must be there once"),
        ("counts", {"taus": 10}, "input.counts.taus", "'lightjets'"),
        ("counts", {"jets": 51}, "input.counts.jets", "less than or equal to 50"),
        ("network_counts", {"muons": -1}, "input.network_counts.muons", "greater than or equal to 0"),
        ("sqrt_s_gev", 0, "input.sqrt_s_gev", "greater than 0"),
    ],
)
def test_a_faulty_matrix_is_refused_by_key(tmp_path, key, value, named, said):
    content = changed(ANALYSIS, "model", {"name": "rmm_ae"})
    message = refusal(load_analysis, written(tmp_path, {**content, "input": {"kind": "rmm", key: value}}))
    assert f"key '{named}'" in message
    assert said in message


def test_every_input_kind_has_a_card():
    for kind, entry in registry.INPUTS.items():
        assert registry.load_config(entry).model_fields["kind"].annotation == Literal[kind]


def test_many_faults_are_counted_and_long_values_cut(tmp_path):
    card = {**ANALYSIS, **{f"extra{i}": "x" * 1000 for i in range(6)}}
    message = refusal(load_analysis, written(tmp_path, card))
    assert "and 3 more" in message
    assert len(message) < 600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [1, 2\ntitle: x\n", "not valid YAML at line 2"),
        ("name: 'open\n", "not valid YAML at line 2"),
        ("\tname: x\n", "not valid YAML at line 1"),
        ("name: !!python/object/apply:os.system ['false']\n", "not valid YAML at line 1"),
        ("name: !!timestamp 2024-13-45\n", "not valid YAML: month"),
        ("- a\n- b\n", "mapping of keys to values, found list"),
        ("just words\n", "mapping of keys to values, found str"),
        ("", "is empty: a card holds keys and values"),
        ("# only a comment\n", "is empty: a card holds keys and values"),
        ("[" * 3000, "not valid YAML"),
        ("a: \x00\n", "not valid YAML"),
        ("1: 2\n", "key 'schema': Field required"),
        ("name: a\ntitle: b\nname: c\n", "not valid YAML at line 3: key 'name' is given twice"),
        ("objects:\n  jets: {pt: {min: 30}, pt: {max: 50}}\n", "not valid YAML at line 2: key 'pt' is given twice"),
        ("? [a, b]\n: c\n", "not valid YAML at line 1"),
    ],
)
def test_what_is_not_a_yaml_mapping_is_refused(tmp_path, text, said):
    assert said in refusal(load_selection, written(tmp_path, text))


@pytest.mark.parametrize("text", ["1:00", "-1:30:00.5", "010", "-007", "00.5", "0x1F", "0o17", "0b11", "1_000", "08e2"])
def test_a_number_that_can_be_read_in_two_ways_is_refused(tmp_path, text):
    """In YAML 1.1, which PyYAML reads, they are 60, 8 and so on; people mean something else."""
    for written_as in (text, f" {{min: {text}}}", f"[1, {text}]"):
        message = refusal(load_selection, written(tmp_path, f"name: x\nobjects:\n  jets: {written_as}\n"))
        assert f"at line 3: '{text}' can be read as more than one number" in message
    assert read_yaml(Path(written(tmp_path, f"title: '{text}'\n"))) == {"title": text}


def test_plain_values_are_those_of_yaml_1_2(tmp_path):
    text = (
        "a: [0, -12, +3, 1e-3, 2.5E+2, .5, 7., true, FALSE, null, ~, yes, no, on, off, 2024-01-02, 1.2.3, -, a:b]\nb:\n"
    )
    content = read_yaml(Path(written(tmp_path, text.replace("-, a", '"-", a'))))
    numbers = [0, -12, 3, 1e-3, 250.0, 0.5, 7.0]
    words = ["yes", "no", "on", "off", "2024-01-02", "1.2.3", "-", "a:b"]
    assert content == {"a": [*numbers, True, False, None, None, *words], "b": None}
    assert [type(value) for value in content["a"][:7]] == [int, int, int, float, float, float, float]


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("objects.jets.pt.min", "true", "valid number (got True)"),
        ("objects.jets.pt.min", "'30'", "valid number (got '30')"),
        ("objects.jets.pt.min", "yes", "valid number (got 'yes')"),
        ("objects.jets.max_count", "true", "valid integer (got True)"),
        ("objects.jets.btag", "1", "valid boolean (got 1): write true or false"),
        ("objects.jets.btag", "yes", "valid boolean (got 'yes'): write true or false"),
        ("title", "12", "valid string (got 12): a text that looks like a number or true is put in quotes"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_line(tmp_path, key, text, said):
    *folders, last = key.split(".")
    lines = [f"{'  ' * i}{step}:" for i, step in enumerate(folders)] + [f"{'  ' * len(folders)}{last}: {text}"]
    start = "schema: selection/1\nname: mine\nreference: none\n" + ("" if key == "title" else "title: t\n")
    message = refusal(load_selection, written(tmp_path, start + "\n".join(lines)))
    line = start.count("\n") + len(lines)
    assert f"key '{key}' at line {line}: Input should be a {said}" in message


@pytest.mark.parametrize("name", ["../../x", "a/b", "\x1b[31mX\x07", "a\nb", "mine\n", "", "-x", ".hidden", "a b", "é"])
def test_names_of_all_cards_follow_one_rule(tmp_path, name):
    """They become names of files and are printed."""
    loaders = {
        "selections/adc2021": load_selection,
        "analyses/dnn_ae": load_analysis,
        "analyses/cms_2019_dijet": load_search,
        "analyses/studies/adc2021": load_study,
        "fits/dijet4": load_fit,
        "budgets/cms-l1": load_budget,
        "budgets/devices/vu9p": load_device,
    }
    for card, load in loaders.items():
        folder, _, own = card.rpartition("/")
        content = {**read_yaml(resolve(folder, own)), "name": name}
        message = refusal(load, written(tmp_path, content))
        assert "key 'name' at line" in message
        assert "must be letters, digits and _ . @ + -" in message
        assert not set(message) & {"\x1b", "\x07", "\n"}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("train.epoch", "did you mean epochs? known keys: epochs, batch_size, rows_at_once, "),
        ("input.skale", "did you mean scale? known keys: kind, features, order, counts, scale"),
        (
            "regions.loose.treshold",
            "did you mean threshold? known keys: efficiency, rate, cross_section, ",
        ),
        ("colour", "known keys: schema, name, title"),
    ],
)
def test_an_unknown_key_lists_those_that_are_known(tmp_path, key, said):
    assert said in refusal(load_analysis, written(tmp_path, changed(ANALYSIS, key, 5)))


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ({"efficiency": 0.01}, {"background_efficiency": 0.01}),
        ({"rate": "0.5/30", "score": "kl"}, {"rate_khz": 0.5, "input_rate_khz": 30, "score": "kl"}),
        ({"cross_section": "10/4000"}, {"cross_section_pb": 10, "background_cross_section_pb": 4000}),
        ({"cross_section": 10}, {"cross_section_pb": 10}),
        ("rate:0.5/30", {"rate_khz": 0.5, "input_rate_khz": 30}),
        ("kl@threshold:-4.2", {"threshold": -4.2, "score": "kl"}),
        ("efficiency:1e-3", {"background_efficiency": 1e-3}),
    ],
)
def test_a_card_understands_the_command_line_s_regions(tmp_path, words, keys):
    card = load_analysis(written(tmp_path, changed(ANALYSIS, "regions.loose", words)))
    assert card.regions["loose"] == RegionSpec.model_validate(keys)
    if isinstance(words, str):
        assert parse_region(f"loose={words}") == ("loose", card.regions["loose"])
        assert region_words("loose", card.regions["loose"]).startswith(f"loose={words.partition(':')[0]}:")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("0.01", "write efficiency:0.01, rate:OUT/IN"),
        ("speed:3", "write efficiency:0.01, rate:OUT/IN"),
        ({"rate": 0.5}, "rate is written rate:OUT/IN"),
        ({"efficiency": "1/2"}, "efficiency is written efficiency:VALUE"),
        ({"rate": "a/b"}, "could not convert"),
        ({"efficiency": True}, "valid number (got True)"),
        ({"rate": "1/30", "rate_khz": 1}, "rate and rate_khz are the same"),
        ({"rate": "1/30", "efficiency": 0.1}, "give one of"),
    ],
)
def test_a_faulty_region_of_the_command_line_s_words_is_refused(tmp_path, words, said):
    message = refusal(load_analysis, written(tmp_path, changed(ANALYSIS, "regions.loose", words)))
    assert "key 'regions.loose" in message
    assert said in message


def test_a_binary_file_and_a_folder_are_refused(tmp_path):
    binary = tmp_path / "mine.yaml"
    binary.write_bytes(bytes(range(256)))
    assert "cannot read card" in refusal(load_selection, str(binary))
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    assert "cannot read card" in refusal(load_selection, str(folder))


def test_nested_aliases_do_not_blow_up_the_message(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    message = refusal(load_selection, written(tmp_path, "\n".join([*lines, "objects: *a11"])))
    assert len(message) < 600


def test_a_merge_key_may_override(tmp_path):
    text = "base: &base {pt: 1, eta: 2}\nmore: {<<: *base, pt: 3}\n"
    assert read_yaml(Path(written(tmp_path, text)))["more"] == {"pt": 3, "eta": 2}


def test_cards_cannot_be_changed():
    card = load_selection("adc2021")
    with pytest.raises(ValueError, match="frozen"):
        card.name = "other"


def test_content_without_a_file_names_its_origin():
    with pytest.raises(CardError, match=r"^card\.json of snn_ae: key 'min'"):
        parse_card(Condition, {"min": 1}, "card.json of snn_ae")
    assert issubclass(Condition, Card)


@pytest.mark.parametrize(
    ("content", "efficiency"),
    [
        ({"background_efficiency": 0.01}, 0.01),
        ({"rate_khz": 0.5, "input_rate_khz": 100.0}, 0.005),
        ({"cross_section_pb": 10.0, "background_cross_section_pb": 4000.0}, 0.0025),
        ({"threshold": -9.1}, None),
    ],
)
def test_each_kind_of_region_gives_its_efficiency(content, efficiency):
    assert RegionSpec.model_validate(content).efficiency == efficiency


def test_a_region_cannot_exceed_its_whole():
    with pytest.raises(CardError, match="rate_khz 200 exceeds input_rate_khz 100"):
        parse_card(RegionSpec, {"rate_khz": 200, "input_rate_khz": 100}, "here")


def test_a_bundled_name_and_its_path_are_one_card(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = resolve("selections", "adc2021")
    assert path.name == "adc2021.yaml"
    assert path.is_absolute()
    assert load_selection("adc2021") == load_selection(str(path))


def test_a_file_comes_before_the_bundled_card_but_a_folder_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adc2021").mkdir()  # for example an output of an earlier command
    assert resolve("selections", "adc2021").name == "adc2021.yaml"
    (tmp_path / "mine").write_text(yaml.safe_dump(SELECTION))
    assert load_selection("mine").title == "A test"


def test_a_bundle_is_a_folder_with_a_card(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    with pytest.raises(CardError, match="no model named 'mine'"):
        resolve("bundles", "mine")
    (tmp_path / "mine" / "card.json").write_text("{}")
    assert resolve("bundles", "mine").samefile(tmp_path / "mine")


@pytest.mark.parametrize("name", ["../x", "../selections/adc2021", "./x.yaml", "x.yml", "/etc/nothing", "a/../../b"])
def test_a_path_that_is_not_there_is_named(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CardError, match=f"^{re.escape(name)} does not exist$"):
        resolve("selections", name)


@pytest.mark.parametrize("name", ["", ".", "..", "...", "no_such_card", "adc2021\n", "adc*", "~", "adc2021\x00"])
def test_an_unknown_name_lists_the_bundled_ones(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CardError, match=r"^no selection named .*: bundled are adc2021, ") as caught:
        resolve("selections", name)
    assert repr(name) in str(caught.value)


def test_a_name_longer_than_any_file_name_is_refused():
    with pytest.raises(CardError, match="cannot look for"):
        resolve("selections", "a" * 5000)


def test_the_bundled_names_are_the_files():
    assert {"dnn_ae", "snn_ae", "vae"} <= set(bundled_names("analyses"))
    for folder in ("analyses", "selections", "fits"):
        for name in bundled_names(folder):
            assert read_yaml(resolve(folder, name))["name"] == name
    assert bundled_names("nothing") == []
