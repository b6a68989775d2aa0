"""Check an installed wheel: it must hold all cards and bundles of the repository, and find them without it.

    python tests/check_wheel.py FOLDER

FOLDER is where the wheel was installed (`pip install --no-deps --target FOLDER`); its dependencies are taken from the
environment. The check runs in the root folder, so that the repository cannot be found by accident.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_CHECK = """
import sys
from pathlib import Path
site = Path(sys.argv[1])
sys.path.insert(0, str(site))
import hepad
assert Path(hepad.__file__).is_relative_to(site), hepad.__file__
from hepad.cards import analysis, resolver, search, selection
for name in resolver.bundled_names("analyses"):
    assert resolver.resolve("analyses", name).is_relative_to(site), name
    if name in search.search_names():
        card, folder = search.load_search(name)
        names = [search.located(folder, "selections", category.selection) for category in card.categories]
    else:
        names = [analysis.load_analysis(name).selection]
    for selected in names:
        selection.load_selection(selected)
print(len(resolver.bundled_names("analyses")), "analyses load from the wheel")
"""


def missing(site: Path) -> list[str]:
    """Files of the repository that the wheel must hold and does not."""
    wanted = {Path("hepad/py.typed"), Path("hepad/data/CITATION.cff")}
    for kind in ("py", "html", "css", "js"):
        wanted |= {path.relative_to(_ROOT) for path in (_ROOT / "hepad").rglob(f"*.{kind}")}
    wanted |= {p.relative_to(_ROOT) for p in (_ROOT / "hepad/data").rglob("*") if p.is_file() and p.name[0] != "."}
    for folder in ("analyses", "selections", "fits", "budgets", "examples"):
        wanted |= {"hepad/data" / path.relative_to(_ROOT) for path in (_ROOT / folder).rglob("*") if path.is_file()}
    return sorted(str(path) for path in wanted if not (site / path).is_file())


def main(site: Path) -> int:
    """0 if the wheel is complete and its cards load."""
    absent = missing(site)
    if absent:
        sys.stderr.write(f"the wheel lacks {', '.join(absent)}\n")
        return 1
    return subprocess.run([sys.executable, "-c", _CHECK, str(site)], cwd="/", check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
