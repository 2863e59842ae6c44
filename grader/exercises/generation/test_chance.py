"""Requirements of `generate` on where chance comes from."""

from __future__ import annotations

from typing import Any

import numpy as np

from grader.check import Counterexample, Failure, check
from grader.exercises.generation.common import NAME, Call, constant_call
from grader.exercises.generation.oracle import Tokens
from grader.exercises.generation.test_contract import PART
from grader.gpt2.evidence import Evidence
from grader.sandbox.client.function import Generator, call
from grader.sandbox.client.many import hold


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
    cuts: tuple[dict[str, Any], ...] = ({"top_p": 0.9}, {"top_k": 4}, {"top_k": 5, "top_p": 0.9})
    heat: dict[str, Any] = {"temperature": 1.7}
    end: dict[str, Any] = {"eos_token_id": 5}
    for given in ({}, heat, end, *cuts, *({**cut, **heat, **end} for cut in cuts)):
        words = f" (with {', '.join(f'{k}={v}' for k, v in given.items())})" if given else ""
        first = _tokens(evidence, 1, generator=Generator(1), **given)
        if not np.array_equal(first, _tokens(evidence, 2, generator=Generator(1), **given)):
            raise Failure(
                f"with generators of one state, and torch's own seeded otherwise, other tokens "
                f"come{words}",
                _two_calls(evidence, given, (1, 1), (1, 2)),
                "generator-ignored",
            )
        if np.array_equal(first, _tokens(evidence, 1, generator=Generator(2), **given)):
            raise Failure(
                f"with generators of two states the same tokens come{words}",
                _two_calls(evidence, given, (1, 2), (1, 1)),
                _why_the_same(evidence, first),
            )
    _expect_state_counts(evidence)
    if not np.array_equal(_tokens(evidence, 1), _tokens(evidence, 1)):
        raise Failure(
            "without a generator, torch.manual_seed does not make it repeatable",
            _two_calls(evidence, {}, None, (1, 1)),
        )
    if np.array_equal(once := _tokens(evidence, 1), _tokens(evidence, 2)):
        raise Failure(
            "without a generator, chance is always the same",
            _two_calls(evidence, {}, None, (1, 2)),
            _why_the_same(evidence, once),
        )
    tied = constant_call([1.0, 1.0, 0.0], 50, 1, options={"temperature": 0})
    first, other = (tied.run(evidence, seed).output for seed in (1, 2))
    if not np.array_equal(first, other):
        raise Failure(
            "at temperature 0 chance decides between tokens of the same logit",
            tied.twice(evidence, "True", ("", ""), (1, 2)),
        )


def _drawing(**options: Any) -> Call:
    """More tokens than block_size, all likely enough to come."""
    return constant_call([0.9, 0.7, 0.5, 0.3, 0.1, 0.0], 8, 7, 3, options=options)


def _tokens(evidence: Evidence, of_torch: int, **options: Any) -> Any:
    return _drawing(**options).run(evidence, of_torch).output


def _two_calls(
    evidence: Evidence,
    given: dict[str, Any],
    generators: tuple[int, int] | None,
    of_torch: tuple[int, int],
) -> Counterexample:
    """Whether two calls give the same, as code: they should if both have one seed."""
    one, other = generators or of_torch
    new = ", generator=torch.Generator().manual_seed({})" if generators else ""
    made = new.format(one), new.format(other)
    return _drawing(**given).twice(evidence, str(one == other), made, of_torch)


def _why_the_same(evidence: Evidence, tokens: Tokens) -> str:
    """What it points to that the same tokens come twice where others have to."""
    if len(set(tokens[:, 1:].ravel().tolist())) == 1:
        return ""  # nothing is drawn, or nothing but one token is left: other checks say so
    without = _tokens(evidence, 1), _tokens(evidence, 2)
    return "always-same" if np.array_equal(*without) else "generator-state-ignored"


def _expect_state_counts(evidence: Evidence) -> None:
    """Fail unless chance comes from the state of a generator, which a call moves on."""
    subject = evidence.subject
    fresh = _tokens(evidence, 1, generator=Generator(1))
    moved, twice = (hold(subject, NAME, Generator(1)) for _ in range(2))
    numbers = hold(subject, NAME, np.zeros(1000))
    call(subject, "uniform_", {"generator": moved}, on=numbers)
    new, drawn = "torch.Generator().manual_seed(1)", "torch.rand(1000, generator=g)"
    _tokens(evidence, 1, generator=twice)
    for generator, one, before, what in (
        (moved, new, [drawn], "once numbers were drawn from a generator"),
        (twice, "g", [], "in a second call with one generator"),
    ):
        if not np.array_equal(fresh, _tokens(evidence, 1, generator=generator)):
            continue
        made = f", generator={one}", ", generator=g"
        shown = _drawing().twice(evidence, "False", made, (1, 1), f"g = {new}", *before)
        raise Failure(
            f"{what} the same tokens come as from a new one with its seed: it is not its state "
            "from which chance comes",
            shown,
            "generator-state-ignored",
        )
