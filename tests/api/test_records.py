"""Results as figures, JSON and tables; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boost_histogram as bh
import hist
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import hepad
from hepad.api.record import Record
from hepad.api.spectra import spectrum_of
from hepad.errors import CardError, InputDataError, UsageError
from hepad.spectra.files import Spectrum

EDGES = [1000, 1100, 1200, 1300, 1400, 1500, 1600]
FALLING = ([1000, 606, 368, 223, 135, 82], EDGES)


@pytest.fixture
def records(examples: Path) -> dict[str, Record]:
    path = str(examples / "h0.h5")
    return {
        "bumphunt": hepad.bumphunt(FALLING, function="exponential2", toys=30),
        "fit": hepad.fit(FALLING, "exponential2"),
        "limit": hepad.limit(9, 50, 55),
        "discovery": hepad.discovery({"<b>one</b>": {"observed": 3, "background": 2.8}}),
        "abcd": hepad.abcd([35, 100, 80, 400], calculator="asymptotic"),
        "score": hepad.score(path, "dnn_ae", max_events=300),
        "evaluate": hepad.evaluate(path, {"<i>": path}, "dnn_ae", bootstrap=3, max_events=300),
        "train": hepad.train(path, "dnn_ae", epochs=1, regions={}),
        "reinterpret": hepad.reinterpret(examples / "w_lnu.root", "cms_2019_dijet", max_events=100),
    }


def test_what_each_can_do(records: dict[str, Record]) -> None:
    mpl.use("agg")
    from matplotlib import pyplot as plt

    for name, record in records.items():
        json.dumps(record.to_json(), allow_nan=False)
        page = record._repr_html_()
        assert page.startswith("<h4 id=")
        assert page.count("<table>") == page.count("</table>") >= 1
        assert "<b>" not in page
        assert "<i>" not in page
        assert "object at 0x" not in repr(record)
        ax = Figure().subplots()
        assert record.plot(ax) is ax, name
        assert ax.has_data()
        assert ax.get_xlabel()
        with pytest.raises((AttributeError, TypeError)):
            record.report = None  # frozen
    assert "&lt;b&gt;one&lt;/b&gt;" in records["discovery"]._repr_html_()
    assert "&lt;i&gt;" in records["evaluate"]._repr_html_()
    ax = records["limit"].plot()
    assert isinstance(ax, Axes)
    assert plt.fignum_exists(ax.figure.number)  # which a notebook shows
    plt.close(ax.figure)
    assert repr(records["limit"]).splitlines()[:2] == ["Upper limit on mu at 95 % CL", "  limit              mu"]
    assert "hepad" not in repr(records["score"])


def test_a_notebook_goes_on_showing_figures_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its backend wakes up when the first figure is made, and makes matplotlib interactive for good."""
    mpl.use("agg")
    from matplotlib import pyplot as plt

    make = plt.figure

    def waking(**options: Any) -> Figure:
        mpl.interactive(True)
        return make(**options)

    monkeypatch.setattr(plt, "figure", waking)
    with mpl.rc_context({"interactive": False}):
        hepad.discovery(data=34, background=28).plot()
        assert mpl.is_interactive()
    plt.close("all")


def test_model_in_a_notebook() -> None:
    model = hepad.load_model("snn_ae")
    assert "<td>tight</td><td>mse</td>" in model._repr_html_()
    assert (model.name, model.score_names) == ("snn_ae", ("mse",))
    assert model.region("tight").efficiency < model.region("loose").efficiency


def test_regions_of_several_scores() -> None:
    region = hepad.load_model("vae").region("both=mse@threshold:2,kl@threshold:1")
    scores = {"mse": [3.0, 3.0, 1.0, np.nan], "kl": [1.0, 0.5, 3.0, 3.0]}
    assert region.inside(scores).tolist() == [True, False, False, False]
    assert (region.score, region.threshold, region.efficiency) == ("mse", 2, None)
    with pytest.raises(InputDataError, match="region 'both' cuts on score 'kl', found mse"):
        region.inside(scores["mse"])


