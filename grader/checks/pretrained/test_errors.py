"""Variables that do not fit are errors, and errors change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from grader.checks.api import Counterexample, Failure, check
from grader.checks.evidence import Evidence
from grader.checks.pretrained.common import MODEL, NAME, Case, arrived, fresh, size_of
from grader.oracle.checkpoint import Variables, shapes
from grader.remote import CandidateError, Module
from grader.remote.module import Floats
from grader.remote.pretrained import load

PART = "Errors"
CASE = Case(size_of(7, 2, 3, 2, 4), 30)


@dataclass(frozen=True)
class Bad:
    """Variables that do not fit. words: what is wrong; line: code that makes them of right ones;
    named: those of which one has to stand in the message.
    """

    words: str
    line: str
    variables: Variables
    named: tuple[str, ...]


_STRANGERS = ["model/h0/ln_3/g", "model/h1/attn/bias", "model/wte/Adam", "global_step", "h0/ln_1/g"]


def _missing() -> Iterator[Bad]:
    right, _ = CASE.drawn()
    for name in right:
        rest = {other: values for other, values in right.items() if other != name}
        yield Bad(f"without {name}", f"del variables[{name!r}]", rest, (name,))
    gone = tuple(name for name in right if name.startswith("model/h1/"))
    yield Bad(
        "with one block for a model of two",
        "variables = {n: v for n, v in variables.items() if not n.startswith('model/h1/')}",
        {name: values for name, values in right.items() if name not in gone},
        gone,
    )
    yield Bad("with no variable at all", "variables = {}", {}, tuple(right))


def _surplus() -> Iterator[Bad]:
    right, _ = CASE.drawn()
    for name in _STRANGERS:
        more: Variables = {**right, name: np.ones(6, dtype=np.float32)}
        yield Bad(f"with {name}", f"variables[{name!r}] = torch.ones(6)", more, (name,))
    third = {
        name.replace("/h1/", "/h2/"): values
        for name, values in right.items()
        if name.startswith("model/h1/")
    }
    renamed = {name.replace("h1/ln_2/g", "h1/ln_2/gamma"): v for name, v in right.items()}
    yield Bad(
        "with model/h1/ln_2/gamma in place of model/h1/ln_2/g",
        "variables['model/h1/ln_2/gamma'] = variables.pop('model/h1/ln_2/g')",
        renamed,
        ("model/h1/ln_2/g",),
    )
    # Also in front: what is met first must not decide.
    for variables in ({**right, **third}, {**third, **right}):
        yield Bad(
            "with three blocks for a model of two",
            "variables |= {n.replace('/h1/', '/h2/'): v for n, v in variables.items() "
            "if '/h1/' in n}",
            variables,
            tuple(third),
        )


def _misshapen() -> Iterator[Bad]:
    right, _ = CASE.drawn()
    rng = np.random.default_rng(0)
    for name, shape in shapes(CASE.size).items():
        for wrong in _other_shapes(shape):
            values = rng.normal(0.0, 0.5, wrong).astype(np.float32)
            yield Bad(
                f"with {name} of shape {list(wrong)} instead of {list(shape)}",
                f"variables[{name!r}] = torch.zeros({wrong})",
                {**right, name: values},
                (name,),
            )


def _other_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    if len(shape) == 1:
        return [(1,), (shape[0] + 1,), (1, *shape)]
    if len(shape) == 2:
        return [(shape[0] + 1, shape[1]), (shape[0] - 1, shape[1]), (1, shape[1]), shape[::-1]]
    _, rows, columns = shape
    turned = [(1, columns, rows)] if rows != columns else []
    return [*turned, (rows, columns), (1, 1, columns), (2, rows, columns)]


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
    for bad in kinds:
        message = _refusal(evidence, module, bad)
        if message is None:
            raise Failure(
                f"expected a ValueError for variables {bad.words}, found none",
                _counterexample(evidence, bad, "ValueError", "no error"),
                cause,
            )
        if not any(name in message for name in bad.named):
            one = bad.named[0] if len(bad.named) == 1 else f"such as {bad.named[0]}"
            raise Failure(
                f"for variables {bad.words} the message has to have the variable's full name, "
                f"{one}; found {message!r}",
                _counterexample(evidence, bad, one, message),
                "variable-not-named",
            )


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
    _check_refused(evidence, _missing(), "missing-accepted")


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
    _check_refused(evidence, _surplus(), "surplus-accepted")


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
    _check_refused(evidence, _misshapen(), "wrong-shape-accepted")


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
    """After an error the model has all the weights that it had."""
    arrived(evidence, fresh(evidence, CASE.size), CASE.drawn()[0])
    module = fresh(evidence, CASE.size)
    # Wherever a submission begins, for some of these it has written before it sees them.
    misshapen = {bad.named: bad for bad in _misshapen()}
    bads = [*_missing(), *_surplus(), *misshapen.values()]
    refused = 0
    for bad in bads:
        try:
            answered = load(evidence.subject, NAME, module, bad.variables).refused
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
