"""What is asked of each of the four classes alike."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import numpy as np

from grader.check import Counterexample, Failure
from grader.exercises.gpt2 import arguments
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import Case, Experiment, show
from grader.gpt2.layouts.box import CLOSE, difference
from grader.gpt2.models import Size
from grader.gpt2.precision import CLOSE_IN_SINGLE, SINGLE, single_words
from grader.gpt2.specification import GPT2
from grader.sandbox.client import CandidateError, Module
from grader.sandbox.client.expected import shape_cause
from grader.sandbox.client.worker import Values
from grader.submission import Taken

# What must not change at all: the measured worst of right submissions is exactly zero.
UNCHANGED = 1e-10
_SIGNATURE = 500  # characters of it that are searched: the time grows with their square


def whose(evidence: Evidence, what: str) -> str:
    """Whose attention, MLP or block it has to be: GPT-2's, or with twists the brief's."""
    return f"GPT-2's {what}" if evidence.asked == GPT2 else f"the brief's {what}"


def check_signature(evidence: Evidence, name: str) -> None:
    """The class is there, takes the brief's arguments by name and by position, and no others."""
    found = evidence.subject.found_classes()
    submission = evidence.subject.submission
    if name not in found:
        evidence.subject.explain_absence(name)
        others = ", ".join(submission.classes) or "none of the four classes"
        raise Failure(
            f"expected a class {name}, found {others}. If one of them is it, call it {name}, or "
            f"grade with --map {name}=THAT.",
            cause="wrong-signature",
        )
    if found[name].startswith("not a class"):
        raise Failure(
            f"expected {name} to be a class, found {found[name]}", cause="wrong-signature"
        )
    size = sizes.BY_CLASS[name][0]
    evidence.models.settle(name)
    for item in submission.taken:
        if item.name == name and not item.as_asked:
            _fail_as_taken(evidence, item, size, found[name])
    try:
        by_name = evidence.subject.build(name, kwargs={**size, "dropout_p": 0.0})
        default = evidence.subject.build(name, kwargs=size)
        by_position = evidence.subject.build(name, args=[*size.values(), 0.0])
    except CandidateError as fault:
        mistaken = fault.message.startswith("TypeError") or _built_by_name(evidence, name, size)
        if fault.status != "error" or not mistaken:
            raise
        raise Failure(
            f"{name} must be built with ({_arguments(size)}, dropout_p), by name and by position, "
            f"dropout_p being optional; it has {found[name]}: {fault.message}",
            cause="wrong-signature",
        ) from None
    shapes = [[(p.name, p.shape) for p in m.parameters] for m in (by_name, default, by_position)]
    if shapes[0] != shapes[2]:
        raise Failure(
            f"{name} must take ({_arguments(size)}, dropout_p) in this order; built by position "
            f"its parameters have different shapes than built by name. It has {found[name]}",
            cause="wrong-signature",
        )
    pair = arguments.out_of_order(found[name][:_SIGNATURE], name)
    if pair:
        raise Failure(
            f"{name} must take ({_arguments(size)}, dropout_p) in this order; it takes {pair[0]} "
            f"and {pair[1]} in each other's place. It has {found[name]}",
            cause="wrong-signature",
        )
    x = _example(size)
    noisy = [default.outputs([x], train=True, seed=seed, any_values=True)[0] for seed in (1, 2)]
    claims_none = re.search(r"dropout_p[^,)]*=\s*0*\.?0*\s*[,)]", found[name][:_SIGNATURE])
    if found[name] and not claims_none and not np.array_equal(noisy[0], noisy[1], equal_nan=True):
        raise Failure(
            f"dropout_p must be 0.0 when it is not given; {name} has {found[name]}",
            cause="wrong-signature",
        )


def expect_written(evidence: Evidence, name: str) -> None:
    """Raise CandidateError for a class that is still a stub, or does not parse."""
    try:
        evidence.models.module(name, sizes.BY_CLASS[name][0])
    except CandidateError as fault:
        if fault.status in ("todo", "not-run"):
            raise


def _fail_as_taken(evidence: Evidence, item: Taken, size: Size, signature: str) -> NoReturn:
    """For a class of another name, or with other arguments: if it is built, no more is lost."""
    told = f"expected {item.name}({_arguments(size)}, dropout_p), found {item.own}{signature}"
    try:
        evidence.subject.build(item.name, kwargs=size)
    except CandidateError as fault:
        if fault.status != "error":
            raise
        message = f"{told}: {item.words}, and cannot be built with these: {fault.message}"
        raise Failure(message, cause="wrong-signature") from None
    raise Failure(
        f"{told}: {item.words}. That alone costs no other points.",
        cause="wrong-signature",
        proven=True,
    )


