"""Adapters around all linear layers of a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from grader.check import Counterexample, Failure, NotRun, check
from grader.exercises.lora import client
from grader.exercises.lora.common import ADD, LAYER, Adapted, code, equal, trained
from grader.exercises.lora.oracle import HEAD, SECOND
from grader.gpt2.evidence import Evidence
from grader.sandbox.client import CandidateError, Module
from grader.sandbox.client.function import call

PART = ADD
_SIZE = {"vocab_size": 11, "embed_dim": 6, "num_heads": 2, "num_layers": 2, "block_size": 5}
_RANK, _ALPHA = 2, 3.0


def _toys(evidence: Evidence) -> Iterator[Adapted]:
    return (Adapted(evidence, ADD, draw, tied) for draw, tied in ((1, False), (2, True)))


def own_gpt2(evidence: Evidence) -> Module | None:
    """The submission's own GPT2, new, if it has one that works."""
    with suppress(CandidateError, NotRun):
        module = evidence.models.module("GPT2", _SIZE, seed=next(evidence.numbers))
        module.call(np.arange(5).reshape(1, 5))
        return module
    return None


@check(
    "lora.everywhere",
    PART,
    12,
    hints=(
        "Which layers of your model have an adapter now?",
        "Print [name for name, m in model.named_modules() if isinstance(m, LoRALinear)].",
        "Go through model.modules(), and for each through its children: setattr(parent, name, "
        "LoRALinear(child, rank, alpha)) where the child is an nn.Linear.",
    ),
)
def test_everywhere(evidence: Evidence) -> None:
    """Every nn.Linear of the model has an adapter, however deep it lies, the head too."""
    for adapted in _toys(evidence):
        module = adapted.add()
        pairs = adapted.pairs(module)
        missing = [path for path in adapted.toy.layers() if path not in pairs]
        if missing:
            some = len(missing) < len(adapted.toy.layers()) or not module.own(LAYER)
            raise Failure(
                f"expected an adapter around every nn.Linear of the model, found none around "
                f"{', '.join(missing)}",
                _missing(evidence),
                "lora-head-left-out" if missing == [HEAD] else "lora-only-some-layers" * some,
            )
    _expect_all_of_own(evidence)


def _missing(evidence: Evidence) -> Counterexample:
    line = "print(sum(isinstance(m, LoRALinear) for m in model.modules()))"
    return Counterexample(code(evidence, _RANK, _ALPHA, line), "3", "fewer")


def _expect_all_of_own(evidence: Evidence) -> None:
    """Fail unless the submission's own model has as much to train as its layers call for."""
    model = own_gpt2(evidence)
    if model is None:
        return
    layers = client.layers(evidence.subject, ADD, model.itself)
    call(evidence.subject, ADD, {"rank": _RANK, "alpha": _ALPHA}, args=[model.itself])
    now = evidence.subject.adopt(model.itself, "GPT2")
    expected = sum(_RANK * (rows + columns) for rows, columns in layers.values())
    found = sum(p.indices.size for p in trained(now))
    if found != expected:
        raise Failure(
            f"your own GPT2 has {len(layers)} linear layers, whose adapters of rank {_RANK} have "
            f"{expected} elements; after add_lora, {found} elements are trained"
        )


@check(
    "lora.frozen",
    PART,
    8,
    hints=(
        "What of the model is trained besides the adapters?",
        "Print the names of all parameters with requires_grad after add_lora.",
        "model.requires_grad_(False) before the adapters are made.",
    ),
)
def test_frozen(evidence: Evidence) -> None:
    """Nothing but the adapters is trained: embeddings, norms and the rest are frozen."""
    for adapted in _toys(evidence):
        module = adapted.add()
        # The second place of a layer as well: two adapters for it are another check's matter.
        paths = tuple(f"{path}." for path in (*adapted.toy.layers(), *SECOND))
        others = [p.name for p in trained(module) if not p.name.startswith(paths)]
        if others:
            raise Failure(
                f"after add_lora these are still trained: {', '.join(others)}",
                cause="lora-rest-trained",
            )
        if not trained(module):
            cause = "lora-nothing-trained" if module.own(LAYER) else "lora-only-some-layers"
            raise Failure("after add_lora nothing is trained", cause=cause)
        adapted.pairs(module)


@check(
    "lora.unchanged",
    PART,
    8,
    hints=(
        "What does the model compute right after add_lora?",
        "Compare the logits before and after, and every parameter that it had.",
        "Put LoRALinear around the very layer; make no new one, and initialise nothing again.",
    ),
)
def test_unchanged(evidence: Evidence) -> None:
    """The logits are what they were, and so is all that the model had."""
    for adapted in _toys(evidence):
        module = adapted.add()
        adapted.expect_modes_kept(ADD)
        _expect_logits(adapted, module.call(adapted.idx), adapted.expected(), "lora-starts-random")
        if (
            adapted.tied
            and sum(p.shape == adapted.toy.embedding.shape for p in module.parameters) > 1
        ):
            raise Failure(
                "the head was tied to the token embedding, and is so no more after add_lora",
                cause="lora-tie-lost",
            )
    model = own_gpt2(evidence)
    if model is None:
        return
    idx = np.arange(10).reshape(2, 5)
    before = model.call(idx)
    call(evidence.subject, ADD, {"rank": _RANK, "alpha": _ALPHA}, args=[model.itself])
    after = evidence.subject.adopt(model.itself, "GPT2").call(idx)
    if not equal(after, before):
        raise Failure("add_lora changes the logits of your own GPT2")


def _expect_logits(adapted: Adapted, found: np.ndarray, expected: np.ndarray, cause: str) -> None:
    if not equal(found, expected):
        line = "print((model(idx) - before).abs().max().item() < 1e-9)"
        raise Failure(
            f"add_lora changes the logits, by up to {np.abs(found - expected).max():.3g}",
            Counterexample(
                code(adapted.evidence, adapted.rank, adapted.alpha, line), "True", "False"
            ),
            cause,
        )


@check(
    "lora.adapted",
    PART,
    7,
    hints=(
        "Do the model's layers use their adapters?",
        "Set every B to ones: do the logits change?",
        "What stands in the model has to be the LoRALinear itself, in both places where the model "
        "has one layer twice.",
    ),
)
def test_adapted(evidence: Evidence) -> None:
    """With trained adapters the logits are those of the layers with their updates."""
    for adapted in _toys(evidence):
        module = adapted.add()
        pairs = adapted.pairs(module)
        if not pairs:
            raise Failure("after add_lora no layer has an adapter")
        found = module.call(adapted.idx, adapted.set(module, pairs))
        if not equal(found, adapted.expected(list(pairs))):
            apart = split_at(module) or _left_at(adapted, module)
            raise Failure(
                "the model has one layer in two places; after add_lora another one is at " + apart
                if apart
                else "with drawn values in all adapters the logits are not those of the layers "
                "with their updates",
                cause="lora-shared-layer-split" if apart else "",
            )


def split_at(module: Module) -> str:
    """The second place of a layer whose first place has another one; "" if there is none."""
    names = [parameter.name for parameter in module.parameters]
    return next((p for p in SECOND if any(n.startswith(f"{p}.") for n in names)), "")


def _left_at(adapted: Adapted, module: Module) -> str:
    """The second place of a layer that is still there, without an adapter; or ""."""
    plain = client.layers(adapted.evidence.subject, ADD, adapted.model, every=True)
    kinds = {part.path: part.kind for part in module.parts}
    return next((path for path in SECOND if path in plain and kinds.get(path) != LAYER), "")