class Protocol:
    """A histogram of nobody's library, by the UHI protocol alone."""

    kind = "COUNT"

    def __init__(self, bins: list[tuple[float, float]], counts: list[float], variances: list[float] | None) -> None:
        self.axes, self._counts, self._variances = [bins], counts, variances

    def values(self) -> np.ndarray:
        return np.array(self._counts)

    def variances(self) -> np.ndarray | None:
        return None if self._variances is None else np.array(self._variances)

    def counts(self) -> np.ndarray:
        return self.values()


class Axis(list):
    traits = None


def test_spectra_of_all_kinds() -> None:
    bins = Axis([(1.0, 2.0), (2.0, 4.0)])
    plain = spectrum_of(Protocol(bins, [3.0, 4.0], [3.0, 4.0]), "plain")
    assert (plain.name, plain.edges.tolist(), plain.counts.tolist(), plain.variances) == (
        "plain",
        [1, 2, 4],
        [3, 4],
        None,
    )
    assert spectrum_of(Protocol(bins, [3.0, 4.0], [1.5, 2.0])).variances.tolist() == [1.5, 2.0]
    weighted = bh.Histogram(bh.axis.Regular(2, 0, 4, overflow=False), storage=bh.storage.Weight())
    weighted.fill([1.0, 3.0, 3.0], weight=[2.0, 0.5, 0.5])
    found = spectrum_of(weighted)
    assert (found.counts.tolist(), found.variances.tolist(), found.edges.tolist()) == ([2, 1], [4, 0.5], [0, 2, 4])
    counted = hist.Hist.new.Reg(2, 0, 4, name="m").Double().fill([1.0, 3.0, 3.0])
    assert spectrum_of(counted).variances is None
    assert spectrum_of(np.histogram([1.0, 3.0], bins=[0, 2, 4])).counts.tolist() == [1, 1]
    same = Spectrum("mine", np.array([0.0, 1.0]), np.array([3.0]))
    assert spectrum_of(same) is same


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (([1, 2], [0, 1]), r"counts have shape \(2,\), expected \(1,\)"),
        (([1, -2], [0, 1, 2]), "counts in bin 1-2 are -2; they must be finite and not negative"),
        (([1, np.nan], [0, 1, 2]), "counts in bin 1-2 are nan"),
        (([1, 2], [0, 2, 1]), "edges must rise, but 1 follows 2"),
        (([1, 2], [0, 1, 2], [1, -1]), "variances in bin 1-2 are -1"),
        (([1],), "a tuple is .values, edges. or .values, edges, variances., not 1"),
        (("a", [0, 1]), "does not hold numbers"),
        (np.ones(3), "ndarray is no spectrum; give a histogram, .values, edges. or the name of a file"),
        (hist.Hist.new.Reg(2, 0, 1).Reg(2, 0, 1).Double(), "has 2 axes; a spectrum has one"),
        (hist.Hist.new.Reg(2, 0, 1).Mean(), "is a profile"),
        (hist.Hist.new.StrCat(["a"]).Double(), "has categories"),
        (Protocol(Axis([(0.0, 1.0), (2.0, 3.0)]), [1.0, 1.0], None), "its bins do not touch one another"),
        ("spectrum.txt", "spectrum.txt is not a spectrum"),
    ],
)
def test_no_spectra(given: Any, text: str) -> None:
    with pytest.raises(InputDataError, match=text):
        hepad.bumphunt(given)


