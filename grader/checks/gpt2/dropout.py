"""Where dropout is felt. It may stand in a part or in the block that uses it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grader.checks.api import Failure
from grader.checks.evidence import Evidence
from grader.checks.experiment import Case
from grader.checks.gpt2 import common
from grader.checks.models import Size, block_size_of
from grader.remote import Module
from grader.remote.module import Floats
from grader.remote.worker import Values

_SEEDS = (11, 12, 13)
_ROWS, _SAMPLES = 4, 300  # sequences, and draws, to see a mean and a spread
_SELDOM, _OFTEN = 0.1, 0.5
# Of what is right in every place: 1, 0.06 to 0.12 and above 0.1; next to it 0.5, 0.16 and 1e-8.
_MEAN, _SHARE, _LEAST = 0.7, 0.14, 1e-3
_BRANCHES = {"CausalSelfAttention": "attention", "MLP": "mlp"}


def check_part(evidence: Evidence, name: str, case: Case) -> None:
    """dropout_p acts in train mode in this class, or in the block around it."""
    check_inert(evidence, name, case)
    experiment = evidence.experiment(name, case, dropout_p=0.5)
    if _varies(experiment.module, experiment.theta, experiment.x):
        _check_rate(evidence, name, case)
        return
    size = {"embed_dim": case.size["embed_dim"], "num_heads": 1, "block_size": 5}
    if branch_varies(evidence, size, _BRANCHES[name]):
        evidence.advise(
            f"dropout-in-block-{_BRANCHES[name]}",
            f"{name} leaves its dropout to TransformerBlock. That is all right; GPT-2's own code "
            "has it in the part.",
        )
        return
    raise Failure(
        f"with dropout_p = 0.5 in train mode {name} gives the same output every time, and no "
        "dropout in TransformerBlock makes up for it",
        experiment.counterexample(
            f"model = {name}({_arguments(case.size)}, dropout_p=0.5).train()",
            "print((model(x) - model(x)).abs().max())",
            expected="more than 0",
            found="0",
        ),
        "dropout-ignored",
    )


def _check_rate(evidence: Evidence, name: str, case: Case) -> None:
    """What dropout does to the output of a part, by its mean and its spread.

    Values that are dropped with probability p, the others divided by 1 - p, have the mean they had
    and a variance of p / (1 - p) of their square: a ninth at 0.1 of what it is at 0.5. Where in the
    part they are dropped, and how often, changes that little.
    """
    means, spreads = {}, {}
    for p in (_SELDOM, _OFTEN):
        experiment = evidence.experiment(name, replace(case, batch=_ROWS), dropout_p=p)
        module, theta, x = experiment.module, experiment.theta, experiment.x
        plain = module.call(x, theta)
        samples = np.array(module.samples(x, theta, range(1, 1 + _SAMPLES)))
        size = float((plain**2).sum())
        if not size or samples.shape[1:] != plain.shape:
            return  # that is what other checks are about
        means[p] = float((samples.mean(0) * plain).sum()) / size
        spreads[p] = (
            float(((samples - plain) ** 2).sum(tuple(range(1, samples.ndim))).mean()) / size
        )
    what = ""
    if spreads[_OFTEN] < _LEAST:
        what = f"at {_OFTEN} it hardly changes the output"
    elif means[_OFTEN] < _MEAN:
        what = (
            f"at {_OFTEN} the output is on average {means[_OFTEN]:.2f} of that in eval mode: what "
            "is kept is to be divided by 1 - dropout_p"
        )
    elif spreads[_SELDOM] > _SHARE * spreads[_OFTEN]:
        what = (
            f"at {_SELDOM} the output varies {spreads[_SELDOM] / spreads[_OFTEN]:.2f} times as "
            f"much as at {_OFTEN}, where a ninth is expected"
        )
    if what:
        raise Failure(
            f"dropout_p is not the probability with which {name} drops values: {what}",
            experiment.counterexample(
                f"y, model = model(x), {name}({_arguments(case.size)}, dropout_p=0.5).train()",
                f"print(torch.stack([model(x) for _ in range({_SAMPLES})]).mean(0) / y)",
                expected="about 1",
                found=f"about {means[_OFTEN]:.2f}",
            ),
            "dropout-ignored",
        )


def check_inert(evidence: Evidence, name: str, case: Case) -> None:
    """dropout_p does nothing in eval mode, and nothing at all when it is zero."""
    experiment = evidence.experiment(name, case, dropout_p=0.0)
    module, theta, x = experiment.module, experiment.theta, experiment.x
    plain = module.call(x, theta)
    if any(not common.same(plain, sample) for sample in module.samples(x, theta, _SEEDS)):
        raise Failure(
            "with dropout_p = 0 the output in train mode is not that in eval mode",
            experiment.counterexample(
                "y = model(x)",
                "print((model.train()(x) - y).abs().max())",
                expected="0",
                found="more",
            ),
            "dropout-ignored",
        )
    other = evidence.models.module(name, case.size, dropout_p=0.5)
    if other.initial.size == theta.size and not common.same(plain, other.call(x, theta)):
        raise Failure(
            "in eval mode the output depends on dropout_p",
            experiment.counterexample(
                f"other = {name}({_arguments(case.size)}, dropout_p=0.5).eval()",
                "other.load_state_dict(model.state_dict())",
                "print((other(x) - model(x)).abs().max())",
                expected="0",
                found=np.abs(other.call(x, theta) - plain).max(),
            ),
            "dropout-always-on",
        )


def check_passed_on(evidence: Evidence, case: Case) -> None:
    """What feels dropout_p in a block on its own feels it in a block of GPT2 too."""
    module = evidence.models.module("GPT2", case.size, dropout_p=0.5)
    block = block_size_of(case.size)
    for branch in ("attention", "mlp"):
        if not branch_varies(evidence, block, branch):
            continue  # that is the block's own fault
        for part in module.own("TransformerBlock"):
            if not _branch_varies(evidence, module, block, branch, part.path):
                raise Failure(
                    f"with dropout_p = 0.5 in train mode nothing is dropped in {part.path}, on "
                    f"the {branch} branch",
                    cause="dropout-not-passed",
                )


def why_none(evidence: Evidence, case: Case, branch: str) -> str:
    """The slug for a branch of a block that drops nothing: is its part able to?"""
    name = next(name for name, its in _BRANCHES.items() if its == branch)
    size = case.size if branch == "attention" else {"embed_dim": case.size["embed_dim"]}
    experiment = evidence.experiment(name, replace(case, size=size), dropout_p=0.5)
    able = _varies(experiment.module, experiment.theta, experiment.x)
    return "dropout-not-passed" if able else "dropout-ignored"


def branch_varies(evidence: Evidence, size: Size, branch: str) -> bool:
    """Whether one branch of the block ("attention" or "mlp") feels dropout_p in train mode."""
    module = evidence.models.module("TransformerBlock", size, dropout_p=0.5)
    return _branch_varies(evidence, module, size, branch, "")


def _branch_varies(evidence: Evidence, module: Module, size: Size, branch: str, path: str) -> bool:
    rng = np.random.default_rng(5)
    theta = module.random(rng, 0.5)
    x = rng.normal(0.0, 1.0, (2, 3, size["embed_dim"]))
    other = "mlp" if branch == "attention" else "attention"
    # Next to nothing, and not zero, by which a weight may be divided.
    theta[evidence.layouts.branch_ends(module, size, path)[other]] *= 1e-150
    return _varies(module, theta, x, path)


def _varies(module: Module, theta: Floats, x: Values, path: str = "") -> bool:
    outputs = module.samples(x, theta, _SEEDS, path=path)
    return any(not common.same(outputs[0], output) for output in outputs[1:])


def _arguments(size: Size) -> str:
    return ", ".join(f"{key}={value}" for key, value in size.items())
