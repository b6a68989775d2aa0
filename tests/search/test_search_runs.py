"""Searches on several processes, over damaged files, interrupted, and done again: the same answer each time."""

from __future__ import annotations

import hashlib
import json
import shutil
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from hepad.cards.analysis import RegionSpec
from hepad.cards.bundle import parse_region, region_words
from hepad.cli.main import app
from hepad.errors import InputDataError, InterruptedRunError
from hepad.execution.executor import Execution
from hepad.execution.parts import FileFacts, Part
from hepad.io.events import SampleInfo
from hepad.pipeline.reinterpret.inputs import Inputs
from hepad.pipeline.reinterpret.points import Point
from hepad.pipeline.reinterpret.run import ReinterpretOptions, reinterpret
from hepad.samples.sample import Samples
from hepad.search.background import BackgroundOptions, make_background
from hepad.search.events import SearchJob
from hepad.search.search import prepare_search

SIGNAL = "wprime_wz_2tev.root"


@pytest.fixture(scope="module", autouse=True)
def _no_figures():
    """Figures are drawn of the answer, in this process, and slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hepad.pipeline.reinterpret.figures.figures", lambda *_: {})
        yield


@pytest.fixture(scope="module")
def card(tmp_path_factory, search_card) -> str:
    path = tmp_path_factory.mktemp("card") / "card.yaml"
    path.write_text(search_card)
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory, examples, data) -> list[str]:
    """A file, one that is cut off, and another."""
    folder = tmp_path_factory.mktemp("files")
    shutil.copy(examples / SIGNAL, folder / "a.root")
    whole = (data / "tbhplus_2tev.root").read_bytes()
    (folder / "b.root").write_bytes(whole[: len(whole) * 2 // 3])
    shutil.copy(data / "tbhplus_2tev.root", folder / "c.root")
    return [str(folder / name) for name in ("a.root", "b.root", "c.root")]


@pytest.fixture(scope="module")
def options(files) -> dict:
    """Two files, the second of which is a point too, in five units of work."""
    return {"cross_section_pb": 0.5, "step_size": 120, "points": (Point(2000.0, files[2], 0.1),)}


@pytest.fixture(scope="module")
def reference(tmp_path_factory, card, files, options) -> Path:
    output = tmp_path_factory.mktemp("reference") / "out"
    reinterpret([files[0], files[2]], card, options=ReinterpretOptions(output=output, **options))
    return output


def digests(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def measured(result: dict) -> dict:
    """The answer without what says which files it is of."""
    return {key: value for key, value in result.items() if key not in {"files", "provenance", "skipped"}}


@pytest.mark.usefixtures("quick_processes")
def test_two_processes_write_the_same_bytes(tmp_path, card, files, options):
    for n, name in ((1, "one"), (2, "two")):
        chosen = {**options, "points": (), "output": tmp_path / name, "execution": Execution(workers=n)}
        reinterpret([files[0], files[2]], card, options=ReinterpretOptions(**chosen))
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert not (tmp_path / "two.run").exists()


def test_a_damaged_file_is_left_out_of_everything(tmp_path, card, files, options, reference):
    with pytest.raises(InputDataError, match=r"b\.root: truncated.*--skip-bad-files"):
        reinterpret(files, card, options=ReinterpretOptions(**options))
    execution = Execution(skip_bad_files=True)
    output = tmp_path / "out"
    report = reinterpret(files, card, options=ReinterpretOptions(output=output, execution=execution, **options))
    (skipped,) = report.skipped
    assert (skipped.file, skipped.name) == (1, "b.root")
    assert skipped.reason.startswith("b.root: truncated")
    assert [record.get("skipped") for record in report.to_json()["provenance"]["inputs"]] == [
        None,
        skipped.reason,
        None,
    ]
    assert skipped.reason in (output / "report.html").read_text(encoding="utf-8")
    good = json.loads((reference / "reinterpret.json").read_text())
    assert measured(report.to_json()) == measured(good)
    again = reinterpret(files, card, options=ReinterpretOptions(output=output, execution=execution, **options))
    assert again.complete_before
    assert again.skipped == (skipped,)


def test_a_complete_output_is_left_alone(tmp_path, card, files, options, reference):
    shutil.copytree(reference, tmp_path / "out")
    sample = [files[0], files[2]]

    def again(**changed):
        everything = {"output": tmp_path / "out", "on_events": None, **options, **changed}
        return reinterpret(sample, card, options=ReinterpretOptions(**everything))

    report = again()
    assert report.complete_before
    assert json.dumps(report.to_json(), indent=2) + "\n" == (reference / "reinterpret.json").read_text()
    assert not again(execution=Execution(force=True)).complete_before
    assert report.to_json()["files"] == {"sample": 2, "points": [1]}
    assert Inputs.of(sample[:1], options["points"]).numbers() != report.result.files
    assert digests(tmp_path / "out") == digests(reference)
    region = {"region": ("mine", RegionSpec(background_efficiency=0.1)), "points": ()}
    assert not again(**region).complete_before
    other = {**region, "region": ("mine", RegionSpec(background_efficiency=0.2))}
    assert not again(**other).complete_before
    assert again(**other).complete_before


def test_an_interrupted_run_goes_on(tmp_path, card, files, options, reference, monkeypatch):
    made = []
    make = SearchJob._make

    def counted(job, chunk):
        made.append((chunk.path.name, int(chunk.events.index[0])))
        return make(job, chunk)

    monkeypatch.setattr(SearchJob, "_make", counted)
    seen = []

    def interrupt(n: int, _: int | None = None) -> None:
        seen.append(n)
        if len(seen) == 6:  # the sample has five units, the point two
            raise KeyboardInterrupt

    output, sample = tmp_path / "out", [files[0], files[2]]
    with pytest.raises(InterruptedRunError, match="6 parts of the work are kept"):
        reinterpret(sample, card, options=ReinterpretOptions(output=output, on_events=interrupt, **options))
    assert not output.exists()
    assert len(made) == 6
    reinterpret(
        sample, card, options=ReinterpretOptions(output=output, on_events=lambda n, _: seen.append(n), **options)
    )
    assert len(made) == len(set(made)) + 2 == 7  # each once, but that the point is in the sample
    assert sum(seen[6:]) == 700
    assert digests(output) == digests(reference)


def test_an_interruption_after_all_events_keeps_them(tmp_path, card, files, options, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hepad.pipeline.reinterpret.run.write_folder", interrupted)
    with pytest.raises(InterruptedRunError, match="7 parts of the work are kept"):
        reinterpret([files[0], files[2]], card, options=ReinterpretOptions(output=tmp_path / "out", **options))


@pytest.mark.usefixtures("quick_processes")
def test_generator_files_on_two_processes_say_what_was_rejected(tmp_path, search_card, data):
    pytest.importorskip("pythia8mc")
    content = yaml.safe_load(search_card)
    for key in ("luminosity", "channels", "fits", "binning"):
        del content[key]
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(content))
    options = [ReinterpretOptions(max_events=30, execution=Execution(workers=n)) for n in (1, 2)]
    files = [str(data / "z_mlm.lhe.gz")]
    one, two = (reinterpret(files, str(tmp_path / "card.yaml"), options=each).to_json() for each in options)
    assert one == two
    assert two["events"] == 30
    assert two["cross_section_pb"] == pytest.approx(3750.836)
    assert any("of 30 events read were rejected" in text for text in two["warnings"])


def test_a_background_leaves_out_what_is_damaged(tmp_path, card, examples):
    whole = (examples / "w_lnu.root").read_bytes()
    (tmp_path / "cut.root").write_bytes(whole[: len(whole) // 2])
    section = ["--cross-section", "*.root=20970"]
    files = [str(examples / "w_lnu.root"), str(tmp_path / "cut.root")]
    command = ["analysis", "background", card, *files, *section, "-o", str(tmp_path / "out")]
    assert CliRunner().invoke(app, command).exit_code == 4
    result = CliRunner().invoke(app, [*command, "--skip-bad-files", "--json"])
    assert result.exit_code == 8
    assert "left out: cut.root: truncated" in result.stderr
    good = BackgroundOptions(output=tmp_path / "good", cross_sections=[("*.root", 20970.0)])
    make_background(card, files[:1], options=good)
    for name in ("events.parquet", "spectra.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "good" / name).read_bytes()
    record, other = (json.loads((tmp_path / name / "background.json").read_text()) for name in ("out", "good"))
    assert record["files"] == other["files"]
    assert [one["name"] for one in record["skipped"]] == ["cut.root"]
    again = CliRunner().invoke(app, [*command, "--skip-bad-files"])
    assert again.exit_code == 8
    assert "complete already" in again.stderr
    assert make_background(card, files[:1], options=good).complete_before


def test_a_background_goes_on(tmp_path, card, examples):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def options(name, on_events=None):
        sections = [("w_lnu.root", 20970.0)]
        return BackgroundOptions(output=tmp_path / name, cross_sections=sections, step_size=2000, on_events=on_events)

    files = [str(examples / "w_lnu.root")]
    with pytest.raises(InterruptedRunError, match="parts of the work are kept"):
        make_background(card, files, options=options("out", interrupt))
    make_background(card, files, options=options("out"))
    make_background(card, files, options=options("whole"))
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


@pytest.mark.parametrize("name", ["atlas_2025_multilepton", None])
def test_a_search_is_small_on_its_way_to_a_process(name, card):
    pytest.importorskip("zuko")
    job = SearchJob(prepare_search(name or card), 13000.0)
    data = bytes(ForkingPickler.dumps(job))
    assert len(data) < 32_000
    there = ForkingPickler.loads(data)
    assert [c.name for c in there.search.categories] == [c.name for c in job.search.categories]
    assert [c.bundle and c.bundle.sha256 for c in there.search.categories] == [
        c.bundle and c.bundle.sha256 for c in job.search.categories
    ]


def test_facts_of_a_file_are_kept_with_its_first_part():
    facts = FileFacts(10, SampleInfo(0.1, 13000.0, 20, 19.5, ("a note",)))
    first, second = Part(3, facts=facts), Part(2)
    assert Part.from_bytes(Part.join([first, second]).to_bytes()).facts == facts
    assert Part.from_bytes(second.to_bytes()).facts is None


def of(energy: float | None) -> FileFacts:
    return FileFacts(1, SampleInfo(sqrt_s_gev=energy))


def add(samples: Samples, *energies: float | None) -> None:
    from numpy import ones

    for file, energy in enumerate(energies):
        samples.add(file, Path(f"{file}.root"), of(energy), ones(1))


def test_files_of_several_energies_are_refused_as_they_come():
    add(Samples(), 13000.0, None, 13001.0)
    with pytest.raises(InputDataError, match="different collision energies"):
        add(Samples(), None, 13000.0, 13600.0)
    add(Samples(13000.0), None, 13000.0, None)
    for energies in ((None, 13600.0), (13600.0, None)):
        with pytest.raises(InputDataError, match="does not state its collision energy"):
            add(Samples(13000.0), *energies)


def test_a_search_whose_inputs_need_the_energy_assumes_its_own():
    search = prepare_search("atlas_2023_ad_two_body")
    assert SearchJob(search).assumed_sqrt_s_gev == 13000
    assert SearchJob(search, 14000.0).assumed_sqrt_s_gev is None
    assert SearchJob(prepare_search("cms_2019_dijet")).assumed_sqrt_s_gev is None


@pytest.mark.parametrize(
    "text",
    ["a=efficiency:0.1", "a=kl@rate:0.5/30.0", "a=cross_section:10.0", "a=cross_section:1.0/5.0", "a=threshold:-2.5"],
)
def test_a_region_is_written_as_it_is_given(text):
    assert region_words(*parse_region(text)) == text
    assert region_words("tight", None) == "tight"
