"""What an extension builds on: the submission's own gpt2.py, or the grader's where that is broken.

One early bug does not cost the later exercises: they are judged on what they add.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from grader.catalogue import EXERCISES
from grader.check import NotRun
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts import LayoutNotFound
from grader.gpt2.layouts.box import CLOSE, difference
from grader.gpt2.models import example
from grader.gpt2.search import computed
from grader.sandbox.client import CandidateError, WorkerLost
from grader.submission import Submission

_GPT2 = EXERCISES["gpt2"]
FILE = _GPT2.file
_OWN = Path(__file__).parent / "sandbox" / "worker" / "own_gpt2.py"  # read here, and never imported


def on_own(submission: Submission) -> Submission | None:
    """The submission with the grader's own gpt2.py; None if it has nothing to do with one."""
    if submission.main == FILE or FILE not in submission.files:
        return None
    kept = {name: p for name, p in submission.lost.items() if p.file != FILE}
    return replace(
        submission,
        files={**submission.files, FILE: _OWN.read_bytes()},
        taken=tuple(item for item in submission.taken if item.name not in _GPT2.names),
        unwritten=submission.unwritten.difference(_GPT2.names),
        stubs=submission.stubs.difference(_GPT2.names),
        problems=tuple(problem for problem in submission.problems if problem.file != FILE),
        lost=kept,
        patched={name: text for name, text in submission.patched.items() if name != FILE},
        needed={name: lines for name, lines in submission.needed.items() if name != FILE},
    )


def is_broken(evidence: Evidence) -> bool:
    """Whether the submission cannot be imported, or its gpt2.py is not shown to be GPT-2."""
    subject, layouts = evidence.subject, evidence.layouts
    if not subject.loaded:
        return True
    if any(problem.file == FILE for problem in subject.submission.problems):
        return True
    searches: dict[str, Callable[[Any], Any]] = {
        "CausalSelfAttention": layouts.attention,
        "MLP": layouts.mlp,
        "TransformerBlock": layouts.block,
        "GPT2": layouts.model,
    }
    try:
        there = subject.found_classes()
        return not all(
            _is_right(evidence, name, find) for name, find in searches.items() if name in there
        )
    except (LayoutNotFound, CandidateError, WorkerLost, NotRun):
        return True


def _is_right(evidence: Evidence, name: str, find: Callable[[Any], Any]) -> bool:
    size = sizes.BY_CLASS[name][0]
    layout = find(size)
    module = evidence.models.weighed(name, size)
    theta, x = module.random(np.random.default_rng(evidence.seed), 0.5), example(size)
    near = difference(module.call(x, theta), layout.compute(theta, x)) <= CLOSE
    return near and computed.sound(layout)
