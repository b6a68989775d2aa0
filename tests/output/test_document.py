"""Reports: text of others is text, in Markdown and in HTML."""

from __future__ import annotations

import re

from hepad.output.closing import closing, write_page
from hepad.output.document import Answer, Code, Figure, Files, Heading, Notes, Table, Text, to_markdown
from hepad.output.figure_kinds import drawing
from hepad.output.page import to_html

EVIL = "a|b<img src=x>\n\n# Verdict: excluded\n[x](javascript:alert(1)) \x1b[31m"
BLOCKS = [Heading(EVIL, 1), Text(EVIL), Table(["name", EVIL], [[EVIL, "1"]]), Code(f"line\n```\n{EVIL}")]


def test_markdown_of_foreign_text_makes_nothing():
    written = to_markdown(BLOCKS)
    before, code = written.split("\n````\n", 1)
    lines = [line for line in before.splitlines() if line]
    assert len(lines) == 5  # heading, text, table of three lines: no name began another
    assert lines[0].startswith(r"# a\|b\<img src=x>\x0a\x0a# Verdict: excluded\x0a[x\](javascript")
    assert lines[2:4] == [f"| name | {lines[1]} |", "| --- | ---: |"]
    assert code.startswith("line\n```\na|b<img")
    assert code.endswith("\n````\n")
    assert "\x1b" not in written


def test_html_of_foreign_text_makes_nothing(tmp_path):
    written = to_html(BLOCKS, tmp_path)
    assert "\x1b" not in written
    assert "<img" not in written
    assert r"a|b&lt;img src=x&gt;\x0a\x0a# Verdict" in written


def test_the_answer_comes_first_and_what_is_said_of_several_is_said_once(tmp_path):
    (tmp_path / "x.png").write_bytes(b"abc")
    answer = Answer("It is <excluded>.", [("0.1 pb", "limit")], Figure("x.png", 'A "figure"'), "no")
    notes = Notes(["bb: too few events", "jb: too few events", "a remark: of two words", "bb: too few events"])
    blocks = [Heading("Title", 1), answer, notes, *(Heading(name) for name in ("One", "Two", "One"))]
    page = to_html([*blocks, Files([("a b.json", "numbers")]), Code("command", folded="More")], tmp_path)
    places = [page.index(text) for text in ("<h1", "It is &lt;excluded&gt;.", "<nav", "<details", '<h2 id="one">')]
    assert places == sorted(places)
    assert '<section class="answer no"' in page
    assert "<dt>0.1 pb</dt><dd>limit</dd>" in page
    assert 'src="data:image/png;base64,YWJj" alt="A &#34;figure&#34;"' in page
    assert "<li>bb, jb: too few events</li>\n<li>a remark: of two words</li>" in page
    assert "<summary>2 notes</summary>" in page
    assert re.findall(r'href="#([^"]*)"', page) == re.findall(r'<h2 id="([^"]*)"', page) == ["one", "two", "one-2"]
    assert '<a href="a%20b.json">a b.json</a>: numbers' in page
    assert "<summary>More</summary><pre>command</pre>" in page
    assert "<script" not in page
    text = to_markdown([answer, notes])
    assert text.startswith("**It is \\<excluded>.**\n\n- **0.1 pb** limit\n\n![A")
    assert text.endswith("\n\n- bb, jb: too few events\n- a remark: of two words\n")
    with drawing(()):
        assert "<figure" not in to_html([answer], tmp_path)
    with drawing(("svg", "pdf")):
        (tmp_path / "x.svg").write_bytes(b"abc")
        assert "data:image/svg+xml;base64,YWJj" in to_html([answer], tmp_path)


def test_a_report_ends_with_how_it_is_made_again(tmp_path):
    record = {
        "command": "hepad limit --signal 5",
        "hepad": "1.0",
        "python": "3.11",
        "packages": {"numpy": "2"},
        "inputs": [{"name": "a.csv", "bytes": 3, "sha256": "ab"}],
        "cards": {"dijet": "cd"},
    }
    write_page(tmp_path, [Heading("T", 1)], record, [("limit.json", "numbers")])
    page = (tmp_path / "report.html").read_text()
    assert "<pre>hepad limit --signal 5</pre>" in page
    assert "a.csv 3 bytes sha256 ab\ndijet sha256 cd" in page
    given = {"words": ["limit", "{0}", "--poi", "{{mu}}", "{1,2}"], "files": [{"name": "b"}, {"name": "c d"}]}
    assert closing({**record, "arguments": given})[1] == Code("hepad limit a.csv --poi '{mu}' FOLDER -o OUTPUT")
    kinds = [type(block).__name__ for block in closing(record, cite=[("A paper.", "@article{a}")], is_not="theirs")]
    assert kinds == ["Heading", "Text", "Heading", "Text", "Code", "Heading", "Code", "Text", "Code"]
