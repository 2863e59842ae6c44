# verdict: fail
# part: CausalSelfAttention
# cause: merge-wrong
# style: permute(2, 0, 1, 3) before the merging reshape: right for one sequence, mixes a batch

"""A small GPT-2: attention, MLP, block, model."""

import torch
from torch import nn
from torch.nn import functional as F


class Conv1D(nn.Module):
    """Linear layer with the weight stored as (in, out), like the OpenAI code."""

    def __init__(self, nx, nf):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(nx, nf) * 0.02)
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return x @ self.weight + self.bias


class PreNormResidual(nn.Module):
    """x + fn(norm(x))"""

    def __init__(self, dim, fn):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x):
        return x + self.fn(self.norm(x))


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
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.attn = Conv1D(embed_dim, embed_dim * 3)
        self.proj = Conv1D(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        qkv = self.attn(x).reshape(B, T, 3, self.num_heads, C // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = torch.einsum("bhid,bhjd->bhij", q, k) / (C // self.num_heads) ** 0.5
        pos = torch.arange(T, device=x.device)
        scores = scores.masked_fill(pos > pos[:, None], float("-inf"))
        weights = self.drop(torch.softmax(scores, dim=-1))
        y = torch.einsum("bhij,bhjd->bhid", weights, v)
        y = y.permute(2, 0, 1, 3).reshape(B, T, C)
        return self.drop(self.proj(y))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attn = PreNormResidual(embed_dim, attn)
        self.mlp = PreNormResidual(embed_dim, MLP(embed_dim, dropout_p))

    def forward(self, x):
        return self.mlp(self.attn(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocab_size, embed_dim),
                wpe=nn.Embedding(block_size, embed_dim),
                drop=nn.Dropout(dropout_p),
                h=nn.ModuleList(
                    [
                        TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                        for _ in range(num_layers)
                    ]
                ),
                ln_f=nn.LayerNorm(embed_dim),
            )
        )
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, idx):
        b, t = idx.size()
        assert t <= self.block_size
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        tok_emb = self.transformer.wte(idx)
        pos_emb = self.transformer.wpe(pos)
        x = self.transformer.drop(tok_emb + pos_emb)
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        return self.lm_head(x)
