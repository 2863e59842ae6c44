"""Requirements of `get_batch`."""

from __future__ import annotations

import numpy as np

from grader.chance import LIMIT, chi_square, deviation, fits
from grader.check import Counterexample, Failure, check
from grader.exercises.training.client import batches
from grader.exercises.training.oracle import Floats, Tokens
from grader.exercises.training.pieces import NAME, code, data_of, pairs_of, starts_of
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import show
from grader.sandbox.client import CandidateError
from grader.sandbox.client.function import call

PART = "Batches and loss"


@check(
    "training.batch_shift",
    PART,
    6,
    hints=(
        "Which token should the model have guessed at each position of the inputs?",
        "With data = torch.arange(100), print inputs[0] and targets[0] below one another.",
        "If a row of inputs is data[i : i + T], its targets are data[i + 1 : i + T + 1].",
    ),
)
def test_batch_shift(evidence: Evidence) -> None:
    """Inputs are pieces of the data, and targets the tokens that follow, each int64 (B, T)."""
    for length, rows, time in ((40, 6, 5), (12, 3, 1), (9, 4, 8), (300, 2, 33)):
        data = data_of(length)
        made = batches(evidence.subject, data, rows, time, chance=evidence.seed)
        ((inputs, targets),) = pairs_of(made, rows, time)
        if not np.array_equal(made.data, data):
            raise Failure("data was changed", cause="mutates-input")
        starts = starts_of(data, inputs)
        reach = starts[:, None] + np.arange(time)
        piece = (starts >= 0).all() and np.array_equal(data[reach % length], inputs)
        right = piece and np.array_equal(data[(reach + 1) % length], targets)
        if right and reach.max() + 1 < length:
            continue
        cause = _shift_cause(data, reach, inputs, targets) if piece else "inputs-not-a-piece"
        wanted = data[(reach + 1) % length][0] if piece else "tokens that follow one another"
        raise Failure(
            "targets have to be the tokens that follow the inputs in the data"
            if piece
            else "inputs have to be tokens that follow one another in the data",
            Counterexample(
                "\n".join([*code(evidence, length, rows, time), "print(inputs[0], targets[0])"]),
                show(wanted),
                f"{show(inputs[0])} {show(targets[0])}",
            ),
            cause,
            proven=bool(cause),
        )


def _shift_cause(data: Tokens, reach: Tokens, inputs: Tokens, targets: Tokens) -> str:
    for shift, cause in _SHIFTS.items():
        if np.array_equal(data[(reach + shift) % len(data)], targets):
            return cause
    rolled = np.array_equal(np.roll(inputs, -1, 1), targets)
    return "targets-rolled" if rolled else ""


_SHIFTS = {
    0: "targets-unshifted",
    1: "offsets-beyond-the-end",
    2: "targets-shifted-by-two",
    -1: "targets-before-inputs",
}


_PLACES, _TIME = 13, 3


@check(
    "training.batch_offsets",
    PART,
    6,
    hints=(
        "Which places in the data can a row of inputs begin at, and how likely is each?",
        "Count the first tokens of many batches of torch.arange(16), with block_size = 3.",
        "One draw of torch.randint(len(data) - block_size, (batch_size,)) gives an offset for "
        "each row: 0 to len(data) - block_size - 1, all alike.",
    ),
)
def test_batch_offsets(evidence: Evidence) -> None:
    """Every place where inputs and targets fit is equally likely, for each row anew."""
    length, rows, count = _PLACES + _TIME, 4000, 300
    data = data_of(length)
    try:
        made = batches(evidence.subject, data, rows, _TIME, chance=evidence.seed)
        offsets = [starts_of(data, pairs_of(made, rows, _TIME)[0][0])]
        made = batches(evidence.subject, data, 10, _TIME, count, seed=evidence.seed)
        offsets.append(np.concatenate([starts_of(data, x) for x, _ in pairs_of(made, 10, _TIME)]))
    except CandidateError as fault:
        if fault.status != "error":
            raise
        raise Failure(
            f"with {length} tokens and block_size = {_TIME}, {fault.message}",
            Counterexample(
                "\n".join(code(evidence, length, rows, _TIME)), "no error", fault.message
            ),
            "offsets-beyond-the-end" if "eq" in fault.message else "crashes",
        ) from None
    for found, in_turn in zip(offsets, (False, True), strict=True):
        _expect_uniform(evidence, found, length, in_turn)
    _expect_reach(evidence)


