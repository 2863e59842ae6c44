"""GPT-2s whose classes have other names or arguments, and what is to be taken for what."""

from __future__ import annotations

import re

from tests.packing import ATTENTION, RIGHT, renamed

_ROLES = {"CausalSelfAttention": "Attention", "MLP": "FeedForward", "TransformerBlock": "Block"}
_CONFIG = """
import math
from dataclasses import dataclass
import torch
import torch.nn as nn
import torch.nn.functional as F

{config}

class {attention}(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.qkv = nn.Linear({c}n_embd, 3 * {c}n_embd, bias={c}bias)
        self.proj = nn.Linear({c}n_embd, {c}n_embd)
        self.drop = nn.Dropout({c}dropout)
        size = {c}block_size
        self.register_buffer("mask", torch.tril(torch.ones(size, size)) == 0)

    def forward(self, x):
        config = self.config
        B, T, C = x.shape
        heads = {c}n_head
        q, k, v = (t.view(B, T, heads, -1).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        scores = q @ k.transpose(-2, -1) / math.sqrt(C // heads)
        weights = scores.masked_fill(self.mask[:T, :T], float("-inf")).softmax(-1)
        return self.proj((self.drop(weights) @ v).transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear({c}n_embd, 4 * {c}n_embd), nn.GELU(),
            nn.Linear(4 * {c}n_embd, {c}n_embd), nn.Dropout({c}dropout),
        )

    def forward(self, x):
        return self.net(x)


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm({c}n_embd), nn.LayerNorm({c}n_embd)
        self.attn, self.mlp = {attention}(config), MLP(config)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.wte = nn.Embedding({c}vocab_size, {c}n_embd)
        self.wpe = nn.Embedding({c}block_size, {c}n_embd)
        self.h = nn.ModuleList([Block(config) for _ in range({c}n_layer)])
        self.ln_f = nn.LayerNorm({c}n_embd)
        self.head = nn.Linear({c}n_embd, {c}vocab_size, bias=False)

    def forward(self, idx):
        x = self.wte(idx) + self.wpe(torch.arange(idx.shape[1], device=idx.device))
        for block in self.h:
            x = block(x)
        return self.head(self.ln_f(x))
"""
_FIELDS = ("block_size", "vocab_size", "n_layer", "n_head", "n_embd", "dropout")
_DATACLASS = "@dataclass\nclass GPTConfig:\n" + "".join(
    f"    {name}: {'float = 0.1' if name == 'dropout' else 'int = 12'}\n" for name in _FIELDS
)


def _configured(config: str, c: str = "config.", attention: str = "SelfAttention") -> str:
    """A GPT-2 whose classes take a config object; c: how its fields are read."""
    return _CONFIG.format(config=config, c=c, attention=attention)


_DICT = "CONFIG = {" + ", ".join(f'"{name}": 12' for name in (*_FIELDS, "bias")) + "}\n"
_WITH_CONFIG = {
    "CausalSelfAttention": "SelfAttention",
    "MLP": "MLP",
    "TransformerBlock": "Block",
    "GPT2": "GPT",
}
_FOUR = ("CausalSelfAttention", "MLP", "TransformerBlock", "GPT2")

# Which classes are taken for which, those alone that are called or built otherwise.
TAKEN: dict[str, tuple[str, dict[str, str]]] = {
    "as asked": (RIGHT, {}),
    "all renamed": (
        renamed(**_ROLES, GPT2="GPT"),
        {**_ROLES, "GPT2": "GPT"},
    ),
    "attention renamed": (
        renamed(CausalSelfAttention="MultiHeadAttention"),
        {"CausalSelfAttention": "MultiHeadAttention"},
    ),
    "names that say nothing": (
        renamed(CausalSelfAttention="P", MLP="Q", TransformerBlock="R", GPT2="S"),
        {"CausalSelfAttention": "P", "MLP": "Q", "TransformerBlock": "R", "GPT2": "S"},
    ),
    "misleading names": (
        renamed(MLP="AttentionOutput", TransformerBlock="GPTLayer"),
        {"MLP": "AttentionOutput", "TransformerBlock": "GPTLayer"},
    ),
    "arguments renamed": (
        RIGHT.replace("embed_dim", "d_model").replace("num_heads", "n_head"),
        {name: name for name in _FOUR},
    ),
    "config, dataclass": (
        _configured(_DATACLASS + "    bias: bool = True\n"),
        {
            "CausalSelfAttention": "SelfAttention",
            "MLP": "MLP",
            "TransformerBlock": "Block",
            "GPT2": "GPT",
        },
    ),
    "config, a mapping": (
        re.sub(r'config\["(\w+)', r'config["\1"]', _configured(_DICT, 'config["')),
        {
            "CausalSelfAttention": "SelfAttention",
            "MLP": "MLP",
            "TransformerBlock": "Block",
            "GPT2": "GPT",
        },
    ),
    "two that may be the attention": (
        renamed(CausalSelfAttention="First")
        + "\n\n"
        + ATTENTION.replace("CausalSelfAttention", "Second"),
        {"CausalSelfAttention": "First"},
    ),
}
