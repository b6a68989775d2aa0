"""How a report says that it is made again."""

from __future__ import annotations

from typing import Any

from hepad.bundles.citation import citations, shipped_citations
from hepad.output.closing import closing, command_of
from hepad.output.document import Text


def record(*words: str) -> dict[str, Any]:
    names = ["a.h5", "b.h5", "card.yaml"]
    inputs = [{"name": name, "bytes": 1, "sha256": "0"} for name in names]
    packages: dict[str, str] = {"numpy": "2"}
    arguments = {"words": list(words), "files": []}
    return {"hepad": "0", "python": "3", "packages": packages, "inputs": inputs, "arguments": arguments, "cards": {}}


def test_a_folder_is_named_and_its_files_are_told() -> None:
    made = record("study", "adc2021", "--samples", "{0,1}", "--title", "a={{x}}")
    assert command_of(made) == "hepad study adc2021 --samples FOLDER --title 'a={x}' -o OUTPUT"
    texts = [block.text for block in closing(made) if isinstance(block, Text)]
    assert "FOLDER has a.h5, b.h5." in texts


def test_files_are_named_from_the_folder_that_they_are_in() -> None:
    made = record("reinterpret", "{1}", "--analysis", "{2,}/card.yaml", "--point", "80={0,1}/*.h5@0.5")
    assert command_of(made) == "hepad reinterpret b.h5 --analysis card.yaml --point '80=*.h5@0.5' -o OUTPUT"
    assert not any(block.text.startswith("FOLDER") for block in closing(made) if isinstance(block, Text))


def test_what_is_no_publication_of_its_own_is_not_cited() -> None:
    """Remarks, and selections of a search that is cited before; one whose publication is another is cited."""
    assert [one.what for one in citations("analyses", "atlas_2025_semivisible")] == [
        "analysis atlas_2025_semivisible",
        "software",
    ]
    assert [one.what for one in citations("selections", "all_events")] == ["software"]
    (_, selection, _) = citations("analyses", "atlas_2023_ad_two_body")
    assert "arXiv:2409.03065" in selection.bibtex


def test_a_reference_is_cited_once() -> None:
    cited = [text for text, _ in shipped_citations("studies", "analyses/studies", "adc2021")]
    assert len(cited) == len(set(cited)) > 2
