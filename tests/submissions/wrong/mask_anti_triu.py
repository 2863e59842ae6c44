# verdict: fail
# part: CausalSelfAttention
# cause: mask-anti
# style: einsum with (H, C, d) parameters; triu where tril is meant, only the future is seen

# GPT-2 from scratch

import torch
from torch import nn
from torch.nn import functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        d = embed_dim // num_heads
        self.w_q = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.w_k = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.w_v = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.w_o = nn.Parameter(torch.randn(num_heads, d, embed_dim) * 0.02)
        self.scale = d**-0.5
        self.drop = nn.Dropout(dropout_p)
        allowed = torch.ones(block_size, block_size, dtype=torch.bool).triu()
        self.register_buffer("allowed", allowed)

    def forward(self, x):
        T = x.shape[1]
        q = torch.einsum("btc,hcd->bhtd", x, self.w_q)
        k = torch.einsum("btc,hcd->bhtd", x, self.w_k)
        v = torch.einsum("btc,hcd->bhtd", x, self.w_v)
        s = torch.einsum("bhqd,bhkd->bhqk", q, k) * self.scale
        s = s.masked_fill(~self.allowed[:T, :T], float("-inf"))
        a = self.drop(s.softmax(dim=-1))
        y = torch.einsum("bhqk,bhkd->bhqd", a, v)
        return self.drop(torch.einsum("bhqd,hdc->bqc", y, self.w_o))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.a, self.b = nn.Linear(embed_dim, 4 * embed_dim), nn.Linear(4 * embed_dim, embed_dim)
        self.do = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.do(self.b(F.gelu(self.a(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.parts = nn.ModuleDict(
            {
                "ln_a": nn.LayerNorm(embed_dim),
                "attn": CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                "ln_m": nn.LayerNorm(embed_dim),
                "mlp": MLP(embed_dim, dropout_p),
            }
        )

    def forward(self, x):
        p = self.parts
        x = x + p["attn"](p["ln_a"](x))
        return x + p["mlp"](p["ln_m"](x))


class GPT2(nn.Module):
    """Decoder-only language model; returns raw logits (B, T, vocab_size)."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.out = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        T = idx.size(1)
        x = self.tok(idx) + self.pos(torch.arange(T, device=idx.device))[None]
        x = self.blocks(x)
        x = self.norm(x)
        return self.out(x)
