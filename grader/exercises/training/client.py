"""Questions about training to the submission's worker, and what came back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from grader.sandbox.client.decoding import decoding
from grader.sandbox.client.exchange import RemoteRef, unpacked
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
        place, optimizer = subject.new_place(), subject.new_place()
        subject.ask(
            asker,
            "trainee",
            [*arrays, *(() if traces is None else (traces,)), *stale],
            place=place,
            optimizer=optimizer,
            learning_rate=learning_rate,
            dropout_p=dropout_p,
            train=train,
            otherwise=list(otherwise),
            stale=bool(stale),
            traced=traces is not None,
        )
        self.itself, self.sgd = subject.held(place), subject.held(optimizer)

    def left(self, idx: Values) -> Values:
        """Its logits as it is now."""
        place = self.itself.place
        _, values = self._subject.ask(
            self._asker, "trainee_left", [idx], [self.itself], place=place
        )
        if len(values) != 1:
            raise self._subject.broken("the logits of a model")
        return values[0]

    def state(self) -> State:
        """What has become of it."""
        answer, values = self._subject.ask(
            self._asker, "trainee_state", (), [self.itself], place=self.itself.place
        )
        with decoding(self._subject.broken, "the state of a model"):
            present = [flag is True for flag in answer["present"]]
            remaining = iter(values[6:])
            gradients = [next(remaining) if flag else None for flag in present]
            calls = [
                Call(int(rows), train is True, recorded is True, int(held))
                for rows, train, recorded, held in answer["calls"]
            ]
            learning = [flag is True for flag in answer["learning"]]
            train, same = answer["train"] is True, answer["same"] is True
            if len(values) != 6 + sum(present) or len(present) != 5:
                raise ValueError("not all of its parameters")
        return State(values[:5], values[5], gradients, calls, train, learning, same)


def named_parameters(
    subject: LoadedSubmission, asker: str, names: Sequence[str], arrays: Sequence[Values]
) -> RemoteRef:
    """A module in the worker that has these parameters, all of them trained, and no forward."""
    place = subject.new_place()
    shapes = [list(array.shape) for array in arrays]
    subject.ask(asker, "named_parameters", arrays, place=place, names=list(names), shapes=shapes)
    return subject.held(place)


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
    answer, values = subject.ask(
        asker,
        "optimizer_steps",
        [gradient for step in gradients for gradient in step if gradient is not None],
        [optimizer, model],
        optimizer=optimizer.place,
        place=model.place,
        rates=list(rates),
        present=[[gradient is not None for gradient in step] for step in gradients],
    )
    if answer.get("kind") is not None:
        found = str(answer["kind"])[:200]
        raise CandidateError(
            "fail", f"expected a torch.optim.Optimizer, found {found}", cause="no-optimizer"
        )
    count = len(gradients[0]) + frozen
    if len(values) != count * len(rates):
        raise subject.broken("parameters after each step")
    return [values[count * n : count * n + count] for n in range(len(rates))]


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
    answer, values = subject.ask(
        name,
        "batches",
        [data],
        function=name,
        batch_size=batch_size,
        block_size=block_size,
        count=count,
        seed=seed,
        chance=chance,
    )
    found = _value(subject, name, answer, values)
    if not isinstance(found, list) or len(found) != count:
        raise subject.broken("a list of batches")
    return Batches(found, values[-1], answer.get("rng_unchanged") is True)


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
    answer, values = subject.ask(
        name, "differentiate", [logits, targets], function=name, options=dict(options)
    )
    gradient = values[-1] if answer.get("gradient") is True and values else None
    return _value(subject, name, answer, values), gradient, answer.get("kept") is True


def call_each(
    subject: LoadedSubmission, name: str, given: Sequence[Mapping[str, float]]
) -> list[Any]:
    """What a function gives for each of these sets of numbers."""
    answer, values = subject.ask(
        name, "call_each", (), function=name, given=[dict(numbers) for numbers in given]
    )
    found = _value(subject, name, answer, values)
    if not isinstance(found, list) or len(found) != len(given):
        raise subject.broken("a list of values")
    return found


def run(
    subject: LoadedSubmission, model: RemoteRef, data: Values, steps: int, **settings: Any
) -> list[Any]:
    """Train a model with the submission's functions; the loss that each step told.

    settings: see the worker's `run`. However slow the machine is, all steps are made, or it is
    said that there was no time for them: CandidateError.
    """
    told: list[Any] = []
    for _ in range(_MOST_ROUNDS):
        subject.start_clock()
        told += _steps(subject, model, data, steps=steps, start=len(told), **settings)
        if len(told) >= steps:
            return told
    raise CandidateError("timeout", f"only {len(told)} of {steps} training steps were made in time")


def _steps(subject: LoadedSubmission, model: RemoteRef, data: Values, **settings: Any) -> list[Any]:
    """The losses of as many steps as are made in a few seconds."""
    name = "train_step"
    answer, values = subject.ask(
        name, "training_run", [data], [model], place=model.place, **settings
    )
    found = _value(subject, name, answer, values)
    if not isinstance(found, list) or not found:
        raise subject.broken("a list of losses")
    return found


def _value(
    subject: LoadedSubmission, name: str, answer: dict[str, Any], values: list[Values]
) -> Any:
    with decoding(subject.broken, f"what {name} did"):
        return unpacked(answer["value"], values)
