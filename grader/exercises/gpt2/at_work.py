"""What the four classes use when they run: as the worker says, which can only cost points."""

from __future__ import annotations

from dataclasses import dataclass, field

from grader.check import NotRun
from grader.exercises.gpt2 import common
from grader.gpt2 import sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.models import CLASSES, example
from grader.gpt2.policy import advise_of_stranded
from grader.sandbox.client import CandidateError, WorkerLost
from grader.submission import FORBIDDEN_NAMES

_SHARE = 0.2  # of a check's time: a class that hangs is told by its own checks
_SDPA = "scaled_dot_product_attention"
# Ways by which tensors leave torch: what computes with them is another package.
_LEAVES = frozenset({"numpy", "__array__", "tolist", "__dlpack__"})


@dataclass
class AtWork:
    """What was seen. found: sentences on forbidden things, by the class that does it first; leaves:
    classes whose tensors leave torch; silent: classes that gave no answer.
    """

    found: dict[str, list[str]] = field(default_factory=dict)
    leaves: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)


def look(evidence: Evidence) -> AtWork:
    """Watch one forward of each class. What an earlier class does is not held against a later.

    Raises WorkerLost if a class does worse than to give no answer.
    """
    seen = AtWork()
    known: set[str] = set()
    for name in CLASSES:
        evidence.subject.start_clock(_SHARE)
        try:
            words, called = _of_class(evidence, name)
        except (CandidateError, NotRun):
            continue  # what does not run is judged elsewhere
        except WorkerLost as lost:
            if lost.status != "timeout":
                raise
            seen.silent.append(name)
            continue
        own = [sentence for word, sentence in words.items() if word not in known]
        if own:
            seen.found[name] = own
        if called & _LEAVES and not known & _LEAVES:
            seen.leaves.append(name)
        known |= called | words.keys()
    return seen


def _of_class(evidence: Evidence, name: str) -> tuple[dict[str, str], set[str]]:
    """Sentences by the forbidden thing that they are about, and all that is called."""
    size = sizes.BY_CLASS[name][0]
    x = example(size)
    model = evidence.models.module(name, size)
    words = {
        p.type: f"{p.path or name} is torch's {p.type}"
        for p in model.parts
        if p.type in FORBIDDEN_NAMES
    }
    functions, device_mismatches, watched = model.trace(x)
    unwatched, again = model.outputs([x, x], any_shape=True)
    if common.same(unwatched, again) and not common.same(watched, unwatched):
        words["other"] = "it computes something else while its calls are noted"
    called = {function.rsplit(".", 1)[-1] for function in functions}
    if _SDPA in called:
        evidence.advise(
            "fused-attention",
            "F.scaled_dot_product_attention computes the attention. That is allowed; be ready to "
            "write it out.",
        )
    if name == "GPT2":
        advise_of_stranded(evidence, device_mismatches)
    for word in sorted(called & FORBIDDEN_NAMES):
        words.setdefault(word, f"it calls torch's {word}")
    return words, called
