# verdict: fail
# part: CausalSelfAttention
# cause: scale-multiplied
# style: bias-free nn.Parameter matrices with @; divides by head_dim, the square root forgotten

import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        C = embed_dim
        self.H = num_heads
        self.D = C // num_heads
        std = C**-0.5
        self.Wq = nn.Parameter(torch.randn(C, C) * std)
        self.Wk = nn.Parameter(torch.randn(C, C) * std)
        self.Wv = nn.Parameter(torch.randn(C, C) * std)
        self.Wo = nn.Parameter(torch.randn(C, C) * std)
        self.attn_drop = nn.Dropout(dropout_p)
        self.out_drop = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        q = (x @ self.Wq).view(B, T, self.H, self.D).transpose(1, 2)
        k = (x @ self.Wk).view(B, T, self.H, self.D).transpose(1, 2)
        v = (x @ self.Wv).view(B, T, self.H, self.D).transpose(1, 2)
        s = q @ k.transpose(-1, -2) / self.D
        i = torch.arange(T, device=x.device)
        s = s.masked_fill(i[None, :] > i[:, None], float("-inf"))
        a = self.attn_drop(torch.softmax(s, dim=-1))
        y = (a @ v).transpose(1, 2).reshape(B, T, C)
        return self.out_drop(y @ self.Wo)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.c_fc(x)
        x = self.gelu(x)
        x = self.c_proj(x)
        return self.dropout(x)


class TransformerBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x + self.attention(self.norm1(x))
        return h + self.feed_forward(self.norm2(h))


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
        self.token_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.register_buffer("positions", torch.arange(block_size), persistent=False)
        self.emb_dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_out = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        _, T = idx.shape
        h = self.emb_dropout(self.token_emb(idx) + self.pos_emb(self.positions[:T]))
        for blk in self.blocks:
            h = blk(h)
        h = self.ln_out(h)
        logits = self.unembed(h)  # (B, T, vocab_size)
        return logits
