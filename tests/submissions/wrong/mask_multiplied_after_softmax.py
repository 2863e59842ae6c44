# verdict: fail
# part: CausalSelfAttention
# cause: mask-after-softmax
# style: JAX-minded pure functions over ParameterDict; softmax first, tril of the weights afterwards
import torch
import torch.nn as nn
import torch.nn.functional as F


def linear(p, x):
    return x @ p["w"] + p["b"]


def new_linear(n_in, n_out):
    return nn.ParameterDict(
        {
            "w": nn.Parameter(torch.randn(n_in, n_out) / n_in**0.5),
            "b": nn.Parameter(torch.zeros(n_out)),
        }
    )


def attend(q, k, v):
    scores = q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5
    weights = torch.tril(F.softmax(scores, dim=-1))
    return weights @ v


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head, self.rate = num_heads, dropout_p
        self.qkv, self.out = new_linear(embed_dim, 3 * embed_dim), new_linear(embed_dim, embed_dim)

    def forward(self, x):
        B, T, C = x.shape
        qkv = linear(self.qkv, x).reshape(B, T, 3, self.n_head, C // self.n_head)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        y = attend(q, k, v).swapaxes(1, 2).reshape(B, T, C)
        return F.dropout(linear(self.out, y), self.rate, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.rate = dropout_p
        self.up, self.down = (
            new_linear(embed_dim, 4 * embed_dim),
            new_linear(4 * embed_dim, embed_dim),
        )

    def forward(self, x):
        h = linear(self.down, F.gelu(linear(self.up, x), approximate="tanh"))
        return F.dropout(h, self.rate, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        x = x + self.mlp(self.ln2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Parameter(0.02 * torch.randn(vocab_size, embed_dim))
        self.wpe = nn.Parameter(0.02 * torch.randn(block_size, embed_dim))
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln_f = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        x = self.wte[idx] + self.wpe[: idx.shape[1]]
        for blk in self.blocks:
            x = blk(x)
        return self.ln_f(x) @ self.wte.T
