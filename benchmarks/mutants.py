"""Change the code in small ways, one at a time, and see whether a test fails: a mutant that survives wants a test.

    python benchmarks/mutants.py [FILE ...] [--each 6] [--seed 1] [--limit SECONDS] [--json FILE] [--list]

The files are those that turn events and counts into numbers: hepad/stats, hepad/objects, hepad/inputs and the readers.
Mutants are those of cosmic-ray and one more (a number scaled by 0.95); `--each` places a file are drawn from
`--seed`, 0 for all, and one mutant a place. Work is done in a copy, so that the sources are safe. Each mutant has a
process of its own, forked from one that has loaded the libraries but nothing of hepad, and runs the tests that
`TESTS` names for its file, the quickest first, up to the first that fails. Compiled loops are compiled anew, as numba
looks at the age of their file. A survivor is shown with its place and its line; some change nothing that can be seen,
which only a person can tell. The exit code is 0.
"""

from __future__ import annotations

import argparse
import ast
import functools
import importlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes, get_ast, is_number
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("hepad/stats", "hepad/objects", "hepad/inputs", "hepad/io/detector")
GENERATORS = ("hepad/io/generator/hepmc.py", "hepad/io/generator/lhe.py")

_LIMITS, _BACKGROUNDS = "test_limits.py test_exact.py test_discovery.py", "test_background_fits.py"
_WORKSPACES = "test_workspaces.py io/exchange/test_likelihoods.py"
TESTS = {
    "hepad/inputs/base.py": "pipeline/test_vectorize.py",
    "hepad/inputs/batch.py": "models/test_dnn_ae.py pipeline/test_vectorize.py",
    "hepad/io/detector/baskets.py": "test_delphes.py io/test_reader.py",
    "hepad/io/detector/columns.py": "test_delphes.py test_nanoaod.py io/test_reader.py",
    "hepad/io/detector/trees.py": "test_delphes.py test_nanoaod.py io/test_reader.py",
    "hepad/objects/cutflow.py": "pipeline/test_vectorize.py samples/test_weighting.py",
    "hepad/objects/naming.py": "inputs",
    "hepad/stats/limits/pseudo.py": "test_pseudo.py stats/limits/test_limits.py",
    "hepad/stats/counts/toys_kernel.py": "test_toys.py stats/bumphunt",
    "hepad/stats/counts/uncertain.py": "test_tails.py",
    "hepad/stats/fits/functions.py": f"test_fit.py {_BACKGROUNDS}",
    "hepad/stats/fits/gaussian_process.py": f"{_BACKGROUNDS} test_signal_oracles.py",
    "hepad/stats/fits/goodness.py": _BACKGROUNDS,
    "hepad/stats/fits/injection.py": "test_injection.py test_signal_oracles.py",
    "hepad/stats/fits/line_search.py": "test_fit.py stats/limits/test_limits.py",
    "hepad/stats/fits/minos.py": _BACKGROUNDS,
    "hepad/stats/fits/order.py": _BACKGROUNDS,
    "hepad/stats/fits/signal_fit.py": "test_injection.py test_signal_oracles.py",
    "hepad/stats/fits/templates.py": "test_templates.py test_signal_oracles.py",
    "hepad/stats/fits/window.py": _BACKGROUNDS,
    "hepad/stats/limits/abcd.py": "test_discovery.py",
    "hepad/stats/limits/calculator.py": _LIMITS,
    "hepad/stats/limits/cls.py": _LIMITS,
    "hepad/stats/limits/discovery_table.py": "test_discovery.py",
    "hepad/stats/limits/exact.py": _LIMITS,
    "hepad/stats/limits/likelihood.py": f"{_LIMITS} stats/limits/test_pseudo.py",
    "hepad/stats/limits/limits.py": _LIMITS,
    "hepad/stats/limits/mass_scan.py": "test_mass_limits.py test_discovery.py",
    "hepad/stats/limits/profile.py": f"test_resonance.py stats/fits/{_BACKGROUNDS}",
    "hepad/stats/limits/published.py": f"{_WORKSPACES} test_postfit.py test_discovery.py",
    "hepad/stats/limits/resonance.py": "test_resonance.py test_mass_limits.py",
    "hepad/stats/limits/resonance_channel.py": "test_resonance.py test_mass_limits.py",
    "hepad/stats/limits/resonance_likelihood.py": "test_resonance.py",
    "hepad/stats/limits/resonance_stack.py": "test_resonance.py test_mass_limits.py",
    "hepad/stats/limits/workspace.py": _LIMITS,
    "hepad/stats/limits/workspace_likelihood.py": _WORKSPACES,
    "hepad/stats/limits/workspace_model.py": _WORKSPACES,
    "hepad/stats/scores/quantiles.py": "test_regions.py",
}
"""The tests of a file, in its own folder below tests/ or with theirs; of others it is the one of the same name."""
ALWAYS = {"hepad/inputs": "inputs", "hepad/objects": "objects", "hepad/stats": "stats/limits/test_exact_values.py"}
ALWAYS["hepad/stats/bumphunt"] = "stats/bumphunt"

