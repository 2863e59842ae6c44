"""Commands for the path through the exercises: `next` and `reset`."""

from __future__ import annotations

from pathlib import Path

import click

from grader.cli.common import unusable


@click.command(name="next")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
def next_(folder: Path) -> None:
    """Show the exercises and which are done in FOLDER (default: here), and lay out the next.

    The next one gets a folder of its name, a clock with its brief's minutes, and your own gpt2.py
    if it builds on that. One that is begun is not laid out again.

    Example: grader next
    """
    from grader import path, session
    from grader.program import program

    home = path.home_of(folder)
    try:
        steps = path.steps(home)
        for step in steps:
            sign = "✓" if step.done else "•" if step.sessions else " "
            click.echo(f"{sign} {step.exercise.name:<16}{step.words}")
        left = next((step for step in steps if not step.done), None)
        if left is None:
            click.echo("Next: nothing is left. Explain your choices to somebody.")
        elif left.sessions:
            place = left.sessions[0].folder
            click.echo(f"Next: go on with it, {program()} watch {place}")
        else:
            click.echo(session.welcome(path.lay_out(left, home, steps), program()))
    except (path.PathError, session.SessionError) as error:
        unusable(str(error))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def reset(file: Path) -> None:
    """Put the stub back in the place of FILE, beside a dated copy of what is there now.

    Example: grader reset my-attempt/gpt2.py
    """
    from grader import path

    try:
        copy = path.reset(file)
    except path.PathError as error:
        unusable(str(error))
    click.echo(f"{file} is a stub again. What was there is in {copy}.")
