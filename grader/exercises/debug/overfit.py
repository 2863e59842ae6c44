"""The run that anybody sees: the candidate's own model, trained by the candidate's own loop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from grader.catalogue import EXERCISES
from grader.exercises.training.client import run
from grader.gpt2.models import Models
from grader.sandbox.client import CandidateError, LoadedSubmission, Server, WorkerLost
from grader.sandbox.client.function import call
from grader.submission import Submission

TEXT = "how doth the little crocodile improve his shining tail, "
_SIZE = {"embed_dim": 32, "num_heads": 2, "num_layers": 2, "block_size": 16}
_RATES = {"max_learning_rate": 1e-2, "min_learning_rate": 1e-3, "warmup_steps": 5}
_STEPS, _ROWS, _WRITTEN = 100, 8, 40
# Measured over seeds and all clean texts: the last loss is below it; knowing only how often each
# letter occurs gives 2.7 nats.
GOOD = 0.5


@dataclass(frozen=True)
class Run:
    """What came of it. loss: of the last step; written: what is generated from the beginning;
    stopped: why it did not get so far.
    """

    loss: float = math.nan
    written: str = ""
    stopped: str = ""

    @property
    def good(self) -> bool:
        """Whether it is as with the right code."""
        return not self.stopped and self.loss < GOOD and bool(self.written)

    @property
    def words(self) -> str:
        """For a note."""
        if self.stopped:
            return f"{_STEPS} steps on one short text: it stopped. {self.stopped}"
        ends = f"the loss ends at {self.loss:.2f}, where the right code is below {GOOD}"
        said = f"Then it writes {self.written!r}." if self.written else "No text came out."
        return f"{_STEPS} steps on one short text: {ends}. {said}"


def overfit(submission: Submission, server: Server, timeout: float, seed: int) -> Run:
    """Train on one line, and let the model go on from its beginning.

    submission: as of the exercise `training`, with the candidate's own gpt2.py.
    """
    below, names = EXERCISES["gpt2"], (*EXERCISES["training"].names, "generate")
    with LoadedSubmission(submission, server, names, timeout, below.file, below.names) as subject:
        try:
            return _run(subject, seed)
        except (CandidateError, WorkerLost) as fault:
            return Run(stopped=str(fault))


def _run(subject: LoadedSubmission, seed: int) -> Run:
    letters = sorted(set(TEXT))
    data = np.array([letters.index(letter) for letter in TEXT * 3], dtype=np.int64)
    size = {"vocab_size": len(letters), **_SIZE}
    model = Models(subject).module("GPT2", size, dtype="float32", seed=seed)
    told = run(
        subject,
        model.itself,
        data,
        steps=_STEPS,
        batch_size=_ROWS,
        block_size=_SIZE["block_size"],
        optimizer={"learning_rate": _RATES["max_learning_rate"], "weight_decay": 0.1},
        schedule={**_RATES, "total_steps": _STEPS},
        max_grad_norm=1.0,
        seed=seed,
    )
    loss = float(told[-1]) if isinstance(told[-1], int | float) else math.nan
    try:
        options = {"max_new_tokens": _WRITTEN, "block_size": _SIZE["block_size"]}
        given = {"idx": data[None, :4], "temperature": 0.0, **options}
        tokens = call(subject, "generate", given, args=[model.itself]).output
        return Run(loss, "".join(letters[int(token)] for token in tokens.ravel()))
    except (CandidateError, WorkerLost, IndexError, ValueError):
        return Run(loss)