def test_references() -> None:
    counts, edges = FALLING
    exact = hepad.bumphunt(FALLING, reference=list(counts), toys=20)
    assert exact.expected == exact.observed
    assert not exact.report.hunt.counted_reference
    assert hepad.bumphunt(FALLING, reference=(counts, edges), toys=20).report.hunt.counted_reference
    assert not hepad.bumphunt(FALLING, (counts, edges), exact_reference=True, toys=20).report.hunt.counted_reference
    with pytest.raises(InputDataError, match="reference has other bins than spectrum"):
        hepad.bumphunt(FALLING, reference=(counts, [e + 5 for e in edges]))
    with pytest.raises(InputDataError, match="reference in bin 1100-1200 are -1"):
        hepad.bumphunt(FALLING, reference=[1, -1, 1, 1, 1, 1])
    with pytest.raises(UsageError, match="several spectra have a reference each"):
        hepad.bumphunt([FALLING, FALLING], reference=[1] * 6)
    with pytest.raises(UsageError, match="at least one spectrum"):
        hepad.bumphunt([])
    with pytest.raises(InputDataError, match="spectrum has no reference column"):
        hepad.bumphunt(FALLING, "column")


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: hepad.limit(9, -50), InputDataError, "background must be finite and not negative, found -50"),
        (lambda: hepad.limit(np.nan, 50), InputDataError, "signal must be finite and not negative, found nan"),
        (lambda: hepad.limit(0, 50), InputDataError, "the signal is zero"),
        (lambda: hepad.limit(None, 50), UsageError, "needs a signal and a background"),
        (
            lambda: hepad.limit([1, 2], [3, 4, 5]),
            InputDataError,
            r"counts have shape \(3,\), expected",
        ),
        (lambda: hepad.limit([1, 2], ([3, 4], [0, 1, 2]), 5), UsageError, "either all numbers or all spectra"),
        (lambda: hepad.limit([1, -2], [3, 4]), InputDataError, "signal: counts in bin 1-2 are -2"),
        (lambda: hepad.limit(np.ones((2, 2)), np.ones((2, 2))), InputDataError, r"signal has shape \(2, 2\)"),
        (lambda: hepad.limit(9, 50, calculator="guess"), UsageError, "--calculator is auto"),
        (lambda: hepad.fit(FALLING, "dijet9"), CardError, "dijet9"),
        (lambda: hepad.fit(FALLING, []), UsageError, "one at least"),
        (lambda: hepad.load_model("nobodys"), CardError, "nobodys"),
        (lambda: hepad.load_model("snn_ae").region("none"), UsageError, "no region 'none'; it has loose, tight"),
        (lambda: hepad.load_model("snn_ae").region("x=efficiency:1e-9"), UsageError, "needs at least"),
        (
            lambda: hepad.load_model("snn_ae").region("loose").inside({"kl": [1.0]}),
            InputDataError,
            "score 'mse', found kl",
        ),
        (
            lambda: hepad.load_model("snn_ae").scores({"jets.pt": [[50.0]]}),
            InputDataError,
            "no branch .jets.eta.",
        ),
        (lambda: hepad.discovery(data=3), UsageError, "data and background of one"),
        (lambda: hepad.discovery({"a": {"observed": 3}}, background=2), UsageError, "of their own"),
        (lambda: hepad.discovery({"a": {"observed": -3, "background": 1}}), CardError, "observed"),
        (lambda: hepad.abcd([1, 2, 3]), UsageError, "four numbers each"),
        (lambda: hepad.evaluate({}, {}), UsageError, "give signals by name"),
        (lambda: hepad.train({}, "snn_ae", epochs=0), CardError, "epochs"),
        (lambda: hepad.train({}, "snn_ae", pochs=3), CardError, "pochs"),
        (lambda: hepad.hist({"jets.pt": [[1.0]]}, "jet1+jet2"), UsageError, "either edges, or bins and range"),
        (lambda: hepad.hist({"jets.pt": [[1.0]]}, "jet1+jet2", edges=[2, 1]), UsageError, "rising"),
        (lambda: hepad.hist({"jets.pt": [[1.0]]}, "jet1+nobody1", bins=2, range=(0, 1)), UsageError, "nobody1"),
    ],
)
def test_what_is_refused(call: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        call()


def test_masks_are_of_all_events() -> None:
    jets = {
        f"jets.{f}": [[50.0 if f == "pt" else 0.1, 40.0 if f == "pt" else 0.2]] * 3
        for f in ("pt", "eta", "phi", "mass")
    }
    for where in ([True], [1, 0, 1]):
        with pytest.raises(UsageError, match="one for each of the 3 events"):
            hepad.hist(jets, "jet1+jet2", bins=2, range=(0, 100), where=where)
    both = hepad.hist(jets, "jet1+jet2", bins=1, range=(0, 100), cross_section_pb=2, luminosity_fb=0.5)
    assert both.values().tolist() == [pytest.approx(1000)]
    some = hepad.hist(jets, "jet1+jet2", bins=1, range=(0, 100), where=[True, False, False])
    assert some.values().tolist() == [1.0]
    with pytest.raises(UsageError, match="go together"):
        hepad.hist(jets, "jet1+jet2", bins=1, range=(0, 100), cross_section_pb=2)
