"""What a reinterpretation hands to other programs: efficiency maps, likelihoods, a HEPData submission with them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from hepad.io.exchange.hepdata import submission_faults
from hepad.io.exchange.pyhf_quiet import pyhf_quiet
from hepad.output.figure_kinds import drawing
from hepad.pipeline.limit.workspace import WorkspaceLimitOptions, workspace_limits
from hepad.pipeline.reinterpret.likelihood import likelihoods
from hepad.pipeline.reinterpret.points import Point
from hepad.pipeline.reinterpret.run import ReinterpretOptions, reinterpret
from hepad.stats.fits.functions import BackgroundFunction


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def submission(folder: Path) -> list[dict]:
    return list(yaml.safe_load_all((folder / "submission.yaml").read_text()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Path:
    """A mass in three regions that count."""
    point = Point(2000.0, str(examples / "wprime_wz_2tev.root"), 0.0169)
    output = tmp_path_factory.mktemp("neighbours") / "out"
    card = str(examples.parent / "searches" / "atlas_2021_monojet.yaml")
    with drawing(("png",)):
        reinterpret([], card, options=ReinterpretOptions(output=output, points=(point,)))
    return output


def test_the_efficiency_map_is_what_the_result_says(folder: Path) -> None:
    content = json.loads((folder / "reinterpret.json").read_text())
    point = content["points"]["table"][0]
    found = {(row["region"], row["category"]): row for row in rows(folder / "efficiency_map.csv")}
    assert list(found) == [("all", name) for name in ("", "em7", "em8", "em9")]
    for (_, category), row in found.items():
        one = point["acceptances"]["all"]
        one = one["categories"][category] if category else one
        assert float(row["efficiency"]) == one["value"] > 0
        assert float(row["error"]) == one["error"]
        assert int(row["simulated_events"]) == one["events"]
        assert float(row["expected_events"]) == pytest.approx(139_000 * 0.0169 * one["value"])
    table = next(d for d in submission(folder / "hepdata") if d.get("name") == "Efficiency map")
    columns = yaml.safe_load((folder / "hepdata" / table["data_file"]).read_text())
    assert columns["independent_variables"][0]["values"] == [{"value": 2000.0}]
    values = {c["header"]["name"]: c["values"][0]["value"] for c in columns["dependent_variables"]}
    assert values["Acceptance times efficiency in all, em9"] == float(found["all", "em9"]["efficiency"])


def test_regions_have_the_limits_on_what_is_visible(folder: Path) -> None:
    """ATLAS gives 284, 127 and 56 events observed and 195, 111 and 66 expected in 139 fb-1, arXiv:2102.10874."""
    found = {row["region"]: row for row in rows(folder / "signal_regions.csv")}
    for name, observed, expected in (("em7", 284, 195), ("em8", 127, 111), ("em9", 56, 66)):
        assert 139 * float(found[name]["limit_fb_observed"]) == pytest.approx(observed, rel=0.02)
        assert 139 * float(found[name]["limit_fb_expected"]) == pytest.approx(expected, rel=0.025)
    assert [found["em7"][key] for key in ("background", "background_error", "observed")] == ["3870.0", "80.0", "3986"]


def test_the_patched_workspace_has_the_combined_limit(folder: Path) -> None:
    import pyhf

    target = folder / "hepdata"
    workspace, patches = (json.loads((target / name).read_text()) for name in ("workspace.json", "patchset.json"))
    with pyhf_quiet():
        found = pyhf.PatchSet(patches)
        found.verify(workspace)
    assert [(patch.name, patch.values) for patch in found] == [("mass_2000", (2000.0,))]
    options = WorkspaceLimitOptions(patches=(f"{target / 'patchset.json'}:mass_2000",), points=0)
    result = workspace_limits(str(target / "workspace.json"), options=options).result
    combined = json.loads((folder / "reinterpret.json").read_text())["points"]["table"][0]["combined"]
    assert [0.0169 * v for v in result.expected] == pytest.approx(combined["limit_pb_expected_band"], rel=1e-3)
    assert result.observed is not None
    assert 0.0169 * result.observed == pytest.approx(combined["limit_pb_observed"], rel=1e-3)


def test_signals_of_another_function_have_no_patch(examples: Path) -> None:
    """The workspace is of one background function, that of the first mass."""
    sample = str(examples / "wprime_xy_3p5tev.root")
    points = (Point(3500.0, sample, 0.05), Point(4000.0, sample, 0.05))
    report = reinterpret([], "cms_2019_dijet", options=ReinterpretOptions(points=points))
    assert report.answer is not None
    assert report.curve is not None
    (alike,) = likelihoods(report.answer, report.curve)
    assert [patch["metadata"]["name"] for patch in alike.patches["patches"]] == ["mass_3500", "mass_4000"]
    first, second = report.curve.points
    limits = second.answer.limits
    assert limits is not None
    other = replace(limits.channels["jj"], function=BackgroundFunction("dijet3", "dijet", 3, 13000.0))
    answer = replace(second.answer, limits=replace(limits, channels={"jj": other}))
    (parted,) = likelihoods(report.answer, replace(report.curve, points=(first, replace(second, answer=answer))))
    assert [patch["metadata"]["name"] for patch in parted.patches["patches"]] == ["mass_3500"]
    assert "Without mass_4000, whose limits have another function." in parted.description
    assert parted.workspace == alike.workspace


def test_the_submission_names_its_likelihoods_and_figures(folder: Path) -> None:
    target = folder / "hepdata"
    first, *tables = submission(target)
    assert [one["location"] for one in first["additional_resources"]] == ["workspace.json", "patchset.json"]
    assert {one["type"] for one in first["additional_resources"]} == {"HistFactory"}
    pictures = {t["name"]: [r["location"] for r in t["additional_resources"]] for t in tables if len(t) > 4}
    assert pictures == {
        "Cut flow": ["cutflow.png", "thumb_cutflow.png"],
        "Limits": ["limits.png", "thumb_limits.png"],
        "Mass points": ["exclusion.png", "thumb_exclusion.png"],
    }
    for names in pictures.values():
        assert (target / names[0]).read_bytes() == (folder / names[0]).read_bytes()
        assert (target / names[1]).stat().st_size < (target / names[0]).stat().st_size
    assert submission_faults(target) in ([], None)
    written = {path.name for path in target.iterdir()}
    listed = {"submission.yaml", "workspace.json", "patchset.json", *(t["data_file"] for t in tables)}
    assert written == listed.union(*pictures.values())
