"""Requirements of `get_batch`."""

from __future__ import annotations

from typing import Any

import numpy as np

from grader.checks.api import Counterexample, Failure, check
from grader.checks.chance import LIMIT, chi_square, deviation, fits
from grader.checks.evidence import Evidence
from grader.checks.experiment import show
from grader.checks.policy import check_policy
from grader.checks.training.common import imports, trainee
from grader.oracle.training import Floats, Pair, Tokens
from grader.remote import CandidateError
from grader.remote.function import call, words
from grader.remote.training import Batches, Student, batches

PART = "Batches and loss"
NAME = "get_batch"
NAMES = (
    *("get_batch", "language_modeling_loss", "configure_optimizer", "learning_rate_at"),
    *("train_step", "estimate_loss"),
)


@check(
    "training.from_scratch",
    "Submission",
    0,
    hints=(
        "The exercise is to write the training yourself.",
        "Look at your imports.",
        "torch and the standard library only; torch.optim and torch.nn.functional are welcome.",
    ),
)
def test_from_scratch(evidence: Evidence) -> None:
    """Only torch and the standard library are used."""
    check_policy(evidence)


@check(
    "training.signature",
    PART,
    2,
    hints=(
        "Compare the six functions with the stub's, letter by letter.",
        "Everything after the * in the stub is given by name; what has a default there may be "
        "left out.",
        "Copy the six def lines from the stub; whatever you add needs a default.",
    ),
)
def test_signature(evidence: Evidence) -> None:
    """There are the stub's six functions, which take the stub's arguments by name."""
    found = evidence.subject.found_classes()
    for name in NAMES:
        if name not in found:
            raise Failure(f"expected a function {name}, found none", cause="wrong-signature")
        if found[name].startswith("not a function"):
            raise Failure(
                f"expected {name} to be a function, found {found[name]}", cause="wrong-signature"
            )
    unwritten = []
    for name in NAMES:
        try:
            _call_plainly(evidence, name)
        except CandidateError as fault:
            # Raised by the call itself: there is no line of the submission in it.
            if fault.message.startswith("it raised TypeError") and not fault.traceback:
                message = f"{name} has {found[name]}: {fault.message}"
                raise Failure(message, cause="wrong-signature") from None
            unwritten += [fault] if fault.status == "todo" else []
    if unwritten:
        raise unwritten[0].with_traceback(None)


def _call_plainly(evidence: Evidence, name: str) -> None:
    subject = evidence.subject
    data = np.arange(30) % 7
    pair = data[None, :4], data[None, 1:5]
    rates = {"max_learning_rate": 1.0, "min_learning_rate": 0.1}
    student = Student(subject, name, trainee(0).arrays)
    model = {"model": student.itself}
    given: dict[str, dict[str, Any]] = {
        "get_batch": {"data": data, "batch_size": 2, "block_size": 4, "generator": None},
        "language_modeling_loss": {
            "logits": np.zeros((1, 4, 7)),
            "targets": pair[1],
            "ignore_index": -100,
        },
        "configure_optimizer": {
            **model,
            "learning_rate": 0.1,
            "weight_decay": 0.1,
            "betas": (0.9, 0.95),
        },
        "learning_rate_at": {"step": 1, **rates, "warmup_steps": 2, "total_steps": 4},
        "train_step": {
            **model,
            "optimizer": student.sgd,
            "micro_batches": [pair],
            "max_grad_norm": None,
        },
        "estimate_loss": {
            **model,
            "data": data,
            "batch_size": 2,
            "block_size": 4,
            "num_batches": 1,
            "seed": 0,
        },
    }
    call(subject, name, given[name])


def _data(length: int) -> Tokens:
    """Values of which each one says where it stands, though not by its size."""
    return 1000 + 3 * np.random.default_rng(length).permutation(length)


def _code(evidence: Evidence, length: int, rows: int, time: int) -> list[str]:
    return [
        *imports(evidence, NAME),
        f"data = torch.from_numpy(1000 + 3 * np.random.default_rng({length})"
        f".permutation({length}))",
        f"inputs, targets = get_batch(data, {rows}, {time})",
    ]


