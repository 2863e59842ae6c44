"""Logits against those of the checkpoint, and where they differ, the reading that gives them."""

from __future__ import annotations

from contextlib import suppress

from grader.check import Counterexample, Failure
from grader.exercises.pretrained import oracle as checkpoint
from grader.exercises.pretrained.common import BEFORE, Case, equal, fresh, loaded, size_of
from grader.exercises.pretrained.forms import Form, forms
from grader.exercises.pretrained.oracle import Variables
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import show, worst
from grader.gpt2.layouts import LayoutNotFound
from grader.gpt2.layouts.box import difference
from grader.gpt2.models import Size, block_size_of
from grader.gpt2.oracle import GELUS, Floats, Integers
from grader.sandbox.client import CandidateError, Module, WorkerLost

# With these a wrong reading is told from another: no two of their axes are of one size.
_TELLING = (
    Case(size_of(9, 2, 5, 3, 4), 1),
    Case(size_of(7, 4, 3, 2, 5), 2),
)
_MANY = Case(size_of(5, 2, 3, 12, 3), 3)
_BASE = size_of(7, 2, 5, 2, 5)
_OWN_FAULT = (
    "your GPT2 has not been shown to compute GPT-2, so nothing it gives can equal a checkpoint's "
    "logits. Grade the exercise gpt2 first, or give the folder of another gpt2.py as --base"
)


def check_equal(evidence: Evidence, case: Case, many: bool = False) -> None:
    """Fail unless a model that this checkpoint was loaded into gives its logits.

    many: whether this is about many blocks, which have bugs of their own.
    """
    variables, idx = case.drawn()
    module = fresh(evidence, case.size)
    found = _logits(evidence, module, variables, idx)
    expected = closest(variables, case.size, idx, found)
    if equal(evidence, found, expected):
        return
    _expect_room(case, module, variables)
    form = _named(evidence, many)
    if form is None:
        _expect_gpt2(evidence)
    place = worst(found - expected) if found.shape == expected.shape else (0, 0, 0)
    index = ", ".join(map(str, place))
    raise Failure(
        f"for {case.size}, the logits differ from those of the checkpoint by "
        f"{difference(found, expected):.2g} of the largest"
        + (f"; they are those of another one: {form.words}" if form else ""),
        Counterexample(
            case.code(
                evidence,
                "for p in model.parameters():",
                f"    p.data.fill_({BEFORE})",
                "load_openai_weights(model, variables)",
                f"print(model(idx)[{index}].item())",
            ),
            show(round(float(expected[place]), 4)),
            show(round(float(found[place]), 4) if found.shape == expected.shape else found),
        ),
        form.slug if form else "weights-misplaced",
        proven=form is not None,
    )


def _logits(evidence: Evidence, module: Module, variables: Variables, idx: Integers) -> Floats:
    """What the model gives, after it had the same value everywhere and was loaded."""
    loaded(evidence, module, variables, BEFORE)
    return module.call(idx)


def closest(variables: Variables, size: Size, idx: Integers, found: Floats) -> Floats:
    """The logits of a checkpoint with the GELU that comes nearer."""
    both = [checkpoint.logits(variables, size["num_heads"], idx, g) for g in GELUS.values()]
    return min(both, key=lambda logits: difference(found, logits))


def _named(evidence: Evidence, many: bool) -> Form | None:
    """The wrong reading that gives just the submission's logits, if there is one."""
    known = list(forms())
    id = "pretrained.layers" if many else "pretrained.equals"
    if id not in evidence.named:
        left = [""]
        with suppress(CandidateError, Failure):
            left = _fitting(evidence, known, (*_TELLING, _MANY) if many else _TELLING)
        evidence.named[id] = left[0]
    return next((form for form in known if form.words == evidence.named[id]), None)


def _fitting(evidence: Evidence, left: list[Form], cases: tuple[Case, ...]) -> list[str]:
    """Words of the readings that give the submission's logits in all cases that come out wrong."""
    failing = 0
    for case in cases:
        variables, idx = case.drawn()
        found = _logits(evidence, fresh(evidence, case.size), variables, idx)
        if not equal(evidence, found, closest(variables, case.size, idx, found)):
            failing += 1
            left = [f for f in left if _fits(evidence, f, variables, case.size, idx, found)]
    return [form.words for form in left if failing] or [""]


def _fits(
    evidence: Evidence,
    form: Form,
    variables: Variables,
    size: Size,
    idx: Integers,
    found: Floats,
) -> bool:
    wrong = form.change(variables, size, BEFORE)
    return equal(evidence, found, closest(wrong, size, idx, found))


def _expect_room(case: Case, module: Module, variables: Variables) -> None:
    """Raise Failure if the model has not as many numbers as the checkpoint."""
    needed = sum(values.size for values in variables.values())
    if module.initial.size < needed:
        raise Failure(
            f"for {case.size} the checkpoint has {needed} numbers and your GPT2 only "
            f"{module.initial.size}: it has no place for all of them (is there a bias missing?)",
            cause="model-lacks-parameters",
        )


def _expect_gpt2(evidence: Evidence) -> None:
    """Raise Failure if the model that the weights are loaded into is no GPT-2."""
    if "pretrained.base" not in evidence.named:
        evidence.named["pretrained.base"] = "right" if _base_is_right(evidence) else "wrong"
    if evidence.named["pretrained.base"] == "wrong":
        raise Failure(_OWN_FAULT, cause="base-not-gpt2")


def _base_is_right(evidence: Evidence) -> bool:
    """Whether the candidate's GPT2 computes GPT-2 under some layout, or might."""
    try:
        layout = evidence.layouts.model(_BASE)
        block = evidence.layouts.block(block_size_of(_BASE))
    except (LayoutNotFound, CandidateError):
        return False
    except WorkerLost:
        return True  # the search took too long
    # Of parts whose weights are computed from parameters, only the wiring is known.
    known = evidence.models.computed or None not in (block.attention, block.mlp)
    return bool(layout.is_asked and block.is_asked and known)
