"""Limits from a pyhf workspace, such as a published likelihood with the patch of a signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepad.errors import FitFailedError, UsageError
from hepad.io.exchange.likelihoods import apply_patches, likelihood_path, read_workspace
from hepad.output.atomic import atomic_folder, check_folder
from hepad.output.closing import write_page
from hepad.output.figure_context import FigureContext
from hepad.output.figures import save_figure
from hepad.pipeline.limit.page import LIMIT_FILES, limit_blocks
from hepad.pipeline.limit.result import check_calculator, limit_figure, result_json, write_json
from hepad.provenance import command_line, provenance
from hepad.stats.limits.calculator import set_limit
from hepad.stats.limits.cls import Calculator, LimitResult, asymptotic_bands, asymptotic_cls
from hepad.stats.limits.discovery import Excess, local_excess

if TYPE_CHECKING:
    from hepad.stats.limits.postfit import PostFit
    from hepad.stats.limits.published import PublishedExperiment

__all__ = ["WORKSPACE_TOYS", "WorkspaceLimitOptions", "WorkspaceLimitReport", "workspace_limits"]

WORKSPACE_TOYS = 500


@dataclass(frozen=True, kw_only=True)
class WorkspaceLimitOptions:
    """Patches in the order in which they apply, the measurement (None: the first), how to calculate.

    Toys are fitted one by one: "auto" never throws them for workspaces, it warns. `points` are tested in addition for
    the curves of CLs.
    """

    patches: tuple[str, ...] = ()
    measurement: str | None = None
    calculator: str = "auto"
    toys: int = 0
    points: int = 10
    seed: int = 0
    output: Path | None = None


@dataclass(frozen=True)
class WorkspaceLimitReport:
    """Limits on the workspace's parameter of interest, CLs at 1, and the excess of the data.

    `excess` is None where events were observed that background alone cannot give: no finite one is right.
    `fit` holds the parameters and yields of the fit to the data; None without an output, or if it did not converge.
    """

    result: LimitResult
    excess: Excess | None
    cls_at_one: tuple[float, tuple[float, ...]]
    poi: str
    seed: int
    fit: PostFit | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; `cls_at_one` are observed and expected CLs of the signal as it is in the workspace."""
        observed, expected = self.cls_at_one
        return {
            **result_json(self.result, self.seed),
            "poi_name": self.poi,
            "cls_at_one": {"observed": observed, "expected": list(expected)},
            "excess": None if self.excess is None else self.excess.to_json(),
            "fit": None if self.fit is None else self.fit.to_json(),
        }


def workspace_limits(spec: str, *, options: WorkspaceLimitOptions | None = None) -> WorkspaceLimitReport:
    """Upper limits at 95 % CL from a workspace: `FILE.json` or `ARCHIVE.tar.gz:MEMBER`, with patches.

    With `options.output` a folder with limit.json, workspace.json (patched, for pyhf) and the figures are written;
    a fit to the data without a good Hessian costs the figures of that fit, and adds a warning.
    `InputDataError` for files that are no workspaces or patches, `FitFailedError` if a fit fails.
    """
    from hepad.stats.limits.published import PublishedExperiment, numpy_backend

    options = options or WorkspaceLimitOptions()
    wanted = check_calculator(options.calculator, options.toys)
    if options.points < 0:
        raise UsageError(f"the number of points is not negative, found {options.points}")
    if options.output is not None:
        check_folder(options.output, verb="limit")
    workspace = apply_patches(read_workspace(spec), options.patches, beside=spec)
    with numpy_backend():
        experiment = PublishedExperiment(workspace, options.measurement)
        at_one = experiment.posterior(1.0)
        cls_at_one = asymptotic_cls(experiment.data(1.0), at_one), tuple(asymptotic_bands(at_one).tolist())
        used: Calculator = "asymptotic" if wanted == "auto" else wanted
        toys = options.toys or WORKSPACE_TOYS
        result = set_limit(experiment, used, toys=toys, seed=options.seed, points=(options.points, 0))
        if wanted == "auto":
            result = replace(result, reason="asymptotic formulae; toys of a workspace are slow, ask for them")
        if experiment.impossible is not None:
            remark = f"{experiment.impossible}: without a signal the data are impossible, and have no p-value"
            result = replace(result, warnings=(*result.warnings, remark))
        excess = local_excess(experiment) if experiment.impossible is None else None
        poi = experiment.model.config.poi_name
        report = WorkspaceLimitReport(result, excess, cls_at_one, poi, options.seed)
        if options.output is not None:
            report = _with_fit(report, experiment)
    if options.output is not None:
        _write(report, workspace, _paths([spec, *options.patches]), _command(spec, options), options.output)
    return report


def _with_fit(report: WorkspaceLimitReport, experiment: PublishedExperiment) -> WorkspaceLimitReport:
    from hepad.stats.limits.postfit import post_fit

    try:
        return replace(report, fit=post_fit(experiment))
    except FitFailedError as error:
        warnings = (*report.result.warnings, f"{error}: there are no figures of pulls and of yields after the fit")
        return replace(report, result=replace(report.result, warnings=warnings))


def _paths(specs: Sequence[str]) -> list[Path]:
    return list(dict.fromkeys(path for spec in specs if (path := likelihood_path(spec)[0]).is_file()))


def _command(spec: str, options: WorkspaceLimitOptions) -> str:
    return command_line(
        "limit",
        workspace=_bare(spec),
        patch=[_bare(patch) for patch in options.patches],
        measurement=options.measurement,
        calculator=options.calculator,
        toys=options.toys,
        seed=options.seed,
    )


def _bare(spec: str) -> str:
    """A spec without the folders of its file; a member of the workspace's archive keeps those within it."""
    path, rest = likelihood_path(spec)
    if not path.is_file():
        return spec
    return path.name if rest is None else f"{path.name}:{rest}"


def _write(
    report: WorkspaceLimitReport, workspace: dict[str, Any], inputs: list[Path], command: str, output: Path
) -> None:
    from hepad.pipeline.limit.postfit import save_postfit

    result = report.result
    kind = f"{result.toys} toys" if result.toys else result.calculator
    figure = limit_figure(result, (rf"Upper limits at 95% CL, {kind}",), context=FigureContext())
    record = provenance(command, inputs=inputs, seed=report.seed)
    with atomic_folder(output, verb="limit") as folder:
        write_json(folder / "limit.json", {**report.to_json(), "provenance": record}, schema="limit/limit.json")
        write_json(folder / "workspace.json", workspace)
        save_figure(figure, folder / "limit")
        if report.fit is not None:
            save_postfit(report.fit, folder, poi=report.poi)
        write_page(folder, limit_blocks(result, report.poi), record, LIMIT_FILES)
