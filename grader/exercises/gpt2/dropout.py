"""Where dropout is felt. It may stand in a part or in the block that uses it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grader.check import Failure
from grader.exercises.gpt2 import common
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import Case, Experiment
from grader.gpt2.layouts.box import CLOSE
from grader.gpt2.models import Size, block_size_of
from grader.sandbox.client import Module
from grader.sandbox.client.module import Floats
from grader.sandbox.client.worker import Values

_SEEDS = (11, 12, 13)
_ROWS = 12  # sequences to see a mean and a spread
_SAMPLES, _AGAIN = 100, 500  # draws, and draws once more if these are not as they should be
_SHOWN = 300  # draws of the counterexample, which may have one sequence
_SELDOM, _OFTEN = 0.1, 0.5
_NEVER = 1e-9  # as good as zero, and above it
# Of the right ones in tests/submissions, over some 2,400 times 1,200 draws of a sequence: mean 0.95
# and above, spread 0.27 and above, share 0.072 to 0.128. Three dropouts in a row would have a share
# of 0.053. Next to that: a mean of 0.5 (not divided), a share of 0.16 (half the rate), 0.03 (its
# square) or 0.04 (noise that is added).
_MEAN, _LEAST, _SHARES = 0.7, 1e-3, (0.046, 0.14)
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
        _check_rate(evidence, name, replace(case, size=size), _BRANCHES[name])
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


@dataclass(frozen=True)
class Rate:
    """What dropout does to a part's output, relative to that in eval mode.

    mean: of many outputs at 0.5, along that of eval mode. spread: the variance at 0.5.
    share: the variance at 0.1, of that at 0.5.

    Values that are dropped with probability p, and divided by 1 - p if they are not, keep their
    mean, and have a variance of p / (1 - p) of their square: at 0.1 a ninth of what it is at 0.5.
    Where in the part that happens, and how often, changes this little.
    """

    mean: float
    spread: float
    share: float

    @property
    def wrong(self) -> str:
        """What is wrong with it; nothing if it is as it should be."""
        if self.spread < _LEAST:
            return f"at {_OFTEN} it hardly changes the output"
        if self.mean < _MEAN:
            return (
                f"at {_OFTEN} the output is on average {self.mean:.2f} of that in eval mode: what "
                "is kept has to be divided by 1 - dropout_p"
            )
        if not _SHARES[0] < self.share < _SHARES[1]:
            return (
                f"at {_SELDOM} the output's variance is {self.share:.2f} of that at {_OFTEN}, "
                "where a ninth is expected"
            )
        return ""


def rate(
    evidence: Evidence, name: str, case: Case, branch: str = "", samples: int = _SAMPLES
) -> Rate | None:
    """The rate of a part on its own; None if its output is zero or of other shapes.

    branch: of that branch of a block instead, which a case of a block's size is given for.
    """
    seldom, often = (_moments(evidence, name, case, branch, p, samples) for p in (_SELDOM, _OFTEN))
    if seldom is None or often is None:
        return None
    return Rate(often[0], often[1], seldom[1] / max(often[1], 1e-300))


def _moments(
    evidence: Evidence, name: str, case: Case, branch: str, p: float, samples: int
) -> tuple[float, float] | None:
    case = replace(case, batch=_ROWS)
    experiment = evidence.experiment("TransformerBlock" if branch else name, case, dropout_p=p)
    module, theta, x = experiment.module, experiment.theta, experiment.x
    beside = np.zeros_like(x)
    if branch:
        _silence(evidence, module, case.size, branch, "", theta)
        beside = x
    plain = module.call(x, theta) - beside
    drawn = np.array(module.samples(x, theta, range(samples, 2 * samples)))
    size = float((plain**2).sum())
    if not size or drawn.shape[1:] != plain.shape:
        return None
    drawn -= beside
    variance = float(((drawn - plain) ** 2).sum()) / samples
    return float((drawn.mean(0) * plain).sum()) / size, variance / size


def _check_rate(evidence: Evidence, name: str, case: Case, branch: str = "") -> None:
    if name not in evidence.measured:  # one case is as good as another, and each takes long
        found = rate(evidence, name, case, branch)
        if found and found.wrong:  # by chance, perhaps
            found = rate(evidence, name, case, branch, _AGAIN)
        evidence.measured[name] = case, found
    case, found = evidence.measured[name]
    if found is None or not found.wrong:
        return  # without a rate, that is what other checks are about
    if branch:
        raise Failure(
            f"dropout_p is not the probability with which TransformerBlock drops values of its "
            f"{branch} branch, which {name} leaves to it: {found.wrong}",
            cause="dropout-ignored",
        )
    experiment = evidence.experiment(name, case, dropout_p=_OFTEN)
    made = f"{name}({_arguments(case.size)}, dropout_p=p).train()"
    raise Failure(
        f"dropout_p is not the probability with which {name} drops values: {found.wrong}",
        experiment.counterexample(
            "y, state = model(x), model.state_dict()",
            "def many(p):",
            f"    noisy = {made}",
            "    noisy.load_state_dict(state)",
            f"    return torch.stack([noisy(x) for _ in range({_SHOWN})]).detach() - y",
            f"often, seldom = many({_OFTEN}), many({_SELDOM})",
            "print(1 + (often.mean(0) * y).sum() / (y * y).sum(), often.square().mean(), "
            "seldom.square().mean() / often.square().mean())",
            expected="about 1, more than 0, and about 0.11",
            found=f"about {found.mean:.2f}, {found.spread:.2g} of the output's, {found.share:.2f}",
        ),
        "dropout-ignored",
    )


def check_inert(evidence: Evidence, name: str, case: Case) -> None:
    """dropout_p does nothing in eval mode, and nothing at all when it is next to zero."""
    experiment = evidence.experiment(name, case, dropout_p=0.0)
    module, theta, x = experiment.module, experiment.theta, experiment.x
    plain = module.call(x, theta)
    _expect_plain(experiment, plain, 0.0, common.UNCHANGED)
    rare = evidence.experiment(name, case, dropout_p=_NEVER)
    if rare.theta.size == theta.size:
        _expect_plain(rare, plain, _NEVER, CLOSE)
    other = evidence.models.module(name, case.size, dropout_p=0.5)
    if other.initial.size != theta.size and not evidence.layouts.right_with(name, case.size, 0.5):
        raise Failure(
            "with dropout_p = 0.5 it has other parameters than without dropout, and is not GPT-2's "
            "in eval mode"
        )
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


def _expect_plain(
    experiment: Experiment, plain: Values, dropout_p: float, tolerance: float
) -> None:
    """Fail unless the output in train mode is `plain`, that in eval mode."""
    module, theta, x = experiment.module, experiment.theta, experiment.x
    samples = module.samples(x, theta, _SEEDS)
    if all(common.same(plain, sample, tolerance) for sample in samples):
        return
    # Nothing but what runs beside, or others each time: that is dropout at another rate.
    dropped = any(
        common.same(sample, nothing, tolerance) or not common.same(sample, samples[0], tolerance)
        for sample in samples
        for nothing in (np.zeros_like(plain), x if x.shape == plain.shape else np.zeros(0))
    )
    raise Failure(
        f"with dropout_p = {dropout_p:g} the output in train mode is not that in eval mode",
        experiment.counterexample(
            f"noisy = {module.name}({_arguments(experiment.case.size)}, dropout_p={dropout_p:g})",
            "noisy.load_state_dict(model.state_dict())",
            "print((noisy.train()(x) - model(x)).abs().max())",
            expected="0" if dropout_p == 0 else "less than 1e-5",
            found="more",
        ),
        "dropout-ignored" if dropped else "differs-in-train-mode",
    )


def check_passed_on(evidence: Evidence, case: Case) -> None:
    """What feels dropout_p in a block on its own feels it in a block of GPT2 too."""
    module = evidence.models.module("GPT2", case.size, dropout_p=0.5)
    block = block_size_of(case.size)
    able = False
    for branch in ("attention", "mlp"):
        if not branch_varies(evidence, block, branch):
            continue  # that is the block's own fault
        able = True
        for part in module.own("TransformerBlock"):
            if not _branch_varies(evidence, module, block, branch, part.path):
                raise Failure(
                    f"with dropout_p = 0.5 in train mode nothing is dropped in {part.path}, on "
                    f"the {branch} branch",
                    cause="dropout-not-passed",
                )
    experiment = evidence.experiment("GPT2", case, dropout_p=0.5)
    if able and not _varies(experiment.module, experiment.theta, experiment.x):
        raise Failure(
            "with dropout_p = 0.5 in train mode the logits are the same every time, though its "
            "blocks are able to drop: a seed that forward sets would do that",
            experiment.counterexample(
                f"model = GPT2({_arguments(case.size)}, dropout_p=0.5).train()",
                "print((model(x) - model(x)).abs().max())",
                expected="more than 0",
                found="0",
            ),
            "dropout-ignored",
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


def branch_shows(evidence: Evidence, size: Size, branch: str) -> bool:
    """Whether one branch of the block is felt at all where the other one is silent: not if that
    one's output takes the place of the stream.
    """
    module = evidence.models.module("TransformerBlock", size, dropout_p=0.5)
    rng = np.random.default_rng(5)
    theta = module.random(rng, 0.5)
    x = rng.normal(0.0, 1.0, (2, 3, size["embed_dim"]))
    _silence(evidence, module, size, branch, "", theta)
    changed = theta.copy()
    changed[evidence.layouts.branch_ends(module, size, "")[branch]] *= 2.0
    return not common.same(module.call(x, theta), module.call(x, changed))


def _branch_varies(evidence: Evidence, module: Module, size: Size, branch: str, path: str) -> bool:
    rng = np.random.default_rng(5)
    theta = module.random(rng, 0.5)
    x = rng.normal(0.0, 1.0, (2, 3, size["embed_dim"]))
    _silence(evidence, module, size, branch, path, theta)
    return _varies(module, theta, x, path)


def _silence(
    evidence: Evidence, module: Module, size: Size, branch: str, path: str, theta: Floats
) -> None:
    """Leave a block this branch only: the other one's weights are as good as zero."""
    other = "mlp" if branch == "attention" else "attention"
    # Next to nothing, and not zero, by which a weight may be divided.
    theta[evidence.layouts.branch_ends(module, size, path)[other]] *= 1e-150


def _varies(module: Module, theta: Floats, x: Values, path: str = "") -> bool:
    outputs = module.samples(x, theta, _SEEDS, path=path)
    return any(not common.same(outputs[0], output) for output in outputs[1:])


def _arguments(size: Size) -> str:
    return ", ".join(f"{key}={value}" for key, value in size.items())
