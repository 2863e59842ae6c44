"""`lab load-gpt2`."""

from __future__ import annotations

from pathlib import Path

import click

from lab.cli.common import MERGES, SUBMISSION, told
from lab.errors import LabError


@click.command("load-gpt2")
@click.argument("folder", metavar="FOLDER|FILE", type=click.Path(path_type=Path, exists=True))
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

    FOLDER is a checkpoint as OpenAI published it (checkpoint, hparams.json, model.ckpt.*), one of
    Hugging Face's (config.json with *.safetensors or pytorch_model.bin, also in shards), or one of
    nanoGPT's (ckpt.pt); of the latter two a file of weights can be named as well. The logits are
    compared with those that the weights must give. Its vocabulary is taken from the same folder,
    or is GPT-2's own; if neither fits, tokens are shown as numbers.

    Example: lab load-gpt2 models/124M --out runs/gpt2
    """
    from lab.checkpoint import NotWrittenError, write_weights
    from lab.code import code_of
    from lab.data.tokens import Numbers
    from lab.data.vocabularies import vocabulary
    from lab.model import count
    from lab.pretrained import read_folder
    from lab.run_folder import LANGUAGE_MODEL, check_free, create
    from lab.weights.fitting import fitted

    check_free(out)
    code = code_of(None, submission)
    code.get("pretrained", "load_openai_weights")  # before anything slow
    checkpoint = read_folder(folder)
    vocab_size = checkpoint.architecture.vocab_size
    tokens = vocabulary(folder, merges, vocab_size, code) or Numbers(vocab_size)
    model, recipe = fitted(checkpoint, code, str(folder))
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
        click.echo("no vocabulary of its size was found: its tokens are shown as numbers", err=True)
    click.echo(f"{count(model):,} parameters. Next: lab sample {out} --prompt …")
