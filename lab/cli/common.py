"""What the commands share: options, and words for the user."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from lab.about import meant
from lab.errors import LabError

UNUSABLE = 2
_PLAIN_WIDTH = 100

if TYPE_CHECKING:
    from lab.run_folder import Run
    from lab.submission import Submission

SUBMISSION = click.option(
    "--submission",
    type=click.Path(path_type=Path),
    help="Your gpt2.py, or the folder with it, training.py and so on; what is not written there is "
    "the worked solution's (default: the code that made the run, or else the worked solution).",
)


class Near(click.Choice):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A choice; what is none is told what it may have meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click.ParamType."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            words = f"{error.message}{meant(str(value), self.choices)}"
            raise click.BadParameter(words, ctx, param) from None


DEVICE = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps …"
)
THREADS = click.option("--threads", type=click.IntRange(1), help="How many threads compute.")
LITERAL = click.option(
    "--literal", is_flag=True, help="Take <|endoftext|> in a text as text like any other."
)
MERGES = click.option(
    "--merges",
    type=click.Path(path_type=Path, exists=True),
    help="A vocab.bpe or merges.txt, or a folder with one (default: GPT-2's own).",
)


def told(command: Callable[..., None]) -> Callable[..., None]:
    """Say what cannot be done in one line, with exit code 2."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        from lab.submission import raised

        try:
            command(*arguments, **options)
        except LabError as error:
            fail(str(error))
        except ModuleNotFoundError as error:
            if error.name not in ("safetensors", "matplotlib"):
                raise
            fail(f"{error.name} is missing: pip install 'gpt2-interview-kit[lab]'")
        except Exception as error:
            words = raised(error)
            if words is None:
                raise
            fail(words)

    return wrapped


def fail(message: str) -> None:
    """End the command: it or its input was unusable."""
    click.echo(f"lab: {message}", err=True)
    sys.exit(UNUSABLE)


def screen(quiet: bool = False) -> Console:
    """Where things are shown: as wide as the terminal, or plain."""
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    return Console(highlight=False, width=width, quiet=quiet)


def say_difference(run: Run, code: Submission) -> None:
    """Warn of weights that other code has made."""
    from lab.code import difference

    if words := difference(run, code):
        click.secho(f"{words}: its weights may mean another thing here", fg="yellow", err=True)


def set_threads(threads: int | None) -> None:
    """Compute with so many, if it is said."""
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
