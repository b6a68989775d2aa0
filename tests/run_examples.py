"""Run worked examples as a reader would: the ```sh blocks of Markdown files, and Python scripts.

    python tests/run_examples.py [examples/quickstart.md docs/tutorial.md examples/python_api.py ...]

Without names all of `_EXAMPLES`. They run in order in one scratch folder, into which `hepad examples` writes
`examples/`; the first that fails ends the run. A block right below a line `<!-- not run -->` is passed over. What a
```text block shows next, before any other block, must have been printed: each line that does not end in `...`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

_BLOCK = re.compile(r"^(?P<skip><!-- not run -->\n+)?```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_ROOT = Path(__file__).resolve().parent.parent
_EXAMPLES = (
    "examples/quickstart.md",
    "docs/first_result.md",
    "docs/tutorial.md",
    "docs/own_search.md",
    "docs/sharing.md",
    "examples/python_api.py",
)
"""What continuous integration runs, and `nox -s examples`."""


@dataclass(frozen=True)
class Example:
    """Where a command stands, its arguments, and the lines that it is said to print."""

    place: str
    command: list[str]
    says: tuple[str, ...] = ()

    def not_said(self, printed: str) -> list[str]:
        """The lines that are not in what was printed, however both are folded."""
        words = " ".join(printed.split())
        return [line for line in self.says if " ".join(line.split()) not in words]


def blocks(text: str) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Line number and text of every shell block that is to be run, and the lines of what it prints."""
    found = list(_BLOCK.finditer(text))
    for match, after in zip_longest(found, found[1:]):
        if match["kind"] in ("sh", "bash") and match["skip"] is None:
            told = after["body"].splitlines() if after is not None and after["kind"] == "text" else []
            says = tuple(line for line in told if line.strip(" ─") and not line.endswith("..."))
            yield text.count("\n", 0, match.start("body")) + 1, match["body"], says


def examples(path: Path) -> Iterator[Example]:
    """What is to be run of a page, or a script."""
    if path.suffix == ".py":
        yield Example(path.name, [sys.executable, str(path.resolve().relative_to(_ROOT))])
        return
    found = list(blocks(path.read_text(encoding="utf-8")))
    if not found:
        raise SystemExit(f"{path} has no ```sh block to run")
    for line, body, says in found:
        yield Example(f"{path.name}:{line}", ["bash", "-euo", "pipefail", "-c", body], says)


def main(paths: Sequence[Path]) -> int:
    """Run all; 0 if every command did what it says, 1 otherwise."""
    wrong = False
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["hepad", "examples"], cwd=scratch, check=True)
        for example in (one for path in paths for one in examples(path)):
            sys.stdout.write(f"--- {example.place}\n{example.command[-1].rstrip()}\n")
            sys.stdout.flush()
            start = time.perf_counter()
            done = subprocess.run(
                example.command, cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False
            )
            sys.stdout.write(f"{done.stdout}--- {time.perf_counter() - start:.1f} s, exit code {done.returncode}\n")
            if done.returncode:
                sys.stderr.write(f"{example.place}: failed with exit code {done.returncode}\n")
                return 1
            for line in example.not_said(done.stdout):
                wrong = True
                sys.stderr.write(f"{example.place}: it does not print {line.strip()!r}\n")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]] or [_ROOT / name for name in _EXAMPLES]))
