# verdict: pass
# style: optional constructor arguments after dropout_p; generate, configure_optimizers, crop, count
import inspect
import math

import torch
import torch.nn as nn
from torch.nn import functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0, bias=True, flash=False):
        super().__init__()
        self.wq = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.wk = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.wv = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.wo = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.n_head = num_heads
        self.dropout = dropout_p
        self.flash = flash

    def forward(self, x):
        B, T, C = x.size()
        q = self.wq(x).view(B, T, self.n_head, -1).transpose(1, 2)
        k = self.wk(x).view(B, T, self.n_head, -1).transpose(1, 2)
        v = self.wv(x).view(B, T, self.n_head, -1).transpose(1, 2)
        y = (self._fast if self.flash else self._slow)(q, k, v)
        y = self.wo(y.transpose(1, 2).reshape(B, T, C))
        return F.dropout(y, self.dropout, self.training)

    def _fast(self, q, k, v):
        p = self.dropout if self.training else 0.0
        return F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)

    def _slow(self, q, k, v):
        T = q.size(-2)
        att = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
        att = att + torch.full((T, T), -torch.inf, dtype=q.dtype, device=q.device).triu(1)
        att = F.dropout(att.softmax(-1), self.dropout, self.training)
        return att @ v


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0, bias=True, multiplier=4, approximate="none"):
        super().__init__()
        self.fc = nn.Linear(embed_dim, multiplier * embed_dim, bias=bias)
        self.proj = nn.Linear(multiplier * embed_dim, embed_dim, bias=bias)
        self.approximate = approximate
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.proj(F.gelu(self.fc(x), approximate=self.approximate)))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0, *, eps=1e-5, **kwargs):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim, eps=eps)
        self.ln2 = nn.LayerNorm(embed_dim, eps=eps)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p, **kwargs)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size,
        embed_dim,
        num_heads,
        num_layers,
        block_size,
        dropout_p=0.0,
        tie_weights=False,
        init_std=0.02,
        **block_options,
    ):
        super().__init__()
        self.block_size = block_size
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.h = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p, **block_options)
            for _ in range(num_layers)
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        if tie_weights:
            self.lm_head.weight = self.wte.weight
        self.reset_parameters(init_std)

    def reset_parameters(self, std):
        for p in self.parameters():
            if p.dim() >= 2:
                nn.init.normal_(p, std=std)

    @property
    def device(self):
        return self.wte.weight.device

    def num_params(self, non_embedding=True):
        n = sum(p.numel() for p in self.parameters())
        return n - self.wpe.weight.numel() if non_embedding else n

    def crop_block_size(self, block_size):
        assert block_size <= self.block_size
        self.block_size = block_size
        self.wpe.weight = nn.Parameter(self.wpe.weight[:block_size])

    def configure_optimizers(self, weight_decay, learning_rate, betas, device_type="cpu"):
        params = [p for p in self.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in params if p.dim() >= 2], "weight_decay": weight_decay},
            {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0},
        ]
        has_fused = "fused" in inspect.signature(torch.optim.AdamW).parameters
        extra = dict(fused=True) if has_fused and device_type == "cuda" else {}
        return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, **extra)

    def forward(self, idx):
        B, T = idx.size()
        x = self.drop(self.wte(idx) + self.wpe(torch.arange(T, device=idx.device)))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))

    @torch.no_grad()
    def generate(self, idx, max_new_tokens, temperature=1.0, top_k=None):
        for _ in range(max_new_tokens):
            logits = self(idx[:, -self.block_size :])[:, -1, :] / temperature
            if top_k is not None:
                v, _ = torch.topk(logits, min(top_k, logits.size(-1)))
                logits[logits < v[:, [-1]]] = -float("inf")
            probs = F.softmax(logits, dim=-1)
            idx = torch.cat((idx, torch.multinomial(probs, num_samples=1)), dim=1)
        return idx
