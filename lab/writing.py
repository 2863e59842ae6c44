"""Writing: a trained model goes on with prompts, by the submission's own generate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from lab.bridge import OwnGenerate, logits_of, may_write, own_generate
from lab.checkpoint import WEIGHTS, put_weights, read_weights
from lab.data.tokens import Tokens
from lab.errors import LabError
from lab.look import cache_fault
from lab.model import build
from lab.run_folder import LANGUAGE_MODEL, Run, find
from lab.submission import Submission


@dataclass(frozen=True)
class How:
    """How tokens are chosen, as generate takes it."""

    max_new_tokens: int
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    eos_token_id: int | None = None
    seed: int = 0


class Reader(nn.Module):
    """Stands in for a model in generate: reads only what is new, if there is a cache.

    tell: gets the last tokens (B,) of whatever is read, before it is read. unused: tokens that are
    never drawn.
    """

    def __init__(
        self,
        model: nn.Module,
        cached: bool,
        tell: Callable[[torch.Tensor], None],
        unused: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.model = model
        self.cached = cached
        self.tell = tell
        self._unused = list(unused)
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._read: torch.Tensor | None = None  # (B, T) that the cache stands for
        self._cache: object = None

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """idx: (B, T) -> logits (B, T, V) in float32, of which only the last are to be relied on.

        Behind block_size the window moves, and with it every position: then all is read again.
        """
        self.tell(idx[:, -1])
        if not self.cached:
            return self._last(self.model(idx), idx)
        grown = self._read is not None and torch.equal(idx[:, :-1], self._read)
        logits, self._cache = self.model(
            idx[:, -1:] if grown else idx, self._cache if grown else None
        )
        self._read = idx
        return self._last(logits, idx)

    def _last(self, logits: torch.Tensor, idx: torch.Tensor) -> torch.Tensor:
        """The last logits in the place of all; none for tokens that stand for nothing."""
        last = logits[:, -1:].float()
        if self._unused:
            last = last.clone()
            last[..., self._unused] = float("-inf")
        return last.expand(-1, idx.shape[1], -1)


@dataclass(frozen=True)
class Writer:
    """A model with its weights, ready to write.

    why_slow: why there is no cache, if so; own: the model's own generate, if that is to write.
    """

    submission: Submission
    run: Run
    tokens: Tokens
    model: nn.Module
    cached: bool
    why_slow: str
    own: OwnGenerate | None = None

    def ignored(self, how: How) -> list[str]:
        """What the model's own generate cannot follow."""
        asked = asdict(how)
        del asked["max_new_tokens"], asked["seed"]
        return self.own.ignored(**asked) if self.own else []

    def write(
        self, ids: torch.Tensor, how: How, tell: Callable[[torch.Tensor], None]
    ) -> torch.Tensor:
        """ids (B, T) and what comes after. tell: gets each new column (B,) as it is read."""
        device = next(self.model.parameters()).device
        prompt = ids.shape[1]
        calls = 0

        def new_only(column: torch.Tensor) -> None:
            nonlocal calls
            if calls:
                tell(column)
            calls += 1

        reader = Reader(self.model, self.cached, new_only, self.tokens.unused).eval()
        generate = self.own or self.submission.get("generation", "generate")
        with torch.inference_mode():
            out: torch.Tensor = generate(
                reader,
                ids.to(device),
                how.max_new_tokens,
                block_size=self.run.recipe.block_size,
                temperature=how.temperature,
                top_k=how.top_k,
                top_p=how.top_p,
                eos_token_id=how.eos_token_id,
                generator=torch.Generator(device).manual_seed(how.seed),
            )
        if self.own:
            out = _ended(out, prompt, how.eos_token_id)
        read = prompt if self.own else out.shape[1] - 1  # nobody read the last one
        for column in out[:, max(read, prompt) :].T:
            tell(column)
        return out.cpu()

    def prompt(self, text: str) -> torch.Tensor:
        """The prompt as (1, T). An empty one begins as a text does."""
        ids = torch.from_numpy(self.tokens.encode(text))
        if len(ids) == 0:
            ids = torch.tensor([0 if self.tokens.end is None else self.tokens.end])
        return ids[None]


def _ended(out: torch.Tensor, prompt: int, eos: int | None) -> torch.Tensor:
    """(B, T + n) without what comes after each row has had its end."""
    done = (out[:, prompt:] == (-1 if eos is None else eos)).any(0)
    ends = done.nonzero() if len(out) == 1 else done.new_empty(0)
    return out[:, : prompt + int(ends[0]) + 1] if len(ends) else out


def writer(
    path: Path,
    submission: Submission,
    device: torch.device,
    precision: torch.dtype,
    use_cache: bool = True,
    tokens: Tokens | None = None,
) -> Writer:
    """The model of a run, of a checkpoint's folder or of a file of weights. Raises LabError."""
    run = find(path, LANGUAGE_MODEL)
    source = path if path.suffix == ".safetensors" else path / WEIGHTS
    weights = read_weights(source if source.is_file() else run.weights())
    sizes = (submission, run.recipe, run.facts["vocab_size"])
    plain = build(*sizes) if may_write(submission) else None
    own = own_generate(submission, plain) if plain else None
    if own is not None:
        model, why = None, "by the model's own generate"
    elif use_cache:
        model, why = _cached(submission, run, weights)
    else:
        model, why = None, "--no-cache"
    cached = model is not None
    if model is None:
        plain = plain or build(*sizes)
        put_weights(plain, weights, str(path))
        model = logits_of(plain)
    model = model.to(device=device, dtype=precision).eval()
    return Writer(submission, run, tokens or run.tokens(submission), model, cached, why, own)


def _cached(
    submission: Submission, run: Run, weights: dict[str, torch.Tensor]
) -> tuple[nn.Module | None, str]:
    """The submission's model with a cache, if it has one that takes the weights; or why not."""
    try:
        model = build(submission, run.recipe, run.facts["vocab_size"], "CachedGPT2", "kv_cache")
        put_weights(model, weights, "the run")
    except LabError as error:
        return None, str(error)
    except NotImplementedError:
        return None, "CachedGPT2 is not written yet"
    fault = cache_fault(submission, run.recipe)
    return (None, fault) if fault else (model, "")


class Stream:
    """Text of tokens that come one by one: only what no later token can change."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._ids: list[int] = []
        self._shown = 0

    def add(self, token: int) -> str:
        """What is new to be shown."""
        self._ids.append(token)
        text = self._tokens.decode(self._ids)
        if text.endswith("\ufffd"):  # a character whose last bytes are still to come
            return ""
        new = text[self._shown :]
        self._shown = len(text)
        return new


def by_length(prompts: Sequence[torch.Tensor]) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Prompts of one length together, so that they are written at once: places and ids (B, T)."""
    for length in sorted({p.shape[1] for p in prompts}):
        places = [i for i, p in enumerate(prompts) if p.shape[1] == length]
        yield places, torch.cat([prompts[i] for i in places])
