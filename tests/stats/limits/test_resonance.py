"""Limits on resonances against independent fits (iminuit), pyhf, closed forms and pseudo-experiments."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iminuit import Minuit
from scipy.special import ndtr
from scipy.stats import kstest

from hepad.cards.fit import load_fit
from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.spectra.files import read_spectrum
from hepad.stats.fits.fit import deviance
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.templates import gaussian_template
from hepad.stats.limits import resonance_likelihood
from hepad.stats.limits.limits import LimitModel, LimitResult, asymptotic_limits
from hepad.stats.limits.resonance import ResonanceChannel, ResonanceModel, resonance_limits, resonance_toys
from hepad.stats.limits.resonance_likelihood import ResonanceLikelihood, Terms
from hepad.stats.limits.resonance_stack import split_channels, stack_channels
from hepad.stats.limits.workspace import build_workspace

FloatArray = npt.NDArray[np.float64]

ROOT = Path(__file__).parents[3]
EDGES = np.geomspace(1000, 6000, 41)
SHAPES = {"dijet3": [1e-3, 9.0, -5.0], "dijet4": [1e-3, 9.0, -5.0, 0.1], "ua2": [1e-3, -4.5, -14.0, 3.0]}


@cache
def function(name: str) -> BackgroundFunction:
    return BackgroundFunction.from_card(load_fit(name))


def channel(
    events: float = 1e4,
    *,
    mass: float = 2500.0,
    width: float = 0.05,
    injected: float = 0.0,
    seed: int | None = None,
    form: str = "dijet3",
    **fields: object,
) -> ResonanceChannel:
    """Ten signal events at mu = 1 on a background of this many; observed counts if there is a seed."""
    background = function(form).expected(EDGES, SHAPES[form])
    background *= events / background.sum()
    signal = 10 * gaussian_template(EDGES, mass, width)
    observed = None
    if seed is not None:
        observed = np.random.default_rng(seed).poisson(background + injected * signal).astype(float)
    return ResonanceChannel(
        "m",
        EDGES,
        signal,
        0 * signal,
        function(form),
        background,
        observed,
        **fields,  # type: ignore[arg-type]
    )


class Independent:
    """The same statistics from the textbook: minus two ln L written down anew, minimised by Minuit."""

    def __init__(self, channels: list[ResonanceChannel], errors: list[float]) -> None:
        self.channels, self.errors = channels, errors
        self.forms = []
        for c in channels:
            if c.function is None:
                self.forms.append(None)
                continue
            points = c.edges[:-1, None] + np.diff(c.edges)[:, None] * (np.arange(20) + 0.5) / 20
            features = c.function.features(points)
            counts = c.background if c.background is not None else c.observed
            weight = np.sqrt(counts + 0.5)  # type: ignore[operator]
            triangle = np.linalg.qr(features.mean(axis=1) * weight[:, None])[1]
            linear = np.linalg.lstsq(
                features.mean(axis=1) * weight[:, None],
                np.log((counts + 0.5) / np.diff(c.edges)) * weight,  # type: ignore[operator]
                rcond=None,
            )[0]
            basis = np.linalg.inv(triangle)
            self.forms.append((features @ basis, triangle @ linear, np.diff(c.edges) / 20))

    def expected(self, mu: float, x: FloatArray) -> tuple[list[FloatArray], float]:
        factor = float(np.prod([(1 + e) ** a for e, a in zip(self.errors, x, strict=False)]))
        at, out, penalty = len(self.errors), [], float(np.sum(x[: len(self.errors)] ** 2))
        for c, form in zip(self.channels, self.forms, strict=True):
            if form is None:
                out.append(mu * factor * c.signal + c.background * (1 + c.background_error) ** x[at])
                penalty += x[at] ** 2
                at += 1
            else:
                features, start, widths = form
                shape = np.exp(features @ x[at : at + len(start)]).sum(axis=1) * widths
                out.append(mu * factor * c.signal + shape)
                at += len(start)
        return out, penalty

    def start(self) -> FloatArray:
        parts = [np.zeros(1) if form is None else form[1] for form in self.forms]
        return np.concatenate([np.zeros(len(self.errors)), *parts])

    def fit(self, data: list[FloatArray], mu: float | None, x0: FloatArray, guess: float) -> tuple[float, FloatArray]:
        def cost(x: FloatArray) -> float:
            expected, penalty = self.expected(float(x[0]), x[1:])
            return penalty + sum(float(deviance(n, e)) for n, e in zip(data, expected, strict=True))

        with np.errstate(all="ignore"):
            minuit = Minuit(cost, np.concatenate([[guess if mu is None else mu], x0]))
            minuit.errordef = 1
            minuit.limits[0] = (0, None)
            minuit.fixed[0] = mu is not None
            minuit.strategy, minuit.tol = 2, 1e-4
            minuit.migrad(ncall=20000)
            minuit.migrad(ncall=20000)
        return float(minuit.fval), np.asarray(minuit.values)

    def cls(self, mu: float, data: list[FloatArray], asimov: list[FloatArray], x0: FloatArray) -> float:
        roots = []
        for counts, constrained in ((data, False), (asimov, True)):
            fixed = self.fit(counts, mu, x0, 0)[0]
            free, values = (0.0, [0.0]) if constrained else self.fit(counts, None, x0, mu / 2)
            roots.append(0.0 if values[0] > mu else max(fixed - free, 0.0))
        q, a = roots
        if q <= a:
            return float(ndtr(-np.sqrt(q)) / ndtr(np.sqrt(a) - np.sqrt(q)))
        return float(ndtr(-(q + a) / (2 * np.sqrt(a))) / ndtr(-(q - a) / (2 * np.sqrt(a))))


def check_against_minuit(channels: list[ResonanceChannel], errors: list[float]) -> None:
    """CLs of an independent fit is on either side of 0.05 a permille from the limit."""
    names = ("signal_error", "luminosity_error")
    result = resonance_limits(channels, **dict(zip(names, errors, strict=False)))
    other = Independent(channels, errors)
    data = [c.observed for c in channels]
    assert all(counts is not None for counts in data)
    assert result.observed is not None
    _, best = other.fit(data, 0.0, other.start(), 0)  # type: ignore[arg-type]
    asimov, _ = other.expected(0.0, best[1:])
    below, above = (
        other.cls(result.observed * factor, data, asimov, best[1:])  # type: ignore[arg-type]
        for factor in (0.999, 1.001)
    )
    assert above < 0.05 < below


FITTED = {"background": None}


@given(
    mass=st.floats(min_value=1300, max_value=5000),
    width=st.sampled_from([0.02, 0.05, 0.15]),
    log_events=st.floats(min_value=2.7, max_value=6.5),
    injected=st.sampled_from([0.0, 0.0, 3.0, 30.0]),
    form=st.sampled_from(sorted(SHAPES)),
    seed=st.integers(min_value=0, max_value=10_000),
)
@settings(max_examples=5)
def test_limits_agree_with_an_independent_fit(
    mass: float, width: float, log_events: float, injected: float, form: str, seed: int
) -> None:
    one = channel(10**log_events, mass=mass, width=width, injected=injected, seed=seed, form=form)
    check_against_minuit([replace(one, background=None)], [0.1] if seed % 2 else [])


def test_combinations_agree_with_an_independent_fit() -> None:
    first = replace(channel(3e4, seed=1, injected=2.0), background=None)
    second = replace(channel(500, seed=2, width=0.1, injected=2.0, form="ua2"), background=None, name="other")
    counting = known(5.0, 20.0, 27.0, background_error=0.1)
    check_against_minuit([first, second, counting], [0.1, 0.02])


def known(signal: float, background: float, data: float | None = None, **fields: float) -> ResonanceChannel:
    return ResonanceChannel(
        "counting",
        np.array([0.0, 1.0]),
        np.array([signal]),
        np.zeros(1),
        None,
        np.array([background]),
        None if data is None else np.array([data]),
        **fields,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("data", "error"), [(61.0, 0.1), (40.0, 0.3), (None, 0.1), (55.0, 0.0)])
def test_a_known_background_gives_the_limits_of_counting(data: float | None, error: float) -> None:
    observed = None if data is None else np.array([data])
    model = LimitModel(
        np.array([10.0]), np.array([50.0]), observed, background_error=error, signal_error=0.2, luminosity_error=0.02
    )
    reference = asymptotic_limits(model)
    result = resonance_limits(
        [known(10.0, 50.0, data, background_error=error)], signal_error=0.2, luminosity_error=0.02
    )
    np.testing.assert_allclose(result.expected, reference.expected, rtol=3e-4)
    assert (result.observed is None) == (data is None)
    if result.observed is not None:
        assert result.observed == pytest.approx(reference.observed, rel=3e-4)


def test_known_backgrounds_in_bins_agree_with_pyhf() -> None:
    signal, background, data = np.array([1.0, 4.0, 2.0]), np.array([30.0, 20.0, 10.0]), np.array([33.0, 21.0, 14.0])
    workspace = build_workspace(LimitModel(signal, background, data, background_error=0.1, signal_error=0.05))
    one = ResonanceChannel("b", np.arange(4.0) + 1, signal, np.zeros(3), None, background, data, background_error=0.1)
    result = resonance_limits([one], signal_error=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyhf 0.7.6 calls jsonschema.RefResolver
        built = pyhf.Workspace(workspace)
        pdf = built.model()
    assert result.observed is not None
    for mu in (result.observed, float(result.expected[2])):
        at = int(np.argmin(np.abs(result.poi - mu)))
        observed, expected = pyhf.infer.hypotest(
            float(result.poi[at]), built.data(pdf), pdf, test_stat="qtilde", return_expected_set=True
        )
        assert result.cls_observed is not None
        assert result.cls_observed[at] == pytest.approx(float(observed), abs=5e-4)
        np.testing.assert_allclose(result.cls_expected[at], [float(value) for value in expected], atol=5e-4)


def test_free_parameters_weaken_the_limit_and_channels_strengthen_it() -> None:
    one = channel(1e5)
    assert one.background is not None
    fixed = asymptotic_limits(LimitModel(one.signal, one.background)).expected[2]
    free = resonance_limits([one]).expected[2]
    assert fixed < free < 2 * fixed
    both = resonance_limits([one, replace(one, name="twin")]).expected[2]
    # Two equal channels are one with twice the events: almost a factor of the square root of two.
    assert both == pytest.approx(free / np.sqrt(2), rel=0.03)
    spurious = resonance_limits([replace(one, spurious=20.0)]).expected[2]
    # 95 % CL of a Gaussian: 1.96 times the standard deviations in quadrature, in units of ten events.
    assert spurious == pytest.approx(np.hypot(free, 1.96 * 2.0), rel=0.03)


@cache
def unscaled() -> LimitResult:
    return resonance_limits([channel(2000, seed=3)])


@given(scale=st.floats(min_value=1e-9, max_value=1e9))
@settings(max_examples=2)
def test_limits_scale_with_the_signal(scale: float) -> None:
    one = channel(2000, seed=3)
    base, scaled = unscaled(), resonance_limits([replace(one, signal=one.signal * scale)])
    assert base.observed is not None
    assert scaled.observed == pytest.approx(base.observed / scale, rel=1e-3)
    np.testing.assert_allclose(scaled.expected, base.expected / scale, rtol=1e-3)


@given(
    mass=st.floats(min_value=600, max_value=9000),
    width=st.floats(min_value=0.003, max_value=0.4),
    log_events=st.floats(min_value=1.3, max_value=9),
    injected=st.floats(min_value=0, max_value=1e4),
    spurious=st.sampled_from([0.0, 5.0]),
    form=st.sampled_from(sorted(SHAPES)),
    seed=st.integers(min_value=0, max_value=1000),
)
@settings(max_examples=5)
def test_limits_are_found_and_ordered_wherever_the_signal_is(
    mass: float, width: float, log_events: float, injected: float, spurious: float, form: str, seed: int
) -> None:
    """Signals outside the spectrum, as narrow as a bin or as wide as the range, on 20 to 1e9 events."""
    one = channel(10**log_events, mass=mass, width=width, injected=injected, seed=seed, form=form, spurious=spurious)
    if one.signal.sum() < 1e-30:
        return
    result = resonance_limits([one], signal_error=0.1)
    assert np.all(np.diff(result.expected) > 0)
    assert result.observed is not None
    assert 0 < result.observed < np.inf
    assert np.all(np.isfinite(result.cls_expected))


def test_a_background_over_eight_decades() -> None:
    edges = np.geomspace(1000, 9000, 71)
    background = function("dijet4").expected(edges, [1e-3, 12.0, -6.0, 0.0])
    background *= 1e7 / background.sum()
    assert background.max() / background.min() > 1e8
    observed = np.random.default_rng(0).poisson(background).astype(float)
    assert np.count_nonzero(observed == 0) > 10
    for mass in (1500.0, 4000.0, 8000.0):
        signal = gaussian_template(edges, mass, 0.05)
        one = ResonanceChannel("m", edges, signal, 0 * signal, function("dijet4"), background, observed)
        result = resonance_limits([one])
        assert result.observed is not None
        assert result.expected[0] * 0.5 < result.observed < result.expected[4] * 2


def pseudo_experiments(injected: float, count: int) -> tuple[FloatArray, FloatArray]:
    """CLs at the injected mu, and the best mu, of experiments with ten signal events at mu = 1."""
    from hepad.stats.limits.cls import asymptotic_cls

    cls, best = [], []
    for seed in range(count):
        model = ResonanceModel([replace(channel(3000, injected=injected, seed=seed), background=None)], 0.0, 0.0)
        assert model.has_data
        mu = injected / model.scale
        cls.append(asymptotic_cls(model.data(mu), model.posterior(mu)))
        best.append(model.excess()[1] * model.scale)
    return np.array(cls), np.array(best)


def test_coverage_and_closure() -> None:
    """The limit lies above the true mu in 95 % of experiments or more; the best mu is the true one on average."""
    cls, best = pseudo_experiments(12.0, 80)
    # CLs is CLs+b for a signal as strong as this (five standard deviations): at the true mu half of all are 0.5, where
    # the best mu is above it, and the others even from 0 to 0.5.
    below = cls[cls < 0.499]
    assert len(below) == pytest.approx(40, abs=13)  # three standard deviations
    assert kstest(below, "uniform", (0, 0.5)).pvalue > 0.01
    assert best.mean() == pytest.approx(12.0, abs=3 * best.std() / np.sqrt(len(best)))
    assert np.mean(pseudo_experiments(2.0, 20)[0] >= 0.05) >= 0.85


def test_toys_approach_the_asymptotic_limit() -> None:
    one = replace(channel(2000, seed=5), background=None)
    asymptotic, toys = resonance_limits([one]), resonance_toys([one], toys=120, seed=1)
    assert toys.observed == pytest.approx(asymptotic.observed, rel=0.15)
    assert toys.expected[2] == pytest.approx(asymptotic.expected[2], rel=0.15)
    assert (toys.calculator, toys.toys) == ("toys", 120)
    assert "the -2 sigma expected limit rests on about 3 pseudo-experiments" in toys.warnings[0]


def test_toys_of_a_counting_channel_have_the_exact_limit() -> None:
    """No event observed: CLs is exp(-mu) whatever the background, -ln 0.05."""
    result = resonance_toys([known(1.0, 0.5, 0.0)], toys=2000, seed=2)
    assert result.observed == pytest.approx(-np.log(0.05), abs=0.2)


def test_a_gaussian_on_the_dijet_spectrum_of_cms() -> None:
    """The size of a limit is about two standard deviations of the background under the signal."""
    spectrum = read_spectrum(str(ROOT / "examples/data/cms_dijet_137fb.csv"))
    luminosity = 137e3  # pb-1, arXiv:1911.03947
    signal = luminosity * gaussian_template(spectrum.edges, 4000.0, 0.05)
    one = ResonanceChannel("CMS", spectrum.edges, signal, 0 * signal, function("dijet4"), None, spectrum.counts)
    result = resonance_limits([one], luminosity_error=0.016)
    under = spectrum.counts[signal > 0.05 * signal.max()].sum()
    naive = 2 * np.sqrt(under) / luminosity
    assert 0.7 * naive < result.expected[2] < 2 * naive
    assert result.observed is not None
    assert result.expected[0] < result.observed < result.expected[4]
    assert result.warnings == ()


def test_warnings_say_why_a_limit_may_not_be_trusted() -> None:
    sparse = channel(60, mass=4500.0)
    sparse = replace(sparse, signal_variances=sparse.signal.sum() * sparse.signal / 3)
    simulated, wide, few = resonance_limits([sparse]).warnings
    assert "effective background events are expected under the signal: asymptotic limits are unreliable" in few
    assert simulated == "m: the signal rests on 3.0 effective events; simulate more"
    assert wide.startswith("m: fewer than one event is expected in 1 of the 13 bins")
    dented = channel(1e6)
    assert dented.background is not None
    dent = replace(dented, background=dented.background * np.where(EDGES[:-1] > 2000, 1.3, 1.0))
    assert "does not describe the expected background" in resonance_limits([dent]).warnings[0]
    half = resonance_limits([channel(1e4, seed=1), replace(channel(1e4), name="blind")])
    assert half.observed is None
    assert half.warnings == ("no observed limit: blind have no observed counts",)


def test_data_and_expectation_each_have_their_own_asimov_set() -> None:
    """A simulation that predicts four times the data sets the expected limit, and not the observed one."""
    one = channel(2500, seed=7)
    assert one.background is not None
    high = resonance_limits([replace(one, background=4 * one.background)])
    alone = resonance_limits([replace(one, background=None)])
    assert high.observed == pytest.approx(alone.observed, rel=1e-3)
    assert high.expected[2] == pytest.approx(2 * alone.expected[2], rel=0.15)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"signal": np.zeros(40)}, InputDataError, "signal is zero"),
        ({"signal": np.ones(39)}, InputDataError, "signal has 39 bins"),
        ({"background": np.full(40, -1.0)}, InputDataError, "background must be finite"),
        ({"edges": EDGES[::-1]}, InputDataError, "must be finite and rise"),
        ({"background": None}, UsageError, "give a background or observed counts"),
        ({"function": None, "background": None}, UsageError, "must be given"),
        ({"background_error": 0.1}, UsageError, "for channels without a function"),
        ({"spurious": np.nan}, UsageError, "spurious must not be negative"),
        ({"observed": np.eye(40)[3]}, InputDataError, "only 1 bins hold events"),
        ({"function": None, "background": np.zeros(40), "observed": np.ones(40)}, InputDataError, "merge bins"),
    ],
)
def test_what_cannot_be_fitted_is_refused(fields: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        resonance_limits([replace(channel(), **fields)])  # type: ignore[arg-type]


def test_options_that_make_no_sense_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no channel"):
        resonance_limits([])
    with pytest.raises(UsageError, match="signal error"):
        resonance_limits([channel()], signal_error=-0.1)
    monkeypatch.setattr(resonance_likelihood, "_MAX_ITERATIONS", 1)
    with pytest.raises(FitFailedError, match="did not converge"):
        resonance_limits([channel(seed=1)])


def test_expected_events_under_a_negative_spurious_signal_stay_above_the_floor_without_cancellation() -> None:
    """E (E - raw) = floor^2, here of 2 background events and spurious ones on a floor of 1e-9."""
    nothing = np.zeros((1, 1, 1))
    terms = Terms(
        signal=np.array([3.0]),
        signal_logs=np.zeros(0),
        spurious=np.array([[10.0]]),
        floor=np.array([1e-9]),
        features=nothing,
        weights=np.array([[2.0]]),
        constrained=np.array([False]),
    )
    theta = np.array([[0.5, 1.0, 0.0], [0.0, -1e5, 0.0], [0.0, -0.2, 0.0]])
    expected = ResonanceLikelihood(terms).expected(theta)[:, 0]
    np.testing.assert_allclose(expected, [13.5, 1e-18 / 999_998, 1e-9], rtol=1e-9)


def test_a_background_is_known_if_no_channel_has_a_function_or_an_error() -> None:
    """Then no limit is below 3.00 events."""
    fitted = channel()
    known, uncertain = (replace(fitted, function=None, background_error=error) for error in (0.0, 1.0))
    channels = [[known], [uncertain], [fitted], [known, known], [known, uncertain]]
    assert [ResonanceModel(each).known_background for each in channels] == [True, False, False, True, False]


def test_channels_are_stacked_with_a_spurious_signal_of_less_than_an_event() -> None:
    """Half an event in the shape of the signal; channels without one have no column of it."""
    counting = ResonanceChannel(
        "c", np.arange(3.0), np.array([2.0, 4.0]), np.zeros(2), None, np.array([5.0, 7.0]), background_error=0.5
    )
    spectrum = channel(spurious=0.5)
    terms, start = stack_channels([counting, spectrum], np.zeros((0,)))
    assert terms.spurious.shape == (2 + len(EDGES) - 1, 1)
    np.testing.assert_allclose(terms.spurious[2:, 0], 0.5 * spectrum.signal / spectrum.signal.sum())
    assert not terms.spurious[:2].any()
    assert terms.constrained.tolist() == [True, False, False, False]
    assert len(start) == 4
    np.testing.assert_allclose(terms.features[:2, 0, 0], np.log(1.5))
    assert not terms.features[:2, :, 1:].any()
    assert not terms.features[2:, :, 0].any()
    np.testing.assert_allclose(terms.weights[:2].sum(axis=1), [5, 7])
    assert [len(part) for part in split_channels([counting, spectrum], terms.signal)] == [2, len(EDGES) - 1]
