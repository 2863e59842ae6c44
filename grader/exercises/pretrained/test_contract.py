"""What `load_openai_weights` promises besides the logits."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from grader.check import Counterexample, Failure, check
from grader.exercises import contract
from grader.exercises.pretrained.client import spoil
from grader.exercises.pretrained.common import (
    BEFORE,
    CLOSE_IN,
    MODEL,
    NAME,
    Case,
    arrived,
    expect_logits,
    fresh,
    loaded,
    size_of,
)
from grader.exercises.pretrained.common import dtype as usual_dtype
from grader.exercises.pretrained.oracle import Variables
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import show
from grader.gpt2.layouts.box import difference
from grader.gpt2.oracle import Integers
from grader.sandbox.client import CandidateError
from grader.sandbox.client.exchange import RemoteRef
from grader.sandbox.client.function import call

PART = "Contract"
CASE = Case(size_of(7, 2, 3, 2, 4), 20)


test_from_scratch = contract.from_scratch("pretrained", "place every variable yourself")


test_imports = contract.imports("pretrained", PART)


@check(
    "pretrained.signature",
    PART,
    1,
    hints=(
        "Compare the arguments with the stub's, letter by letter.",
        "There are two, and both can be given by name.",
        "def load_openai_weights(model, variables)",
    ),
)
def test_signature(evidence: Evidence) -> None:
    """There is a function load_openai_weights that takes the stub's arguments by name."""
    contract.expect_there(evidence, NAME)
    module = fresh(evidence, CASE.size)
    variables, _ = CASE.drawn()
    with contract.calls_fit(evidence, NAME):
        call(evidence.subject, NAME, {"model": module.itself, "variables": variables})


@check(
    "pretrained.memory",
    PART,
    8,
    hints=(
        "What happens to your model when somebody changes the variables afterwards?",
        "Fill all variables with zeros after loading: do the logits change?",
        "Copy: parameter.copy_(value) under torch.no_grad(), or value.clone() where you keep it. "
        ".T, view, [0] and .to(…) of the same dtype copy nothing.",
    ),
)
def test_memory(evidence: Evidence) -> None:
    """Whoever changes the variables, or another model, afterwards does not change the model."""
    for dtype in ("float32", usual_dtype(evidence)):
        variables, idx = CASE.drawn()
        module = fresh(evidence, CASE.size, dtype=dtype)
        loading = arrived(evidence, module, variables)
        before = module.call(idx)
        # Something may be kept by the very same variables, or by any that are equal.
        with suppress(Failure, CandidateError):  # if they were changed, another check says so
            _train_another(evidence, dtype, loading.variables, idx)
        _train_another(evidence, dtype, variables, idx)
        after_another = module.call(idx)
        spoil(evidence.subject, NAME, loading)
        lines = ["for value in variables.values():", "    value.zero_()"]
        when = "once the variables are set to zero"
        expect_logits(evidence, CASE, module.call(idx), after_another, when, *lines)
        lines = [
            "other = copy.deepcopy(model)",
            "load_openai_weights(model, variables)",
            "load_openai_weights(other, variables)",
            "for p in other.parameters():",
            "    p.data.normal_()",
        ]
        when = "once the weights of another model that was given the same variables are changed"
        expect_logits(evidence, CASE, after_another, before, when, "import copy", *lines)


def _train_another(
    evidence: Evidence, dtype: str, variables: Variables | RemoteRef, idx: Integers
) -> None:
    """Give these variables to another model, whose weights then change."""
    other = fresh(evidence, CASE.size, dtype=dtype)
    loaded(evidence, other, variables)
    trained = evidence.subject.adopt(other.itself, MODEL, dtype)
    trained.call(idx, trained.random(np.random.default_rng(0), 1.0))


@check(
    "pretrained.unchanged",
    PART,
    4,
    hints=(
        "What does the caller find in variables afterwards?",
        "Compare names, shapes and values with copies made before.",
        "No pop, no del, no in-place method (names that end in _) on what you are given.",
    ),
)
def test_unchanged(evidence: Evidence) -> None:
    """The variables are as they were."""
    variables, _ = CASE.drawn()
    loading = arrived(evidence, fresh(evidence, CASE.size, dtype="float32"), variables)
    spoiled = spoil(evidence.subject, NAME, loading)
    after = spoiled.values
    for name, values in variables.items():
        if name not in after:
            raise Failure(f"{name} is no longer in variables", cause="variables-changed")
        found = after[name]
        if found.shape != values.shape:
            raise Failure(
                f"{name} had shape {values.shape} and now has {found.shape}",
                cause="variables-changed",
            )
        if found.dtype != values.dtype or not np.array_equal(found, values):
            raise Failure(f"{name} has other values now", cause="variables-changed")
    surplus = next(iter(set(after) - set(variables)), None)
    if surplus is not None:
        raise Failure(f"variables now has {surplus}, too", cause="variables-changed")
    if spoiled.recording:
        raise Failure(
            f"gradients are recorded for {spoiled.recording[0]} now: its requires_grad was changed",
            cause="variables-changed",
        )


