"""How far right and wrong lie apart: the gap in which the tolerance of equality stands.

    python -m tests.benchmarks.margins

For each submission and part, the largest difference from the float64 oracle under the layout that
was found, relative to the largest output, over several draws in each regime of weights. Right ones
should all be far below the tolerance, wrong ones far above it, in at least one regime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from grader.check import NotRun
from grader.gpt2 import oracle, sizes
from grader.gpt2.evidence import Evidence
from grader.gpt2.experiment import REGIMES, Case
from grader.gpt2.layouts import LayoutNotFound
from grader.gpt2.layouts.box import CLOSE, difference
from grader.gpt2.models import CLASSES
from grader.sandbox.client import CandidateError, LoadedSubmission, Server, WorkerLost, start
from grader.submission import read
from tests.bank import Known, known

DRAWS = 6


def margins(evidence: Evidence) -> Iterator[tuple[str, float]]:
    """(part, worst difference) for the parts of which a layout was found."""
    ways: dict[str, Callable[..., Callable[..., np.ndarray]]] = {
        "CausalSelfAttention": _attention,
        "MLP": _mlp,
        "TransformerBlock": lambda evidence, size: evidence.layouts.block(size).compute,
        "GPT2": lambda evidence, size: evidence.layouts.model(size).compute,
    }
    for name, way in ways.items():
        for size in sizes.BY_CLASS[name]:
            try:
                expected = way(evidence, size)
                yield name, max(_errors(evidence, name, size, expected))
            except (LayoutNotFound, CandidateError, WorkerLost, NotRun):
                continue


def _attention(evidence: Evidence, size: dict[str, int]) -> Callable[..., np.ndarray]:
    layout = evidence.layouts.attention(size)
    return lambda theta, x: oracle.attention(x, layout.weights(theta))


def _mlp(evidence: Evidence, size: dict[str, int]) -> Callable[..., np.ndarray]:
    layout = evidence.layouts.mlp(size)
    gelu = layout.activation or oracle.gelu_exact
    return lambda theta, x: oracle.mlp(x, layout.weights(theta), gelu)


def _errors(
    evidence: Evidence, name: str, size: dict[str, int], expected: Callable[..., np.ndarray]
) -> Iterator[float]:
    for regime in REGIMES:
        for draw in range(DRAWS):
            case = Case(size, 2, size.get("block_size", 4), regime, draw)
            experiment = evidence.weighed_experiment(name, case)
            found = experiment.module.call(experiment.x, experiment.theta)
            yield difference(found, expected(experiment.theta, experiment.x))


def measure(bank: list[Known], server: Server) -> list[tuple[float, str, Known]]:
    found = []
    for submission in bank:
        with LoadedSubmission(read(submission.path, "gpt2.py"), server, CLASSES, 20.0) as subject:
            evidence = Evidence(subject, 0)
            subject.enter("margins")
            worst: dict[str, float] = {}
            for part, error in margins(evidence):
                subject.start_clock()
                worst[part] = max(error, worst.get(part, 0.0))
            wanted = submission.header.get("part")
            found += [(e, p, submission) for p, e in worst.items() if wanted in (None, p)]
    return sorted(found, key=lambda entry: entry[0])


def main() -> None:
    with start() as server:
        right = measure(known("accepted"), server)
        wrong = [w for w in measure(known("wrong"), server) if w[0] > CLOSE]
    print(f"tolerance {CLOSE:g}")
    print(f"worst of {len(right)} right parts:")
    for error, part, submission in right[-5:]:
        print(f"  {error:.2e}  {part}  {submission}")
    print(f"best of {len(wrong)} wrong parts that a layout was found for:")
    for error, part, submission in wrong[:5]:
        print(f"  {error:.2e}  {part}  {submission}")


if __name__ == "__main__":
    main()
