"""The catalogue of named bugs: what each one is, what the brief asks, and hints towards it."""

from __future__ import annotations

from grader.oracle.causes.anywhere import ANYWHERE
from grader.oracle.causes.attention import ATTENTION
from grader.oracle.causes.attention_scores import ATTENTION_SCORES
from grader.oracle.causes.block import BLOCK
from grader.oracle.causes.entry import Cause
from grader.oracle.causes.generation import GENERATION
from grader.oracle.causes.generation_draws import GENERATION_DRAWS
from grader.oracle.causes.kv_cache import KV_CACHE
from grader.oracle.causes.mlp import MLP
from grader.oracle.causes.model import MODEL
from grader.oracle.causes.model_embeddings import MODEL_EMBEDDINGS

CAUSES: dict[str, Cause] = {
    cause.slug: cause
    for part in (
        ATTENTION_SCORES,
        ATTENTION,
        MLP,
        BLOCK,
        MODEL_EMBEDDINGS,
        MODEL,
        ANYWHERE,
        GENERATION,
        GENERATION_DRAWS,
        KV_CACHE,
    )
    for cause in part
}

__all__ = ["CAUSES", "Cause"]