@check(
    "pretrained.dtype",
    PART,
    4,
    hints=(
        "Of which dtype is your model afterwards, and of which are the variables?",
        "Load into GPT2(…).double() and print the dtypes of all parameters.",
        "parameter.copy_(value) converts to the parameter's dtype; assigning to .data does not.",
    ),
)
def test_dtype(evidence: Evidence) -> None:
    """A float32 model stays float32, and one that was converted to float64 stays float64."""
    variables, idx = CASE.drawn()
    usual = fresh(evidence, CASE.size)
    loaded(evidence, usual, variables, BEFORE)
    wanted = usual.call(idx)  # right or wrong, see the part Weights
    for dtype, tolerance in CLOSE_IN.items():
        module = fresh(evidence, CASE.size, dtype=dtype, convert=True)
        loading = loaded(evidence, module, variables, BEFORE)
        if not loading.dtypes_kept:
            raise Failure(
                f"parameters of a {dtype} model are of another dtype after loading",
                cause="dtype-not-kept",
            )
        found = module.call(idx)
        if difference(found, wanted) >= tolerance:
            raise Failure(
                f"a model that was converted to {dtype} gives different logits than one that was "
                f"built as {usual_dtype(evidence)}",
                Counterexample(
                    CASE.code(
                        evidence,
                        "torch.set_default_dtype(torch.float32)",
                        f"model = model.to(torch.{dtype})",
                        "load_openai_weights(model, variables)",
                        "print(model(idx)[0, 0])",
                    ),
                    show(wanted[0, 0]),
                    show(found[0, 0]),
                ),
            )


@check(
    "pretrained.trains",
    PART,
    4,
    hints=(
        "Can the model be fine-tuned after loading?",
        "Print requires_grad of all parameters, model.training and torch.is_grad_enabled() before "
        "and after.",
        "Write under a with-block of torch.no_grad(), and leave requires_grad and the mode alone.",
    ),
)
def test_trains(evidence: Evidence) -> None:
    """The model can be trained on: parameters, mode and torch record and act as before."""
    variables, idx = CASE.drawn()
    for train in (True, False):
        module = fresh(evidence, CASE.size)
        module.call(idx, train=train)
        loading = arrived(evidence, module, variables)
        if not loading.train_mode_unchanged:
            mode = "train" if train else "eval"
            raise Failure(f"a model in {mode} mode is not in it afterwards", cause="mode-not-kept")
        if not loading.recording:
            raise Failure("torch no longer records gradients", cause="gradients-switched-off")
        if not loading.ties_kept:
            raise Failure(
                "what was one parameter in two places of the model, such as a head tied to the "
                "token embedding, is two afterwards",
                _tied(evidence),
                "weights-untied",
            )
    frozen = fresh(evidence, CASE.size)
    call(evidence.subject, "requires_grad_", {}, args=[False], on=frozen.itself)
    arrived(evidence, frozen, variables)
    for parameter in evidence.subject.adopt(frozen.itself, MODEL, usual_dtype(evidence)).parameters:
        if parameter.trainable:
            raise Failure(
                f"{parameter.name} was frozen, and is trained afterwards",
                cause="frozen-weights-thawed",
            )
    after = evidence.subject.adopt(module.itself, MODEL, usual_dtype(evidence))
    trained = {p.name: p.trainable for p in module.parameters}
    for parameter in after.parameters:
        if not parameter.trainable and trained.get(parameter.name, True):
            raise Failure(f"{parameter.name} is no longer trained", cause="gradients-switched-off")
    weights = np.random.default_rng(0).normal(0.0, 1.0, after.call(idx).shape)
    _, gradients = after.gradient(idx, after.initial, weights)
    for parameter, gradient in zip(after.parameters, gradients, strict=False):
        if parameter.trainable and gradient is None:
            raise Failure(f"no gradient reaches {parameter.name}", cause="gradients-switched-off")


def _tied(evidence: Evidence) -> Counterexample:
    count = "print(len(list(model.parameters())))"
    code = CASE.code(evidence, count, "load_openai_weights(model, variables)", count)
    return Counterexample(code, "the same number twice", "more the second time")
