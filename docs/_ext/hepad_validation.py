"""A page for each search: how far it can be trusted, as `hepad analysis validation` measures it now."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hepad_runs import ROOT, processes, stamp
from made import code, plain, table, toctree, write_pages
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

from hepad.cards.hunt import HUNTS_FOLDER
from hepad.cards.resolver import bundled_names
from hepad.cards.search import search_names

_LOGGER = logging.getLogger(__name__)


def validated() -> dict[str, str]:
    """The searches and hunts that ship, and the searches among the examples: what names each on the command line."""
    shipped = [*search_names(), *bundled_names(HUNTS_FOLDER)]
    examples = sorted((ROOT / "examples/searches").glob("*.yaml"))
    return {name: name for name in shipped} | {path.stem: path.relative_to(ROOT).as_posix() for path in examples}


def _run(name: str, words: str, into: Path) -> str:
    """Measure one, and keep the Markdown, the numbers and the figures; what went wrong, or nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "validation"
        call = [sys.executable, "-m", "hepad", "analysis", "validation", words, "-o", str(folder), "-q"]
        done = subprocess.run(  # noqa: S603  the names of what is in this repository
            call, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
        )
        if done.returncode:
            return f"analysis validation {words}: exit code {done.returncode}: {done.stderr.strip()[-300:]}"
        for path in folder.iterdir():
            if path.suffix in {".json", ".md", ".png"}:
                shutil.copyfile(path, into / f"{name}.{path.name}")
    return ""


def _page(name: str, into: Path) -> str:
    """The page of one: as the command wrote it, with its figures beside, and a name by which others find it."""
    text = (into / f"{name}.report.md").read_text(encoding="utf-8")
    return f"(validation-{name})=\n" + re.sub(r"(!\[.*\]\()(\w+\.png\))", rf"\1runs/{name}.\2", text)


def _row(name: str, into: Path) -> list[str]:
    content: dict[str, Any] = json.loads((into / f"{name}.validation.json").read_text(encoding="utf-8"))
    numbers = [one for one in content["published"] if one["found"] is not None]
    vectors = content["vectors"]
    met = sum(one["compared"] - one["mismatches"] for one in vectors["comparisons"]) if vectors else None
    samples = [*content["samples"], *content.get("earlier", [])]
    limits = [one for one in samples if one["limit_pb_expected"] is not None]
    return [
        f"[{code(name)}]({name}.md)",
        plain(content["title"]),
        content["fidelity"],
        f"{sum(not one['off'] for one in numbers)} of {len(numbers)}" if numbers else "none held",
        "none" if met is None else str(met),
        f"{len(samples)}, {len(limits)} with a limit" if samples else "none",
    ]


def make(app: Sphinx) -> None:
    """Measure all, unless nothing has changed, and write the pages."""
    docs = Path(app.srcdir)
    into, asked = docs / "validation/runs", validated()
    mark = into / "stamp"
    if not mark.is_file() or mark.read_text(encoding="utf-8") != stamp():
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        with ThreadPoolExecutor(processes()) as pool:
            faults = [fault for fault in pool.map(lambda name: _run(name, asked[name], into), asked) if fault]
        for fault in faults:
            _LOGGER.warning(fault, type="hepad_validation")
        if not faults:
            mark.write_text(stamp(), encoding="utf-8")
    there = [name for name in asked if (into / f"{name}.report.md").is_file()]
    header = ["search", "what it is", "fidelity", "published numbers not off", "test vectors met", "samples tried"]
    about = (
        "How far each search can be trusted: its publication, what its card says of its fidelity, published numbers "
        "beside ours, test vectors, and what it makes of samples. Each page is what `hepad analysis validation NAME -o "
        "validation` writes, measured when this site was built, beside records of earlier calls on files that do not "
        "ship; nothing on it was typed. More checks are in [The published searches](../searches.md), and how often "
        "limits of the two-body search exclude a true signal in [what the numbers mean](../reinterpret.md)."
    )
    index = [
        "# Validation of the searches",
        about,
        table(header, [_row(name, into) for name in there]),
        toctree(there, hidden=True),
    ]
    write_pages(docs / "validation", {"index.md": index, **{f"{name}.md": _page(name, into) for name in there}})


def setup(app: Sphinx) -> ExtensionMetadata:
    """Measure before Sphinx looks for pages."""
    app.connect("builder-inited", make)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
