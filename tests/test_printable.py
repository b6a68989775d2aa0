"""Foreign text is shown, never obeyed."""

from __future__ import annotations

import pytest

from hepad.printable import digits, markdown, printable


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "a|b<img src>\n\n# Verdict\n\n[x](javascript:alert(1))",
            r"a\|b\<img src>\x0a\x0a# Verdict\x0a\x0a[x\](javascript:alert(1))",
        ),
        ("`c` *d* _e_ ~~g~~ &lt; </b> <!-- \\*", r"\`c\` \*d\* \_e\_ ~\~g~\~ \&lt; \</b> \<!-- \\\*"),
        ("# heading", r"\# heading"),
        ("> quoted", r"\> quoted"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("---", r"\---"),
        ("===", r"\==="),
        ("[a]: http://b", r"[a\]: http://b"),
        ("dnn_ae < 0.3 ± 0.1, -0.5 [1e-5], ~5 # 3", "dnn_ae < 0.3 ± 0.1, -0.5 [1e-5], ~5 # 3"),
        ("-0.5", "-0.5"),
        ("+0.12 ± 1", "+0.12 ± 1"),
        ("12 events", "12 events"),
    ],
)
def test_markdown_shows_the_marks_that_would_make_something(text, shown):
    assert markdown(text) == shown


def test_numbers_beside_one_another_are_written_alike() -> None:
    assert [digits(value) for value in (4530.4, 935.2, 38.71, 0.0082, 1.2e-5, 3.21e7)] == [
        "4530", "935", "38.7", "0.0082", "1.2e-05", "3.21e+07",
    ]  # fmt: skip
    assert digits(123456.0, 4) == "123500"