def _pairs(made: Batches, rows: int, time: int) -> list[Pair]:
    """The batches, checked to be pairs of the right shape and dtype."""
    pairs: list[Pair] = []
    for value in made.values:
        if value is None:
            raise Failure("expected inputs and targets, found None", cause="not-implemented")
        tensors = isinstance(value, list | tuple) and [type(v) is np.ndarray for v in value]
        if tensors != [True, True]:
            raise Failure(
                f"expected a pair of tensors, inputs and targets, found {words(value)}",
                cause="batch-not-a-pair",
            )
        shapes = [tensor.shape for tensor in value]
        if shapes != [(rows, time)] * 2:
            raise Failure(
                f"expected inputs and targets of shape (B, T) = {(rows, time)}, found {shapes[0]} "
                f"and {shapes[1]}",
                cause="offsets-without-replacement"
                if _fewer(shapes, rows, time)
                else "batch-shape",
            )
        if any(tensor.dtype != np.int64 for tensor in value):
            found = " and ".join(str(tensor.dtype) for tensor in value)
            raise Failure(f"expected int64, as data is, found {found}", cause="batch-dtype")
        pairs.append((value[0], value[1]))
    return pairs


def _fewer(shapes: list[tuple[int, ...]], rows: int, time: int) -> bool:
    """Whether all that is amiss is that rows are lacking."""
    return shapes[0] == shapes[1] and shapes[0][1:] == (time,) and shapes[0][0] < rows


def _starts(data: Tokens, inputs: Tokens) -> Tokens:
    """Where in the data each row of inputs begins; -1 if that is nowhere."""
    order = np.argsort(data)
    ranks = np.searchsorted(data[order], inputs[:, 0]).clip(0, len(data) - 1)
    starts = order[ranks]
    return np.where(data[starts] == inputs[:, 0], starts, -1)


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
        data = _data(length)
        made = batches(evidence.subject, data, rows, time, chance=evidence.seed)
        ((inputs, targets),) = _pairs(made, rows, time)
        if not np.array_equal(made.data, data):
            raise Failure("data was changed", cause="mutates-input")
        starts = _starts(data, inputs)
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
                "\n".join([*_code(evidence, length, rows, time), "print(inputs[0], targets[0])"]),
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
    data = _data(length)
    try:
        made = batches(evidence.subject, data, rows, _TIME, chance=evidence.seed)
        offsets = [_starts(data, _pairs(made, rows, _TIME)[0][0])]
        made = batches(evidence.subject, data, 10, _TIME, count, seed=evidence.seed)
        offsets.append(np.concatenate([_starts(data, x) for x, _ in _pairs(made, 10, _TIME)]))
    except CandidateError as fault:
        if fault.status != "error":
            raise
        raise Failure(
            f"with {length} tokens and block_size = {_TIME}, {fault.message}",
            Counterexample(
                "\n".join(_code(evidence, length, rows, _TIME)), "no error", fault.message
            ),
            "offsets-beyond-the-end" if "eq" in fault.message else "crashes",
        ) from None
    for found in offsets:
        _expect_uniform(evidence, found, length)
    _expect_reach(evidence)


def _expect_uniform(evidence: Evidence, offsets: Tokens, length: int) -> None:
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
            cause = "offsets-without-replacement"
        if (counts > 0).sum() == 1 or _all_alike(offsets):
            cause = "offsets-same-in-batch"
        rows = 4000
        shares = counts / len(offsets)
        raise Failure(
            f"with {length} tokens and block_size = {_TIME}, each of the offsets 0 to "
            f"{_PLACES - 1} has to come with probability {1 / _PLACES:.3f}, independently; found "
            f"shares {shares.round(3).tolist()} of {len(offsets)}",
            Counterexample(
                "\n".join(
                    [
                        *_code(evidence, length, rows, _TIME),
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
        data = _data(size)
        made = batches(evidence.subject, data, rows, time, chance=evidence.seed + 1)
        starts = _starts(data, _pairs(made, rows, time)[0][0])
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
    data = _data(400)

    def offsets(seed: int | None, chance: int) -> list[list[int]]:
        made = batches(evidence.subject, data, 8, 4, 2, seed=seed, chance=chance)
        return [_starts(data, inputs).tolist() for inputs, _ in _pairs(made, 8, 4)]

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
        data = _data(time + 1)
        made = batches(evidence.subject, data, 3, time)
        ((inputs, targets),) = _pairs(made, 3, time)
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
                    {"data": _data(length), "batch_size": 3, "block_size": time},
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
