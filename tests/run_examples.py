"""Run worked examples as a reader would: the ```sh blocks of Markdown files, and Python scripts.

    python tests/run_examples.py [examples/quickstart.md docs/tutorial.md examples/python_api.py ...]

Without names all of `_EXAMPLES`. They run in order in one scratch folder, into which `hepad examples` writes
`examples/`; the first failure ends the run. A block right below a line `<!-- not run -->` is passed over.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_BLOCK = re.compile(r"^(?P<skip><!-- not run -->\n+)?```(?:sh|bash)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
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


def blocks(text: str) -> Iterator[tuple[int, str]]:
    """Line number and text of every shell block that is to be run."""
    for match in _BLOCK.finditer(text):
        if match["skip"] is None:
            yield text.count("\n", 0, match.start("body")) + 1, match["body"]


def commands(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Where a command stands, and its arguments."""
    if path.suffix == ".py":
        yield path.name, [sys.executable, str(path.resolve().relative_to(_ROOT))]
        return
    found = list(blocks(path.read_text(encoding="utf-8")))
    if not found:
        raise SystemExit(f"{path} has no ```sh block to run")
    for line, body in found:
        yield f"{path.name}:{line}", ["bash", "-euo", "pipefail", "-c", body]


def main(paths: Sequence[Path]) -> int:
    """Run all; 0 if every command did what it says, 1 otherwise."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["hepad", "examples"], cwd=scratch, check=True)
        for path in paths:
            for place, command in commands(path):
                sys.stdout.write(f"--- {place}\n{command[-1].rstrip()}\n")
                sys.stdout.flush()
                start = time.perf_counter()
                code = subprocess.run(command, cwd=scratch, stdin=subprocess.DEVNULL, check=False).returncode
                sys.stdout.write(f"--- {time.perf_counter() - start:.1f} s, exit code {code}\n")
                if code:
                    sys.stderr.write(f"{place}: failed with exit code {code}\n")
                    return 1
    return 0


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]] or [_ROOT / name for name in _EXAMPLES]))
