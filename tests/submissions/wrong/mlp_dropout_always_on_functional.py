# verdict: fail
# part: MLP
# cause: dropout-always-on
# style: F.dropout, whose training argument is True unless told; 1x1 convolutions, channels first
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class LayerNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))
        self.beta = nn.Parameter(torch.zeros(dim))
        self.eps = eps

    def forward(self, x):
        mu = x.mean(-1, keepdim=True)
        var = ((x - mu) ** 2).mean(-1, keepdim=True)
        return self.gamma * (x - mu) / torch.sqrt(var + self.eps) + self.beta


class CausalSelfAttention(nn.Module):
    """Multi-head attention that looks only backwards."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.groups = num_heads
        self.pointwise_in = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1)
        self.pointwise_out = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        b, t, c = x.shape
        z = self.pointwise_in(x.transpose(1, 2)).view(b, 3, self.groups, c // self.groups, t)
        q, k, v = z.unbind(1)
        s = q.transpose(2, 3) @ k / math.sqrt(c // self.groups)
        later = torch.triu(torch.ones_like(s, dtype=torch.bool), diagonal=1)
        p = self.dropout(s.masked_fill(later, float("-inf")).softmax(-1))
        y = (v @ p.transpose(2, 3)).reshape(b, c, t)
        return self.dropout(self.pointwise_out(y)).transpose(1, 2)


class MLP(nn.Module):
    """Feed-forward part of the block, hidden width 4 * embed_dim."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.dropout_p = dropout_p

    def forward(self, x):
        h = self.c_proj(F.gelu(self.c_fc(x)))
        return F.dropout(h, p=self.dropout_p)


class TransformerBlock(nn.Module):
    """Attention and MLP, each with its norm and residual."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1, self.ln2 = LayerNorm(embed_dim), LayerNorm(embed_dim)
        self.sa = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p=dropout_p)
        self.ffwd = MLP(embed_dim, dropout_p=dropout_p)

    def forward(self, x):
        a = self.sa(self.ln1(x))
        x = x + a
        m = self.ffwd(self.ln2(x))
        return x + m


class GPT2(nn.Module):
    """Decoder-only language model; returns raw logits."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
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

    def forward(self, idx):
        b, t = idx.size()
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        tok_emb = self.transformer.wte(idx)  # (b, t, embed_dim)
        pos_emb = self.transformer.wpe(pos)  # (t, embed_dim)
        x = self.transformer.drop(tok_emb + pos_emb)
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        return self.lm_head(x)
