"""`lab export`."""

from __future__ import annotations

from pathlib import Path

import click

from lab.cli.common import SUBMISSION, say_difference, told
from lab.errors import LabError


@click.command()
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path, exists=True))
@click.option("--format", "form", type=click.Choice(["hf"]), default="hf", show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder that is made.",
)
@SUBMISSION
@told
def export(path: Path, form: str, out: Path, submission: Path | None) -> None:
    """Write the model of a run for others: a folder that `transformers` loads.

    The logits are the same, which is checked before it is written. Where weights lie in the
    submission's model is told by its load_openai_weights in pretrained.py; without that the usual
    modules are looked through.

    Example: lab export runs/demo --format hf --out models/demo
    """
    from lab.checkpoint import put_weights
    from lab.code import code_of
    from lab.model import build
    from lab.origin import origin_of
    from lab.run_folder import LANGUAGE_MODEL, find
    from lab.weights.export import write_hugging_face

    run = find(path, LANGUAGE_MODEL)
    code = code_of(run, submission)
    say_difference(run, code)
    if out.exists():
        raise LabError(f"{out} is there already: name a new folder")
    origin = origin_of(path, code, None)
    model = build(code, origin.recipe, origin.vocab_size)
    put_weights(model, origin.weights, str(path))
    try:
        write_hugging_face(out, model.eval(), code, origin.recipe, origin.tokens)
    except OSError as error:
        raise LabError(f"{out} could not be written: {error}") from error
    names = sorted(file.name for file in out.iterdir())
    click.echo(f"{out}: {', '.join(names)}")
    click.echo(f'next: transformers.AutoModelForCausalLM.from_pretrained("{out}")')
