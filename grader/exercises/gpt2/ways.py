"""The function is the same one in every way in which people use a model.

What a class gives in eval mode, without gradients, for a fresh contiguous input, other checks prove
to be GPT-2's. Here it is used in other ways, drawn anew in each run, and must give just that.
"""

from __future__ import annotations

import numpy as np

from grader.check import Failure
from grader.exercises.gpt2 import common, learning, long, trials
from grader.exercises.gpt2.trials import DEEPCOPY
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import LARGE, REGIMES, Case, Experiment
from grader.gpt2.layouts.box import CLOSE, difference
from grader.gpt2.models import CLASSES
from grader.gpt2.specification import GPT2
from grader.sandbox.client import CandidateError
from grader.sandbox.client.module import Floats
from grader.sandbox.client.ways import Used, Way, use
from grader.sandbox.client.worker import Values

# Of the output's size, in the right ones of tests/submissions: rounding in float32 makes 2e-6, and
# in bfloat16, which has 8 bits, 2e-2.
_SINGLE, _HALF = 2e-5, 0.15
_NEW = 53  # the seed of a model that no other check asks


def check(evidence: Evidence, name: str) -> None:
    """Fail unless the class is the same in all ways, apart from what an earlier class in it is."""
    failed: set[str] = evidence.measured.setdefault("ways that fail", set())
    try:
        lesson = learning.Lesson(evidence, name)
        lesson.check_registered()
        check_ways(evidence, name)
        lesson.check()
        long.check_lengths(evidence, name)
    except Failure:
        module = evidence.models.module(name, sizes.BY_CLASS[name][0])
        told = any(module.own(earlier) for earlier in failed)
        failed.add(name)
        if not told:
            raise


def check_ways(evidence: Evidence, name: str) -> None:
    """Fail unless the class gives the same in all ways that are drawn."""
    rng = np.random.default_rng((evidence.seed, CLASSES.index(name)))
    experiment = _drawn(evidence, name, rng)
    module, theta, x = experiment.module, experiment.theta, experiment.x
    (first,) = use(module, [Way((x,), theta, "fresh")])
    if isinstance(first, CandidateError):
        raise first
    plain = first.output
    asked = [
        *trials.calls(experiment, plain, rng),
        *trials.modes(experiment, plain),
        *trials.views(experiment, plain, rng),
        *trials.copies(experiment, plain),
    ]
    trials.run(experiment, asked)
    trials.check_batches(experiment, rng)
    _check_sharing(evidence, experiment, plain)
    _check_devices(evidence, experiment)
    _check_single(evidence, experiment, rng)


def _drawn(evidence: Evidence, name: str, rng: np.random.Generator) -> Experiment:
    """A model of drawn size, weights and input."""
    size = sizes.BY_CLASS[name][0]
    regime = REGIMES[rng.integers(len(REGIMES))]
    case = Case(
        size, int(rng.integers(2, 4)), int(rng.integers(3, 6)), regime, int(rng.integers(10_000))
    )
    return evidence.experiment(name, case)


def _check_devices(evidence: Evidence, experiment: Experiment) -> None:
    """Positions are made where the tokens are. For masks, which many move, a remark is enough."""
    if "vocab_size" not in experiment.case.size:
        return
    # One that has not been called: what it keeps of a call is where the input was.
    new = evidence.models.module(experiment.module.name, experiment.case.size, seed=_NEW)
    _, device_mismatches, _ = new.trace(experiment.x)
    if any(name.endswith("embedding") for name in device_mismatches):
        raise Failure(
            "indices that are made on the CPU are looked up in an embedding: with model and tokens "
            "on a GPU that fails",
            cause="wrong-device",
        )


def _check_sharing(evidence: Evidence, experiment: Experiment, plain: Values) -> None:
    """A copy computes with weights of its own."""
    theta, x = experiment.theta, experiment.x
    beside, changed = use(experiment.module, [Way((x,), theta, of) for of in ("beside", "changed")])
    if isinstance(beside, CandidateError) or isinstance(changed, CandidateError):
        return  # which is not about weights
    if beside.remark:
        words = f"{experiment.module.name} cannot be copied with copy.deepcopy: {beside.remark}"
        evidence.advise("no-deepcopy", words)
    elif common.same(plain, changed.output, CLOSE):
        raise Failure(
            f"a copy, made by {DEEPCOPY}, goes on computing with the original's weights: other "
            "weights in the copy change nothing",
            experiment.counterexample(
                "import copy",
                f"twin = {DEEPCOPY}",
                "with torch.no_grad():",
                "    for p in twin.parameters():",
                "        p.normal_()",
                "print((twin(x) - model(x)).abs().max().item())",
                expected="more than 0",
                found="0",
            ),
            "copy-shares-weights",
        )
    elif not common.same(plain, beside.output, CLOSE):
        evidence.advise(
            "copy-shares-some-weights",
            f"A copy of {experiment.module.name}, made by {DEEPCOPY}, goes on computing with some "
            "of the original's weights: a lambda or inner function in __init__ keeps hold of the "
            "original's layers. A method in its place does not.",
        )


def _mild(evidence: Evidence, plain: Experiment) -> Floats:
    """Weights under which rounding to 8 bits changes little: with large ones attention may settle
    on another position, the more so where positions are not learned. Then 3e-2 is the most.
    """
    large = evidence.asked != GPT2 and plain.case.regime is LARGE
    return 0.5 * plain.theta if large else plain.theta


def _check_single(evidence: Evidence, plain: Experiment, rng: np.random.Generator) -> None:
    """Float32, which is what people use, and bfloat16: no position sees a later one there."""
    experiment = evidence.experiment(plain.module.name, plain.case, dtype="float32")
    if experiment.theta.size != plain.theta.size:
        return
    theta, module = plain.theta, experiment.module
    x = plain.x if plain.x.dtype == np.int64 else plain.x.astype(np.float32)
    cut = int(rng.integers(1, x.shape[1]))
    changed = x.copy()
    changed[:, cut:] = np.roll(x, 1, axis=-1)[:, cut:] if x.dtype == np.int64 else -x[:, cut:]
    mild = _mild(evidence, plain)
    whole = module.call(x, theta)
    mildly = whole if mild is theta else module.call(x, mild)
    later, short, *half = use(
        module,
        [
            Way((changed,), theta),
            Way((x[:, :cut],), theta),
            Way((x,), mild, "fresh", cast="autocast"),
            Way((x,), mild, "fresh", cast="bfloat16"),
        ],
    )
    for used, words in ((later, "when later ones change"), (short, "without the later ones")):
        if isinstance(used, CandidateError):
            raise used
        if not common.same(whole[:, :cut], used.output[:, :cut], _SINGLE):
            off = difference(used.output[:, :cut], whole[:, :cut])
            raise Failure(
                f"in float32 the outputs before position {cut} differ {words}, by {off:.2g} "
                "of their size",
                cause="mask-too-weak" if module.name == "CausalSelfAttention" else "",
            )
    for used, words in zip(half, ("under torch.autocast", "in bfloat16"), strict=True):
        if isinstance(used, Used) and not difference(used.output, mildly) <= _HALF:
            off = difference(used.output, mildly)
            raise Failure(f"{words} the output is different, by {off:.2g} of its size")