def _expect_uniform(evidence: Evidence, offsets: Tokens, length: int, in_turn: bool) -> None:
    """in_turn: they are of many batches of ten with one generator, else of one batch."""
    cause = ""
    if (offsets >= _PLACES).any() or (offsets < 0).any():
        raise Failure(
            "inputs begin where their targets do not fit into the data",
            cause="offsets-beyond-the-end",
        )
    counts = np.bincount(offsets, minlength=_PLACES).astype(np.float64)
    right = np.full(_PLACES, 1 / _PLACES)
    spread = deviation(*chi_square(counts, right))
    if abs(spread) > LIMIT:
        cause = "offsets-not-uniform"
        if not counts[-1] or not counts[0]:
            cause = "offsets-miss-an-end"
        elif spread < 0:
            kinds = len(np.unique(offsets[:-1] * _PLACES + offsets[1:]))
            depend = kinds < 4 * _PLACES  # of all pairs, one row after another
            cause = "offsets-depend-on-one-another" if depend else "offsets-without-replacement"
        if (counts > 0).sum() == 1 or _all_alike(offsets):
            cause = "offsets-same-in-batch"
        by_batch = offsets.reshape(-1, 10)
        if in_turn and (by_batch == by_batch[0]).all():
            raise Failure(
                "with one generator, one batch after another is the same", cause="always-same"
            )
        rows = 4000
        shares = counts / len(offsets)
        raise Failure(
            f"with {length} tokens and block_size = {_TIME}, each of the offsets 0 to "
            f"{_PLACES - 1} has to come with probability {1 / _PLACES:.3f}, independently; found "
            f"shares {shares.round(3).tolist()} of {len(offsets)}",
            None
            if in_turn
            else Counterexample(
                "\n".join(
                    [
                        *code(evidence, length, rows, _TIME),
                        "print((data == inputs[:, :1]).double().mean(0))",
                    ]
                ),
                show(np.append(right, np.zeros(_TIME))),
                show(np.append(shares, np.zeros(_TIME))),
            ),
            cause,
        )
    pairs = np.full(_PLACES**2, 1 / _PLACES**2)
    for distance in range(1, 13):
        beside = offsets[:-distance] * _PLACES + offsets[distance:]
        if not fits(np.bincount(beside, minlength=_PLACES**2).astype(np.float64), pairs):
            raise Failure(
                f"rows that are {distance} apart do not come independently of one another",
                cause="offsets-same-in-batch"
                if _all_alike(offsets)
                else "offsets-depend-on-one-another",
            )


def _all_alike(offsets: Tokens) -> bool:
    """Whether all rows of each batch of ten begin at one place."""
    return bool((offsets.reshape(-1, 10) == offsets.reshape(-1, 10)[:, :1]).all())


def _expect_reach(evidence: Evidence) -> None:
    """Fail unless offsets come from all of a longer text, and from all of a shorter one."""
    length, rows, time, groups = 5006, 2000, 6, 10
    for size, parts in ((length, groups), (time + 2, 2)):
        data = data_of(size)
        made = batches(evidence.subject, data, rows, time, chance=evidence.seed + 1)
        starts = starts_of(data, pairs_of(made, rows, time)[0][0])
        counts = np.bincount(starts.clip(0) * parts // (size - time), minlength=parts)
        right: Floats = np.full(parts, 1 / parts)
        if len(counts) > parts or not fits(counts.astype(np.float64), right):
            shares = (counts / rows).round(3).tolist()
            raise Failure(
                f"with {size} tokens and block_size = {time}, {parts} equal ranges of offsets have "
                f"to come equally often, found shares {shares}",
                cause="offsets-not-uniform",
            )


@check(
    "training.batch_generator",
    PART,
    3,
    hints=(
        "Where does chance come from in get_batch?",
        "Call it twice with torch.Generator().manual_seed(1), with torch.manual_seed(…) between.",
        "Give generator=generator to torch.randint, and set no seed.",
    ),
)
def test_batch_generator(evidence: Evidence) -> None:
    """All chance comes from the generator if there is one, and else from torch's own."""
    data = data_of(400)

    def offsets(seed: int | None, chance: int) -> list[list[int]]:
        made = batches(evidence.subject, data, 8, 4, 2, seed=seed, chance=chance)
        return [starts_of(data, inputs).tolist() for inputs, _ in pairs_of(made, 8, 4)]

    first = offsets(1, 1)
    if first != offsets(1, 2):
        raise Failure(
            "with generators of one state, and torch's own seeded otherwise, other batches come",
            cause="batch-generator-ignored",
        )
    if first == offsets(2, 1) or first[0] == first[1]:
        raise Failure("one batch after another is the same", cause="always-same")
    plain = offsets(None, 1)
    if plain != offsets(None, 1):
        raise Failure("without a generator, torch.manual_seed does not make it repeatable")
    if plain == offsets(None, 2) or plain[0] == plain[1]:
        raise Failure("without a generator, chance is always the same", cause="always-same")


@check(
    "training.batch_short",
    PART,
    2,
    hints=(
        "How many tokens does one row of inputs take, together with its targets?",
        "Try data of block_size and of block_size + 1 tokens.",
        "Raise ValueError if len(data) < block_size + 1; with just so many there is one offset, 0.",
    ),
)
def test_batch_short(evidence: Evidence) -> None:
    """Data that is too short raises ValueError; block_size + 1 tokens are enough."""
    for time in (4, 1):
        data = data_of(time + 1)
        try:
            made = batches(evidence.subject, data, 3, time)
        except CandidateError as fault:
            if fault.status != "error":
                raise
            enough = f"{time + 1} tokens are enough for block_size = {time}"
            raise Failure(f"{enough}; {fault.message}", cause="") from None
        ((inputs, targets),) = pairs_of(made, 3, time)
        if not ((inputs == data[:-1]).all() and (targets == data[1:]).all()):
            raise Failure(
                f"of {time + 1} tokens, block_size = {time}, inputs are all but the last one and "
                "targets all but the first"
            )
        for length in (time, time - 1, 0):
            short = f"{length} tokens and block_size = {time}"
            try:
                call(
                    evidence.subject,
                    NAME,
                    {"data": data_of(length), "batch_size": 3, "block_size": time},
                )
            except CandidateError as fault:
                if fault.status != "error":
                    raise
                if fault.message.startswith("it raised ValueError"):
                    continue
                raise Failure(
                    f"expected a ValueError for {short}; {fault.message}",
                    cause="short-data-accepted",
                ) from None
            raise Failure(f"expected a ValueError for {short}", cause="short-data-accepted")
