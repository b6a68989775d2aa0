"""The commands of `hepad`: what each is for, and where it is.

A command is imported when it is asked for, and so that the list of all is there at once, their first lines stand here;
a test holds them equal to those of the commands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from hepad.cli.help import shortened

__all__ = ["ALIASES", "COMMANDS", "PANELS", "Commands", "command_app", "listed"]

COMMANDS = {
    "examples": "Write the events, spectra and cards on which the examples of all commands run.",
    "inspect": "Show what is in files: format, entries, sample, objects, and which bundled selections can run.",
    "jets": "Make jets of the particles of events, one entry a jet, as all other commands read them.",
    "vectorize": "Write what a network sees: x, columns, file, entry and weight of the selected events, unscaled.",
    "train": "Train a model on background and write a bundle.",
    "import-model": "Make a bundle of a network that was trained elsewhere.",
    "score": "Score events: one row an input event, with its regions.",
    "hunt": "Tell a window of a mass from its sidebands, on the data themselves, and score every event.",
    "evaluate": "Measure how well models part signals from background, and compare them: AUC, 1/eps_b, differences, "
    "figures.",
    "study": "Train the models of a published study over seeds, and report beside its numbers; run it again to go on.",
    "explain": "Show which objects, or pixels of an image, carry the anomaly score, in tables, maps and figures.",
    "hist": "Fill masses of selected events, in all of them and in each region, into ROOT TH1 and UHI JSON.",
    "fit": "Fit background functions to a mass spectrum: errors, order, goodness of fit.",
    "spurious": "Fit signal and background where there is no signal, against mass: what does the function fake?",
    "inject": "Inject a Gaussian signal into the background of a spectrum and recover yield, mass and width, with "
    "their pulls.",
    "bumphunt": "Find the most significant excess in a mass spectrum, and how often background alone gives one like "
    "it.",
    "bumphunt2d": "Find the rectangle of a plane that deviates most from the background, and how often background "
    "gives one like it.",
    "limit": "Set an upper limit at 95 % CL on a signal with the CLs method.",
    "discovery": "Visible cross section, S95, CLb and discovery p-value of signal regions, as collaborations tabulate "
    "them.",
    "abcd": "Estimate the background of region A as B C / D in one likelihood, with non-closure and signal everywhere.",
    "reinterpret": "Is my model excluded? Acceptance, spectra and limits of a signal in a published search.",
    "rates": "Set thresholds of anomaly triggers on zero bias: rates, overlaps, and what they add to a menu.",
    "chain": "Send samples through trigger levels and an offline selection: one cut flow, beside ordinary triggers.",
    "cluster": "Cluster the events that a model keeps, compare the clusters with what is expected, and say what makes "
    "each.",
    "monitor": "Compare runs with a reference: scores, regions, objects and inputs of a model, and what has shifted.",
    "latency": "Say whether a model fits a trigger's budget, by how much, and how that is known.",
    "quantise": "Scan weight widths: AUC and decisions against lookup tables and nanoseconds, rounded and fine-tuned.",
    "export": "Write a model for other tools, with input scales, test vectors and a check of every number.",
    "replay": "Make an output again from its provenance, and compare: 0 if it is the same, 7 if not.",
    "verify": "Hold every published number of a card against ours: published, measured, difference, and why.",
    "schema": "Which keys a card may have, or a JSON file of hepad's: tables, or a JSON Schema with --json.",
    "list": "List what ships with hepad, or say what to cite for one of them; hepad show NAME has all of one.",
    "show": "Show all of something that ships with hepad, or of a model in a folder: what it is, what of, its card.",
    "serve": "Show web pages on which files are held against searches, scored and hunted in, each job a command of "
    "hepad.",
    "analysis": "Make, check, pack and unpack what belongs to an analysis.",
}
"""The commands in the order of the work, and the first line of their help."""

PANELS = {
    "Look": "examples inspect list show explain schema verify",
    "Score and select": "score vectorize jets hist",
    "Train and compare": "train import-model evaluate study cluster monitor",
    "Hunt and fit": "hunt bumphunt bumphunt2d fit spurious inject limit discovery abcd",
    "Reinterpret and share": "reinterpret analysis replay serve",
    "Trigger": "rates chain latency quantise export",
}
"""Which commands stand together in the help."""

ALIASES = {"quantize": "quantise"}
"""Other spellings of commands."""

_CLASSES = {"bumphunt": "BumpHuntCommand"}
"""The classes of commands that have one of their own."""


class _Group(TyperGroup):
    def get_params(self, ctx: Any) -> Any:
        return shortened(super().get_params(ctx))


@cache
def command_app(name: str) -> typer.Typer:
    """A command, or group of them, as an application of its own: the function of that name in the module of that name.

    The outputs of all commands say how they were called; a new command cannot be forgotten.
    """
    stem = "list_" if name == "list" else name.replace("-", "_")
    module = import_module(f"hepad.cli.{stem}")
    found = getattr(module, "app", None)
    if not isinstance(found, typer.Typer):
        found = typer.Typer(add_completion=False, rich_markup_mode="rich")
        found.command(name, cls=getattr(module, _CLASSES.get(name, ""), TyperCommand))(getattr(module, stem))
    found.info.cls = _Group
    _record(found)
    return found


def _record(app: typer.Typer) -> None:
    from hepad.cli.every_command import recorded, with_common

    for command in app.registered_commands:
        command.cls = recorded(command.cls or TyperCommand)
        if command.callback is not None:
            command.callback = with_common(command.callback)


class Commands(MutableMapping[str, Any]):
    """The commands by name, each imported when it is taken, and those of somebody else that are `there` already."""

    def __init__(self, there: Mapping[str, Any]) -> None:
        self._made = dict(there)

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            if name not in COMMANDS:
                raise KeyError(name)
            self._made[name] = typer.main.get_command(command_app(name))
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**COMMANDS, **self._made})

    def __len__(self) -> int:
        return len({**COMMANDS, **self._made})


def listed() -> dict[str, Any]:
    """Commands that have a name, a help and a panel and no more: enough for a list of them."""
    panels = {name: panel for panel, names in PANELS.items() for name in names.split()}
    return {
        name: TyperCommand(name, help=COMMANDS[name], rich_markup_mode="rich", rich_help_panel=panel)
        for name, panel in panels.items()
    }
