"""Variables that do not fit are errors, and errors change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from grader.check import Counterexample, Failure, check
from grader.exercises.pretrained.client import Loading, load
from grader.exercises.pretrained.common import MODEL, NAME, arrived, fresh
from grader.exercises.pretrained.unfit import CASE, Bad, misshapen, missing, surplus
from grader.gpt2.evidence import Evidence
from grader.sandbox.client import CandidateError, Module
from grader.sandbox.client.function import call
from grader.sandbox.client.module import Floats

PART = "Errors"


def _refusal(evidence: Evidence, module: Module, bad: Bad) -> str | None:
    """The message with which variables are refused."""
    try:
        return load(evidence.subject, NAME, module, bad.variables).refused
    except CandidateError as fault:
        if fault.status != "error":
            raise
        raise Failure(
            f"expected a ValueError for variables {bad.words}; {fault.message}",
            _counterexample(evidence, bad, "ValueError", fault.message),
            "wrong-kind-of-error",
        ) from None


def _check_refused(evidence: Evidence, kinds: Iterator[Bad], cause: str) -> None:
    module = fresh(evidence, CASE.size)
    crash: Failure | None = None
    for n, bad in enumerate(kinds):
        try:
            message = _refusal(evidence, module, bad)
        except Failure as failure:
            if n == 0:
                raise
            # Some are refused as they should be. If others are accepted, this is worth more.
            crash = crash or failure
            continue
        if message is None:
            raise Failure(
                f"expected a ValueError for variables {bad.words}, found none",
                _counterexample(evidence, bad, "ValueError", "no error"),
                cause,
            )
        if crash is None and not any(name in message for name in bad.named):
            one = bad.named[0] if len(bad.named) == 1 else f"such as {bad.named[0]}"
            raise Failure(
                f"for variables {bad.words} the message has to have the variable's full name, "
                f"{one}; found {message!r}",
                _counterexample(evidence, bad, one, message),
                "variable-not-named",
            )
    if crash is not None:
        raise crash


def _counterexample(evidence: Evidence, bad: Bad, expected: str, found: str) -> Counterexample:
    lines = (
        bad.line,
        "try:",
        "    load_openai_weights(model, variables)",
        "    print('no error')",
        "except Exception as error:",
        "    print(f'{type(error).__name__}: {error}')",
    )
    return Counterexample(CASE.code(evidence, *lines), expected, found)


@check(
    "pretrained.missing",
    PART,
    7,
    hints=(
        "What if a variable is not there?",
        "Delete one variable after the other and see what comes.",
        "Make the list of all names that your model needs, and raise ValueError(name) for the "
        "first that is not in variables.",
    ),
)
def test_missing(evidence: Evidence) -> None:
    """A missing variable is a ValueError that has its name."""
    _check_refused(evidence, missing(), "missing-accepted")


@check(
    "pretrained.surplus",
    PART,
    7,
    hints=(
        "What if the checkpoint has more blocks than the model?",
        "Add a variable with a name of your own: does anybody notice?",
        "Raise ValueError(name) for the first name in variables that your model has no place for.",
    ),
)
def test_surplus(evidence: Evidence) -> None:
    """A surplus variable is a ValueError that has its name."""
    _check_refused(evidence, surplus(), "surplus-accepted")


@check(
    "pretrained.shapes",
    PART,
    8,
    hints=(
        "Which shapes does copy_ take besides the parameter's own?",
        "Give a variable of shape [1] for one of shape [C], and [n_in, n_out] for "
        "[1, n_in, n_out].",
        "Compare tuple(variable.shape) with the table's before anything is squeezed, transposed or "
        "copied.",
    ),
)
def test_shapes(evidence: Evidence) -> None:
    """A variable of another shape than the table's is a ValueError that has its name."""
    _check_refused(evidence, misshapen(), "wrong-shape-accepted")


