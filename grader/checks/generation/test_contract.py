"""What `generate` promises besides its tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from grader.checks.api import Failure, check
from grader.checks.evidence import Evidence
from grader.checks.generation.common import NAME, Call, constant_call, random_call
from grader.checks.policy import advise_on_devices, check_policy
from grader.remote import CandidateError
from grader.remote.function import Generator, Returned, Scripted, call

PART = "Contract"


@check(
    "generation.from_scratch",
    "Submission",
    0,
    hints=(
        "The exercise is to write the loop.",
        "Look at your imports.",
        "torch and the standard library only.",
    ),
)
def test_from_scratch(evidence: Evidence) -> None:
    """Only torch and the standard library are used."""
    check_policy(evidence)
    advise_on_devices(evidence, partial(_watched, evidence))


def _watched(evidence: Evidence) -> Iterator[Returned]:
    for options in ({"temperature": 0}, {"temperature": 0.9, "top_k": 3, "top_p": 0.9}):
        made = random_call(0, 5, 6, (2, 3), 2, options={**options, "eos_token_id": 1})
        yield made.run(evidence, watch=True)


@check(
    "generation.signature",
    PART,
    2,
    hints=(
        "Compare the arguments with the stub's, letter by letter.",
        "Everything after max_new_tokens is given by name; all but block_size has a default.",
        "def generate(model, idx, max_new_tokens, *, block_size, temperature=1.0, top_k=None, "
        "top_p=None, eos_token_id=None, generator=None)",
    ),
)
def test_signature(evidence: Evidence) -> None:
    """There is a function generate that takes the stub's arguments by name."""
    found = evidence.subject.found_classes()
    if NAME not in found:
        raise Failure(f"expected a function {NAME}, found none", cause="wrong-signature")
    if found[NAME].startswith("not a function"):
        raise Failure(f"expected {NAME} to be a function, found {found[NAME]}")
    made = random_call(0, 5, 6, (2, 3), 2)
    options: dict[str, Any] = {"temperature": 1.0, "top_k": None, "top_p": None}
    try:
        replace(made, options={**options, "eos_token_id": None, "generator": None}).run(evidence)
        made.run(evidence)
    except CandidateError as fault:
        if fault.message.startswith("it raised TypeError") and not fault.traceback:
            message = f"{NAME} has {found[NAME]}: {fault.message}"
            raise Failure(message, cause="wrong-signature") from None
        raise


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
        if not np.array_equal(found.after["idx"], made.idx):
            raise Failure("idx was changed", cause="mutates-input")
        columns = found.output[:, : shape[1]]
        if found.output.shape != (shape[0], shape[1] + 3) or not np.array_equal(columns, made.idx):
            lost = found.output.shape == (shape[0], 3)
            raise Failure(
                f"expected (B, T + n) = {(shape[0], shape[1] + 3)} with the prompts in front, "
                f"found shape {found.output.shape}",
                made.counterexample(evidence, made.idx, found.output),
                "prompt-lost" if lost else "",
            )


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
    "generation.generator",
    PART,
    4,
    hints=(
        "Where does chance come from in your function?",
        "Call it twice with torch.Generator().manual_seed(1), with torch.manual_seed(…) between.",
        "Give generator=generator to torch.multinomial, or whatever draws.",
    ),
)
def test_generator(evidence: Evidence) -> None:
    """All chance comes from the generator if there is one, and else from torch's own."""

    def tokens(of_torch: int, **options: Any) -> Any:
        """More of them than block_size, all likely enough to come."""
        made = constant_call([0.9, 0.7, 0.5, 0.3, 0.1, 0.0], 8, 7, 3, options=options)
        return made.run(evidence, of_torch).output

    cuts: tuple[dict[str, Any], ...] = ({"top_p": 0.9}, {"top_k": 4}, {"top_k": 5, "top_p": 0.9})
    heat: dict[str, Any] = {"temperature": 1.7}
    end: dict[str, Any] = {"eos_token_id": 5}
    for given in ({}, heat, end, *cuts, *({**cut, **heat, **end} for cut in cuts)):
        first = tokens(1, generator=Generator(1), **given)
        if not np.array_equal(first, tokens(2, generator=Generator(1), **given)):
            raise Failure(
                f"with generators of one state, and torch's own seeded otherwise, other tokens "
                f"come {f'(with {given})' if given else ''}",
                cause="generator-ignored",
            )
        if np.array_equal(first, tokens(1, generator=Generator(2), **given)):
            raise Failure("with generators of two states the same tokens come", cause="always-same")
    if not np.array_equal(tokens(1), tokens(1)):
        raise Failure("without a generator, torch.manual_seed does not make it repeatable")
    if np.array_equal(tokens(1), tokens(2)):
        raise Failure("without a generator, chance is always the same", cause="always-same")
    tied = constant_call([1.0, 1.0, 0.0], 50, 1, options={"temperature": 0})
    first, other = (tied.run(evidence, seed).output for seed in (1, 2))
    if not np.array_equal(first, other):
        raise Failure("at temperature 0 chance decides between tokens of the same logit")


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
    for train, made in product((True, False), _ways()):
        if not replace(made, train=train).run(evidence).mode_kept:
            mode = "train" if train else "eval"
            raise Failure(
                f"a model in {mode} mode is not in it afterwards{_in_words(made)}",
                cause="mode-not-kept",
            )


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
            raise Failure(
                f"called {on if recording else off}, it ends with torch.is_grad_enabled() "
                f"{not recording}{_in_words(made)}",
                cause="recording-not-kept",
            )


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
