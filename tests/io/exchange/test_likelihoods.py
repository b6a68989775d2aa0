"""Workspaces and patches out of files and archives, and limits from them against pyhf."""

from __future__ import annotations

import copy
import io
import json
import os
import tarfile
import warnings
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pyhf
import pyhf.cli
import pytest
from typer.testing import CliRunner

from hepad.cli.main import app
from hepad.errors import InputDataError
from hepad.io.exchange import likelihoods
from hepad.io.exchange.likelihoods import apply_patches, likelihood_path, read_workspace
from hepad.pipeline.limit.workspace import WorkspaceLimitOptions, workspace_limits
from hepad.stats.limits.published import PublishedExperiment, _throw, numpy_backend

BACKGROUND: dict[str, Any] = {
    "channels": [
        {
            "name": "SR",
            "samples": [
                {
                    "name": "b",
                    "data": [24.0, 13.0],
                    "modifiers": [
                        {"name": "jes", "type": "histosys", "data": {"hi_data": [26.0, 15.0], "lo_data": [22.0, 12.0]}},
                        {"name": "norm", "type": "normsys", "data": {"hi": 1.1, "lo": 0.92}},
                        {"name": "stat", "type": "staterror", "data": [1.5, 1.0]},
                        {"name": "lumi", "type": "lumi", "data": None},
                    ],
                }
            ],
        },
        {"name": "CR", "samples": [{"name": "b", "data": [90.0], "modifiers": [
            {"name": "mu_b", "type": "normfactor", "data": None}]}]},
    ],
    "observations": [{"name": "SR", "data": [27.0, 12.0]}, {"name": "CR", "data": [94.0]}],
    "measurements": [{"name": "m", "config": {"poi": "mu_SIG", "parameters": [
        {"name": "lumi", "auxdata": [1.0], "inits": [1.0], "sigmas": [0.017], "bounds": [[0.915, 1.085]]}]}}],
    "version": "1.0.0",
}  # fmt: skip
SIGNAL = {
    "name": "s",
    "data": [3.0, 9.0],
    "modifiers": [
        {"name": "mu_SIG", "type": "normfactor", "data": None},
        {"name": "jes", "type": "histosys", "data": {"hi_data": [3.2, 9.5], "lo_data": [2.8, 8.6]}},
    ],
}
PATCH = [{"op": "add", "path": "/channels/0/samples/0", "value": SIGNAL}]


