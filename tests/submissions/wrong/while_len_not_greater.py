# verdict: fail
# part: GPT2
# cause: num-layers-plus-one
# style: while len(blocks) <= num_layers: append, one too many; ParameterList of per-head matrices
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.d, self.p = embed_dim // num_heads, dropout_p
        new = lambda n: torch.randn(embed_dim, n) * embed_dim**-0.5  # noqa: E731
        self.heads = nn.ParameterList([new(3 * self.d) for _ in range(num_heads)])
        self.mix = nn.Parameter(new(embed_dim))

    def forward(self, x):
        T = x.size(1)
        causal = torch.ones(T, T, device=x.device).tril().bool()
        out = []
        for w in self.heads:
            k, q, v = (x @ w).split(self.d, dim=-1)
            s = (q @ k.mT).div(self.d**0.5).masked_fill(causal.logical_not(), float("-inf"))
            out.append(F.dropout(s.softmax(-1), self.p, self.training) @ v)
        return F.dropout(torch.cat(out, -1) @ self.mix, self.p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.p = dropout_p
        self.lift = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * embed_dim**-0.5)
        self.drop_back = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * embed_dim**-0.5)

    def forward(self, x):
        h = F.gelu(x @ self.lift, approximate="tanh")
        return F.dropout(h @ self.drop_back, self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n = nn.ModuleList([nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)])
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.n[0](x))
        return x + self.mlp(self.n[1](x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.wpe = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList()
        while len(self.blocks) <= num_layers:
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln_f = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        x = self.wte[idx] + self.wpe[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.ln_f(x) @ self.wte.T
