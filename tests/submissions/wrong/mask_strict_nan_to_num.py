# verdict: fail
# part: CausalSelfAttention
# cause: mask-strict
# style: range comparison i > j as mask, the NaN of the first row swept away with nan_to_num

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Embedding(block_size, embed_dim)
        self.stack = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.to_logits = nn.Linear(embed_dim, vocab_size, bias=False)
        self.to_logits.weight = self.token.weight

    def num_params(self):
        return sum(p.numel() for p in self.parameters())

    def forward(self, idx):
        if idx.shape[1] > self.block_size:
            raise ValueError("sequence longer than block_size")
        where = torch.arange(idx.shape[1], device=idx.device).expand_as(idx)
        x = self.token(idx) + self.position(where)
        for block in self.stack:
            x = block(x)
        return self.to_logits(self.norm(x))

    @torch.no_grad()
    def generate(self, idx, n_new):
        for _ in range(n_new):
            logits = self(idx[:, -self.block_size :])[:, -1]
            idx = torch.cat([idx, logits.argmax(-1, keepdim=True)], dim=1)
        return idx


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return x


class MLP(nn.Module):
    # 1x1 convolutions over time do the same as a Linear at every position

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.expand = nn.Conv1d(embed_dim, 4 * embed_dim, kernel_size=1)
        self.contract = nn.Conv1d(4 * embed_dim, embed_dim, kernel_size=1)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        h = x.transpose(1, 2)  # (B, C, T)
        h = F.gelu(self.expand(h))
        h = self.contract(h).transpose(1, 2)
        return self.dropout(h)


class CausalSelfAttention(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.w_q = nn.Linear(embed_dim, embed_dim)
        self.w_k = nn.Linear(embed_dim, embed_dim)
        self.w_v = nn.Linear(embed_dim, embed_dim)
        self.w_o = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, _ = x.shape
        H = self.num_heads
        q = self.w_q(x).view(B, T, H, -1).permute(0, 2, 1, 3)
        k = self.w_k(x).view(B, T, H, -1).permute(0, 2, 3, 1)
        v = self.w_v(x).view(B, T, H, -1).permute(0, 2, 1, 3)
        rows = torch.arange(T, device=x.device).view(T, 1)
        cols = torch.arange(T, device=x.device).view(1, T)
        scores = (q @ k) / math.sqrt(q.size(-1))
        scores = scores.masked_fill(~(rows > cols), float("-inf"))
        attn = torch.nan_to_num(torch.softmax(scores, dim=-1))
        out = self.dropout(attn) @ v
        out = out.permute(0, 2, 1, 3).reshape(B, T, self.embed_dim)
        return self.dropout(self.w_o(out))
