"""What `generate` promises besides its tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from grader.check import Failure, check
from grader.exercises import contract
from grader.exercises.generation import usage
from grader.exercises.generation.common import (
    NAME,
    PROMPT_CHANGED,
    Call,
    constant_call,
    random_call,
)
from grader.gpt2.evidence import Evidence
from grader.sandbox.client import CandidateError
from grader.sandbox.client.function import Returned, Scripted, call

PART = "Contract"


def _watched(evidence: Evidence) -> Iterator[Returned]:
    for options in ({"temperature": 0}, {"temperature": 0.9, "top_k": 3, "top_p": 0.9}):
        made = random_call(0, 5, 6, (2, 3), 2, options={**options, "eos_token_id": 1})
        yield made.run(evidence, watch=True)


test_from_scratch = contract.from_scratch("generation", "write the loop", watched=_watched)


test_imports = contract.imports("generation", PART)


@check(
    "generation.signature",
    PART,
    1,
    hints=(
        "Compare the arguments with the stub's, letter by letter.",
        "Everything after max_new_tokens is given by name; all but block_size has a default.",
        "def generate(model, idx, max_new_tokens, *, block_size, temperature=1.0, top_k=None, "
        "top_p=None, eos_token_id=None, generator=None)",
    ),
)
def test_signature(evidence: Evidence) -> None:
    """There is a function generate that takes the stub's arguments by name."""
    contract.expect_there(evidence, NAME)
    made = random_call(0, 5, 6, (2, 3), 2)
    options: dict[str, Any] = {"temperature": 1.0, "top_k": None, "top_p": None}
    with contract.calls_fit(evidence, NAME):
        replace(made, options={**options, "eos_token_id": None, "generator": None}).run(evidence)
        made.run(evidence)


@check(
    "generation.prompt",
    PART,
    4,
    hints=(
        "What does the caller find in idx afterwards?",
        "Compare the first T columns of the result with the prompt, and idx with a copy of it.",
        "Append with torch.cat, which makes a new tensor, and return all of it.",
    ),
)
def test_prompt(evidence: Evidence) -> None:
    """The result begins with the prompts, and these are as they were."""
    for shape, temperature in (((2, 3), 0), ((1, 1), 1.0), ((3, 5), 0.7)):
        made = random_call(1, 5, 4, shape, 3, options={"temperature": temperature})
        found = made.run(evidence)
        columns = found.output[:, : shape[1]]
        if found.output.shape != (shape[0], shape[1] + 3) or not np.array_equal(columns, made.idx):
            lost = found.output.shape == (shape[0], 3)
            raise Failure(
                f"expected (B, T + n) = {(shape[0], shape[1] + 3)} with the prompts in front, "
                f"found shape {found.output.shape}",
                made.counterexample(
                    evidence,
                    f"{(shape[0], shape[1] + 3)} True",
                    f"{found.output.shape} {np.array_equal(columns, made.idx)}",
                    f"print(tuple(out.shape), torch.equal(out[:, :{shape[1]}], idx))",
                ),
                "prompt-lost" if lost else "",
            )
    # Of this or any other check: whatever the options, they stay.
    if changed := evidence.measured.get(PROMPT_CHANGED):
        shown = changed.changed_prompt(evidence)
        raise Failure(f"idx was changed{_in_words(changed)}", shown, "mutates-input")


@check(
    "generation.zero",
    PART,
    3,
    hints=(
        "How often does your loop run for max_new_tokens = 0?",
        "Call it with max_new_tokens=0 and print the shape.",
        "for _ in range(max_new_tokens), and nothing appended outside of it.",
    ),
)
def test_zero(evidence: Evidence) -> None:
    """With max_new_tokens = 0 the prompts come back."""
    made = random_call(2, 5, 4, (2, 6), 0)
    found = made.run(evidence).output
    if not np.array_equal(found, made.idx):
        raise Failure(
            f"expected the prompts, found shape {found.shape}",
            made.counterexample(evidence, made.idx, found),
            "token-too-many" if found.shape == (2, 7) else "",
        )


@check(
    "generation.mode",
    PART,
    3,
    hints=(
        "In which mode does the caller find the model afterwards?",
        "Print model.training before and after, for a model in train mode.",
        "Remember model.training, and set it again at the end; or leave it alone.",
    ),
)
def test_mode(evidence: Evidence) -> None:
    """The model is in train or eval mode as it was."""
    for train, way in product((True, False), _ways()):
        made = replace(way, train=train)
        found = made.run(evidence)
        if not found.train_mode_unchanged:
            mode = "train" if train else "eval"
            raise Failure(
                f"a model in {mode} mode is not in it afterwards{_in_words(made)}",
                made.counterexample(evidence, train, not train, "print(model.training)"),
                "mode-not-kept",
            )
        if not found.flags_kept:
            raise Failure(
                "the model has other parameters afterwards, or other ones of them are trained"
                f"{_in_words(made)}",
                cause="model-changed",
            )
    for train in (True, False):
        usage.check_left(evidence, train, True, "mode-not-kept")