def _built_by_name(evidence: Evidence, name: str, size: Size) -> bool:
    """Whether the arguments do, as long as they are named."""
    try:
        evidence.subject.build(name, kwargs=size)
    except CandidateError:
        return False
    return True


def _arguments(size: Size) -> str:
    return ", ".join(size)


def _example(size: Size) -> Any:
    rng = np.random.default_rng(0)
    if "vocab_size" in size:
        return rng.integers(0, size["vocab_size"], (2, 3))
    return rng.normal(0.0, 1.0, (2, 3, size["embed_dim"]))


def check_shape(evidence: Evidence, name: str, case: Case) -> None:
    """Shape and dtype of the output, in float32 and in float64, for any B and T."""
    plain = evidence.experiment(name, case)
    _check_way(evidence, plain, {})
    _check_way(evidence, plain, {"dtype": "float32"})
    if not plain.module.told_single and f"{name} converted" not in evidence.measured:
        evidence.measured[f"{name} converted"] = None  # once says as much as ten times
        _note_conversion(evidence, plain)


def _note_conversion(evidence: Evidence, plain: Experiment) -> None:
    """Remark on a model that does not work after `.double()`: the brief does not ask for that."""
    try:
        _check_way(evidence, plain, {"convert": True, "dtype": "float64"})
    except (CandidateError, Failure) as fault:
        what = f"{plain.module.name} does not work after .double()"
        evidence.advise("float32-only", single_words(what, fault.message))


def _check_way(evidence: Evidence, plain: Experiment, way: dict[str, Any]) -> None:
    """Fail unless a model of this dtype gives a proper output, and that of the `plain` one."""
    experiment = evidence.experiment(plain.module.name, plain.case, **way)
    module, x = experiment.module, experiment.x
    if x.dtype != np.int64:
        x = x.astype(module.dtype)
    # The weights it was born with in the first place, and then the same for all.
    alike = module.initial.size == plain.module.initial.size
    comparable = module.dtype != plain.module.dtype and alike
    case = plain.case
    expected = (*case_shape(case), case.size.get("vocab_size", case.size["embed_dim"]))
    words = f"shape {expected} and dtype {module.dtype}"
    try:
        theta = plain.theta if comparable else None
        (output,) = module.outputs([x], theta, any_shape=True)
    except CandidateError as fault:
        if fault.status == "fail":
            message = f"expected output of {words}: {fault.message}"
            raise Failure(message, cause=fault.cause) from None
        if fault.status == "error" and way and "dtype" in fault.message.lower():
            raise Failure(
                f"with a {module.dtype} model the forward fails: {fault.message}",
                cause="wrong-dtype",
            ) from None
        raise
    if output.shape != expected or output.dtype != module.dtype:
        raise Failure(
            f"expected output of {words}, found shape {output.shape} and dtype {output.dtype}",
            _shape_counterexample(experiment, expected, output, way),
            _shape_cause(experiment, expected, output),
        )
    if comparable:
        _compare_dtypes(plain, module, x, output)


def _compare_dtypes(plain: Experiment, other: Module, x: Any, found: Values) -> None:
    """The same weights give the same numbers, however the model came to its dtype."""
    wanted = plain.module.call(plain.x, plain.theta)
    error = difference(found, wanted)
    if not error <= SINGLE:
        plain.module.lend("", other)
        error = difference(other.call(x), wanted)
    if not error <= SINGLE:
        if not same(wanted, plain.module.call(plain.x, seed=1)):
            return  # chance, which others find
        raise Failure(
            f"with the same weights and input, a {other.dtype} model gives a different output than "
            f"a float64 one, by {error:.2g} of its size",
            plain.counterexample(
                f"y = model.to(torch.{other.dtype})(x.to(torch.{x.dtype}))",
                "print(y)",
                expected=wanted,
                found=found,
            ),
        )


def _shape_cause(experiment: Experiment, expected: tuple[int, ...], output: Any) -> str:
    """The slug that an output of another shape or dtype points to."""
    if output.shape == expected:
        return "wrong-dtype"
    if output.shape[:-1] == expected[:-1]:
        size = experiment.case.size
        return "head-missing" if output.shape[-1] == size["embed_dim"] else "head-wrong-size"
    return shape_cause(output.shape, experiment.x)


def case_shape(case: Case) -> tuple[int, int]:
    """(B, T) of a case."""
    return case.batch, case.time


def _shape_counterexample(
    experiment: Experiment, expected: tuple[int, ...], output: Any, way: dict[str, Any]
) -> Counterexample:
    dtype = way.get("dtype", "float64")
    cast = "x" if experiment.x.dtype == np.int64 else f"x.to(torch.{dtype})"
    return experiment.counterexample(
        f"y = model.to(torch.{dtype})({cast})",
        "print(tuple(y.shape), y.dtype)",
        expected=f"{expected} torch.{dtype}",
        found=f"{output.shape} torch.{output.dtype}",
    )


