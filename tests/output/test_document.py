"""Reports: text of others is text, in Markdown and in HTML."""

from __future__ import annotations

from hepad.output.document import Code, Heading, Table, Text, to_markdown
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
