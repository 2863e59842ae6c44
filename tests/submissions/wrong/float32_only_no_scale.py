# verdict: fail
# part: CausalSelfAttention
# cause: no-scale
# style: insists on float32 by dtype, type string and isinstance; float32 accumulator, norms and one-hot tokens
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.scale = torch.tensor(1.0, dtype=torch.float32)
        self.q = nn.Linear(embed_dim, embed_dim)
        self.k = nn.Linear(embed_dim, embed_dim)
        self.v = nn.Linear(embed_dim, embed_dim)
        self.o = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        assert x.type() == "torch.FloatTensor", x.type()
        assert isinstance(x, torch.FloatTensor)
        B, T, C = x.shape
        D = self.head_dim
        out = torch.zeros(B, T, C, dtype=torch.float32)
        for h in range(self.num_heads):
            part = slice(h * D, (h + 1) * D)
            q, k, v = self.q(x)[..., part], self.k(x)[..., part], self.v(x)[..., part]
            w = torch.bmm(q, k.transpose(1, 2)) * self.scale
            w = w.masked_fill(torch.ones(T, T).triu(1).bool(), float("-inf"))
            w = self.drop(F.softmax(w, dim=-1, dtype=torch.float32))
            out[..., part] += torch.bmm(w, v)
        return self.o(out)


class Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        assert g.dtype == torch.float32
        pdf = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        return g * (0.5 * (1 + torch.erf(x / math.sqrt(2))) + x * pdf)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w1 = nn.Parameter(torch.empty(embed_dim, 4 * embed_dim).float())
        self.b1 = nn.Parameter(torch.zeros(4 * embed_dim, dtype=torch.float32))
        self.down = nn.Linear(4 * embed_dim, embed_dim, dtype=torch.float32)
        self.drop = nn.Dropout(dropout_p)
        nn.init.normal_(self.w1, std=0.02)

    def forward(self, x):
        if x.dtype not in (torch.float32, torch.float16):
            raise TypeError(x.dtype)
        return self.drop(self.down(Gelu.apply(x @ self.w1 + self.b1)))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n1 = nn.LayerNorm(embed_dim, dtype=torch.float32)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.n2 = nn.LayerNorm(embed_dim, dtype=torch.float32)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.n1(x))
        return x + self.mlp(self.n2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.vocab_size, self.block_size = vocab_size, block_size
        self.tok = nn.Linear(vocab_size, embed_dim, bias=False)
        self.pos = nn.Parameter(torch.randn(block_size, embed_dim).type(torch.float32) * 0.02)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.tok(F.one_hot(idx, self.vocab_size).float()) + self.pos[: idx.shape[1]]
        x = self.drop(x)
        for b in self.blocks:
            x = b(x)
        return self.head(self.norm(x))