PRELOADED = "awkward boost_histogram h5py hist iminuit numba numpy pyarrow.parquet pydantic pyhf pytest "
PRELOADED += "scipy.optimize scipy.sparse scipy.special scipy.stats uproot vector yaml"
IGNORED = ("core/RemoveDecorator",)  # without a cache it is slower, and a dataclass without its decorator never works
ARITHMETIC, BITS = {"Add", "Sub", "Mul", "Div"}, {"BitAnd", "BitOr", "BitXor"}


class ScaledNumber(Operator):
    """A constant that is not whole, 5 % off: closer than one more or less."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        if is_number(node) and isinstance(ast.literal_eval(node.value), float):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, _: int) -> Any:
        return parso.python.tree.Number(f" {0.95 * ast.literal_eval(node.value):.6g}", node.start_pos)

    @classmethod
    def examples(cls) -> Sequence[Any]:
        return ()


@dataclass(frozen=True)
class Mutant:
    file: str
    operator: str
    occurrence: int
    line: int
    before: str
    after: str


class Order:
    """A plugin of pytest: the time of each test at first, and then the quickest first."""

    def __init__(self, seconds: dict[str, float] | None = None) -> None:
        self.known, self.seconds = seconds, {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self.known is not None:
            items.sort(key=lambda item: self.known.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration


def targets() -> list[str]:
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")) if path.name != "__init__.py"]
    return [*(str(path.relative_to(ROOT)) for path in found), *GENERATORS]


def tests_of(file: str) -> list[str]:
    own = Path(file).parent.relative_to("hepad")
    named = TESTS.get(file, f"test_{Path(file).name}").split()
    paths = [str(own / name) if name.endswith(".py") and "/" not in name else name for name in named]
    paths += [tests for folder, tests in ALWAYS.items() if Path(file).is_relative_to(folder)]
    found = [path for path in sorted(set(paths)) if (ROOT / "tests" / path).exists()]
    return [f"tests/{path}" for path in found if not any(str(above) in found for above in Path(path).parents)]


def operators() -> dict[str, Any]:
    classes = {name: get_operator(name) for name in operator_names() if name not in IGNORED and _plausible(name)}
    return {name: kind() for name, kind in classes.items() if not kind.arguments()} | {"scaled": ScaledNumber()}


def _plausible(name: str) -> bool:
    """Whether an operator could stand for the other: most numbers know no `<<`, and such a mutant tells nothing."""
    if not name.startswith("core/ReplaceBinaryOperator_"):
        return True
    before, after = name.split("_")[1:]
    return any(before in kinds and after in kinds for kinds in (ARITHMETIC | {"Pow", "Mod", "FloorDiv"}, BITS)) and (
        after in ARITHMETIC | BITS
    )


def draw(file: str, each: int, seed: int) -> list[Mutant]:
    """Mutants of a file at `each` places drawn at random, but for those in `_quiet`; all for 0."""
    code = (ROOT / file).read_text(encoding="utf-8")
    seen, quiet, random = operators(), _quiet(code), Random(f"{seed} {file}")
    places: dict[tuple[int, int], list[tuple[str, int]]] = {}
    tree = get_ast(code)
    for name, operator in seen.items():
        spots = (start for node in ast_nodes(tree) for start, _ in operator.mutation_positions(node))
        for occurrence, start in enumerate(spots):
            if not any(low <= start < high for low, high in quiet) and not _unpacks(code, start):
                places.setdefault(start, []).append((name, occurrence))
    chosen = random.sample(sorted(places), min(each or len(places), len(places)))
    mutants = []
    for place in sorted(chosen):
        options = places[place] if each == 0 else [random.choice(places[place])]
        for name, occurrence in options:
            changed, lines = mutate_code(code, seen[name], occurrence).splitlines(), code.splitlines()
            at = next((i for i, (a, b) in enumerate(zip(lines, changed, strict=False)) if a != b), place[0] - 1)
            mutants.append(Mutant(file, name, occurrence, at + 1, lines[at].strip(), changed[at].strip()))
    return mutants


def _unpacks(code: str, place: tuple[int, int]) -> bool:
    """Whether the star here is none of a product, but one of `*rest`, `**fields` or `(a, *, b)`."""
    line = code.splitlines()[place[0] - 1]
    return line[place[1] :].startswith("*") and line[: place[1]].rstrip()[-1:] in {"", "{", "(", "[", ",", "*"}


def _quiet(code: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """From where to where nothing can be seen: annotations, what is said in errors, options of decorators and `zip`."""
    spans = []
    for node in ast.walk(ast.parse(code)):
        parts = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        parts += [node] if isinstance(node, ast.JoinedStr) else []
        parts += [
            option.value for call in getattr(node, "decorator_list", []) for option in getattr(call, "keywords", [])
        ]
        parts += [node.value] if isinstance(node, ast.keyword) and node.arg == "strict" else []
        spans += [((p.lineno, p.col_offset), (p.end_lineno, p.end_col_offset)) for p in parts if p is not None]
    return spans


def run(folder: Path, tests: list[str], plugin: Order, seconds: float) -> str:
    """`passed`, `failed` or `timeout` of tests in a forked process; a first run keeps its times in times.json."""
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            code = _tests(folder, tests, plugin)
        except BaseException:  # noqa: BLE001  a fork must not go on as its parent would
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return "passed" if status == 0 else "failed"
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "timeout"


def _tests(folder: Path, tests: list[str], plugin: Order) -> int:
    os.setsid()
    with (folder / "output.txt").open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    code = int(importlib.import_module("pytest").main([*options, *tests], plugins=[plugin]))
    if plugin.known is None:
        (folder / "times.json").write_text(json.dumps(plugin.seconds))
    return code


@functools.cache
def unchanged(folder: Path, *tests: str) -> tuple[dict[str, float], float] | None:
    """The seconds of each test and of all where nothing is changed; None if they fail."""
    start = time.monotonic()
    if run(folder, list(tests), Order(), 3600) != "passed":
        return None
    return json.loads((folder / "times.json").read_text()), time.monotonic() - start


def write(path: Path, code: str) -> None:
    """Write a source, and forget what is compiled of it: Python tells versions of a file by their second and length."""
    path.write_text(code, encoding="utf-8")
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)


def judge(folder: Path, file: str, mutants: list[Mutant], end: float) -> dict[Mutant, str] | None:
    """What became of each mutant of a file, None if its tests fail without one."""
    path, tests = folder / file, tests_of(file)
    code = path.read_text(encoding="utf-8")
    before = unchanged(folder, *tests)
    if before is None:
        return None
    known, seconds = before
    allowed = 60 + 3 * seconds  # twice as long, and as much again for what is compiled anew
    found: dict[Mutant, str] = {}
    for mutant in mutants:
        if time.monotonic() > end:
            break
        write(path, mutate_code(code, operators()[mutant.operator], mutant.occurrence))
        found[mutant] = {"passed": "survived"}.get(outcome := run(folder, tests, Order(known), allowed), outcome)
        if found[mutant] == "survived":
            print(f"  survived  {file}:{mutant.line}\n    - {mutant.before}\n    + {mutant.after}", flush=True)
    write(path, code)
    return found


def copy(folder: Path) -> None:
    """What tests need of the project, without compiled files."""
    skipped = shutil.ignore_patterns(".*", "__pycache__", "*.pyc", "dist", "build")
    shutil.copytree(ROOT, folder, ignore=skipped, dirs_exist_ok=True)
    os.environ |= {"NUMBA_CACHE_DIR": str(folder / "numba"), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
    for name in PRELOADED.split():
        importlib.import_module(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="all by default")
    parser.add_argument("--each", type=int, default=6, help="mutants a file, 0 for all (default 6)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=float("inf"), help="begin no mutant after so many seconds")
    parser.add_argument("--json", type=Path, help="add every mutant to this file, a line each")
    parser.add_argument("--list", action="store_true", help="show the mutants, run nothing")
    options = parser.parse_args()
    files = options.files or targets()
    drawn = {file: draw(file, options.each, options.seed) for file in files}
    if options.list:
        for mutant in (m for mutants in drawn.values() for m in mutants):
            print(f"{mutant.file}:{mutant.line}  {mutant.operator}\n    - {mutant.before}\n    + {mutant.after}")
        return
    end, total, killed = time.monotonic() + options.limit, 0, 0
    with tempfile.TemporaryDirectory() as name:
        copy(folder := Path(name).resolve())
        for file, mutants in drawn.items():
            if time.monotonic() > end:
                break
            found = judge(folder, file, mutants, end)
            if found is None:
                print(f"{file}: its tests fail without a mutant", flush=True)
                continue
            dead = sum(outcome != "survived" for outcome in found.values())
            total, killed = total + len(found), killed + dead
            print(f"{file}: {dead} of {len(found)} killed", flush=True)
            if options.json:
                with options.json.open("a", encoding="utf-8") as lines:
                    lines.writelines(json.dumps(asdict(m) | {"outcome": o}) + "\n" for m, o in found.items())
    print(f"all: {killed} of {total} killed, {killed / max(total, 1):.0%}")


if __name__ == "__main__":
    main()
