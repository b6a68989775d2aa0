"""What ships: cards that load and name what they rest on, a command line that starts at once, files that agree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import hepad
from hepad.cards.analysis import load_analysis
from hepad.cards.fit import load_fit
from hepad.cards.resolver import bundled_names
from hepad.cards.search import load_search, located, search_names
from hepad.cards.selection import load_selection
from hepad.cards.sensitivity import SensitivityCard, load_any_study
from hepad.cli.commands import COMMANDS

from .conftest import COMPILED

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("awkward", "h5py", "hist", "iminuit", "matplotlib", "numba", "numpy", "pandas", "pyarrow", "pyhf", "scipy")
HEAVY += ("aiohttp", "fsspec", "snntorch", "torch", "uproot", "vector")


@pytest.fixture
def project():
    tomllib = pytest.importorskip("tomllib")  # part of Python since 3.11
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def run(*arguments):
    return subprocess.run(arguments, capture_output=True, text=True, timeout=600, check=False, cwd="/")


@pytest.fixture
def warnings(pytestconfig):
    """What a warning is in another process: what it is to pytest, an error unless its option -W says otherwise."""
    return (pytestconfig.getoption("pythonwarnings") or ["error"])[-1]


def test_the_help_loads_nothing_heavy(warnings):
    """So it is there in a fifth of a second; how long it takes is for a quiet machine to say."""
    result = run(sys.executable, "-W", warnings, "-X", "importtime", "-m", "hepad", "--help")
    assert result.returncode == 0, result.stderr
    loaded = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert {"hepad.cli.main", "typer"} <= loaded
    assert sorted(set(HEAVY) & loaded) == []
    own = {name for name in loaded if name.startswith("hepad.cli.")}
    assert own == {f"hepad.cli.{name}" for name in ("commands", "help", "late", "leave", "main", "process")}
    assert not {"hepad.provenance", "importlib.metadata"} & loaded


def test_commands_do_not_load_what_they_do_not_need():
    """Scores, lists and cards of all models, and a hunt up to its pseudo-experiments."""
    code = (
        "import sys; import hepad.__main__; assert 'typer' not in sys.modules; from hepad.pipeline import catalogue; "
    )
    code += "catalogue.catalogue('models'); assert 'awkward' not in sys.modules; "
    code += "import hepad.execution.processes, hepad.pipeline.score; "
    code += "import hepad.inputs.rmm, hepad.models.rmm_ae, hepad.stats.bumphunt; print(*sys.modules)"
    result = run(sys.executable, "-W", "error", "-c", code)
    assert result.returncode == 0, result.stderr
    assert (
        sorted({"torch", "numba", "vector", "sympy", "typer", "rich", "matplotlib"} & set(result.stdout.split())) == []
    )


def test_scoring_a_small_file_loads_what_it_needs_and_no_more(tmp_path):
    """The whole command, with a network that is trained in torch and scores without; and it looks for no garbage."""
    words = [
        "hepad",
        "score",
        str(ROOT / "examples/data/w_lnu.root"),
        "--model",
        "vae",
        "--json",
        "-o",
        str(tmp_path / "o.root"),
    ]
    code = (
        f"import gc, sys; sys.argv = {words}; seen = []\n"
        "gc.callbacks.append(lambda phase, _: seen.append((phase, gc.get_freeze_count())))\n"
        "from hepad.__main__ import main\n"
        "try: main()\nfinally:\n"
        "    first = next((phase for phase, frozen in seen if frozen), 'stop')\n"
        "    print(len(seen), first, gc.get_freeze_count(), *sys.modules, file=sys.stderr)"
    )
    result = run(sys.executable, "-c", code)
    assert result.returncode == 0, result.stderr
    collections, first, frozen, *loaded = result.stderr.split()
    heavy = {"torch", "numba", "scipy", "matplotlib", "hist", "boost_histogram", "h5py", "rich", "pyarrow.parquet"}
    heavy |= {"vector", "sympy", "pandas", "snntorch", "multiprocessing", "dask", "aiohttp", "hepad.cli.bumphunt"}
    heavy |= {"asyncio", "fsspec.spec", "numpy.ma.core"}
    assert sorted(heavy & set(loaded)) == []
    assert int(frozen) > 50_000
    assert first == "stop", "what is imported was left out when the first collection began, if one did"
    assert int(collections) < 250, "two calls each; twice as many without"


def test_three_numbers_and_a_csv_need_neither_figures_nor_event_files(tmp_path):
    """Both commands without an output; a hunt of few refits throws them without waiting for a compiler."""
    csv = ROOT / "examples/data/cms_dijet_137fb.csv"
    code = (
        "import sys; from hepad.cli.main import app\n"
        "def loaded(*words):\n"
        "    assert not app(list(words), standalone_mode=False); print(*sys.modules, file=sys.stderr)\n"
        "import scipy.special; print(*sys.modules, file=sys.stderr)\n"
        f"loaded('bumphunt', {str(csv)!r}, '--function', 'dijet4', '--toys', '10')\n"
        "loaded('limit', '--signal', '5', '--background', '10', '--data', '12')\n"
    )
    result = run(sys.executable, "-c", code)
    assert result.returncode == 0, result.stderr
    special, hunt, limit = (set(line.split()) for line in result.stderr.splitlines())
    heavy = {"matplotlib", "awkward", "uproot", "scipy.stats", "scipy.ndimage", "scipy.sparse", "torch", "pyhf", "hist"}
    hunt -= special & {"scipy.sparse"}  # older ones of scipy load it with any function
    assert sorted((heavy | {"jinja2", "fsspec", "scipy.optimize", "numba"}) & hunt) == []
    assert sorted((heavy - {"scipy.sparse"}) & limit) == [], "its root finder is scipy's, which loads sparse matrices"
    assert "scipy.optimize" in limit


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_says_what_hepad_is_for(option, warnings):
    result = run(sys.executable, "-W", warnings, "-c", "from hepad.cli.main import main; main()", option)
    assert result.returncode == 0, result.stderr
    assert "Anomaly detection at the LHC" in result.stdout
    assert result.stderr == ""


def test_the_version_is_said_in_one_way(project):
    result = run(sys.executable, "-c", "from hepad.cli.main import main; main()", "--version")
    assert result.stdout == f"hepad {hepad.__version__}\n"
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == hepad.__version__
    assert citation["license"] == project["project"]["license"]
    assert f"## [{hepad.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_conda_recipe_asks_for_what_the_project_asks(project):
    recipe = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text(encoding="utf-8"))
    assert str(recipe["context"]["version"]) == hepad.__version__
    assert recipe["context"]["python_min"] == project["project"]["requires-python"].removeprefix(">=")
    names = {"matplotlib": "matplotlib-base", "torch": "pytorch", "xxhash": "python-xxhash"}  # what conda calls them
    wanted = [item.partition(">=") for item in project["project"]["dependencies"]]
    without = {"deflate"}  # files are read without it too, only slower
    wanted = [f"{names.get(name, name)} >={bound}" for name, _, bound in wanted if name not in without]
    assert recipe["requirements"]["run"] == ["python >=${{ python_min }}", *wanted]


@pytest.mark.parametrize("name", search_names())
def test_a_search_names_its_reference_and_cards_that_exist(name):
    card, folder = load_search(name)
    assert card.name == name
    assert len(card.reference) > 10
    for category in card.categories:
        for selection in (category.selection, *category.other_selections):
            load_selection(located(folder, "selections", selection))
    for channel in card.channels:
        for fit in card.channel_fits(channel):
            load_fit(located(folder, "fits", fit))


@pytest.mark.parametrize("name", sorted(set(bundled_names("analyses")) - set(search_names())))
def test_an_analysis_names_its_reference_and_a_selection_that_exists(name):
    card = load_analysis(name)
    assert card.name == name
    assert len(card.reference) > 10
    assert card.regions
    assert load_selection(card.selection).name == card.selection


@pytest.mark.parametrize("name", bundled_names("analyses/studies"))
def test_a_study_names_its_reference_and_analyses_that_exist(name):
    card = load_any_study(name)
    assert card.name == name
    assert len(card.reference) > 10
    folder = "analyses/methods" if isinstance(card, SensitivityCard) else "analyses"
    assert set(card.systems) <= set(bundled_names(folder))
    assert name not in bundled_names("analyses")


@pytest.mark.parametrize("name", bundled_names("selections"))
def test_a_selection_names_its_reference(name):
    card = load_selection(name)
    assert card.name == name
    assert len(card.reference) > 10


@pytest.mark.parametrize("name", bundled_names("fits"))
def test_a_fit_names_its_reference(name):
    card = load_fit(name)
    assert card.name == name
    assert len(card.reference) > 10


def test_every_card_folder_is_put_into_the_wheel(project):
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    folders = ("analyses", "selections", "fits", "budgets")
    assert included == {name: f"hepad/data/{name}" for name in (*folders, "examples", "CITATION.cff")}
    assert all(bundled_names(folder) for folder in (*folders, "analyses/studies", "budgets/devices"))
    assert (ROOT / "hepad" / "py.typed").is_file()


def requirement_name(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def test_the_constraints_pin_every_requirement(project):
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", pin) for pin in pins)  # no local versions, no hosts
    names = [pin.partition("==")[0] for pin in pins]
    assert names == sorted(set(names))
    groups = project["dependency-groups"].values()
    direct = [*project["project"]["dependencies"], *(r for group in groups for r in group if isinstance(r, str))]
    assert {requirement_name(requirement) for requirement in direct} <= set(names)


def test_every_requirement_has_a_lower_bound_to_test(project):
    extras = project["project"]["optional-dependencies"]
    chosen = [item for name in set(extras) - {"all"} for item in extras[name]]
    requirements = [*project["project"]["dependencies"], *chosen, *project["dependency-groups"]["test"]]
    assert [item for item in requirements if not re.match(r"[\w.-]+(\[[\w,-]+\])?[>=]=\d", item)] == []


def test_all_is_all_extras(project):
    extras = project["project"]["optional-dependencies"]
    named = set(re.fullmatch(r"hepad\[(.*)\]", extras["all"][0])[1].split(","))
    assert named == set(extras) - {"all"}


def test_the_readme_holds_the_command_that_ci_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^<!-- test command -->\n```sh\n(.+?)^```$", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    assert re.search(r"-c constraints\.txt -e '\.\[.*\]' --group test && python -m pytest", block[1])


def test_the_page_that_asks_which_command_has_all():
    text = (ROOT / "docs" / "which_command.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if not re.search(rf"`(hepad )?{name}[ `]", text)] == []


def test_all_loops_are_compiled_before_the_tests() -> None:
    """What is not named there, each worker and each process of a test compiles anew in a fresh checkout."""
    users = (path for path in (ROOT / "hepad").rglob("*.py") if "from hepad.jit import" in path.read_text("utf-8"))
    assert {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in users} == set(COMPILED)
