"""A signal against a search: numbers that can be counted by hand, channels that share events, points, refusals."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import uproot
import yaml

from hepad.cards.analysis import RegionSpec, TrainCard
from hepad.errors import CardError, InputDataError, UsageError
from hepad.io.tables.background import read_background
from hepad.pipeline.reinterpret.points import parse_point, read_points
from hepad.pipeline.reinterpret.report import Result
from hepad.pipeline.reinterpret.run import ReinterpretOptions, reinterpret
from hepad.pipeline.reinterpret.words import counted_words
from hepad.samples.heldout import held_out
from hepad.search.background import BackgroundOptions, make_background

SIGNAL = "wprime_wz_2tev.root"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, examples, search_card) -> Path:
    """A card with its background of W events, which the bundled model has not seen."""
    path = tmp_path_factory.mktemp("search")
    (path / "card.yaml").write_text(search_card)
    options = BackgroundOptions(output=path / "background", cross_sections=[("w_lnu.root", 20970.0)])
    make_background(str(path / "card.yaml"), [str(examples / "w_lnu.root")], options=options)
    (path / "card.yaml").write_text(search_card + "background_events: background\n")
    return path


@pytest.fixture
def card(folder, tmp_path):
    """A copy of the card in a folder of its own, with keys changed."""

    def write(**changes):
        content = yaml.safe_load((folder / "card.yaml").read_text()) | changes
        content = {key: value for key, value in content.items() if value is not None}
        if content.get("background_events"):
            shutil.copytree(folder / "background", tmp_path / "background", dirs_exist_ok=True)
        (tmp_path / "changed.yaml").write_text(yaml.safe_dump(content))
        return str(tmp_path / "changed.yaml")

    return write


def answer(files, card, **options):
    names = [files] if isinstance(files, Path) else files
    report = reinterpret([str(f) for f in names], str(card), options=ReinterpretOptions(**options))
    result = report.to_json()
    text = json.dumps(result, allow_nan=False)
    again = Result.from_json(json.loads(text))  # what is said of an output that was complete before
    assert again == report.result
    assert json.dumps(again.to_json()) == text
    return result


@pytest.fixture(scope="module")
def result(folder, examples):
    return answer(examples / SIGNAL, folder / "card.yaml", cross_section_pb=0.5)


def test_the_keys_are_those_promised(result):
    assert {"analysis", "events", "sum_weights", "cutflow", "acceptance", "channels", "verdict"} <= set(result)
    assert {"combined", "overlaps", "points", "provenance"} <= set(result)
    assert result["analysis"] == "lepton"
    assert result["events"] == 300
    wanted = {"expected_events", "acceptance", "limit_pb_expected", "limit_pb_observed"}
    assert all(wanted <= set(channel) for channel in result["channels"].values())
    assert all({"value", "error"} <= set(found) for found in result["acceptance"].values())


def test_the_acceptance_is_what_counting_gives(result):
    steps = result["cutflow"]
    assert steps[0]["efficiency"] == 1
    assert steps[0]["efficiency_error"] == 0
    selected = result["acceptance"]["all"]
    assert selected["events"] == steps[-1]["events"]
    assert selected["value"] == pytest.approx(steps[-1]["events"] / 300)
    assert selected["value"] > result["acceptance"]["loose"]["value"] > result["acceptance"]["tight"]["value"] > 0
    tight = result["acceptance"]["tight"]
    assert tight["error"] == pytest.approx(np.sqrt(tight["value"] * (1 - tight["value"]) / 300))
    assert tight["model_error"] >= 0


def test_expected_events_are_cross_section_times_luminosity_times_acceptance(result):
    for channel in result["channels"].values():
        assert channel["expected_events"] == pytest.approx(0.5 * 10 * 1000 * channel["acceptance"])


def test_limits_do_not_depend_on_the_cross_section_assumed(result, folder, examples):
    other = answer(examples / SIGNAL, folder / "card.yaml")
    assert other["cross_section_pb"] is None
    assert other["verdict"]["status"] == "cannot say"
    assert other["verdict"]["cause"] == "no cross section"
    assert "--xsec" in other["verdict"]["help"]
    limit = other["combined"]["limit_pb_expected"]
    assert f"the expected limit is {limit:.3g} pb at 95 % CL" in other["verdict"]["reason"]
    for name, channel in result["channels"].items():
        assert other["channels"][name]["expected_events"] is None
        assert (other["channels"][name]["limit_pb_expected"] or 0) == pytest.approx(
            channel["limit_pb_expected"] or 0, rel=1e-3
        )
    assert result["combined"]["limit_pb_expected"] > 0


def test_too_few_events_of_signal_give_no_limit(folder, write_slim):
    """Two events of a signal say neither its shape nor how many are above a mass."""
    rng = np.random.default_rng(7)
    result = answer(write_slim(**_two_jets(rng.normal(150.0, 3.0, (2, 2)), rng)), folder / "card.yaml")
    channel = result["channels"]["jj"]
    assert channel["simulated_events"] == 2
    assert channel["limit_pb_expected"] is None
    reason = channel["no_limit"]
    assert (reason["cause"], reason["need"]) == ("too few signal events", 10)
    assert reason["have"] == pytest.approx(2)
    assert reason["help"] == "simulate at least 5 times as many events"
    assert channel["no_limit_because"] == reason["text"]
    assert reason["text"] == "too few effective events of signal (2 of 10 needed)"


def test_a_signal_like_the_background_is_counted(result):
    """A smooth function can be anything that its few events are: what is counted above a mass has a limit."""
    channel = result["channels"]["jj"]
    assert channel["signal_response"] is None
    assert channel["counted_above_gev"] == channel["range_gev"][0] > 60
    assert channel["calculator"] == "exact"
    assert "no background is subtracted" in channel["calculator_reason"]
    said = counted_words({"jj": SimpleNamespace(counted_above_gev=75.0), "jb": SimpleNamespace(counted_above_gev=None)})
    assert said.endswith("in no simultaneous fit and no likelihood for other programs: jj above 75 GeV")


def test_without_data_nothing_is_excluded(result):
    assert result["verdict"]["status"] in {"cannot say", "not excluded"}
    assert result["verdict"]["basis"] == "expected"
    assert all(channel["limit_pb_observed"] is None for channel in result["channels"].values())


def test_channels_share_events_and_the_combination_does_not(folder, write_slim):
    rng = np.random.default_rng(4)
    branches = _two_jets(rng.normal(350.0, 10.0, (400, 2)), rng)
    jets = {key: value for key, value in branches.items() if key.startswith("Jet")}
    one_jet = {key: [row[: 1 + i % 2] for i, row in enumerate(rows)] for key, rows in jets.items()}
    result = answer(write_slim(**(branches | one_jet)), folder / "card.yaml", cross_section_pb=0.5)
    overlaps = result["overlaps"]
    assert all(overlaps[name][name] == pytest.approx(1) for name in overlaps)
    assert 0 < overlaps["jj"]["jmu"] < 1
    assert len(result["combined"]["channels"]) == 3
    assert "each event in its best channel only" in result["combined"]["method"]
    best = min(result["channels"], key=lambda n: result["channels"][n]["limit_pb_expected"] or np.inf)
    assert result["combined"]["channels"][0] == best
    # what the others add to the best channel cannot weaken it by more than the precision of a limit
    assert result["combined"]["limit_pb_expected"] <= 1.01 * result["channels"][best]["limit_pb_expected"]


def test_the_best_channel_keeps_its_template_in_the_combination(write_slim, folder):
    """A signal that lies across the end of the background is not cut before it is smoothed, alone or combined."""
    rng = np.random.default_rng(4)
    jets = rng.normal(380.0, 20.0, (400, 2))
    path = write_slim(**_two_jets(jets, rng))
    result = answer(path, folder / "card.yaml", cross_section_pb=0.5)
    first = result["combined"]["channels"][0]
    assert len(result["combined"]["channels"]) > 1
    assert result["channels"][first]["signal_unused"] > 0.05
    assert result["combined"]["limit_pb_expected"] <= 1.01 * result["channels"][first]["limit_pb_expected"]


def _two_jets(jets, rng):
    """Branches of back-to-back jets with momenta (n, 2) and a lepton between, electron or muon: both masses peak."""
    n = len(jets)
    phi = rng.uniform(0, 3, n)
    lepton = {"PT": [[40.0]] * n, "Eta": [[0.3]] * n, "Phi": (phi - 1.5)[:, None].tolist()}
    none: list[list[float]] = [[]] * (n // 2)
    return {
        "Jet_PT": np.sort(jets)[:, ::-1].tolist(),
        "Jet_Eta": rng.normal(0, 0.5, (n, 2)).tolist(),
        "Jet_Phi": np.stack([phi, phi - 3.1], axis=1).tolist(),
        "Jet_Mass": [[5.0, 5.0]] * n,
        **{f"Electron_{key}": none + value[n // 2 :] for key, value in lepton.items()},
        **{f"Muon_{key}": value[: n // 2] + none for key, value in lepton.items()},
        "MissingET_MET": [[50.0]] * n,
        "MissingET_Phi": [[0.5]] * n,
        "Weight_Weight": [[1.0]] * n,
    }


@pytest.mark.parametrize(
    "options",
    [
        {"luminosity_fb": 0.0},
        {"luminosity_fb": float("nan")},
        {"sqrt_s_gev": -1.0},
        {"sqrt_s_gev": float("inf")},
        {"cross_section_pb": float("nan")},
        {"signal_error": float("nan")},
        {"signal_error": 1.0},
        {"jes": float("nan")},
        {"jes": 1.0},
        {"max_events": 0},
    ],
)
def test_numbers_that_stand_for_nothing_are_refused(folder, examples, options):
    with pytest.raises(UsageError, match=next(iter(options)).split("_")[0].replace("cross", "xsec")):
        answer(examples / SIGNAL, folder / "card.yaml", **options)


def test_provenance_has_all_that_the_signal_is_held_against(result, folder):
    found = result["provenance"]["cards"]
    assert {"analysis lepton", "bundle dnn_ae", "selection adc2021", "fit dijet3", "fit ua2_3"} <= set(found)
    digest = hashlib.sha256((folder / "background" / "events.parquet").read_bytes()).hexdigest()
    assert found["background events.parquet"] == digest


def test_a_larger_luminosity_gives_a_stronger_limit(folder, write_slim):
    rng = np.random.default_rng(4)
    path = write_slim(**_two_jets(rng.normal(150.0, 4.0, (400, 2)), rng))
    result = answer(path, folder / "card.yaml", cross_section_pb=0.5)
    more = answer(path, folder / "card.yaml", cross_section_pb=0.5, luminosity_fb=40.0)
    assert not more["search"]["as_published"]
    assert "luminosity: not as on the card, so that this is another search than lepton" in more["warnings"]
    best = result["combined"]["channels"][0]
    ratio = result["channels"][best]["limit_pb_expected"] / more["channels"][best]["limit_pb_expected"]
    assert 1.5 < ratio <= 4.2  # between the root of 4 and 4


def test_weights_are_respected_and_their_scale_is_not(write_slim, folder):
    plain = {"Muon_PT": [[], [40.0], []], "Electron_PT": [[30.0], [], [10.0]]}
    path = write_slim("a.root", Weight_Weight=[[1.0], [3.0], [4.0]], **plain)
    found = answer(path, folder / "card.yaml")
    assert found["acceptance"]["all"]["value"] == pytest.approx(4 / 8)  # the third has no lepton above 23 GeV
    scaled = answer(write_slim("b.root", Weight_Weight=[[10.0], [30.0], [40.0]], **plain), folder / "card.yaml")
    assert scaled["acceptance"]["all"]["value"] == pytest.approx(4 / 8)
    assert scaled["sum_weights"] == pytest.approx(80)
    with pytest.raises(InputDataError, match="sum to 0"):
        answer(write_slim("c.root", Weight_Weight=[[1.0], [-2.0], [1.0]]), folder / "card.yaml")


def test_several_files_are_one_sample(folder, examples, data):
    both = answer([examples / SIGNAL, data / "tbhplus_2tev.root"], folder / "card.yaml", cross_section_pb=1.0)
    one = answer(data / "tbhplus_2tev.root", folder / "card.yaml", cross_section_pb=1.0)
    first = answer(examples / SIGNAL, folder / "card.yaml", cross_section_pb=1.0)
    assert both["events"] == 500
    passed = sum(x["acceptance"]["loose"]["value"] * x["sum_weights"] for x in (one, first))
    assert both["acceptance"]["loose"]["value"] == pytest.approx(passed / both["sum_weights"])


@pytest.mark.usefixtures("unrendered")
def test_nothing_selected_is_an_answer(write_slim, folder, tmp_path):
    path = write_slim(Muon_PT=[[], [5.0], []], Electron_PT=[[5.0], [], [5.0]], Weight_Weight=[[1.0]] * 3)
    found = answer(path, folder / "card.yaml", cross_section_pb=1.0, output=tmp_path / "out")
    assert found["acceptance"]["tight"]["value"] == 0
    # of three events: 1 - 0.05^(1/3) = 0.6316
    assert found["acceptance"]["tight"]["upper_95"] == pytest.approx(1 - 0.05 ** (1 / 3))
    assert found["verdict"]["status"] == "cannot say"
    assert found["verdict"]["cause"] == "nothing selected"
    assert found["verdict"]["reason"] == 'none of 3 events passes "one lepton": acceptance below 64 % at 95 % CL'
    assert {c["no_limit"]["cause"] for c in found["channels"].values()} == {"no signal in the range"}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "none (none)" not in page
    assert page.count("below 64 % (95 % CL)") == 4  # three regions, and in the answer


def test_a_counting_search_against_a_closed_form(card, examples):
    counts = {"all": {"background": 0.0, "observed": 0, "source": "a test"}}
    parts = [
        {"name": n, "title": n, "selection": s, "counts": counts} for n, s in (("a", "adc2021"), ("b", "lepton_jets"))
    ]
    none = dict.fromkeys(("channels", "fits", "binning", "background_events"))
    path = card(categories=parts[:1], regions=["all"], thresholds=None, **none)
    found = answer(examples / SIGNAL, path, cross_section_pb=0.5, signal_error=0.0)
    acceptance = found["channels"]["a"]["acceptance"]
    # No event: CLs is exp(-s), and the limit -ln 0.05, whatever the error of the luminosity.
    assert found["channels"]["a"]["limit_pb_observed"] * 1e4 * acceptance == pytest.approx(-np.log(0.05), rel=1e-3)
    assert found["channels"]["a"]["calculator"] == "exact"
    assert found["verdict"]["status"] == "excluded"
    assert found["verdict"]["basis"] == "observed"
    # Half an event of background, none seen, and 2.6 events of signal: formulae would exclude it (2.21 events).
    counts["all"] |= {"background": 0.5, "background_error": 0.1}
    few = answer(
        examples / SIGNAL,
        path := card(categories=parts[:1], regions=["all"], thresholds=None, **none),
        cross_section_pb=2.6 / (1e4 * acceptance),
    )
    assert few["verdict"]["status"] == "not excluded"
    assert few["verdict"]["limit_pb"] * 1e4 * acceptance == pytest.approx(3.0, abs=0.02)
    assert few["verdict"]["reason"].endswith("at 95 % CL, exact sums")
    assert min(few["channels"]["a"]["limit_pb_expected_band"]) * 1e4 * acceptance > 2.99
    wrong = answer(examples / SIGNAL, path, cross_section_pb=2.6 / (1e4 * acceptance), calculator="asymptotic")
    assert wrong["verdict"]["reason"].endswith("asymptotic formulae")
    assert any("unreliable below 10" in text for text in wrong["warnings"])
    two = answer(
        examples / SIGNAL, card(categories=parts, regions=["all"], thresholds=None, **none), cross_section_pb=0.5
    )
    assert two["combined"]["method"] == "best expected channel"  # the same events are in both
    union, apart = two["acceptance"]["all"], two["acceptance"]["all"]["categories"]
    assert max(found["events"] for found in apart.values()) <= union["events"]
    assert union["events"] < apart["a"]["events"] + apart["b"]["events"]


def test_an_observed_spectrum_gives_an_observed_limit(card, tmp_path, examples):
    edges = np.array([60, 90, 130, 190, 270, 390, 560, 800, 1100, 1600, 2300, 3300])
    counts = np.round(2e9 * (1 - edges[:-1] / 13000) ** 20 * (edges[:-1] / 13000.0) ** 0.2 / edges[:-1] ** 2.2)
    rows = [f"{a},{b},{n:.0f}" for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)]
    (tmp_path / "spectrum.csv").write_text("\n".join(rows))
    channels = {"jj": {"mass": "jet1+jet2", "title": "mjj", "observed": "spectrum.csv"}}
    plain = [{"name": "dijet", "title": "two jets", "selection": "adc2021"}]
    path = card(
        categories=plain, regions=["all"], thresholds=None, binning=None, background_events=None, channels=channels
    )
    found = answer(examples / SIGNAL, path, cross_section_pb=0.5)
    assert found["channels"]["jj"]["limit_pb_observed"] > 0
    assert found["channels"]["jj"]["observed_events"] == counts.sum()
    assert found["combined"]["method"] == "best expected channel"
    assert found["verdict"]["basis"] == "observed"


def test_a_trigger_has_acceptances_only(card, examples):
    none = dict.fromkeys(("luminosity", "channels", "fits", "binning", "background_events"))
    found = answer(examples / SIGNAL, card(**none), cross_section_pb=1.0)
    assert found["acceptance"]["tight"]["value"] > 0
    assert found["channels"] == {}
    assert found["combined"] is None
    assert "acceptances only" in found["verdict"]["reason"]
    assert found["verdict"]["cause"] == "no published counts"
    with pytest.raises(UsageError, match="no luminosity"):
        answer(examples / SIGNAL, card(**none), luminosity_fb=1.0)


def test_another_region_can_be_asked_for(result, folder, examples):
    tight = answer(examples / SIGNAL, folder / "card.yaml", region=("tight", None))
    assert tight["search"]["signal_region"] == "tight"
    there = result["combined"]["limit_pb_expected_alternatives"]["region_tight"]
    assert there == pytest.approx(tight["combined"]["limit_pb_expected"], rel=1e-6)
    assert there != pytest.approx(result["combined"]["limit_pb_expected"], rel=0.01)
    assert "limits are set in region tight, those of lepton in loose" in tight["warnings"]  # no other search
    assert not any("another search" in text for text in tight["warnings"])
    own = answer(examples / SIGNAL, folder / "card.yaml", region=("mine", RegionSpec(background_efficiency=0.1)))
    assert (
        own["acceptance"]["loose"]["value"] >= own["acceptance"]["mine"]["value"] >= own["acceptance"]["tight"]["value"]
    )
    with pytest.raises(UsageError, match="has no region 'nope': choose one of all, loose, tight"):
        answer(examples / SIGNAL, folder / "card.yaml", region=("nope", None))


def test_another_model_or_selection_leaves_the_background_of_the_card_out(folder, examples):
    found = answer(examples / SIGNAL, folder / "card.yaml", model="snn_ae", cross_section_pb=1.0)
    assert found["channels"]["jj"]["limit_pb_expected"] is None
    assert found["verdict"]["cause"] == "no background"
    assert found["verdict"]["reason"].startswith("all 3 channels: neither a published spectrum nor simulated")
    assert "--background" in found["verdict"]["help"]
    assert any("another model" in text for text in found["warnings"])
    with pytest.raises(InputDataError, match="another selection"):
        answer(
            examples / SIGNAL,
            folder / "card.yaml",
            selection="lepton_jets",
            background=folder / "background",
        )


def test_what_the_function_may_fake_is_an_error_of_the_limit(card, folder, write_slim):
    rng = np.random.default_rng(4)
    path = write_slim(**_two_jets(rng.normal(150.0, 4.0, (400, 2)), rng))
    result = answer(path, folder / "card.yaml", cross_section_pb=0.5)
    found = answer(path, card(spurious_signal=True), cross_section_pb=0.5)
    best = found["combined"]["channels"][0]
    assert found["channels"][best]["spurious_events"] > 0
    assert found["channels"][best]["limit_pb_expected"] > result["channels"][best]["limit_pb_expected"]
    assert found["combined"]["limit_pb_expected"] > result["combined"]["limit_pb_expected"]
    assert all(channel["spurious_events"] == 0 for channel in result["channels"].values())


def test_the_energy_scale_of_jets_is_an_error_of_the_signal(result, folder, data):
    """A soft signal, some of which is below the region with weaker jets."""
    sample = data / "hpm_taunu_0.root"
    before, found = (answer(sample, folder / "card.yaml", cross_section_pb=0.5, jes=jes) for jes in (0.0, 0.2))
    jets = found["jet_energy_scale"]
    assert jets["relative"] == 0.2
    value = found["acceptance"]["loose"]["value"]
    changes = [abs(jets[f"acceptance_{way}"] - value) / value for way in ("down", "up")]
    assert jets["error"] == pytest.approx(max(changes))
    assert jets["acceptance_up"] > value > jets["acceptance_down"]
    assert found["acceptance"] == before["acceptance"]  # that of the jets as they are
    best = found["combined"]["channels"][0]
    for limits in (found["combined"], found["channels"][best]):
        assert {"jets_down", "jets_up"} <= set(limits["limit_pb_expected_alternatives"])
    assert found["combined"]["limit_pb_expected"] > before["combined"]["limit_pb_expected"]
    assert before["jet_energy_scale"] is None


def test_points_make_a_curve(folder, examples, data):
    points = (
        parse_point(f"2000={examples / SIGNAL}@1e3"),
        parse_point(f"1000={data / 'tbhplus_2tev.root'}@1e-6"),
    )
    found = answer([], folder / "card.yaml", points=points)
    table = found["points"]["table"]
    assert [row["mass_gev"] for row in table] == [1000, 2000]
    assert found["events"] == 300  # the first point given is the sample
    (excluded,) = found["points"]["excluded_expected_gev"]
    assert 1000 < excluded["low"] < 2000
    assert excluded["to_end"]
    assert not excluded["from_start"]
    assert found["points"]["excluded_observed_gev"] is None
    verdict = found["verdict"]
    assert (verdict["status"], verdict["basis"], verdict["cause"]) == ("cannot say", "expected", "no data")
    assert verdict["reason"].startswith(f"{excluded['low']:.0f} to 2000 GeV expected to be excluded")
    assert found["sample"] == {"mass_gev": 2000, "verdict": table[1]["verdict"]}
    assert table[1]["cutflow"] == found["cutflow"] != table[0]["cutflow"]
    with pytest.raises(UsageError, match="no cross section"):
        answer([], folder / "card.yaml", points=(parse_point(f"2000={examples / SIGNAL}"),))
    with pytest.raises(UsageError, match="same mass"):
        answer([], folder / "card.yaml", points=(points[0], points[0]))


def test_points_are_read_with_their_faults(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("mass_gev,file,cross_section_pb\n1000,a.root,0.1\n2000,b@c.root,\n")
    points = read_points(path)
    assert [point.cross_section_pb for point in points] == [0.1, None]
    assert points[1].file == str(tmp_path / "b@c.root")
    assert parse_point("5=x@y.root").file == "x@y.root"
    for text in ("5", "=a", "x=a", "-5=a", "5="):
        with pytest.raises(UsageError, match="--point"):
            parse_point(text)
    for content in ("mass,file\n", "mass_gev,file,cross_section_pb\n1,a\n", "mass_gev,file,cross_section_pb\nx,a,1\n"):
        path.write_text(content)
        with pytest.raises(InputDataError, match=r"points\.csv"):
            read_points(path)


def test_a_background_leaves_out_what_the_model_has_seen(tmp_path, folder, examples):
    from hepad.bundles.bundle import load_bundle
    from hepad.pipeline.train.run import TrainOptions, train

    background = examples / "w_lnu.root"
    recipe = TrainCard(epochs=1, holdout_fraction=0.25)
    train(
        [str(background)], "dnn_ae", options=TrainOptions(output=tmp_path / "bundle", train=recipe, regions={}, seed=3)
    )
    bundle = load_bundle(str(tmp_path / "bundle"))
    ours = held_out([background, examples / SIGNAL], bundle)
    assert ours.trained_on == (True, False)
    assert ours.factors[1] is None
    factors = ours.factors[0]
    assert factors is not None
    selected = (
        bundle.card.training.events + bundle.card.training.validation_events + bundle.card.training.holdout_events
    )
    kept = factors[(factors != 0) & (factors != 1)]
    assert len(kept) == bundle.card.training.holdout_events
    assert kept.sum() == pytest.approx(selected)
    shutil.copy(folder / "card.yaml", tmp_path / "card.yaml")
    options = BackgroundOptions(
        output=tmp_path / "background", cross_sections=[("w_lnu.root", 100.0)], model=str(tmp_path / "bundle")
    )
    content = yaml.safe_load((tmp_path / "card.yaml").read_text())
    del content["background_events"]
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(content))
    report = make_background(str(tmp_path / "card.yaml"), [str(background)], options=options)
    (category,) = report.record["categories"]
    whole = category["regions"]["all"]
    assert whole["events"] == len(kept)
    entries = uproot.open(background)["Delphes"].num_entries
    assert whole["cross_section_pb"] == pytest.approx(100 * selected / entries, rel=1e-3)
    columns, _ = read_background(tmp_path / "background")
    assert columns["weight_pb"].sum() == pytest.approx(category["regions"]["loose"]["cross_section_pb"])


def test_a_background_that_is_not_one_is_refused(folder, tmp_path, examples):
    with pytest.raises(UsageError, match="states no cross section"):
        make_background(
            str(folder / "card.yaml"), [str(examples / "w_lnu.root")], options=BackgroundOptions(output=tmp_path / "b")
        )
    broken = tmp_path / "broken"
    shutil.copytree(folder / "background", broken)
    (broken / "events.parquet").write_bytes((broken / "events.parquet").read_bytes()[:200])
    with pytest.raises(InputDataError, match="damaged"):
        answer(examples / SIGNAL, folder / "card.yaml", background=broken)
    with pytest.raises(InputDataError, match="no background made by"):
        answer(examples / SIGNAL, folder / "card.yaml", background=tmp_path)


def test_a_bundle_that_lacks_the_regions_is_refused(card, examples):
    with pytest.raises(CardError, match="needs region pb20, which bundle dnn_ae lacks"):
        answer(examples / SIGNAL, card(regions=["pb20"], thresholds=None, background_events=None))
