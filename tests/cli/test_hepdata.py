"""`hepad analysis hepdata`: the list of searches that HEPData reads from a tool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hepad.cards.search import load_search, search_names

TEXT = {"type": "string"}
IMPLEMENTATION = {"type": "object", "required": ["name"], "properties": {"name": TEXT, "path": TEXT}}
ANALYSIS = {
    "type": "object",
    "required": ["inspire_id", "implementations"],
    "properties": {
        "inspire_id": {"type": "number"},
        "implementations": {"type": "array", "minItems": 1, "uniqueItems": True, "items": IMPLEMENTATION},
        "signature_type": TEXT,
        "pretty_name": TEXT,
    },
}
LICENSE = {
    "type": "object",
    "required": ["name", "url"],
    "additionalProperties": False,
    "properties": {"name": {**TEXT, "maxLength": 256}, "url": {**TEXT, "maxLength": 256}, "description": TEXT},
}
TOP = "schema_version tool version date_created implementations_description url_templates analyses"
SCHEMA = {
    "type": "object",
    "required": TOP.split(),
    "properties": {
        "schema_version": {"const": "1.0.0"},
        **dict.fromkeys(("tool", "version", "date_created", "implementations_description"), TEXT),
        "url_templates": {
            "type": "object",
            "required": ["main_url"],
            "properties": {"main_url": TEXT, "val_url": TEXT},
        },
        "analyses": {"type": "array", "minItems": 1, "uniqueItems": True, "items": ANALYSIS},
        "implementations_license": LICENSE,
    },
}
"""What HEPData's schema of `analyses.json`, version 1.0.0, asks for, said again here."""
PAGE = "https://hep.example/hepad/{name}"


def test_the_searches_with_a_number_are_listed_as_hepdata_asks(run: Any, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    words = ("analysis", "hepdata", "--url", PAGE, "--validation-url", "https://hep.example/v/{path}")
    said = run(*words, "--date", "2026-03-01T13:00:00+01:00", "-o", "analyses.json", "--json")
    made = json.loads((tmp_path / "analyses.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(made)
    assert made["date_created"] == "2026-03-01T12:00:00+00:00"
    assert made["url_templates"] == {"main_url": PAGE, "val_url": "https://hep.example/v/{path}"}
    known = {name: card.cite.inspire_id for name in search_names() if (card := load_search(name)[0]).cite is not None}
    listed = {one["name"]: a["inspire_id"] for a in made["analyses"] for one in a["implementations"]}
    assert listed == {name: number for name, number in known.items() if number is not None}
    assert listed["atlas_2023_ad_two_body"] == 2674351  # of its HEPData record, ins2674351
    places = {one["path"] for a in made["analyses"] for one in a["implementations"]}
    assert all((Path(__file__).parents[2] / place).is_file() for place in places)
    left_out = json.loads(said.stdout)["left_out"]
    assert set(search_names()) - set(listed) <= set(left_out)
    assert all(name in said.stderr for name in left_out)
    run(*words, "--date", "2026-03-02T00:00:00Z", "-o", "analyses.json")  # takes the place of its own
    again = json.loads((tmp_path / "analyses.json").read_text(encoding="utf-8"))
    assert again["date_created"] == "2026-03-02T00:00:00+00:00"
    assert again["analyses"] == made["analyses"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--url", "hep.example/{name}"), "--url 'hep.example/{name}' is no address"),
        (("--url", "https://hep.example/all"), "must have {name} or {path}"),
        (("--url", "https://hep.example/{name}/{0}"), "must have {name} or {path}"),
        (("--url", "https://hep.example/{name"), "is no address"),
        (
            ("--url", PAGE, "--validation-url", "https://hep.example"),
            "--validation-url 'https://hep.example' must have",
        ),
        (("--url", PAGE, "--date", "2026-03-01T12:00:00"), "no moment with its time zone"),
    ],
)
def test_what_is_no_address_or_moment_is_refused(run: Any, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    assert said in run("analysis", "hepdata", *words, "-o", "analyses.json", code=2).stderr
    assert not (tmp_path / "analyses.json").exists()
