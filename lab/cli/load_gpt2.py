"""`lab load-gpt2`."""

from __future__ import annotations

from pathlib import Path

import click

from lab.cli.common import MERGES, SUBMISSION, told
from lab.errors import LabError


@click.command("load-gpt2")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder of the run that is made of it.",
)
@SUBMISSION
@MERGES
@told
def load_gpt2(folder: Path, out: Path, submission: Path, merges: Path | None) -> None:
    """Put the weights of a GPT-2 into the submission's model: a run to sample and fine-tune.

    FOLDER is a checkpoint as OpenAI published it (checkpoint, hparams.json, model.ckpt.*), or one
    of Hugging Face's (config.json, *.safetensors). Its merges are taken from the same folder, or
    from those fetched by `lab data gpt2-merges`.

    Example: lab load-gpt2 models/124M --out runs/gpt2
    """
    from lab.checkpoint import NotWrittenError, write_weights
    from lab.data.tokens import GPT2Tokens, find_merges
    from lab.model import build, count
    from lab.pretrained import read_folder
    from lab.run_folder import LANGUAGE_MODEL, create
    from lab.submission import Submission

    code = Submission(submission)
    load = code.get("pretrained", "load_openai_weights")
    try:
        text = find_merges(merges or folder)
    except LabError:
        text = find_merges(merges)
    tokens = GPT2Tokens(text, code)
    checkpoint = read_folder(folder)
    vocab_size = checkpoint.sizes["vocab_size"]
    if tokens.vocab_size != vocab_size:
        raise LabError(f"the merges make {tokens.vocab_size} tokens, the model has {vocab_size}")
    recipe = checkpoint.recipe()
    model = build(code, recipe, vocab_size)
    try:
        load(model, checkpoint.variables)
    except ValueError as error:
        raise LabError(f"{folder} does not fit the submission's GPT2: {error}") from error
    facts = {
        "submission": str(code.folder),
        "vocab_size": vocab_size,
        "loaded": f"{folder} ({checkpoint.form})",
    }
    run = create(out, LANGUAGE_MODEL, recipe, tokens, facts)
    try:
        write_weights(run.best, model, {"loaded": str(folder)})
    except NotWrittenError as error:
        raise LabError(f"the weights could not be written: {error}") from error
    click.echo(f"{count(model):,} parameters. Next: lab sample {out} --prompt …")
