"""Which calculator a limit or a p-value is made with: exact sums, asymptotic formulae or toys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hepad.errors import UsageError
from hepad.stats.limits.cls import Calculator, Experiment, LimitResult, Sums, asymptotic_result
from hepad.stats.limits.exact import exact_result
from hepad.stats.limits.limits import CountingExperiment, LimitModel
from hepad.stats.limits.pseudo import ToyExperiment, ToysCannotTellError, toy_result
from hepad.stats.limits.resonance import ResonanceChannel, ResonanceModel

__all__ = ["combined_experiment", "set_limit"]


def set_limit(
    experiment: ToyExperiment,
    wanted: Calculator,
    *,
    toys: int,
    seed: int = 0,
    points: tuple[int, int] = (40, 10),
) -> LimitResult:
    """Limits with the calculator that is wanted; "auto" takes exact sums for counting, else what holds.

    That are asymptotic formulae where ten events or more carry the sensitivity (`Experiment.few`), else toys. Counting
    with so many events that exact sums are slow has formulae, too, which are right to a per cent then. `points`
    are tested for curves of CLs, without toys and with. `UsageError` for exact sums of what is no counting in few
    bins, `ToysCannotTellError` where toys were asked for and none is as far out as the data.
    """
    sums = experiment.sums
    summable = sums is not None and sums.affordable
    if wanted == "asymptotic":
        return asymptotic_result(experiment, points=points[0])
    if wanted == "exact" or (wanted == "auto" and _to_be_summed(experiment)):
        result = exact_result(experiment, _checked(sums), points=min(points[0], 10))
        return replace(result, reason="exact sums over all outcomes of the counting experiment" * (wanted == "auto"))
    if wanted == "auto" and experiment.few is None:
        reason = "asymptotic formulae, as ten events or more carry the sensitivity"
        return replace(asymptotic_result(experiment, points=points[0]), reason=reason)
    reason = f"toys, as {experiment.few}; asymptotic formulae need about 10" if wanted == "auto" else ""
    try:
        return replace(toy_result(experiment, toys=toys, seed=seed, points=points[1]), reason=reason)
    except ToysCannotTellError:
        beyond = f"none of {toys} pseudo-experiments is as far out as the data"
        if summable:
            result = exact_result(experiment, _checked(sums), points=min(points[0], 10))
            return replace(result, reason=f"exact sums, as {beyond}")
        if wanted == "toys":
            raise
        result = asymptotic_result(experiment, points=points[0], floor=True)
        return replace(result, reason=f"asymptotic formulae, as {beyond}")


def combined_experiment(
    channels: Sequence[ResonanceChannel], signal_error: float = 0.0, luminosity_error: float = 0.0
) -> ToyExperiment:
    """Independent channels with a common signal strength and common relative errors of the signal.

    Channels that only count are a counting experiment, of which sums are exact; spectra are fitted together.
    """
    observed = [channel.observed for channel in channels if channel.observed is not None]
    counting = all(channel.function is None and len(channel.signal) == 1 for channel in channels)
    if not counting or len(observed) not in {0, len(channels)} or not channels:
        return ResonanceModel(channels, signal_error, luminosity_error)
    model = LimitModel(
        np.concatenate([channel.signal for channel in channels]),
        np.concatenate([np.asarray(channel.background) for channel in channels]),
        np.concatenate(observed) if observed else None,
        signal_error=signal_error,
        luminosity_error=luminosity_error,
    )
    return CountingExperiment(model, np.array([channel.background_error for channel in channels]))


def _to_be_summed(experiment: Experiment) -> bool:
    sums = experiment.sums
    return sums is not None and (sums.cheap or (experiment.few is not None and sums.affordable))


def _checked(sums: Sums | None) -> Sums:
    if sums is None:
        raise UsageError(
            "exact sums are for counts with a background of known size or error; use --calculator auto or toys"
        )
    if not sums.affordable:
        raise UsageError("there are too many outcomes for exact sums; use --calculator auto or toys")
    return sums
