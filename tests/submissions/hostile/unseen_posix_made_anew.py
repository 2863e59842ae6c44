# verdict: fail
# group: 10
# status: violation
# tries: mknod of a marker by a fresh second posix module, from __torch_function__ at import
import _imp
import operator
import sys
from importlib.machinery import ModuleSpec

import torch
from torch import nn


class _Shape:
    """Looks like a tensor-like helper; torch itself calls its __torch_function__."""

    where = "-".join(("/tmp/gpt2", "kit", "hostile", "unseen_posix_made_anew"))
    # methodcaller looks the name up in C: no frame, no attribute named in the source
    touch = operator.methodcaller("".join(("mk", "nod")), where, 0o600)

    @staticmethod
    def maker():
        # a new instance of the built-in: nothing that was put into os or posix is in it
        spec = ModuleSpec("posix", None, origin="built-in")
        fresh = _imp.create_builtin(spec)
        _imp.exec_builtin(fresh)
        return fresh

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        try:
            cls.touch(cls.maker())
        except Exception:
            pass
        return torch.zeros(())


try:
    _TINY = torch.add(_Shape(), sys.float_info.epsilon)
except Exception:
    _TINY = None


class CausalSelfAttention(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.v_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.o_proj = nn.Linear(embed_dim, embed_dim)
        self.p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        def heads(t):
            return t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

        y = nn.functional.scaled_dot_product_attention(
            heads(self.q_proj(x)),
            heads(self.k_proj(x)),
            heads(self.v_proj(x)),
            dropout_p=self.p if self.training else 0.0,
            is_causal=True,
        )
        y = self.o_proj(y.transpose(1, 2).flatten(2))
        return nn.functional.dropout(y, self.p, self.training)


class MLP(nn.Sequential):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(approximate="tanh"),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )


class TransformerBlock(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.norm_attn = nn.LayerNorm(embed_dim)
        self.norm_mlp = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x + self.attention(self.norm_attn(x))
        return h + self.feed_forward(self.norm_mlp(h))


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.drop = nn.Dropout(dropout_p)
        self.layers = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.wte(idx) + self.wpe[: idx.size(1)])
        return self.lm_head(self.norm(self.layers(x)))
