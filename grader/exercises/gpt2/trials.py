"""Ways of use, each with what the class has to give in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from grader.check import Counterexample, Failure
from grader.exercises.gpt2 import common
from grader.gpt2.experiment import Experiment
from grader.gpt2.layouts.box import CLOSE, difference
from grader.sandbox.client import CandidateError
from grader.sandbox.client.ways import Way, use
from grader.sandbox.client.worker import Values

DEEPCOPY = "copy.deepcopy(model)"
_KEPT = "state-kept-between-calls"
_VIEWS = {
    "sliced": "x = torch.cat([x, x[:, :1]], dim=1)[:, :-1]",
    "transposed": "x = x.transpose(0, 1).contiguous().transpose(0, 1)",
    "every second": "x = x.repeat_interleave(2, dim=0)[::2]",
    "channels first": "x = x.transpose(-1, -2).contiguous().transpose(-1, -2)",
}


@dataclass(frozen=True)
class Trial:
    """A way of use, and what is to be said if it gives something else than `expected`.

    lines: code that shows it. excused: whether a crash is not held against the class.
    """

    way: Way
    expected: Values
    words: str
    lines: tuple[str, ...] = ()
    cause: str = ""
    excused: bool = False
    tolerance: float = CLOSE


def run(experiment: Experiment, trials: Sequence[Trial]) -> None:
    """Fail for the first trial that gives something else."""
    answers = use(experiment.module, [trial.way for trial in trials])
    for trial, used in zip(trials, answers, strict=True):
        if isinstance(used, CandidateError):
            if used.status != "error" or not trial.excused:
                _crashed(experiment, trial, used)
        elif not common.same(trial.expected, used.output, trial.tolerance):
            found = used.output
            off = (
                f"by {difference(found, trial.expected):.2g} of its size"
                if found.shape == trial.expected.shape
                else f"of shape {found.shape}"
            )
            raise Failure(
                f"{trial.words} the output is different, {off}",
                _shown(experiment, trial),
                trial.cause,
            )


def _crashed(experiment: Experiment, trial: Trial, fault: CandidateError) -> None:
    if fault.status not in ("error", "fail"):
        raise fault
    message = f"{trial.words} it fails: {fault.message}"
    raise Failure(message, _shown(experiment, trial), trial.cause or fault.cause) from None


def _shown(experiment: Experiment, trial: Trial) -> Counterexample | None:
    if not trial.lines:
        return None
    return experiment.counterexample(*trial.lines, expected="0", found="more than 0, or an error")


def modes(experiment: Experiment, plain: Values) -> Iterator[Trial]:
    """Train and eval mode, with gradients recorded and without, where nothing is dropped."""
    theta, x = experiment.theta, experiment.x
    for train in (False, True):
        for recording, words in (
            ("on", "with gradients recorded"),
            ("inference", "in torch.inference_mode()"),
            ("off", "in torch.no_grad()"),
        ):
            if train or recording != "off":
                mode = "train" if train else "eval"
                context = {"on": "enable_grad", "inference": "inference_mode", "off": "no_grad"}
                yield Trial(
                    Way((x,), theta, "fresh", train, recording),
                    plain,
                    f"in {mode} mode with dropout_p=0, {words},",
                    (
                        "y = model(x)",
                        f"with torch.{context[recording]}():",
                        f"    print((model.{mode}()(x) - y).abs().max().item())",
                    ),
                    "depends-on-grad-mode",
                )


def views(experiment: Experiment, plain: Values, rng: np.random.Generator) -> Iterator[Trial]:
    """Inputs that are views of something larger. Only tokens come that way from everyday code."""
    theta, x = experiment.theta, experiment.x
    tokens = x.dtype == np.int64
    views = ["sliced", "transposed", "every second", *([] if tokens else ["channels first"])]
    again = ("y = model(x)", "print((model(x) - y).abs().max().item())")
    yield Trial(Way((x,), theta), plain, "when it is called again", again, _KEPT)
    for view in rng.permutation(views):
        yield Trial(
            Way((x,), theta, laid=str(view)),
            plain,
            "for an input that is a view of another tensor, such as batch[:, :-1],",
            ("y = model(x)", _VIEWS[view], "print((model(x) - y).abs().max().item())"),
            "not-contiguous",
            excused=not tokens,
        )


def copies(experiment: Experiment, plain: Values) -> Iterator[Trial]:
    """Other instances with the same weights."""
    theta, x = experiment.theta, experiment.x
    size = ", ".join(f"{key}={value}" for key, value in experiment.case.size.items())
    other = f"other = {experiment.module.name}({size}).eval()"
    yield Trial(
        Way((x,), theta, "saved"),
        plain,
        "in a second instance that has loaded its state_dict()",
        (
            other,
            "other.load_state_dict(model.state_dict())",
            "print((other(x) - model(x)).abs().max().item())",
        ),
        "state-dict-incomplete",
    )
    for of, make in (("copied", DEEPCOPY), ("pickled", "pickle.loads(pickle.dumps(model))")):
        yield Trial(
            Way((x,), theta, of),
            plain,
            f"in a copy, made by {make},",
            ("import copy, pickle", f"print(({make}(x) - model(x)).abs().max().item())"),
            "copy-differs",
        )


def calls(experiment: Experiment, plain: Values, rng: np.random.Generator) -> Iterator[Trial]:
    """Calls after others, in an instance of their own."""
    theta, x = experiment.theta, experiment.x
    other = np.roll(x, 1, axis=0)[:, : int(rng.integers(1, x.shape[1] + 1))]
    for before, words in (((x,), "the same input"), ((other, x, other), "other lengths")):
        yield Trial(
            Way((*before, x), theta, "fresh", recording=str(rng.choice(["on", "off"]))),
            plain,
            f"in a call after one with {words}",
            ("y = model(x)", "model(x[:, :1])", "print((model(x) - y).abs().max().item())"),
            "state-kept-between-calls",
        )


def check_batches(experiment: Experiment, rng: np.random.Generator) -> None:
    """Among more than 64 rows, each gives what it gives among few."""
    rows = int(rng.integers(65, 200))
    shape = (rows, int(rng.integers(1, 4)), *experiment.x.shape[2:])
    tokens = experiment.case.size.get("vocab_size")
    x = rng.integers(0, tokens, shape) if tokens else rng.normal(0.0, 1.0, shape)
    cuts = [0, *np.sort(rng.choice(np.arange(1, rows), 3, replace=False)), rows]
    pieces = [x[start:end] for start, end in pairwise(cuts)]
    whole, *apart = experiment.module.outputs([x, *pieces], experiment.theta)
    if not common.same(whole, np.concatenate(apart), CLOSE):
        raise Failure(
            f"a batch of {rows} sequences gives different outputs than its parts of "
            f"{', '.join(str(len(piece)) for piece in pieces)} give",
            cause="batch-mixing",
        )
