"""The page of how far a search can be trusted: numbers are measured, and what is wrong is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hepad.cards.cite import CiteCard
from hepad.cards.search import load_search
from hepad.errors import CardError, CheckFailedError, InputDataError, UsageError
from hepad.output.document import Links, Notes, to_markdown
from hepad.output.figure_kinds import drawing
from hepad.pipeline.validation.page import blocks, markdown, summary
from hepad.pipeline.validation.report import Earlier, ValidationReport
from hepad.pipeline.validation.run import ValidationOptions, validation
from hepad.pipeline.verify.report import Check, Found

WPRIME = "examples/data/wprime_xy_3p5tev.root"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ValidationReport:
    output = tmp_path_factory.mktemp("validation") / "cms"
    return validation("cms_2019_dijet", [WPRIME], options=ValidationOptions(output=output, toys=20))


def test_a_search_is_held_against_its_vectors_and_a_sample(report: ValidationReport) -> None:
    assert report.vectors is not None
    assert report.vectors.passed
    assert report.checks == []  # its card has no published number, which the page says
    [tried] = report.tried
    assert [step.events for step in tried.cutflow] == [400, 400, 400, 270, 261]  # what its test vectors have
    assert tried.limit.expected == pytest.approx(0.0101, rel=0.02)
    assert summary(report)[1] == ("1074 of 1074", "numbers of test vectors are met")


def test_the_folder_has_the_page_and_all_numbers(report: ValidationReport) -> None:
    assert report.output is not None
    content = json.loads((report.output / "validation.json").read_text())
    assert content["samples"][0]["acceptance"]["events"] == 261
    assert content["vectors"]["passed"]
    page = (report.output / "report.html").read_text()
    for said in ("holds no published number", "https://doi.org/10.1007/JHEP05%282020%29033", "What this is not"):
        assert said in page
    assert "spectrum_jj.png" in (report.output / "report.md").read_text()
    assert {path.name for path in report.output.glob("spectrum*")} == {"spectrum_jj.csv", "spectrum_jj.png"}


def test_a_record_of_samples_that_do_not_ship_stands_beside(report: ValidationReport) -> None:
    assert report.output is not None
    earlier = Earlier.read(report.output / "validation.json")
    assert earlier.tried == report.tried
    assert earlier.is_of(report.provenance["cards"])
    found = replace(report, earlier=earlier)
    assert summary(found)[2] == ("2", "samples tried, 2 with a limit")
    text = markdown(found, {})
    assert "Samples that were tried before" in text
    assert "with this card" in text
    aged = replace(earlier, provenance={**earlier.provenance, "cards": {}})
    assert "an older card" in markdown(replace(found, earlier=aged), {})
    with pytest.raises(CardError, match=r"no validation\.json"):
        Earlier.read(report.output / "report.md")


def test_records_that_ship_can_be_read() -> None:
    records = sorted(Path("analyses/validation").glob("*.json"))
    assert {path.stem for path in records} >= {
        "atlas_2025_semivisible",
        "atlas_2025_svj_no_tag",
        "atlas_gelato_l1",
        "cms_axol1tl",
    }
    assert all(one.acceptance.events for path in records for one in Earlier.read(path).tried)


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (lambda record: record["provenance"].pop("cards"), "key 'provenance.cards'"),
        (lambda record: record["provenance"].update(arguments={"words": ["{9}"], "files": []}), "IndexError"),
        (lambda record: record["samples"][0].update(acceptance=[]), "key 'samples.0.acceptance'"),
        (lambda record: record["samples"][0].update(limit_pb_expected="none"), "limit_pb_expected"),
        (lambda record: record["samples"][0].update(events=float("nan")), "NaN is no JSON number"),
    ],
)
def test_a_spoilt_record_is_a_card_error(report: ValidationReport, tmp_path: Path, spoilt: Any, said: str) -> None:
    assert report.output is not None
    content = json.loads((report.output / "validation.json").read_text())
    spoilt(content)
    (tmp_path / "record.json").write_text(json.dumps(content))
    with pytest.raises(CardError, match=said):
        Earlier.read(tmp_path / "record.json")


def test_a_name_that_is_none_of_a_search_is_answered_with_those_that_are() -> None:
    with pytest.raises(CardError, match=r"'cms_2019_dijt', did you mean cms_2019_dijet\?") as caught:
        validation("cms_2019_dijt")
    assert "snn_ae" not in str(caught.value)
    with pytest.raises(CardError, match=r"atlas_2023_yxh is a hunt.*hepad hunt --analysis"):
        load_search("atlas_2023_yxh")


def test_what_is_off_is_said_first_and_is_a_fault_of_an_exact_card(report: ValidationReport) -> None:
    off = Check("c", "c", "a limit", 1.0, 0.1, fidelity="approximate", found=Found(2.0, 0.1, "ours"))
    near = replace(off, quantity="another", found=Found(1.1, 0.1, "ours"))
    found = replace(report, checks=[off, near])
    assert "Off: a limit." in markdown(found, {})
    assert summary(found)[0][0] == "1 of 2"
    found.check()
    with pytest.raises(CheckFailedError, match="a limit"):
        replace(found, checks=[replace(off, fidelity="exact")]).check()


def test_vectors_that_are_not_met_are_a_fault(report: ValidationReport) -> None:
    assert report.vectors is not None
    first, *rest = report.vectors.comparisons
    wrong = replace(report.vectors, comparisons=(replace(first, mismatches=3), *rest))
    found = replace(report, vectors=wrong)
    assert summary(found)[1][0] == "1071 of 1074"
    assert blocks(found, {})[1].tone == "no"
    with pytest.raises(CheckFailedError, match=r"selected \(3 of 400\)"):
        found.check()


def test_a_hunt_has_a_page_that_says_why_nothing_is_measured(tmp_path: Path) -> None:
    with drawing(()):
        found = validation("atlas_2023_yxh", options=ValidationOptions(output=tmp_path / "out"))
    text = (tmp_path / "out" / "report.md").read_text()
    assert "A hunt learns from the data" in text
    assert found.card.fidelity_note[:40] in text
    with pytest.raises(UsageError, match="is a hunt"):
        validation("atlas_2023_yxh", [WPRIME])


def test_samples_that_no_search_reads_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match=r"can read none of the files: .*jets\.mass"):
        validation("cms_2019_dijet", ["examples/data/a4l.h5"], options=ValidationOptions(toys=20))
    other = tmp_path / Path(WPRIME).name
    other.touch()
    with pytest.raises(UsageError, match="two samples are called"):
        validation("cms_2019_dijet", [WPRIME, str(other)])


def test_samples_that_cannot_be_read_are_counted_in_words_that_take_a_plural(report: ValidationReport) -> None:
    said = [
        block.what for block in blocks(replace(report, left_out={"a": "b", "c": "d"}), {}) if isinstance(block, Notes)
    ]
    assert said == ["unreadable sample"]  # pages add an s


def test_links_are_https_addresses_made_of_the_card() -> None:
    cite = CiteCard(arxiv="2307.01612", hepdata="ins2674351")
    assert [*cite.links().values()] == [
        "https://arxiv.org/abs/2307.01612",
        "https://inspirehep.net/literature/2674351",
        "https://www.hepdata.net/record/ins2674351",
    ]
    assert to_markdown([Links([("a", "https://x.org/(b) c")])]) == "[a](https://x.org/%28b%29%20c).\n"
    with pytest.raises(ValueError, match="no https address"):
        to_markdown([Links([("a", "javascript:alert(1)")])])
