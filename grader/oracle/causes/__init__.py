"""The catalogue of named bugs: what each one is, what the brief asks, and hints towards it."""

from __future__ import annotations

from grader.oracle.causes.anywhere import ANYWHERE
from grader.oracle.causes.attention import ATTENTION
from grader.oracle.causes.attention_scores import ATTENTION_SCORES
from grader.oracle.causes.block import BLOCK
from grader.oracle.causes.classification import CLASSIFICATION
from grader.oracle.causes.classification_clipping import CLASSIFICATION_CLIPPING
from grader.oracle.causes.classification_steps import CLASSIFICATION_STEPS
from grader.oracle.causes.classification_weights import CLASSIFICATION_WEIGHTS
from grader.oracle.causes.crashes import CRASH_SLUGS, CRASHES, of_exception
from grader.oracle.causes.entry import Cause
from grader.oracle.causes.generation import GENERATION
from grader.oracle.causes.generation_draws import GENERATION_DRAWS
from grader.oracle.causes.generation_kept import GENERATION_KEPT
from grader.oracle.causes.kv_cache import KV_CACHE
from grader.oracle.causes.kv_cache_kept import KV_CACHE_KEPT
from grader.oracle.causes.mlp import MLP
from grader.oracle.causes.model import MODEL
from grader.oracle.causes.model_embeddings import MODEL_EMBEDDINGS
from grader.oracle.causes.pretrained import PRETRAINED
from grader.oracle.causes.pretrained_contract import PRETRAINED_CONTRACT
from grader.oracle.causes.tokenizer import TOKENIZER
from grader.oracle.causes.tokenizer_cuts import TOKENIZER_CUTS
from grader.oracle.causes.tokenizer_decoding import TOKENIZER_DECODING
from grader.oracle.causes.tokenizer_special import TOKENIZER_SPECIAL
from grader.oracle.causes.tokenizer_training import TOKENIZER_TRAINING
from grader.oracle.causes.training_batches import TRAINING_BATCHES
from grader.oracle.causes.training_clipping import TRAINING_CLIPPING
from grader.oracle.causes.training_estimate import TRAINING_ESTIMATE
from grader.oracle.causes.training_loss import TRAINING_LOSS
from grader.oracle.causes.training_optimizer import TRAINING_OPTIMIZER
from grader.oracle.causes.training_schedule import TRAINING_SCHEDULE
from grader.oracle.causes.training_step import TRAINING_STEP
from grader.oracle.causes.ways import WAYS

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
        CRASHES,
        WAYS,
        GENERATION,
        GENERATION_DRAWS,
        GENERATION_KEPT,
        PRETRAINED,
        PRETRAINED_CONTRACT,
        CLASSIFICATION,
        CLASSIFICATION_WEIGHTS,
        CLASSIFICATION_STEPS,
        CLASSIFICATION_CLIPPING,
        TRAINING_BATCHES,
        TRAINING_LOSS,
        TRAINING_OPTIMIZER,
        TRAINING_SCHEDULE,
        TRAINING_STEP,
        TRAINING_CLIPPING,
        TRAINING_ESTIMATE,
        TOKENIZER_TRAINING,
        TOKENIZER_CUTS,
        TOKENIZER,
        TOKENIZER_SPECIAL,
        TOKENIZER_DECODING,
        KV_CACHE,
        KV_CACHE_KEPT,
    )
    for cause in part
}

__all__ = ["CAUSES", "CRASH_SLUGS", "Cause", "of_exception"]
