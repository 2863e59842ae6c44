"""The command `grader`: its commands and options, and nothing else."""

from __future__ import annotations

import errno
import sys
from typing import Any

import click

from grader import __version__
from grader.cli import card, many, one, path, practice
from grader.cli.common import CLOSED, INTERRUPTED, close_output, unusable, warn
from grader.cli.encoding import settle


class _Grader(click.Group):
    """Can be read whatever the encoding of the output is."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        settle()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Whatever ends it, but a verdict, has another exit code than one."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except KeyboardInterrupt:
            warn("interrupted")
            sys.exit(INTERRUPTED)
        except OSError as error:
            if error.filename is not None:
                raise
            close_output()
            if error.errno == errno.EPIPE:
                sys.exit(CLOSED)
            unusable(f"standard output cannot be written to ({error.strerror})")


@click.group(cls=_Grader, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="grader")
def main() -> None:
    """Judge GPT-2 exercises: prove them right, or say what is wrong.

    Example: grader grade solutions/gpt2.py
    """


for _command in (
    one.grade,
    one.watch,
    practice.start,
    practice.progress,
    practice.hint,
    card.scorecard,
    path.next_,
    path.reset,
    practice.notebook,
    many.list_,
    many.batch,
    many.override,
    many.export,
):
    main.add_command(_command)
