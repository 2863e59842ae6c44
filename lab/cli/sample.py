"""`lab sample`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lab.cli.common import (
    DEVICE,
    LITERAL,
    MERGES,
    SUBMISSION,
    THREADS,
    say_difference,
    set_threads,
    told,
)
from lab.errors import LabError
from lab.presets import CHOICES

if TYPE_CHECKING:
    import torch

    from lab.data.tokens import Tokens
    from lab.submission import Submission
    from lab.writing import How, Writer


@click.command()
@click.argument("path", metavar="RUN|CHECKPOINT", type=click.Path(path_type=Path, exists=True))
@click.option("--prompt", "prompts", multiple=True, help="What to go on with; more than once: all.")
@click.option(
    "--prompts",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file with a prompt on each line.",
)
@click.option(
    "--num-samples",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many times each prompt is gone on with.",
)
@click.option("--max-new-tokens", type=click.IntRange(0), default=200, show_default=True)
@click.option(
    "--temperature",
    type=click.FloatRange(0),
    default=0.8,
    show_default=True,
    help="0: always the most probable.",
)
@click.option("--top-k", type=click.IntRange(1), help="Draw among so many most probable tokens.")
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    help="Draw among the most probable that together have this probability.",
)
@click.option(
    "--eos", help="End at this token (default: GPT-2's end of text, if the model has it)."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--no-cache", is_flag=True, help="Read everything again for every token.")
@click.option(
    "--precision",
    type=click.Choice(CHOICES["precision"]),
    default="auto",
    show_default=True,
    help="What weights are kept in; auto: bfloat16 where it is faster.",
)
@SUBMISSION
@MERGES
@LITERAL
@DEVICE
@THREADS
@told
def sample(
    path: Path,
    prompts: tuple[str, ...],
    file: Path | None,
    num_samples: int,
    max_new_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    eos: str | None,
    seed: int,
    no_cache: bool,
    precision: str,
    submission: Path | None,
    merges: Path | None,
    literal: bool,
    device: str,
    threads: int | None,
) -> None:
    """Let a trained model go on with a prompt, token by token.

    Example: lab sample runs/demo --prompt "The following"
    """
    from lab import device as devices
    from lab.code import code_of
    from lab.data.tokens import literally
    from lab.run_folder import LANGUAGE_MODEL, find
    from lab.writing import How, writer

    set_threads(threads)
    run = find(path, LANGUAGE_MODEL)
    code = code_of(run, submission)
    say_difference(run, code)
    chosen = devices.choose(device)
    dtype = devices.sampling_precision(precision, chosen)
    tokens = _tokens(merges, code)
    model = writer(path, code, chosen, dtype, not no_cache, tokens)
    if literal:
        literally(model.tokens)
    slow = "" if model.cached else f", without a cache ({model.why_slow})"
    click.echo(f"on {devices.in_words(chosen)} in {str(dtype)[6:]}{slow}", err=True)
    texts = [*prompts, *(_lines(file) if file else [])] or [""]
    texts = [text for text in texts for _ in range(num_samples)]
    how = How(max_new_tokens, temperature, top_k, top_p, _end(eos, model.tokens), seed)
    if ignored := model.ignored(how):
        click.echo(f"the model's own generate takes no {', '.join(ignored)}: left out", err=True)
    started = time.perf_counter()
    count = _stream(model, texts[0], how) if len(texts) == 1 else _all(model, texts, how)
    seconds = time.perf_counter() - started
    click.echo(f"{count} tokens, {count / max(seconds, 1e-9):.1f} a second", err=True)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise LabError(f"{file} is no UTF-8 text: {error}") from error


def _tokens(merges: Path | None, code: Submission) -> Tokens | None:
    """Those of the option, for weights that came without."""
    from lab.data.tokens import GPT2Tokens, find_merges

    return None if merges is None else GPT2Tokens(find_merges(merges), code)


def _end(text: str | None, tokens: Tokens) -> int | None:
    """The token that ends a text."""
    if text is None:
        return tokens.end
    ids = tokens.encode(text)
    if len(ids) != 1:
        raise LabError(f"--eos is one token, and {text!r} is {len(ids)}")
    return int(ids[0])


def _stream(model: Writer, prompt: str, how: How) -> int:
    """Write one text as it comes; returns how many tokens."""
    from lab.writing import Stream

    stream = Stream(model.tokens)
    count = 0

    def tell(column: torch.Tensor) -> None:
        nonlocal count
        count += 1
        if int(column[0]) != how.eos_token_id:
            click.echo(stream.add(int(column[0])), nl=False)

    click.echo(prompt, nl=False)
    model.write(model.prompt(prompt), how, tell)
    click.echo()
    return count


def _all(model: Writer, prompts: list[str], how: How) -> int:
    """Write many texts, those with prompts of one length at once; returns how many tokens."""
    from lab.writing import by_length

    ids = [model.prompt(prompt) for prompt in prompts]
    texts = [""] * len(prompts)
    count = 0
    for places, together in by_length(ids):
        out = model.write(together, how, lambda column: None)
        for place, row in zip(places, out[:, together.shape[1] :].tolist(), strict=True):
            if how.eos_token_id in row:
                row = row[: row.index(how.eos_token_id)]
            texts[place] = prompts[place] + model.tokens.decode(row)
            count += len(row)
    for text in texts:
        click.echo(f"{text}\n---")
    return count
