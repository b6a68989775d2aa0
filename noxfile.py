"""Developer sessions: `nox -s tests`, `nox -s lint`, ...; `nox` alone runs all but `lowest`."""

from __future__ import annotations

import re
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["tests", "lint", "typing", "imports", "examples"]

PROJECT = nox.project.load_toml("pyproject.toml")
CONSTRAINTS = ("-c", "constraints.txt")


def install(session: nox.Session, group: str, *pins: str) -> None:
    """Install hepad in place, with one dependency group and, unless other pins are given, the extras that tests use."""
    project = "." if pins else ".[dask,hepdata,onnx,particles]"
    session.install(*(pins or CONSTRAINTS), "-e", project, *nox.project.dependency_groups(PROJECT, group))


@nox.session
def tests(session: nox.Session) -> None:
    """Run pytest; arguments after -- are passed on."""
    install(session, "test")
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "loadfile", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format; `nox -s lint -- --fix` mends what it can."""
    install(session, "dev")
    session.run("ruff", "check", *session.posargs, ".")
    session.run("ruff", "format", *(() if "--fix" in session.posargs else ("--check",)), ".")


@nox.session
def typing(session: nox.Session) -> None:
    """Check types with mypy, strict."""
    install(session, "dev")
    session.run("mypy")


@nox.session
def imports(session: nox.Session) -> None:
    """Check that imports point down the layers."""
    install(session, "dev")
    session.run("lint-imports")


@nox.session
def examples(session: nox.Session) -> None:
    """Run the worked examples as a reader would."""
    install(session, "test")
    session.run(
        "python", "tests/run_examples.py", "examples/quickstart.md", "docs/tutorial.md", "examples/python_api.py"
    )


@nox.session
def lowest(session: nox.Session) -> None:
    """Run pytest with the lowest versions that pyproject.toml allows, all at once."""
    project = PROJECT["project"]
    bounds = [*project["dependencies"], *nox.project.dependency_groups(PROJECT, "test")]
    pins = Path(session.create_tmp()) / "lowest.txt"
    pins.write_text("".join(f"{lowest_pin(bound)}\n" for bound in bounds), encoding="utf-8")
    install(session, "test", "-c", str(pins))
    # Old versions warn about the newer ones beneath them, which is nothing that hepad can mend.
    session.run("python", "-m", "pytest", "-W", "default", *session.posargs)


def lowest_pin(bound: str) -> str:
    """`name==1.2` for the requirement `name>=1.2`."""
    match = re.fullmatch(r"([\w.-]+)>=([\d.]+)", bound)
    if match is None:
        raise ValueError(f"{bound!r} in pyproject.toml has no plain lower bound")
    return f"{match[1]}=={match[2]}"
