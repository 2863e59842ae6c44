"""What the checks of one submission share: its models, its layouts, and remarks on it."""

from __future__ import annotations

from itertools import count
from typing import Any

from grader.gpt2.experiment import Case, Experiment
from grader.gpt2.models import Models
from grader.gpt2.search.layouts import Layouts
from grader.gpt2.specification import GPT2, Specification
from grader.sandbox.client import LoadedSubmission


class Evidence:
    """A submission under judgement.

    asked: what it is to be; seed: of all that is drawn; policy: "from-scratch" or "any";
    advisories: id -> remark; named: check -> the bug that was found to give what the submission
    gives, "" for none; measured: what is measured once, by its name; charges: a class or function
    -> why it gets no points; numbers: each comes once, for models of which each is to be new.
    """

    def __init__(
        self,
        subject: LoadedSubmission,
        seed: int,
        policy: str = "from-scratch",
        asked: Specification = GPT2,
    ) -> None:
        self.subject = subject
        self.seed = seed
        self.policy = policy
        self.models = Models(subject, self.advise)
        self.asked = asked
        self.layouts = Layouts(self.models, seed, asked)
        self.advisories: dict[str, str] = {}
        self.named: dict[str, str] = {}
        self.measured: dict[str, Any] = {}
        self.charges: dict[str, str] = {}
        self.numbers = count(1)

    def experiment(self, name: str, case: Case, **options: Any) -> Experiment:
        """A case on a model of class `name`."""
        module = self.models.module(name, case.size, **options)
        return Experiment(module, case, self.subject.submission)

    def weighed_experiment(self, name: str, case: Case) -> Experiment:
        """The same, with the weights that the layout of `name` is about."""
        module = self.models.weighed(name, case.size)
        return Experiment(module, case, self.subject.submission)

    def advise(self, id: str, message: str) -> None:
        """Keep a remark that costs nothing."""
        self.advisories.setdefault(id, message)
