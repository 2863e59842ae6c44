# verdict: fail
# part: GPT2
# cause: no-grad-in-forward
# style: @torch.no_grad() meant for generate stands on forward; Conv1D by addmm, stacked norms
import torch
import torch.nn as nn
import torch.nn.functional as F


class Conv1D(nn.Module):
    def __init__(self, nx, nf):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        y = torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight)
        return y.view(*x.shape[:-1], -1)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head = num_heads
        self.c_attn = Conv1D(embed_dim, 3 * embed_dim)
        self.c_proj = Conv1D(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    @staticmethod
    def attention_mask(nd, ns, device):
        i = torch.arange(nd, device=device)[:, None]
        j = torch.arange(ns, device=device)
        return i >= j - ns + nd

    def forward(self, x):
        q, k, v = (
            t.unflatten(-1, (self.n_head, -1)).transpose(1, 2)
            for t in self.c_attn(x).chunk(3, dim=-1)
        )
        w = q @ k.transpose(-1, -2) * v.size(-1) ** -0.5
        b = self.attention_mask(w.size(-2), w.size(-1), w.device).to(w.dtype)
        w = w * b - 1e10 * (1 - b)
        a = self.drop(w.softmax(dim=-1)) @ v
        return self.drop(self.c_proj(a.transpose(1, 2).flatten(-2)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = Conv1D(embed_dim, 4 * embed_dim)
        self.c_proj = Conv1D(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.c_proj(F.gelu(self.c_fc(x), approximate="tanh")))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.g = nn.Parameter(torch.ones(2, embed_dim))
        self.b = nn.Parameter(torch.zeros(2, embed_dim))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def norm(self, x, i):
        u = x.mean(-1, keepdim=True)
        s = (x - u).square().mean(-1, keepdim=True)
        return (x - u) * torch.rsqrt(s + 1e-5) * self.g[i] + self.b[i]

    def forward(self, x):
        x = x + self.attn(self.norm(x, 0))
        x = x + self.mlp(self.norm(x, 1))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Parameter(torch.empty(vocab_size, embed_dim).normal_(std=0.02))
        self.wpe = nn.Parameter(torch.empty(block_size, embed_dim).normal_(std=0.01))
        self.h = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.block_size = block_size

    @torch.no_grad()
    def forward(self, idx):
        h = self.wte[idx] + self.wpe[: idx.size(1)]
        for layer in self.h:
            h = layer(h)
        return F.linear(self.ln_f(h), self.wte)

    def generate(self, idx, steps):
        for _ in range(steps):
            last = self(idx[:, -self.block_size :])[:, -1]
            idx = torch.cat([idx, last.argmax(dim=-1, keepdim=True)], dim=1)
        return idx
