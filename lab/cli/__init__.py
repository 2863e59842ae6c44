"""The command `lab`: its commands and options, and nothing else."""

from __future__ import annotations

import importlib
import sys

import click

from lab.about import meant
from lab.environment import settle_threads

_COMMANDS = {
    "train": "train",
    "sample": "sample",
    "report": "report",
    "compare": "compare",
    "load-gpt2": "load_gpt2",
    "export": "export",
    "draw": "draw",
    "finetune": "classifier",
    "classify": "classifier",
    "data": "data",
    "presets": "train",
}


class _Late(click.Group):
    """Commands whose modules are imported when they are asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            context.fail(f"there is no command {args[0]!r}{meant(args[0], _COMMANDS)}")
        return super().resolve_command(context, args)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"lab.cli.{_COMMANDS[name]}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command


@click.group(cls=_Late, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train, sample, load and fine-tune the GPT-2 of a submission.

    Example: lab train --data default --preset demo --out runs/demo
    """
    if "torch" not in sys.modules:  # or it would be too late
        settle_threads()
