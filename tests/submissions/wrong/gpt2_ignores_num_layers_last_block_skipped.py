# verdict: fail
# part: GPT2
# cause: ignores-num-layers
# style: loops over the blocks by index and stops one short
import math

import torch
from torch import Tensor, nn


class Conv1D(nn.Module):
    """Linear layer with the weight stored as (in, out), as in the TensorFlow release."""

    def __init__(self, nx, nf):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf))
        self.bias = nn.Parameter(torch.zeros(nf))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x):
        return x @ self.weight + self.bias


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.split_size = embed_dim
        self.n_head = num_heads
        self.c_attn = Conv1D(embed_dim, 3 * embed_dim)
        self.c_proj = Conv1D(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def split_heads(self, x):
        B, T, C = x.shape
        return x.view(B, T, self.n_head, C // self.n_head).permute(0, 2, 1, 3)

    def forward(self, x):
        B, T, C = x.shape
        query, key, value = self.c_attn(x).split(self.split_size, dim=-1)
        query, key, value = map(self.split_heads, (query, key, value))
        w = query @ key.permute(0, 1, 3, 2) / math.sqrt(value.size(-1))
        allowed = torch.tril(torch.ones(T, T, dtype=w.dtype, device=w.device))
        w = w * allowed - 1e9 * (1 - allowed)
        w = self.dropout(w.softmax(dim=-1))
        a = (w @ value).permute(0, 2, 1, 3).contiguous().view(B, T, C)
        return self.dropout(self.c_proj(a))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.layer_norm_1 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.self_attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.layer_norm_2 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        # attention branch
        residual = x
        x = self.layer_norm_1(x)
        x = self.self_attention(x)
        x = residual + x

        # feed-forward branch
        residual = x
        x = self.layer_norm_2(x)
        x = self.mlp(x)
        return residual + x


class GPT2(nn.Module):
    def __init__(
        self, vocab_size: int, embed_dim: int, num_heads: int, num_layers: int, block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.final_norm = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx: Tensor) -> Tensor:
        pos = torch.arange(idx.shape[1], device=idx.device)
        x = self.tokens(idx) + self.positions(pos)
        layer = 0
        while layer < self.num_layers - 1:
            x = self.layers[layer](x)
            layer += 1
        return self.unembed(self.final_norm(x))
