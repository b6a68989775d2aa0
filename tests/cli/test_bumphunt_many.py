"""`hepad bumphunt` with several spectra, trials, counted references and injected signals."""

from __future__ import annotations

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from typer.testing import CliRunner

from hepad.cli.main import app

ROOT = Path(__file__).parents[2]
EXAMPLE = str(ROOT / "tests/data/pybumphunter_example.csv")
EDGES = np.linspace(100.0, 200.0, 21)
EXPECTED = np.geomspace(80.0, 10.0, 20)


def invoke(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["bumphunt", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def write(path: Path, masses: np.ndarray) -> Path:
    counts = np.histogram(masses[np.isfinite(masses)], EDGES)[0]
    rows = zip(EDGES[:-1], EDGES[1:], counts, EXPECTED, strict=True)
    path.write_text("".join(f"{a},{b},{c},{e}\n" for a, b, c, e in rows))
    return path


@pytest.fixture
def table(tmp_path: Path) -> tuple[dict[str, np.ndarray], list[Path]]:
    """Two spectra; half of the events of one are in the other."""
    rng = np.random.default_rng(8)
    parts = [np.repeat(EDGES[:-1] + 1.0, rng.poisson(EXPECTED / 2)) for _ in range(3)]
    none = [np.full(len(part), np.nan) for part in parts]
    columns = {
        "one": np.concatenate([parts[0], parts[1], none[2]]),
        "two": np.concatenate([parts[0], none[1], parts[2]]),
    }
    return columns, [write(tmp_path / f"{name}.csv", column) for name, column in columns.items()]


@pytest.mark.usefixtures("unrendered")
def test_several_spectra_are_hunted_in_the_same_window(
    table: tuple[dict[str, np.ndarray], list[Path]], tmp_path: Path
) -> None:
    paths = table[1]
    code, stdout, stderr = invoke(*paths, "--reference", "column", "--toys", 100, "--json", "-o", tmp_path / "out")
    assert code == 0, stderr
    result = json.loads(stdout)
    assert [c["name"] for c in result["channels"]] == ["one.csv", "two.csv"]
    assert result["observed"] == sum(c["observed"] for c in result["channels"])
    stems = {path.stem for path in (tmp_path / "out").iterdir()}
    assert stems == {"SHA256SUMS", "bumphunt", "bumphunt_1", "bumphunt_2", "report", "tomography"}


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("kind", ["npz", "parquet", "root"])
def test_trials_read_the_overlaps_from_a_table(
    table: tuple[dict[str, np.ndarray], list[Path]], tmp_path: Path, kind: str
) -> None:
    columns, paths = table
    events = tmp_path / f"events.{kind}"
    if kind == "npz":
        np.savez(events, **columns)
    elif kind == "parquet":
        ak.to_parquet(ak.Array(columns), events)
    else:
        with uproot.recreate(events) as file:
            file.mktree("events", dict.fromkeys(columns, "float64")).extend(columns)
    arguments = (*paths, "--reference", "column", "--toys", 300, "--trials", "--events", events, "--json")
    code, stdout, stderr = invoke(*arguments, "-o", tmp_path / "out")
    assert code == 0, stderr
    result = json.loads(stdout)
    assert result["shared_events"] == int(np.isfinite(columns["one"] + columns["two"]).sum())
    assert min(s["global_p"] for s in result["spectra"]) <= result["global_p"] <= 1
    record = json.loads((tmp_path / "out" / "bumphunt.json").read_text())["provenance"]
    assert [entry["name"] for entry in record["inputs"]] == ["one.csv", "two.csv", events.name]
    alone = json.loads(invoke(*paths, "--reference", "column", "--toys", 300, "--trials", "--json")[1])
    assert alone["shared_events"] == 0
    assert "taken to share none" in alone["warnings"][0]


def test_a_counted_reference_fluctuates_and_an_exact_one_does_not(tmp_path: Path) -> None:
    lines = [line.split(",") for line in Path(EXAMPLE).read_text().splitlines() if line[:1].isdigit()]
    (tmp_path / "reference.csv").write_text("".join(f"{a},{b},{d}\n" for a, b, _, d in lines))
    arguments = (EXAMPLE, "--reference", tmp_path / "reference.csv", "--width-max", 6, "--toys", 1000)
    counted = json.loads(invoke(*arguments, "--json")[1])
    exact = json.loads(invoke(*arguments, "--exact-reference", "--json")[1])
    assert counted["counted_reference"]
    assert counted["global_p"] == pytest.approx(0.357, abs=0.06)
    assert exact["global_p"] == pytest.approx(0.019, abs=0.015)
    assert "left out, as asked" in exact["warnings"][0]
    assert "reference fluctuates too" in invoke(*arguments)[1]


def test_injected_signals_are_printed_and_drawn(tmp_path: Path) -> None:
    arguments = (EXAMPLE, "--reference", "column", "--width-max", 6, "--toys", 2000, "--inject", "5.5:0.05:100:300")
    code, stdout, _ = invoke(*arguments, "-o", tmp_path / "out")
    assert code == 0
    assert "median global significance" in stdout
    result = json.loads((tmp_path / "out" / "bumphunt.json").read_text())
    assert result["sensitivity"]["yields"] == [100, 300]
    assert "--inject 5.5:0.05:100:300" in result["provenance"]["command"]
    assert (tmp_path / "out" / "sensitivity.png").is_file()


def test_deficits_and_vetoes_are_said() -> None:
    arguments = (EXAMPLE, "--reference", "column", "--toys", 50, "--direction", "deficit", "--sideband-veto", 0.001)
    code, stdout, _ = invoke(*arguments)
    assert code == 0
    assert ": deficit" in stdout
    result = json.loads(invoke(*arguments, "--json")[1])
    assert result["direction"] == "deficit"
    assert result["observed"] < result["expected"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--trials",), 2, "two or more"),
        (("--events", "x.npz"), 2, "it is for --trials"),
        (("--direction", "up"), 2, "excess, deficit, both"),
        (("--sideband-veto", "0.9"), 2, "between 0 and 0.5"),
        (("--inject", "5"), 2, "MASS:WIDTH"),
        (("--inject", "50:0.1"), 2, "mass within 0 to 20"),
        (("--inject", "5:0.1", "--toys", "0"), 2, "needs 100"),
        ((EXAMPLE, "--trials"), 2, "different names"),
        ((EXAMPLE, "--reference", EXAMPLE), 2, "not one reference"),
        ((str(ROOT / "examples/data/cms_dijet_137fb.csv"), "--function", "dijet3"), 4, "has other bins than"),
    ],
)
def test_a_mistake_gets_one_line_and_its_code(arguments: tuple[str, ...], code: int, message: str) -> None:
    reference = () if "--reference" in arguments or "--function" in arguments else ("--reference", "column")
    toys = () if "--toys" in arguments else ("--toys", "100")
    got, _, stderr = invoke(EXAMPLE, *arguments, *reference, *toys)
    assert got == code, stderr
    assert message in stderr
    assert stderr.count("\n") == 1


def test_tables_that_do_not_fit_are_refused(table: tuple[dict[str, np.ndarray], list[Path]], tmp_path: Path) -> None:
    columns, paths = table
    arguments = (*paths, "--reference", "column", "--toys", 10, "--trials", "--events")
    np.savez(tmp_path / "less.npz", one=columns["one"])
    np.savez(tmp_path / "other.npz", one=columns["one"][1:], two=columns["two"][1:])
    np.savez(tmp_path / "uneven.npz", one=columns["one"], two=columns["two"][1:])
    np.savez(tmp_path / "text.npz", one=np.array(["a"]), two=np.array(["b"]))
    (tmp_path / "broken.parquet").write_text("no")
    for name, message in {
        "less.npz": "has no column two; found one",
        "other.npz": "events of one in",
        "uneven.npz": "differ in length",
        "text.npz": "not one number",
        "broken.parquet": "cannot be read as a table",
        "missing.npz": "does not exist",
        "events.csv": "is not a table of events",
    }.items():
        code, _, stderr = invoke(*arguments, tmp_path / name)
        assert code == 4, stderr
        assert message in stderr
