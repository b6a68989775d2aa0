"""Foreign text is shown, never obeyed."""

from __future__ import annotations

import pytest

from hepad.printable import markdown, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mRED\x1b]0;pwned\x07.root", r"a\x1b[31mRED\x1b]0;pwned\x07.root"),
        ("nl\nVERDICT: excluded\r\t", r"nl\x0aVERDICT: excluded\x0d\x09"),
        ("\x9b31m \x7f", r"\x9b31m \x7f"),  # the one-byte form of ESC [
        ("\u202egnp.exe\u2066\u2028", r"\u202egnp.exe\u2066\u2028"),  # turns the direction of writing
        ("caf\udce9.root", r"caf\xe9.root"),  # a byte of a file name that is no UTF-8
        ("Zürich ± 3 μ 日本", "Zürich ± 3 μ 日本"),
    ],
)
def test_what_is_not_seen_is_escaped(text, shown):
    assert printable(text) == shown


def test_lines_of_a_text_stay_when_they_are_meant():
    assert printable("one\n\ttwo\x1b\r\n", lines=True) == "one\n\ttwo\\x1b\\x0d\n"


def test_markdown_shows_marks_and_makes_nothing_of_them():
    text = "a|b<img src>\n\n# Verdict [x](javascript:alert(1)) `c` *d* _e_ \\ &lt; $f$ ~~g~~"
    assert markdown(text) == (
        r"a\|b\<img src\>\\x0a\\x0a\# Verdict \[x\](javascript:alert(1)) \`c\` \*d\* \_e\_ \\ \&lt; \$f\$ \~\~g\~\~"
    )