def _ways() -> Iterator[Call]:
    """Calls that end in different ways."""
    yield random_call(4, 5, 4, (2, 2), 3)
    yield random_call(4, 5, 4, (2, 2), 0)
    yield constant_call([0.0, 9.0, 0.0], 2, 5, options={"temperature": 0})
    ends_early = {"temperature": 0, "eos_token_id": 1}
    yield constant_call([0.0, 9.0, 0.0], 2, 5, options=ends_early)
    yield constant_call([0.0, 99.0, 0.0], 2, 5, options={**ends_early, "temperature": 1.0})


def _in_words(made: Call) -> str:
    given = ", ".join(f"{name}={value}" for name, value in made.options.items())
    new = "" if made.max_new_tokens else "max_new_tokens=0"
    return f" ({given or new})" if given or new else ""


@check(
    "generation.no_grad",
    PART,
    3,
    hints=(
        "Does anybody need gradients of what is generated?",
        "Print torch.is_grad_enabled() where you call the model.",
        "@torch.no_grad() above the function, or a with-block around the loop.",
    ),
)
def test_no_grad(evidence: Evidence) -> None:
    """No gradients are recorded, and afterwards they are recorded if they were before."""
    for recording, made in product((True, False), _ways()):
        found = made.run(evidence, recording=recording)
        if found.recorded or found.gradients:
            raise Failure(
                "the model is called while gradients are recorded", cause="gradients-recorded"
            )
        if not found.recording_kept:
            off, on = "under torch.no_grad()", "where gradients are recorded"
            before = () if recording else ("torch.set_grad_enabled(False)",)
            raise Failure(
                f"called {on if recording else off}, it ends with torch.is_grad_enabled() "
                f"{not recording}{_in_words(made)}",
                made.counterexample(
                    evidence,
                    recording,
                    not recording,
                    "print(torch.is_grad_enabled())",
                    before=before,
                ),
                "recording-not-kept",
            )
    for recording in (True, False):
        usage.check_use(evidence, recording)
        usage.check_left(evidence, False, recording, "recording-not-kept")


_BAD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("temperature=-1.0", {"temperature": -1.0}),
    ("top_k=0", {"top_k": 0}),
    ("top_k=-1", {"top_k": -1}),
    ("top_p=0.0", {"top_p": 0.0}),
    ("top_p=1.5", {"top_p": 1.5}),
    ("top_k=0 at temperature 0", {"top_k": 0, "temperature": 0}),
    ("top_p=1.5 at temperature 0", {"top_p": 1.5, "temperature": 0}),
    ("temperature=-1.0, with max_new_tokens=0", {"temperature": -1.0, "max_new_tokens": 0}),
    ("top_k=0, with max_new_tokens=0", {"top_k": 0, "max_new_tokens": 0}),
    ("top_p=0.0, with max_new_tokens=0", {"top_p": 0.0, "max_new_tokens": 0}),
    ("max_new_tokens=-1", {"max_new_tokens": -1}),
    ("idx of shape (3,)", {"idx": np.zeros(3, dtype=np.int64)}),
    ("idx of shape (2, 0)", {"idx": np.zeros((2, 0), dtype=np.int64)}),
)


@check(
    "generation.errors",
    PART,
    3,
    hints=(
        "What should somebody read who calls it with top_k=0?",
        "Try each bad argument of the brief: what comes back?",
        "Check the arguments first: if top_k is not None and top_k < 1: raise ValueError(…).",
    ),
)
def test_errors(evidence: Evidence) -> None:
    """Arguments that make no sense raise ValueError."""
    made = random_call(6, 5, 4, (2, 2), 2)
    for words, bad in _BAD:
        given = {
            "model": Scripted(made.script.arrays, 0.5),
            "idx": made.idx,
            "max_new_tokens": 2,
            "block_size": 4,
            **bad,
        }
        try:
            call(evidence.subject, NAME, given)
        except CandidateError as fault:
            if fault.status == "todo":
                raise
            if fault.message.strip().endswith("raised ValueError"):
                raise Failure(
                    f"expected a ValueError with words that help for {words}; it has none",
                    cause="bad-arguments-accepted",
                ) from None
            if "raised ValueError" in fault.message and "the model takes" not in fault.message:
                continue
            raise Failure(
                f"expected a ValueError for {words}; {fault.message}",
                cause="bad-arguments-accepted",
            ) from None
        raise Failure(f"expected a ValueError for {words}", cause="bad-arguments-accepted")