def check_deterministic(evidence: Evidence, name: str, case: Case) -> None:
    """In eval mode the output depends on weights and input alone, and the input stays as it is."""
    experiment = evidence.experiment(name, case, dropout_p=0.5)
    x, module = experiment.x, experiment.module
    other = np.roll(x, 1, axis=-1)[:, : max(1, case.time - 1)]
    first, _, again, *after = module.outputs(
        [x, other, x], experiment.theta, seed=1, inputs_back=True
    )
    if not np.array_equal(after[0], x):
        raise Failure(
            "the forward changed its input",
            experiment.counterexample(
                "before = x.clone()",
                "model(x)",
                "print(x - before)",
                expected="zeros",
                found=show(after[0] - x),
            ),
            "mutates-input",
        )
    (reseeded,) = module.outputs([x], seed=2)
    for second, what in ((again, "after a call with another input"), (reseeded, "once more")):
        if not same(first, second):
            raise Failure(
                f"in eval mode the same input gave a different output when asked {what}",
                experiment.counterexample(
                    "print((model(x) - model(x)).abs().max())",
                    expected="0",
                    found=show(
                        np.abs(np.asarray(first) - second).max()
                        if first.shape == second.shape
                        else "another shape"
                    ),
                ),
                _why_another(evidence, name, case),
            )


def _why_another(evidence: Evidence, name: str, case: Case) -> str:
    """The slug for another output in eval mode: chance in dropout, other chance, or memory."""
    for dropout_p, cause in ((0.0, "randomness-in-eval"), (0.5, "dropout-always-on")):
        experiment = evidence.experiment(name, case, dropout_p=dropout_p)
        module, theta, x = experiment.module, experiment.theta, experiment.x
        first, again = (module.outputs([x], theta, seed=1)[0] for _ in range(2))
        other = module.outputs([x], theta, seed=2)[0]
        if same(first, again) and not same(first, other):
            return cause
    return "state-kept-between-calls"


def check_batch(evidence: Evidence, name: str, case: Case) -> None:
    """Every row of a batch gives what it gives alone."""
    experiment = evidence.experiment(name, case)
    x = experiment.x
    together, *alone = experiment.module.outputs(
        [x, *(x[b : b + 1] for b in range(case.batch))], experiment.theta
    )
    for b, output in enumerate(alone):
        if not same(together[b : b + 1], output, CLOSE):
            raise Failure(
                f"sequence {b} of the batch gives a different output than it gives alone",
                experiment.counterexample(
                    f"print(model(x)[{b}] - model(x[{b}:{b + 1}])[0])",
                    expected="zeros",
                    found=together[b] - output[0]
                    if together[b].shape == output[0].shape
                    else "another shape",
                ),
                "batch-mixing",
            )


def same(first: Any, second: Any, tolerance: float = UNCHANGED) -> bool:
    """Equal in shape and, relative to the largest value, in values. NaN equals nothing."""
    if first.shape != second.shape:
        return False
    scale = max(1.0, float(np.abs(first).max(initial=0.0)))
    return bool((np.abs(first - second) <= tolerance * scale).all())


def equality(
    experiment: Experiment, expected: Any, what: str, evidence: Evidence | None = None
) -> None:
    """Fail unless the model's output is what the float64 oracle computes.

    evidence: where a class that takes float64 for float32 is to give the same in real float32.
    """
    found = experiment.module.call(experiment.x, experiment.theta)
    error = difference(found, expected)
    if not error <= CLOSE:
        raise Failure(
            f"the output differs from {what} with the same weights by {error:.2g} of its size",
            experiment.counterexample("print(model(x))", expected=expected, found=found),
        )
    if evidence is not None and experiment.module.told_single:
        _expect_in_single(evidence, experiment, expected, what)


def _expect_in_single(evidence: Evidence, experiment: Experiment, expected: Any, what: str) -> None:
    case, name = experiment.case, experiment.module.name
    single = evidence.models.module(name, case.size, dtype="float32")
    if single.initial.size != experiment.theta.size:
        return  # of weights that are computed, which check_shape compares
    x = experiment.x if experiment.x.dtype == np.int64 else experiment.x.astype(np.float32)
    found = single.call(x, experiment.theta)
    error = difference(found, expected)
    if not error <= CLOSE_IN_SINGLE:
        raise Failure(
            f"in float32 the output differs from {what} with the same weights by {error:.2g} of "
            "its size",
            experiment.counterexample("print(model(x))", expected=expected, found=found),
        )
