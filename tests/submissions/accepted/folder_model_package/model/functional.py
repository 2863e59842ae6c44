import math

import torch
from torch import Tensor


def gelu(x: Tensor) -> Tensor:
    """The tanh approximation used by GPT-2."""
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def attention_weights(q: Tensor, k: Tensor) -> Tensor:
    """q, k (B, H, T, D) -> causal weights (B, H, T, T)"""
    scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(q.size(-1))
    n = scores.size(-1)
    future = torch.ones(n, n, dtype=torch.bool, device=scores.device).triu(1)
    return scores.masked_fill(future, torch.finfo(scores.dtype).min).softmax(dim=-1)
