"""`lab load-gpt2`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lab.cli.common import MERGES, SUBMISSION, told
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.data.tokens import Tokens
    from lab.submission import Submission


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
def load_gpt2(folder: Path, out: Path, submission: Path | None, merges: Path | None) -> None:
    """Put the weights of a GPT-2 into the submission's model: a run to sample and fine-tune.

    FOLDER is a checkpoint as OpenAI published it (checkpoint, hparams.json, model.ckpt.*), or one
    of Hugging Face's (config.json, *.safetensors). Its merges are taken from the same folder, or
    are GPT-2's own; if neither make as many tokens as it has, tokens are shown as numbers.

    Example: lab load-gpt2 models/124M --out runs/gpt2
    """
    from lab.checkpoint import NotWrittenError, write_weights
    from lab.code import code_of
    from lab.data.tokens import Numbers
    from lab.model import build, count
    from lab.pretrained import read_folder
    from lab.run_folder import LANGUAGE_MODEL, check_free, create

    check_free(out)
    code = code_of(None, submission)
    load = code.get("pretrained", "load_openai_weights")
    checkpoint = read_folder(folder)
    vocab_size = checkpoint.sizes["vocab_size"]
    tokens = _tokens(folder, merges, vocab_size, code)
    recipe = checkpoint.recipe()
    model = build(code, recipe, vocab_size)
    try:
        load(model, checkpoint.variables)
    except ValueError as error:
        raise LabError(f"{folder} does not fit the submission's GPT2: {error}") from error
    facts = {
        "vocab_size": vocab_size,
        "loaded": f"{folder} ({checkpoint.form})",
    }
    run = create(out, LANGUAGE_MODEL, recipe, tokens, code, facts)
    try:
        write_weights(run.best, model, {"loaded": str(folder)})
    except NotWrittenError as error:
        raise LabError(f"the weights could not be written: {error}") from error
    if tokens.kind == Numbers.kind:
        click.echo("no merges of its size were found: its tokens are shown as numbers", err=True)
    click.echo(f"{count(model):,} parameters. Next: lab sample {out} --prompt …")


def _tokens(folder: Path, merges: Path | None, vocab_size: int, code: Submission) -> Tokens:
    """Those of the option; else what is at hand and fits, or else numbers."""
    from lab.data.tokens import GPT2Tokens, Numbers, find_merges

    if merges is not None:
        tokens = GPT2Tokens(find_merges(merges), code)
        if tokens.vocab_size != vocab_size:
            raise LabError(f"{merges} makes {tokens.vocab_size} tokens, the model has {vocab_size}")
        return tokens
    for place in (folder, None):
        try:
            tokens = GPT2Tokens(find_merges(place), code)
        except LabError:
            continue
        if tokens.vocab_size == vocab_size:
            return tokens
    return Numbers(vocab_size)
