"""Where no biases are asked for there are none, neither one that acts nor an idle one."""

from __future__ import annotations

from typing import Any

import numpy as np

from grader.check import Failure
from grader.gpt2.evidence import Evidence
from grader.gpt2.layouts import AttentionLayout, MlpLayout, NormLayout
from grader.gpt2.layouts.box import ABSENT, Indices
from grader.gpt2.models import Size

_CAUSE = "without-no-biases"


def expect_none(
    evidence: Evidence, name: str, size: Size, layout: AttentionLayout | MlpLayout
) -> None:
    """Fail if a part has more trained parameters than weights where no biases are asked for."""
    if evidence.asked.biases:
        return
    acting = [place for key, place in vars(layout).items() if key.endswith("_bias")]
    _expect_absent(evidence, name, size, acting)
    module = evidence.models.weighed(name, size)
    weights = [v for key, v in vars(layout).items() if not key.endswith("_bias") and _is_place(v)]
    used = np.unique(np.concatenate([place.ravel() for place in weights]))
    idle = [p.name for p in module.parameters if p.trainable and not np.isin(p.indices, used).any()]
    if idle:
        raise Failure(
            f"expected no biases anywhere, found that {name} has {', '.join(idle[:3])}, which is "
            "none of its weights",
            cause=_CAUSE,
            proven=True,
        )


def expect_none_in(
    evidence: Evidence, name: str, size: Size, norms: tuple[NormLayout, ...], *others: Indices
) -> None:
    """Fail if one of these norms has a bias where none is asked for: an RMSNorm never has one."""
    if evidence.asked.biases and evidence.asked.norm == "layer":
        return
    places = [norm.bias for norm in norms]
    _expect_absent(evidence, name, size, [*places, *([] if evidence.asked.biases else others)])


def _expect_absent(evidence: Evidence, name: str, size: Size, places: list[Any]) -> None:
    acting = [p[p != ABSENT] for p in places if p is not None]
    found = np.concatenate([np.zeros(0, dtype=np.intp), *acting])
    if found.size:
        module = evidence.models.weighed(name, size)
        names = [p.name for p in module.parameters if np.isin(p.indices, found).any()]
        where = "in an RMSNorm" if evidence.asked.biases else "anywhere"
        raise Failure(
            f"expected no biases {where}, found {', '.join(names[:3])} in {name}",
            cause=_CAUSE if not evidence.asked.biases else "rmsnorm-bias",
            proven=True,
        )


def _is_place(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.intp
