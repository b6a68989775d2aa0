"""Cards of published searches: what they can say, and what they refuse."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from hepad.bundles.citation import arxiv, citations, experiment
from hepad.cards.analysis import load_analysis
from hepad.cards.plane import load_any_hunt
from hepad.cards.resolver import bundled_names, resolve
from hepad.cards.search import load_search, located, search_names
from hepad.errors import CardError
from hepad.search.search import prepare_search

CUT_BASED = """
schema: search/1
name: dijets
title: A dijet search
reference: nobody has published it
fidelity: inspired
fidelity_note: a test
sqrt_s_gev: 13000
luminosity: {fb: 137, relative_error: 0.016, source: somewhere}
categories: [{name: dijet, title: Two jets, selection: dijet_fat}]
fits: [dijet4, ua2]
channels: {jj: {mass: fatjet1+fatjet2, title: mjj, observed: spectrum.csv, published: limits.csv}}
"""


@pytest.fixture
def write(tmp_path: Path):
    (tmp_path / "spectrum.csv").write_text("1000,1100,50\n1100,1300,30\n1300,1500,9\n")
    (tmp_path / "limits.csv").write_text("width,mass_gev,observed_pb,expected_pb\n0.1,1200,0.1,0.2\n")

    def call(**changes):
        content = yaml.safe_load(CUT_BASED)
        for key, value in changes.items():
            part = content
            *steps, last = key.split("__")
            for step in steps:
                part = part[int(step) if step.isdigit() else step]
            if value is None:
                del part[last]
            else:
                part[last] = value
        path = tmp_path / "card.yaml"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return call


def test_the_nine_masses_of_atlas():
    card, folder = load_search("atlas_2023_ad_two_body")
    assert list(card.channels) == ["jj", "jb", "bb", "je", "jmu", "jgamma", "be", "bmu", "bgamma"]
    assert card.luminosity is not None
    assert card.luminosity.fb == 140.07  # arXiv:2307.01612
    assert card.regions == ("pb20", "pb10", "pb1", "pb0_1")
    assert card.limit_region in card.regions
    assert card.channel_fits("bmu") == ("dijet5", "dijet5_root")
    edges = card.channel_edges("jj")
    assert edges is not None
    assert edges[0] == 300
    assert edges[1] - edges[0] == pytest.approx(15 + 0.03 * 300)
    assert edges[-2] < 8000 <= edges[-1]
    assert (folder / "atlas_2023_ad_two_body.yaml").is_file()


def test_a_search_without_a_model(write, tmp_path):
    card, folder = load_search(write())
    assert folder == tmp_path
    assert card.regions == ("all",)
    assert card.limit_region == "all"
    assert card.channel_edges("jj") is None  # those of the observed spectrum
    assert card.category(None).selection == "dijet_fat"


def test_a_trigger_has_no_luminosity_and_no_channels(write):
    thresholds = {"l1": {"rate_khz": 0.5, "input_rate_khz": 30}}
    card, _ = load_search(
        write(
            luminosity=None,
            channels=None,
            fits=None,
            categories__0__bundle="dnn_ae",
            regions=["l1"],
            thresholds=thresholds,
        )
    )
    assert card.thresholds["l1"].efficiency == pytest.approx(0.5 / 30)


def test_counting_in_several_categories(write):
    counts = {"all": {"background": 3.1, "background_error": 0.4, "observed": 2, "source": "Table 3"}}
    parts = [{"name": n, "title": n, "selection": "lepton_jets", "counts": counts} for n in ("three", "four")]
    card, _ = load_search(write(categories=parts, channels=None, fits=None))
    assert card.category("four").counts["all"].observed == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"categories__0__nonsense": 1}, "nonsense"),
        ({"fidelity_note": ""}, "fidelity_note"),
        ({"luminosity": None}, "need a luminosity"),
        ({"luminosity__fb": -1}, "luminosity.fb"),
        ({"luminosity__source": None}, "luminosity.source"),
        ({"regions": ["tight"]}, "leave out regions"),
        ({"signal_region": "tight"}, "signal_region names region tight"),
        ({"categories__0__bundle": "dnn_ae", "regions": ["a", "a"]}, "each once"),
        ({"categories__0__bundle": "dnn_ae", "regions": ["a"], "thresholds": {"b": {"threshold": 1}}}, "thresholds"),
        ({"channels__jj__observed": "../spectrum.csv"}, "below the card's own folder"),
        ({"channels__jj__observed": "/etc/passwd"}, "below the card's own folder"),
        ({"channels__jj__observed": "C:/spectrum.csv"}, "below the card's own folder"),
        ({"channels__jj__published": "gone.csv"}, "which is not in"),
        ({"vectors": "gone.npz"}, "vectors names gone.npz"),
        ({"categories__0__selection": "../other.yaml"}, "below the card's own folder"),
        ({"channels__jj__category": "four"}, "does not exist"),
        ({"channels__jj__observed": None, "channels__jj__published": None}, "needs edges, binning"),
        ({"channels__jj__edges": [3, 2]}, "rise"),
        ({"binning": {"low": 10, "high": 5, "absolute": 1}}, "below high"),
        ({"binning": {"low": 1, "high": 5}}, "must make bins"),
        ({"binning": {"low": 1, "high": 1e9, "absolute": 1}}, "at most 10000"),
        ({"binning": {"low": 1, "high": 1.003, "absolute": 4e-7}}, "too narrow"),
        ({"binning": {"low": 1e17, "high": 1.0000000000001e17, "absolute": 1}}, "too narrow"),
        ({"binning": {"low": 2.0**53 - 2, "high": 2.0**53 + 4, "absolute": 1}}, "too narrow"),  # from the third bin on
        ({"binning": {"low": 1, "high": 1.0000005, "absolute": 1}}, "by more than 1e-6"),
        ({"name": "../other"}, "key 'name'"),
        ({"categories__0__counts": {"all": {"background": 1, "source": "t"}}}, "give one of them"),
        ({"schema": "search/2"}, "schema"),
    ],
)
def test_wrong_cards_are_refused_with_the_key(write, changes, said):
    with pytest.raises(CardError, match=said):
        load_search(write(**changes))


def test_a_link_out_of_the_folder_is_refused(write, tmp_path):
    outside = tmp_path.parent / "outside.csv"
    outside.write_text("1,2,3\n")
    (tmp_path / "link.csv").symlink_to(outside)
    with pytest.raises(CardError, match="leaves"):
        load_search(write(channels__jj__observed="link.csv"))


def test_models_and_searches_are_not_mixed_up():
    with pytest.raises(CardError, match="published search, not a model"):
        load_analysis("atlas_2023_ad_two_body")
    with pytest.raises(CardError, match="model to train, not a published search"):
        load_search("vae")
    assert "vae" not in search_names()


def test_paths_are_told_from_names(tmp_path):
    assert located(tmp_path, "selections", "adc2021") == str(resolve("selections", "adc2021"))
    assert located(tmp_path, "selections", "own.yaml") == str(tmp_path / "own.yaml")
    assert located(tmp_path, "bundles", "./bundle") == str(tmp_path / "bundle")
    with pytest.raises(CardError, match="no fit named 'nope'"):
        located(tmp_path, "fits", "nope")


def test_what_a_card_names_does_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    """A bundle and files that are called like the parts of a search are passed over."""
    before = prepare_search("atlas_2023_ad_two_body")
    shutil.copytree(resolve("bundles", "dnn_ae"), tmp_path / "atlas_ad_rmm")
    for name in ("adfilter_0", "dijet5"):
        (tmp_path / name).write_text("junk")
    monkeypatch.chdir(tmp_path)
    after = prepare_search("atlas_2023_ad_two_body")
    assert after.cards == before.cards
    assert {"selection adfilter_0", "bundle atlas_ad_rmm", "fit dijet5"} <= set(after.cards)
    assert after.channel("jj").functions[0].n_parameters == 5


def test_the_publication_by_its_numbers(write):
    cite = {
        "journal": "Phys. Rev. Lett. 132 (2024) 081801",
        "collaboration": "ATLAS",
        "title": "At $\\sqrt{s}$",
        "arxiv": "2307.01612",
        "hepdata": "ins2674351",
    }
    card, _ = load_search(write(cite=cite))
    assert card.cite is not None
    assert card.cite.inspire_id == 2674351
    entry = citations("analyses", write(cite=cite))[0].bibtex
    assert entry == (
        "@article{dijets,\n  author = {{ATLAS Collaboration}},\n  collaboration = {ATLAS},\n"
        "  title = {{At $\\sqrt{s}$}},\n  journal = {Phys. Rev. Lett.},\n  volume = {132},\n  year = {2024},\n"
        "  pages = {081801},\n"
        "  eprint = {2307.01612},\n  archivePrefix = {arXiv},\n}"
    )
    known_in_part = citations("analyses", write(cite={"arxiv": "2307.01612"}))[0].bibtex
    assert known_in_part.startswith("@misc{dijets,\n  eprint = {2307.01612}")
    assert "note = {nobody has published it}" in known_in_part
    for wrong, said in (
        ({"arxiv": "arXiv:2307.01612"}, "cite.arxiv"),
        ({"doi": "https://doi.org/10.1103/x"}, "cite.doi"),
        ({"hepdata": "2674351"}, "cite.hepdata"),
        ({"journal": "PRL 132, 081801"}, "cite.journal"),
        ({"title": "} {"}, "go in pairs"),
        ({"inspire": "ins1", "hepdata": "ins2"}, "not of one publication"),
        ({}, "at least one key"),
    ):
        with pytest.raises(CardError, match=said):
            load_search(write(cite=wrong))


@pytest.mark.parametrize(("kind", "load"), [("analyses", load_search), ("analyses/hunts", load_any_hunt)])
def test_what_ships_cites_what_its_reference_says(kind, load):
    """The two are written by hand: numbers that stand in the text are those of the block."""
    for name in search_names() if kind == "analyses" else bundled_names(kind):
        found = load(name)
        card = found[0] if isinstance(found, tuple) else found
        assert card.cite is not None or not arxiv(card.reference)
        if card.cite is None:
            continue
        assert card.cite.arxiv == arxiv(card.reference)
        assert (card.cite.collaboration or "") == experiment(card.reference)
        in_text = re.search(r"\bins\d+", card.reference)
        assert in_text is None or card.cite.hepdata == in_text[0]
        pages = re.search(r"\d+ \(\d{4}\) \w+", card.reference)
        assert (pages is not None) == (card.cite.journal is not None)
        assert pages is None or card.cite.journal.endswith(pages[0])
