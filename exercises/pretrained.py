"""Pretrained weights: OpenAI's GPT-2 in your own model. Fill in `load_openai_weights`.

The brief is pretrained.md. Shapes: C is embed_dim, V the size of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


def load_openai_weights(model: nn.Module, variables: Mapping[str, torch.Tensor]) -> None:
    """Give your own GPT2 the weights of an OpenAI checkpoint of the same size.

    model: a GPT2 of your gpt2.py. variables: all variables of the checkpoint by name, float32, such
    as "model/wte" (V, C) and "model/h0/attn/c_attn/w" [1, C, 3C]; the brief lists them. Afterwards
    the model's logits are those of OpenAI's model. Nothing of it shares memory with variables.

    Raises ValueError with the variable's name if one is missing, surplus or of a wrong shape; the
    model is then as it was.
    """
    raise NotImplementedError
