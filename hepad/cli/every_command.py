"""What every command has without saying so: options of all that write or draw, completion, and its record."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from hepad.cli.arguments import invocation, names_from_stdin, verb_of
from hepad.cli.complete import completion
from hepad.cli.help import escaped, joined, shortened
from hepad.cli.modes import check_modes
from hepad.cli.progress import DEFAULT_PROGRESS, saying
from hepad.output.figure_kinds import DEFAULT_FIGURES, DEFAULT_STYLE
from hepad.pipeline.replay.former import of_today

__all__ = ["DRAWING", "FORCE", "recorded", "running_verb", "with_common"]

DRAWING = frozenset(
    {"abcd", "bumphunt", "bumphunt2d", "chain", "cluster", "evaluate", "explain", "fit", "hunt", "inject", "latency"}
    | {"limit", "monitor", "quantise", "rates", "reinterpret", "spurious", "study", "train", "validation"}
)
"""Verbs with figures among their outputs."""

_COUNTING = frozenset({"bumphunt", "fit", "inject", "latency", "limit", "spurious", "study", "validation", "verify"})
"""Verbs that say how far they are, beside those that read events in steps."""

FORCE = "Replace what is there; keep what is foreign."

_ForceOption = Annotated[bool, typer.Option("--force", help=FORCE)]
_ProgressOption = Annotated[str, typer.Option("--progress", help="auto, bar, json or none.")]
_QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No tables: remarks, errors and --json.")]
_FiguresOption = Annotated[str, typer.Option("--figures", help="Any of png,pdf,svg or none.")]
_LabelOption = Annotated[
    str,
    typer.Option("--label", help="What stands above figures."),
]
_TitleOption = Annotated[
    list[str] | None,
    typer.Option("--title", help="NAME=TEXT, for NAME in figures; repeatable."),
]
_StyleOption = Annotated[str, typer.Option("--style", help="Look: hepad, cms or atlas.")]

_NEVER_REPLACE = frozenset({"replay", "unpack"})

_VERB: ContextVar[str | None] = ContextVar("_VERB", default=None)


def running_verb() -> str | None:
    """The words of the command that runs, `limit` or `analysis pack`; None outside of one."""
    return _VERB.get()


@contextmanager
def _running(verb: str) -> Iterator[None]:
    token = _VERB.set(verb)
    try:
        yield
    finally:
        _VERB.reset(token)


def recorded(cls: type[TyperCommand]) -> type[TyperCommand]:
    """The class of a command whose outputs record how it was called."""

    class Recorded(cls):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            for item in (self, *self.params):
                if item.help:
                    item.help = escaped(item.help)
            text: str | None = getattr(self, "help", None)
            self.help = joined(inspect.cleandoc(text)) if text else None

        def get_params(self, ctx: Any) -> Any:
            return shortened(super().get_params(ctx))

        def parse_args(self, ctx: Any, args: list[str]) -> Any:
            words, former = of_today(verb_of(ctx), args)
            if former and not ctx.resilient_parsing:  # else a shell completes them
                _say_names(verb_of(ctx), former)
            return super().parse_args(ctx, words)

        def invoke(self, ctx: Any) -> Any:
            from hepad.output.atomic import replacing
            from hepad.output.figure_kinds import drawing, parse_kinds, parse_style, parse_titles, unused_titles
            from hepad.provenance import recording

            check_modes(ctx, verb_of(ctx))
            ctx.params.update(names_from_stdin(ctx.params))
            # Now, as what a glob means may change while the command runs.
            forced = bool(ctx.params.get("force"))
            kinds = parse_kinds(ctx.params.get("figures", DEFAULT_FIGURES))
            style = parse_style(ctx.params.get("style", DEFAULT_STYLE))
            titles = parse_titles(ctx.params.get("title") or [])
            drawn = drawing(kinds, style=style, label=ctx.params.get("label", ""), titles=titles)
            record = invocation(ctx) if "output" in ctx.params else None
            said = saying(ctx.params.get("progress", DEFAULT_PROGRESS), quiet=bool(ctx.params.get("quiet")))
            with _running(verb_of(ctx)), recording(record), replacing(forced), drawn, said:
                result = super().invoke(ctx)
                if kinds and (unused := unused_titles()):
                    _warn_of_titles(unused)
                return result

    return Recorded


def _say_names(verb: str, former: Mapping[str, str]) -> None:
    from hepad.cli.terminal import Terminal

    changes = ", ".join(f"{old} is {new} now" for old, new in former.items())
    Terminal(to_stderr=True).print(f"hepad: of hepad {verb}, {changes}")


def _warn_of_titles(names: list[str]) -> None:
    from hepad.cli.terminal import Terminal

    for name in names:
        Terminal(to_stderr=True).print(f"hepad: warning: --title {name}: no text of a figure is this name alone")


def with_common(command: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a command with the options of all that write (--force, --quiet) or draw (--figures and so on).

    Those that work on events for long have --progress too. A command that has an option of that name keeps its own.
    They act where outputs are written and shown (`replacing`, `drawing`, `saying`), so that the command need not know.
    """
    signature = inspect.signature(command, eval_str=True)
    names = signature.parameters
    for name, parameter in names.items():
        for said in getattr(parameter.annotation, "__metadata__", ()):
            said.autocompletion = said.autocompletion or completion(command.__name__, name)
    added = []
    if command.__name__ in DRAWING:
        added.append(_option("figures", DEFAULT_FIGURES, _FiguresOption))
        added.append(_option("label", "", _LabelOption))
        added.append(_option("title", None, _TitleOption))
        added.append(_option("style", DEFAULT_STYLE, _StyleOption))
    if "output" in names and "force" not in names and command.__name__ not in _NEVER_REPLACE:
        added.append(_option("force", False, _ForceOption))
    if "step_size" in names or command.__name__ in _COUNTING:
        added.append(_option("progress", DEFAULT_PROGRESS, _ProgressOption))
    if "output" in names:
        added.append(_option("quiet", False, _QuietOption))

    def call(**options: Any) -> Any:
        return command(**{name: value for name, value in options.items() if name in names})

    parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in names.values()), *added]
    call.__name__, call.__doc__, call.__module__ = command.__name__, command.__doc__, command.__module__
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return call


def _option(name: str, default: object, annotation: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
