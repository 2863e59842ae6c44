"""A look at the code before it trains: what hours of training would only show in gibberish."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from lab.bridge import logits_of
from lab.checkpoint import put_weights, weights_of
from lab.errors import LabError
from lab.model import build
from lab.presets import Recipe
from lab.submission import SOLUTIONS, Submission

_LONGEST, _LAYERS, _VOCABULARY = 64, 2, 256  # more of them shows nothing more
_NOISE = 0.1  # on every weight: a projection that starts at zero would hide what it does
_CLOSE = 1e-3  # of the largest logit
_FUTURES = 4
_FAR = 1.0  # nats that the first loss may lie off ln V
_REFUSED = "; --no-look trains it all the same"


def look(code: Submission, recipe: Recipe, vocab_size: int, device: torch.device) -> list[str]:
    """What was seen, in a line, and a line for each doubt.

    Raises LabError for what cannot learn to write: logits of another shape, tokens that see later
    ones, targets that are not the next tokens.
    """
    with _own_chance(recipe.seed, device):
        small = replace(recipe, num_layers=min(_LAYERS, recipe.num_layers), dropout=0.0)
        model = logits_of(build(code, small, vocab_size).to(device))
        idx = torch.randint(vocab_size, (2, min(_LONGEST, recipe.block_size)), device=device)
        first = _first_loss(model.eval(), idx, vocab_size)
        _shake(model)
        for way in (model.eval(), model.train()):
            _check_causal(way, idx, vocab_size)
        _check_targets(code, recipe.block_size)
        doubts = [_no_gradient(model.train(), idx), _far_off(first, vocab_size)]
        fault = cache_fault(code, recipe)
    cached = code.place("kv_cache") is not None
    seen = [
        "look: logits are (B, T, V)",
        "no token sees a later one",
        *(["the cache changes nothing"] if cached and not fault else []),
        *([] if doubts[0] else ["every parameter gets a gradient"]),
        f"first loss {first:.2f} (ln V is {math.log(vocab_size):.2f})",
    ]
    if fault:
        doubts.append(f"{fault}: lab sample will write without it")
    return [", ".join(seen), *(doubt for doubt in doubts if doubt)]


def cache_fault(code: Submission, recipe: Recipe) -> str | None:
    """How the submission's CachedGPT2 differs from its GPT2 on the same weights; None if not."""
    place = code.place("kv_cache")
    if place is None or place.parent == SOLUTIONS:
        return None
    small = replace(recipe, num_layers=min(_LAYERS, recipe.num_layers), dropout=0.0)
    length = min(_LONGEST, recipe.block_size)
    with _own_chance(recipe.seed, torch.device("cpu")), torch.no_grad():
        model = build(code, small, _VOCABULARY).eval()
        _shake(model)
        idx = torch.randint(_VOCABULARY, (2, length))
        expected = logits_of(model)(idx)
        try:
            cached = build(code, small, _VOCABULARY, "CachedGPT2", "kv_cache").eval()
            put_weights(cached, weights_of(model), "GPT2")
            found = torch.cat(list(_in_pieces(cached, idx)), dim=1)
        except NotImplementedError:
            return None
        except LabError as error:
            return f"CachedGPT2 does not take the weights of GPT2 ({error})"
        except Exception as error:  # whatever the submission's code raises
            return f"CachedGPT2 raised {type(error).__name__} ({error})"
    if found.shape != expected.shape:
        return f"CachedGPT2 gives logits {tuple(found.shape)}, GPT2 {tuple(expected.shape)}"
    off = (found - expected).abs().amax((0, 2))  # (T,)
    wrong = (off > _CLOSE * expected.abs().max()).nonzero()
    if not len(wrong):
        return None
    at = int(wrong[0])
    return f"CachedGPT2 gives other logits than GPT2, by {float(off[at]):.2g} at token {at}"


def _in_pieces(cached: nn.Module, idx: torch.Tensor) -> Iterator[torch.Tensor]:
    """Logits of a beginning at once, of the rest token by token."""
    cache = None
    half = max(1, idx.shape[1] // 2)
    for piece in (idx[:, :half], *(idx[:, t : t + 1] for t in range(half, idx.shape[1]))):
        logits, cache = cached(piece, cache)
        yield logits


@contextmanager
def _own_chance(seed: int, device: torch.device) -> Iterator[None]:
    """What is drawn here is not missing elsewhere."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _first_loss(model: nn.Module, idx: torch.Tensor, vocab_size: int) -> float:
    """Of a model as it is born, on tokens of chance. Raises LabError for logits that are none."""
    with torch.no_grad():
        logits = model(idx)
    expected = (*idx.shape, vocab_size)
    found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if found != expected:
        raise LabError(
            f"GPT2 must give logits (B, T, V) = {expected} for idx {tuple(idx.shape)}, not "
            f"{found}{_REFUSED}"
        )
    if not bool(logits.isfinite().all()):
        raise LabError(f"GPT2 gives logits that are no finite numbers, as it is born{_REFUSED}")
    return F.cross_entropy(logits.float().flatten(0, 1), idx.roll(1, 0).flatten()).item()


@torch.no_grad()
def _shake(model: nn.Module) -> None:
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.add_(torch.randn_like(parameter), alpha=_NOISE)


def _check_causal(model: nn.Module, idx: torch.Tensor, vocab_size: int) -> None:
    """Raise LabError if logits change when only later tokens do, in the mode that it is in."""
    mode = "in train mode " if model.training else ""
    before = model(idx).detach()
    for cut in torch.randint(1, max(2, idx.shape[1]), (_FUTURES,)).tolist():
        other = idx.clone()
        other[:, cut:] = torch.randint_like(other[:, cut:], vocab_size)
        off = (model(other).detach() - before)[:, :cut].abs().amax((0, 2))  # (cut,)
        seeing = (off > _CLOSE * before.abs().max()).nonzero()
        if len(seeing):
            at = int(seeing[0])
            raise LabError(
                f"GPT2 is not causal: {mode}the logits at token {at} changed by "
                f"{float(off[at]):.2g} when only tokens from {cut} on did. In training it would "
                f"read the answer there and learn nothing else; see `grader grade`{_REFUSED}"
            )


def _check_targets(code: Submission, block_size: int) -> None:
    """Raise LabError unless get_batch gives the tokens that follow."""
    get_batch = code.get("training", "get_batch")
    chance = torch.Generator().manual_seed(0)
    x, y = get_batch(torch.arange(4 * block_size + 4), 4, block_size, generator=chance)
    if not torch.equal(y, x + 1):
        raise LabError(
            f"get_batch gives targets that are not the next tokens: to the inputs "
            f"{x[0, :4].tolist()} of the data 0, 1, 2, … it gave {y[0, :4].tolist()}{_REFUSED}"
        )


def _no_gradient(model: nn.Module, idx: torch.Tensor) -> str | None:
    torch.autograd.backward(F.cross_entropy(model(idx).float().flatten(0, 1), idx.flatten()))
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    without = [name for name, parameter in named if parameter.grad is None]
    if not without:
        return None
    return f"no gradient reaches {', '.join(without[:5])}: this stays as it is born"


def _far_off(first: float, vocab_size: int) -> str | None:
    even = math.log(vocab_size)
    if abs(first - even) <= _FAR:
        return None
    return (
        f"the first loss, {first:.2f}, is far from ln V = {even:.2f}, which knowing nothing costs: "
        "initial weights as small as GPT-2's (a standard deviation of 0.02) begin there"
    )
