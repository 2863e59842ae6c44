"""Questions about training to the submission's worker, and what came back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from grader.sandbox.client.decoding import decoding
from grader.sandbox.client.exchange import Own, RemoteRef, arrays
from grader.sandbox.client.faults import CandidateError
from grader.sandbox.client.subject import LoadedSubmission
from grader.sandbox.client.worker import Values

_MOST_ROUNDS = 12  # of a few seconds each, until which a training run has made all its steps


class Call(NamedTuple):
    """How a trainee was called: rows, whether in train mode, whether gradients are recorded, and
    how many calls before it are still in memory for their gradients.
    """

    rows: int
    train: bool
    recorded: bool
    held: int


@dataclass(frozen=True)
class State:
    """A trainee afterwards: numbers, and the worker's testimony on how it was called.

    learning: which parameters require gradients, the frozen one last; same: whether its parameters
    are the very ones that it was made with; left: what `RemoteToyModel.left` gave before.
    """

    trained: list[Values]
    frozen: Values
    gradients: list[Values | None]
    calls: list[Call]
    train: bool
    learning: list[bool]
    same: bool
    left: Values | None = None


class RemoteToyModel:
    """A `grader.exercises.training.oracle.ToyModel` that lives in the worker, with SGD for it."""

    def __init__(
        self,
        subject: LoadedSubmission,
        asker: str,
        arrays: Sequence[Values],
        *,
        learning_rate: float = 1.0,
        dropout_p: float = 0.0,
        train: bool = True,
        otherwise: Sequence[str] = (),
        stale: Sequence[Values] = (),
        traces: Values | None = None,
    ) -> None:
        """Make it. asker: the function that it is for; train: its mode, of which the modules
        `otherwise` have the other; stale: gradients that it has already; traces: what its logits
        tell of how it is used.
        """
        self._subject = subject
        self._asker = asker
        facts = dropout_p, train, list(otherwise), list(stale), traces
        self.itself = subject.keep(asker, "training.toy", list(arrays), *facts)
        self.sgd = subject.keep(asker, "training.sgd", self.itself, learning_rate)

    def left(self, idx: Values) -> Values:
        """Its logits as it is now."""
        told = self._subject.help(self._asker, "training.left", self.itself, idx)
        with decoding(self._subject.broken, "the logits of a model"):
            return arrays([told])[0]

    def state(self) -> State:
        """What has become of it."""
        told = self._subject.help(self._asker, "training.state", self.itself)
        with decoding(self._subject.broken, "the state of a model"):
            trained, (frozen,) = arrays(told["trained"], 5), arrays(told["frozen"], 1)
            gradients = list(told["gradients"])
            arrays([gradient for gradient in gradients if gradient is not None])
            calls = [
                Call(int(rows), train == 1, recorded == 1, int(held))
                for rows, train, recorded, held in zip(*told["calls"], strict=True)
            ]
            learning = [flag is True for flag in told["learning"]]
            train, same = told["train"] is True, told["same"] is True
            if len(gradients) != 5:
                raise ValueError("not a gradient for each")
        return State(trained, frozen, gradients, calls, train, learning, same)


def named_parameters(
    subject: LoadedSubmission, asker: str, names: Sequence[str], values: Sequence[Values]
) -> RemoteRef:
    """A module in the worker that has these parameters, all of them trained, and no forward."""
    shapes = [list(value.shape) for value in values]
    return subject.keep(asker, "training.Named", list(names), shapes, list(values))


def steps(
    subject: LoadedSubmission,
    asker: str,
    model: RemoteRef,
    optimizer: RemoteRef,
    gradients: Sequence[Sequence[Values | None]],
    rates: Sequence[float | None],
    frozen: int = 0,
) -> list[list[Values]]:
    """The parameters of a trainee or of `named_parameters`, frozen ones last, after each step of
    an optimizer with these gradients. rates: the learning rate that is set before each, if any;
    frozen: how many have no gradients at all.
    """
    given = [list(step) for step in gradients]
    told = subject.help(asker, "training.steps", optimizer, model, given, list(rates))
    if isinstance(told, str):
        raise CandidateError(
            "fail", f"expected a torch.optim.Optimizer, found {told[:200]}", cause="no-optimizer"
        )
    with decoding(subject.broken, "parameters after each step"):
        count = len(gradients[0]) + frozen
        return [arrays(step, count) for _, step in zip(rates, told, strict=True)]


@dataclass(frozen=True)
class Batches:
    """values: what came, one after another; data: as it is afterwards; rng_unchanged: whether
    torch's own generator is as it was.
    """

    values: list[Any]
    data: Values
    rng_unchanged: bool


def batches(
    subject: LoadedSubmission,
    data: Values,
    batch_size: int,
    block_size: int,
    count: int = 1,
    seed: int | None = None,
    chance: int = 0,
) -> Batches:
    """What get_batch gives, called again and again. seed: of a generator for it, if it gets one;
    chance: the seed of torch's own.
    """
    name = "get_batch"
    facts = data, batch_size, block_size, count, seed, chance
    told = subject.help(name, "training.batches", Own(name), *facts)
    with decoding(subject.broken, "a list of batches"):
        found, after, kept = told
        return Batches(_several(found, count), arrays([after])[0], kept is True)


def differentiate(
    subject: LoadedSubmission,
    name: str,
    logits: Values,
    targets: Values,
    options: Mapping[str, int],
) -> tuple[Any, Values | None, bool]:
    """What a loss gives, its gradient with regard to the logits, if there is one, and whether the
    targets are as they were.
    """
    told = subject.help(name, "training.differentiate", Own(name), logits, targets, options)
    with decoding(subject.broken, f"what {name} did"):
        value, gradient, kept = told
        return value, None if gradient is None else arrays([gradient])[0], kept is True


def call_each(
    subject: LoadedSubmission, name: str, given: Sequence[Mapping[str, float]]
) -> list[Any]:
    """What a function gives for each of these sets of numbers."""
    told = subject.help(name, "training.call_each", Own(name), list(given))
    with decoding(subject.broken, "a list of values"):
        return _several(told, len(given))


def run(
    subject: LoadedSubmission,
    model: RemoteRef,
    data: Values,
    *,
    steps: int,
    batch_size: int,
    block_size: int,
    optimizer: Mapping[str, float],
    schedule: Mapping[str, float],
    max_grad_norm: float,
    seed: int,
) -> list[Any]:
    """Train a model with the submission's functions; the loss that each step told.

    optimizer, schedule: what configure_optimizer and learning_rate_at take besides. However slow
    the machine is, all steps are made, or it is said that there was no time for them:
    CandidateError.
    """
    name = "train_step"
    subject.start_clock()
    begun = subject.keep(name, "training.begin", model, Own("configure_optimizer"), optimizer, seed)
    sizes, losses = [batch_size, block_size], list[Any]()
    for _ in range(_MOST_ROUNDS):
        subject.start_clock()
        facts = data, [len(losses), steps], sizes, schedule, max_grad_norm
        losses += go_on(subject, model, begun, *facts)
        if len(losses) >= steps:
            return losses
    raise CandidateError(
        "timeout", f"only {len(losses)} of {steps} training steps were made in time"
    )


def go_on(subject: LoadedSubmission, model: RemoteRef, begun: RemoteRef, *facts: Any) -> list[Any]:
    """The losses of as many steps as are made in a few seconds. facts: as of the worker's `train`,
    but for its functions.
    """
    functions = [Own("get_batch"), Own("train_step"), Own("learning_rate_at")]
    told = subject.help("train_step", "training.train", model, begun, functions, *facts)
    if not isinstance(told, list) or not told:
        raise subject.broken("a list of losses")
    return told


def _several(value: Any, count: int) -> list[Any]:
    """A list of so many values. Raises ValueError for anything else: see `decoding`."""
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(f"not a list of {count}")
    return value
