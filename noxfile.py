"""Developer sessions: `nox -s tests-3.12`, `nox -s lint`, ...; `nox` alone runs what CI does, `nox -l` lists all."""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["pinned", "lint", "typing", "imports", "examples", "docs"]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
PINNED = "3.11"  # the Python that constraints.txt is for
EXTRAS = (
    "dask",
    "hepdata",
    "jets",
    "methods",
    "onnx",
    "particles",
    "web",
)  # tests use trigger too, but it asks for numpy 2: not at the lowest versions
ROOT_WHEEL = "root==0.1a12"  # ROOT 6.40
CPU_TORCH = {"UV_TORCH_BACKEND": os.environ.get("UV_TORCH_BACKEND", "cpu") or None}


def install_pinned(session: nox.Session, group: str, *extras: str) -> None:
    """Install hepad in place, with one dependency group, the extras of tests and others, at the pinned versions."""
    requirements = nox.project.dependency_groups(PROJECT, group)
    session.install("-c", "constraints.txt", "-e", f".[{','.join(EXTRAS + extras)}]", *requirements)


def install(session: nox.Session, resolution: str, *extras: str) -> None:
    """Install hepad in place, what it needs and what its tests need at one end of the allowed versions, wheels only."""
    chosen = [word for extra in extras for word in ("--extra", extra)]
    versions = ("--resolution", resolution, "--only-binary", ":all:")
    session.install(*versions, "-r", "pyproject.toml", *chosen, "--group", "test", env=CPU_TORCH)
    session.install("--no-deps", "-e", ".", env=CPU_TORCH)


@nox.session(python=PYTHONS, venv_backend="uv")
def tests(session: nox.Session) -> None:
    """Run pytest with the newest versions of everything; arguments after -- are passed on."""
    install(session, "highest", *EXTRAS, "trigger")
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "worksteal", *session.posargs)


@nox.session(python=PYTHONS, venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """Run pytest with the lowest versions that pyproject.toml allows and that have wheels, all at once."""
    install(session, "lowest-direct", *EXTRAS)
    # Old versions warn about the newer ones beneath them, which is nothing that hepad can mend.
    session.run("python", "-m", "pytest", "-W", "ignore", "-n", "2", "--dist", "worksteal", *session.posargs)


@nox.session(python=PINNED)
def pinned(session: nox.Session) -> None:
    """Run pytest with the versions of constraints.txt, as CI does; arguments after -- are passed on."""
    install_pinned(session, "test")
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "worksteal", *session.posargs)


@nox.session(python=PINNED, venv_backend="uv")
def keras(session: nox.Session) -> None:
    """Make networks with the newest TensorFlow, Keras 2 and 3, and hold what hepad reads of them against it."""
    requirements = nox.project.dependency_groups(PROJECT, "test")
    session.install("-e", ".[onnx]", "tensorflow-cpu", "tf-keras", *requirements, env=CPU_TORCH)
    folder, tests = Path(session.create_tmp()) / "networks", "tests/io/exchange/keras"
    session.run("python", f"{tests}/make_networks.py", str(folder), *session.posargs)
    session.run("python", "-m", "pytest", tests, env={"HEPAD_KERAS_NETWORKS": str(folder)})


@nox.session(python=PINNED)
def root(session: nox.Session) -> None:
    """See whether ROOT reads what hepad writes, and hepad what ROOT writes: a wheel of 250 MB, for one Python."""
    install_pinned(session, "test")
    session.install("-c", "constraints.txt", ROOT_WHEEL)
    session.run("python", "-m", "pytest", "tests/root", *session.posargs)


@nox.session(python=PINNED)
def lint(session: nox.Session) -> None:
    """Check style and format; `nox -s lint -- --fix` mends what it can."""
    install_pinned(session, "dev")
    session.run("ruff", "check", *session.posargs, ".")
    session.run("ruff", "format", *(() if "--fix" in session.posargs else ("--check",)), ".")


@nox.session(python=PINNED)
def typing(session: nox.Session) -> None:
    """Check types with mypy, strict."""
    install_pinned(session, "dev")
    session.run("mypy")


@nox.session(python=PINNED)
def imports(session: nox.Session) -> None:
    """Check that imports point down the layers."""
    install_pinned(session, "dev")
    session.run("lint-imports")


@nox.session(python=PINNED)
def mutants(session: nox.Session) -> None:
    """See whether tests notice small changes of the code: `-- --each 9 hepad/objects/pairs.py` says how many."""
    install_pinned(session, "mutants")
    session.run("python", "benchmarks/mutants.py", *session.posargs)


@nox.session(python=PINNED)
def examples(session: nox.Session) -> None:
    """Run the worked examples as a reader would."""
    install_pinned(session, "test")
    session.run("python", "tests/run_examples.py", *session.posargs)


@nox.session(python=PINNED)
def docs(session: nox.Session) -> None:
    """Build the documentation site into build/site; warnings are errors, arguments after -- go to sphinx-build."""
    install_pinned(session, "docs", "methods")
    session.run("sphinx-build", "-W", "--keep-going", *session.posargs, "docs", "build/site")