def archive(path: Path, **extra: bytes) -> Path:
    members = {"A/BkgOnly.json": BACKGROUND, "A/patch.s.json": PATCH, "A/list.json": patchset()}
    with tarfile.open(path, "w:gz") as tar:
        for name, content in {**{k: json.dumps(v).encode() for k, v in members.items()}, **extra}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("A/link.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return path


def patchset(digest: str | None = None) -> dict[str, Any]:
    return {
        "metadata": {
            "references": {"hepdata": "ins1234567"},
            "description": "a test",
            "digests": {"sha256": digest or pyhf.utils.digest(BACKGROUND)},
            "labels": ["m"],
        },
        "patches": [{"metadata": {"name": "s_1", "values": [1]}, "patch": PATCH}],
        "version": "1.0.0",
    }


def test_specs_name_a_file_a_member_and_a_patch() -> None:
    assert likelihood_path("a/b.json") == (Path("a/b.json"), None)
    assert likelihood_path("a/b.json:x") == (Path("a/b.json"), "x")
    assert likelihood_path("a.tar.gz:R/b.json") == (Path("a.tar.gz"), "R/b.json")


def test_loose_patches_and_patch_sets_out_of_an_archive(tmp_path: Path) -> None:
    packed = archive(tmp_path / "a.tar.gz")
    spec = f"{packed}:A/BkgOnly.json"
    workspace = read_workspace(spec)
    assert workspace == BACKGROUND
    loose = apply_patches(workspace, ["A/patch.s.json"], beside=spec)
    assert loose["channels"][0]["samples"][0] == SIGNAL
    assert apply_patches(workspace, [f"{packed}:A/list.json:s_1"]) == loose
    assert apply_patches(workspace, ["A/list.json:s_1"], beside=spec) == loose
    assert workspace == BACKGROUND  # untouched
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar.gz"]  # nothing was extracted


def test_limits_are_those_of_pyhf(tmp_path: Path) -> None:
    packed = archive(tmp_path / "a.tar.gz")
    options = WorkspaceLimitOptions(patches=("A/patch.s.json",), points=0, output=tmp_path / "out")
    report = workspace_limits(f"{packed}:A/BkgOnly.json", options=options)
    with numpy_backend(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        workspace = pyhf.Workspace(apply_patches(BACKGROUND, [f"{packed}:A/patch.s.json"]))
        settings = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}
        model = workspace.model(modifier_settings=settings)
        for mu, ours in ((1.0, report.cls_at_one), (report.result.observed, (0.05, None))):
            observed, expected = pyhf.infer.hypotest(
                mu, workspace.data(model), model, test_stat="qtilde", return_expected_set=True
            )
            assert ours[0] == pytest.approx(float(observed), abs=3e-4)
            if ours[1] is not None:
                np.testing.assert_allclose(ours[1], [float(value) for value in expected], atol=3e-4)
        for word in ("cls", "inspect"):  # what we write, pyhf's command line reads
            done = click.testing.CliRunner().invoke(pyhf.cli.cli, [word, str(tmp_path / "out/workspace.json")])
            assert done.exit_code == 0, done.output
    assert np.all(np.diff(report.result.expected) > 0)
    content = json.loads((tmp_path / "out/limit.json").read_text())
    assert content["poi_name"] == "mu_SIG"
    assert content["provenance"]["inputs"][0]["name"] == "a.tar.gz"


def test_toys_of_a_workspace_with_any_numpy() -> None:
    """pyhf 0.7.6's own toys fail with numpy 2.4, whose percentile has lost a keyword."""
    workspace = copy.deepcopy(BACKGROUND)
    workspace["channels"][0]["samples"].insert(0, SIGNAL)
    with numpy_backend():
        experiment = PublishedExperiment(workspace)
        samples = experiment.throw(1.5, toys=12, seed=1)
        again = experiment.throw(1.5, toys=12, seed=1)
        theta = experiment._data.fixed(0.0)[0]
        rng = np.random.default_rng(0)
        thrown = np.array([_throw(experiment.model, theta, rng) for _ in range(2000)])
    np.testing.assert_array_equal(samples.statistic, again.statistic)
    assert (samples.signals, len(samples.statistic)) == (12, 24)
    assert np.all(samples.statistic >= 0)
    assert np.mean(samples.statistic[:12]) < np.mean(samples.statistic[12:])
    assert np.mean(samples.ratio[:12]) > 0 > np.mean(samples.ratio[12:])
    expected = experiment.model.expected_data(theta)
    np.testing.assert_allclose(thrown.mean(axis=0), expected, atol=5 * thrown.std(axis=0).max() / np.sqrt(2000))


@pytest.mark.parametrize(
    ("workspace", "patches", "message"),
    [
        ("a.tar.gz", [], "is an archive; name a file"),
        ("a.tar.gz:A/gone.json", [], "holds no 'A/gone.json'; it holds A/BkgOnly.json"),
        ("a.tar.gz:A/link.json", [], "a link or a folder"),
        ("a.tar.gz:A/patch.s.json", [], "it is a patch: give it with --patch"),
        ("a.tar.gz:A/bad.json", [], "not valid JSON: NaN is no JSON number"),
        ("a.tar.gz:A/twice.json", [], "not valid JSON: key 'data' is given twice"),
        ("a.tar.gz:A/BkgOnly.json", ["A/list.json"], "choose one as FILE.json:NAME of s_1"),
        ("a.tar.gz:A/BkgOnly.json", ["A/other.json"], "does not fit the workspace"),
        ("a.tar.gz:A/BkgOnly.json", ["A/wrong.json:s_1"], "made for another workspace"),
        ("a.tar.gz:A/BkgOnly.json", [], "a background needs a signal from a patch"),
        ("gone.json", [], "gone.json does not exist"),
    ],
)
def test_files_that_are_none(tmp_path: Path, workspace: str, patches: list[str], message: str) -> None:
    archive(
        tmp_path / "a.tar.gz",
        **{
            "A/bad.json": b'{"channels": [NaN]}',
            "A/twice.json": b'{"channels": [{"data": [1], "data": [2]}]}',
            "A/other.json": json.dumps([{"op": "remove", "path": "/channels/7"}]).encode(),
            "A/wrong.json": json.dumps(patchset("0" * 64)).encode(),
        },
    )
    arguments = [word for patch in patches for word in ("--patch", patch)]
    done = CliRunner().invoke(app, ["limit", "--workspace", f"{tmp_path}/{workspace}", *arguments])
    assert done.exit_code == 4, done.output
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_archives_that_would_grow_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = archive(tmp_path / "a.tar.gz", **{"A/big.json": b" " * 200_000})
    monkeypatch.setattr(likelihoods, "_MAX_MEMBER", 100_000)
    with pytest.raises(InputDataError, match="has more than"):
        read_workspace(f"{packed}:A/big.json")
    monkeypatch.setattr(likelihoods, "_MAX_TOTAL", 100_000)
    with pytest.raises(InputDataError, match="holds more than"):
        read_workspace(f"{packed}:A/nowhere.json")


@pytest.mark.skipif("HEPAD_TEST_DATA" not in os.environ, reason="needs the published likelihoods (half a minute)")
def test_the_published_likelihood_of_the_sbottom_search() -> None:
    """RegionA of HEPData ins1748602 with the patch sbottom_1300_205_60: numbers measured with pyhf 0.7.6."""
    packed = Path(os.environ["HEPAD_TEST_DATA"]) / "likelihoods" / "ins1748602-probability-models.tar.gz"
    spec = f"{packed}:RegionA/BkgOnly.json"
    workspace = apply_patches(read_workspace(spec), ["RegionA/patch.sbottom_1300_205_60.json"], beside=spec)
    from hepad.stats.limits.cls import asymptotic_bands, asymptotic_cls

    grid = np.linspace(0, 5, 21)
    with numpy_backend():
        experiment = PublishedExperiment(workspace)
        q = np.array([(experiment.data(mu), experiment.posterior(mu)) for mu in grid[1:]])
    observed = np.array([1.0, *(asymptotic_cls(*pair) for pair in q)])
    bands = np.array([np.ones(5), *(asymptotic_bands(pair[1]) for pair in q)])
    assert observed[4] == pytest.approx(0.24443567, abs=2e-5)
    np.testing.assert_allclose(bands[4], [0.0902241, 0.1937824, 0.3843216, 0.6557741, 0.8910414], atol=2e-5)
    limits = [float(np.interp(0.05, curve[::-1], grid[::-1])) for curve in (observed, *bands.T[:4])]
    np.testing.assert_allclose(limits, [2.0122, 1.2446, 1.7652, 2.6669, 4.1438], atol=2e-4)