@check(
    "pretrained.untouched",
    PART,
    6,
    hints=(
        "What has been written by the time you see the error?",
        "Print the sum of every parameter before and after a refused checkpoint.",
        "Two loops: the first looks at all variables, the second writes.",
    ),
)
def test_untouched(evidence: Evidence) -> None:
    """After an error the model is as it was, and torch goes on recording gradients."""
    variables, idx = CASE.drawn()
    arrived(evidence, fresh(evidence, CASE.size), variables)
    module = fresh(evidence, CASE.size)
    module.call(idx, train=True)
    # Wherever a submission begins, for some of these it has written before it sees them.
    shapes = {bad.named: bad for bad in misshapen()}
    bads = [*missing(), *surplus(), *shapes.values()]
    refused = 0
    for bad in bads:
        try:
            loading = load(evidence.subject, NAME, module, bad.variables)
            answered = loading.refused
            if answered is not None:
                _expect_settings(evidence, loading, bad)
        except CandidateError as fault:
            if fault.status != "error":
                raise
            answered = fault.message
        if answered is None:
            module = fresh(evidence, CASE.size)
            continue
        refused += 1
        name = _touched(evidence, module)
        if name:
            raise Failure(
                f"after an error ({answered}) for variables {bad.words}, the model's {name} is not "
                "as it was",
                _touching(evidence, bad, name),
                "partial-load",
            )
    if not refused:
        raise Failure("no variables were refused, whatever was wrong", cause="missing-accepted")
    _expect_frozen(evidence, bads)


def _expect_frozen(evidence: Evidence, bads: Sequence[Bad]) -> None:
    """Fail unless what was frozen is so after an error, too."""
    module = fresh(evidence, CASE.size)
    call(evidence.subject, "requires_grad_", {}, args=[False], on=module.itself)
    for bad in (bads[0], bads[-1]):
        try:
            refused = load(evidence.subject, NAME, module, bad.variables).refused
        except CandidateError as fault:
            if fault.status != "error":
                raise
            refused = fault.message
        after = evidence.subject.adopt(module.itself, MODEL, module.dtype.name)
        thawed = [parameter.name for parameter in after.parameters if parameter.trainable]
        if refused is not None and thawed:
            raise Failure(
                f"{thawed[0]} was frozen, and is trained after an error ({refused})",
                cause="frozen-weights-thawed",
            )


def _expect_settings(evidence: Evidence, loading: Loading, bad: Bad) -> None:
    """Fail unless the model's mode, and whether torch records gradients, are as they were."""
    for kept, told, expression, cause in (
        (
            loading.recording,
            "torch no longer records gradients",
            "torch.is_grad_enabled()",
            "gradients-switched-off",
        ),
        (
            loading.train_mode_unchanged,
            "a model in train mode is not in it",
            "all(module.training for module in model.modules())",
            "mode-not-kept",
        ),
        (
            loading.ties_kept,
            "what was one parameter in two places of the model is two",
            "len(list(model.parameters())) == number",
            "weights-untied",
        ),
    ):
        if not kept:
            lines = (
                "model.train()",
                "number = len(list(model.parameters()))",
                bad.line,
                "try:",
                "    load_openai_weights(model, variables)",
                "except ValueError:",
                f"    print({expression})",
            )
            raise Failure(
                f"after an error ({loading.refused}) for variables {bad.words}, {told}",
                Counterexample(CASE.code(evidence, *lines), "True", "False"),
                cause,
            )


def _touched(evidence: Evidence, module: Module) -> str:
    """The name of a parameter that is not as it was when the model was built."""
    after = evidence.subject.adopt(module.itself, MODEL, module.dtype.name)
    values = {p.name: (p.trainable, after.initial[p.indices]) for p in after.parameters}
    for parameter in module.parameters:
        was: Floats = module.initial[parameter.indices]
        trainable, now = values.get(parameter.name, (None, was))
        if trainable is not parameter.trainable or not np.array_equal(was, now):
            return parameter.name
    return ""


def _touching(evidence: Evidence, bad: Bad, name: str) -> Counterexample:
    lines = (
        bad.line,
        f"before = dict(model.named_parameters())[{name!r}].clone()",
        "try:",
        "    load_openai_weights(model, variables)",
        "except Exception as error:",
        "    print('refused')",
        f"print(torch.equal(before, dict(model.named_parameters())[{name!r}]))",
    )
    return Counterexample(CASE.code(evidence, *lines), "True", "False")
