"""Plain layers again, with the updates in their weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from grader.check import Counterexample, Failure, check
from grader.exercises.lora import client
from grader.exercises.lora.common import LAYER, MERGE, Adapted, code, equal
from grader.exercises.lora.oracle import HEAD, Adapter, Floats
from grader.exercises.lora.test_adding import own_gpt2, split_at
from grader.gpt2.evidence import Evidence
from grader.sandbox.client import Module
from grader.sandbox.client.function import call

PART = MERGE
_SHARED = ("layers.0.up", HEAD)  # the layers that the model has in two places


def _trained(evidence: Evidence, tied: bool = False, draw: int = 3) -> tuple[Adapted, Floats]:
    """A model with drawn adapters, and its logits."""
    adapted = Adapted(evidence, MERGE, draw, tied)
    module = adapted.add()
    logits = module.call(adapted.idx, adapted.set(module, adapted.pairs(module)))
    return adapted, logits


def _models(evidence: Evidence) -> Iterator[tuple[Adapted, Floats]]:
    return (_trained(evidence, draw=draw) for draw in (3, 4))


@check(
    "lora.merged",
    PART,
    12,
    hints=(
        "What has to be added to a weight for x @ weight.T to become the adapter's output?",
        "Set every B to ones, and compare the logits before and after merge_lora.",
        "weight + alpha / rank * (B @ A), which has the weight's shape; the bias as it was.",
    ),
)
def test_merged(evidence: Evidence) -> None:
    """Merging changes no logits: the updates are in the weights."""
    for (adapted, before), default in zip(_models(evidence), ("float64", "float32"), strict=True):
        module = adapted.merge(default)
        after = module.call(adapted.idx)
        if not equal(after, before):
            raise Failure(
                f"merge_lora changes the logits, by up to {np.abs(after - before).max():.3g}",
                _changed(adapted),
                _named(adapted, module, after),
            )
    _expect_own_kept(evidence)


def _changed(adapted: Adapted) -> Counterexample:
    lines = (
        "for p in model.parameters():",
        "    p.data = torch.randn_like(p) if p.requires_grad else p.data",
        "before = model(idx).detach()",
        "merge_lora(model)",
        "print(torch.allclose(model(idx), before))",
    )
    return Counterexample(
        code(adapted.evidence, adapted.rank, adapted.alpha, *lines), "True", "False"
    )


def _named(adapted: Adapted, module: Module, found: Floats) -> str:
    """The bug that gives these logits, if it is one of those known."""
    toy, alpha, rank = adapted.toy, adapted.alpha, adapted.rank
    scales = {"lora-merge-nothing": 0.0, "lora-merge-twice": 2.0, "lora-merge-subtracts": -1.0}
    scales |= {"lora-merge-without-scale": rank / alpha}
    for cause, scale in scales.items():
        for paths in (adapted.adapters, _SHARED):
            adapters = dict(adapted.adapters)
            for path in paths:
                one = adapted.adapters[path]
                adapters[path] = Adapter(one.A, one.B, scale * alpha)
            if equal(found, toy.logits(adapted.idx, adapters)):
                return cause
    return "" if _has(module, toy.up_bias) else "lora-merge-loses-bias"


def _expect_own_kept(evidence: Evidence) -> None:
    """Fail unless merging leaves the logits of the submission's own model, adapters drawn."""
    model = own_gpt2(evidence)
    if model is None:
        return
    idx = np.arange(10).reshape(2, 5)
    call(evidence.subject, "add_lora", {"rank": 2, "alpha": 3.0}, args=[model.itself])
    adapted = evidence.subject.adopt(model.itself, "GPT2")
    before = adapted.call(idx, adapted.random(np.random.default_rng(5), 0.3))
    call(evidence.subject, MERGE, {}, args=[model.itself])
    after = evidence.subject.adopt(model.itself, "GPT2").call(idx)
    if not equal(after, before):
        raise Failure("merge_lora changes the logits of your own GPT2, with drawn adapters")


@check(
    "lora.plain",
    PART,
    7,
    hints=(
        "What stands in the model after merge_lora?",
        "Print the model, and the names of its parameters, before add_lora and after merge_lora.",
        "setattr(parent, name, merged), where merged is an nn.Linear with weight and bias.",
    ),
)
def test_plain(evidence: Evidence) -> None:
    """Every layer is a plain nn.Linear again, under the names and shapes that it had."""
    for adapted, _ in _models(evidence):
        before = Adapted(evidence, MERGE, adapted.draw, tied=False).now()
        module = adapted.merge()
        adapted.expect_modes_kept(MERGE)
        left = [part.path for part in module.parts if part.kind == LAYER]
        if left:
            raise Failure(
                f"after merge_lora there is still a LoRALinear at {', '.join(left)}",
                cause="lora-adapters-left",
            )
        names, wanted = _names(module), _names(before)
        apart = split_at(module)
        if apart:
            raise Failure(
                "the model had one layer in two places; after merge_lora it is another one at "
                f"{apart}",
                cause="lora-shared-layer-split",
            )
        if names != wanted:
            extra = sorted(names - wanted) or sorted(wanted - names)
            raise Failure(
                "after merge_lora expected the parameters that the model had, found others: "
                + ", ".join(f"{name} {shape}" for name, shape in extra),
                cause="lora-names-changed",
            )
        plain = client.layers(evidence.subject, MERGE, adapted.model)
        if plain.keys() != adapted.toy.layers().keys():
            raise Failure("after merge_lora not every layer is an nn.Linear")


def _names(module: Module) -> set[tuple[str, tuple[int, ...]]]:
    return {(parameter.name, parameter.shape) for parameter in module.parameters}


@check(
    "lora.tied",
    PART,
    4,
    hints=(
        "Whose weight is it that you write to?",
        "Tie head.weight to embed.weight, and look at the embedding after merge_lora.",
        "A new nn.Linear with its own weight; no `weight.data +=` on a weight that others use.",
    ),
)
def test_tied(evidence: Evidence) -> None:
    """A weight that is used elsewhere as well, such as a tied head's, does not change there."""
    adapted, before = _trained(evidence, tied=True)
    module = adapted.merge()
    after = module.call(adapted.idx)
    if not equal(after, before):
        changed = not _has(module, adapted.toy.embedding)
        raise Failure(
            "with a head that is tied to the token embedding, merge_lora changes the logits"
            + (": the embedding is not what it was" if changed else ""),
            cause="lora-merge-into-tied" if changed else "",
        )


def _has(module: Module, values: Floats) -> bool:
    """Whether a parameter has just these values."""
    same = (p for p in module.parameters if p.shape == values.shape)
    return any(np.array_equal(module.initial[p.indices], values) for p in same)


@check(
    "lora.again",
    PART,
    2,
    hints=(
        "What is there to merge in a model without adapters?",
        "Call merge_lora twice.",
        "Go by isinstance(module, LoRALinear) alone.",
    ),
)
def test_again(evidence: Evidence) -> None:
    """A model without adapters, or merged before, stays as it is."""
    plain = Adapted(evidence, MERGE, 3, tied=False)
    if not equal(plain.merge().call(plain.idx), plain.expected()):
        raise Failure("merge_lora changes a model that never had adapters")
    adapted, _ = _trained(evidence)
    once = adapted.merge().call(adapted.idx)
    if not equal(adapted.merge().call(adapted.idx), once):
        raise Failure("merge_lora changes a model that was merged before")
